"""`/health`: this process answers. `/ready`: so does each of its dependencies, by name.

Neither needs a log-in; neither reveals more than "ok", a short reason and, for shards, lag.
"""

from typing import Any

import redis
import structlog
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, JsonResponse

from kernel.database import DATABASE_FAULTS
from kernel.database_clock import compute_ahead_us, database_now_us, is_wrong
from trading import tasks
from trading.models import Lease
from trading.pipeline.gateway import find_away
from trading.pipeline.lease import has_session

REDIS_TIMEOUT_SECONDS = 2
SHARD_LAG_MS_MAX = 2_000  # a lease is renewed every second
NO_ENGINE = {"ok": False}  # a shard whose engine never started has no lease

log = structlog.get_logger(__name__)


def health(request: HttpRequest) -> JsonResponse:
    """200 as long as the process is able to answer."""
    return JsonResponse({"status": "ok", "version": settings.VERSION})


def ready(request: HttpRequest) -> JsonResponse:
    """200 when everything that trading needs is available, 503 otherwise.

    `tasks` is reported but does not count: without it nothing opens, closes or pays out, but orders
    are accepted.
    """
    parts = {"database": check_database(), "clock": check_clock(), "shards": check_shards()}
    if settings.REDIS_URL:
        parts["redis"] = check_redis()
    is_ready = all(part["ok"] for part in parts.values())
    parts["tasks"] = check_tasks()
    body = {"status": "ok" if is_ready else "unready", "version": settings.VERSION, **parts}
    return JsonResponse(body, status=200 if is_ready else 503)


def check_database() -> dict[str, Any]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DATABASE_FAULTS as fault:
        return _failed("database", fault)
    return {"ok": True, "vendor": connection.vendor}


def check_clock() -> dict[str, Any]:
    """Compare this process's clock with the database's."""
    try:
        ahead_us = compute_ahead_us()
    except DATABASE_FAULTS as fault:
        return _failed("clock", fault)
    return {"ok": not is_wrong(ahead_us), "ahead_ms": ahead_us // 1000}


def check_redis() -> dict[str, Any]:
    client = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
    )
    try:
        with client:
            client.ping()
    except redis.RedisError as fault:
        return _failed("redis", fault)
    return {"ok": True}


def check_shards() -> dict[str, Any]:
    """Ready when every shard's engine has loaded its books and has recently shown signs of life.

    To the database, where it has a session and renews its lease, and to this process if that has
    sent orders.
    """
    try:
        at_us = database_now_us()
        states = {lease.shard: describe_lease(lease, at_us) for lease in Lease.objects.all()}
    except DATABASE_FAULTS as fault:
        return _failed("shards", fault)
    for shard in find_away() & states.keys():
        states[shard]["ok"] = False
    is_ok = all(states.get(shard, NO_ENGINE)["ok"] for shard in range(settings.ENGINE_SHARDS))
    return {"ok": is_ok, "states": states}


def check_tasks() -> dict[str, Any]:
    """Whether Celery's beat and worker run: the age of the last trigger that was executed."""
    try:
        age_seconds = tasks.find_tick_age_seconds()
    except (redis.RedisError, *DATABASE_FAULTS) as fault:
        return _failed("tasks", fault)
    is_ok = age_seconds is not None and age_seconds <= tasks.TICK_SECONDS_MAX
    return {"ok": is_ok, "age_seconds": age_seconds}


def describe_lease(lease: Lease, at_us: int) -> dict[str, Any]:
    """Return one shard's part of `/ready`; lag is the time since the lease was renewed."""
    lag_ms = max(0, at_us - lease.renewed_at_us) // 1000
    return {
        "ok": lease.loaded_at_us > 0
        and lag_ms <= SHARD_LAG_MS_MAX
        and has_session(lease)
        and not lease.has_wrong_clock
        and not lease.has_future_books,
        "epoch": lease.epoch,
        "lag_ms": lag_ms,
        "queue_depth": lease.queue_depth,
        "clock_ahead_ms": lease.clock_ahead_us // 1000,
        "books_ahead_ms": lease.books_ahead_us // 1000,
    }


def _failed(part: str, fault: Exception) -> dict[str, Any]:
    # Only the log gets the reason, because it may contain an address or a user name.
    log.warning("not_ready", part=part, fault=str(fault))
    return {"ok": False, "reason": type(fault).__name__}
