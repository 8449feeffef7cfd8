"""The router: takes each event to the worker of its market, which applies it to the cache.

Queues are bounded. When one is full, the market's waiting events are dropped together and its books
are asked for again, as after a gap: late prices are worse than none.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from bots.engine.cache import Cache
from bots.engine.events import BookStale, Event, Key, TradePrint
from bots.engine.metrics import Metrics
from bots.engine.strategies.base import StrategyRunner

QUEUE_MAX: Final = 1_000
TradeListener = Callable[[TradePrint], None]
BookListener = Callable[[Key], None]


class MarketWorker:
    """One market's events, in order."""

    def __init__(self, router: "Router", keys: tuple[Key, ...], queue_max: int) -> None:
        self.keys = keys
        self.queue: asyncio.Queue[Event] = asyncio.Queue(queue_max)
        self._router = router

    async def run(self) -> None:
        while True:
            self._router.apply(await self.queue.get())

    def drop(self) -> int:
        count = 0
        while not self.queue.empty():
            self.queue.get_nowait()
            count += 1
        return count


class Router:
    def __init__(
        self,
        cache: Cache,
        metrics: Metrics,
        resync: Callable[[Key], None],
        *,
        queue_max: int = QUEUE_MAX,
    ) -> None:
        self.cache = cache
        self.runners: Sequence[StrategyRunner] = ()
        self.book_listeners: list[BookListener] = []
        """Called in the worker, so what they do must be short."""
        self.trade_listeners: list[TradeListener] = []
        self._metrics = metrics
        self._resync = resync
        self._workers: dict[Key, MarketWorker] = {}
        for market in cache.markets.markets:
            worker = MarketWorker(self, market.books, queue_max)
            self._workers |= dict.fromkeys(market.books, worker)
        self._observed: dict[tuple[str, type], tuple[Callable[[], None], Callable[[float], None]]]
        self._observed = {}

    def list_tasks(self) -> list[MarketWorker]:
        return list(dict.fromkeys(self._workers.values()))

    def put(self, events: Iterable[Event]) -> None:
        for event in events:
            worker = self._workers.get(event.key)
            if worker is None:
                continue
            try:
                worker.queue.put_nowait(event)
            except asyncio.QueueFull:
                self._overflow(worker, event)

    def apply(self, event: Event) -> None:
        """Take one event to the cache and to who listens."""
        key = event.key
        if not self.cache.apply(event):
            self._ask_again(key)
        self._observe(event)
        if isinstance(event, TradePrint):
            for hear_trade in self.trade_listeners:
                hear_trade(event)
            return
        for hear_book in self.book_listeners:
            hear_book(key)
        if isinstance(event, BookStale):
            return
        for runner in self.runners:
            if key in runner.watched:
                runner.notify(key, event.received_ns)

    def _observe(self, event: Event) -> None:
        name = (event.key.venue, type(event))
        observed = self._observed.get(name)
        if observed is None:
            labels = (event.key.venue, type(event).__name__)
            metrics = self._metrics
            observed = self._observed[name] = (
                metrics.events.labels(*labels).inc,
                metrics.event_ms.labels(*labels).observe,
            )
        observed[0]()
        observed[1]((time.monotonic_ns() - event.received_ns) / 1e6)

    def _overflow(self, worker: MarketWorker, event: Event) -> None:
        dropped = worker.drop() + 1
        self._metrics.dropped.labels(event.key.venue).inc(dropped)
        for key in worker.keys:
            self.cache.books[key].lose()
            self._ask_again(key)

    def _ask_again(self, key: Key) -> None:
        self._metrics.resyncs.labels(key.venue).inc()
        self._resync(key)
