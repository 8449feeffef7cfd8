"""The commonest things that happen, each written out in one go, without calls.

In a binary market without fees, position limit or strict refund three functions are made for it
when it is configured: one enters a plain limit order, one cancels an order, one carries a taker
through makers. They do exactly what the full path in `engine` and `sweep` does, and only while
nothing is out of the ordinary; otherwise they change nothing more, and the full path goes on,
decides and names the reason. The property tests hold both against the naive engine.

A call costs more here than the work it would do, and reading an attribute twice is not free
either. Hence the long functions inside a function, to which the market's own things are names
instead of attributes; and `if` in place of max(), min() and abs(). They hold on to the market's
dictionaries and its book, which are never replaced, and not to the market itself: an engine has no
reference cycles and goes when it is dropped. `Order` is made by position because keywords are
looked up one by one. The hold is `margin`'s formula with its cases apart: contracts that an account
owns count against its sells, contracts that it is short of against its buys.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from trading.engine.book import DEAD_MIN, Level, Order, enter_order, ticks_by_price
from trading.engine.margin import AccountState, move_cost, new_account
from trading.engine.types import (
    BUY,
    MAKERS_MET_MAX,
    ORDER_LOTS_MAX,
    PAYOUT_PIPS,
    POSITION_LOTS_MAX,
    AnyEvent,
    Cancel,
    Ended,
    OrderStatus,
    Place,
    Reason,
    Rested,
    Tif,
    Traded,
    TradeKind,
)

if TYPE_CHECKING:
    from trading.engine.engine import Engine
    from trading.engine.state import MarketState

# A member of an enum is an attribute of a class: two look-ups, where a name of this module is one.
GTC, IOC = Tif.GTC, Tif.IOC
OPEN, PARTLY = OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED
CANCELLED, FILLED = OrderStatus.CANCELLED, OrderStatus.FILLED
IS_FILLED, BY_OWNER = Reason.FILLED, Reason.CANCELLED_BY_OWNER
MINT, MERGE, DIRECT = TradeKind.MINT, TradeKind.MERGE, TradeKind.DIRECT

PLAIN_LOTS_MAX: Final = 2**29
"""Positions and open orders above this are the full path's: small numbers compare faster."""

Funds = dict[int, int]
Shortcut = Callable[..., list[AnyEvent] | None]
"""(market, command, funds) -> its events, or None when it needs the full path."""
Take = Callable[..., tuple[int, int, int]]
"""(market, order id, account, owner, side, limit tick, lots, funds, events): see `build_take`."""


def build_place(  # noqa: C901 - one ladder, written out for speed
    market: "MarketState", take: Take
) -> Shortcut:
    """Return what enters a plain limit order, GTC or IOC."""
    orders, dirty_orders, accounts = market.orders, market.dirty_orders, market.accounts
    book = market.books[0]
    levels = book.levels
    tick_of, find_account = ticks_by_price(market.tick_pips), accounts.get
    note_tick = book.changed.append
    lot_step_lots, close_at_us = market.lot_step_lots, market.close_at_us

    def place_plain(  # noqa: C901
        market: "Engine", place: Place, funds: Funds
    ) -> list[AnyEvent] | None:
        price_pips = place.price_pips
        lots = place.quantity_lots
        if price_pips is None or lots is None or place.outcome or place.terms is not None:
            return None
        try:
            tick = tick_of[price_pips]
        except KeyError:  # off the tick, or out of range
            return None
        tif = place.tif
        if tif is not GTC and tif is not IOC:
            return None
        if close_at_us is not None and market.ts_us >= close_at_us:
            return None
        if lots <= 0 or lots > ORDER_LOTS_MAX or lots % lot_step_lots:
            return None
        order_id = place.order_id
        if order_id in orders:
            return None
        account_id = place.account_id
        account = find_account(account_id)
        if account is None:
            account = accounts[account_id] = new_account(account_id, 1)
        if tif is IOC:
            return take_at_once(market, place, account, tick, lots, funds)

        side = place.side
        net_lots = account.net_lots[0]
        if side == BUY:
            hold_micros = price_pips * lots
            side_micros = account.buy_micros
            side_lots = account.buy_lots
            more_micros = buys_micros = side_micros[0] + hold_micros
            sells_micros = account.sell_micros[0]
            open_lots = side_lots[0] + lots
            if open_lots > PLAIN_LOTS_MAX or net_lots > PLAIN_LOTS_MAX:
                return None
            if tick >= book.best_ask:
                return _enter_crossing(market, place, funds)
        else:
            hold_micros = (PAYOUT_PIPS - price_pips) * lots
            side_micros = account.sell_micros
            side_lots = account.sell_lots
            more_micros = sells_micros = side_micros[0] + hold_micros
            buys_micros = account.buy_micros[0]
            open_lots = side_lots[0] + lots
            if open_lots > PLAIN_LOTS_MAX or net_lots < -PLAIN_LOTS_MAX:
                return None
            if tick <= book.best_bid:
                return _enter_crossing(market, place, funds)
        if net_lots > 0:
            sells_micros -= PAYOUT_PIPS * net_lots
        elif net_lots:
            buys_micros += PAYOUT_PIPS * net_lots
        held_micros = buys_micros if buys_micros > sells_micros else sells_micros  # noqa: FURB136
        more_held_micros = held_micros - account.held_micros
        if more_held_micros:  # Of an account that quotes both sides only the larger one counts.
            left_micros = funds[account_id] - more_held_micros
            if left_micros < 0:
                return None
            funds[account_id] = left_micros
            account.held_micros = held_micros

        order = Order(
            order_id,
            account_id,
            place.owner_id,
            side,
            price_pips,
            lots,
            hold_micros,
            True,
            False,
            lots,
            0,
            place,
            market.ts_us,
            market.seq,
        )
        side_micros[0] = more_micros
        side_lots[0] = open_lots
        level = levels[tick]
        if level is None:
            level = levels[tick] = Level()
        level.queue.append(order)
        level_lots = level.total_lots
        level.total_lots = level_lots + lots
        if not level_lots:
            book.show(tick, side)
        if not level.changed:
            level.changed = True
            note_tick(tick)
        orders[order_id] = dirty_orders[order_id] = order
        own = account.orders
        if own is not None:
            own[order_id] = order
        return [Rested(order_id, 0, side, price_pips, lots)]

    def take_at_once(
        market: "Engine",
        place: Place,
        account: AccountState,
        tick: int,
        lots: int,
        funds: Funds,
    ) -> list[AnyEvent] | None:
        """Carry out an IOC order, whose form is known to be right."""
        order_id, account_id, side = place.order_id, place.account_id, place.side
        open_lots = account.buy_lots[0] if side == BUY else account.sell_lots[0]
        if side * account.net_lots[0] + open_lots + lots > POSITION_LOTS_MAX:
            return None
        if funds[account_id] < 2 * PAYOUT_PIPS * lots:
            return None  # A fill never costs more than its price and one pay-out held.
        events: list[AnyEvent] = []
        left_lots, traded_micros, met = take(
            market, order_id, account, place.owner_id, side, tick, lots, funds, events
        )
        # Made when it is known what became of it, so that nothing is set twice.
        order = Order(
            order_id,
            account_id,
            place.owner_id,
            side,
            tick * market.tick_pips,
            left_lots,
            0,
            False,
            False,
            lots,
            0,
            place,
            market.ts_us,
            0,
            OPEN if left_lots else FILLED,
            None if left_lots else IS_FILLED,
            traded_micros,
        )
        if met:  # Else it is noted when it ends, after the makers that the full path may end.
            dirty_orders[order_id] = order
        if left_lots:
            market.go_on_taking(order, met, funds, events)
        else:
            events.append(Ended(order_id, FILLED, IS_FILLED, 0))
        return events

    return place_plain


def _enter_crossing(market: "Engine", place: Place, funds: Funds) -> list[AnyEvent]:
    """Enter a GTC order, whose form is known to be right, that meets the other side."""
    events: list[AnyEvent] = []
    market.enter(enter_order(place, market.ts_us), funds, events)
    return events


def build_cancel(market: "MarketState") -> Shortcut:
    """Return what cancels an order of the account that never expires."""
    orders, dirty_orders, accounts = market.orders, market.dirty_orders, market.accounts
    book = market.books[0]
    levels = book.levels
    find_order, tick_of = orders.get, ticks_by_price(market.tick_pips)
    note_tick = book.changed.append

    def cancel_plain(market: "Engine", cancel: Cancel, funds: Funds) -> list[AnyEvent] | None:
        order_id = cancel.order_id
        account_id = cancel.account_id
        order = find_order(order_id)
        if order is None or order.account_id != account_id or order.special:
            return None

        account = accounts[account_id]
        side = order.side
        lots = order.remaining_lots
        if side == BUY:
            account.buy_micros[0] = buys_micros = account.buy_micros[0] - order.hold_micros
            account.buy_lots[0] -= lots
            sells_micros = account.sell_micros[0]
        else:
            account.sell_micros[0] = sells_micros = account.sell_micros[0] - order.hold_micros
            account.sell_lots[0] -= lots
            buys_micros = account.buy_micros[0]
        net_lots = account.net_lots[0]
        if net_lots > 0:
            sells_micros -= PAYOUT_PIPS * net_lots
        elif net_lots:
            buys_micros += PAYOUT_PIPS * net_lots
        held_micros = buys_micros if buys_micros > sells_micros else sells_micros  # noqa: FURB136
        less_held_micros = account.held_micros - held_micros
        if less_held_micros:
            funds[account_id] += less_held_micros
            account.held_micros = held_micros

        order.live = False
        order.hold_micros = 0
        order.status = CANCELLED
        order.reason = BY_OWNER
        tick = tick_of[order.price_pips]
        level = levels[tick]
        assert level is not None
        level.total_lots = level_lots = level.total_lots - lots
        if level_lots:
            level.dead = dead = level.dead + 1
            if dead > DEAD_MIN and dead * 2 > len(level.queue):
                level.compact()
        else:
            level.queue.clear()
            level.dead = 0
            book.hide(tick, side)
        if not level.changed:
            level.changed = True
            note_tick(tick)
        del orders[order_id]
        own = account.orders
        if own is not None:
            del own[order_id]
        dirty_orders[order_id] = order
        return [Ended(order_id, CANCELLED, BY_OWNER, lots)]

    return cancel_plain


def take_plain(
    market: "Engine",
    take: Take,
    order: Order,
    account: AccountState,
    funds: Funds,
    events: list[AnyEvent],
) -> int:
    """Trade with makers up to the first that is not plain; return how many they were.

    It must be certain that the taker can pay. It ends itself when it is filled.
    """
    lots, tick = order.remaining_lots, order.price_pips // market.tick_pips
    left_lots, traded_micros, met = take(
        market, order.order_id, account, order.owner_id, order.side, tick, lots, funds, events
    )
    if met:
        order.remaining_lots = left_lots
        order.filled_micros += traded_micros
        market.dirty_orders[order.order_id] = order
    if not left_lots:
        market.close(order, FILLED, IS_FILLED, events)
    return met


def build_take(market: "MarketState") -> Take:  # noqa: C901 - one loop, written out for speed
    """Return what trades with makers best first: gives lots left, micros traded, makers met.

    It ends at the first maker that is not plain: of the taker's owner, reduce-only, or one too
    many. The taker's own sums are brought up to date once, at the end.
    """
    orders, dirty_orders, accounts = market.orders, market.dirty_orders, market.accounts
    book = market.books[0]
    levels = book.levels
    note_tick = book.changed.append

    def take(  # noqa: C901
        market: "Engine",
        order_id: str,
        account: AccountState,
        owner_id: int,
        side: int,
        limit_tick: int,
        left_lots: int,
        funds: Funds,
        events: list[AnyEvent],
    ) -> tuple[int, int, int]:
        account_id = account.account_id
        buys = side == BUY
        traded_micros = paid_micros = met = 0
        net_lots, collateral_lots = account.net_lots[0], account.collateral_lots
        closes = net_lots < 0 if buys else net_lots > 0
        while left_lots:
            if buys:
                tick = book.best_ask  # Beyond the last tick when there is none,
                if tick > limit_tick:
                    break
            else:
                tick = book.best_bid  # or 0, and no limit is as low.
                if tick < limit_tick:
                    break
            level = levels[tick]
            assert level is not None
            queue = level.queue
            maker = queue[0]
            while not maker.live:
                queue.popleft()
                level.dead -= 1
                maker = queue[0]
            maker_account_id = maker.account_id
            if maker.owner_id == owner_id or maker_account_id == account_id:
                break
            if met == MAKERS_MET_MAX or (maker.special and maker.place.reduce_only):
                break
            maker_id = maker.order_id
            price_pips = maker.price_pips
            maker_lots = maker.remaining_lots
            dirty_orders[maker_id] = maker
            maker_account = accounts[maker_account_id]
            lots = left_lots if left_lots < maker_lots else maker_lots  # noqa: FURB136
            left_lots -= lots
            maker_lots -= lots

            micros = price_pips * lots
            if buys:
                signed_lots = lots
                signed_micros = micros
                hold_micros = PAYOUT_PIPS * lots - micros
                sells_micros = maker_account.sell_micros[0] - hold_micros
                buys_micros = maker_account.buy_micros[0]
                maker_account.sell_micros[0] = sells_micros
                maker_account.sell_lots[0] -= lots
            else:
                signed_lots = -lots
                signed_micros = -micros
                hold_micros = micros
                buys_micros = maker_account.buy_micros[0] - hold_micros
                sells_micros = maker_account.sell_micros[0]
                maker_account.buy_micros[0] = buys_micros
                maker_account.buy_lots[0] -= lots

            # What the fill does to both positions; `add_fill` in `margin`.
            if closes:
                move_cost(account, 0, signed_lots, price_pips)
                account.net_lots[0] += signed_lots
            traded_micros += signed_micros
            net_lots += signed_lots
            sets_lots = -collateral_lots
            collateral_lots = -net_lots if net_lots < 0 else 0
            sets_lots += collateral_lots
            cash_micros = -signed_micros - PAYOUT_PIPS * sets_lots
            paid_micros -= cash_micros

            maker_net_lots = maker_account.net_lots[0]
            if maker_net_lots * signed_lots <= 0:
                maker_account.cost_micros[0] -= signed_micros
            else:
                move_cost(maker_account, 0, -signed_lots, price_pips)
            maker_account.net_lots[0] = maker_net_lots = maker_net_lots - signed_lots
            maker_cash_micros = signed_micros
            maker_sets_lots = -maker_account.collateral_lots
            if maker_net_lots < 0:
                maker_sets_lots -= maker_net_lots
                buys_micros += PAYOUT_PIPS * maker_net_lots
            else:
                sells_micros -= PAYOUT_PIPS * maker_net_lots
            if maker_sets_lots:
                maker_cash_micros -= PAYOUT_PIPS * maker_sets_lots
                maker_account.collateral_lots += maker_sets_lots
                sets_lots += maker_sets_lots
            maker_account.net_paid_micros -= maker_cash_micros
            events.append(
                Traded(
                    met,
                    0,
                    side,
                    price_pips,
                    lots,
                    MINT if sets_lots > 0 else MERGE if sets_lots else DIRECT,
                    order_id,
                    maker_id,
                    account_id,
                    maker_account_id,
                    cash_micros,
                    maker_cash_micros,
                    0,
                    0,
                )
            )
            met += 1

            # What it does to the maker and its place in the book.
            level.total_lots = level_lots = level.total_lots - lots
            if not level.changed:
                level.changed = True
                note_tick(tick)
            maker.filled_micros += micros
            maker.remaining_lots = maker_lots
            if maker_lots:
                maker.hold_micros -= hold_micros
                maker.status = PARTLY
            else:
                maker.hold_micros = 0
                maker.live = False
                maker.status = FILLED
                maker.reason = IS_FILLED
                queue.popleft()
                if not level_lots:
                    queue.clear()
                    level.dead = 0
                    book.hide(tick, -side)
                del orders[maker_id]
                if maker_account.orders is not None:
                    del maker_account.orders[maker_id]
                if maker.special:
                    market.trim_expiries()
                events.append(Ended(maker_id, FILLED, IS_FILLED, 0))
            held_micros = buys_micros if buys_micros > sells_micros else sells_micros  # noqa: FURB136
            if maker_account_id in funds:
                funds[maker_account_id] += (
                    maker_cash_micros + maker_account.held_micros - held_micros
                )
            maker_account.held_micros = held_micros
        if not met:
            return left_lots, 0, 0

        if not closes:  # Growing adds up; only what closes depends on each fill's price.
            account.net_lots[0] = net_lots
            account.cost_micros[0] += traded_micros
        account.collateral_lots = collateral_lots
        account.net_paid_micros += paid_micros
        buys_micros = account.buy_micros[0] - PAYOUT_PIPS * collateral_lots
        sells_micros = account.sell_micros[0] - PAYOUT_PIPS * (net_lots + collateral_lots)
        held_micros = buys_micros if buys_micros > sells_micros else sells_micros  # noqa: FURB136
        funds[account_id] += account.held_micros - held_micros - paid_micros
        account.held_micros = held_micros
        return left_lots, side * traded_micros, met

    return take
