"""A market's automated maker beside its book: fills of takers, and sweeps of crossed orders.

A taker trades with the maker as long as that is cheaper than the best resting order, which wins
ties, and within its own limit; then with the book; and so on, exactly as if it took one step after
another. Consecutive steps are one trade: its amount is the maker's exact cost, rounded up to
the micro for a buyer and down for a seller, and its price the average, rounded to the pip against
the taker. So no price is worse than the taker's limit, and fees are charged at that price.

Buying an outcome makes the others cheaper. A fill ends where the first resting bid of another
outcome is crossed; then the maker *sweeps*: it sells to each bid that its price has come to, at the
bid's own price, through the outcomes in order and again until none is crossed. (Selling: it buys
from asks.) In a sweep the maker is the taker and the resting order pays its fee as a maker. So
after every command no order rests that the maker would trade with.
"""

from typing import Final

from trading.engine import order_groups, resting
from trading.engine.book import EngineOrder
from trading.engine.events import Traded
from trading.engine.lmsr import Lmsr, count_lots_for_budget, count_lots_to_cross
from trading.engine.maker import AutomatedMaker
from trading.engine.margin import AccountState
from trading.engine.state import MarketState
from trading.engine.types import BUY, PAYOUT_PIPS, SELL, Reason, TradeKind

MAKER: Final = TradeKind.MAKER
MAKER_ORDER_ID: Final = ""
"""The maker has no orders."""


def find_maker(market: MarketState) -> tuple[AutomatedMaker, AccountState]:
    """Return the market's maker and its account."""
    assert market.maker is not None
    assert market.config is not None
    assert market.config.maker is not None
    return market.maker, market.account(market.config.maker.account_id)


def count_offered_lots(market: MarketState, order: EngineOrder) -> int:
    """Return how much of a taker's rest the maker fills next; 0: the book is next."""
    outcome, side, limit_pips = order.outcome, order.side, order.price_pips
    maker, book = market.maker, market.books[outcome]
    assert maker is not None
    if book.has(-side):
        better_pips = book.best_pips(-side) - side * book.tick_pips
        limit_pips = min(limit_pips, better_pips) if side == BUY else max(limit_pips, better_pips)
    if not 0 < limit_pips < PAYOUT_PIPS:
        return 0
    lots = min(order.remaining_lots, maker.count_lots(outcome, side, limit_pips))
    if not lots:
        return 0
    for other, book in enumerate(market.books):
        if other != outcome and book.has(side):
            price_pips = book.best_pips(side)
            to_cross = count_lots_to_cross(maker.lmsr, outcome, side, other, price_pips)
            lots = lots if to_cross is None else min(lots, to_cross)
    assert lots > 0, "the maker has crossed an order that rests"
    return lots


def compute_price(paid_micros: int, lots: int) -> int:
    """Return the average price of `lots` bought, or sold for -`paid_micros`: against the taker."""
    return abs(-(-paid_micros // lots))


def count_affordable_lots(
    market: MarketState, order: EngineOrder, lots: int, left_micros: int
) -> int:
    """Return how many of `lots`, in whole steps, the rest of a budget pays for.

    Fees are included; the number is found by bisection.
    """
    maker, outcome, side = market.maker, order.outcome, order.side
    step = market.rules.lot_step_lots
    assert maker is not None
    if left_micros <= 0:
        return 0
    if _compute_spent(market, order, lots) <= left_micros:
        return lots
    most_lots = count_lots_for_budget(maker.lmsr, outcome, side, left_micros)
    low, high = 0, min(lots, most_lots) // step
    while low < high:
        steps = (low + high + 1) // 2
        if _compute_spent(market, order, steps * step) <= left_micros:
            low = steps
        else:
            high = steps - 1
    return low * step


def _compute_spent(market: MarketState, order: EngineOrder, lots: int) -> int:
    """Return the amount that a budget is charged for `lots` from the maker, fee included."""
    maker, side, rules = market.maker, order.side, market.rules
    assert maker is not None
    paid_micros = maker.quote(order.outcome, side * lots)
    spent_micros = paid_micros if side == BUY else paid_micros + PAYOUT_PIPS * lots
    return spent_micros + rules.compute_taker_fee(order, compute_price(paid_micros, lots), lots)


def trade(
    market: MarketState,
    index: int,
    order: EngineOrder,
    lots: int,
    paid_micros: int,
    fee_micros: int,
) -> None:
    """Emit a taker's fill with the maker. A seller has `paid_micros` below 0."""
    _, account = find_maker(market)
    outcome, signed_lots = order.outcome, order.side * lots
    compute_sets = market.rules.compute_sets
    taker_sets_lots = compute_sets(market.account(order.account_id), outcome, signed_lots)
    sets_lots = compute_sets(account, outcome, -signed_lots)
    market.emit(
        Traded(
            index,
            outcome,
            order.side,
            compute_price(paid_micros, lots),
            lots,
            MAKER,
            order.order_id,
            MAKER_ORDER_ID,
            order.account_id,
            account.account_id,
            -paid_micros - PAYOUT_PIPS * taker_sets_lots,
            paid_micros - PAYOUT_PIPS * sets_lots,
            fee_micros,
            0,
            abs(paid_micros),
        )
    )


def sweep(market: MarketState, side: int, index: int) -> int:
    """Let the maker trade with the orders of `side` that it has crossed; return how many times."""
    maker, _ = find_maker(market)
    first, last = index, -1
    while index != last:
        last = index
        for outcome, book in enumerate(market.books):
            while (order := book.front(side)) is not None:
                lots = maker.count_lots(outcome, side, order.price_pips)
                if not lots:
                    break
                lots = min(lots, order.remaining_lots)
                if order.place.reduce_only:
                    lots = min(lots, resting.compute_allowance(market, order))
                    if not lots:
                        resting.cancel(market, order, Reason.REDUCE_ONLY)
                        continue
                _trade_with_resting(market, index, order, lots)
                index += 1
    return index - first


def _trade_with_resting(market: MarketState, index: int, order: EngineOrder, lots: int) -> None:
    """Emit a fill of a resting order, at its price, with the maker, and its end if it is done."""
    _, account = find_maker(market)
    rules, outcome, price_pips = market.rules, order.outcome, order.price_pips
    compute_sets, compute_fee = rules.compute_sets, rules.compute_maker_fee
    signed_lots = order.side * lots
    order_sets_lots = compute_sets(market.account(order.account_id), outcome, signed_lots)
    sets_lots = compute_sets(account, outcome, -signed_lots)
    paid_micros = price_pips * signed_lots
    market.emit(
        Traded(
            index,
            outcome,
            -order.side,
            price_pips,
            lots,
            MAKER,
            MAKER_ORDER_ID,
            order.order_id,
            account.account_id,
            order.account_id,
            paid_micros - PAYOUT_PIPS * sets_lots,
            -paid_micros - PAYOUT_PIPS * order_sets_lots,
            0,
            compute_fee(order, price_pips, lots),
        )
    )
    resting.end_if_done(market, order)
    order_groups.stop_full_groups(market, (order,))


def crosses_any(market: MarketState, lmsr: Lmsr, side: int) -> bool:
    """Return whether a maker in this state would trade with a resting order of `side`."""
    maker = AutomatedMaker(lmsr, {})
    for outcome, book in enumerate(market.books):
        if book.has(side) and maker.count_lots(outcome, side, book.best_pips(side)):
            return True
    return False


def sweep_both(market: MarketState) -> None:
    """Let the maker trade with crossed orders after its liquidity changed.

    More liquidity lowers its asks and raises its bids, around the same price.
    """
    index = sweep(market, BUY, 0)
    sweep(market, SELL, index)
