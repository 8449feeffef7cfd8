"""The commonest things that happen, each written out in one go, without calls.

In a binary market without fees, position limit or strict refund: `rest_plain` rests a plain limit
order, `cancel_plain` cancels an order, `take_plain` carries a taker through makers. They do exactly
what the full path in `engine` and `sweep` does, and only while nothing is out of the ordinary;
otherwise they change nothing more, and the full path goes on, decides and names the reason. The
property tests hold both against the naive engine. A call costs more here than the work it would
do: written out like this a mixed stream is twice as fast.
"""

from typing import TYPE_CHECKING

from trading.engine.book import BIT, DEAD_MIN, Book, Level, Order
from trading.engine.margin import AccountState, move_cost
from trading.engine.state import MarketState
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
    from trading.engine.sweep import Sweep

GTC = Tif.GTC
CANCELLED = OrderStatus.CANCELLED
FILLED = OrderStatus.FILLED
IS_FILLED = Reason.FILLED
PARTLY = OrderStatus.PARTIALLY_FILLED
MINT, MERGE, DIRECT = TradeKind.MINT, TradeKind.MERGE, TradeKind.DIRECT
BY_OWNER = Reason.CANCELLED_BY_OWNER


def rest_plain(  # noqa: C901 - one ladder, written out for speed
    market: MarketState, place: Place, funds: dict[int, int], events: list[AnyEvent]
) -> bool:
    """Rest a limit order that crosses nothing; False when it needs the full path."""
    price_pips, lots, account_id = place.price_pips, place.quantity_lots, place.account_id
    if (
        place.tif is not GTC
        or price_pips is None
        or lots is None
        or place.expires_at_us is not None
    ):
        return False
    if place.is_market or place.post_only or place.reduce_only or place.budget_micros is not None:
        return False
    if place.valid_until_us is not None:
        return False
    if not 0 < price_pips < PAYOUT_PIPS or place.outcome or market.ts_us >= market.close_at_us:
        return False
    tick, off_tick = divmod(price_pips, market.tick_pips)
    if off_tick or not 0 < lots <= ORDER_LOTS_MAX or lots % market.lot_step_lots:
        return False
    account = market.accounts.get(account_id)
    order_id = place.order_id
    if account is None or order_id in market.orders:
        return False

    book = market.books[0]
    side = place.side
    net_lots = account.net_lots[0]
    collateral_micros = PAYOUT_PIPS * account.collateral_lots
    buys_micros, sells_micros = account.buy_micros[0], account.sell_micros[0]
    if side == BUY:
        hold_micros = price_pips * lots
        buys_micros += hold_micros
        open_lots = account.buy_lots[0] + lots
        if tick >= book.best_ask or net_lots + open_lots > POSITION_LOTS_MAX:
            return False
    else:
        hold_micros = (PAYOUT_PIPS - price_pips) * lots
        sells_micros += hold_micros
        open_lots = account.sell_lots[0] + lots
        if tick <= book.best_bid or open_lots - net_lots > POSITION_LOTS_MAX:
            return False
    held_micros = sells_micros - PAYOUT_PIPS * net_lots
    if buys_micros > held_micros:
        held_micros = buys_micros
    held_micros -= collateral_micros
    if held_micros < 0:
        held_micros = 0
    left_micros = funds[account_id] - held_micros + account.held_micros
    if left_micros < 0:
        return False

    order = Order(
        order_id,
        account_id,
        place.owner_id,
        0,
        side,
        price_pips,
        lots,
        lots,
        fee_free=place.fee_free,
        stp=place.stp,
        as_no=place.as_no,
        client_order_id=place.client_order_id,
        created_at_us=market.ts_us,
        priority=market.seq,
        hold_micros=hold_micros,
        live=True,
    )
    funds[account_id] = left_micros
    account.held_micros = held_micros
    level = book.levels[tick]
    if level is None:
        level = book.levels[tick] = Level()
    if side == BUY:
        account.buy_micros[0] = buys_micros
        account.buy_lots[0] = open_lots
        if not level.total_lots:
            book.bids |= BIT[tick]
            if tick > book.best_bid:
                book.best_bid = tick
    else:
        account.sell_micros[0] = sells_micros
        account.sell_lots[0] = open_lots
        if not level.total_lots:
            book.asks |= BIT[tick]
            if tick < book.best_ask:
                book.best_ask = tick
    level.queue.append(order)
    level.total_lots += lots
    book.changed.add(tick)
    account.orders[order_id] = market.orders[order_id] = market.dirty_orders[order_id] = order
    market.dirty_accounts.add(account_id)
    events.append(Rested(order_id, 0, side, price_pips, lots))
    return True


def cancel_plain(
    market: MarketState, cancel: Cancel, funds: dict[int, int], events: list[AnyEvent]
) -> bool:
    """Cancel an order of the account that never expires; False when it needs the full path."""
    order_id, account_id = cancel.order_id, cancel.account_id
    order = market.orders.get(order_id)
    if order is None or order.account_id != account_id or order.expires_at_us is not None:
        return False

    account = market.accounts[account_id]
    book = market.books[0]
    lots, hold_micros = order.remaining_lots, order.hold_micros
    tick = order.price_pips // market.tick_pips
    level = book.levels[tick]
    assert level is not None
    level.total_lots -= lots
    if level.total_lots:
        level.dead += 1
        if level.dead > DEAD_MIN and level.dead * 2 > len(level.queue):
            order.live = False
            level.compact()
    else:
        level.queue.clear()
        level.dead = 0
        book.hide(tick, order.side)
    if order.side == BUY:
        account.buy_micros[0] -= hold_micros
        account.buy_lots[0] -= lots
    else:
        account.sell_micros[0] -= hold_micros
        account.sell_lots[0] -= lots
    held_micros = account.sell_micros[0] - PAYOUT_PIPS * account.net_lots[0]
    if account.buy_micros[0] > held_micros:
        held_micros = account.buy_micros[0]
    held_micros -= PAYOUT_PIPS * account.collateral_lots
    if held_micros < 0:
        held_micros = 0
    funds[account_id] += account.held_micros - held_micros
    account.held_micros = held_micros
    order.live = False
    order.hold_micros = 0
    order.status = CANCELLED
    order.reason = BY_OWNER
    book.changed.add(tick)
    del market.orders[order_id], account.orders[order_id]
    market.dirty_orders[order_id] = order
    market.dirty_accounts.add(account_id)
    events.append(Ended(order_id, CANCELLED, BY_OWNER, lots))
    return True


def take_plain(sweep: "Sweep", book: Book, limit_tick: int) -> None:
    """Trade with makers best first, up to the first that is not plain; the full path goes on there.

    Not plain: of the taker's owner, reduce-only, or one too many. The taker's own hold and funds
    are brought up to date once, at the end: it was certain beforehand that it can pay.
    """
    order, account, market = sweep.order, sweep.account, sweep.engine
    if order.reduce_only or sweep.budget_micros is not None:
        return
    funds, side = sweep.funds, order.side
    worst_micros = 2 * PAYOUT_PIPS * order.remaining_lots
    if sweep.pays_at_once and funds[account.account_id] < worst_micros:
        return
    cash_micros = 0
    while order.remaining_lots:
        tick = book.best_ask if side == BUY else book.best_bid
        if (tick > limit_tick) if side == BUY else (tick < limit_tick or not tick):
            break
        level = book.levels[tick]
        assert level is not None
        queue = level.queue
        maker = queue[0]
        while not maker.live:
            queue.popleft()
            level.dead -= 1
            maker = queue[0]
        if maker.owner_id == order.owner_id or maker.reduce_only or sweep.met == MAKERS_MET_MAX:
            break
        sweep.met += 1
        maker_account = market.accounts[maker.account_id]
        price_pips, left_lots = maker.price_pips, maker.remaining_lots
        lots = min(left_lots, order.remaining_lots)
        sets_lots = account.collateral_lots + maker_account.collateral_lots
        taker_cash_micros = _fill(account, side * lots, price_pips)
        maker_cash_micros = _fill(maker_account, -side * lots, price_pips)
        sets_lots = account.collateral_lots + maker_account.collateral_lots - sets_lots
        cash_micros += taker_cash_micros
        order.remaining_lots -= lots
        order.filled_lots += lots
        order.filled_micros += price_pips * lots
        maker.filled_lots += lots
        maker.filled_micros += price_pips * lots
        sweep.events.append(
            Traded(
                sweep.trades,
                0,
                side,
                price_pips,
                lots,
                MINT if sets_lots > 0 else MERGE if sets_lots < 0 else DIRECT,
                order.order_id,
                maker.order_id,
                account.account_id,
                maker_account.account_id,
                taker_cash_micros,
                maker_cash_micros,
                0,
                0,
            )
        )
        sweep.trades += 1
        sweep.filled_lots += lots

        level.total_lots -= lots
        book.changed.add(tick)
        maker.remaining_lots = left_lots = left_lots - lots
        hold_micros = (price_pips if side != BUY else PAYOUT_PIPS - price_pips) * lots
        maker.hold_micros -= hold_micros
        if side != BUY:
            maker_account.buy_micros[0] -= hold_micros
            maker_account.buy_lots[0] -= lots
        else:
            maker_account.sell_micros[0] -= hold_micros
            maker_account.sell_lots[0] -= lots
        maker_id = maker.order_id
        market.dirty_orders[maker_id] = maker
        if left_lots:
            maker.status = PARTLY
        else:
            maker.live = False
            maker.status = FILLED
            maker.reason = IS_FILLED
            queue.popleft()
            if not level.total_lots:
                queue.clear()
                level.dead = 0
                book.hide(tick, -side)
            del market.orders[maker_id], maker_account.orders[maker_id]
            if maker.expires_at_us is not None:
                market.trim_expiries()
            sweep.events.append(Ended(maker_id, FILLED, IS_FILLED, 0))
        market.settle(maker_account, maker_cash_micros, funds)
    if sweep.trades:
        market.dirty_orders[order.order_id] = order
        market.settle(account, cash_micros, funds)


def _fill(account: AccountState, signed_lots: int, price_pips: int) -> int:
    """Book a fill without a fee; return the change of cash."""
    net_lots = account.net_lots[0]
    if net_lots * signed_lots >= 0:
        account.cost_micros[0] += price_pips * signed_lots
    else:
        move_cost(account, 0, signed_lots, price_pips)
    net_lots += signed_lots
    account.net_lots[0] = net_lots
    collateral_lots = -net_lots if net_lots < 0 else 0
    cash_micros = PAYOUT_PIPS * (account.collateral_lots - collateral_lots)
    cash_micros -= price_pips * signed_lots
    account.collateral_lots = collateral_lots
    account.net_paid_micros -= cash_micros
    return cash_micros
