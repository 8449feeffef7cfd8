"""Arbitrage between the outcomes of one market or event, net of fees.

In a market with a book for each of YES and NO: asks below 1, buy both; bids above 1, sell both. In
an event: YES of every market for less than 1 (where one must happen), or sold for more than 1.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from bots.engine.cache import View
from bots.engine.events import BUY, SELL, Key
from bots.engine.markets import BinaryMarket, MarketEvent, MarketMap
from bots.engine.signals import Signal
from bots.engine.strategies.base import BookUpdate, Strategy
from bots.engine.strategies.baskets import Part, build_signal, find_basket
from bots.engine.units import LOTS_PER_CONTRACT, PAYOUT_PIPS, Number, read_micros


class Basket(NamedTuple):
    parts: tuple[Part, ...]
    payout_pips: int


class CrossOutcome(Strategy):
    """`contracts_max` bounds a signal; `least_profit` is what it must bring, in credits."""

    def __init__(
        self, name: str, markets: MarketMap, *, contracts_max: int = 1_000, least_profit: Number = 0
    ) -> None:
        super().__init__(name, markets)
        self.lots_max = contracts_max * LOTS_PER_CONTRACT
        self.least_micros = max(1, read_micros(least_profit))
        self.baskets: dict[Key, list[Basket]] = {}
        for basket in list_baskets(markets):
            for part in basket.parts:
                book, _ = markets.find_book(part.key)
                self.baskets.setdefault(book, []).append(basket)

    def watch(self) -> Collection[Key]:
        return self.baskets

    def on_change(self, view: View, change: BookUpdate) -> Iterable[Signal]:
        for basket in self.baskets[change.key]:
            found = find_basket(view, basket.parts, basket.payout_pips, lots_max=self.lots_max)
            if found is not None and found[1] >= self.least_micros:
                yield build_signal(
                    self.name, found, basket.payout_pips, change.key.venue, change.received_ns
                )


def list_baskets(markets: MarketMap) -> Iterator[Basket]:
    for market in markets.markets:
        if not market.has_one_book:
            yield from _both_ways([(market, market.yes), (market, market.no)], is_sure=True)
    for event in markets.events:
        if len(event.markets) > 1:
            yield from _list_event_baskets(event)


def _list_event_baskets(event: MarketEvent) -> Iterator[Basket]:
    yes = [(market, market.yes) for market in event.markets]
    yield from _both_ways(yes, is_sure=event.is_exhaustive)


def _both_ways(tokens: list[tuple[BinaryMarket, Key]], *, is_sure: bool) -> Iterator[Basket]:
    """`is_sure`: one of them pays in any case, so that all of them can be bought for it."""
    if is_sure:
        yield Basket(tuple(Part(market, key, BUY) for market, key in tokens), PAYOUT_PIPS)
    yield Basket(tuple(Part(market, key, SELL) for market, key in tokens), -PAYOUT_PIPS)
