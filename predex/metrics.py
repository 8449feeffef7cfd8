"""`/metrics` of a web process in Prometheus' text format, for who may read it.

Requests, sockets, memory and clock are those of the process that answers. Leases, ticks and the
last check of the invariants are those of the whole exchange: every web process shows the same.
"""

import shutil
from collections.abc import Iterator
from typing import Final

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kernel.database import DATABASE_FAULTS
from predex.health import check_clock, check_shards, check_tasks
from trading.feed.guard import count_sockets
from trading.models import VerifyRun
from web.connections import connections
from web.metrics_server import build_registry, respond

SHARD_FIGURES: Final = {
    "ready": "1 when the shard's engine is there and has loaded its books",
    "epoch": "How often the shard's lease has changed hands",
    "lag_seconds": "Time since the last sign of the shard's engine",
    "queue_depth": "Commands that wait for the shard's engine",
    "clock_ahead_seconds": "By how much its clock is ahead of the database's",
    "books_ahead_seconds": "By how much its books are ahead of the database's clock",
}


class Process(Collector):
    def collect(self) -> Iterator[Metric]:
        yield _gauge("predex_feed_sockets", "Open connections to the feed", count_sockets())
        yield _gauge("predex_connections", "Open connections, sockets included", len(connections))
        free = shutil.disk_usage(settings.DATA_DIR).free
        yield _gauge("predex_data_free_bytes", "Free space where DATA_DIR is", free)


class Shards(Collector):
    def collect(self) -> Iterator[Metric]:
        families = {
            name: GaugeMetricFamily(f"predex_shard_{name}", text, labels=["shard"])
            for name, text in SHARD_FIGURES.items()
        }
        states = check_shards().get("states", {})
        for shard in range(settings.ENGINE_SHARDS):
            if shard not in states:  # no engine has ever started
                families["ready"].add_metric([str(shard)], 0)
        for shard, state in states.items():
            values = {
                **state,
                "ready": state["ok"],
                "lag_seconds": state["lag_ms"] / 1_000,
                "clock_ahead_seconds": state["clock_ahead_ms"] / 1_000,
                "books_ahead_seconds": state["books_ahead_ms"] / 1_000,
            }
            for name, family in families.items():
                family.add_metric([str(shard)], values[name])
        yield from families.values()


class Times(Collector):
    """Unknown values (no database, no tick yet) are left out."""

    def collect(self) -> Iterator[Metric]:
        ahead_ms = check_clock().get("ahead_ms")
        if ahead_ms is not None:
            text = "By how much this process's clock is ahead of the database's"
            yield _gauge("predex_clock_ahead_seconds", text, ahead_ms / 1_000)
        age_seconds = check_tasks().get("age_seconds")
        if age_seconds is not None:
            text = "Time since the last trigger of scheduled tasks was taken"
            yield _gauge("predex_tick_age_seconds", text, age_seconds)


class LastCheck(Collector):
    """The last check of all invariants (`manage.py verify`, each night); none: left out."""

    def collect(self) -> Iterator[Metric]:
        try:
            run = VerifyRun.objects.order_by("-started_at").first()
        except DATABASE_FAULTS:
            return
        if run is None:
            return
        age = timezone.now() - run.finished_at
        yield _gauge("predex_verify_breaches", "Breaches that the last check found", run.breaches)
        yield _gauge(
            "predex_verify_age_seconds", "Time since the last check ended", age.total_seconds()
        )


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _build() -> CollectorRegistry:
    registry = build_registry()
    for collector in (Process(), Shards(), Times(), LastCheck()):
        registry.register(collector)
    return registry


registry: Final = _build()


def metrics(request: HttpRequest) -> HttpResponse:
    headers = {name.lower(): value for name, value in request.headers.items()}
    status, more, body = respond(registry, request.META.get("REMOTE_ADDR", ""), headers)
    if status == 404:
        raise Http404
    return HttpResponse(body, status=status, headers=more)
