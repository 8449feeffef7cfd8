"""What a batch can reach: the accounts that its commands can touch, and their order groups."""

from itertools import islice

from trading.engine.commands import AnyCommand, Fire, Place
from trading.engine.dry_run import find_touched_accounts
from trading.engine.engine import Engine
from trading.engine.margin import compute_counted_lots
from trading.engine.types import BUY, SELL
from trading.pipeline.messages import Task
from trading.pipeline.writer import FIRES_MAX, Batch, LiveMarket


def find_touched(batch: Batch, live: LiveMarket, task: Task) -> set[int]:
    """Return the accounts that a task can touch in a market, as it is now.

    They were found when the batch began; they are looked for again only if the market has moved.
    """
    key, seq = (id(task), live.engine.market_id), live.engine.seq
    known = batch.touched.get(key)
    if known is not None and known[0] == seq:
        return known[1]
    found = find_touched_accounts(live.engine, task.command, batch.ts_us)
    batch.touched[key] = (seq, found)
    return found


def find_touched_by_fires(live: LiveMarket, ts_us: int) -> set[int]:
    """Return the accounts that the triggered orders of a market can touch, as it is now."""
    touched = {live.escrow_id, live.fees_id}
    for order in islice(live.engine.due.values(), FIRES_MAX):
        fire = Fire(order.order_id, order.account_id)
        touched |= find_touched_accounts(live.engine, fire, ts_us)
    return touched


def find_limited_fires(live: LiveMarket) -> set[int]:
    """Return the accounts of the triggered orders of a market with a position limit."""
    due = islice(live.engine.due.values(), FIRES_MAX) if is_limited(live.engine) else ()
    return {order.account_id for order in due}


def find_groups(live: LiveMarket, account_ids: set[int]) -> set[str]:
    """Return the order groups with orders in a market that are of these accounts."""
    return {
        order_group
        for order_group, orders in live.engine.groups.items()
        if next(iter(orders.values())).account_id in account_ids
    }


def is_limited(engine: Engine) -> bool:
    """Whether a market has a position limit, which is the owner's."""
    return engine.config is not None and engine.config.position_limit_lots is not None


def find_elsewhere(batch: Batch, engine: Engine, command: AnyCommand) -> dict[int, int]:
    """Return what counts for a command of what its owner's other accounts hold and may hold."""
    siblings = batch.siblings.get(command.account_id)
    if not siblings or not is_limited(engine):
        return {}
    binary, found = engine.rules.binary, {}
    states = [engine.accounts[key] for key in siblings if key in engine.accounts]
    for outcome in range(len(engine.books)):
        for side in (BUY, SELL):
            counted = (compute_counted_lots(one, outcome, side, binary=binary) for one in states)
            lots = sum(counted)
            if lots:
                found[side * (outcome + 1)] = lots
    return found


def find_headroom(batch: Batch, engine: Engine, command: AnyCommand) -> dict[str, int]:
    """Return what matters to a command of what order groups may fill."""
    named = command.order_group if isinstance(command, Place) else None
    return {
        order_group: headroom_lots
        for order_group, headroom_lots in batch.headroom.items()
        if order_group in engine.groups or order_group == named
    }
