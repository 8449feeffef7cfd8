"""/metrics: figures of this process and of the engines, only for monitoring."""

import re

import pytest
from django.core.cache import cache
from prometheus_client.parser import text_string_to_metric_families

from kernel.clock import now_us
from trading import tasks
from trading.models import Lease
from web import traffic

TOKEN = "a-token-of-a-monitor"


@pytest.fixture
def read(client, settings):
    settings.METRICS_TOKEN = TOKEN

    def read_metrics():
        response = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert response.status_code == 200
        families = text_string_to_metric_families(response.content.decode())
        return {
            (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
            for family in families
            for sample in family.samples
        }

    return read_metrics


@pytest.mark.django_db
def test_every_answer_is_counted_by_method_and_status(client, read, monkeypatch):
    monkeypatch.setattr(traffic, "answered", answered := {})
    monkeypatch.setattr("predex.metrics.answered", answered)
    for path in ("/health", "/health", "/api/v1/nothing"):
        client.get(path)
    client.generic("BREW", "/health")
    samples = read()
    name = "predex_http_request_duration_seconds"
    assert samples[f"{name}_count", "GET", "200"] == 2
    assert samples[f"{name}_bucket", "+Inf", "GET", "200"] == 2
    assert samples[f"{name}_count", "GET", "404"] == 1
    assert samples[f"{name}_count", "OTHER", "200"] == 1
    assert 0 < samples[f"{name}_sum", "GET", "200"] < 60


def test_an_answer_is_in_the_bucket_that_it_took():
    durations = traffic.Durations()
    traffic.answered["GET", 299] = durations
    for seconds in (0.001, 0.0011, 0.3, 60.0):
        traffic.count_answer("GET", 299, seconds)
    del traffic.answered["GET", 299]
    assert [(index, count) for index, count in enumerate(durations.counts) if count] == [
        (0, 1), (1, 1), (8, 1), (12, 1)
    ]  # fmt: skip


@pytest.mark.django_db
def test_engines_and_the_process_are_there(read):
    Lease.objects.create(
        shard=0, epoch=7, loaded_at_us=now_us(), renewed_at_us=now_us() - 9_000_000, queue_depth=3
    )
    samples = read()
    assert samples["predex_shard_epoch", "0"] == 7
    assert samples["predex_shard_queue_depth", "0"] == 3
    assert samples["predex_shard_ready", "0"] == 0
    assert 9 <= samples["predex_shard_lag_seconds", "0"] < 30
    assert samples["predex_feed_sockets",] == 0
    assert samples["process_resident_memory_bytes",] > 10**6


@pytest.mark.django_db
def test_clocks_and_the_last_tick_are_there(read, monkeypatch):
    cache.clear()
    assert ("predex_tick_age_seconds",) not in read()
    Lease.objects.create(
        shard=0, epoch=1, loaded_at_us=now_us(), renewed_at_us=now_us(),
        clock_ahead_us=-7_500_000, books_ahead_us=90_000_000,
    )  # fmt: skip
    tasks.tick()
    monkeypatch.setattr("predex.health.compute_ahead_us", lambda: 6_250_000)
    samples = read()
    assert samples["predex_shard_clock_ahead_seconds", "0"] == -7.5
    assert samples["predex_shard_books_ahead_seconds", "0"] == 90
    assert samples["predex_clock_ahead_seconds",] == 6.25
    assert 0 <= samples["predex_tick_age_seconds",] < 30


@pytest.mark.parametrize("sent", ["", "Bearer wrong", f"Basic {TOKEN}", TOKEN])
def test_it_is_for_who_knows_the_token_only(client, settings, sent):
    settings.METRICS_TOKEN = TOKEN
    response = client.get("/metrics", headers={"Authorization": sent})
    assert response.status_code == 401
    assert not re.search(r"predex_\w+", response.content.decode())


@pytest.mark.django_db
def test_without_a_token_there_is_no_such_page(client, settings):
    settings.METRICS_TOKEN = ""
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404
