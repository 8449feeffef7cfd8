"""One book as a ladder: prices, quantities and cumulative totals of both sides, best first.

The book of an outcome can be read from either end: NO's asks are YES's bids at 1 less their price.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from kernel.units import format_price, format_quantity
from trading.engine.types import BUY, PAYOUT_PIPS, SELL
from trading.wire.render import Levels

ROWS_MAX: Final = 12
"""Of a side."""

OwnLots = Mapping[tuple[int, int], int]
"""The viewer's own quantity in a book, by (side, price in pips)."""


class LadderRow(NamedTuple):
    """A price; `total_lots` is the quantity at it or better, `share` its percentage of the most."""

    price_pips: int
    quantity_lots: int
    total_lots: int
    share: int
    own_lots: int

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


def build_ladder(bids: Levels, asks: Levels, own: OwnLots, *, as_no: bool) -> Ladder:
    """Build the ladder of a book's levels, from NO's side on request."""
    if as_no:
        bids, asks = _mirror(asks), _mirror(bids)
        own = {(-side, PAYOUT_PIPS - pips): lots for (side, pips), lots in own.items()}
    bids, asks = bids[:ROWS_MAX], asks[:ROWS_MAX]
    most_lots = max(sum(lots for _, lots in side) for side in (bids, asks))
    return Ladder(
        _build_rows(bids, BUY, most_lots, own),
        _build_rows(asks, SELL, most_lots, own),
        asks[0][0] - bids[0][0] if bids and asks else None,
    )


def _mirror(levels: Levels) -> Levels:
    return [(PAYOUT_PIPS - pips, lots) for pips, lots in levels]


def _build_rows(levels: Levels, side: int, most_lots: int, own: OwnLots) -> list[LadderRow]:
    rows, total_lots = [], 0
    for price_pips, lots in levels:
        total_lots += lots
        share = total_lots * 100 // most_lots
        own_lots = own.get((side, price_pips), 0)
        rows.append(LadderRow(price_pips, lots, total_lots, share, own_lots))
    return rows
