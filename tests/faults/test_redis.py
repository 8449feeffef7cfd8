"""Redis holds hints only: flushed or restarted under load, no order is lost and trading goes on."""

import asyncio
import os
import signal
import time

import httpx
import pytest
import redis

from tests.faults.conftest import BACK_SECONDS_MAX, Setter, Stage
from tests.faults.follow import follow
from tests.servers import RedisServer

pytestmark = [pytest.mark.alone, pytest.mark.timeout(300)]

FLUSHES = 3
CHARTED = 8
QUICK_SECONDS = 4
"""On a machine that is busy with 60 requests at once; none waits for Redis more than a second."""


async def test_redis_is_flushed_and_restarted_under_load(
    set_stage: Setter, redis_server: RedisServer
):
    stage = set_stage("postgres", redis_url=redis_server.url, roles=("web", "engine"))
    recoveries, resyncs = [], []
    async with stage.load(seed=4) as load, follow(stage) as follower:
        for _ in range(FLUSHES):
            await load.run(0.2)
            redis.Redis.from_url(redis_server.url).flushall()
            recoveries.append(await load.recover(time.monotonic()))
            resyncs.append(await follower.catch_up())
        for restarted in ((), ("web", "engine")):
            redis_server.kill()
            for role in restarted:  # what starts while Redis is away waits for it
                stage.exchange.kill(role)
                stage.exchange.start_role(role)
            refused = load.counts["503"]
            while restarted and load.counts["503"] == refused:
                await load.run(0.1)
            redis_server.start()
            back_at = time.monotonic()
            recoveries.append(await load.recover(back_at))
            await follower.catch_up()
            resyncs.append(time.monotonic() - back_at)
            found = await stage.check(load)
            await follower.check()
            load.resume()
    stage.verify()
    print(
        f"{found.acknowledged} acknowledged, none lost or doubled: {dict(load.counts)};"
        f" back after {max(recoveries):.2f} s, feed in step after {max(resyncs):.2f} s at most"
    )
    assert max(recoveries) <= BACK_SECONDS_MAX, recoveries
    assert max(resyncs) <= BACK_SECONDS_MAX, resyncs


async def test_charts_and_pages_are_quick_while_redis_is_frozen_or_away(
    set_stage: Setter, redis_server: RedisServer
):
    stage = set_stage(
        "postgres",
        redis_url=redis_server.url,
        roles=("web", "engine"),
        wishes={"markets": CHARTED},
        environment={"DATABASE_POOL_MAX": "4"},
    )
    assert redis_server.child is not None
    os.kill(redis_server.child.pid, signal.SIGSTOP)
    await see_charts_and_pages(stage)
    os.kill(redis_server.child.pid, signal.SIGCONT)
    redis_server.kill()
    await see_charts_and_pages(stage)
    redis_server.start()
    stage.exchange.wait_ready()
    await see_charts_and_pages(stage)


async def see_charts_and_pages(stage: Stage) -> None:
    """Open many charts at once, more than there are database connections, and other pages."""
    markets, [trader, *_] = stage.world.markets, stage.world.traders
    paths = [f"/markets/{market.slug}/history/?range={name}" for market in markets
             for name in ("1H", "6H", "1D", "1W", "ALL")]  # fmt: skip
    paths += ["/", f"/markets/{markets[0].slug}/", f"/api/v1/markets/{markets[0].slug}/candles",
              "/api/v1/orders", "/api/v1/account", "/leaderboard/"]  # fmt: skip
    headers = {"X-API-Key": trader.key}
    async with httpx.AsyncClient(base_url=stage.exchange.base_url, timeout=30) as client:
        began = time.monotonic()
        answers = await asyncio.gather(
            *(client.get(path, headers=headers if "api" in path else {}) for path in paths),
            client.post("/api/v1/auth/login", json={"email": "x@example.com", "password": "x"}),
        )
        took = time.monotonic() - began
    counts = [(answer.url.path, answer.status_code) for answer in answers]
    assert {status for _, status in counts[:-1]} == {200}, counts
    assert answers[-1].status_code == 401
    print(f"{len(counts)} answers in {took:.2f} s")
    assert took < QUICK_SECONDS
