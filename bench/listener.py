"""A thousand listening sockets: `python -m bench.listener`, a separate process.

Reads a `ListenPlan` as JSON, one line, from standard input; opens its sockets, follows the book of
one market on each, and prints `{"listening": ...}` when every one of them has its snapshot. When
standard input ends it prints a `ListenReport`. Time is from a frame's `ts`, the commit's, to its
receipt here. Connections come from several loopback addresses, as a server limits connections per
address.
"""

import asyncio
import base64
import os
import struct
import sys
import time
from collections import Counter
from datetime import datetime
from typing import Any, Final

import msgspec

from bench.client import run_loop
from bench.figures import compute_percentile

SOCKETS_AN_ADDRESS: Final = 100
CONNECT_SECONDS: Final = 60
LISTEN_SECONDS_MAX: Final = 300
CHUNKS_KNOWN_MAX: Final = 256
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class ListenPlan(msgspec.Struct, kw_only=True):
    port: int
    market: str
    sockets: int


class ListenReport(msgspec.Struct, kw_only=True):
    """`frames`: how often each book frame [prev_seq, seq] was received, on all sockets together.

    `snapshots` beyond the first ones mean lost frames. Latencies in milliseconds.
    """

    frames: list[tuple[int, int, int]]
    snapshots: int
    closed: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class ReceivedFrame(msgspec.Struct):
    """The decoded part of a frame."""

    type: str
    seq: int | None = None
    prev_seq: int | None = None
    ts: datetime | None = None


class Seen(msgspec.Struct, frozen=True):
    """A book frame, decoded once for all sockets: when it was committed and what it spans."""

    at: float
    span: tuple[int, int]


_decode = msgspec.json.Decoder(ReceivedFrame).decode


class ListeningSockets:
    """All sockets and their measurements."""

    def __init__(self, plan: ListenPlan) -> None:
        self.plan = plan
        self.known: dict[bytes, Seen] = {}
        self.begin()
        self.waiting = plan.sockets
        self.ready = asyncio.Event()
        self.closed = 0
        self.is_over = False

    def begin(self) -> None:
        """Reset the counters."""
        self.spans: Counter[tuple[int, int]] = Counter()
        self.seconds: list[float] = []
        self.snapshots = 0

    def add(self, seen: Seen) -> None:
        self.spans[seen.span] += 1
        self.seconds.append(time.time() - seen.at)

    def add_snapshot(self, *, is_first: bool) -> None:
        if not is_first:
            self.snapshots += 1
            return
        self.waiting -= 1
        if not self.waiting:
            self.ready.set()

    def build_report(self) -> ListenReport:
        milliseconds = sorted(1_000 * seconds for seconds in self.seconds) or [0.0]
        return ListenReport(
            frames=[(*span, count) for span, count in sorted(self.spans.items())],
            snapshots=self.snapshots,
            closed=self.closed,
            p50_ms=compute_percentile(milliseconds, 0.5),
            p99_ms=compute_percentile(milliseconds, 0.99),
            max_ms=milliseconds[-1],
        )


class ListeningSocket(asyncio.Protocol):
    """One connection. A chunk that is exactly one known frame is not parsed again."""

    def __init__(self, audience: ListeningSockets) -> None:
        self.audience = audience
        self.unread = b""
        self.is_open = False
        self.has_snapshot = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(build_handshake(self.audience.plan.port))

    def data_received(self, data: bytes) -> None:
        if self.unread:
            self.unread += data
        else:
            seen = self.audience.known.get(data)
            if seen is not None:
                self.audience.add(seen)
                return
            self.unread = data
        if not self.is_open and not self._open():
            return
        while (frame := split_frame(self.unread)) is not None:
            opcode, payload, whole = frame
            self.unread = self.unread[len(whole) :]
            self._handle_frame(opcode, payload, whole)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.audience.is_over:
            self.audience.closed += 1

    def _open(self) -> bool:
        end = self.unread.find(b"\r\n\r\n")
        if end < 0:
            return False
        if b" 101 " not in self.unread[:20]:
            sys.exit(f"listener: refused: {self.unread[:500]!r}")
        self.unread = self.unread[end + 4 :]
        self.is_open = True
        self.transport.write(build_subscription(self.audience.plan.market))
        return True

    def _handle_frame(self, opcode: int, payload: bytes, whole: bytes) -> None:
        if opcode == PING:
            self.transport.write(build_frame(PONG, payload))
        elif opcode == TEXT:
            self._handle_text(_decode(payload), whole)

    def _handle_text(self, frame: ReceivedFrame, whole: bytes) -> None:
        if frame.type == "error":
            sys.exit(f"listener: {whole[:500]!r}")
        if frame.type == "book_snapshot":
            self.audience.add_snapshot(is_first=not self.has_snapshot)
            self.has_snapshot = True
        if frame.type != "book":
            return
        assert frame.prev_seq is not None
        assert frame.seq is not None
        assert frame.ts is not None
        seen = Seen(frame.ts.timestamp(), (frame.prev_seq, frame.seq))
        if len(self.audience.known) >= CHUNKS_KNOWN_MAX:
            self.audience.known.clear()
        self.audience.known[whole] = seen
        self.audience.add(seen)


def build_handshake(port: int) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET /ws/v1 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def build_subscription(market: str) -> bytes:
    request = {"op": "subscribe", "channels": ["book"], "markets": [market]}
    return build_frame(TEXT, msgspec.json.encode(request))


def build_frame(opcode: int, payload: bytes) -> bytes:
    """Return a client's frame; its mask is 0, which leaves the payload as it is."""
    assert len(payload) < 126, "a client of this bench says little"
    return bytes((0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0)) + payload


def split_frame(data: bytes) -> tuple[int, bytes, bytes] | None:
    """Return (opcode, payload, whole frame) of the first frame, None while it is not all there."""
    if len(data) < 2:
        return None
    length, start = data[1] & 0x7F, 2
    if length >= 126:
        kind, size = ("!H", 2) if length == 126 else ("!Q", 8)
        if len(data) < start + size:
            return None
        (length,) = struct.unpack_from(kind, data, start)
        start += size
    end = start + length
    if len(data) < end:
        return None
    return data[0] & 0x0F, data[start:end], data[:end]


async def run(plan: ListenPlan) -> None:
    audience = ListeningSockets(plan)
    async with asyncio.timeout(CONNECT_SECONDS):
        for number in range(plan.sockets):
            await _connect(audience, number)
        await audience.ready.wait()
    audience.begin()
    print('{"listening":true}', flush=True)
    async with asyncio.timeout(LISTEN_SECONDS_MAX):
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    audience.is_over = True
    print(msgspec.json.encode(audience.build_report()).decode(), flush=True)


async def _connect(audience: ListeningSockets, number: int) -> None:
    own_address = f"127.0.1.{number // SOCKETS_AN_ADDRESS + 1}"
    await asyncio.get_running_loop().create_connection(
        lambda: ListeningSocket(audience),
        "127.0.0.1",
        audience.plan.port,
        local_addr=(own_address, 0),
    )


if __name__ == "__main__":
    run_loop(run(msgspec.json.decode(sys.stdin.readline(), type=ListenPlan)))
