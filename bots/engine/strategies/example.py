"""A strategy of one's own: buys what others sell below a price, once for each change.

[[strategies]]
name = "bargains"
kind = "bots/engine/strategies/example.py:Bargains"
below = "0.05"
"""

from collections.abc import Iterable

from bots.engine.cache import View
from bots.engine.events import BUY
from bots.engine.markets import MarketMap
from bots.engine.signals import Signal
from bots.engine.strategies.base import BookUpdate, Strategy
from bots.engine.strategies.baskets import Part, build_signal, find_basket
from bots.engine.units import read_pips


class Bargains(Strategy):
    def __init__(self, name: str, markets: MarketMap, *, below: str = "0.05") -> None:
        super().__init__(name, markets)
        self.worth_pips = read_pips(below)

    def on_change(self, view: View, change: BookUpdate) -> Iterable[Signal]:
        part = Part(self.markets.by_token[change.key], change.key, BUY)
        found = find_basket(view, [part], self.worth_pips, lots_max=1_000)
        if found:
            yield build_signal(
                self.name, found, self.worth_pips, change.key.venue, change.received_ns
            )
