"""The real program on real, durable servers, for the duration of a measurement.

`open_stage("postgres")` starts its own PostgreSQL and Redis and migrates a database there;
`open_stage("sqlite")` is the embedded exchange. Nothing is served before `start`. Everything
started is stopped at the end, and killed by the kernel should this process die.
"""

import contextlib
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

import psycopg
from psycopg import sql

from tests.databases import PostgresDatabases, SqliteDatabases
from tests.exchange import ROOT, Exchange
from tests.servers import PostgresServer, RedisServer

Kind = Literal["postgres", "sqlite"]

CALL_SECONDS: Final = 900
COMMITS: Final = 101
FILES_MAX: Final = 8_192
"""A thousand sockets need as many open files, here and in the server, which inherits the limit."""
DURABLE_SETTINGS: Final = ("fsync", "synchronous_commit", "full_page_writes")


class Stage:
    """An exchange that can be started, with its servers.

    `postgres` and `redis` are None embedded.
    """

    def __init__(
        self, exchange: Exchange, postgres: PostgresServer | None, redis: RedisServer | None
    ) -> None:
        self.exchange = exchange
        self.postgres = postgres
        self.redis = redis

    @property
    def database_url(self) -> str:
        return self.exchange.environment["DATABASE_URL"]

    def call(self, function: str, **arguments: Any) -> Any:
        """Call `module:function` of this package in a process with the exchange's settings."""
        done = subprocess.run(
            [sys.executable, "-m", "bench.call", function],
            env=self.exchange.environment,
            input=json.dumps(arguments),
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            timeout=CALL_SECONDS,
            check=True,
        )
        return json.loads(done.stdout)

    def read_number(self, statement: str) -> int:
        """Return the single number of a query on PostgreSQL."""
        with psycopg.connect(self.database_url) as connection:
            row = connection.execute(statement.encode()).fetchone()
        assert row is not None
        return int(row[0])

    def execute(self, *statements: str) -> None:
        """Execute statements on PostgreSQL, each committed by itself."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def describe_durability(self) -> str:
        """Return the durability settings, as reported by the database."""
        if self.postgres is None:
            return str(self.call("bench.seed:describe_sqlite"))
        with psycopg.connect(self.database_url) as connection:
            values = {
                name: connection.execute(f"SHOW {name}".encode()).fetchone()
                for name in DURABLE_SETTINGS
            }
            version = connection.info.server_version // 10_000
        shown = ", ".join(f"{name} {value[0]}" for name, value in values.items() if value)
        return f"PostgreSQL {version}: {shown}; Redis holds nothing that must last"

    def measure_commit_ms(self) -> float | None:
        """Return the median time to commit one row on this disk; None embedded."""
        if self.postgres is None:
            return None
        milliseconds = []
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute("CREATE TABLE bench_commit (number int)")
            for number in range(COMMITS):
                started = time.perf_counter()
                connection.execute("INSERT INTO bench_commit VALUES (%s)", (number,))
                milliseconds.append(1_000 * (time.perf_counter() - started))
            connection.execute("DROP TABLE bench_commit")
        return round(statistics.median(milliseconds), 2)

    def find_processes(self) -> dict[str, int]:
        """Return the working processes by role; PostgreSQL's is the parent of its sessions."""
        found = {name: child.pid for name, child in self.exchange.children.items()}
        for name, server in (("postgres", self.postgres), ("redis", self.redis)):
            if server is not None and server.child is not None:
                found[name] = server.child.pid
        return found

    @contextlib.contextmanager
    def running(self) -> Iterator[Exchange]:
        """Run the exchange's roles inside the block."""
        try:
            yield self.exchange.start()
        finally:
            self.exchange.stop()


@contextlib.contextmanager
def open_stage(
    kind: Kind = "postgres", exchange_class: type[Exchange] = Exchange
) -> Iterator[Stage]:
    """Create a stage with a migrated database; stop and remove all of it after the block."""
    raise_file_limit()
    folder = Path(tempfile.mkdtemp(prefix="predex-bench-"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres = redis = None
        if kind == "postgres":
            postgres, redis = PostgresServer(is_durable=True), RedisServer()
            stack.callback(postgres.stop)
            stack.callback(redis.stop)
            database_url = PostgresDatabases(postgres.url, folder, prefix="bench").make(folder)
        else:
            database_url = SqliteDatabases(folder).make(folder)
        exchange = exchange_class(
            folder,
            database_url=database_url,
            redis_url=redis.url if redis else "",
            roles=("engine", "web") if redis else ("web",),
        )
        stack.callback(exchange.stop)
        yield Stage(exchange, postgres, redis)


@contextlib.contextmanager
def cloned(stage: Stage, number: int) -> Iterator[Stage]:
    """Yield a copy of the stage's database, which must have no connections."""
    assert stage.postgres is not None
    name = f"bench_clone_{number}"
    template = stage.database_url.rpartition("/")[2]
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
    with psycopg.connect(stage.postgres.url, autocommit=True) as connection:
        connection.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
        connection.execute("CHECKPOINT")
    url = stage.database_url.rpartition("/")[0] + "/" + name
    exchange = Exchange(
        stage.exchange.folder,
        database_url=url,
        redis_url=stage.redis.url if stage.redis else "",
        roles=stage.exchange.roles,
    )
    try:
        yield Stage(exchange, stage.postgres, stage.redis)
    finally:
        exchange.stop()
        drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
        with psycopg.connect(stage.postgres.url, autocommit=True) as connection:
            connection.execute(drop)


def raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if hard == resource.RLIM_INFINITY else min(FILES_MAX, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
