"""Markets' changes of status, sent one by one: rows of `StatusChange` from any writer.

Opening, halting and closing go through the engine, the rest (resolving, settled, voided) does not,
so the rows are read: at once when an engine says that a status changed, else every second. Ids sort
by time; a row that commits late is found by looking back LOOK_BACK_SECONDS before the last look.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from kernel.clock import now_us
from markets.models import FINAL_STATUSES
from trading.feed import frames, reads
from trading.feed.accounts import Accounts
from trading.feed.audience import Audience
from trading.feed.market import MarketFeed
from trading.feed.markets import Markets
from trading.feed.reads import ExchangeState, LifecycleState, StatusRow
from trading.feed.stream import LIFECYCLE
from trading.feed.tasks import in_thread
from trading.feed.watcher import Watcher

LOOK_SECONDS: Final = 1.0
LOOK_BACK_SECONDS: Final = 60


class Lifecycle:
    def __init__(self, markets: Markets, accounts: Accounts, audience: Audience[Watcher]) -> None:
        self._markets = markets
        self._accounts = accounts
        self._audience = audience
        self.listeners: set[Callable[[Sequence[StatusRow]], None]] = set()
        """Called with the changes of all markets, watched or not, each once."""
        self._seen: set[str] | None = None
        self.exchange: ExchangeState | None = None
        self._looked_at_us = 0
        self._begun = self._done = 0
        """The numbers of the last look that has begun, and of the last one that has finished."""
        self._lock = asyncio.Lock()

    async def begin(self) -> None:
        """Record the current position: markets read from now on already include earlier changes."""
        self._looked_at_us = now_us()
        rows = await in_thread(reads.read_status_changes, _look_back_id(self._looked_at_us))
        self.exchange = await in_thread(reads.read_exchange)
        self._seen = {row.id for row in rows}

    async def look(self) -> None:
        """Send the changes since the last look. Concurrent callers share the next one."""
        wanted = self._begun + 1
        async with self._lock:
            if self._done >= wanted:
                return
            self._begun = number = self._begun + 1
            await self._look()
            self._done = number

    async def _look(self) -> None:
        if self._seen is None:
            await self.begin()
            return
        looking_at_us = now_us()
        rows = await in_thread(reads.read_status_changes, _look_back_id(self._looked_at_us))
        news = [row for row in rows if row.id not in self._seen]
        if news:
            await self._publish_all(news)
        self._seen &= {row.id for row in rows}
        self._looked_at_us = looking_at_us
        await self._look_at_exchange()

    async def _publish_all(self, rows: list[StatusRow]) -> None:
        assert self._seen is not None
        await self._audience.refresh(is_due=True)
        self._markets.follow_all()
        states = await in_thread(reads.read_lifecycle_states, {row.market_id for row in rows})
        for row in rows:
            feed = self._markets.feeds.get(row.market_id)
            if feed is None:
                self._seen.add(row.id)
            elif feed.is_ready and row.market_id in states:
                self._seen.add(row.id)
                self._publish(feed, row, states[row.market_id])
            # Else it is being read, maybe from before this change: sent at the next look.
        sent = [row for row in rows if row.id in self._seen]
        for listener in tuple(self.listeners):
            listener(sent)
        for row in rows:
            if row.to_status in FINAL_STATUSES and row.id in self._seen:
                await self._accounts.reload_in(row.market_id)

    def _publish(self, feed: MarketFeed, row: StatusRow, state: LifecycleState) -> None:
        assert feed.instrument is not None
        feed.state = state
        stream = feed.streams[LIFECYCLE]
        seq = max(stream.seq, feed.replica.seq)
        frame = frames.lifecycle(feed.instrument, state, row, prev_seq=stream.seq, seq=seq)
        stream.publish(frame, seq, self._audience.followers(LIFECYCLE, feed.market_id))

    async def _look_at_exchange(self) -> None:
        state = await in_thread(reads.read_exchange)
        if state == self.exchange:
            return
        self.exchange = state
        frame = frames.exchange(state)
        for watcher in self._audience.watchers[LIFECYCLE]:
            watcher.push(None, frame)

    def welcome(self, watcher: Watcher) -> None:
        """Send the state of the exchange to a new follower of all markets."""
        if self.exchange is not None:
            watcher.push(None, frames.exchange(self.exchange))


def _look_back_id(looked_at_us: int) -> str:
    """Return an id from LOOK_BACK_SECONDS before, as text: 48 bits of milliseconds lead an id."""
    milliseconds = looked_at_us // 1000 - LOOK_BACK_SECONDS * 1000
    return f"{milliseconds << 80:032x}"
