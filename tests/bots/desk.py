"""An engine without venues: a cache that a test fills, and paper to trade on."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bots.engine.cache import Cache
from bots.engine.events import BookSnapshot, Key, Level
from bots.engine.execution.bridge import Bridge, Rule
from bots.engine.execution.ledger import Ledger
from bots.engine.execution.orders import Executor
from bots.engine.execution.paper import PaperExecutor
from bots.engine.execution.portfolio import EnginePortfolio
from bots.engine.execution.risk import KillSwitch, Limits, Risk
from bots.engine.execution.state import State
from bots.engine.fees import FREE, FeeSchedule
from bots.engine.markets import BinaryMarket, MarketEvent, MarketMap
from bots.engine.metrics import Metrics
from bots.engine.signals import Signal
from bots.engine.strategies.base import BookUpdate, Strategy

UNWIND_BY_3_CENTS = Rule("unwind", 300)
NO_LIMITS = Limits()
Side = Sequence[tuple[int, int]]


class Desk:
    def __init__(
        self,
        folder: Path,
        events: Iterable[MarketEvent],
        *,
        same: Sequence[dict[str, str]] = (),
        rule: Rule = UNWIND_BY_3_CENTS,
        limits: Limits = NO_LIMITS,
        executors: dict[str, Executor] | None = None,
        latency_ms: int = 0,
        is_durable: bool = True,
    ) -> None:
        self.markets = MarketMap(events)
        self.markets.add_same(same)
        self.cache = Cache(self.markets)
        self.metrics = Metrics()
        self.kill_file = folder / "kill"
        self.kill = KillSwitch(str(self.kill_file), self.metrics)
        self.state = State(folder / "state.sqlite3" if is_durable else Path(":memory:"))
        self.portfolio = EnginePortfolio(self.state.load_holdings())
        day = self.state.load_day()
        self.risk = Risk(limits, self.portfolio, self.markets, self.kill, day)
        self.ledger = Ledger(self.state, self.portfolio, self.risk, self.markets)
        self.paper = PaperExecutor(self.cache, latency_ms=latency_ms)
        venues = {market.venue for market in self.markets.markets}
        self.bridge = Bridge(
            executors or dict.fromkeys(venues, self.paper), self.ledger, self.metrics, self.kill,
            rule=rule, signal_ms_max=60_000,
        )  # fmt: skip

    def show(self, key: Key, bids: Side = (), asks: Side = ()) -> None:
        """Set a book to these levels, in pips and lots."""
        levels = [tuple(Level(*level) for level in side) for side in (bids, asks)]
        self.cache.apply(BookSnapshot(key, *levels, received_ns=1))
        self.paper.hear_book(key)

    def find(self, strategy: Strategy, key: Key) -> list[Signal]:
        found: list[Any] = list(strategy.on_change(self.cache, BookUpdate(key, 1)))
        return found

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0

    def close(self) -> None:
        self.ledger.close()


def build_market(
    name: str, *, venue: str = "v", one_book: bool = True, fees: FeeSchedule = FREE, **more: int
) -> BinaryMarket:
    return BinaryMarket(
        id=name, yes=Key(venue, name), no=Key(venue, f"{name}:no"), has_one_book=one_book,
        fees=fees, **more,
    )  # fmt: skip
