"""What a task is answered with: read from the events of its command."""

from trading.engine.book import EngineOrder
from trading.engine.commands import (
    Amend,
    Attach,
    Cancel,
    CancelAll,
    CancelGroup,
    Place,
)
from trading.engine.events import (
    AnyEvent,
    Configured,
    CrossMatched,
    Ended,
    LegAttached,
    LiquidityChanged,
    Rejected,
    Rested,
    Traded,
    list_trades,
)
from trading.pipeline.messages import Result, Task
from trading.pipeline.writer import MarketPart


def was_rejected(events: list[AnyEvent]) -> bool:
    return any(isinstance(event, Rejected) for event in events)


def fill_in(result: Result, task: Task, part: MarketPart, events: list[AnyEvent]) -> None:
    """Fill a task's result from the events of its own orders."""
    command, engine = task.command, part.live.engine
    ends_many = isinstance(command, (CancelAll, CancelGroup))
    for event in events:
        if not isinstance(event, (Rested, Ended)):
            _fill_in_rare(result, part, event)
            continue
        part.order_seqs[event.order_id] = engine.seq
        if ends_many and isinstance(event, Ended):
            result.order_ids.append(event.order_id)
    if isinstance(command, (Place, Amend, Cancel)):
        order = engine.dirty_orders.get(command.order_id) or engine.find_order(command.order_id)
        if order is not None and order.account_id == command.account_id:
            result.order = order
    if engine.brackets and isinstance(command, (Place, Amend, Attach)) and result.reason is None:
        result.legs = engine.list_legs(_find_bracket_id(command, result.order))


def _fill_in_rare(result: Result, part: MarketPart, event: AnyEvent) -> None:
    """Fill in from an event other than those of nearly every command."""
    if isinstance(event, (Traded, CrossMatched)):
        # A command's own order is the taker, of all its trades' first legs.
        fill = part.add_match(list_trades(event))[0]
        if fill.trade.taker_order_id:  # else an automated maker came to an order that rests
            result.fills.append(fill)
    elif isinstance(event, LiquidityChanged):
        part.liquidity.append(event)
        result.liquidity = event
    elif isinstance(event, Rejected):
        result.reason = event.reason.value
        result.missing_micros = event.missing_micros
    elif not isinstance(event, Configured):
        part.order_seqs[event.order_id] = part.live.engine.seq
        if isinstance(event, LegAttached):
            part.new_orders.add(event.order_id)


def _find_bracket_id(command: Place | Amend | Attach, order: EngineOrder | None) -> str:
    """Return the bracket that a command is about: its order is an entry or a leg."""
    if isinstance(command, Attach):
        return command.bracket_id
    return (order and order.place.bracket_id) or command.order_id
