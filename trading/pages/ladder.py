"""One book as a ladder: prices, quantities and cumulative totals of both sides, best first.

The book of an outcome can be read from either end: NO's asks are YES's bids at 1 less their price.
What is offered beside it is shown among its prices, marked: what the books of all other outcomes
imply, or an automated maker's levels.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from kernel.units import format_price, format_quantity
from trading.engine.types import BUY, PAYOUT_PIPS, SELL
from trading.pipeline.messages import Levels
from trading.wire.levels import mirror_levels

ROWS_MAX: Final = 12
"""Of a side."""

OwnLots = Mapping[tuple[int, int], int]
"""The viewer's own quantity in a book, by (side, price in pips)."""


class LadderRow(NamedTuple):
    """A price; `total_lots` is the quantity at it or better, `share` its percentage of the most.

    `beside_lots` of its quantity are in no order of this book, but implied by the other outcomes'
    books or an automated maker's.
    """

    price_pips: int
    quantity_lots: int
    total_lots: int
    share: int
    own_lots: int
    beside_lots: int

    @property
    def rest(self) -> int:
        return 100 - self.share

    @property
    def price(self) -> str:
        """The price in a form's plain notation, in any language."""
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
    book: tuple[Levels, Levels], beside: tuple[Levels, Levels], own: OwnLots, *, as_no: bool
) -> Ladder:
    """Build a ladder of (bids, asks) of a book and those beside it, from NO's side on request."""
    if as_no:
        book, beside = _mirror(book), _mirror(beside)
        own = {(-side, PAYOUT_PIPS - pips): lots for (side, pips), lots in own.items()}
    bids, asks = (
        _merge(levels, more, side)[:ROWS_MAX]
        for side, levels, more in zip((BUY, SELL), book, beside, strict=True)
    )
    most_lots = max(sum(lots for _, lots, _ in side) for side in (bids, asks))
    return Ladder(
        _build_rows(bids, BUY, most_lots, own),
        _build_rows(asks, SELL, most_lots, own),
        asks[0][0] - bids[0][0] if bids and asks else None,
    )


def _mirror(book: tuple[Levels, Levels]) -> tuple[Levels, Levels]:
    bids, asks = book
    return mirror_levels(asks), mirror_levels(bids)


def _merge(levels: Levels, more: Levels, side: int) -> list[tuple[int, int, int]]:
    """Return [(price_pips, lots in all, of which beside the book)], best first."""
    direct, beside = dict(levels), dict(more)
    return [
        (pips, direct.get(pips, 0) + beside.get(pips, 0), beside.get(pips, 0))
        for pips in sorted(direct.keys() | beside.keys(), reverse=side == BUY)
    ]


def _build_rows(
    levels: list[tuple[int, int, int]], side: int, most_lots: int, own: OwnLots
) -> list[LadderRow]:
    rows, total_lots = [], 0
    for price_pips, lots, beside_lots in levels:
        total_lots += lots
        share = total_lots * 100 // most_lots
        own_lots = own.get((side, price_pips), 0)
        rows.append(LadderRow(price_pips, lots, total_lots, share, own_lots, beside_lots))
    return rows
