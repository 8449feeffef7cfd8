"""What a command can touch, and a copy of just that to try it on."""

from collections.abc import Iterator
from heapq import heappush
from typing import TypeVar

import msgspec

from trading.engine.book import EngineOrder, OrderBook
from trading.engine.margin import copy_account
from trading.engine.state import MarketState
from trading.engine.types import (
    BUY,
    MAKERS_MET_MAX,
    ORDER_LOTS_MAX,
    PAYOUT_PIPS,
    Amend,
    AnyCommand,
    Cancel,
    CancelAll,
    Configure,
    Configured,
    Place,
    Tick,
)

Market = TypeVar("Market", bound=MarketState)


def find_touched_accounts(market: MarketState, command: AnyCommand, ts_us: int) -> set[int]:
    """Return a superset of the accounts that executing `command` would touch now."""
    if isinstance(command, Configure):
        return {order.account_id for order in market.orders.values()}
    touched = {order.account_id for order in _touched_orders(market, command, ts_us)}
    if not isinstance(command, Tick):
        touched.add(command.account_id)
    return touched


def copy_touched(market: Market, command: AnyCommand, ts_us: int) -> Market:
    """Return a market with as much of this one as `command` can touch."""
    copy = type(market)(market.market_id)
    copy.seq, copy.ts_us = market.seq, market.ts_us
    if market.status is None or market.config is None:
        return copy
    copy.apply(Configured(market.status, market.config))
    if isinstance(command, Configure):
        orders = market.orders
    else:
        orders = {order.order_id: order for order in _touched_orders(market, command, ts_us)}
    if isinstance(command, (Place, Amend, Cancel)) and command.order_id in market.orders:
        orders[command.order_id] = market.orders[command.order_id]
    if isinstance(command, CancelAll) and command.account_id in market.accounts:
        own = market.list_orders(market.accounts[command.account_id])
        orders.update((order.order_id, order) for order in own)
    account_ids = {order.account_id for order in orders.values()} | {command.account_id}
    for account_id in account_ids & market.accounts.keys():
        copy.accounts[account_id] = copy_account(market.accounts[account_id])
    for order in sorted(orders.values(), key=lambda order: order.priority):
        copied = msgspec.structs.replace(order, live=False)
        copy.books[order.outcome].add(copied)
        copy.orders[order.order_id] = copied
        if order.place.expires_at_us is not None:
            heappush(copy.expiries, (order.place.expires_at_us, order.order_id))
    return copy


def _touched_orders(market: MarketState, command: AnyCommand, ts_us: int) -> Iterator[EngineOrder]:
    """Yield every order that `command` may meet, and those that expire before it."""
    ts_us = max(ts_us, market.ts_us)
    if market.expiries and market.expiries[0][0] <= ts_us:
        for expires_at_us, order_id in market.expiries:
            if expires_at_us <= ts_us and order_id in market.orders:
                yield market.orders[order_id]
    if isinstance(command, Place) and 0 <= command.outcome < len(market.books):
        price_pips = command.price_pips
        if price_pips is None or not 0 < price_pips < PAYOUT_PIPS:
            price_pips = PAYOUT_PIPS - 1 if command.side == BUY else 1
        lots = ORDER_LOTS_MAX if command.quantity_lots is None else command.quantity_lots
        book = market.books[command.outcome]
        yield from _find_makers(book, command.side, price_pips, lots, command.owner_id, ts_us)
    elif isinstance(command, Amend):
        order, price_pips = market.orders.get(command.order_id), command.price_pips
        if order is not None and price_pips is not None and 0 < price_pips < PAYOUT_PIPS:
            lots = command.quantity_lots or order.quantity_lots
            book = market.books[order.outcome]
            yield from _find_makers(book, order.side, price_pips, lots, order.owner_id, ts_us)


def _find_makers(
    book: OrderBook, side: int, price_pips: int, lots: int, owner_id: int, ts_us: int
) -> Iterator[EngineOrder]:
    """Yield makers best first until their certain quantity covers `lots`.

    Own orders, reduce-only ones and those that expire now may give less than they show.
    """
    if not book.crosses(side, price_pips):
        return
    met = 0
    for maker in book.orders(-side):
        beyond = maker.price_pips > price_pips if side == BUY else maker.price_pips < price_pips
        if beyond or lots <= 0 or met > MAKERS_MET_MAX:
            return
        yield maker
        place = maker.place
        if place.expires_at_us is not None and place.expires_at_us <= ts_us:
            continue
        met += 1
        if not (maker.owner_id == owner_id or place.reduce_only):
            lots -= maker.remaining_lots
