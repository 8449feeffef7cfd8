"""`/metrics` in Prometheus' text format; needs `Authorization: Bearer METRICS_TOKEN`.

Requests, sockets, memory and clock are those of the process that answers; leases and ticks are
those of the whole exchange. Without METRICS_TOKEN in the environment the page does not exist.
"""

import hmac
from collections.abc import Iterator

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    GCCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from predex.health import check_clock, check_shards, check_tasks
from trading.feed.guard import count_sockets
from web.traffic import LIMITS_SECONDS, answered

ASK = {"WWW-Authenticate": 'Bearer realm="predex"'}
BOUNDS = [*map(str, LIMITS_SECONDS), "+Inf"]


class Requests(Collector):
    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(
            "predex_http_request_duration_seconds",
            "Time from the head of a request to its answer",
            labels=["method", "status"],
        )
        for (method, status), durations in list(answered.items()):
            total, buckets = 0, []
            for bound, count in zip(BOUNDS, durations.counts, strict=True):
                total += count
                buckets.append((bound, total))
            family.add_metric([method, str(status)], buckets, durations.sum_seconds)
        yield family


class Feed(Collector):
    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "predex_feed_sockets", "Open connections to the feed", value=count_sockets()
        )


class Shards(Collector):
    def collect(self) -> Iterator[Metric]:
        families = {
            name: GaugeMetricFamily(f"predex_shard_{name}", text, labels=["shard"])
            for name, text in (
                ("ready", "1 when the shard's engine is there and has loaded its books"),
                ("epoch", "How often the shard's lease has changed hands"),
                ("lag_seconds", "Time since the last sign of the shard's engine"),
                ("queue_depth", "Commands that wait for the shard's engine"),
                (
                    "clock_ahead_seconds",
                    "By how much its clock is ahead of the database's",
                ),
                ("books_ahead_seconds", "By how much its books are ahead of the database's clock"),
            )
        }
        for shard, state in check_shards().get("states", {}).items():
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
            yield GaugeMetricFamily(
                "predex_clock_ahead_seconds",
                "By how much this process's clock is ahead of the database's",
                value=ahead_ms / 1_000,
            )
        age_seconds = check_tasks().get("age_seconds")
        if age_seconds is not None:
            yield GaugeMetricFamily(
                "predex_tick_age_seconds",
                "Time since the last trigger of scheduled tasks was taken",
                value=age_seconds,
            )


def _build_registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    for collector in (Requests(), Feed(), Shards(), Times()):
        registry.register(collector)
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


registry = _build_registry()


def metrics(request: HttpRequest) -> HttpResponse:
    if not settings.METRICS_TOKEN:
        raise Http404
    sent = request.headers.get("Authorization", "")
    if not hmac.compare_digest(sent.encode(), f"Bearer {settings.METRICS_TOKEN}".encode()):
        text = "Send METRICS_TOKEN as: Authorization: Bearer ...\n"
        return HttpResponse(text, status=401, content_type="text/plain", headers=ASK)
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
