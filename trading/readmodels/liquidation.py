"""The liquidation value of holdings: sold now against the current books, after fees.

A mark is the market's estimate, for which there may be no buyer. Here each position is sold to the
best bids (contracts against an outcome: to its asks) as a taker. Orders of the account and of its
owner's other accounts are left out. The value is a lower bound: a maker is taken at the prices of
the ladder, and what a sale does for the prices of other outcomes does not count.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from django.db.models import Sum
from django.utils import timezone

from accounts.models import Account, FeeType
from markets.models import Market, MarketDiscount
from trading.engine.fees import compute_basis, round_up
from trading.engine.types import BUY, PAYOUT_PIPS, Fees
from trading.models import Order
from trading.pipeline.config import fees_of
from trading.pipeline.loading import read_ladders
from trading.pipeline.messages import Sides
from trading.readmodels.holdings import Holding
from trading.wire.levels import compute_implied_levels, mirror_levels

MAKER_LEVELS_MAX: Final = 100


def value_sold(
    account: Account, holdings: Collection[Holding], markets: Mapping[int, Market]
) -> dict[int, int]:
    """Return the liquidation value of the holding in each market, in micros.

    Markets that don't trade, and those that can't take all of it, are left out.
    """
    trading = [row for row in holdings if _is_trading(markets[row.market_id])]
    books = _read_books(account, trading)
    with_maker = [row.market_id for row in trading if row.instrument.has_maker]
    ladders = read_ladders(with_maker, levels_max=MAKER_LEVELS_MAX) if with_maker else {}
    discounts = _read_discounts([markets[row.market_id] for row in trading])
    found = {
        row.market_id: _value_holding(
            row,
            books[row.market_id],
            ladders.get(row.market_id),
            fees_of(markets[row.market_id]),
            discounts.get(row.market_id, 0),
        )
        for row in trading
    }
    return {market_id: micros for market_id, micros in found.items() if micros is not None}


def _read_discounts(markets: Collection[Market]) -> dict[int, int]:
    """Return what is off takers' fees now, in per cent, by market."""
    dear = [market.pk for market in markets if market.fee_kind != FeeType.NONE]
    if not dear:
        return {}
    applied = MarketDiscount.objects.filter(market__in=dear, is_applied=True)
    return dict(applied.values_list("market_id", "taker_percent"))


def _is_trading(market: Market) -> bool:
    return market.status == Market.Status.OPEN and market.close_at > timezone.now()


def _read_books(account: Account, holdings: Iterable[Holding]) -> dict[int, list[Sides]]:
    """Return (bids, asks) of each book by market, without the owner's own orders."""
    books: dict[int, list[Sides]] = {
        row.market_id: [([], []) for _ in range(row.instrument.book_count)] for row in holdings
    }
    orders = Order.objects.filter(market__in=books).open().exclude(owner_id=account.owner_id)
    rows = orders.values_list("market_id", "outcome_index", "side", "price_pips")
    for market_id, outcome, side, price_pips, lots in rows.annotate(lots=Sum("remaining_lots")):
        bids, asks = books[market_id][outcome]
        (bids if side == BUY else asks).append((price_pips, int(lots)))
    return books


def _value_holding(
    holding: Holding,
    books: Sequence[Sides],
    ladders: Sequence[Sides] | None,
    fees: Fees,
    percent_off: int,
) -> int | None:
    """Contracts against an outcome are in `locked_micros` at 1 each, of which they yield a part."""
    total_micros = holding.locked_micros
    sold = {outcome: lots for outcome, lots in enumerate(holding.position_lots) if lots}
    for outcome, lots in sold.items():
        bids, asks = books[outcome]
        more_bids, more_asks = _find_beside(holding, books, ladders, sold, outcome)
        levels = [*bids, *more_bids] if lots > 0 else mirror_levels([*asks, *more_asks])
        levels.sort(reverse=True)
        brought_micros = compute_sale_micros(abs(lots), levels, fees, percent_off)
        if brought_micros is None:
            return None
        total_micros += brought_micros - max(0, PAYOUT_PIPS * -lots)
    return total_micros


def _find_beside(
    holding: Holding,
    books: Sequence[Sides],
    ladders: Sequence[Sides] | None,
    sold: Mapping[int, int],
    outcome: int,
) -> Sides:
    """Return what trades beside an outcome's book: a maker, or all other books together.

    Sales of several outcomes would take the same orders of other books, and a maker's price for one
    gets worse with what is bought back of another: neither counts then.
    """
    if ladders is not None and (min(sold.values()) > 0 or max(sold.values()) < 0):
        return ladders[outcome]
    if holding.instrument.matches_across and len(sold) == 1:
        sorted_books = [(sorted(bids, reverse=True), sorted(asks)) for bids, asks in books]
        return compute_implied_levels(sorted_books, outcome)
    return [], []


def compute_sale_micros(
    lots: int, levels: Iterable[tuple[int, int]], fees: Fees, percent_off: int = 0
) -> int | None:
    """Return the proceeds of selling all lots after fees; None if the book is too thin."""
    gross_micros = basis = fee_micros = 0
    for price_pips, offered_lots in levels:
        if not lots:
            break
        sold_lots = min(lots, offered_lots)
        basis += compute_basis(fees, price_pips, sold_lots, percent_off)
        due_micros = round_up(fees, fees.taker_rate_ppm * basis) - fee_micros
        fee_micros += min(due_micros, min(price_pips, PAYOUT_PIPS - price_pips) * sold_lots)
        gross_micros += price_pips * sold_lots
        lots -= sold_lots
    return None if lots else gross_micros - fee_micros
