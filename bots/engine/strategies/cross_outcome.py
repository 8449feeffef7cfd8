"""Arbitrage between the outcomes of one market or event, net of fees.

In a market with a book for each of YES and NO: asks below 1, buy both; bids above 1, sell both. In
an event: YES of every market for less than 1 (where one must happen), or sold for more than 1.
"""

from collections.abc import Iterator

from bots.engine.events import BUY, SELL, Key
from bots.engine.markets import BinaryMarket
from bots.engine.strategies.baskets import Arbitrage, Basket, Part
from bots.engine.units import PAYOUT_PIPS


class CrossOutcome(Arbitrage):
    def list_baskets(self) -> Iterator[Basket]:
        for market in self.markets.markets:
            if not market.has_one_book:
                yield from _both_ways([(market, market.yes), (market, market.no)], is_sure=True)
        for event in self.markets.events:
            if len(event.markets) > 1:
                yes = [(market, market.yes) for market in event.markets]
                yield from _both_ways(yes, is_sure=event.is_exhaustive)


def _both_ways(tokens: list[tuple[BinaryMarket, Key]], *, is_sure: bool) -> Iterator[Basket]:
    """`is_sure`: one of them pays in any case, so that all of them can be bought for it."""
    if is_sure:
        yield Basket(tuple(Part(market, key, BUY) for market, key in tokens), PAYOUT_PIPS)
    yield Basket(tuple(Part(market, key, SELL) for market, key in tokens), -PAYOUT_PIPS)
