"""What a strategy is, how one is found, and how it is run beside the cache."""

import asyncio
import importlib
import importlib.util
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

import structlog

from bots.engine.cache import Cache, View
from bots.engine.config import ConfigError, build
from bots.engine.events import Key
from bots.engine.execution.portfolio import EnginePortfolio
from bots.engine.markets import MarketMap
from bots.engine.metrics import Metrics
from bots.engine.signals import Wish

log = structlog.get_logger(__name__)

KINDS: Final = {
    "cross_outcome": "bots.engine.strategies.cross_outcome:CrossOutcome",
    "cross_venue": "bots.engine.strategies.cross_venue:CrossVenue",
    "maker": "bots.engine.strategies.maker:MarketMaker",
}


class BookUpdate(NamedTuple):
    """A book has changed; the message came at `received_ns`."""

    key: Key
    received_ns: int


class Strategy(ABC):
    """Sees every change of the books that it watches, and may read all others.

    Options of the configuration are keyword arguments of the class. With `in_thread` it is called
    in a thread of its own, with a view that does not change: for what takes longer than a
    millisecond.
    """

    in_thread = False
    wakes_every_seconds: float | None = None
    """How often it is called for each book without a change."""
    portfolio: EnginePortfolio
    """What is held, by strategy and token."""

    def __init__(self, name: str, markets: MarketMap) -> None:
        self.name = name
        self.markets = markets
        self.portfolio = EnginePortfolio()

    def watch(self) -> Collection[Key]:
        """Return the books that it is called for."""
        return [key for market in self.markets.markets for key in market.books]

    @abstractmethod
    def on_change(self, view: View, change: BookUpdate) -> Iterable[Wish]:
        """Return what to do; called after each change, with the newest state of all books."""


class StrategyRunner:
    """Calls one strategy. A book that changes again before its turn is seen once, in its newest
    state: what was skipped is counted, and nothing waits.
    """

    def __init__(
        self, strategy: Strategy, cache: Cache, submit: Callable[[Wish], None], metrics: Metrics
    ) -> None:
        self.strategy = strategy
        self.watched = frozenset(strategy.watch())
        self.skipped = 0
        self._cache = cache
        self._submit = submit
        self._metrics = metrics
        self._pending: dict[Key, int] = {}
        self._wake = asyncio.Event()

    def notify(self, key: Key, received_ns: int) -> None:
        if key in self._pending:
            self.skipped += 1
            self._metrics.skipped.labels(self.strategy.name).inc()
        self._pending[key] = received_ns
        self._wake.set()

    async def run(self) -> None:
        while True:
            await self._wait()
            self._wake.clear()
            while self._pending:
                change = BookUpdate(*next(iter(self._pending.items())))
                del self._pending[change.key]
                await self._call(change)
                if not self.strategy.in_thread:
                    await asyncio.sleep(0)  # others have their turn between any two books

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self.strategy.wakes_every_seconds):
                await self._wake.wait()
        except TimeoutError:
            now_ns = time.monotonic_ns()
            self._pending |= {key: now_ns for key in self.watched if key in self._cache}

    async def _call(self, change: BookUpdate) -> None:
        try:
            if self.strategy.in_thread:
                view = self._cache.freeze(self._cache.markets.by_token)
                wishes = await asyncio.to_thread(self._decide, view, change)
            else:
                wishes = self._decide(self._cache, change)
            for wish in wishes:
                self._submit(wish)
        except Exception:
            # A strategy that fails on one state gets the next one: the engine goes on.
            log.exception("strategy_failed", strategy=self.strategy.name, token=change.key)

    def _decide(self, view: View, change: BookUpdate) -> list[Wish]:
        return list(self.strategy.on_change(view, change))


def build_strategy(kind: str, name: str, markets: MarketMap, options: dict[str, Any]) -> Strategy:
    what = f"strategy {name}"
    try:
        found = find_class(kind)
    except (ImportError, AttributeError, OSError) as fault:
        raise ConfigError(f"{what}: {fault}") from fault
    return build(what, found, name, markets, options=options)


def find_class(kind: str) -> type[Strategy]:
    """Return a strategy's class: a kind of KINDS, `module:Class`, or `path/to/file.py:Class`."""
    where, _, class_name = KINDS.get(kind, kind).rpartition(":")
    if not where:
        raise ImportError(f"{kind!r} is none of {', '.join(KINDS)}, and no path/file.py:Class")
    if where.endswith(".py"):
        spec = importlib.util.spec_from_file_location(Path(where).stem, where)
        if spec is None or spec.loader is None:
            raise FileNotFoundError(where)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(where)
    found: type[Strategy] = getattr(module, class_name)
    return found
