"""A small in-process cache of rows: each value is at most `seconds` old.

Concurrent misses share one look-up; from half its age on a value is refreshed in the background, so
that a busy key never blocks. A row that was not found (None) is not cached, so a new row is seen at
once. Async code and threads share it.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

import structlog
from channels.db import database_sync_to_async
from django.db import connection

log = structlog.get_logger(__name__)

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

ENTRIES_MAX = 100_000
GATHER_SECONDS = 0.2
"""How long the refresh of a value that is still fresh waits for others that fall due."""
_caches: "list[FreshCache]" = []


class FreshCache(Generic[Key, Value]):
    """`look_up(key)` reads the database; from async code it runs in a thread."""

    def __init__(
        self,
        look_up: Callable[[Key], Value | None],
        *,
        seconds: float,
        entries_max: int = ENTRIES_MAX,
    ) -> None:
        self._look_up = look_up
        self._seconds = seconds
        self._entries_max = entries_max
        self._entries: dict[Key, tuple[float, Value]] = {}
        self._pending: dict[Key, asyncio.Future[Value | None]] = {}
        self._reading = threading.Lock()
        _caches.append(self)

    def find_fresh(self, key: Key) -> Value | None:
        """Return the value if it is cached and fresh, without I/O."""
        entry = self._entries.get(key)
        return entry[1] if entry is not None and time.monotonic() < entry[0] else None

    def get_sync(self, key: Key) -> Value | None:
        value = self.find_fresh(key)
        return self._read(key) if value is None else value

    def get_shared(self, key: Key) -> Value | None:
        """Like `get_sync`, for slow look-ups: one thread reads at a time.

        Meanwhile the others get the last known value, or wait when there is none yet.
        """
        value = self.find_fresh(key)
        if value is not None:
            return value
        known = self._entries.get(key)
        if known is None:
            self._reading.acquire()
        elif not self._reading.acquire(blocking=False):
            return known[1]
        try:
            return self.get_sync(key)
        finally:
            self._reading.release()

    def get_alone(self, key: Key, *, wait_seconds: float) -> Value | None:
        """Like `get_sync`, for heavy look-ups that must be fresh: one thread reads at a time.

        The others wait, without a connection to the database; TimeoutError when it takes too long.
        """
        value = self.find_fresh(key)
        if value is not None:
            return value
        if not connection.in_atomic_block:
            connection.close()
        if not self._reading.acquire(timeout=wait_seconds):
            raise TimeoutError
        try:
            return self.get_sync(key)
        finally:
            self._reading.release()

    async def get(self, key: Key) -> Value | None:
        entry = self._entries.get(key)
        now = time.monotonic()
        if entry is None or now >= entry[0]:
            return await asyncio.shield(self._start_read(key))
        if now >= entry[0] - self._seconds / 2:
            self._renew(key)
        return entry[1]

    def put(self, key: Key, value: Value, *, since: float | None = None) -> None:
        """Store a value; `since` is the moment at which it was true."""
        if len(self._entries) >= self._entries_max:
            self._entries.clear()
        self._entries[key] = ((time.monotonic() if since is None else since) + self._seconds, value)

    def drop(self, key: Key) -> None:
        self._entries.pop(key, None)

    def forget(self) -> None:
        self._entries.clear()

    def _renew(self, key: Key) -> None:
        self._start_read(key)

    def _start_read(self, key: Key) -> "asyncio.Future[Value | None]":
        pending = self._pending.get(key)
        if pending is None or pending.get_loop() is not asyncio.get_running_loop():
            read = database_sync_to_async(self._read, thread_sensitive=False)
            pending = self._pending[key] = asyncio.ensure_future(read(key))
            pending.add_done_callback(lambda done: self._end(key, done))
        return pending

    def _read(self, key: Key) -> Value | None:
        since = time.monotonic()
        value = self._look_up(key)
        self._keep(key, value, since)
        return value

    def _keep(self, key: Key, value: Value | None, since: float) -> None:
        if value is None:
            self.drop(key)
        else:
            self.put(key, value, since=since)

    def _end(self, key: Key, done: "asyncio.Future[Value | None]") -> None:
        if self._pending.get(key) is done:
            del self._pending[key]
        if not done.cancelled():
            done.exception()  # every waiter receives it; having no waiters left is no error


class BatchCache(FreshCache[Key, Value]):
    """Refreshes all values due within GATHER_SECONDS in one look-up, for many busy keys."""

    def __init__(
        self,
        look_up: Callable[[Key], Value | None],
        look_up_many: Callable[[list[Key]], Mapping[Key, Value | None]],
        *,
        seconds: float,
        entries_max: int = ENTRIES_MAX,
    ) -> None:
        super().__init__(look_up, seconds=seconds, entries_max=entries_max)
        self._look_up_many = look_up_many
        self._due: WeakKeyDictionary[asyncio.AbstractEventLoop, set[Key]] = WeakKeyDictionary()

    def renew(self, keys: list[Key]) -> None:
        since = time.monotonic()
        for key, value in self._look_up_many(keys).items():
            self._keep(key, value, since)

    def _renew(self, key: Key) -> None:
        loop = asyncio.get_running_loop()
        due = self._due.setdefault(loop, set())
        if not due:
            loop.call_later(GATHER_SECONDS, self._start_renewal, loop, due)
        due.add(key)

    def _start_renewal(self, loop: asyncio.AbstractEventLoop, due: set[Key]) -> None:
        taken = list(due)  # marked as due, so that they are not requested twice
        renew = database_sync_to_async(self.renew, thread_sensitive=False)
        renewal = asyncio.ensure_future(renew(taken))
        renewal.add_done_callback(lambda done: self._end_renewal(loop, due, taken, done))

    def _end_renewal(
        self,
        loop: asyncio.AbstractEventLoop,
        due: set[Key],
        taken: list[Key],
        done: "asyncio.Future[None]",
    ) -> None:
        due.difference_update(taken)
        if due:
            loop.call_later(GATHER_SECONDS, self._start_renewal, loop, due)
        if not done.cancelled() and (fault := done.exception()):
            log.warning("cache_not_renewed", fault=str(fault))


class SharedRead(Generic[Key, Value]):
    """Database reads with many concurrent callers: one at a time for each key.

    A caller gets a read that began after its call, so it shows everything committed before.
    """

    def __init__(self, look_up: Callable[[Key], Value]) -> None:
        self._look_up = database_sync_to_async(look_up, thread_sensitive=False)
        self._running: dict[Key, asyncio.Task[Value]] = {}
        self._next: dict[Key, asyncio.Task[Value]] = {}

    async def get(self, key: Key) -> Value:
        running, loop = self._running.get(key), asyncio.get_running_loop()
        if running is None or running.get_loop() is not loop:
            running = self._running[key] = asyncio.create_task(self._read(key))
            return await asyncio.shield(running)
        following = self._next.get(key)
        if following is None or following.get_loop() is not loop:
            following = self._next[key] = asyncio.create_task(self._follow(running, key))
        return await asyncio.shield(following)

    async def _follow(self, running: "asyncio.Task[Value]", key: Key) -> Value:
        await asyncio.wait([running])
        task = self._next.pop(key)
        self._running[key] = task
        return await self._read(key)

    async def _read(self, key: Key) -> Value:
        try:
            return await self._look_up(key)
        finally:
            if self._running.get(key) is asyncio.current_task():
                del self._running[key]


def forget_all() -> None:
    """Empty every cache of this process (tests)."""
    for cache in _caches:
        cache.forget()
