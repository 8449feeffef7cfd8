"""What a process counts for Prometheus, and the catalogue of it.

Counts live in the process that makes them; each shows its own (see `web/metrics_server.py`), and
Prometheus adds them up. prometheus_client's own counters take several times as long on the path of
an order. Labels are of small closed sets: routes, names of tasks, reasons; never ids.
"""

from bisect import bisect_left
from collections.abc import Iterator
from threading import Lock
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

Labels = tuple[str | int, ...]

registry: Final = CollectorRegistry()


class Counter(Collector):
    def __init__(self, name: str, text: str, *labels: str) -> None:
        self._name, self._text, self._labels = name, text, labels
        self._lock = Lock()
        self.values: dict[Labels, int] = {} if labels else {(): 0}
        registry.register(self)

    def add(self, *labels: str | int, by: int = 1) -> None:
        with self._lock:
            self.values[labels] = self.values.get(labels, 0) + by

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for labels, value in list(self.values.items()):
            family.add_metric([str(label) for label in labels], value)
        yield family


class Gauge(Collector):
    def __init__(self, name: str, text: str, *labels: str) -> None:
        self._name, self._text, self._labels = name, text, labels
        self.values: dict[Labels, float] = {}
        registry.register(self)

    def set(self, value: float, *labels: str | int) -> None:
        self.values[labels] = value

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(self._name, self._text, labels=self._labels)
        for labels, value in list(self.values.items()):
            family.add_metric([str(label) for label in labels], value)
        yield family


class Histogram(Collector):
    """`counts[i]` observations were at most `bounds[i]`; the last are above all bounds."""

    def __init__(self, name: str, text: str, bounds: tuple[float, ...], *labels: str) -> None:
        self._name, self._text, self._labels = name, text, labels
        self._bounds = bounds
        self._lock = Lock()
        self.counts: dict[Labels, list[int]] = {}
        self.sums: dict[Labels, float] = {}
        registry.register(self)

    def observe(self, value: float, *labels: str | int) -> None:
        with self._lock:
            counts = self.counts.get(labels)
            if counts is None:
                self.sums[labels] = 0.0
                counts = self.counts[labels] = [0] * (len(self._bounds) + 1)
            counts[bisect_left(self._bounds, value)] += 1
            self.sums[labels] += value

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        bounds = [*map(str, self._bounds), "+Inf"]
        for labels, counts in list(self.counts.items()):
            total, buckets = 0, []
            for bound, count in zip(bounds, counts, strict=True):
                total += count
                buckets.append((bound, total))
            family.add_metric([str(label) for label in labels], buckets, self.sums[labels])
        yield family


MOMENTS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds that a request or a command takes."""
WORK: Final = (0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0)
"""Seconds that a scheduled task takes."""
SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 512)

# --- web processes ------------------------------------------------------------------------------
HTTP_REQUESTS: Final = Histogram(
    "predex_http_request_duration_seconds",
    "Time from the head of a request to its answer",
    MOMENTS,
    "method",
    "route",
    "status",
)
COMMAND_SECONDS: Final = Histogram(
    "predex_command_duration_seconds",
    "Time from sending a command to its engine until the answer, which follows the commit",
    MOMENTS,
)
SOCKETS_CLOSED: Final = Counter(
    "predex_feed_sockets_closed", "Connections to the feed that this server ended", "reason"
)
FRAMES_DROPPED: Final = Counter(
    "predex_feed_frames_dropped",
    "Frames replaced by a later snapshot, because their client did not read",
)

# --- engines ------------------------------------------------------------------------------------
COMMANDS: Final = Counter(
    "predex_commands",
    "Commands to an engine by result: done, or why not",
    "command",
    "result",
)
TRADES: Final = Counter("predex_trades", "Trades that were committed")
COMMIT_TASKS: Final = Histogram(
    "predex_commit_tasks", "Tasks that one commit carried out", SIZES, "shard"
)
COMMIT_SECONDS: Final = Histogram(
    "predex_commit_duration_seconds",
    "Time of one batch, from its locks to its commit",
    MOMENTS,
    "shard",
)
LEASE_HELD: Final = Gauge(
    "predex_lease_held", "1 while this process is the shard's engine, 0 while a standby", "shard"
)
LEASE_CHANGES: Final = Counter(
    "predex_lease_changes", "Leases that this process has taken over or lost", "shard", "change"
)

# --- what runs scheduled tasks ------------------------------------------------------------------
TASKS_SENT: Final = Counter("predex_task_triggers", "Triggers of tasks that beat has sent", "task")
TASK_SECONDS: Final = Histogram(
    "predex_task_duration_seconds", "Time of a scheduled task by its result", WORK, "task", "result"
)
