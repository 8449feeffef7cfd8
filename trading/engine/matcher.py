"""One taker against the books: price-time priority, self-trade prevention, clipping, budgets.

`match` takes makers best first until the order is filled, its limit is reached, or something
stops it; where all other outcomes together are cheaper than the best maker of its own (`cross`),
or an automated maker is (`blend`), it trades with those. It decides and emits; what it emits has
happened when the next maker is met.
"""

from typing import Final

from trading.engine import blend
from trading.engine.book import EngineOrder
from trading.engine.cross import list_makers, trade_across
from trading.engine.events import Decremented, Traded
from trading.engine.margin import SAFE_PIPS, AccountState, add_fill, copy_account
from trading.engine.order_groups import is_stopped, stop_full_groups
from trading.engine.resting import cancel, compute_allowance, end_if_done
from trading.engine.state import MarketState
from trading.engine.types import BUY, MAKERS_MET_MAX, PAYOUT_PIPS, Reason, Stp, TradeKind

# A member of an enum is an attribute of a class, which costs as much as a call.
MINT: Final = TradeKind.MINT
MERGE: Final = TradeKind.MERGE
DIRECT: Final = TradeKind.DIRECT


Match = tuple[Reason | None, int, int]
"""What stopped a taker before its limit or the last maker did; how many makers; how many trades."""


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
    book, trades_elsewhere = market.books[order.outcome], market.rules.trades_elsewhere
    side, limit_pips, owner_id = order.side, order.price_pips, order.owner_id
    met = trades = 0
    while order.remaining_lots:
        if trades_elsewhere and (
            step := _trade_elsewhere(market, met, trades, order, pays_at_once, budget_micros)
        ):
            stopped, makers, legs = step
            met += makers
        else:
            maker = book.best_maker(side, limit_pips)
            if maker is None:
                break
            if met >= MAKERS_MET_MAX:
                return Reason.MATCH_LIMIT, met, trades
            met += 1
            if maker.owner_id == owner_id:
                stopped, legs = _prevent_self_trade(market, order, [maker]), 0
            else:
                stopped, legs = _trade(market, trades, order, maker, pays_at_once, budget_micros)
        trades += legs
        if stopped is not None:
            return stopped, met, trades
    return None, met, trades


def _trade_elsewhere(
    market: MarketState,
    met: int,
    trades: int,
    order: EngineOrder,
    pays_at_once: bool,
    budget_micros: int | None,
) -> Match | None:
    """Trade once with whom is better than the best maker of its own book; None: nobody is."""
    book, lots = market.books[order.outcome], 0
    if market.maker is not None:
        lots = blend.count_offered_lots(market, order)
    if not lots and not book.is_implied_better(order.side, order.price_pips):
        return None
    if met >= MAKERS_MET_MAX:
        return Reason.MATCH_LIMIT, 0, 0
    if lots:
        stopped, legs = _trade_with_maker(market, trades, order, lots, pays_at_once, budget_micros)
        return stopped, max(legs, 1), legs
    makers = list_makers(market, order)
    stopped, legs = _meet_across(market, trades, order, makers, pays_at_once, budget_micros)
    return stopped, len(makers), legs


def name_remainder(makers: int) -> Reason:
    """Return why a taker that does not rest ends unfilled, by how many makers it met."""
    return Reason.IMMEDIATE_REMAINDER if makers else Reason.NO_LIQUIDITY


def _trade(
    market: MarketState,
    index: int,
    order: EngineOrder,
    maker: EngineOrder,
    pays_at_once: bool,
    budget_micros: int | None,
) -> tuple[Reason | None, int]:
    """Trade once with a maker of its own book; return what stops the order, and the trades."""
    lots, price_pips = order.remaining_lots, maker.price_pips
    if maker.remaining_lots < lots:
        lots = maker.remaining_lots
    if maker.place.options is not None or order.place.options is not None:
        lots, stopped = _clip(market, order, [maker], price_pips, lots, budget_micros)
        if not lots:
            return stopped, 0
    rules, outcome, signed_lots = market.rules, order.outcome, order.side * lots
    account, maker_account = market.accounts[order.account_id], market.accounts[maker.account_id]
    paid_micros, fee_micros, maker_fee_micros = price_pips * signed_lots, 0, 0
    if rules.has_fees:
        compute_taker_fee, compute_maker_fee = rules.compute_taker_fee, rules.compute_maker_fee
        fee_micros = compute_taker_fee(order, price_pips, lots)
        if rules.charges_makers or maker.taker_basis:
            maker_fee_micros = compute_maker_fee(maker, price_pips, lots)
    if (
        pays_at_once
        and market.funds[order.account_id] < SAFE_PIPS * lots + fee_micros
        and not _can_pay(market, account, order, paid_micros, lots, fee_micros)
    ):
        return Reason.INSUFFICIENT_FUNDS, 0
    compute_sets = rules.compute_sets
    sets_lots = compute_sets(account, outcome, signed_lots)
    maker_sets_lots = compute_sets(maker_account, outcome, -signed_lots)
    new_lots = sets_lots + maker_sets_lots
    trade = Traded(
        index, outcome, order.side, price_pips, lots,
        MINT if new_lots > 0 else MERGE if new_lots else DIRECT,
        order.order_id, maker.order_id, order.account_id, maker.account_id,
        -paid_micros - PAYOUT_PIPS * sets_lots, paid_micros - PAYOUT_PIPS * maker_sets_lots,
        fee_micros, maker_fee_micros,
    )  # fmt: skip
    market.events.append(trade)
    market.apply_traded(trade)
    if not maker.remaining_lots or maker.place.options is not None:
        end_if_done(market, maker)
    if market.headroom or budget_micros is not None:
        stop_full_groups(market, (order, maker))
        return _find_stop(market, order, price_pips, budget_micros), 1
    return None, 1


def _meet_across(
    market: MarketState,
    index: int,
    order: EngineOrder,
    makers: list[EngineOrder],
    pays_at_once: bool,
    budget_micros: int | None,
) -> tuple[Reason | None, int]:
    """Trade once with makers of all other books; return what stops the order, and the trades."""
    if all(maker.owner_id == order.owner_id for maker in makers):
        return _prevent_self_trade(market, order, makers), 0
    price_pips = market.books[order.outcome].implied_pips(order.side)
    lots = min(order.remaining_lots, *(maker.remaining_lots for maker in makers))
    lots, stopped = _clip(market, order, makers, price_pips, lots, budget_micros)
    if not lots:
        return stopped, 0
    rules, account = market.rules, market.accounts[order.account_id]
    fee_micros = rules.compute_taker_fee(order, price_pips, lots)
    paid_micros = order.side * price_pips * lots
    if (
        pays_at_once
        and market.funds[order.account_id] < SAFE_PIPS * lots + fee_micros
        and not _can_pay(market, account, order, paid_micros, lots, fee_micros)
    ):
        return Reason.INSUFFICIENT_FUNDS, 0
    trade_across(market, index, order, makers, price_pips, lots, fee_micros)
    for maker in makers:
        end_if_done(market, maker)
    stop_full_groups(market, (order, *makers))
    return _find_stop(market, order, price_pips, budget_micros), 1 + len(makers)


def _find_stop(
    market: MarketState, order: EngineOrder, price_pips: int, budget_micros: int | None
) -> Reason | None:
    """Return what a trade at this price has used up: the headroom of its group, or the budget.

    The next maker is no cheaper: a budget counts as spent by what it has bought, whether or not
    another maker follows.
    """
    if is_stopped(market, order):
        return Reason.ORDER_GROUP_STOPPED
    if budget_micros is None:
        return None
    step = market.rules.lot_step_lots
    is_left = _compute_affordable(market, order, price_pips, step, budget_micros)
    return None if is_left else Reason.BUDGET_SPENT


def _trade_with_maker(
    market: MarketState,
    index: int,
    order: EngineOrder,
    lots: int,
    pays_at_once: bool,
    budget_micros: int | None,
) -> tuple[Reason | None, int]:
    """Trade at most `lots` with the automated maker; return what stops it, and the trades.

    Those of other orders that the maker then sweeps are among them.
    """
    maker, rules, side = market.maker, market.rules, order.side
    assert maker is not None
    if order.place.reduce_only:
        lots = min(lots, compute_allowance(market, order))
        if not lots:
            return Reason.REDUCE_ONLY, 0
    if budget_micros is not None:
        left_micros = _compute_left(order, budget_micros)
        lots = blend.count_affordable_lots(market, order, lots, left_micros)
        if not lots:
            return Reason.BUDGET_SPENT, 0
    paid_micros, compute_fee = maker.quote(order.outcome, side * lots), rules.compute_taker_fee
    price_pips = blend.compute_price(paid_micros, lots)
    fee_micros = compute_fee(order, price_pips, lots)
    if (
        pays_at_once
        and market.funds[order.account_id] < SAFE_PIPS * lots + fee_micros
        and not _can_pay(
            market, market.account(order.account_id), order, paid_micros, lots, fee_micros
        )
    ):
        return Reason.INSUFFICIENT_FUNDS, 0
    blend.trade(market, index, order, lots, paid_micros, fee_micros)
    stop_full_groups(market, (order,))
    legs = 1 + (blend.sweep(market, side, index + 1) if len(market.books) > 1 else 0)
    return _find_stop(market, order, price_pips, budget_micros), legs


def _prevent_self_trade(
    market: MarketState, order: EngineOrder, makers: list[EngineOrder]
) -> Reason | None:
    """Keep an owner from trading with itself alone; return a reason if that ends the taker."""
    mode = order.place.stp
    if mode is Stp.DECREMENT:
        return _decrement(market, order, makers)
    if mode is not Stp.CANCEL_NEWEST:
        for maker in makers:
            cancel(market, maker, Reason.SELF_TRADE)
    return Reason.SELF_TRADE if mode is not Stp.CANCEL_OLDEST else None


def _decrement(market: MarketState, order: EngineOrder, makers: list[EngineOrder]) -> Reason | None:
    """Take the smallest quantity from all of them without a trade; the smallest one dies."""
    lots = min(order.remaining_lots, *(maker.remaining_lots for maker in makers))
    for maker in makers:
        if lots == maker.remaining_lots:
            cancel(market, maker, Reason.SELF_TRADE)
        else:
            market.emit(Decremented(maker.order_id, lots, maker.remaining_lots - lots))
    if lots == order.remaining_lots:
        return Reason.SELF_TRADE
    market.emit(Decremented(order.order_id, lots, order.remaining_lots - lots))
    return None


def _clip(
    market: MarketState,
    order: EngineOrder,
    makers: list[EngineOrder],
    price_pips: int,
    lots: int,
    budget_micros: int | None,
) -> tuple[int, Reason | None]:
    """Return how many of `lots` reduce-only and the budget allow; if none, what ends the order.

    A maker that only reduces and has nothing left to reduce is ended instead.
    """
    for maker in makers:
        if maker.place.reduce_only:
            lots = min(lots, compute_allowance(market, maker))
            if not lots:
                cancel(market, maker, Reason.REDUCE_ONLY)
                return 0, None
    if order.place.reduce_only:
        lots = min(lots, compute_allowance(market, order))
        if not lots:
            return 0, Reason.REDUCE_ONLY
    if budget_micros is not None:
        lots = _compute_affordable(market, order, price_pips, lots, budget_micros)
        if not lots:
            return 0, Reason.BUDGET_SPENT
    return lots, None


def _compute_affordable(
    market: MarketState, order: EngineOrder, price_pips: int, lots: int, budget_micros: int
) -> int:
    """Return the most of `lots`, in whole steps, that the rest of the budget pays for."""
    compute_fee, step = market.rules.compute_taker_fee, market.rules.lot_step_lots
    unit_pips = price_pips if order.side == BUY else PAYOUT_PIPS - price_pips
    left_micros = _compute_left(order, budget_micros)
    low, high = 0, min(lots, left_micros // unit_pips) // step
    while low < high:
        steps = (low + high + 1) // 2
        fee_micros = compute_fee(order, price_pips, steps * step)
        if unit_pips * steps * step + fee_micros <= left_micros:
            low = steps
        else:
            high = steps - 1
    return low * step


def _compute_left(order: EngineOrder, budget_micros: int) -> int:
    """Return what an order's fills have left of its budget."""
    spent_micros = order.filled_micros
    if order.side != BUY:
        spent_micros = PAYOUT_PIPS * order.filled_lots - spent_micros
    return budget_micros - spent_micros - order.fee_micros


def _can_pay(
    market: MarketState,
    account: AccountState,
    order: EngineOrder,
    paid_micros: int,
    lots: int,
    fee_micros: int,
) -> bool:
    """Return whether the fill leaves available funds at or above zero."""
    available_micros = market.funds[account.account_id]
    signed_lots, rules = order.side * lots, market.rules
    sets_lots = rules.compute_sets(account, order.outcome, signed_lots)
    cash_micros = -paid_micros - PAYOUT_PIPS * sets_lots
    after = copy_account(account)
    add_fill(after, order.outcome, signed_lots, paid_micros, cash_micros, fee_micros)
    rules.settle(after, 0, {})
    more_held_micros = after.held_micros - account.held_micros
    return available_micros + cash_micros - fee_micros - more_held_micros >= 0
