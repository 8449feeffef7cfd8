"""Two engines on one shard, the owner frozen (SIGSTOP) and woken: there is never a second writer.

What is frozen outside a transaction finds its lease gone when it wakes. What is frozen inside one
still holds the lease's lock, so its successor ends its database session first.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator

import psycopg
import pytest

from tests.faults.conftest import BACK_SECONDS_MAX, Setter, Stage
from tests.faults.test_kills import find_owner

pytestmark = [pytest.mark.alone, pytest.mark.timeout(300)]

ROLES = ("web", "engine", "engine:0")
WAIT_SECONDS = 10
SETTLED_SECONDS = 0.05
"""What a process sent before it was stopped has reached the database by then."""
BETWEEN, INSIDE, LOCKED = "between transactions", "inside a transaction", "waits for a lock"


async def test_an_engine_frozen_between_transactions_writes_nothing_when_it_wakes(
    set_stage: Setter,
):
    stage = set_stage("postgres", roles=ROLES)
    await outlive(stage, freeze_between_transactions)


async def test_an_engine_frozen_inside_a_transaction_commits_nothing_when_it_wakes(
    set_stage: Setter,
):
    stage = set_stage("postgres", roles=ROLES)
    await outlive(stage, freeze_inside_a_transaction)


async def outlive(stage: Stage, freeze: Callable[[Stage], contextlib.AbstractAsyncContextManager]):
    """Freeze the owner under load, let the other take over, wake it, then need it again."""
    frozen, before = find_owner(stage), read_epoch(stage)
    async with stage.load(seed=3) as load:
        await load.run(0.5)
        async with freeze(stage):
            frozen_at = time.monotonic()
            recovery = await load.recover(frozen_at)
            assert find_owner(stage) != frozen
            assert read_epoch(stage) == before + 1
            written = count_rows(stage, before)
            await load.run(0.3)
        await until(lambda: "engine_stops" in stage.exchange.log(frozen))
        await load.run(1.0)
        assert stage.exchange.children[frozen].is_running()
        assert (read_epoch(stage), count_rows(stage, before)) == (before + 1, written)

        stage.exchange.kill(find_owner(stage))
        second_recovery = await load.recover(time.monotonic())
        assert (find_owner(stage), read_epoch(stage)) == (frozen, before + 2)
        found = await stage.check(load)
    stage.verify()
    print(
        f"{found.acknowledged} acknowledged, none lost or doubled; back {recovery:.2f} s after"
        f" the freeze, {second_recovery:.2f} s after the kill"
    )
    assert max(recovery, second_recovery) <= BACK_SECONDS_MAX


@contextlib.asynccontextmanager
async def freeze_between_transactions(stage: Stage) -> AsyncIterator[None]:
    pid, backend = stage.exchange.pid(find_owner(stage)), read_backend(stage)
    give_up_at = time.monotonic() + WAIT_SECONDS
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(SETTLED_SECONDS)
    while read_state(stage, backend) != BETWEEN:
        assert time.monotonic() < give_up_at, "the engine was inside a transaction each time"
        os.kill(pid, signal.SIGCONT)
        await asyncio.sleep(SETTLED_SECONDS)
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(SETTLED_SECONDS)
    with thaw_at_the_end(pid):
        yield


@contextlib.asynccontextmanager
async def freeze_inside_a_transaction(stage: Stage) -> AsyncIterator[None]:
    """Hold an account's row until the engine waits for it, stop the engine, let the row go."""
    pid, backend = stage.exchange.pid(find_owner(stage)), read_backend(stage)
    account_id = stage.world.traders[0].account_id
    lock = "SELECT 1 FROM accounts_account WHERE id = %s FOR UPDATE"
    async with await psycopg.AsyncConnection.connect(stage.database.url) as holder:
        await holder.execute(lock, [account_id])
        await until(lambda: read_state(stage, backend) == LOCKED)
        os.kill(pid, signal.SIGSTOP)
    with thaw_at_the_end(pid):
        await until(lambda: read_state(stage, backend) == INSIDE)
        yield


@contextlib.contextmanager
def thaw_at_the_end(pid: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def read_epoch(stage: Stage) -> int:
    return stage.database.value("SELECT epoch FROM trading_lease WHERE shard = 0")


def read_backend(stage: Stage) -> int:
    return stage.database.value("SELECT backend_pid FROM trading_lease WHERE shard = 0")


def read_state(stage: Stage, backend: int) -> str:
    """Return where a database session is: BETWEEN, INSIDE or LOCKED; else what it is doing."""
    [[state, waits_for, began_at]] = stage.database.rows(
        "SELECT state, wait_event_type, xact_start FROM pg_stat_activity WHERE pid = ?", backend
    )
    if waits_for == "Client":  # for its client's next statement
        return BETWEEN if began_at is None else INSIDE
    return LOCKED if waits_for == "Lock" else state


def count_rows(stage: Stage, epoch: int) -> int:
    """Return how many commits of an epoch there are."""
    return stage.database.value("SELECT count(*) FROM trading_journalrow WHERE epoch = ?", epoch)


async def until(is_so: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < give_up_at, f"waited {WAIT_SECONDS} s in vain"
        await asyncio.sleep(0.005)
