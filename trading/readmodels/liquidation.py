"""The liquidation value of holdings: sold now against the current books, after fees.

A mark is the market's estimate, for which there may be no buyer. Here each position is sold to the
best bids (contracts against an outcome: to its asks) as a taker. Orders of the account and of its
owner's other accounts are left out, and so is what the books of other outcomes imply.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from django.db.models import Sum
from django.utils import timezone

from accounts.models import Account, FeeType
from markets.models import Market, MarketDiscount
from trading.engine.fees import compute_basis, round_up
from trading.engine.types import BUY, PAYOUT_PIPS, SELL, Fees
from trading.models import Order
from trading.pipeline.config import fees_of
from trading.pipeline.messages import Levels
from trading.readmodels.holdings import Holding

_NONE: Final[Levels] = []


def value_sold(
    account: Account, holdings: Collection[Holding], markets: Mapping[int, Market]
) -> dict[int, int]:
    """Return the liquidation value of the holding in each market, in micros, in one query.

    Markets that don't trade, and those whose books can't take all of it, are left out.
    """
    trading = [row for row in holdings if _is_trading(markets[row.market_id])]
    books = _read_books(account, [row.market_id for row in trading])
    discounts = _read_discounts([markets[row.market_id] for row in trading])
    found = {
        row.market_id: _value_holding(
            row, books, fees_of(markets[row.market_id]), discounts.get(row.market_id, 0)
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


def _read_books(
    account: Account, market_ids: Collection[int]
) -> dict[tuple[int, int, int], Levels]:
    """Return the levels to sell to, by (market, book, side of the order)."""
    orders = Order.objects.filter(market__in=market_ids).open().exclude(owner_id=account.owner_id)
    rows = orders.values_list("market_id", "outcome_index", "side", "price_pips")
    books: dict[tuple[int, int, int], Levels] = {}
    for market_id, outcome, side, price_pips, lots in rows.annotate(lots=Sum("remaining_lots")):
        sold_pips = price_pips if side == BUY else PAYOUT_PIPS - price_pips
        books.setdefault((market_id, outcome, side), []).append((sold_pips, int(lots)))
    for levels in books.values():
        levels.sort(reverse=True)
    return books


def _value_holding(
    holding: Holding,
    books: Mapping[tuple[int, int, int], Levels],
    fees: Fees,
    percent_off: int,
) -> int | None:
    """Contracts against an outcome are in `locked_micros` at 1 each, of which they yield a part."""
    total_micros = holding.locked_micros
    for outcome, lots in enumerate(holding.position_lots):
        levels = books.get((holding.market_id, outcome, BUY if lots > 0 else SELL), _NONE)
        brought_micros = compute_sale_micros(abs(lots), levels, fees, percent_off)
        if brought_micros is None:
            return None
        total_micros += brought_micros - max(0, PAYOUT_PIPS * -lots)
    return total_micros


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
