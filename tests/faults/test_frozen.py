"""Processes that are frozen (SIGSTOP) and woken, and what they had locked.

Of two engines on one shard there is never a second writer: what is frozen outside a transaction
finds its lease gone when it wakes; what is frozen inside one still holds the lease's lock, so its
successor ends its database session first. A web process that is frozen with an account locked
blocks only that account, and only until the database ends its session.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from tests.databases import PostgresDatabases
from tests.faults.conftest import BACK_SECONDS_MAX, Setter, Stage
from tests.faults.test_beat import log_in
from tests.faults.test_kills import find_owner
from tests.faults.wire import Connection, Reply
from tests.servers import find_free_port, freeze, thaw

pytestmark = pytest.mark.timeout(300)

ROLES = ("web", "engine", "engine:0")
WAIT_SECONDS = 10
OTHERS_SECONDS_MAX = 2.5
RETRY_SECONDS = 0.25
WITHDRAWAL = {"amount": "1"}
WAITERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
    AND query LIKE '%accounts_auditevent%'"""
LEFT_INSIDE = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND state = 'idle in transaction'
    AND query LIKE '%accounts_auditevent%'"""
SETTLED_SECONDS = 0.05
"""What a process sent before it was stopped has reached the database by then."""
BETWEEN, INSIDE, LOCKED = "between transactions", "inside a transaction", "waits for a lock"


@pytest.mark.paired
async def test_an_engine_frozen_between_transactions_writes_nothing_when_it_wakes(
    set_stage: Setter,
):
    stage = set_stage("postgres", roles=ROLES)
    await outlive(stage, freeze_between_transactions)


@pytest.mark.paired
async def test_an_engine_frozen_inside_a_transaction_commits_nothing_when_it_wakes(
    set_stage: Setter,
):
    stage = set_stage("postgres", roles=ROLES)
    await outlive(stage, freeze_inside_a_transaction)


@pytest.mark.alone
async def test_a_web_process_frozen_inside_a_withdrawal_stops_only_the_account_it_has_locked(
    set_stage: Setter, postgres_databases: PostgresDatabases
):
    port = find_free_port()
    stage = set_stage(
        "postgres",
        roles=("web", f"web:{port}", "engine"),
        databases=HastyDatabases(postgres_databases),
    )
    operator, own = await log_in(stage), Connection(port)
    own.headers = operator.headers
    other = Connection(port, headers={"X-API-Key": stage.world.traders[0].key})
    await until_up(other)
    async with freeze_inside_a_withdrawal(stage, operator) as withdrawing:
        asked = asyncio.create_task(buy(stage, own))
        began_at = time.monotonic()
        replies = [await buy(stage, other) for _ in range(3)]
        waited = time.monotonic() - began_at
        refused = await asked
        assert (refused.status, refused.json()["code"]) == (503, "account_busy"), refused
        assert int(refused.headers["retry-after"]) >= 1
        assert {reply.status for reply in replies} == {201}
        assert waited < OTHERS_SECONDS_MAX
        while (reply := await buy(stage, own)).status == 503:
            assert time.monotonic() - began_at < WAIT_SECONDS, reply
            assert (await buy(stage, other)).status == 201
            await asyncio.sleep(RETRY_SECONDS)  # neither account may order without end
        assert reply.status == 201, reply
    # Woken, it finds its session gone: nothing was set aside, and it works on.
    reply = await withdrawing
    assert (reply.status, reply.json()["code"]) == (503, "unavailable"), reply
    again = await operator.request("POST", "withdrawals", WITHDRAWAL)
    assert again.status == 201, again
    print(f"3 orders of another account took {waited:.2f} s")


class HastyDatabases:
    """Databases whose sessions may be idle inside a transaction for 5 seconds only."""

    def __init__(self, databases: PostgresDatabases) -> None:
        self.databases = databases

    def make(self, folder: Path) -> str:
        options = quote("-c idle_in_transaction_session_timeout=5s")
        return f"{self.databases.make(folder)}?options={options}"


async def buy(stage: Stage, connection: Connection) -> Reply:
    market = stage.world.markets[0].slug
    order = {"market": market, "side": "buy", "price": "0.50", "quantity": "1"}
    return await connection.request("POST", "orders", order)


async def until_up(connection: Connection) -> None:
    for _ in range(WAIT_SECONDS * 10):
        with contextlib.suppress(OSError):
            if (await connection.request("GET", "/ready")).status == 200:
                return
        await asyncio.sleep(0.1)
    raise AssertionError("the second web process does not start")


@contextlib.asynccontextmanager
async def freeze_inside_a_withdrawal(
    stage: Stage, operator: Connection
) -> AsyncIterator[asyncio.Task[Reply]]:
    """Hold the audit log until the withdrawal waits for it, which has locked the account."""
    lock = "LOCK TABLE accounts_auditevent IN EXCLUSIVE MODE"
    async with await psycopg.AsyncConnection.connect(stage.database.url) as holder:
        await holder.execute(lock)
        withdrawing = asyncio.create_task(operator.request("POST", "withdrawals", WITHDRAWAL))
        await asyncio.sleep(0)
        await until(lambda: stage.database.value(WAITERS) == 1)
        pid = stage.exchange.pid("web")
        freeze(pid)
    with thaw_at_the_end(pid):
        await until(lambda: stage.database.value(LEFT_INSIDE) == 1)
        yield withdrawing


async def outlive(
    stage: Stage, freeze_in: Callable[[Stage], contextlib.AbstractAsyncContextManager[None]]
):
    """Freeze the owner under load, let the other take over, wake it, then need it again."""
    frozen, before = find_owner(stage), read_epoch(stage)
    async with stage.load(seed=3) as load:
        await load.run(0.5)
        async with freeze_in(stage):
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
    print(
        f"{found.acknowledged} acknowledged, none lost or doubled; back {recovery:.2f} s after"
        f" the freeze, {second_recovery:.2f} s after the kill"
    )
    assert max(recovery, second_recovery) <= BACK_SECONDS_MAX


@contextlib.asynccontextmanager
async def freeze_between_transactions(stage: Stage) -> AsyncIterator[None]:
    pid, backend = stage.exchange.pid(find_owner(stage)), read_backend(stage)
    give_up_at = time.monotonic() + WAIT_SECONDS
    freeze(pid)
    await asyncio.sleep(SETTLED_SECONDS)
    while read_state(stage, backend) != BETWEEN:
        assert time.monotonic() < give_up_at, "the engine was inside a transaction each time"
        thaw(pid)
        await asyncio.sleep(SETTLED_SECONDS)
        freeze(pid)
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
        freeze(pid)
    with thaw_at_the_end(pid):
        await until(lambda: read_state(stage, backend) == INSIDE)
        yield


@contextlib.contextmanager
def thaw_at_the_end(pid: int) -> Iterator[None]:
    try:
        yield
    finally:
        thaw(pid)


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
