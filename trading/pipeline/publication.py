"""The changes of a batch for the feed, by market and by account.

Pure: read from the batch after it was applied, before its engines clear their dirty sets.
"""

from typing import Any

from trading.engine.engine import Engine
from trading.engine.types import BUY, SELL
from trading.pipeline.messages import (
    AccountChange,
    DepthLevel,
    Fill,
    MarketChange,
    OrderChange,
    PositionChange,
    Publication,
    Top,
)
from trading.pipeline.writer import Batch, MarketPart


def build_publication(batch: Batch, *, shard: int, epoch: int) -> Publication:
    accounts: dict[int, AccountChange] = {}
    for account_id in _touched_accounts(batch):
        balance = batch.balances[account_id]
        accounts[account_id] = AccountChange(
            account_id,
            balance.cash_micros + batch.cash_changes.get(account_id, 0),
            balance.held_micros + batch.held_changes.get(account_id, 0),
            balance.withdrawing_micros,
        )
    markets = []
    for part in batch.parts.values():
        markets.append(build_market_change(part))
        _add_account_changes(accounts, part)
    return Publication(shard, epoch, markets, list(accounts.values()))


def find_changed_tops(part: MarketPart) -> list[Top]:
    """Return the best prices of the books that a batch changed; all if the maker's may have."""
    engine, maker = part.live.engine, part.live.engine.maker
    is_configured = part.status is not None  # It may have a finer tick.
    has_moved = maker is not None and (is_configured or maker.lmsr is not part.lmsr_before)
    return [
        Top(outcome, *book.top(BUY), *book.top(SELL), *find_maker_prices(engine, outcome))
        for outcome, book in enumerate(engine.books)
        if book.changed or has_moved
    ]


def find_maker_prices(engine: Engine, outcome: int) -> tuple[int | None, int | None]:
    """Return the bid and ask of the market's automated maker, on the tick; None without one."""
    maker, config = engine.maker, engine.config
    if maker is None or config is None:
        return None, None
    bid_pips, ask_pips = (maker.find_price(outcome, side, config.tick_pips) for side in (SELL, BUY))
    return bid_pips, ask_pips


def build_market_change(part: MarketPart) -> MarketChange:
    """Return a batch's changes to one market; its engine still knows the dirty prices."""
    engine = part.live.engine
    levels = []
    for outcome, book in enumerate(engine.books):
        for price_pips in sorted(book.changed):
            lots = book.total_lots(price_pips)
            is_bid = price_pips <= book.best_bid_pips
            levels.append(
                DepthLevel(outcome, price_pips, lots if is_bid else 0, 0 if is_bid else lots)
            )
    return MarketChange(
        engine.market_id,
        part.seq_before,
        engine.seq,
        engine.ts_us,
        levels,
        part.tops,
        [fill for _, fill in part.fills],
        part.status,
        engine.config if part.status is not None else None,
    )


def _touched_accounts(batch: Batch) -> list[int]:
    """Return the accounts whose orders changed; without those that others triggered only.

    Nothing of theirs was locked or changed. Their orders are fired next, which is published.
    """
    touched: set[int] = set()
    for part in batch.parts.values():
        touched.update(order.account_id for order in part.live.engine.dirty_orders.values())
        touched.update(change.account_id for change in part.liquidity)
    return sorted(touched & batch.balances.keys())


def _add_account_changes(accounts: dict[int, AccountChange], part: MarketPart) -> None:
    engine = part.live.engine
    market_id, seq, ts_us = engine.market_id, engine.seq, engine.ts_us
    for order in engine.dirty_orders.values():
        if order.account_id not in accounts:  # it waits, and was triggered or moved
            continue
        change: Any = OrderChange(market_id, part.order_seqs[order.order_id], ts_us, order)
        accounts[order.account_id].orders.append(change)
    for fill_seq, fill in part.fills:
        _add_fill(accounts, market_id, fill_seq, ts_us, fill)
    for account_id, outcome in sorted(part.traded):
        if account_id not in accounts:  # the house, between the legs of a match, or a maker
            continue
        account = engine.accounts[account_id]
        accounts[account_id].positions.append(
            PositionChange(
                market_id,
                seq,
                outcome,
                account.net_lots[outcome],
                account.cost_micros[outcome],
                account.realised_micros[outcome],
            )
        )


def _add_fill(
    accounts: dict[int, AccountChange], market_id: int, seq: int, ts_us: int, fill: Fill
) -> None:
    for account_id in {fill.trade.taker_account_id, fill.trade.maker_account_id} & accounts.keys():
        accounts[account_id].fills.append((market_id, seq, ts_us, fill))
