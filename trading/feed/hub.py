"""The hub: one reader of the engines' publications per process and event loop.

It joins FEED_GROUP and HEARTBEAT_GROUP with its own receive loop. Messages may be lost.
Lost ones show as a gap in the sequence, as a heartbeat (or, without any, a look at the
database) that stays ahead, or as a new engine: then it reads the database again, and watchers see
an ordinary frame. All state belongs to the event loop; the database is read in threads.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

import msgspec
import structlog
from channels.layers import get_channel_layer
from django.conf import settings

from kernel.breaker import REDIS_AWAY
from kernel.database import DATABASE_FAULTS
from trading.feed import frames, reads
from trading.feed.accounts import Accounts
from trading.feed.audience import Audience
from trading.feed.lifecycle import LOOK_SECONDS, Lifecycle
from trading.feed.markets import Markets
from trading.feed.missed import StreamPlace
from trading.feed.progress import Progress
from trading.feed.stream import BOOK, CHANNELS_OF_ALL, LIFECYCLE, TRADES, Stream
from trading.feed.tasks import Tasks, in_thread
from trading.feed.watcher import Frame, Source, Watcher
from trading.pipeline.instruments import Instrument
from trading.pipeline.messages import (
    FEED_GROUP,
    HEARTBEAT_GROUP,
    HEARTBEAT_LOST_SECONDS,
    Heartbeat,
    Publication,
    decode_heartbeat,
    decode_publication,
)

log = structlog.get_logger(__name__)

JOIN_SECONDS: Final = 2.0
REJOIN_SECONDS: Final = 60.0
"""The in-memory layer forgets members after a day, and at once when they were too slow."""
RETRY_SECONDS: Final = 1.0
CHECK_SECONDS: Final = 0.25
BALANCES_SECONDS: Final = 1.0
REVIEW_SECONDS: Final = 2.0
BEAT_SECONDS: Final = 2.0
RESUMABLE: Final = (BOOK, TRADES)
LIVE_SECONDS: Final = 10.0
"""A subscription that cannot be loaded in this time is refused."""


class SubscriptionRequest(NamedTuple):
    """A message's subscription: to an account, channels of some markets, or of all."""

    account_id: int | None
    channels: Sequence[str]
    instruments: Sequence[Instrument]
    is_all: bool
    since_seq: int | None
    place: StreamPlace | None
    """From where the account's stream is resumed."""


class Hub:
    """State shared by the sockets of one event loop. Use `get_hub`."""

    def __init__(self) -> None:
        self.watchers: set[Watcher] = set()
        self.tasks = Tasks()
        self.audience: Audience[Watcher] = Audience(CHANNELS_OF_ALL)
        self.progress = Progress()
        self.markets = Markets(self.audience, self.progress, self.tasks)
        self.accounts = Accounts(self.tasks)
        self.lifecycle = Lifecycle(self.markets, self.accounts, self.audience)
        self._layer: Any = get_channel_layer()
        self._channel = ""
        self._joined = asyncio.Event()
        self._starting = asyncio.Lock()
        self._is_started = False
        self._looked_at = 0.0

    async def start(self) -> None:
        """Start listening; returns at once if already started."""
        async with self._starting:
            if self._is_started:
                return
            self._is_started = True
            self.tasks.spawn(self._listen())
            self.tasks.every(CHECK_SECONDS, self._check)
            self.tasks.every(LOOK_SECONDS, self.lifecycle.look)
            self.tasks.every(BALANCES_SECONDS, self.accounts.check_balances)
            self.tasks.every(REVIEW_SECONDS, self._review)
            self.tasks.every(BEAT_SECONDS, self._beat)
            self.tasks.every(REJOIN_SECONDS, self._rejoin)
            await self._begin()

    async def _begin(self) -> None:
        """Wait until publications arrive, so that none is lost between image and first frame."""
        try:
            async with asyncio.timeout(JOIN_SECONDS):
                await self._joined.wait()
        except TimeoutError:
            log.warning("feed_starts_without_its_channel_layer")
        try:
            await self.lifecycle.look()
        except DATABASE_FAULTS as fault:
            log.warning("feed_starts_without_database", because=str(fault))

    async def close(self) -> None:
        await self.tasks.close()
        for watcher in self.watchers:
            watcher.end()

    # Requests of sockets

    async def join(self, watcher: Watcher) -> None:
        await self.start()
        self.watchers.add(watcher)

    def leave(self, watcher: Watcher) -> None:
        """Remove a socket and all its subscriptions."""
        for market_id in list(watcher.named):
            for channel in list(watcher.named.get(market_id, ())):
                self.unfollow(watcher, market_id, channel)
        for channel in list(watcher.all_channels):
            self.unfollow_all(watcher, channel)
        self.accounts.leave(watcher)
        self.watchers.discard(watcher)

    async def follow(self, watcher: Watcher, asked: SubscriptionRequest, answer: Frame) -> None:
        """Subscribe a client, and acknowledge at the moment in which the streams are live.

        Until then nothing has changed for the watcher. From then on each stream begins with its
        snapshot (or the one frame that leads from `since_seq` to now) and misses nothing.
        """
        async with asyncio.timeout(LIVE_SECONDS):
            await self._read_for(watcher, asked)
            resumed = await self._resume(asked)
            if asked.account_id is not None:
                await self.accounts.wait_until_read(asked.account_id)
            missed = await self.accounts.resume(asked.place) if asked.place else None
        # No await from here on: the next publication finds the watcher among the followers.
        sources: list[Source] = []
        if asked.account_id is not None:
            sources.append(self.accounts.follow(watcher, asked.account_id))
        for instrument in asked.instruments:
            sources += self._follow_market(watcher, instrument, asked.channels)
        if asked.is_all:
            sources += self._follow_all(watcher, asked.channels)
        if missed is not None:
            resumed[sources[0]] = missed.frame
        watcher.begin(answer, sources, resumed)
        if missed is not None:
            self.accounts.hand_over(missed, watcher)
        if asked.is_all and LIFECYCLE in asked.channels:
            self.lifecycle.welcome(watcher)

    async def _read_for(self, watcher: Watcher, asked: SubscriptionRequest) -> None:
        """Load everything that a subscription begins with."""
        market_ids = {instrument.id for instrument in asked.instruments}
        await self.markets.wait_until_read(market_ids, is_named=True)
        if asked.is_all:
            await self.audience.welcome(watcher)
            listed = self.audience.public | watcher.also_listed
            await self.markets.wait_until_read(listed, is_named=False)
        if LIFECYCLE in asked.channels:
            await self.lifecycle.look()  # or the snapshot's contents would be sent again

    async def _resume(self, asked: SubscriptionRequest) -> dict[Source, Frame]:
        """Return the frames with which streams resume from the client's sequence numbers."""
        if asked.since_seq is None:
            return {}
        [instrument] = asked.instruments
        feed = self.markets.ensure(instrument.id, is_named=True)
        channels = [channel for channel in asked.channels if channel in RESUMABLE]
        frames_now = await self.markets.resume(feed, channels, asked.since_seq)
        return {feed.streams[channel]: frame for channel, frame in frames_now.items()}

    def _follow_market(
        self, watcher: Watcher, instrument: Instrument, channels: Sequence[str]
    ) -> list[Source]:
        feed = self.markets.ensure(instrument.id, is_named=True)
        watcher.named.setdefault(instrument.id, set()).update(channels)
        streams = [feed.streams[channel] for channel in channels]
        for stream in streams:
            stream.watchers.add(watcher)
        return list(streams)

    def _follow_all(self, watcher: Watcher, channels: Sequence[str]) -> list[Source]:
        """Follow channels of every market listed for this user."""
        for channel in channels:
            watcher.all_channels.add(channel)
            self.audience.add(watcher, channel)
        self.markets.follow_all()
        listed = self.audience.public | watcher.also_listed
        feeds = [feed for market_id, feed in self.markets.feeds.items() if market_id in listed]
        return [feed.streams[channel] for channel in channels for feed in feeds]

    def unfollow(self, watcher: Watcher, market_id: int, channel: str) -> None:
        channels = watcher.named.get(market_id, set())
        channels.discard(channel)
        if not channels:
            watcher.named.pop(market_id, None)
        feed = self.markets.feeds.get(market_id)
        if feed is None:
            return
        stream = feed.streams[channel]
        stream.watchers.discard(watcher)
        if channel not in watcher.all_channels:
            watcher.forget(stream)

    def unfollow_all(self, watcher: Watcher, channel: str) -> None:
        watcher.all_channels.discard(channel)
        self.audience.remove(watcher, channel)
        for feed in self.markets.feeds.values():
            stream = feed.streams[channel]
            if watcher not in stream.watchers:
                watcher.forget(stream)

    # Messages of the engines

    async def _listen(self) -> None:
        while True:
            try:
                channel = await self._layer.new_channel("feed.")
                await self._join_groups(channel)
                self._joined.set()
                while True:
                    self._hear(await self._layer.receive(channel))
            except REDIS_AWAY as fault:
                log.warning("feed_without_channel_layer", because=str(fault))
            await asyncio.sleep(RETRY_SECONDS)

    async def _join_groups(self, channel: str) -> None:
        self._channel = channel
        for group in (FEED_GROUP, HEARTBEAT_GROUP):
            await self._layer.group_add(group, channel)

    async def _rejoin(self) -> None:
        if self._joined.is_set():
            await self._join_groups(self._channel)

    def _hear(self, message: dict[str, Any]) -> None:
        try:
            if message["type"] == "feed.publication":
                self._handle_publication(decode_publication(message["data"]))
            elif message["type"] == "engine.heartbeat":
                self._note(decode_heartbeat(message["data"]))
        except msgspec.MsgspecError as fault:
            # For instance of another version: the gap will be detected soon.
            log.warning("feed_message_not_understood", because=str(fault))
        except Exception:
            # A bad message must not end the feed; its content is read from the database.
            log.exception("feed_message_not_taken")
            self._reload_all()

    def _handle_publication(self, publication: Publication) -> None:
        for market in publication.markets:
            if not self.progress.follow(market.market_id, market.prev_seq, market.seq):
                self.accounts.note_gap(market.market_id)
                self.tasks.spawn(self.accounts.reload_in(market.market_id))
            self.markets.dispatch(market)
            if market.status is not None:
                self.tasks.spawn(self.lifecycle.look())
        for account in publication.accounts:
            self.accounts.dispatch(account)

    def _note(self, heartbeat: Heartbeat) -> None:
        now = time.monotonic()
        if self.progress.hear(heartbeat.shard, heartbeat.epoch, now):
            log.info("feed_hears_a_new_engine", shard=heartbeat.shard, epoch=heartbeat.epoch)
            self._reload_all()
        self.progress.announce(heartbeat.seqs, now)

    def _reload_all(self) -> None:
        self.progress.forget()
        self.markets.reload(list(self.markets.feeds))
        self.accounts.reload()

    def is_engine_up(self) -> bool:
        now = time.monotonic()
        within = HEARTBEAT_LOST_SECONDS
        return self.progress.is_heard(settings.ENGINE_SHARDS, now, within_seconds=within)

    # Periodic checks

    async def _check(self) -> None:
        """Reload what was announced but never arrived."""
        late = self.progress.find_late(time.monotonic())
        if late:
            log.warning("feed_lost_publications", markets=len(late))
            self.markets.reload(late)
            for market_id in late:
                await self.accounts.reload_in(market_id)
        if not self.is_engine_up() and time.monotonic() - self._looked_at >= LOOK_SECONDS:
            self._looked_at = time.monotonic()
            await self._look_at_database()

    async def _look_at_database(self) -> None:
        """Without heartbeats, read the markets' sequence numbers from the database."""
        watched = [market_id for market_id, feed in self.markets.feeds.items() if feed.is_ready]
        if watched:
            self.progress.announce(await in_thread(reads.read_seqs, watched), time.monotonic())

    async def _review(self) -> None:
        """Remove what watchers may no longer see; find new markets."""
        self.markets.drop_unwatched()
        await self.audience.refresh()
        self.markets.follow_all()
        named = {market_id for watcher in self.watchers for market_id in watcher.named}
        if not named:
            return
        hidden = named - await in_thread(reads.read_visible, None, named)
        by_user: dict[int | None, set[Watcher]] = {}
        for watcher in self.watchers:
            if not hidden.isdisjoint(watcher.named):
                by_user.setdefault(watcher.user_id, set()).add(watcher)
        for user_id, watchers in by_user.items():
            gone = hidden - await in_thread(reads.read_visible, user_id, hidden)
            for watcher in watchers & self.watchers:
                self._take_away(watcher, gone & watcher.named.keys())

    def _take_away(self, watcher: Watcher, market_ids: set[int]) -> None:
        for market_id in market_ids:
            feed = self.markets.feeds.get(market_id)
            channels = sorted(watcher.named[market_id])
            for channel in channels:
                self.unfollow(watcher, market_id, channel)
            if feed is not None and feed.instrument is not None:
                watcher.reply(frames.unsubscribed(None, channels, [feed.instrument.slug]))

    async def _beat(self) -> None:
        """Send every socket its streams' sequence numbers and the state of the exchange."""
        is_up = self.is_engine_up()
        shared: dict[tuple[frozenset[tuple[int, str]], int | None], Frame] = {}
        for watcher in self.watchers:
            streams = frozenset(
                (market_id, channel)
                for market_id, channels in watcher.named.items()
                for channel in channels
                if not watcher.is_due(self._stream(market_id, channel))
            )
            key = streams, self.accounts.find_seq(watcher)
            frame = shared.get(key)
            if frame is None:
                frame = frames.heartbeat(
                    self._seqs(streams),
                    me_seq=key[1],
                    is_engine_up=is_up,
                    exchange=self.lifecycle.exchange,
                )
                shared[key] = frame
            watcher.push(None, frame)

    def _stream(self, market_id: int, channel: str) -> Stream:
        return self.markets.feeds[market_id].streams[channel]

    def _seqs(self, streams: frozenset[tuple[int, str]]) -> dict[str, dict[str, int]]:
        seqs: dict[str, dict[str, int]] = {}
        for market_id, channel in sorted(streams):
            feed = self.markets.feeds[market_id]
            if feed.instrument is not None:
                market = seqs.setdefault(feed.instrument.slug, {"seq": feed.replica.published_seq})
                market[channel] = feed.streams[channel].seq
        return seqs


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def get_hub() -> Hub:
    """Return the running event loop's hub, which starts listening with its first watcher."""
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        hub = _hubs[loop] = Hub()
    return hub
