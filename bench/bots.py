"""The trading engine: time from the socket to a signal, at 2,000 changes a second, on one core.

A process of its own sends them; the engine follows its books, looks for arbitrage at each change,
and makes a signal of each. `from_send` is from the moment when the sender wrote it: with the
sockets, and what waits there.
"""

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

from bench.client import run_loop
from bench.figures import IN_MEMORY, Figure, Sizes, build_figure, compute_percentile
from bots.engine.cache import Cache, View
from bots.engine.events import BUY, Event, Key, Level
from bots.engine.markets import MarketEvent, MarketMap
from bots.engine.metrics import Metrics
from bots.engine.router import Router
from bots.engine.signals import Signal, SignalLeg, Wish
from bots.engine.strategies.base import BookUpdate, StrategyRunner
from bots.engine.strategies.cross_outcome import CrossOutcome
from bots.engine.venues.base import Received, Venue, VenueFeed
from bots.engine.venues.connection import Adapter
from tests.bots.sources import SOURCES, Source

KINDS: Final = ("kalshi", "polymarket-at-predex", "predex")
CHANGES_A_SECOND: Final = 2_000
SENT: Final = b'"sent_ns":'


class EveryChange(CrossOutcome):
    """Looks for arbitrage, and makes a signal whether or not there is one."""

    def on_change(self, view: View, change: BookUpdate) -> Iterable[Signal]:
        list(super().on_change(view, change))
        leg = SignalLeg(key=change.key, side=BUY, limit_pips=1, takes=(Level(1, 100),))
        yield Signal(
            strategy=self.name, legs=(leg,), payout_pips=0, edge_micros=0,
            received_ns=change.received_ns, venue=change.key.venue,
        )  # fmt: skip


class StampedFeed(VenueFeed):
    """A feed that notes when each message was sent."""

    def __init__(self, feed: VenueFeed) -> None:
        self.feed = feed
        self.sent_ns: dict[int, int] = {}

    def connect(self, now: float) -> list[str]:
        return self.feed.connect(now)

    def lose(self, received_ns: int) -> list[Event]:
        return self.feed.lose(received_ns)

    def receive(self, text: str | bytes, received_ns: int) -> Received:
        data = text.encode() if isinstance(text, str) else text
        _, found, tail = data.rpartition(SENT)
        if found:
            self.sent_ns[received_ns] = int(tail[:-1])
        return self.feed.receive(text, received_ns)

    def beat(self, now: float) -> list[str]:
        return self.feed.beat(now)

    def resync(self, key: Key) -> list[str]:
        return self.feed.resync(key)


class SourceVenue(Venue):
    name = "venue"

    def __init__(self, source: Source, port: int) -> None:
        self.source, self.port = source, port

    async def load(self) -> Any:
        return self.source.build_events()

    def build_feed(self) -> VenueFeed:
        return StampedFeed(self.source.build_feed())

    def locate(self) -> tuple[str, dict[str, str]]:
        return f"ws://127.0.0.1:{self.port}", {}


def measure(sizes: Sizes) -> Iterator[Figure]:
    seconds = sizes.choose(10, 1)
    for kind in KINDS:
        runs = [run(kind, seconds) for _ in range(sizes.runs)]
        for name in ("to_signal", "from_send"):
            found = [one[name] for one in runs]
            yield build_figure(
                f"bots_{kind.replace('-', '_')}_{name}_p50",
                [compute_percentile(values, 0.5) for values in found],
                unit="us",
                durable=IN_MEMORY,
                at_most=1_000 if name == "to_signal" else None,
                details={
                    "signals": [len(values) for values in found],
                    "p99_us": [compute_percentile(values, 0.99) for values in found],
                    "skipped": [one["skipped"][0] for one in runs],
                },
            )


def run(kind: str, seconds: float) -> dict[str, list[float]]:
    """Return microseconds of each signal, sorted, and how many states were skipped."""
    command = [sys.executable, "-m", "bench.feed_source", kind, str(CHANGES_A_SECOND)]
    cores = os.sched_getaffinity(0)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sender:
        assert sender.stdout is not None
        port = int(sender.stdout.readline())
        os.sched_setaffinity(0, {max(cores)})
        found: dict[str, list[float]] = {}
        try:
            run_loop(_follow(kind, port, seconds, found))
        finally:
            os.sched_setaffinity(0, cores)
            sender.terminate()
    return found


async def _follow(kind: str, port: int, seconds: float, found: dict[str, list[float]]) -> None:
    source = SOURCES[kind](random.Random(1))
    rows = [event.markets[0] for event in source.build_events()]
    event = MarketEvent(id="all", markets=tuple(rows), is_exhaustive=True)
    markets, metrics = MarketMap([event]), Metrics()
    cache = Cache(markets)
    router = Router(cache, metrics, lambda key: adapter.resync(key))
    signals: list[tuple[int, int]] = []

    def submit(wish: Wish) -> None:
        signals.append((time.monotonic_ns(), wish.received_ns))

    runner = StrategyRunner(EveryChange("s", markets), cache, submit, metrics)
    router.runners = [runner]
    venue = SourceVenue(source, port)
    feed = venue.build_feed()
    assert isinstance(feed, StampedFeed)
    adapter = Adapter(venue, feed, router.put, metrics)
    parts = [adapter.run(), runner.run(), *(worker.run() for worker in router.list_tasks())]
    tasks = [asyncio.create_task(part) for part in parts]
    await asyncio.sleep(1)
    signals.clear()
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    found["to_signal"] = sorted((at - received) / 1_000 for at, received in signals)
    found["from_send"] = sorted(
        (at - feed.sent_ns[received]) / 1_000
        for at, received in signals
        if received in feed.sent_ns
    )
    found["skipped"] = [runner.skipped]
