"""How much of several books to take at once: as long as each further contract still gains.

A basket is one lot of each of its parts. It is walked level by level, all parts together, until the
next lot would bring less than its fees; of the sizes at which a level ends the best is chosen.
"""

from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Sequence
from fractions import Fraction
from math import lcm
from typing import NamedTuple

from bots.engine.book import BookLadder
from bots.engine.cache import View
from bots.engine.events import Key, Level, Levels
from bots.engine.markets import BinaryMarket, MarketMap
from bots.engine.signals import Signal, SignalLeg, compute_edge_micros, cut_levels, levels_for
from bots.engine.strategies.base import BookUpdate, Strategy
from bots.engine.units import LOTS_PER_CONTRACT, Number, read_micros


class Part(NamedTuple):
    """One token of a basket, bought or sold."""

    market: BinaryMarket
    key: Key
    side: int


class Basket(NamedTuple):
    """One lot of each part is worth `payout_pips`, whatever the result."""

    parts: tuple[Part, ...]
    payout_pips: int


class Arbitrage(Strategy):
    """Takes baskets that gain. `contracts_max` bounds a signal; `least_profit` is what it must
    bring, in credits.
    """

    def __init__(
        self, name: str, markets: MarketMap, *, contracts_max: int = 1_000, least_profit: Number = 0
    ) -> None:
        super().__init__(name, markets)
        self.lots_max = contracts_max * LOTS_PER_CONTRACT
        self.least_micros = max(1, read_micros(least_profit))
        self.baskets: dict[Key, list[Basket]] = {}
        for basket in self.list_baskets():
            for part in basket.parts:
                book, _ = markets.find_book(part.key)
                self.baskets.setdefault(book, []).append(basket)

    @abstractmethod
    def list_baskets(self) -> Iterable[Basket]: ...

    def watch(self) -> Collection[Key]:
        return self.baskets

    def on_change(self, view: View, change: BookUpdate) -> Iterable[Signal]:
        for parts, payout_pips in self.baskets[change.key]:
            found = find_basket(view, parts, payout_pips, lots_max=self.lots_max)
            if found is not None and found[1] >= self.least_micros:
                yield build_signal(
                    self.name, found, payout_pips, change.key.venue, change.received_ns
                )


def find_basket(
    view: View, parts: Sequence[Part], payout_pips: int, *, lots_max: int
) -> tuple[tuple[SignalLeg, ...], int] | None:
    """Return the legs that gain most, and their profit in micros net of fees; None: nothing gains.

    A set that consists of one lot of each part is worth `payout_pips`.
    """
    ladders: list[BookLadder] = []
    for part in parts:
        ladder = view.get(part.key)
        if ladder is None:
            return None
        ladders.append(ladder)
    books = [levels_for(p.side, one.bids, one.asks) for p, one in zip(parts, ladders, strict=True)]
    if not all(books) or _compute_gain_pips(parts, [b[0] for b in books], payout_pips) <= 0:
        return None
    step = lcm(*(part.market.lot_step_lots for part in parts))
    best: tuple[tuple[SignalLeg, ...], int] | None = None
    for lots in _list_sizes(parts, books, payout_pips, lots_max, step):
        legs = tuple(
            _build_leg(part, ladder, cut_levels(levels, lots))
            for part, ladder, levels in zip(parts, ladders, books, strict=True)
        )
        edge_micros = compute_edge_micros(legs, payout_pips)
        if edge_micros > (best[1] if best else 0):
            best = legs, edge_micros
    return best


def build_signal(
    strategy: str, found: tuple[tuple[SignalLeg, ...], int], payout_pips: int, venue: str, ns: int
) -> Signal:
    legs, edge_micros = found
    return Signal(
        strategy=strategy,
        legs=legs,
        payout_pips=payout_pips,
        edge_micros=edge_micros,
        received_ns=ns,
        venue=venue,
    )


def _list_sizes(
    parts: Sequence[Part], books: Sequence[Levels], payout_pips: int, lots_max: int, step: int
) -> list[int]:
    """Return the sizes to try: where a level of some part ends, for as long as lots gain.

    Between steps the best size is one of the two beside it, as lots gain less and less.
    """
    most = min(lots_max, *(sum(lots for _, lots in book) for book in books))
    sizes: dict[int, None] = {}
    for lots in _walk(parts, books, payout_pips, most):
        below = lots // step * step
        sizes |= {size: None for size in (below, below + step) if 0 < size <= most}
    return list(sizes)


def _walk(
    parts: Sequence[Part], books: Sequence[Levels], payout_pips: int, most: int
) -> Iterator[int]:
    places, left, lots = [0] * len(books), [book[0].lots for book in books], 0
    while lots < most:
        tops = [book[place] for book, place in zip(books, places, strict=True)]
        if not _gains(parts, tops, payout_pips):
            return
        more = min(*left, most - lots)
        lots += more
        yield lots
        for index, there in enumerate(left):
            left[index] = there - more
            if not left[index] and lots < most:
                places[index] += 1
                left[index] = books[index][places[index]].lots


def _gains(parts: Sequence[Part], tops: Sequence[Level], payout_pips: int) -> bool:
    gain_pips = _compute_gain_pips(parts, tops, payout_pips)
    if gain_pips <= 0:
        return False
    fees = (
        part.market.fees.compute_marginal(top.price_pips)
        for part, top in zip(parts, tops, strict=True)
    )
    return gain_pips > sum(fees, Fraction(0))


def _compute_gain_pips(parts: Sequence[Part], tops: Sequence[Level], payout_pips: int) -> int:
    """Return what one lot of each brings at these levels, without fees."""
    return payout_pips - sum(p.side * top.price_pips for p, top in zip(parts, tops, strict=True))


def _build_leg(part: Part, ladder: BookLadder, takes: Levels) -> SignalLeg:
    return SignalLeg(
        key=part.key,
        side=part.side,
        limit_pips=takes[-1].price_pips,
        takes=takes,
        version=ladder.version,
        fees=part.market.fees,
        lot_step_lots=part.market.lot_step_lots,
    )
