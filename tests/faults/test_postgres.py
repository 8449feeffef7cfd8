"""PostgreSQL goes and comes back under load: web and engine come back by themselves."""

import asyncio
import itertools
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from psycopg_pool import ConnectionPool

from predex.stores import configure_database
from tests.databases import PostgresDatabases
from tests.faults.conftest import BACK_SECONDS_MAX, Setter, Stage
from tests.faults.seed import Market
from tests.faults.wire import Connection, Reply
from tests.servers import PostgresServer

pytestmark = [pytest.mark.paired, pytest.mark.timeout(300)]

OUTAGES = pytest.mark.parametrize("seconds", [4.0, pytest.param(20.0, marks=pytest.mark.soak)])

SESSIONS_ENDED = 3
PAGES_AT_ONCE = 20
END_ALL_SESSIONS = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""


@OUTAGES
async def test_postgres_is_stopped_and_started_under_load(
    set_stage: Setter, postgres_server: PostgresServer, tmp_path: Path, seconds: float
):
    """First the engine's session alone is ended; then the server, in its polite way; then at once,
    so that it recovers from its own log.
    """
    databases = PostgresDatabases(postgres_server.url, tmp_path, prefix="own")
    stage = set_stage("postgres", databases=databases, roles=("web", "engine"))
    recoveries = []
    async with stage.load(seed=5) as load:
        for _ in range(SESSIONS_ENDED):
            await load.run(0.3)
            stage.database.value("SELECT pg_terminate_backend(backend_pid) FROM trading_lease")
            recoveries.append(await load.recover(time.monotonic()))
        for away_seconds, stop in ((0.0, signal.SIGINT), (seconds, signal.SIGQUIT)):
            await load.run(0.5)
            postgres_server.child.stop(with_signal=stop)
            await load.run(away_seconds)
            postgres_server.start()
            recoveries.append(await load.recover(time.monotonic()))
            await load.run(0.5)
            found = await stage.check(load)
            load.resume()
    assert all(child.is_running() for child in stage.exchange.children.values())
    print(
        f"{found.acknowledged} acknowledged, none lost or doubled: {dict(load.counts)};"
        f" back after {', '.join(f'{seconds:.2f}' for seconds in recoveries)} s"
    )
    assert max(recoveries) <= BACK_SECONDS_MAX, recoveries


async def test_a_process_whose_sessions_were_all_ended_works_on_at_once(set_stage: Setter):
    """A failover ends every session at once: pages, and markets that this process never routed to
    before, find new ones.
    """
    stage = set_stage("postgres", roles=("web", "engine", "tasks"), wishes={"markets": 2})
    first, second = stage.world.markets
    web = [open_connection(stage) for _ in range(PAGES_AT_ONCE)]
    assert (await place(web[0], first)).status == 201
    for _ in range(2):  # so that the pool holds several sessions
        assert await view_pages(web, first) == [200] * PAGES_AT_ONCE
    stage.database.value(END_ALL_SESSIONS)
    ended_at = time.monotonic()
    for _ in range(3):
        assert await view_pages(web, second) == [200] * PAGES_AT_ONCE
    while (reply := await place(web[0], second)).status == 503:
        assert time.monotonic() - ended_at < BACK_SECONDS_MAX, reply
        await asyncio.sleep(0.05)
    assert reply.status == 201, reply
    assert all(child.is_running() for child in stage.exchange.children.values())


def test_who_waits_for_a_connection_gets_one_soon_after_the_database_is_back(
    postgres_server: PostgresServer,
):
    """Including callers that began to wait before the pool gave up, without new requests."""
    parsed = {"ENGINE": "django.db.backends.postgresql"}
    options = configure_database(parsed, pool_connections_max=4)["OPTIONS"]["pool"]
    postgres_server.child.stop(with_signal=signal.SIGINT)
    patient = {**options, "timeout": 4 * BACK_SECONDS_MAX}
    with ConnectionPool(postgres_server.url, **patient) as pool, ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(pool.getconn)
        time.sleep(2.5 * options["reconnect_timeout"])
        postgres_server.start()
        back_at = time.monotonic()
        pool.putconn(waiting.result())
        assert time.monotonic() - back_at < BACK_SECONDS_MAX / 2


def open_connection(stage: Stage) -> Connection:
    return Connection(stage.exchange.port, headers={"X-API-Key": stage.world.traders[0].key})


async def place(connection: Connection, market: Market) -> Reply:
    order = {"market": market.slug, "side": "buy", "price": "0.50", "quantity": "1"}
    return await connection.request("POST", "orders", order)


async def view_pages(connections: list[Connection], market: Market) -> list[int]:
    """Look at a market on every connection at once, half of them at its page on the site."""
    paths = itertools.cycle((f"/markets/{market.slug}/", f"markets/{market.slug}"))
    replies = await asyncio.gather(
        *(
            connection.request("GET", path)
            for connection, path in zip(connections, paths, strict=False)
        )
    )
    return [reply.status for reply in replies]
