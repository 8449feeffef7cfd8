"""Redis holds hints only: flushed or restarted under load, no order is lost and trading goes on."""

import time

import pytest
import redis

from tests.faults.conftest import BACK_SECONDS_MAX, Setter
from tests.faults.follow import follow
from tests.servers import RedisServer

pytestmark = [pytest.mark.alone, pytest.mark.timeout(300)]

FLUSHES = 3


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
