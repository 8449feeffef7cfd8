"""The watched markets: loading images, applying publications, publishing frames.

A market followed by name is read whole; one that is only among "all" with its best prices. While an
image is being read, publications are kept and applied after it. Frames of a market leave at most
FEED_FRAMES_PER_SECOND times a second; the first after a pause leaves at once.
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

import structlog
from django.conf import settings

from kernel.database import DATABASE_FAULTS
from trading.feed import reads
from trading.feed.audience import Audience
from trading.feed.market import Collector, MarketFeed
from trading.feed.progress import Progress
from trading.feed.reads import MarketRead
from trading.feed.replica import TAPE_READ_MAX, Fit
from trading.feed.resume import read_changed
from trading.feed.stream import BOOK, CHANNELS_OF_ALL, LIFECYCLE, TICKER
from trading.feed.tasks import Tasks, in_thread
from trading.feed.watcher import Frame, Watcher
from trading.pipeline.messages import MarketChange

log = structlog.get_logger(__name__)

RETRY_SECONDS: Final = 0.5
UNWATCHED_SECONDS: Final = 30.0
"""How long a market without watchers is kept, as people reload pages."""

Past = Callable[[int, Collector], Frame]


class Markets:
    def __init__(self, audience: Audience[Watcher], progress: Progress, tasks: Tasks) -> None:
        self.feeds: dict[int, MarketFeed] = {}
        self._progress = progress
        self._audience = audience
        self._tasks = tasks
        self._light: set[int] = set()
        """Markets whose best prices will be read together in one query."""
        self._is_reading_light = False

    def dispatch(self, change: MarketChange) -> None:
        """Apply a publication to a market."""
        feed = self.feeds.get(change.market_id)
        if feed is None:
            return
        if feed.is_loading:
            feed.keep(change)
        else:
            self._fit(feed, change)
        if change.config is not None:
            self.reload([feed.market_id])  # its terms are in its row

    def ensure(self, market_id: int, *, is_named: bool) -> MarketFeed:
        """Return the market's feed; a missing one starts loading."""
        feed = self.feeds.get(market_id)
        if feed is None:
            feed = self.feeds[market_id] = MarketFeed(market_id)
        if is_named and not feed.is_full:
            feed.is_full = True
            feed.was_read.clear()
        feed.unwatched_since = None
        if not feed.is_ready:
            self._read(feed)
        return feed

    def reload(self, market_ids: Iterable[int]) -> None:
        """Reload markets after a message was lost."""
        for market_id in market_ids:
            feed = self.feeds.get(market_id)
            if feed is not None:
                feed.is_stale = True
                self._read(feed)

    def follow_all(self) -> None:
        """Create the feeds of all markets that any watcher of "all" sees."""
        for market_id in self._audience.market_ids():
            if market_id not in self.feeds:
                self.ensure(market_id, is_named=False)

    def drop_unwatched(self) -> None:
        now = asyncio.get_running_loop().time()
        wanted = self._audience.market_ids()
        for market_id, feed in list(self.feeds.items()):
            if feed.is_named or feed.collectors or market_id in wanted:
                feed.unwatched_since = None
            elif feed.unwatched_since is None:
                feed.unwatched_since = now
            elif now - feed.unwatched_since >= UNWATCHED_SECONDS and not feed.is_loading:
                if feed.timer is not None:
                    feed.timer.cancel()
                del self.feeds[market_id]

    async def wait_until_read(self, market_ids: Iterable[int], *, is_named: bool) -> None:
        """Return once these markets are loaded, with the whole book if named."""
        feeds = [self.ensure(market_id, is_named=is_named) for market_id in market_ids]
        for feed in feeds:
            await feed.was_read.wait()

    async def resume(
        self, feed: MarketFeed, channels: Iterable[str], since_seq: int
    ) -> dict[str, Frame]:
        """Return by channel the one frame that leads from `since_seq` to now, where it is known.

        What is shown while the past is being read is collected, so the frame leaves no hole; the
        caller must subscribe in the same step in which it gets the frames.
        """
        collector = Collector()
        feed.collectors.add(collector)
        try:
            pasts = {
                channel: await self._read_past(feed, channel, since_seq)
                for channel in channels
                if feed.is_ready and since_seq <= feed.streams[channel].seq
            }
        except DATABASE_FAULTS:
            return {}
        finally:
            feed.collectors.discard(collector)
        if collector.is_broken:
            return {}
        return {name: past(since_seq, collector) for name, past in pasts.items() if past}

    # Reading

    def _read(self, feed: MarketFeed) -> None:
        if feed.is_loading:
            return
        feed.is_loading = True
        if feed.is_full:
            self._tasks.spawn(self._read_full(feed))
            return
        self._light.add(feed.market_id)
        if not self._is_reading_light:
            self._is_reading_light = True
            self._tasks.spawn(self._read_light())

    async def _read_full(self, feed: MarketFeed) -> None:
        while True:
            feed.is_stale = False
            try:
                read = await in_thread(reads.read_market, feed.market_id)
                break
            except DATABASE_FAULTS as fault:
                log.warning("market_not_read", market=feed.market_id, because=str(fault))
                await asyncio.sleep(RETRY_SECONDS)
        self._install(feed, read)

    async def _read_light(self) -> None:
        await asyncio.sleep(0)  # let other code add markets in this iteration of the loop
        while self._light:
            wanted = set(self._light)
            for market_id in wanted:
                self.feeds[market_id].is_stale = False
            try:
                found = await in_thread(reads.read_markets, wanted)
            except DATABASE_FAULTS as fault:
                log.warning("markets_not_read", markets=len(wanted), because=str(fault))
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self._light -= wanted
            for market_id in wanted:
                self._install(self.feeds[market_id], found.get(market_id))
        self._is_reading_light = False

    def _install(self, feed: MarketFeed, read: MarketRead | None) -> None:
        """Load an image, then apply what was published while it was read."""
        feed.is_loading = False
        changes, feed.changes = feed.changes, []
        if read is None:  # a draft that was deleted
            feed.was_read.set()
            return
        was_ready, before = feed.is_ready, feed.state
        feed.instrument, feed.state = read.instrument, read.state
        if was_ready and before is not None:  # `Lifecycle` sends changes of status, once
            feed.state = read.state._replace(status=before.status, payouts_pips=before.payouts_pips)
        is_told = feed.replica.load(read.image) and was_ready
        feed.show(self._audience.followers(TICKER, feed.market_id))
        if not is_told:
            feed.restart(
                {name: self._audience.followers(name, feed.market_id) for name in CHANNELS_OF_ALL}
            )
        elif before is not None and before.terms != read.state.terms:
            feed.publish_terms(self._audience.followers(LIFECYCLE, feed.market_id))
        for change in changes:
            self._fit(feed, change)
        self._progress.stand(feed.market_id, feed.replica.seq)
        if feed.is_ready:
            feed.was_read.set()
        if feed.is_stale or not feed.is_ready:
            self._read(feed)

    def _fit(self, feed: MarketFeed, change: MarketChange) -> None:
        fit = feed.replica.apply(change)
        if fit is Fit.NEXT:
            self._schedule(feed)
        elif fit is Fit.GAP:
            self.reload([feed.market_id])

    # Publishing

    def _schedule(self, feed: MarketFeed) -> None:
        if feed.timer is not None:
            return
        loop = asyncio.get_running_loop()
        due_at = feed.shown_at + 1 / settings.FEED_FRAMES_PER_SECOND
        feed.timer = loop.call_at(max(due_at, loop.time()), self._show, feed)

    def _show(self, feed: MarketFeed) -> None:
        feed.timer = None
        feed.shown_at = asyncio.get_running_loop().time()
        feed.show(self._audience.followers(TICKER, feed.market_id))

    # Resuming

    async def _read_past(self, feed: MarketFeed, channel: str, since_seq: int) -> Past | None:
        """Return the contents of the frame from `since_seq` to now; None if unknown."""
        if channel == BOOK:
            keys = await in_thread(read_changed, feed.market_id, since_seq)
            return None if keys is None else partial(feed.book_since, keys)
        tape = await in_thread(
            reads.read_tape, feed.market_id, until_seq=feed.replica.published_seq
        )
        is_short = len(tape) >= TAPE_READ_MAX and tape[0].seq > since_seq
        return None if is_short else partial(feed.trades_since, tape)
