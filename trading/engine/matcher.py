"""One taker against the book: price-time priority, self-trade prevention, clipping, budgets.

`match` takes makers best first until the order is filled, its limit is reached, or something
stops it. It decides and emits; what it emits has happened when the next maker is met.
"""

from typing import Final

from trading.engine.book import EngineOrder
from trading.engine.margin import (
    SAFE_PIPS,
    AccountState,
    add_fill,
    compute_allowance_lots,
    copy_account,
)
from trading.engine.state import MarketState
from trading.engine.types import (
    BUY,
    MAKERS_MET_MAX,
    PAYOUT_PIPS,
    Decremented,
    Ended,
    OrderStatus,
    Reason,
    Stp,
    Traded,
    TradeKind,
)

# A member of an enum is an attribute of a class, which costs as much as a call.
MINT: Final = TradeKind.MINT
MERGE: Final = TradeKind.MERGE
DIRECT: Final = TradeKind.DIRECT
FILLED: Final = OrderStatus.FILLED
IS_FILLED: Final = Reason.FILLED


Match = tuple[Reason | None, int, int]
"""What became of a taker: what stopped it before its limit or the last maker did; makers; trades.
"""


def match(
    market: MarketState,
    order: EngineOrder,
    pays_at_once: bool,
    budget_micros: int | None = None,
) -> Match:
    """Trade the incoming order with makers until there is nothing more to take.

    `pays_at_once`: the order holds nothing, so each fill must leave its account's available funds
    at or above zero. `budget_micros`: what it may spend in all, fees included.
    """
    book = market.books[order.outcome]
    account = market.account(order.account_id)
    side, owner_id = order.side, order.owner_id
    limit_tick = order.price_pips // book.tick_pips
    compute_fee, has_fees = market.rules.compute_fee, market.rules.has_fees
    options = order.place.options
    is_clipped = options is not None and (options.reduce_only or budget_micros is not None)
    makers = trades = 0
    while order.remaining_lots:
        maker = book.best_maker(side, limit_tick)
        if maker is None:
            break
        if makers == MAKERS_MET_MAX:
            return Reason.MATCH_LIMIT, makers, trades
        makers += 1
        if maker.owner_id == owner_id:
            if (stopped := _prevent_self_trade(market, order, maker)) is not None:
                return stopped, makers, trades
            continue
        lots, maker_lots = order.remaining_lots, maker.remaining_lots
        if maker_lots < lots:
            lots = maker_lots
        if is_clipped or maker.place.options is not None:
            lots, stopped = _clip(market, order, maker, lots, budget_micros)
            if stopped is not None:
                return stopped, makers, trades
            if not lots:
                continue
        price_pips = maker.price_pips
        fee_micros = compute_fee(order, price_pips, lots, True) if has_fees else 0
        if (
            pays_at_once
            and market.funds[order.account_id] < SAFE_PIPS * lots + fee_micros
            and not _can_pay(market, account, order, price_pips, lots, fee_micros)
        ):
            return Reason.INSUFFICIENT_FUNDS, makers, trades
        _trade(market, trades, order, account, maker, lots, fee_micros)
        trades += 1
        # The next maker is no cheaper: a budget counts as spent by what it has bought,
        # whether or not another maker follows.
        if budget_micros is not None and not _compute_affordable(
            market, order, price_pips, market.rules.lot_step_lots, budget_micros
        ):
            return Reason.BUDGET_SPENT, makers, trades
    return None, makers, trades


def _trade(
    market: MarketState,
    index: int,
    order: EngineOrder,
    account: AccountState,
    maker: EngineOrder,
    lots: int,
    fee_micros: int,
) -> None:
    """Emit a fill at the maker's price, and the maker's end if it has nothing left to trade."""
    rules, outcome, side = market.rules, order.outcome, order.side
    compute_sets, compute_fee = rules.compute_sets, rules.compute_fee
    price_pips, signed_lots = maker.price_pips, side * lots
    maker_account = market.accounts[maker.account_id]
    sets_lots = compute_sets(account, outcome, signed_lots)
    maker_sets_lots = compute_sets(maker_account, outcome, -signed_lots)
    cost_micros, new_lots = price_pips * signed_lots, sets_lots + maker_sets_lots
    market.emit(
        Traded(
            index,
            outcome,
            side,
            price_pips,
            lots,
            MINT if new_lots > 0 else MERGE if new_lots else DIRECT,
            order.order_id,
            maker.order_id,
            order.account_id,
            maker.account_id,
            -cost_micros - PAYOUT_PIPS * sets_lots,
            cost_micros - PAYOUT_PIPS * maker_sets_lots,
            fee_micros,
            compute_fee(maker, price_pips, lots, False) if rules.has_fees else 0,
        )
    )
    if not maker.remaining_lots:
        market.emit(Ended(maker.order_id, FILLED, IS_FILLED, 0))
    elif maker.place.options is not None and maker.place.reduce_only:
        _end_if_closed(market, maker)


def _end_if_closed(market: MarketState, maker: EngineOrder) -> None:
    """End a reduce-only maker that has nothing left to reduce."""
    if not _compute_allowance(market, maker):
        market.emit(_end(maker, Reason.REDUCE_ONLY))


def _end(order: EngineOrder, reason: Reason) -> Ended:
    return Ended(order.order_id, OrderStatus.CANCELLED, reason, order.remaining_lots)


def _compute_allowance(market: MarketState, order: EngineOrder) -> int:
    account = market.account(order.account_id)
    return compute_allowance_lots(account, order.outcome, order.side, binary=market.rules.binary)


def _prevent_self_trade(
    market: MarketState, order: EngineOrder, maker: EngineOrder
) -> Reason | None:
    """Keep an owner from trading with itself; return a reason if that ends the taker."""
    mode = order.place.stp
    if mode is Stp.DECREMENT:
        return _decrement(market, order, maker)
    if mode is not Stp.CANCEL_NEWEST:
        market.emit(_end(maker, Reason.SELF_TRADE))
    return Reason.SELF_TRADE if mode is not Stp.CANCEL_OLDEST else None


def _decrement(market: MarketState, order: EngineOrder, maker: EngineOrder) -> Reason | None:
    """Take the smaller quantity from both without a trade; the smaller one dies."""
    lots = min(order.remaining_lots, maker.remaining_lots)
    if lots == maker.remaining_lots:
        market.emit(_end(maker, Reason.SELF_TRADE))
    else:
        market.emit(Decremented(maker.order_id, lots, maker.remaining_lots - lots))
    if lots == order.remaining_lots:
        return Reason.SELF_TRADE
    market.emit(Decremented(order.order_id, lots, order.remaining_lots - lots))
    return None


def _clip(
    market: MarketState,
    order: EngineOrder,
    maker: EngineOrder,
    lots: int,
    budget_micros: int | None,
) -> tuple[int, Reason | None]:
    """Return how many of `lots` reduce-only orders and a budget allow; and what ends the taker.

    A reduce-only maker with nothing left to reduce is ended.
    """
    if maker.place.reduce_only:
        lots = min(lots, _compute_allowance(market, maker))
        if not lots:
            market.emit(_end(maker, Reason.REDUCE_ONLY))
            return 0, None
    if order.place.reduce_only:
        lots = min(lots, _compute_allowance(market, order))
        if not lots:
            return 0, Reason.REDUCE_ONLY
    if budget_micros is not None:
        lots = _compute_affordable(market, order, maker.price_pips, lots, budget_micros)
        if not lots:
            return 0, Reason.BUDGET_SPENT
    return lots, None


def _compute_affordable(
    market: MarketState, order: EngineOrder, price_pips: int, lots: int, budget_micros: int
) -> int:
    """Return the most of `lots`, in whole steps, that the rest of the budget pays for."""
    compute_fee, step = market.rules.compute_fee, market.rules.lot_step_lots
    unit_pips = price_pips if order.side == BUY else PAYOUT_PIPS - price_pips
    spent_micros = order.filled_micros
    if order.side != BUY:
        spent_micros = PAYOUT_PIPS * order.filled_lots - spent_micros
    left_micros = budget_micros - spent_micros - order.fee_micros
    low, high = 0, min(lots, left_micros // unit_pips) // step
    while low < high:
        steps = (low + high + 1) // 2
        fee_micros = compute_fee(order, price_pips, steps * step, True)
        if unit_pips * steps * step + fee_micros <= left_micros:
            low = steps
        else:
            high = steps - 1
    return low * step


def _can_pay(
    market: MarketState,
    account: AccountState,
    order: EngineOrder,
    price_pips: int,
    lots: int,
    fee_micros: int,
) -> bool:
    """Return whether the fill leaves available funds at or above zero."""
    available_micros = market.funds[account.account_id]
    signed_lots, rules = order.side * lots, market.rules
    sets_lots = rules.compute_sets(account, order.outcome, signed_lots)
    cash_micros = -price_pips * signed_lots - PAYOUT_PIPS * sets_lots
    after = copy_account(account)
    add_fill(after, order.outcome, signed_lots, price_pips, cash_micros, fee_micros)
    more_held_micros = rules.compute_held(after) - account.held_micros
    return available_micros + cash_micros - fee_micros - more_held_micros >= 0
