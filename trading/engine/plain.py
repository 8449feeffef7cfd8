"""The commonest things that happen, each written out in one go, without calls.

In a binary market without fees, position limit or strict refund: `place_plain` enters a plain limit
order, `cancel_plain` cancels an order, `take_plain` carries a taker through makers. They do exactly
what the full path in `engine` and `sweep` does, and only while nothing is out of the ordinary;
otherwise they change nothing more, and the full path goes on, decides and names the reason. The
property tests hold both against the naive engine.

A call costs more here than the work it would do, and reading an attribute twice is not free
either: hence the long functions, the locals, and `if` in place of max(), min() and abs(). `Order`
is made by position because keywords are looked up one by one.
"""

from typing import TYPE_CHECKING

from trading.engine.book import DEAD_MIN, Level, Order, enter_order
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

# A member of an enum is an attribute of a class: two look-ups, where a name of this module is one.
GTC, IOC = Tif.GTC, Tif.IOC
OPEN, PARTLY = OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED
CANCELLED, FILLED = OrderStatus.CANCELLED, OrderStatus.FILLED
IS_FILLED, BY_OWNER = Reason.FILLED, Reason.CANCELLED_BY_OWNER
MINT, MERGE, DIRECT = TradeKind.MINT, TradeKind.MERGE, TradeKind.DIRECT


def place_plain(  # noqa: C901 - one ladder, written out for speed
    market: "Engine", place: Place, funds: dict[int, int]
) -> list[AnyEvent] | None:
    """Enter a plain limit order, GTC or IOC; None when it needs the full path."""
    tif, price_pips, lots = place.tif, place.price_pips, place.quantity_lots
    if price_pips is None or lots is None or place.outcome:
        return None
    if tif is not GTC and tif is not IOC:
        return None
    if place.is_market or place.post_only or place.reduce_only or place.budget_micros is not None:
        return None
    if place.expires_at_us is not None or place.valid_until_us is not None:
        return None
    ts_us, tick_pips = market.ts_us, market.tick_pips
    if not 0 < price_pips < PAYOUT_PIPS or ts_us >= market.close_at_us:
        return None
    tick = price_pips // tick_pips
    if tick * tick_pips != price_pips:
        return None
    if not 0 < lots <= ORDER_LOTS_MAX or lots % market.lot_step_lots:
        return None
    order_id, account_id = place.order_id, place.account_id
    orders = market.orders
    if order_id in orders:
        return None
    account = market.accounts.get(account_id)
    if account is None:
        account = market.accounts[account_id] = new_account(account_id, 1)
    if tif is IOC:
        return _take_at_once(market, place, account, tick, lots, funds)

    book = market.books[0]
    side = place.side
    net_lots = account.net_lots[0]
    if side == BUY:
        hold_micros = price_pips * lots
        side_micros, side_lots = account.buy_micros, account.buy_lots
        more_micros = buys_micros = side_micros[0] + hold_micros
        sells_micros = account.sell_micros[0]
        open_lots = side_lots[0] + lots
        if net_lots + open_lots > POSITION_LOTS_MAX:
            return None
        if tick >= book.best_ask:
            return _enter_crossing(market, place, funds)
    else:
        hold_micros = (PAYOUT_PIPS - price_pips) * lots
        side_micros, side_lots = account.sell_micros, account.sell_lots
        more_micros = sells_micros = side_micros[0] + hold_micros
        buys_micros = account.buy_micros[0]
        open_lots = side_lots[0] + lots
        if open_lots - net_lots > POSITION_LOTS_MAX:
            return None
        if tick <= book.best_bid:
            return _enter_crossing(market, place, funds)
    held_micros = sells_micros - PAYOUT_PIPS * net_lots
    if buys_micros > held_micros:
        held_micros = buys_micros
    held_micros -= PAYOUT_PIPS * account.collateral_lots
    if held_micros < 0:
        held_micros = 0
    more_held_micros = held_micros - account.held_micros
    left_micros = funds[account_id] - more_held_micros
    if left_micros < 0:
        return None

    order = Order(
        order_id,
        account_id,
        place.owner_id,
        0,
        side,
        price_pips,
        lots,
        lots,
        GTC,
        False,
        False,
        place.stp,
        None,
        place.fee_free,
        place.as_no,
        False,
        None,
        place.client_order_id,
        ts_us,
        market.seq,
        hold_micros,
        0,
        0,
        0,
        0,
        0,
        OPEN,
        None,
        True,
    )
    if more_held_micros:  # Of an account that quotes both sides only the larger one counts.
        funds[account_id] = left_micros
        account.held_micros = held_micros
    side_micros[0] = more_micros
    side_lots[0] = open_lots
    level = book.levels[tick]
    if level is None:
        level = book.levels[tick] = Level()
    level.queue.append(order)
    level_lots = level.total_lots
    level.total_lots = level_lots + lots
    if not level_lots:
        book.show(tick, side)
    book.changed.add(tick)
    orders[order_id] = market.dirty_orders[order_id] = order
    own = account.orders
    if own is not None:
        own[order_id] = order
    market.dirty_accounts.add(account_id)
    return [Rested(order_id, 0, side, price_pips, lots)]


def cancel_plain(market: "Engine", cancel: Cancel, funds: dict[int, int]) -> list[AnyEvent] | None:
    """Cancel an order of the account that never expires; None when it needs the full path."""
    order_id, account_id = cancel.order_id, cancel.account_id
    orders = market.orders
    order = orders.get(order_id)
    if order is None or order.account_id != account_id or order.expires_at_us is not None:
        return None

    account = market.accounts[account_id]
    book = market.books[0]
    side, lots, hold_micros = order.side, order.remaining_lots, order.hold_micros
    order.live = False
    order.hold_micros = 0
    order.status = CANCELLED
    order.reason = BY_OWNER
    tick = order.price_pips // market.tick_pips
    level = book.levels[tick]
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
    if side == BUY:
        account.buy_micros[0] = buys_micros = account.buy_micros[0] - hold_micros
        account.buy_lots[0] -= lots
        sells_micros = account.sell_micros[0]
    else:
        account.sell_micros[0] = sells_micros = account.sell_micros[0] - hold_micros
        account.sell_lots[0] -= lots
        buys_micros = account.buy_micros[0]
    held_micros = sells_micros - PAYOUT_PIPS * account.net_lots[0]
    if buys_micros > held_micros:
        held_micros = buys_micros
    held_micros -= PAYOUT_PIPS * account.collateral_lots
    if held_micros < 0:
        held_micros = 0
    less_held_micros = account.held_micros - held_micros
    if less_held_micros:
        funds[account_id] += less_held_micros
        account.held_micros = held_micros
    book.changed.add(tick)
    del orders[order_id]
    own = account.orders
    if own is not None:
        del own[order_id]
    market.dirty_orders[order_id] = order
    market.dirty_accounts.add(account_id)
    return [Ended(order_id, CANCELLED, BY_OWNER, lots)]


def _enter_crossing(market: "Engine", place: Place, funds: dict[int, int]) -> list[AnyEvent]:
    """Enter a GTC order, whose form is known to be right, that meets the other side."""
    events: list[AnyEvent] = []
    market.enter(enter_order(place, market.ts_us), funds, events)
    return events


def _take_at_once(
    market: "Engine",
    place: Place,
    account: AccountState,
    tick: int,
    lots: int,
    funds: dict[int, int],
) -> list[AnyEvent] | None:
    """Carry out an IOC order, whose form is known to be right."""
    order_id, account_id, side = place.order_id, place.account_id, place.side
    open_lots = account.buy_lots[0] if side == BUY else account.sell_lots[0]
    if side * account.net_lots[0] + open_lots + lots > POSITION_LOTS_MAX:
        return None
    if funds[account_id] < 2 * PAYOUT_PIPS * lots:
        return None  # A fill never costs more than its price and one pay-out held.
    events: list[AnyEvent] = []
    left_lots, traded_micros, met = _take(
        market, order_id, account, place.owner_id, side, tick, lots, funds, events
    )
    # Made when it is known what became of it: to set five attributes costs more than to make it.
    order = Order(
        order_id,
        account_id,
        place.owner_id,
        0,
        side,
        tick * market.tick_pips,
        lots,
        left_lots,
        IOC,
        False,
        False,
        place.stp,
        None,
        place.fee_free,
        place.as_no,
        False,
        None,
        place.client_order_id,
        market.ts_us,
        0,
        0,
        0,
        0,
        0,
        lots - left_lots,
        traded_micros,
        OPEN if left_lots else FILLED,
        None if left_lots else IS_FILLED,
    )
    if met:  # Else it is noted when it ends, after the makers that the full path may end.
        market.dirty_orders[order_id] = order
    if left_lots:
        market.go_on_taking(order, met, funds, events)
    else:
        events.append(Ended(order_id, FILLED, IS_FILLED, 0))
    return events


def take_plain(
    market: "Engine",
    order: Order,
    account: AccountState,
    funds: dict[int, int],
    events: list[AnyEvent],
) -> int:
    """Trade with makers up to the first that is not plain; return how many they were.

    It must be certain that the taker can pay. It ends itself when it is filled.
    """
    lots, tick = order.remaining_lots, order.price_pips // market.tick_pips
    left_lots, traded_micros, met = _take(
        market, order.order_id, account, order.owner_id, order.side, tick, lots, funds, events
    )
    if met:
        order.remaining_lots = left_lots
        order.filled_lots += lots - left_lots
        order.filled_micros += traded_micros
        market.dirty_orders[order.order_id] = order
    if not left_lots:
        market.close(order, FILLED, IS_FILLED, events)
    return met


def _take(  # noqa: C901 - one loop, written out for speed
    market: "Engine",
    order_id: str,
    account: AccountState,
    owner_id: int,
    side: int,
    limit_tick: int,
    left_lots: int,
    funds: dict[int, int],
    events: list[AnyEvent],
) -> tuple[int, int, int]:
    """Trade with makers best first; return lots left, micros traded and how many makers it met.

    It ends at the first maker that is not plain: of the taker's owner, reduce-only, or one too
    many. The taker's own sums are brought up to date once, at the end.
    """
    book, accounts, dirty_orders = market.books[0], market.accounts, market.dirty_orders
    levels = book.levels
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
        if maker.owner_id == owner_id or maker_account_id == account_id or maker.reduce_only:
            break
        if met == MAKERS_MET_MAX:
            break
        maker_id, price_pips, maker_lots = maker.order_id, maker.price_pips, maker.remaining_lots
        dirty_orders[maker_id] = maker
        maker_account = accounts[maker_account_id]
        lots = left_lots if left_lots < maker_lots else maker_lots  # noqa: FURB136
        left_lots -= lots
        maker_lots -= lots

        micros = price_pips * lots
        if buys:
            signed_lots, signed_micros = lots, micros
            hold_micros = PAYOUT_PIPS * lots - micros
            sells_micros = maker_account.sell_micros[0] - hold_micros
            buys_micros = maker_account.buy_micros[0]
            maker_account.sell_micros[0] = sells_micros
            maker_account.sell_lots[0] -= lots
        else:
            signed_lots, signed_micros = -lots, -micros
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
        maker_collateral_lots = -maker_net_lots if maker_net_lots < 0 else 0
        maker_sets_lots = maker_collateral_lots - maker_account.collateral_lots
        maker_cash_micros = signed_micros
        if maker_sets_lots:
            maker_cash_micros -= PAYOUT_PIPS * maker_sets_lots
            maker_account.collateral_lots = maker_collateral_lots
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
        book.changed.add(tick)
        maker.filled_lots += lots
        maker.filled_micros += micros
        maker.remaining_lots = maker_lots
        maker.hold_micros -= hold_micros
        if maker_lots:
            maker.status = PARTLY
        else:
            maker.live = False
            maker.status = FILLED
            maker.reason = IS_FILLED
            queue.popleft()
            if not level_lots:
                queue.clear()
                level.dead = 0
                book.hide(tick, -side)
            del market.orders[maker_id]
            if maker_account.orders is not None:
                del maker_account.orders[maker_id]
            if maker.expires_at_us is not None:
                market.trim_expiries()
            events.append(Ended(maker_id, FILLED, IS_FILLED, 0))
        held_micros = sells_micros - PAYOUT_PIPS * maker_net_lots
        if buys_micros > held_micros:
            held_micros = buys_micros
        held_micros -= PAYOUT_PIPS * maker_collateral_lots
        if held_micros < 0:
            held_micros = 0
        if maker_account_id in funds:
            funds[maker_account_id] += maker_cash_micros + maker_account.held_micros - held_micros
        maker_account.held_micros = held_micros
        market.dirty_accounts.add(maker_account_id)
    if not met:
        return left_lots, 0, 0

    if not closes:  # Growing adds up; only what closes depends on each fill's price.
        account.net_lots[0] = net_lots
        account.cost_micros[0] += traded_micros
    account.collateral_lots = collateral_lots
    account.net_paid_micros += paid_micros
    held_micros = account.sell_micros[0] - PAYOUT_PIPS * net_lots
    if account.buy_micros[0] > held_micros:
        held_micros = account.buy_micros[0]
    held_micros -= PAYOUT_PIPS * collateral_lots
    if held_micros < 0:
        held_micros = 0
    funds[account_id] += account.held_micros - held_micros - paid_micros
    account.held_micros = held_micros
    market.dirty_accounts.add(account_id)
    return left_lots, side * traded_micros, met
