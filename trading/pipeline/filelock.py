"""One engine per SQLite database, enforced by an OS lock on a file next to it.

The kernel releases the lock with the process, however it dies, so there are no stale locks.
PostgreSQL uses leases with epochs instead.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import connection


class EngineAlreadyRunningError(Exception):
    """Another process runs the engine on this database; the message is for people."""


def get_lock_path() -> Path | None:
    """Return the configured database's lock file; None when it is not an SQLite file.

    Symbolic links are resolved, so that every path to the database has the same lock.
    """
    name = str(settings.DATABASES["default"]["NAME"])
    if connection.vendor != "sqlite" or ":memory:" in name or "mode=memory" in name:
        return None
    return Path(f"{Path(name).resolve()}.engine.lock")


@contextmanager
def engine_file_lock(path: Path | None = None) -> Iterator[None]:
    """Hold the engine's lock while the block runs; raise EngineAlreadyRunningError when taken."""
    path = path or get_lock_path()
    if path is None:
        yield
        return
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(handle, path)
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(handle)


def _lock(handle: int, path: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(handle, 32).decode().strip() or "unknown"
        database = path.name.removesuffix(".engine.lock")
        raise EngineAlreadyRunningError(
            f"another server (process {owner}) runs the engine on {database}; "
            "stop it first, or use PostgreSQL and Redis for more than one."
        ) from None
