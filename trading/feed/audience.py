"""The meaning of "all" markets per user: publicly listed ones, and those for some users only.

`Market.objects` decides on visibility (through `reads`); this caches the answers for a few seconds.
"""

import asyncio
import time
from collections.abc import Iterable
from typing import Final, Generic, Protocol, TypeVar

from trading.feed import reads
from trading.feed.tasks import in_thread

FRESH_SECONDS: Final = 2.0
SECONDS_PER_USER: Final = 0.02
"""With many watchers of all markets, each one's own list is read less often."""


class Viewer(Protocol):
    """Who follows all markets. `user_id` decides which those are; None is anonymous."""

    user_id: int | None
    also_listed: frozenset[int]
    """Markets listed for this user but not publicly."""


ViewerT = TypeVar("ViewerT", bound=Viewer)


class Audience(Generic[ViewerT]):
    """The watchers of all markets, by channel."""

    def __init__(self, channels: Iterable[str]) -> None:
        self.public: set[int] = set()
        self.watchers: dict[str, set[ViewerT]] = {name: set() for name in channels}
        self._read_at = float("-inf")
        self._users_read_at = float("-inf")
        self._lock = asyncio.Lock()

    def add(self, watcher: ViewerT, channel: str) -> None:
        self.watchers[channel].add(watcher)

    def remove(self, watcher: ViewerT, channel: str) -> None:
        self.watchers[channel].discard(watcher)

    def followers(self, channel: str, market_id: int) -> list[ViewerT]:
        """Return the watchers of the channel for all markets that may see this one."""
        watchers = self.watchers[channel]
        if market_id in self.public:
            return list(watchers)
        return [watcher for watcher in watchers if market_id in watcher.also_listed]

    def everybody(self) -> set[ViewerT]:
        return set().union(*self.watchers.values())

    def market_ids(self) -> set[int]:
        """Return the markets visible to any watcher of all markets."""
        everybody = self.everybody()
        if not everybody:
            return set()
        return self.public.union(*(watcher.also_listed for watcher in everybody))

    async def refresh(self, *, is_due: bool = False) -> None:
        """Refresh outdated lists while anyone follows all markets."""
        everybody = self.everybody()
        if not everybody:
            return
        await self._read_public(is_due=is_due)
        now = time.monotonic()
        users = {watcher.user_id for watcher in everybody} - {None}
        if now - self._users_read_at >= max(FRESH_SECONDS, SECONDS_PER_USER * len(users)):
            self._users_read_at = now
            await self._read_users(everybody)

    async def welcome(self, watcher: ViewerT) -> None:
        """Load what a new watcher may see, before it is added."""
        await self._read_public()
        await self._read_users([watcher])

    async def _read_public(self, *, is_due: bool = False) -> None:
        async with self._lock:
            now = time.monotonic()
            if is_due or now - self._read_at >= FRESH_SECONDS:
                self.public = await in_thread(reads.read_live_listed, None)
                self._read_at = now

    async def _read_users(self, watchers: Iterable[ViewerT]) -> None:
        by_user: dict[int, list[ViewerT]] = {}
        for watcher in watchers:
            if watcher.user_id is not None:
                by_user.setdefault(watcher.user_id, []).append(watcher)
        for user_id, own in by_user.items():
            listed = await in_thread(reads.read_live_listed, user_id)
            for watcher in own:
                watcher.also_listed = frozenset(listed - self.public)
