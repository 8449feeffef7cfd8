"""Price levels of books, actual and implied by other books.

Where the books of a market are matched with one another (`engine.cross`), bids for all other
outcomes are also an offer of this one, and asks for all others a bid for it. Such prices are not in
any book; they are computed here from the books and shown with them, marked as implied.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from trading.engine.types import PAYOUT_PIPS
from trading.pipeline.instruments import Instrument
from trading.pipeline.messages import DepthLevel, Levels, Sides, Top

Quote = tuple[int | None, int | None]
"""(bid, ask) in pips."""
LEVELS_MAX: Final = 10
"""Implied levels of a side."""


def split_levels(levels: Iterable[DepthLevel], books: int) -> list[Sides]:
    """Return (bids, asks) of each book."""
    split: list[Sides] = [([], []) for _ in range(books)]
    for level in sorted(levels, key=lambda level: level.price_pips):
        bids, asks = split[level.outcome]
        if level.bid_lots:
            bids.append((level.price_pips, level.bid_lots))
        if level.ask_lots:
            asks.append((level.price_pips, level.ask_lots))
    for bids, _ in split:
        bids.reverse()
    return split


def mirror_levels(levels: Levels) -> Levels:
    """Return levels of an outcome as those of its opposite."""
    return [(PAYOUT_PIPS - pips, lots) for pips, lots in levels]


def compute_implied_levels(books: Sequence[Sides], outcome: int) -> tuple[Levels, Levels]:
    """Return the implied (bids, asks) of an outcome, best first, from (bids, asks) of each book."""
    others = [book for index, book in enumerate(books) if index != outcome]
    return (
        _walk([asks for _, asks in others], needs_all=True),
        _walk([bids for bids, _ in others], needs_all=False),
    )


def compute_implied_tops(instrument: Instrument, tops: Mapping[int, Top]) -> dict[int, Top]:
    """Return the best implied prices by outcome, with their sizes, from the best of each book."""
    books = instrument.book_count
    if not instrument.matches_across:
        return {outcome: Top(outcome) for outcome in range(books)}
    bids: Levels = []
    asks: Levels = []
    for outcome in range(books):
        top = tops.get(outcome) or Top(outcome)
        bids.append((top.bid_pips or 0, top.bid_lots))
        asks.append((PAYOUT_PIPS if top.ask_pips is None else top.ask_pips, top.ask_lots))
    return {
        outcome: Top(outcome, None, 0, None, 0)
        if outcome in instrument.withdrawn_pips
        else Top(outcome, *_find_best(asks, outcome), *_find_best(bids, outcome))
        for outcome in range(books)
    }


def find_best_prices(instrument: Instrument, tops: Mapping[int, Top]) -> list[Quote]:
    """Return a taker's best (bid, ask) of each outcome: in its book or beside it."""
    implied = compute_implied_tops(instrument, tops)
    quotes = []
    for outcome in range(instrument.book_count):
        top, beside = tops.get(outcome) or Top(outcome), implied[outcome]
        bids = filter(None, (top.best_bid_pips, beside.bid_pips))
        asks = filter(None, (top.best_ask_pips, beside.ask_pips))
        quotes.append((max(bids, default=None), min(asks, default=None)))
    return quotes


def _find_best(tops: Levels, outcome: int) -> tuple[int | None, int]:
    """Return the price implied by the others for this outcome, and the least of their sizes."""
    others = [top for index, top in enumerate(tops) if index != outcome]
    price_pips = PAYOUT_PIPS - sum(pips for pips, _ in others)
    if not 0 < price_pips < PAYOUT_PIPS:
        return None, 0
    return price_pips, min(lots for pips, lots in others if lots)


def _walk(sides: list[Levels], *, needs_all: bool) -> Levels:
    """Walk the best levels of all outcomes by their common quantity until nothing is left.

    An outcome without orders counts 0, unless each must have one.
    """
    left = [list(reversed(side)) for side in sides]
    levels: Levels = []
    while len(levels) < LEVELS_MAX:
        fronts = [side[-1] for side in left if side]
        price_pips = PAYOUT_PIPS - sum(pips for pips, _ in fronts)
        if not 0 < price_pips < PAYOUT_PIPS or (needs_all and len(fronts) < len(sides)):
            break
        lots = min(lots for _, lots in fronts)
        levels.append((price_pips, lots))
        for side in left:
            if side:
                pips, side_lots = side.pop()
                if side_lots > lots:
                    side.append((pips, side_lots - lots))
    return levels
