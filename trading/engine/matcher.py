"""One taker against the books: price-time priority, self-trade prevention, clipping, budgets.

`match` takes makers best first until the order is filled, its limit is reached, or something
stops it; where all other outcomes together are cheaper than the best maker of its own (`cross`),
it trades with those. It decides and emits; what it emits has happened when the next maker is met.
"""

from typing import Final

from trading.engine.book import EngineOrder
from trading.engine.cross import list_makers, trade_across
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
    rules = market.rules
    compute_fee, has_fees, crosses_books = rules.compute_fee, rules.has_fees, rules.crosses_books
    options = order.place.options
    is_clipped = options is not None and (options.reduce_only or budget_micros is not None)
    makers = trades = 0
    while order.remaining_lots:
        if makers >= MAKERS_MET_MAX and book.crosses(side, order.price_pips):
            return Reason.MATCH_LIMIT, makers, trades
        if crosses_books and book.is_implied_better(side, limit_tick):
            stopped, met, legs = _match_across(market, order, trades, pays_at_once, budget_micros)
            makers, trades = makers + met, trades + legs
            if stopped is not None:
                return stopped, makers, trades
            continue
        maker = book.best_maker(side, limit_tick)
        if maker is None:
            break
        makers += 1
        if maker.owner_id == owner_id:
            if (stopped := _prevent_self_trade(market, order, [maker])) is not None:
                return stopped, makers, trades
            continue
        lots, maker_lots = order.remaining_lots, maker.remaining_lots
        if maker_lots < lots:
            lots = maker_lots
        price_pips = maker.price_pips
        if is_clipped or maker.place.options is not None:
            lots = _clip_maker(market, maker, lots)
            if not lots:
                continue
            lots, stopped = _clip_taker(market, order, price_pips, lots, budget_micros)
            if stopped is not None:
                return stopped, makers, trades
        fee_micros = compute_fee(order, price_pips, lots, True) if has_fees else 0
        if (
            pays_at_once
            and market.funds[order.account_id] < SAFE_PIPS * lots + fee_micros
            and not _can_pay(market, account, order, price_pips, lots, fee_micros)
        ):
            return Reason.INSUFFICIENT_FUNDS, makers, trades
        _trade(market, trades, order, account, maker, lots, fee_micros)
        trades += 1
        if budget_micros is not None and _is_spent(market, order, price_pips, budget_micros):
            return Reason.BUDGET_SPENT, makers, trades
    return None, makers, trades


def _match_across(
    market: MarketState,
    order: EngineOrder,
    index: int,
    pays_at_once: bool,
    budget_micros: int | None,
) -> Match:
    """Trade once with the first orders of all other books, or get one that is in the way out."""
    makers = list_makers(market, order)
    met = len(makers)
    if all(maker.owner_id == order.owner_id for maker in makers):
        return _prevent_self_trade(market, order, makers), met, 0
    book = market.books[order.outcome]
    price_pips = book.implied_tick(order.side) * book.tick_pips
    lots = order.remaining_lots
    for maker in makers:
        lots = _clip_maker(market, maker, min(lots, maker.remaining_lots))
        if not lots:
            return None, met, 0
    lots, stopped = _clip_taker(market, order, price_pips, lots, budget_micros)
    if stopped is not None:
        return stopped, met, 0
    fee_micros = market.rules.compute_fee(order, price_pips, lots, True)
    account = market.account(order.account_id)
    if pays_at_once and not _can_pay(market, account, order, price_pips, lots, fee_micros):
        return Reason.INSUFFICIENT_FUNDS, met, 0
    trade_across(market, index, order, makers, price_pips, lots, fee_micros)
    for maker in makers:
        _end_if_done(market, maker)
    if budget_micros is not None and _is_spent(market, order, price_pips, budget_micros):
        return Reason.BUDGET_SPENT, met, met + 1
    return None, met, met + 1


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
    _end_if_done(market, maker)


def _end_if_done(market: MarketState, maker: EngineOrder) -> None:
    """End a maker that is filled, or that only reduces and has nothing left to reduce."""
    if not maker.remaining_lots:
        market.emit(Ended(maker.order_id, FILLED, IS_FILLED, 0))
    elif maker.place.reduce_only and not _compute_allowance(market, maker):
        market.emit(_end(maker, Reason.REDUCE_ONLY))


def _end(order: EngineOrder, reason: Reason) -> Ended:
    return Ended(order.order_id, OrderStatus.CANCELLED, reason, order.remaining_lots)


def _compute_allowance(market: MarketState, order: EngineOrder) -> int:
    account = market.account(order.account_id)
    return compute_allowance_lots(account, order.outcome, order.side, binary=market.rules.binary)


def _prevent_self_trade(market: MarketState, order: EngineOrder, makers: list[EngineOrder]) -> Reason | None:
    """Keep an owner from trading with itself alone; return a reason if that ends the taker."""
    mode = order.place.stp
    if mode is Stp.DECREMENT:
        return _decrement(market, order, makers)
    if mode is not Stp.CANCEL_NEWEST:
        for maker in makers:
            market.emit(_end(maker, Reason.SELF_TRADE))
    return Reason.SELF_TRADE if mode is not Stp.CANCEL_OLDEST else None


def _decrement(market: MarketState, order: EngineOrder, makers: list[EngineOrder]) -> Reason | None:
    """Take the smallest quantity from all of them without a trade; the smallest one dies."""
    lots = min(order.remaining_lots, *(maker.remaining_lots for maker in makers))
    for maker in makers:
        if lots == maker.remaining_lots:
            market.emit(_end(maker, Reason.SELF_TRADE))
        else:
            market.emit(Decremented(maker.order_id, lots, maker.remaining_lots - lots))
    if lots == order.remaining_lots:
        return Reason.SELF_TRADE
    market.emit(Decremented(order.order_id, lots, order.remaining_lots - lots))
    return None


def _clip_maker(market: MarketState, maker: EngineOrder, lots: int) -> int:
    """Return how many of `lots` a maker allows; one with nothing left to reduce is ended."""
    if not maker.place.reduce_only:
        return lots
    lots = min(lots, _compute_allowance(market, maker))
    if not lots:
        market.emit(_end(maker, Reason.REDUCE_ONLY))
    return lots


def _clip_taker(
    market: MarketState, order: EngineOrder, price_pips: int, lots: int, budget_micros: int | None
) -> tuple[int, Reason | None]:
    """Return how many of `lots` reduce-only and the budget allow at a price; or what ends it."""
    if order.place.reduce_only:
        lots = min(lots, _compute_allowance(market, order))
        if not lots:
            return 0, Reason.REDUCE_ONLY
    if budget_micros is not None:
        lots = _compute_affordable(market, order, price_pips, lots, budget_micros)
        if not lots:
            return 0, Reason.BUDGET_SPENT
    return lots, None


def _is_spent(market: MarketState, order: EngineOrder, price_pips: int, budget_micros: int) -> bool:
    """Whether a budget does not pay for one more step at the price that it traded at.

    Whoever comes next asks no less: it is spent whether or not another maker stands behind.
    """
    step_lots = market.rules.lot_step_lots
    return not _compute_affordable(market, order, price_pips, step_lots, budget_micros)


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
