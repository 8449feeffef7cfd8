"""PostgreSQL goes and comes back under load: web and engine come back by themselves."""

import signal
import time
from pathlib import Path

import pytest

from tests.databases import PostgresDatabases
from tests.faults.conftest import BACK_SECONDS_MAX, Setter
from tests.servers import PostgresServer

pytestmark = [pytest.mark.alone, pytest.mark.timeout(300)]

OUTAGES = pytest.mark.parametrize("seconds", [4.0, pytest.param(20.0, marks=pytest.mark.soak)])

SESSIONS_ENDED = 3


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
    stage.verify()
    print(
        f"{found.acknowledged} acknowledged, none lost or doubled: {dict(load.counts)};"
        f" back after {', '.join(f'{seconds:.2f}' for seconds in recoveries)} s"
    )
    assert max(recoveries) <= BACK_SECONDS_MAX, recoveries
