"""A socket that does not read: its cost, its recovery when it reads again, its end."""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kernel.clock import now_us
from tests.feed.books import LocalBook
from tests.feed.conftest import Client, Floor, Site, publish
from tests.feed.test_books import as_numbers, book_of, read_until
from trading.feed.guard import get_guard
from trading.feed.watcher import QUEUE_BYTES_MAX
from trading.pipeline.messages import DepthLevel, MarketChange, Publication, encode

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.alone,
    pytest.mark.one_database,
]

SOCKETS = 20
MEGABYTE = 1_000_000
KERNEL_BYTES = 6 * MEGABYTE
"""More than the kernel keeps of a connection whose client has a small window."""


class Deaf:
    """A client that subscribes and then takes nothing off its socket."""

    def __init__(self, site: Site, slug: str) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        self.socket.setblocking(False)
        self.port = site.port
        self.message = {"op": "subscribe", "channels": ["book"], "markets": [slug]}

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self.socket, ("127.0.0.1", self.port))
        handshake = (
            f"GET /ws/v1 HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n"
        )
        body = json.dumps(self.message).encode()
        assert len(body) < 126
        frame = bytes((0x81, 0x80 | len(body))) + bytes(4) + body  # masked with zeros
        await loop.sock_sendall(self.socket, handshake.encode())
        assert b" 101 " in await loop.sock_recv(self.socket, 1_000)
        await loop.sock_sendall(self.socket, frame)

    async def is_dropped(self) -> bool:
        """Read whatever is left; return whether the server has cut the connection."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionResetError):
            while await loop.sock_recv(self.socket, MEGABYTE):
                pass
        return True

    def close(self) -> None:
        self.socket.close()


class Storm:
    """Changes of every level of a market, as fast as they are asked for."""

    def __init__(self, floor: Floor) -> None:
        self.market_id = floor.market.id
        self.seq = 1
        self.lots = 0

    async def blow(self) -> int:
        """Publish one change; return about how many bytes its frame has."""
        self.lots += 100
        levels = [DepthLevel(0, price_pips, self.lots, 0) for price_pips in range(10, 9_000, 10)]
        self.seq += 1
        change = MarketChange(self.market_id, self.seq - 1, self.seq, now_us(), levels)
        await publish(encode(Publication(0, 1, [change], [])))
        await asyncio.sleep(0.001)
        return 22 * len(levels)

    async def blow_for(self, size: int) -> None:
        while size > 0:
            size -= await self.blow()


@pytest.fixture
async def storm(floor: Floor, settings) -> Storm:
    settings.FEED_FRAMES_PER_SECOND = 10_000
    await floor.open()
    return Storm(floor)


def find_rss_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def wait_until(is_so: Callable[[], bool], *, seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not is_so():  # noqa: ASYNC110 - what is waited for knows of no event
            await asyncio.sleep(0.01)


async def wait_for_watchers(site: Site, count: int) -> None:
    await wait_until(lambda: sum(bool(one.named) for one in site.hub.watchers) == count)


async def test_sockets_that_never_read_cost_less_than_a_megabyte_and_do_not_slow_others(
    site: Site, floor: Floor, storm: Storm
) -> None:
    reader = await site.connect()
    book = await book_of(reader, floor.market.slug)
    reading = asyncio.create_task(read_on(reader, book))
    await storm.blow_for(MEGABYTE)  # whatever the first frames allocate is there now
    deaf = [Deaf(site, floor.market.slug) for _ in range(SOCKETS)]
    for one in deaf:
        await one.connect()
    await wait_for_watchers(site, SOCKETS + 1)
    before_bytes = find_rss_bytes()
    await storm.blow_for(KERNEL_BYTES)
    grown_bytes = find_rss_bytes() - before_bytes
    assert sum(is_behind(watcher) for watcher in site.hub.watchers) == SOCKETS
    assert grown_bytes / SOCKETS <= MEGABYTE
    await wait_until(lambda: book.seq == storm.seq, seconds=1)
    reading.cancel()
    for one in deaf:
        one.close()


def is_behind(watcher: Any) -> bool:
    return bool(watcher._due) or watcher._queue_bytes > QUEUE_BYTES_MAX / 2


async def read_on(client: Client, book: LocalBook) -> None:
    while True:
        frame = await client.get("book")
        assert book.apply(frame)


async def test_a_reader_that_comes_back_gets_a_fresh_snapshot_and_goes_on(
    site: Site, floor: Floor, storm: Storm
) -> None:
    client = await site.connect()
    book = await book_of(client, floor.market.slug)
    client.connection.transport.pause_reading()
    await storm.blow_for(KERNEL_BYTES)
    client.connection.transport.resume_reading()
    frame = await client.receive()
    while frame["type"] != "book_snapshot":
        assert frame["type"] == "heartbeat" or book.apply(frame)
        frame = await client.receive()
    assert frame["seq"] == storm.seq, "what lies between was never queued"
    assert book.apply(frame)
    await storm.blow()
    await read_until(client, book, storm.seq)
    assert set(as_numbers(book.bids["YES"]).values()) == {storm.lots}


async def test_who_takes_nothing_for_too_long_is_dropped(
    site: Site, floor: Floor, storm: Storm, monkeypatch
) -> None:
    monkeypatch.setattr("trading.feed.guard.SLOW_SECONDS", 0.5)
    deaf = Deaf(site, floor.market.slug)
    await deaf.connect()
    await wait_for_watchers(site, 1)
    await storm.blow_for(KERNEL_BYTES)
    await wait_until(lambda: not site.hub.watchers)
    async with asyncio.timeout(5):
        assert await deaf.is_dropped()
    deaf.close()


async def test_who_was_stopped_is_cut_off_even_if_nothing_is_read(
    site: Site, floor: Floor, storm: Storm
) -> None:
    deaf = Deaf(site, floor.market.slug)
    await deaf.connect()
    await wait_for_watchers(site, 1)
    await storm.blow_for(KERNEL_BYTES)
    [stuck] = get_guard(site.hub).sockets
    stuck.stop()
    await wait_until(lambda: not site.hub.watchers)
    deaf.close()
