"""One book as a ladder: prices, quantities and running totals of both sides, best first.

The book of an outcome can be read from either end: NO's asks are YES's bids at 1 less their price.
What a taker gets from the books of all other outcomes at once stands among its prices, marked.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from kernel.units import format_price, format_quantity
from trading.engine.types import BUY, PAYOUT_PIPS, SELL
from trading.wire.levels import Levels, compute_implied_levels, mirror_levels

ROWS_MAX: Final = 12
"""Of a side."""

OwnLots = Mapping[tuple[int, int], int]
"""What of a book is the viewer's, by (side, price in pips)."""


class LadderRow(NamedTuple):
    """A price; `total_lots` is what stands at it or better, `share` its percentage of the most.

    `implied_lots` of its quantity are in the books of the other outcomes.
    """

    price_pips: int
    quantity_lots: int
    total_lots: int
    share: int
    own_lots: int
    implied_lots: int

    @property
    def rest(self) -> int:
        return 100 - self.share

    @property
    def price(self) -> str:
        """As a form sends it, whatever the language."""
        return format_price(self.price_pips)

    @property
    def total(self) -> str:
        return format_quantity(self.total_lots)


class Ladder(NamedTuple):
    """Both sides, best price first; the spread is None while a side is empty."""

    bids: list[LadderRow]
    asks: list[LadderRow]
    spread_pips: int | None


def build_ladder(
    books: Sequence[tuple[Levels, Levels]],
    outcome: int,
    own: OwnLots,
    *,
    as_no: bool,
    matches_across: bool,
) -> Ladder:
    """Build an outcome's ladder from (bids, asks) of each book, from NO's side if so wished."""
    bids, asks = books[outcome]
    implied: tuple[Levels, Levels] = ([], [])
    if matches_across:
        implied = compute_implied_levels(books, outcome)
    implied_bids, implied_asks = implied
    if as_no:
        bids, asks = mirror_levels(asks), mirror_levels(bids)
        implied_bids, implied_asks = mirror_levels(implied_asks), mirror_levels(implied_bids)
        own = {(-side, PAYOUT_PIPS - pips): lots for (side, pips), lots in own.items()}
    sides = [
        _merge(levels, dict(implied_levels), side)[:ROWS_MAX]
        for side, levels, implied_levels in ((BUY, bids, implied_bids), (SELL, asks, implied_asks))
    ]
    most_lots = max(sum(lots for _, lots, _ in side) for side in sides)
    shown_bids, shown_asks = sides
    return Ladder(
        _build_rows(shown_bids, BUY, most_lots, own),
        _build_rows(shown_asks, SELL, most_lots, own),
        shown_asks[0][0] - shown_bids[0][0] if shown_bids and shown_asks else None,
    )


def _merge(levels: Levels, implied: dict[int, int], side: int) -> list[tuple[int, int, int]]:
    """Return [(price_pips, lots in all, of which implied)], best first."""
    direct = dict(levels)
    return [
        (pips, direct.get(pips, 0) + implied.get(pips, 0), implied.get(pips, 0))
        for pips in sorted(direct.keys() | implied.keys(), reverse=side == BUY)
    ]


def _build_rows(
    levels: list[tuple[int, int, int]], side: int, most_lots: int, own: OwnLots
) -> list[LadderRow]:
    rows, total_lots = [], 0
    for price_pips, lots, implied_lots in levels:
        total_lots += lots
        share = total_lots * 100 // most_lots
        own_lots = own.get((side, price_pips), 0)
        rows.append(LadderRow(price_pips, lots, total_lots, share, own_lots, implied_lots))
    return rows
