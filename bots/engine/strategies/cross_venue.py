"""Arbitrage between venues: buy YES where it is cheap, sell it where it is dear, net of fees.

Which markets are about the same is what the mapping file says; that they are resolved alike is for
whoever writes it to check.
"""

from collections.abc import Iterator
from itertools import permutations

from bots.engine.events import BUY, SELL
from bots.engine.strategies.baskets import Arbitrage, Basket, Part


class CrossVenue(Arbitrage):
    def list_baskets(self) -> Iterator[Basket]:
        for group in self.markets.same:
            for cheap, dear in permutations(group, 2):
                yield Basket((Part(cheap, cheap.yes, BUY), Part(dear, dear.yes, SELL)), 0)
