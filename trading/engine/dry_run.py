"""What a command can touch, and a copy of just that to try it on."""

from collections.abc import Iterator
from typing import Final, NamedTuple, TypeVar

import msgspec

from trading.engine.blend import crosses_any
from trading.engine.book import EngineOrder, OrderBook
from trading.engine.commands import (
    Amend,
    AnyCommand,
    Attach,
    Cancel,
    CancelAll,
    CancelGroup,
    ChangeLiquidity,
    Configure,
    Fire,
    Place,
    Tick,
)
from trading.engine.events import Configured
from trading.engine.lmsr import change_liquidity
from trading.engine.margin import copy_account
from trading.engine.state import MarketState
from trading.engine.types import (
    BUY,
    MAKERS_MET_MAX,
    NO_ACCOUNT,
    ORDER_LOTS_MAX,
    PAYOUT_PIPS,
    SELL,
    Config,
    Tif,
)

Market = TypeVar("Market", bound=MarketState)


TRADING: Final = (Place, Amend, ChangeLiquidity, Fire)
"""Commands after which an automated maker may trade."""


def find_touched_accounts(market: MarketState, command: AnyCommand, ts_us: int) -> set[int]:
    """Return a superset of the accounts that executing `command` would touch now."""
    if isinstance(command, Configure):
        touched = {order.account_id for order in market.orders.values()}
        touched |= {order.account_id for order in market.untriggered.values()}
        touched |= _find_maker_accounts(command.config)
        if market.config is None:
            touched.add(command.account_id)  # who funds the maker, if there is one
        return touched - {NO_ACCOUNT}
    if _meets_nobody(market, command):
        return {command.account_id}
    touched = {order.account_id for order in _touched_orders(market, command, ts_us)}
    touched |= {order.account_id for order in _find_expiring(market.untriggered, market, ts_us)}
    if not isinstance(command, Tick):
        touched.add(command.account_id)
    if market.maker is not None and isinstance(command, TRADING):
        assert market.config is not None
        touched |= _find_maker_accounts(market.config)
    return touched


def _meets_nobody(market: MarketState, command: AnyCommand) -> bool:
    """Return whether a command certainly touches its own account alone, as most do."""
    if market.is_watched or market.maker is not None:
        return False
    if isinstance(command, Place):
        book, price_pips = market.open_books.get(command.outcome), command.price_pips
        return not (book is None or price_pips is None or book.crosses(command.side, price_pips))
    return isinstance(command, Cancel)


def _find_maker_accounts(config: Config) -> set[int]:
    return set() if config.maker is None else {config.maker.account_id}


def copy_touched(market: Market, command: AnyCommand, ts_us: int) -> Market:
    """Return a market with as much of this one as `command` can touch."""
    copy = type(market)(market.market_id)
    copy.seq, copy.ts_us, copy.is_trial = market.seq, market.ts_us, True
    if market.status is None or market.config is None:
        return copy
    if market.maker is not None:
        copy.maker = market.maker.copy()
    copy.apply(Configured(market.status, market.config))
    if isinstance(command, Configure):
        orders = dict(market.orders)
    else:
        orders = {order.order_id: order for order in _touched_orders(market, command, ts_us)}
    if isinstance(command, (Place, Amend, Cancel)) and command.order_id in market.orders:
        orders[command.order_id] = market.orders[command.order_id]
    if isinstance(command, CancelAll) and command.account_id in market.accounts:
        own = market.list_orders(market.accounts[command.account_id])
        orders.update((order.order_id, order) for order in own)
    untriggered = {o.order_id: o for o in _find_untriggered(market, command, ts_us)}
    _add_groups(market, command, orders, untriggered)
    account_ids = {order.account_id for order in (*orders.values(), *untriggered.values())}
    account_ids.add(command.account_id)
    account_ids |= _find_maker_accounts(market.config)
    for order in list(_find_bracketed(market, command, account_ids)):
        (orders if order.live else untriggered)[order.order_id] = order
        account_ids.add(order.account_id)
    for account_id in account_ids & market.accounts.keys():
        copy.accounts[account_id] = copy_account(market.accounts[account_id])
    for order in sorted(orders.values(), key=lambda order: order.priority):
        copied = msgspec.structs.replace(order, live=False)
        copy.books[order.outcome].add(copied)
        copy.orders[order.order_id] = copied
        copy.note_options(copied)
    for order in untriggered.values():
        copy.wait(msgspec.structs.replace(order))
    return copy


def build_attempt(order: EngineOrder) -> Place:
    """Return the IOC order that shows what a fill-or-kill one would fill, on a copy."""
    options = order.place.options
    if options is not None:
        options = msgspec.structs.replace(options, trigger=None)
    return msgspec.structs.replace(
        order.place,
        order_id=f"{order.order_id} tried",  # the order's own is that of its bracket
        price_pips=order.price_pips,
        quantity_lots=order.quantity_lots,
        tif=Tif.IOC,
        options=options,
    )


def _add_groups(
    market: MarketState,
    command: AnyCommand,
    orders: dict[str, EngineOrder],
    untriggered: dict[str, EngineOrder],
) -> None:
    """Add the orders that are cancelled when a group of one of these is stopped."""
    if not market.groups:
        return
    names = {order.place.order_group for order in (*orders.values(), *untriggered.values())}
    if isinstance(command, (Place, CancelGroup)):
        names.add(command.order_group)
    for name in market.groups.keys() & names:
        for order_id, order in market.groups[name].items():
            (orders if order_id in market.orders else untriggered)[order_id] = order


def _find_untriggered(market: MarketState, command: AnyCommand, ts_us: int) -> list[EngineOrder]:
    """Return the orders outside the books that `command` is about, and those that expire."""
    if not market.untriggered:
        return []
    if isinstance(command, Configure):
        return list(market.untriggered.values())
    found = {order.order_id: order for order in _find_expiring(market.untriggered, market, ts_us)}
    if isinstance(command, (Place, Amend, Cancel, Fire)):
        named = market.untriggered.get(command.order_id)
        found |= {} if named is None else {command.order_id: named}
    elif isinstance(command, CancelAll):
        own = market.list_untriggered(command.account_id)
        found |= {order.order_id: order for order in own}
    return list(found.values())


def _find_bracketed(
    market: MarketState, command: AnyCommand, account_ids: set[int]
) -> Iterator[EngineOrder]:
    """Yield the entries and legs of the accounts, and the orders that a command has ids of."""
    ids = {
        id_ for key in account_ids & market.bracket_ids.keys() for id_ in market.bracket_ids[key]
    }
    if isinstance(command, (Place, Amend, Attach)):
        ids |= {leg.order_id for leg in command.legs}
        ids.add(command.bracket_id if isinstance(command, Attach) else command.order_id)
    for bracket_id in ids:
        named = market.find_order(bracket_id)
        if named is not None:
            yield named
        yield from market.list_legs(bracket_id)


def _find_expiring(
    orders: dict[str, EngineOrder], market: MarketState, ts_us: int
) -> Iterator[EngineOrder]:
    """Yield those of the orders that expire now."""
    if orders and market.expiries and market.expiries[0][0] <= max(ts_us, market.ts_us):
        for expires_at_us, order_id in market.expiries:
            if expires_at_us <= max(ts_us, market.ts_us) and order_id in orders:
                yield orders[order_id]


def _touched_orders(market: MarketState, command: AnyCommand, ts_us: int) -> Iterator[EngineOrder]:
    """Yield every order that `command` may meet, and those that expire before it."""
    ts_us = max(ts_us, market.ts_us)
    yield from _find_expiring(market.orders, market, ts_us)
    if isinstance(command, ChangeLiquidity):
        yield from _find_swept_by_liquidity(market, command)
    taker = _find_taker(market, command)
    if taker is None:
        return
    if market.maker is not None and len(market.books) > 1:
        yield from _find_swept(market, taker)
    if market.books[taker.outcome].crosses(taker.side, taker.price_pips):
        yield from _find_makers(market.books[taker.outcome], taker, ts_us)
        if market.rules.crosses_books:
            yield from _find_makers_across(market, taker, ts_us)


class _Taker(NamedTuple):
    outcome: int
    side: int
    price_pips: int
    lots: int
    owner_id: int


def _find_taker(market: MarketState, command: AnyCommand) -> _Taker | None:
    """Return the order that `command` may send through the books, with a bound of its quantity."""
    if isinstance(command, Place) and 0 <= command.outcome < len(market.books):
        price_pips = command.price_pips
        if price_pips is None or not 0 < price_pips < PAYOUT_PIPS:
            price_pips = PAYOUT_PIPS - 1 if command.side == BUY else 1
        lots = command.quantity_lots
        if lots is None:
            lots = _bound_lots(market, command)
        return _Taker(command.outcome, command.side, price_pips, lots, command.owner_id)
    if isinstance(command, Amend):
        order, price_pips = market.orders.get(command.order_id), command.price_pips
        if order is not None and price_pips is not None and 0 < price_pips < PAYOUT_PIPS:
            lots = command.quantity_lots or order.quantity_lots
            return _Taker(order.outcome, order.side, price_pips, lots, order.owner_id)
    if isinstance(command, Fire) and (due := market.due.get(command.order_id)) is not None:
        price_pips = due.price_pips or (PAYOUT_PIPS - 1 if due.side == BUY else 1)
        return _Taker(due.outcome, due.side, price_pips, due.remaining_lots, due.owner_id)
    return None


def _bound_lots(market: MarketState, place: Place) -> int:
    """Return what a budget buys at the best price, at least 1, as the first maker is always met."""
    if place.budget_micros is None or market.maker is not None:
        return ORDER_LOTS_MAX
    book = market.books[place.outcome]
    best_pips = book.find_taking_pips(place.side)
    unit_pips = best_pips if place.side == BUY else PAYOUT_PIPS - best_pips
    return max(1, place.budget_micros // unit_pips)


def _find_makers_across(market: MarketState, taker: _Taker, ts_us: int) -> Iterator[EngineOrder]:
    """Yield the makers of the other books that a match at the taker's limit can reach.

    None may be further from its book's best than the implied price is from the limit.
    """
    book, side = market.books[taker.outcome], taker.side
    spare_pips = side * (taker.price_pips - book.implied_pips(side))
    if spare_pips < 0:
        return
    for outcome, other in enumerate(market.books):
        if outcome == taker.outcome or not other.has(side):
            continue
        limit_pips = other.best_pips(side) - side * spare_pips
        yield from _find_makers(other, taker._replace(side=-side, price_pips=limit_pips), ts_us)


def _find_swept(market: MarketState, taker: _Taker) -> Iterator[EngineOrder]:
    """Yield all orders of the taker's side if an automated maker may come to the first of them.

    What it sells to the taker it sells within the limit; unless that brings it to an order of
    another outcome it sells nothing else.
    """
    assert market.maker is not None
    _, side, price_pips, taker_lots, _ = taker
    lots = min(taker_lots, market.maker.count_lots(taker.outcome, side, price_pips))
    if lots > 0 and crosses_any(market, market.maker.lmsr.move(taker.outcome, side * lots), side):
        for book in market.books:
            yield from book.orders(side)


def _find_swept_by_liquidity(market: MarketState, change: ChangeLiquidity) -> Iterator[EngineOrder]:
    """Yield all orders if an automated maker with more liquidity comes to the first of them."""
    if market.maker is None or market.maker.compute_change(change.by_lots) is None:
        return
    lmsr = market.maker.lmsr
    _, changed = change_liquidity(lmsr, lmsr.state.b_lots + change.by_lots)
    if crosses_any(market, changed, BUY) or crosses_any(market, changed, SELL):
        yield from market.orders.values()


def _find_makers(book: OrderBook, taker: _Taker, ts_us: int) -> Iterator[EngineOrder]:
    """Yield makers best first until their certain quantity covers `lots`.

    Own orders, reduce-only ones, those of groups and those that expire now may give less than they
    show.
    """
    _, side, price_pips, lots, owner_id = taker
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
        if not (maker.owner_id == owner_id or place.reduce_only or place.order_group):
            lots -= maker.remaining_lots
