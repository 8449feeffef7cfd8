"""Durable orders: throughput and latency of bots with keep-alive connections or sockets.

PostgreSQL and Redis with web and engine in separate processes, then the embedded exchange on
SQLite. An order counts when it was answered 201, which happens after the commit; at the end the
database is compared with the answers.
"""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from bench.client import LoadPlan, LoadReport
from bench.figures import Figure, Sizes, build_figure
from bench.stage import Stage, open_stage
from tests.exchange import ROOT

TRADERS: Final = 32
BATCH_CONNECTIONS: Final = 8
MORE_SECONDS: Final = 60
"""A client that takes so much longer than planned is stopped."""


class LoadProfile(NamedTuple):
    """A load profile, and its figures: name, unit, target, computation."""

    name: str
    connections: int
    batch: int
    figures: tuple["FigureTarget", ...]
    over_sockets: bool = False


class FigureTarget(NamedTuple):
    name: str
    unit: str
    compute: Callable[[LoadReport], float]
    at_least: float | None = None
    at_most: float | None = None


def compute_rate(report: LoadReport) -> float:
    return report.orders / report.seconds


def get_p50_ms(report: LoadReport) -> float:
    return report.p50_ms


def get_p99_ms(report: LoadReport) -> float:
    return report.p99_ms


ONE: Final = LoadProfile(
    "1", 1, 1, (FigureTarget("orders_1_connection_p50", "ms", get_p50_ms, at_most=3),)
)
FEW: Final = LoadProfile(
    "32",
    32,
    1,
    (
        FigureTarget("orders_32_connections", "orders/s", compute_rate, at_least=2_500),
        FigureTarget("orders_32_connections_p50", "ms", get_p50_ms),
        FigureTarget("orders_32_connections_p99", "ms", get_p99_ms, at_most=60),
    ),
)
SOCKETS: Final = LoadProfile(
    "sockets",
    32,
    1,
    (
        FigureTarget("orders_32_sockets", "orders/s", compute_rate, at_least=2_500),
        FigureTarget("orders_32_sockets_p50", "ms", get_p50_ms),
        FigureTarget("orders_32_sockets_p99", "ms", get_p99_ms, at_most=60),
    ),
    over_sockets=True,
)
MANY: Final = LoadProfile(
    "128",
    128,
    1,
    (FigureTarget("orders_128_connections", "orders/s", compute_rate, at_least=4_500),),
)
BATCHES: Final = LoadProfile(
    "batches",
    BATCH_CONNECTIONS,
    100,
    (FigureTarget("orders_batches_of_100", "orders/s", compute_rate, at_least=10_000),),
)
EMBEDDED: Final = LoadProfile(
    "embedded",
    32,
    1,
    (
        FigureTarget(
            "orders_embedded_sqlite_32_connections", "orders/s", compute_rate, at_least=1_000
        ),
    ),
)


class OrderScene(NamedTuple):
    """A running exchange with an open market and traders."""

    stage: Stage
    market: dict[str, Any]
    keys: list[str]
    accepted: list[int]
    """Orders answered 201, by run."""


def measure(sizes: Sizes) -> Iterator[Figure]:
    with open_scene("postgres") as scene:
        for load in (ONE, FEW, SOCKETS, MANY, BATCHES):
            yield from measure_load(scene, load, sizes)
        check_all_is_stored(scene)
    with open_scene("sqlite") as scene:
        yield from measure_load(scene, EMBEDDED, sizes)
        check_all_is_stored(scene)


@contextlib.contextmanager
def open_scene(kind: Any, **options: Any) -> Iterator[OrderScene]:
    with open_stage(kind, **options) as stage:
        keys = stage.call("bench.seed:make_traders", count=TRADERS)
        market = stage.call("bench.seed:open_market")
        with stage.running():
            yield OrderScene(stage, market, keys, [])


def check_all_is_stored(scene: OrderScene) -> None:
    """Raise unless the database holds exactly the orders that were answered 201."""
    stored, answered = scene.stage.call("bench.seed:count_orders"), sum(scene.accepted)
    if stored != answered:
        raise RuntimeError(f"{answered} orders were accepted, {stored} are stored")


def measure_load(scene: OrderScene, load: LoadProfile, sizes: Sizes) -> Iterator[Figure]:
    seconds = sizes.choose(6.0, 1.0)
    reports = [
        run_load(scene, load, seconds=seconds, number=number) for number in range(sizes.runs)
    ]
    details = {
        "connections": load.connections,
        "orders_per_request": load.batch,
        "accounts": min(load.connections, len(scene.keys)),
        "orders_per_run": [report.orders for report in reports],
        "cancel_alls_per_run": [report.cancels for report in reports],
        "p50_ms": [round(report.p50_ms, 2) for report in reports],
        "p99_ms": [round(report.p99_ms, 2) for report in reports],
        "a_commit_of_one_row_ms": scene.stage.measure_commit_ms(),
        "orders_per_second": [round(compute_rate(report)) for report in reports],
    }
    for wanted in load.figures:
        yield build_figure(
            wanted.name,
            [wanted.compute(report) for report in reports],
            unit=wanted.unit,
            durable=scene.stage.describe_durability(),
            at_least=wanted.at_least,
            at_most=wanted.at_most,
            details=details,
        )


def run_load(
    scene: OrderScene,
    load: LoadProfile,
    *,
    seconds: float,
    number: int,
    at_start: Callable[[int], None] | None = None,
) -> LoadReport:
    """Run one client. `at_start` gets its process id when the measured time begins."""
    plan = LoadPlan(
        port=scene.stage.exchange.port,
        market=scene.market["slug"],
        keys=scene.keys,
        connections=load.connections,
        seconds=seconds,
        warm_up_seconds=seconds / 3,
        name=f"{load.name}-{number}",
        batch=load.batch,
        over_sockets=load.over_sockets,
    )
    client = subprocess.Popen(
        [sys.executable, "-m", "bench.client"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    watchdog = threading.Timer(plan.warm_up_seconds + plan.seconds + MORE_SECONDS, client.kill)
    watchdog.start()
    try:
        report = _talk(client, plan, at_start)
    finally:
        watchdog.cancel()
        client.kill()
        client.wait()
    scene.accepted.append(report.accepted)
    return report


def _talk(
    client: "subprocess.Popen[str]", plan: LoadPlan, at_start: Callable[[int], None] | None
) -> LoadReport:
    assert client.stdin is not None
    assert client.stdout is not None
    client.stdin.write(msgspec.json.encode(plan).decode())
    client.stdin.close()
    if client.stdout.readline() and at_start is not None:
        at_start(client.pid)
    answer = client.stdout.read()
    if client.wait() != 0:
        raise RuntimeError(f"the load did not run as planned: {plan.name}")
    return msgspec.json.decode(answer, type=LoadReport)
