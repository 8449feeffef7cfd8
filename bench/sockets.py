"""The feed under load: 1,000 sockets on one book, and sockets that never read.

First ten book changes a second to a thousand readers. A change is delivered to a socket by a frame
whose (prev_seq, seq] contains it; a change only received through a snapshot counts as lost.

Then wide changes (a hundred prices at a time) to a hundred readers, without and with further
sockets that subscribe and never read. These have a small receive buffer and packets of Internet
size, so that unread data waits in the server and not in this machine's kernel. The memory of one is
the additional growth of the web process with them, divided by their number.
"""

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import httpx
import msgspec

from bench.figures import Figure, Sizes, build_figure
from bench.listener import ListenPlan, ListenReport, build_handshake, build_subscription
from bench.processes import read_memory_bytes
from bench.stage import open_stage
from tests.exchange import ROOT, Exchange

CHANGES_PER_SECOND: Final = 10
CANCEL_EVERY: Final = 300
SETTLE_SECONDS: Final = 1.5
LISTENER_SECONDS_MAX: Final = 240
WIDE_TICK_PIPS: Final = 10
WIDE_LEVELS: Final = 100
RECEIVE_BUFFER_BYTES: Final = 4_096
SEGMENT_BYTES: Final = 1_400
DRAIN_SECONDS: Final = 5.0
SNAPSHOT: Final = b'"type":"book_snapshot"'
MIB: Final = 1_024 * 1_024


class SocketScene(NamedTuple):
    exchange: Exchange
    client: httpx.Client
    durable: str


class Heard(NamedTuple):
    """The changes that a set of sockets received."""

    share: float
    changes: int
    changes_per_second: float
    report: ListenReport


def measure(sizes: Sizes) -> Iterator[Figure]:
    with open_stage("postgres") as stage:
        [key] = stage.call("bench.seed:make_traders", count=1)
        market = stage.call("bench.seed:open_market")["slug"]
        wide = stage.call("bench.seed:open_market", tick_pips=WIDE_TICK_PIPS)["slug"]
        with stage.running() as exchange, httpx.Client(base_url=exchange.base_url) as client:
            client.headers["X-API-Key"] = key
            scene = SocketScene(exchange, client, stage.describe_durability())
            yield from measure_delivery(scene, market, sizes)
            yield from measure_never_reading(scene, wide, sizes)


# --- a thousand readers --------------------------------------------------------------------------


def measure_delivery(scene: SocketScene, market: str, sizes: Sizes) -> Iterator[Figure]:
    sockets, seconds = sizes.choose((1_000, 10.0), (100, 2.0))
    heard = [_hear(scene, market, sockets, _change_one_price, seconds) for _ in range(sizes.runs)]
    details = {
        "sockets": sockets,
        "changes_per_second": [round(one.changes_per_second, 1) for one in heard],
        "changes": [one.changes for one in heard],
        **_describe_latency(heard),
    }
    yield build_figure(
        "sockets_delivered",
        [100 * one.share for one in heard],
        unit="%",
        durable=scene.durable,
        at_least=99,
        details=details,
    )
    yield build_figure(
        "sockets_p99",
        [one.report.p99_ms for one in heard],
        unit="ms from a commit's ts to its receipt",
        durable=scene.durable,
        at_most=100,
        details=details,
    )


def _change_one_price(scene: SocketScene, market: str, number: int) -> int:
    """Change the book at one price; return the sequence number."""
    if number % CANCEL_EVERY == CANCEL_EVERY - 1:
        scene.client.delete("/api/v1/orders", params={"market": market}).raise_for_status()
    order = {"market": market, "side": "buy", "price": f"0.{10 + number % 30}", "quantity": "1"}
    answer = scene.client.post("/api/v1/orders", json=order)
    answer.raise_for_status()
    return int(answer.json()["seq"])


def _hear(
    scene: SocketScene,
    market: str,
    sockets: int,
    change: Callable[[SocketScene, str, int], int],
    seconds: float,
    *,
    per_second: float = CHANGES_PER_SECOND,
) -> Heard:
    """Make changes at a steady rate while sockets listen."""
    plan = ListenPlan(port=scene.exchange.port, market=market, sockets=sockets)
    with _listening(plan) as listener:
        started = time.monotonic()
        seqs = []
        for number in range(int(seconds * per_second)):
            time.sleep(max(0.0, started + number / per_second - time.monotonic()))
            if time.monotonic() - started > 2 * seconds:
                break
            seqs.append(change(scene, market, number))
        elapsed = time.monotonic() - started
        time.sleep(SETTLE_SECONDS)
        report = _end(listener)
    delivered = sum(
        count * sum(prev_seq < seq <= last_seq for seq in seqs)
        for prev_seq, last_seq, count in report.frames
    )
    return Heard(delivered / (len(seqs) * sockets), len(seqs), len(seqs) / elapsed, report)


@contextlib.contextmanager
def _listening(plan: ListenPlan) -> Iterator["subprocess.Popen[str]"]:
    """Run a listener once all its sockets have their first snapshot."""
    listener = subprocess.Popen(
        [sys.executable, "-m", "bench.listener"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    watchdog = threading.Timer(LISTENER_SECONDS_MAX, listener.kill)
    watchdog.start()
    try:
        assert listener.stdin is not None
        assert listener.stdout is not None
        listener.stdin.write(msgspec.json.encode(plan).decode() + "\n")
        listener.stdin.flush()
        if not listener.stdout.readline():
            raise RuntimeError("the sockets did not come to listen")
        yield listener
    finally:
        watchdog.cancel()
        listener.kill()
        listener.wait()


def _end(listener: "subprocess.Popen[str]") -> ListenReport:
    assert listener.stdin is not None
    assert listener.stdout is not None
    listener.stdin.close()
    return msgspec.json.decode(listener.stdout.read(), type=ListenReport)


def _describe_latency(heard: list[Heard]) -> dict[str, Any]:
    return {
        "p50_ms": [round(one.report.p50_ms, 1) for one in heard],
        "p99_ms": [round(one.report.p99_ms, 1) for one in heard],
        "max_ms": [round(one.report.max_ms, 1) for one in heard],
        "snapshots_instead_of_frames": [one.report.snapshots for one in heard],
        "sockets_closed": [one.report.closed for one in heard],
    }


# --- sockets that never read ---------------------------------------------------------------------


class Burdened(NamedTuple):
    """The same load without and with sockets that never read, and the web process's growth."""

    without: Heard
    beside: Heard
    grown_without_bytes: int
    grown_beside_bytes: int
    has_run_over: bool


def measure_never_reading(scene: SocketScene, market: str, sizes: Sizes) -> Iterator[Figure]:
    silent, readers, seconds = sizes.choose((20, 100, 14.0), (4, 10, 2.0))
    _wide_load(scene, market, readers, seconds / 2)  # do one-time allocations now
    runs = [_burden(scene, market, silent, readers, seconds) for _ in range(sizes.runs)]
    details = {
        "sockets_that_never_read": silent,
        "readers": readers,
        "their_queues_ran_over": [run.has_run_over for run in runs],
        "delivered_to_readers_percent": [round(100 * run.beside.share, 2) for run in runs],
        "p99_ms_without_them": [round(run.without.report.p99_ms, 1) for run in runs],
        **_describe_latency([run.beside for run in runs]),
    }
    yield build_figure(
        "socket_that_never_reads_memory",
        [max(0.0, run.grown_beside_bytes - run.grown_without_bytes) / silent / MIB for run in runs],
        unit="MiB",
        durable=scene.durable,
        at_most=1,
        details=details,
    )
    yield build_figure(
        "sockets_p99_beside_those_that_never_read",
        [run.beside.report.p99_ms for run in runs],
        unit="ms from a commit's ts to its receipt",
        durable=scene.durable,
        at_most=100,
        details=details,
    )


def _burden(scene: SocketScene, market: str, silent: int, readers: int, seconds: float) -> Burdened:
    pid = scene.exchange.pid("web")
    start_bytes = read_memory_bytes(pid)
    without = _wide_load(scene, market, readers, seconds)
    middle_bytes = read_memory_bytes(pid)
    with contextlib.ExitStack() as stack:
        sockets = [
            stack.enter_context(_open_silent(scene.exchange.port, market)) for _ in range(silent)
        ]
        beside = _wide_load(scene, market, readers, seconds)
        end_bytes = read_memory_bytes(pid)
        has_run_over = _has_run_over(sockets[0])
    return Burdened(
        without, beside, middle_bytes - start_bytes, end_bytes - middle_bytes, has_run_over
    )


def _wide_load(scene: SocketScene, market: str, readers: int, seconds: float) -> Heard:
    return _hear(scene, market, readers, _change_many_prices, seconds, per_second=20)


def _change_many_prices(scene: SocketScene, market: str, number: int) -> int:
    """Change the book at a hundred prices at once; return the last sequence number."""
    first = 1 + number % 4 * WIDE_LEVELS
    orders = [
        {"market": market, "side": "buy", "price": f"0.{level:03d}", "quantity": "1"}
        for level in range(first, first + WIDE_LEVELS)
    ]
    answer = scene.client.post("/api/v1/orders/batch", json={"orders": orders})
    answer.raise_for_status()
    return max(int(item["order"]["seq"]) for item in answer.json()["results"])


def _open_silent(port: int, market: str) -> socket.socket:
    """Open a socket that subscribes and reads only the answer to its handshake."""
    silent = socket.socket()
    silent.settimeout(10)
    silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    silent.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
    silent.connect(("127.0.0.1", port))
    silent.sendall(build_handshake(port))
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += silent.recv(1)
    assert b" 101 " in answer, answer
    silent.sendall(build_subscription(market))
    return silent


def _has_run_over(silent: socket.socket) -> bool:
    """Finally read: a second snapshot or the end shows that the server dropped frames."""
    silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MIB)
    silent.settimeout(DRAIN_SECONDS)
    give_up_at = time.monotonic() + DRAIN_SECONDS
    snapshots, tail = 0, b""
    with contextlib.suppress(TimeoutError):
        while snapshots < 2 and time.monotonic() < give_up_at:
            data = silent.recv(65_536)
            if not data:
                return True
            snapshots += (tail + data).count(SNAPSHOT)
            tail = (tail + data)[1 - len(SNAPSHOT) :]
    return snapshots >= 2
