"""The load generator: `python -m bench.client`, a separate process.

Reads a `LoadPlan` as JSON from standard input. Each connection is an HTTP/1.1 keep-alive connection
or a WebSocket over loopback, with one request at a time. Prints `{"started": ...}` after the
warm-up and a `LoadReport` after the measured seconds. The first unexpected response ends the run: a
figure made of errors would be worthless.
"""

import asyncio
import contextlib
import importlib
import re
import sys
import time
from typing import Any, Final

import msgspec

from bench.figures import compute_percentile
from bench.workload import TEXT_FRAME, LoadRequest, LoadTrader, SocketTrader, find_fault

CONNECT_SECONDS: Final = 20
STALL_SECONDS: Final = 20
REQUESTS_MAX: Final = 2_000_000
HEAD_END: Final = b"\r\n\r\n"
_STATUS = re.compile(rb'"op":"\w+","status":([0-9]{3})')
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class LoadPlan(msgspec.Struct, kw_only=True):
    """What to send: `name` makes client order ids unique, keys are assigned round-robin."""

    port: int
    market: str
    keys: list[str]
    connections: int
    seconds: float
    warm_up_seconds: float
    name: str
    batch: int = 1
    over_sockets: bool = False


class LoadReport(msgspec.Struct, kw_only=True):
    """Orders, requests and latencies (milliseconds) of the measured time; `accepted` in total."""

    orders: int
    requests: int
    cancels: int
    accepted: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    processor_seconds: float


class LoadGenerator:
    """All connections: their measurements, and when to stop."""

    def __init__(self, plan: LoadPlan) -> None:
        self.plan = plan
        self.stopped = False
        self.fault: str | None = None
        self.done: asyncio.Event = asyncio.Event()
        self.accepted = 0
        self.connections: list[Connection] = []
        self.reset()

    def reset(self) -> None:
        """Start the measured time."""
        self.started = time.perf_counter()
        self.processor_started = time.process_time()
        self.orders = 0
        self.cancels = 0
        self.latencies: list[float] = []

    def add(self, request: LoadRequest, seconds: float) -> None:
        if request.orders:
            self.latencies.append(seconds)
            self.orders += request.orders
            self.accepted += request.orders
        else:
            self.cancels += 1
        if len(self.latencies) > REQUESTS_MAX:
            self.fail("more requests than a run may have")

    def fail(self, fault: str) -> None:
        self.fault = self.fault or fault
        self.done.set()

    def leave(self, connection: "Connection") -> None:
        self.connections.remove(connection)
        if not self.connections:
            self.done.set()

    def build_report(self) -> LoadReport:
        seconds = time.perf_counter() - self.started
        processor_seconds = time.process_time() - self.processor_started
        milliseconds = sorted(1_000 * latency for latency in self.latencies)
        if not milliseconds:
            sys.exit("load: no order was answered in the measured time")
        return LoadReport(
            orders=self.orders,
            requests=len(milliseconds),
            cancels=self.cancels,
            accepted=self.accepted,
            seconds=seconds,
            p50_ms=compute_percentile(milliseconds, 0.5),
            p99_ms=compute_percentile(milliseconds, 0.99),
            max_ms=milliseconds[-1],
            processor_seconds=processor_seconds,
        )


class Connection(asyncio.Protocol):
    """Sends a request when the previous one is answered."""

    def __init__(self, load: LoadGenerator, trader: LoadTrader) -> None:
        self.load = load
        self.trader = trader
        self.unread = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def start(self) -> None:
        self._send()

    def data_received(self, data: bytes) -> None:
        data = self.unread + data
        end = data.find(HEAD_END)
        found = _LENGTH.search(data, 0, end) if end >= 0 else None
        if found is None or len(data) < end + len(HEAD_END) + int(found[1]):
            self.unread = data
            return
        self.unread = b""
        self._take_answer(int(data[9:12]), data[end + len(HEAD_END) :])

    def _take_answer(self, status: int, body: bytes) -> None:
        seconds = time.perf_counter() - self.sent_at
        fault = find_fault(self.request, status, body)
        if fault is not None:
            self.load.fail(fault)
            return
        self.load.add(self.request, seconds)
        if self.load.stopped:
            self.load.leave(self)
            self.transport.close()
            return
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self.load.connections:
            self.load.fail(f"the server closed a connection: {exc}")

    def _send(self) -> None:
        self.request = self.trader.make_request()
        self.sent_at = time.perf_counter()
        self.transport.write(self.request.data)


class LoadSocket(Connection):
    """The same over a WebSocket."""

    is_open = False

    def start(self) -> None:
        self.transport.write(self.trader.opening)

    def data_received(self, data: bytes) -> None:
        self.unread += data
        if not self.is_open:
            end = self.unread.find(HEAD_END)
            if end < 0:
                return
            if not self.unread.startswith(b"HTTP/1.1 101 "):
                self.load.fail(self.unread[:300].decode(errors="replace"))
                return
            self.unread, self.is_open = self.unread[end + len(HEAD_END) :], True
            self._send()
        while (text := self._take_frame()) is not None:
            if b'"type":"heartbeat"' in text[:40]:
                continue
            found = _STATUS.search(text[:300])
            self._take_answer(int(found[1]) if found else 0, text)

    def _take_frame(self) -> bytes | None:
        """Return the next text; None until it is complete. Pings are for longer runs than these."""
        while len(self.unread) >= 4:
            length, start = self.unread[1], 2
            if length >= 126:
                start = 4 if length == 126 else 10
                length = int.from_bytes(self.unread[2:start], "big")
            if len(self.unread) < start + length:
                return None
            kind, text = self.unread[0], self.unread[start : start + length]
            self.unread = self.unread[start + length :]
            if kind == TEXT_FRAME:
                return text
        return None


async def run(plan: LoadPlan) -> None:
    load = LoadGenerator(plan)
    async with asyncio.timeout(CONNECT_SECONDS):
        for number in range(plan.connections):
            await _connect(load, number)
    for connection in load.connections:
        connection.start()
    await _wait(load, plan.warm_up_seconds)
    load.reset()
    print('{"started":true}', flush=True)
    await _wait(load, plan.seconds)
    report = load.build_report()
    load.stopped = True
    await _wait(load, STALL_SECONDS, until_done=True)
    report.accepted = load.accepted
    print(msgspec.json.encode(report).decode(), flush=True)


async def _connect(load: LoadGenerator, number: int) -> None:
    plan = load.plan
    trader_type = SocketTrader if plan.over_sockets else LoadTrader
    trader = trader_type(
        host=f"127.0.0.1:{plan.port}",
        market=plan.market,
        key=plan.keys[number % len(plan.keys)],
        name=f"{plan.name}-{number}",
        batch=plan.batch,
    )
    loop = asyncio.get_running_loop()
    connection_type = LoadSocket if plan.over_sockets else Connection
    _, connection = await loop.create_connection(
        lambda: connection_type(load, trader), "127.0.0.1", plan.port
    )
    load.connections.append(connection)


async def _wait(load: LoadGenerator, seconds: float, *, until_done: bool = False) -> None:
    """Let the load run for a time; raise when it fails or does not end in time."""
    try:
        async with asyncio.timeout(seconds):
            await load.done.wait()
    except TimeoutError:
        if until_done:
            raise
    if load.fault is not None:
        sys.exit(f"load: {load.fault}")


def run_loop(main: Any) -> None:
    """Run a coroutine on uvloop if installed, else on asyncio's own loop."""
    loop_factory: Any = asyncio.new_event_loop
    with contextlib.suppress(ImportError):
        loop_factory = importlib.import_module("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main)


if __name__ == "__main__":
    run_loop(run(msgspec.json.decode(sys.stdin.read(), type=LoadPlan)))
