"""A market maker: quotes both sides around a fair value, less where it holds much already.

`fair` says where the value comes from: `estimate`, a number of one's own for each market
(`estimates`, else `prior`); `lmsr`, the price of an automated maker that has sold what this one
has (`liquidity` contracts); or the name of another venue: the middle of its book (mapping file).
"""

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from itertools import count, islice
from typing import Final

from bots.engine.book import BookLadder
from bots.engine.cache import View
from bots.engine.events import BUY, SELL, Key
from bots.engine.markets import BinaryMarket, MarketMap
from bots.engine.signals import QuoteSet, WantedQuote
from bots.engine.strategies.base import BookUpdate, Strategy
from bots.engine.units import LOTS_PER_CONTRACT, PAYOUT_PIPS, Number, read_pips

ESTIMATE: Final = "estimate"
LMSR: Final = "lmsr"


class MarketMaker(Strategy):
    """Prices are of a contract: `half_spread` and `gap` (between the levels of a side), and `skew`,
    by which a contract held moves the quotes. Sizes are contracts: `size` at the best level, at
    each further one `growth` percent more. Beyond `inventory_max` only the side that lowers it
    quotes.
    """

    wakes_every_seconds = 2.0

    def __init__(
        self,
        name: str,
        markets: MarketMap,
        *,
        venue: str,
        fair: str = ESTIMATE,
        estimates: Mapping[str, Number] | None = None,
        prior: Number | None = None,
        liquidity: int = 500,
        half_spread: Number = "0.02",
        gap: Number = "0.01",
        levels: int = 3,
        size: int = 20,
        growth: int = 50,
        skew: Number = "0.0002",
        inventory_max: int = 500,
    ) -> None:
        super().__init__(name, markets)
        self.made = {one.yes: one for one in markets.markets if one.venue == venue}
        self.fair = fair
        self.estimates = estimates or {}
        self.prior = prior
        self.events = {one.yes: event for event in markets.events for one in event.markets}
        self.liquidity = liquidity
        self.half_spread_pips, self.gap_pips = read_pips(half_spread), read_pips(gap)
        self.sizes = [size * (100 + growth * level) // 100 for level in range(levels)]
        self.skew = Decimal(skew)
        self.inventory_max_lots = inventory_max * LOTS_PER_CONTRACT
        self.sources = find_sources(markets, fair)
        if fair not in (ESTIMATE, LMSR) and not self.sources:
            raise ValueError(f"fair = {fair!r}: no mapping names a market there")

    def watch(self) -> Collection[Key]:
        return {*self.made, *self.sources}

    def on_change(self, view: View, change: BookUpdate) -> Iterable[QuoteSet]:
        for key in self.sources.get(change.key, ()) if change.key in self.sources else [change.key]:
            market, ladder = self.made.get(key), view.get(key)
            if market is None or ladder is None:
                continue
            fair_pips = self.find_fair(view, market)
            if fair_pips is not None:
                quotes = self.build_quotes(market, fair_pips, ladder)
                yield QuoteSet(
                    strategy=self.name, key=key, quotes=quotes, received_ns=change.received_ns
                )

    def find_fair(self, view: View, market: BinaryMarket) -> int | None:
        """Return what a contract is worth, in pips; None while it is not known."""
        if self.fair == ESTIMATE:
            return round(self._find_prior(market) * PAYOUT_PIPS)
        if self.fair == LMSR:
            return self._find_lmsr(market)
        for source, made in self.sources.items():
            ladder = view.get(source) if market.yes in made else None
            if ladder is not None and ladder.bids and ladder.asks:
                return (ladder.bids[0].price_pips + ladder.asks[0].price_pips) // 2
        return None

    def _find_prior(self, market: BinaryMarket) -> Decimal:
        """Return what is believed of a market; of several, that one is as likely as another."""
        event = self.events[market.yes]
        alike = Decimal(1) / max(2, len(event.markets))
        return Decimal(self.estimates.get(market.id, alike if self.prior is None else self.prior))

    def _find_lmsr(self, market: BinaryMarket) -> int:
        """Return the share of a market's weight, which is its prior times e^(sold / b), in that of
        its event; of one that is alone, NO weighs the rest.
        """
        rows = self.events[market.yes].markets
        weights = {one.yes: self._weigh(one) for one in rows}
        rest = 1 - self._find_prior(market) if len(rows) == 1 else 0
        return int(weights[market.yes] / (sum(weights.values()) + rest) * PAYOUT_PIPS)

    def _weigh(self, market: BinaryMarket) -> Decimal:
        sold = Decimal(-self.count_lots(market.yes)) / LOTS_PER_CONTRACT
        return self._find_prior(market) * (sold / self.liquidity).exp()

    def count_lots(self, key: Key) -> int:
        return self.portfolio.get(self.name, key).lots

    def build_quotes(
        self, market: BinaryMarket, fair_pips: int, ladder: BookLadder
    ) -> tuple[WantedQuote, ...]:
        """Return the quotes, best first, on the tick and never through what others offer."""
        held = self.count_lots(market.yes)
        middle = fair_pips - int(self.skew * held / LOTS_PER_CONTRACT * PAYOUT_PIPS)
        quotes: list[WantedQuote] = []
        for side in (BUY, SELL):
            if side * held < self.inventory_max_lots:
                prices = self._list_prices(market, side, middle, ladder)
                quotes += (
                    WantedQuote(side, pips, self._round(market, contracts))
                    for pips, contracts in zip(prices, self.sizes, strict=False)
                )
        return tuple(quote for quote in quotes if quote.lots)

    def _list_prices(
        self, market: BinaryMarket, side: int, middle: int, ladder: BookLadder
    ) -> list[int]:
        tick = market.tick_pips
        best = middle - side * self.half_spread_pips
        best = best // tick * tick if side == BUY else -(-best // tick) * tick
        others = ladder.asks if side == BUY else ladder.bids
        if others:
            room = others[0].price_pips - side * tick
            best = min(best, room) if side == BUY else max(best, room)
        gap = max(tick, self.gap_pips // tick * tick)
        steps = (best - side * gap * level for level in count())
        return [pips for pips in islice(steps, len(self.sizes)) if 0 < pips < PAYOUT_PIPS]

    def _round(self, market: BinaryMarket, contracts: int) -> int:
        return contracts * LOTS_PER_CONTRACT // market.lot_step_lots * market.lot_step_lots


def find_sources(markets: MarketMap, venue: str) -> dict[Key, list[Key]]:
    """Return the books of another venue, each with those whose value it says."""
    sources: dict[Key, list[Key]] = {}
    for group in markets.same:
        for source in group:
            if source.venue == venue:
                made = [one.yes for one in group if one is not source]
                sources.setdefault(source.yes, []).extend(made)
    return sources
