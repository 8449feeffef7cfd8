"""`kill -9` at random moments under load: what was acknowledged is there, once, and goes on."""

import random
import time
from collections.abc import Callable

import pytest

from tests.faults.conftest import BACK_SECONDS_MAX, Setter, Stage
from tests.faults.follow import follow

pytestmark = [pytest.mark.paired, pytest.mark.timeout(1_200)]

VERIFY_EVERY = 5
"""Kills after which the journals are replayed too, from their beginning."""
SOAK = pytest.mark.soak
KILLS = pytest.mark.parametrize("kills", [2, pytest.param(50, marks=SOAK)])
FEW_KILLS = pytest.mark.parametrize("kills", [1, pytest.param(20, marks=SOAK)])


@KILLS
async def test_the_one_process_is_killed_and_started_again(set_stage: Setter, kills: int):
    stage = set_stage("sqlite")
    await survive(stage, kills, lambda: restart(stage, "web"))


@KILLS
async def test_the_only_engine_is_killed_and_started_again(set_stage: Setter, kills: int):
    stage = set_stage("postgres", roles=("web", "engine"))
    await survive(stage, kills, lambda: restart(stage, "engine"))


@KILLS
async def test_a_standby_takes_over_from_a_killed_engine(set_stage: Setter, kills: int):
    stage = set_stage("postgres", roles=("web", "engine", "engine:0"))
    await survive(stage, kills, lambda: kill_owner(stage), then=lambda: start_all(stage))


@FEW_KILLS
async def test_a_web_process_is_killed_and_started_again(set_stage: Setter, kills: int):
    stage = set_stage("postgres", roles=("web", "engine"))
    await survive(stage, kills, lambda: restart(stage, "web"))


def restart(stage: Stage, role: str) -> float:
    """Kill a role and start it; the clock runs from the start."""
    stage.exchange.kill(role)
    stage.exchange.start_role(role)
    return time.monotonic()


def kill_owner(stage: Stage) -> float:
    """Kill the engine that owns shard 0; the clock runs from the kill."""
    stage.exchange.kill(find_owner(stage))
    return time.monotonic()


def find_owner(stage: Stage) -> str:
    owner = stage.database.value("SELECT owner FROM trading_lease WHERE shard = 0")
    pids = {str(stage.exchange.pid(role)): role for role in stage.exchange.roles}
    return pids[owner.split("/")[1]]


def start_all(stage: Stage) -> None:
    for role in stage.exchange.roles:
        stage.exchange.start_role(role)


async def survive(
    stage: Stage, kills: int, kill: Callable[[], float], *, then: Callable[[], None] = lambda: None
) -> None:
    """Kill so many times under load; after each, all of what the exchange promises must hold.

    `kill` returns the moment (monotonic) from which trading has BACK_SECONDS_MAX to be back.
    """
    moments = random.Random(kills)
    recoveries: list[float] = []
    async with stage.load(seed=kills) as load, follow(stage) as follower:
        for number in range(1, kills + 1):
            await load.run(moments.uniform(0.3, 1.0))
            recoveries.append(await load.recover(kill()))
            then()
            await load.run(0.2)
            found = await stage.check(load)
            await follower.check()
            if number % VERIFY_EVERY == 0:
                stage.verify()
            load.resume()
        print(
            f"{kills} kills: {found.acknowledged} acknowledged, {len(found.lost)} lost,"
            f" {len(found.duplicated)} duplicated, {dict(load.counts)};"
            f" back after {max(recoveries):.2f} s at most"
        )
    shown = [round(seconds, 2) for seconds in recoveries]
    assert max(recoveries) <= BACK_SECONDS_MAX, f"back after {shown} s"
