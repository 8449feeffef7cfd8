"""The accounts with subscribers: read on subscription, then updated by publications.

Balances also change where no engine is (deposits, withdrawals, settlement), and so does the number
of unread notifications: those of the accounts that are listened to are looked at every second.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import structlog

from kernel.database import DATABASE_FAULTS
from trading.feed import frames, reads
from trading.feed.account import AccountFeed, AccountNews, markets_of
from trading.feed.missed import StreamPlace, read_missed, show_missed
from trading.feed.tasks import Tasks, in_thread
from trading.feed.watcher import Frame, Watcher
from trading.pipeline.instruments import Instrument
from trading.pipeline.messages import AccountChange

log = structlog.get_logger(__name__)

RETRY_SECONDS: Final = 0.5
CARDS_MAX: Final = 50_000


class Resumed(NamedTuple):
    frame: Frame
    collector: Watcher


class Accounts:
    def __init__(self, tasks: Tasks) -> None:
        self.feeds: dict[int, AccountFeed] = {}
        self._tasks = tasks
        self._cards: dict[int, Instrument] = {}
        """Slugs and outcome codes, which never change once a market is open."""

    async def wait_until_read(self, account_id: int) -> None:
        """Return once the account is loaded; the caller must `follow` it without awaiting."""
        feed = self.feeds.get(account_id)
        if feed is None:
            feed = self.feeds[account_id] = AccountFeed(account_id)
            self._read(feed)
        feed.waiting += 1
        try:
            await feed.was_read.wait()
        except asyncio.CancelledError:
            feed.waiting -= 1
            self._drop_unwatched(feed)
            raise
        feed.waiting -= 1

    def follow(self, watcher: Watcher, account_id: int) -> AccountFeed:
        feed = self.feeds[account_id]
        watcher.account_id = account_id
        feed.watchers.add(watcher)
        return feed

    async def listen(self, account_id: int, listener: Callable[[AccountNews], None]) -> AccountFeed:
        """Call a feed of another form with what happens to an account from now on."""
        await self.wait_until_read(account_id)
        feed = self.feeds[account_id]
        feed.listeners.add(listener)
        return feed

    def unlisten(self, feed: AccountFeed, listener: Callable[[AccountNews], None]) -> None:
        feed.listeners.discard(listener)
        self._drop_unwatched(feed)

    async def resume(self, place: StreamPlace) -> "Resumed":
        """Return the snapshot of now with what was missed since a place; the account is loaded.

        From now until it is used, what changes is collected by a watcher in the client's stead.
        """
        collector = Watcher()
        feed = self.follow(collector, place.account_id)
        try:
            seq, shown, now = feed.seq, feed.show(), feed.get_place()
            missed = await in_thread(read_missed, place, now)
            await self._learn(missed.market_ids)
            frame = frames.me_snapshot(seq, **shown, missed=show_missed(missed, self._cards))
        except BaseException:
            self.leave(collector)
            raise
        return Resumed(frame, collector)

    def hand_over(self, resumed: "Resumed", watcher: Watcher) -> None:
        """Give a client that has its snapshot the frames since.

        Where some didn't fit, the last one is a snapshot, as for any slow reader.
        """
        feed = self.feeds[resumed.collector.account_id or 0]
        while (frame := resumed.collector.next()) is not None:
            watcher.push(feed, frame)
        self.leave(resumed.collector)

    def leave(self, watcher: Watcher) -> None:
        if watcher.account_id is None:
            return
        feed = self.feeds.get(watcher.account_id)
        watcher.account_id = None
        if feed is None:
            return
        watcher.forget(feed)
        feed.watchers.discard(watcher)
        self._drop_unwatched(feed)

    def _drop_unwatched(self, feed: AccountFeed) -> None:
        if not (feed.watchers or feed.listeners or feed.waiting):
            self.feeds.pop(feed.account_id, None)

    def find_seq(self, watcher: Watcher) -> int | None:
        """Return the sequence number of the watcher's private stream, if it has one."""
        feed = self.feeds.get(watcher.account_id) if watcher.account_id is not None else None
        return None if feed is None or watcher.is_due(feed) else feed.seq

    def dispatch(self, change: AccountChange) -> None:
        feed = self.feeds.get(change.account_id)
        if feed is None:
            return
        if feed.is_loading or not self._cards.keys() >= markets_of(change):
            feed.keep(change)
            self._read(feed, is_whole=feed.is_loading)
            return
        feed.publish(change, self._cards)

    def reload(self, account_ids: Iterable[int] | None = None) -> None:
        """Reload accounts, by default all, after a message was lost."""
        for account_id in list(self.feeds) if account_ids is None else account_ids:
            feed = self.feeds.get(account_id)
            if feed is not None:
                feed.is_stale = True
                self._read(feed)

    def note_gap(self, market_id: int) -> None:
        """A market's publication is missing: accounts in it miss what came after this place."""
        for feed in self.feeds.values():
            feed.note_gap(market_id)

    async def reload_in(self, market_id: int) -> None:
        """Reload the accounts that ever traded in a market."""
        if not self.feeds:
            return
        try:
            found = await in_thread(reads.read_accounts_in, market_id, list(self.feeds))
        except DATABASE_FAULTS:
            found = set(self.feeds)
        for account_id in self.feeds.keys() - found:
            self.feeds[account_id].forget_gap(market_id)
        self.reload(found)

    async def check_balances(self) -> None:
        """Send changes that engines did not make."""
        before = {key: feed.applied for key, feed in self.feeds.items() if feed.is_loaded}
        if not before:
            return
        balances = await in_thread(reads.read_balances, list(before))
        unread = await in_thread(reads.read_unread, list(before))
        for account_id, balance in balances.items():
            feed = self.feeds.get(account_id)
            if feed is None or not feed.is_loaded:
                continue
            # An engine's later change is newer than the balance that was read.
            is_newest = feed.applied == before[account_id]
            feed.announce(balance if is_newest else feed.balance, {}, unread=unread[account_id])

    def _read(self, feed: AccountFeed, *, is_whole: bool = True) -> None:
        if feed.is_loading:
            return
        feed.is_loading = True
        self._tasks.spawn(self._load(feed) if is_whole else self._catch_up(feed))

    async def _load(self, feed: AccountFeed) -> None:
        while True:
            feed.is_stale = False
            try:
                read = await in_thread(reads.read_account, feed.account_id)
                if read is None:
                    break
                wanted = {order.market_id for order in read.orders}
                wanted |= {position.market_id for position in read.positions}
                await self._learn(wanted | {m for c in feed.changes for m in markets_of(c)})
                break
            except DATABASE_FAULTS as fault:
                log.warning("account_not_read", account=feed.account_id, because=str(fault))
                await asyncio.sleep(RETRY_SECONDS)
        if read is not None:
            feed.load(read, self._cards)
        self._finish(feed)

    async def _catch_up(self, feed: AccountFeed) -> None:
        """Load markets that are new to the account, then apply the buffered publications."""
        try:
            await self._learn({m for change in feed.changes for m in markets_of(change)})
        except DATABASE_FAULTS:
            feed.is_stale = True
        self._finish(feed)

    def _finish(self, feed: AccountFeed) -> None:
        feed.is_loading = False
        changes, feed.changes = feed.changes, []
        if self.feeds.get(feed.account_id) is not feed:
            return
        if feed.is_stale:
            self._read(feed)
        for change in changes:
            self.dispatch(change)

    async def _learn(self, market_ids: set[int]) -> None:
        missing = market_ids - self._cards.keys()
        if not missing:
            return
        if len(self._cards) > CARDS_MAX:
            self._cards.clear()
            missing = market_ids
        self._cards.update(await in_thread(reads.read_cards, missing))
