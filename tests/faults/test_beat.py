"""Celery's worker with beat killed at any moment: what falls due happens all the same, once."""

import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.faults.conftest import BACK_SECONDS_MAX, Setter, Stage
from tests.faults.load import Load
from tests.faults.seed import PASSWORD, Market
from tests.faults.wire import Connection
from tests.servers import RedisServer

pytestmark = [pytest.mark.paired, pytest.mark.timeout(600)]

KILLS = pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.soak)])
MARKETS = 8
FIRST_DUE_SECONDS = 2.0
EACH_SECONDS = 0.5
DONE_SECONDS_MAX = 30


@KILLS
async def test_what_falls_due_while_beat_is_killed_happens_once(
    set_stage: Setter, redis_server: RedisServer, kills: int
):
    """Also when Redis, which carries its triggers, has been away."""
    stage = set_stage("postgres", wishes={"markets": 1 + MARKETS}, redis_url=redis_server.url)
    moments = random.Random(kills)
    operator = await log_in(stage)
    due = stage.world.markets[1:]
    async with stage.load(seed=kills) as load:
        for number, market in enumerate(due):
            await close_in(operator, market, FIRST_DUE_SECONDS + number * EACH_SECONDS)
        for _ in range(kills):
            await load.run(moments.uniform(0.3, 1.5))
            stage.exchange.kill("tasks")
            assert await load.recover(time.monotonic()) < BACK_SECONDS_MAX
            stage.exchange.start_role("tasks")
        redis_server.kill()
        redis_server.start()
        await until_all(stage, due, "closed", load)
        for market in due:
            await resolve(operator, market)
        stage.exchange.kill("tasks")
        stage.exchange.start_role("tasks")
        await until_all(stage, due, "settled", load)
        found = await stage.check(load)
    assert count_changes(stage, "closed") == count_changes(stage, "settled") == MARKETS
    assert held_in(stage, due) == 0
    print(f"{found.acknowledged} acknowledged, {MARKETS} markets closed and paid once")


async def log_in(stage: Stage) -> Connection:
    """Return a connection of the operator's."""
    operator = Connection(stage.exchange.port)
    credentials = {"email": "olivia@example.com", "password": PASSWORD}
    tokens = await ask(operator, "POST", "auth/login", credentials)
    operator.headers["Authorization"] = f"Bearer {tokens['access']}"
    return operator


async def close_in(operator: Connection, market: Market, seconds: float) -> None:
    close_at = datetime.now(UTC) + timedelta(seconds=seconds)
    body = {"close_at": close_at.isoformat(), "reason": "a test"}
    await ask(operator, "PUT", f"markets/{market.slug}/close-time", body)


async def resolve(operator: Connection, market: Market) -> None:
    body = {"yes": "1", "evidence_text": "it was seen"}
    await ask(operator, "POST", f"markets/{market.slug}/resolve", body)


async def ask(connection: Connection, method: str, path: str, body: Any) -> Any:
    reply = await connection.request(method, path, body)
    assert reply.status < 300, reply
    return reply.json()


async def until_all(stage: Stage, markets: list[Market], status: str, load: Load) -> None:
    give_up_at = time.monotonic() + DONE_SECONDS_MAX
    ids = {market.id for market in markets}
    statement = "SELECT id FROM markets_market WHERE status = ?"
    while not ids <= {row[0] for row in stage.database.rows(statement, status)}:
        assert time.monotonic() < give_up_at, f"not all {status} after {DONE_SECONDS_MAX} s"
        await load.run(0.1)


def count_changes(stage: Stage, status: str) -> int:
    return stage.database.value(
        "SELECT count(*) FROM markets_statuschange WHERE to_status = ?", status
    )


def held_in(stage: Stage, markets: list[Market]) -> int:
    ids = ", ".join(str(market.id) for market in markets)
    return stage.database.value(
        f"SELECT coalesce(sum(held_micros), 0) FROM trading_margin WHERE market_id IN ({ids})"
    )
