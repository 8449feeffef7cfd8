"""A venue's socket: connects, reads, answers, and connects again for as long as it is run."""

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from bots.engine.events import Event, Key
from bots.engine.metrics import Metrics
from bots.engine.venues.base import SilentError, Venue, VenueFeed

log = structlog.get_logger(__name__)

FRAME_BYTES_MAX: Final = 16 * 1024 * 1024
PAUSE_SECONDS: Final = 0.5
PAUSE_SECONDS_MAX: Final = 15.0
STEADY_SECONDS: Final = 30.0
BEAT_SECONDS: Final = 1.0
PING_SECONDS: Final = 10.0
OPTIONS: Final[dict[str, Any]] = {
    "max_size": FRAME_BYTES_MAX,
    "compression": None,
    "ping_interval": PING_SECONDS,
    "ping_timeout": PING_SECONDS,
}


class UnreadableError(Exception):
    """A message that is not one of this venue's."""


class Adapter:
    """One venue's connection. `put` takes the events of each message."""

    def __init__(
        self,
        venue: Venue,
        feed: VenueFeed,
        put: Callable[[Iterable[Event]], None],
        metrics: Metrics,
    ) -> None:
        self.venue = venue
        self.feed = feed
        self._put = put
        self._opened = metrics.connections.labels(venue.name)
        self._connection: ClientConnection | None = None
        self._unsent: list[str] = []

    async def run(self) -> None:
        """Stay connected. A connection that lasted makes the next pause short again."""
        pause = PAUSE_SECONDS
        while True:
            started = time.monotonic()
            try:
                await self._serve()
            except (OSError, WebSocketException, SilentError, UnreadableError) as fault:
                log.warning("venue_lost", venue=self.venue.name, because=str(fault))
            finally:
                self._connection = None
                self._put(self.feed.lose(time.monotonic_ns()))
            if time.monotonic() - started > STEADY_SECONDS:
                pause = PAUSE_SECONDS
            await asyncio.sleep(pause * random.uniform(0.5, 1))
            pause = min(2 * pause, PAUSE_SECONDS_MAX)

    def resync(self, key: Key) -> None:
        self._unsent += self.feed.resync(key)

    async def _serve(self) -> None:
        url, headers = self.venue.locate()
        async with connect(url, additional_headers=headers, **OPTIONS) as connection:
            self._connection, self._unsent = connection, []
            self._opened.inc()
            await self._send(self.feed.connect(time.monotonic()))
            beating = asyncio.create_task(self._beat(connection))
            try:
                await self._read(connection)
            finally:
                beating.cancel()
                [ended] = await asyncio.gather(beating, return_exceptions=True)
            if isinstance(ended, SilentError):
                raise ended

    async def _read(self, connection: ClientConnection) -> None:
        async for text in connection:
            received_ns = time.monotonic_ns()
            try:
                received = self.feed.receive(text, received_ns)
            except Exception as fault:
                # What can't be read may have been a change: everything is read again.
                raise UnreadableError(f"{text[:200]!r}: {fault!r}") from fault
            self._put(received.events)
            if received.messages or self._unsent:
                await self._send(received.messages)

    async def _beat(self, connection: ClientConnection) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                await self._send(self.feed.beat(time.monotonic()))
            except SilentError:
                await connection.close()
                raise

    async def _send(self, messages: Sequence[str]) -> None:
        unsent, self._unsent = self._unsent, []
        for message in (*messages, *unsent):
            if self._connection is not None:
                await self._connection.send(message)
