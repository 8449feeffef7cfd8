"""Arbitrage between venues: buy YES where it is cheap, sell it where it is dear, net of fees.

Which markets are about the same is what the mapping file says; that they are resolved alike is for
whoever writes it to check.
"""

from collections.abc import Collection, Iterable
from itertools import permutations

from bots.engine.cache import View
from bots.engine.events import BUY, SELL, Key
from bots.engine.markets import MarketMap
from bots.engine.signals import Signal
from bots.engine.strategies.base import BookUpdate, Strategy
from bots.engine.strategies.baskets import Part, build_signal, find_basket
from bots.engine.units import LOTS_PER_CONTRACT, Number, read_micros


class CrossVenue(Strategy):
    def __init__(
        self, name: str, markets: MarketMap, *, contracts_max: int = 1_000, least_profit: Number = 0
    ) -> None:
        super().__init__(name, markets)
        self.lots_max = contracts_max * LOTS_PER_CONTRACT
        self.least_micros = max(1, read_micros(least_profit))
        self.pairs: dict[Key, list[tuple[Part, Part]]] = {}
        for group in markets.same:
            for cheap, dear in permutations(group, 2):
                pair = (Part(cheap, cheap.yes, BUY), Part(dear, dear.yes, SELL))
                for part in pair:
                    self.pairs.setdefault(part.key, []).append(pair)

    def watch(self) -> Collection[Key]:
        return self.pairs

    def on_change(self, view: View, change: BookUpdate) -> Iterable[Signal]:
        for pair in self.pairs[change.key]:
            found = find_basket(view, pair, 0, lots_max=self.lots_max)
            if found is not None and found[1] >= self.least_micros:
                yield build_signal(self.name, found, 0, change.key.venue, change.received_ns)
