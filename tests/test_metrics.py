"""/metrics: figures of this process and of the engines, only for monitoring."""

import re
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from django.core.cache import cache
from prometheus_client.parser import text_string_to_metric_families

from kernel import metrics
from kernel.clock import now_us
from trading import tasks
from trading.models import Lease, VerifyRun

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
def test_every_answer_is_counted_by_method_route_and_status(client, read):
    name = "predex_http_request_duration_seconds"
    before = read()
    paths = ("/health", "/health", "/api/v1/nothing", "/api/v1/nothing-else", "/markets/unknown/")
    for path in paths:
        client.get(path)
    client.generic("BREW", "/health")
    samples = read()

    def count(*labels, suffix="count"):
        key = (f"{name}_{suffix}", *labels)
        return samples.get(key, 0) - before.get(key, 0)

    assert count("GET", "/health", "200") == 2
    assert count("+Inf", "GET", "/health", "200", suffix="bucket") == 2
    assert count("GET", "other", "404") == 2  # whatever it is called
    assert count("GET", "/markets/{slug}/", "404") == 1
    assert count("OTHER", "/health", "200") == 1
    assert 0 < count("GET", "/health", "200", suffix="sum") < 60


def test_an_observation_is_in_the_bucket_of_its_size():
    histogram = metrics.Histogram("predex_of_a_test", "", (0.001, 0.0025, 0.5), "kind")
    metrics.registry.unregister(histogram)
    for seconds in (0.001, 0.0011, 0.3, 60.0):
        histogram.observe(seconds, "a")
    assert histogram.counts == {("a",): [1, 1, 1, 1]}
    assert histogram.sums["a",] == pytest.approx(60.3021)


def test_no_count_is_lost_among_threads():
    counter = metrics.Counter("predex_of_a_test", "", "kind")
    metrics.registry.unregister(counter)
    threads = [Thread(target=lambda: [counter.add("a") for _ in range(20_000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.values == {("a",): 80_000}


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


@pytest.mark.django_db
def test_a_shard_whose_engine_never_started_is_not_ready(read):
    assert read()["predex_shard_ready", "0"] == 0


@pytest.mark.django_db
def test_the_last_check_of_the_invariants_is_there(read):
    assert ("predex_verify_breaches",) not in read()
    finished_at = datetime.now(UTC) - timedelta(hours=2)
    VerifyRun.objects.create(started_at=finished_at, finished_at=finished_at, breaches=3, report=[])
    samples = read()
    assert samples["predex_verify_breaches",] == 3
    assert 7_200 <= samples["predex_verify_age_seconds",] < 7_260


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


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("10.1.2.3", {}, 200),
        ("::ffff:10.1.2.3", {}, 200),
        ("10.2.0.1", {}, 401),
        ("10.1.2.3", {"X-Forwarded-For": "10.1.2.3"}, 401),  # a proxy that nobody named
    ],
)
def test_a_trusted_network_needs_no_token_unless_a_proxy_is_between(
    client, settings, address, headers, status
):
    settings.METRICS_TOKEN = ""
    settings.METRICS_NETWORKS = ["10.1.0.0/16"]
    response = client.get("/metrics", headers=headers, REMOTE_ADDR=address)
    assert response.status_code == status
