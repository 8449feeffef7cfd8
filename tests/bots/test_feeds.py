"""Whatever is lost, doubled, reordered or cut on the way, the cache ends as the venue's books."""

import random
from collections import Counter

import pytest
import structlog

from bots.engine.cache import Cache
from bots.engine.events import Key
from bots.engine.markets import MarketMap
from bots.engine.metrics import Metrics
from bots.engine.router import Router
from bots.engine.venues.base import Received, VenueFeed
from tests.bots.sources import SOURCES, Source

FAULTS = 2_500
"""In each of the four feeds: 10,000 together."""


class Wire:
    """What is between a source and the engine: it loses, doubles, reorders and cuts."""

    def __init__(self, source: Source, feed: VenueFeed, router: Router) -> None:
        self.source, self.feed, self.router = source, feed, router
        self.now = 1_000.0
        self.faults: Counter[str] = Counter()
        self.is_faulty = True
        self.delayed: list[str] = []
        self.asked: list[str] = []

    def connect(self) -> None:
        self.router.put(self.feed.lose(self.ns))
        self.delayed.clear()
        self.source.connect()
        self.send(self.feed.connect(self.now))

    @property
    def ns(self) -> int:
        return int(self.now * 1e9)

    def resync(self, key: Key) -> None:
        self.asked += self.feed.resync(key)

    def send(self, messages: list[str]) -> None:
        """Take messages to the source, and what it answers back."""
        waiting = list(messages)
        for _ in range(40):
            if not waiting:
                return
            text, *waiting = waiting
            for frame in self.source.answer(text):
                waiting += self.carry(frame)

    def carry(self, frame: str) -> list[str]:
        """Take a frame to the feed, unless something happens to it; return what is asked then."""
        dice = self.source.dice
        fault = dice.random() if self.is_faulty else 1
        frames = [frame]
        if fault < 0.05:
            self.faults["lost"] += 1
            frames = []
        elif fault < 0.10:
            self.faults["doubled"] += 1
            frames = [frame, frame]
        elif fault < 0.15:
            self.faults["reordered"] += 1
            self.delayed.append(frame)
            frames = []
        elif self.delayed:
            frames = [frame, *self.delayed]
            self.delayed = []
        asked: list[str] = []
        for one in frames:
            asked += self.deliver(self.feed.receive(one, self.ns))
        return asked

    def deliver(self, received: Received) -> list[str]:
        self.router.put(received.events)
        for worker in self.router.list_tasks():
            while not worker.queue.empty():
                self.router.apply(worker.queue.get_nowait())
        asked, self.asked = self.asked, []
        return [*received.messages, *asked]

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        for frame in self.source.beat():
            self.send(self.carry(frame))
        self.send(self.feed.beat(self.now))


@pytest.mark.parametrize("kind", SOURCES)
def test_after_2500_faults_the_cache_has_the_books_of_the_venue(kind: str) -> None:
    source = SOURCES[kind](random.Random(20261129))
    cache = Cache(MarketMap(source.build_events()))
    router = Router(cache, Metrics(), lambda key: wire.resync(key))
    wire = Wire(source, source.build_feed(), router)
    wire.connect()
    while wire.faults.total() < FAULTS:
        for frame in source.change():
            wire.send(wire.carry(frame))
        wire.pass_time(0.01)
        if source.dice.random() < 0.002:
            wire.faults["cut"] += 1
            wire.connect()
    wire.is_faulty = False
    for _ in range(150):
        wire.pass_time(1)  # what was lost last is asked for, by heartbeats or after a silence
    for key, (bids, asks) in source.expect().items():
        book = cache.books[key]
        assert book.is_current
        assert (book.bids, book.asks) == (bids, asks)
    assert all(wire.faults[fault] for fault in ("lost", "doubled", "reordered", "cut"))


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        ("kalshi", '{"type":"error","id":1,"msg":{"code":9,"msg":"authenticate"}}', "authenticate"),
        ("polymarket", '{"error":"unknown asset"}', "unknown asset"),
    ],
)
def test_what_a_venue_refuses_is_logged(kind: str, text: str, says: str) -> None:
    feed = SOURCES[kind](random.Random(1)).build_feed()
    with structlog.testing.capture_logs() as logs:
        feed.receive(text, 1)
    assert says in logs[0]["because"]
