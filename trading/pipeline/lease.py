"""The right to write a shard: a row with an epoch that increases with each owner.

Every transaction of an engine reads its epoch under a lock and gives up if it was superseded, so
two engines never write one shard, even if both believe to own it. An owner that has not renewed
for LEASE_SECONDS, or whose database session is gone, is superseded; one frozen inside a transaction
still holds that lock, so its session is terminated first (PostgreSQL). On SQLite the engine's file
lock already ensures that there is only one.
"""

from typing import Any, Final

import psycopg
import structlog
from django.db import OperationalError, connection, transaction

from kernel import bulk
from kernel.database_clock import compute_ahead_us, database_now_us, is_wrong
from trading.models import Lease

log = structlog.get_logger(__name__)

LEASE_SECONDS: Final = 3
LOCK_TIMEOUT: Final = "500ms"


def acquire(shard: int, *, owner: str, channel: str) -> int | None:
    """Make `owner`, reading `channel`, the shard's engine; return its epoch, None if taken."""
    lease, _ = Lease.objects.get_or_create(shard=shard)
    if not _is_free(lease, owner):
        return None
    try:
        return _take_over(lease, owner, channel)
    except OperationalError as fault:
        if not isinstance(fault.__cause__, psycopg.errors.LockNotAvailable):
            raise
    _end_session(lease.backend_pid)
    return _take_over(lease, owner, channel)


def _take_over(seen: Lease, owner: str, channel: str) -> int | None:
    with transaction.atomic():
        if bulk.is_postgresql():
            _execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            # Transactions hold a key-share lock on the row: this waits for them, renewals do not.
            Lease.objects.select_for_update().get(shard=seen.shard)
        taken = Lease.objects.filter(shard=seen.shard, epoch=seen.epoch).update(
            epoch=seen.epoch + 1,
            owner=owner,
            channel=channel,
            backend_pid=_backend_pid(),
            acquired_at_us=database_now_us(),
            loaded_at_us=0,
            renewed_at_us=database_now_us(),
        )
    return seen.epoch + 1 if taken else None


def renew(shard: int, epoch: int, *, books_us: int, **signs: int) -> bool:
    """Renew the lease; False when another engine owns the shard now.

    `books_us` is the latest time in its books; `signs` are columns of the lease.
    """
    ahead_us, at_us = compute_ahead_us(), database_now_us()
    if is_wrong(ahead_us):
        log.error("clock_wrong", shard=shard, ahead_seconds=ahead_us / 1_000_000)
    return bool(
        Lease.objects.filter(shard=shard, epoch=epoch).update(
            renewed_at_us=at_us,
            clock_ahead_us=ahead_us,
            books_ahead_us=max(0, books_us - at_us),
            **signs,
        )
    )


def note_loaded(shard: int, epoch: int) -> None:
    """Record that the owner has loaded its books and can answer."""
    now = database_now_us()
    Lease.objects.filter(shard=shard, epoch=epoch).update(loaded_at_us=now, renewed_at_us=now)


def release(shard: int, epoch: int) -> None:
    """Release the lease, so that the next engine starts at once."""
    Lease.objects.filter(shard=shard, epoch=epoch).update(renewed_at_us=0)


def _is_free(lease: Lease, owner: str) -> bool:
    if not bulk.is_postgresql() or lease.owner == owner:
        return True
    if lease.renewed_at_us < database_now_us() - LEASE_SECONDS * 1_000_000:
        return True
    return not has_session(lease)


def has_session(lease: Lease) -> bool:
    """Return whether the owner's database session exists; a killed engine's ends at once."""
    if not bulk.is_postgresql():
        return True
    alive = _execute(
        "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND backend_type = 'client backend'",
        (lease.backend_pid,),
    )
    return alive.fetchone() is not None


def _backend_pid() -> int | None:
    return connection.connection.info.backend_pid if bulk.is_postgresql() else None


def _end_session(backend_pid: int | None) -> None:
    """Terminate the database session of a former owner frozen inside a transaction."""
    _execute("SELECT pg_terminate_backend(%s)", (backend_pid,))


def _execute(statement: str, values: tuple[Any, ...] = ()) -> Any:
    cursor = bulk.open_cursor()
    cursor.execute(statement, values)
    return cursor
