"""/health: the process answers; /ready: so do its dependencies."""

import pytest
from django.db import DatabaseError, connection

from kernel import bulk
from kernel.clock import now_us
from predex import health
from tests.servers import find_free_port
from trading.models import Lease


def test_health_answers_without_any_database(client):
    response = client.get("/health")
    assert response.status_code == 200
    assert response.json()["status"] == "ok"


@pytest.fixture
def lease(db):
    now = now_us()
    pid = connection.connection.info.backend_pid if bulk.is_postgresql() else None
    return Lease.objects.create(
        shard=0, epoch=3, loaded_at_us=now, renewed_at_us=now, backend_pid=pid
    )


def test_ready_names_every_part(client, lease, settings):
    response = client.get("/ready")
    body = response.json()
    assert response.status_code == 200
    assert body["database"]["ok"] is True
    assert body["shards"]["states"]["0"]["epoch"] == 3
    assert body["shards"]["states"]["0"]["lag_ms"] < 1_000
    assert body["version"] == settings.VERSION


@pytest.mark.django_db
def test_a_shard_whose_engine_never_started_is_not_ready(client):
    response = client.get("/ready")
    assert response.status_code == 503
    assert response.json()["shards"] == {"ok": False, "states": {}}


def test_a_shard_whose_engine_has_gone_quiet_is_not_ready(client, lease):
    lease.renewed_at_us -= (health.SHARD_LAG_MS_MAX + 100) * 1_000
    lease.save()
    response = client.get("/ready")
    assert response.status_code == 503
    assert response.json()["shards"]["states"]["0"]["ok"] is False


def test_a_shard_whose_books_are_not_loaded_yet_is_not_ready(client, lease):
    lease.loaded_at_us = 0
    lease.save()
    response = client.get("/ready")
    assert response.status_code == 503
    assert response.json()["shards"]["states"]["0"]["ok"] is False


def test_a_shard_without_heartbeats_in_this_process_is_not_ready(client, lease, monkeypatch):
    monkeypatch.setattr(health, "find_away", lambda: {0})
    assert client.get("/ready").json()["shards"]["ok"] is False
    monkeypatch.setattr(health, "find_away", lambda: {1})
    assert client.get("/ready").json()["shards"]["ok"] is True


def test_every_shard_of_the_site_must_be_ready(client, lease, settings):
    settings.ENGINE_SHARDS = 2
    assert client.get("/ready").status_code == 503


def test_a_redis_that_does_not_answer_is_not_ready(client, lease, settings):
    settings.REDIS_URL = f"redis://127.0.0.1:{find_free_port()}/0"
    response = client.get("/ready")
    assert response.status_code == 503
    assert response.json()["redis"] == {"ok": False, "reason": "ConnectionError"}


def test_a_running_redis_is_ready(client, lease, settings, redis_url):
    settings.REDIS_URL = redis_url
    assert client.get("/ready").json()["redis"] == {"ok": True}


def test_a_database_that_fails_is_named_without_its_address(client, lease, monkeypatch):
    def fail():
        raise DatabaseError("could not connect to secret-host")

    with monkeypatch.context() as broken:
        broken.setattr(health.connection, "cursor", fail)
        response = client.get("/ready")
    assert response.status_code == 503
    assert response.json()["database"] == {"ok": False, "reason": "DatabaseError"}
    assert "secret-host" not in response.content.decode()
