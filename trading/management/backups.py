"""Copies of the whole database in one file: made while the exchange runs, put back while it rests.

A copy is one snapshot: it has everything that was committed, and so acknowledged, before it began,
and nothing in half. SQLite: its online backup. PostgreSQL: pg_dump's custom format, put back in
one transaction. The secrets of the environment are not in it.
"""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from psycopg.conninfo import make_conninfo

from kernel.database_clock import database_now_us
from trading.models import Lease
from trading.pipeline.filelock import EngineAlreadyRunningError, engine_file_lock
from trading.pipeline.lease import LEASE_SECONDS

SSL_OPTIONS: Final = ("sslmode", "sslrootcert", "sslcert", "sslkey")
RESTORE_SESSION: Final = "-c lock_timeout=10s"
"""Whoever still uses a table keeps us from replacing it: that is told, not waited for."""


def find_suffix() -> str:
    return ".dump" if connection.vendor == "postgresql" else ".sqlite3"


def write(path: Path) -> None:
    """Write a checked copy of the database to `path`, which appears when it is complete."""
    partial = path.with_name(f".{path.name}.partial")
    partial.touch(mode=0o600)  # it has everybody's addresses and hashes
    try:
        if connection.vendor == "postgresql":
            _run_postgresql("pg_dump", "--format=custom", "--no-owner", "--no-privileges",
                            f"--file={partial}", f"--dbname={_find_target()}")  # fmt: skip
        else:
            with closing(sqlite3.connect(partial)) as copy:
                connection.ensure_connection()
                connection.connection.backup(copy)  # all pages at once: writers go on meanwhile
                copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        check(partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.rename(path)
    except sqlite3.Error as fault:
        raise CommandError(f"{path} could not be written: {fault}.") from None
    finally:
        partial.unlink(missing_ok=True)


def check(path: Path) -> None:
    """Raise CommandError unless the file is a complete copy for a database of this kind."""
    if connection.vendor == "postgresql":
        _run_postgresql("pg_restore", "--list", str(path))
        return
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as copy:
            [(found,)] = copy.execute("PRAGMA quick_check(1)").fetchall()
            copy.execute("SELECT 1 FROM django_migrations LIMIT 1")
    except sqlite3.DatabaseError as fault:
        found = str(fault)
    if found != "ok":
        raise CommandError(f"{path} is not a complete backup of an SQLite database ({found}).")


def is_empty() -> bool:
    """Return whether the database has no tables."""
    return not connection.introspection.table_names()


def put_back(path: Path) -> None:
    """Replace the database's contents by the copy's: all of it, or nothing on a failure."""
    if connection.vendor == "postgresql":
        connection.close()
        _run_postgresql("pg_restore", "--clean", "--if-exists", "--single-transaction",
                        "--exit-on-error", "--no-owner", "--no-privileges",
                        f"--dbname={_find_target()}", str(path))  # fmt: skip
        return
    database = Path(str(connection.settings_dict["NAME"])).resolve()
    connection.close()
    partial = database.with_name(f".{database.name}.partial")
    try:
        shutil.copyfile(path, partial)
        partial.chmod(0o600)
        for ending in ("-wal", "-shm"):  # of what is replaced: they would be applied to the copy
            database.with_name(database.name + ending).unlink(missing_ok=True)
        partial.rename(database)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def without_engine() -> Iterator[None]:
    """Keep an engine of SQLite out; raise CommandError while one runs on either database."""
    if connection.vendor == "postgresql":
        _check_no_lease()
        yield
        return
    try:
        with engine_file_lock():
            yield
    except EngineAlreadyRunningError as fault:
        raise CommandError(str(fault)) from None


def _check_no_lease() -> None:
    if Lease._meta.db_table not in connection.introspection.table_names():
        return
    alive_since_us = database_now_us() - LEASE_SECONDS * 1_000_000
    lease = Lease.objects.filter(renewed_at_us__gte=alive_since_us).first()
    if lease is not None:
        raise CommandError(
            f"an engine runs on this database ({lease.owner}): stop every process of the exchange"
            " first."
        )


def find_unknown_migrations() -> list[str]:
    """Return the database's migrations that this version doesn't have: a newer one made it."""
    loader = MigrationLoader(connection)
    apps = {app for app, _ in loader.disk_migrations}
    unknown = loader.applied_migrations.keys() - loader.disk_migrations.keys()
    replaced = {old for one in loader.disk_migrations.values() for old in one.replaces}
    return sorted(f"{app}.{name}" for app, name in unknown - replaced if app in apps)


def _find_target() -> str:
    """Return libpq's description of the database, without the password."""
    settings: Mapping[str, Any] = connection.settings_dict
    options = {name: settings["OPTIONS"].get(name) for name in SSL_OPTIONS}
    return make_conninfo(
        dbname=settings["NAME"],
        host=settings["HOST"] or None,
        port=settings["PORT"] or None,
        user=settings["USER"] or None,
        **options,
    )


def _run_postgresql(program: str, *arguments: str) -> None:
    environment = {**os.environ, "PGOPTIONS": RESTORE_SESSION}
    if password := connection.settings_dict["PASSWORD"]:
        environment["PGPASSWORD"] = password
    try:
        done = subprocess.run(  # noqa: S603 - a program of PostgreSQL, without a shell
            [program, *arguments], env=environment, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise CommandError(
            f"there is no {program}: install PostgreSQL's client of the server's version."
        ) from None
    if done.returncode != 0:
        raise CommandError(f"{program} failed: {done.stderr.strip()}")
