"""Many at once: on one balance, under one client order id, on two shards by the same people."""

import asyncio
from typing import Any

import pytest

from tests.faults.conftest import Setter, Stage
from tests.faults.seed import CREDITS_EACH
from tests.faults.wire import Connection, Reply

pytestmark = [pytest.mark.paired, pytest.mark.timeout(600)]

PARALLEL = 64
KINDS = ("postgres", "sqlite")
ROUNDS = [
    *((kind, 25) for kind in KINDS),
    *(pytest.param(kind, 500, marks=pytest.mark.soak) for kind in KINDS),
]
AFFORDABLE = 40
RETRIES = 32
RETRY_ROUNDS = 5
SHARED_BY = 20
SHARD_SECONDS = [3, pytest.param(60, marks=pytest.mark.soak)]


@pytest.mark.parametrize(("database_kind", "rounds"), ROUNDS)
async def test_64_parallel_orders_on_one_balance_never_overdraw_it(
    set_stage: Setter, database_kind: str, rounds: int
):
    stage = set_stage(database_kind, wishes={"traders": 1}, roles=find_roles(database_kind))
    contracts = str(2 * CREDITS_EACH // AFFORDABLE)
    order = {**buy(stage), "price": "0.50", "quantity": contracts}
    connections = connect(stage, PARALLEL)
    for number in range(rounds):
        replies = await ask_all(connections, "POST", "orders", order)
        codes = sorted(reply.json().get("code", "accepted") for reply in replies)
        expected = ["accepted"] * AFFORDABLE + ["insufficient_funds"] * (PARALLEL - AFFORDABLE)
        assert codes == expected, f"round {number}"
        assert read_available(stage) == 0, f"round {number}"
        cancelled = await connections[0].request("DELETE", "orders")
        assert cancelled.json()["count"] == AFFORDABLE, f"round {number}"


async def test_32_concurrent_retries_of_one_client_order_id_make_one_order(
    set_stage: Setter, database_kind: str
):
    stage = set_stage(database_kind, wishes={"traders": 1}, roles=find_roles(database_kind))
    connections = connect(stage, RETRIES)
    for number in range(RETRY_ROUNDS):
        order = {**buy(stage), "client_order_id": f"once-{number}"}
        replies = await ask_all(connections, "POST", "orders", order)
        assert {reply.status for reply in replies} == {201}
        assert len({reply.body for reply in replies}) == 1
        assert sum("idempotent-replayed" in reply.headers for reply in replies) == RETRIES - 1
        other = await connections[0].request("POST", "orders", {**order, "quantity": "2"})
        assert (other.status, other.json()["code"]) == (409, "client_order_id_reused")
    assert stage.database.value("SELECT count(*) FROM trading_order") == RETRY_ROUNDS


@pytest.mark.parametrize("seconds", SHARD_SECONDS)
async def test_two_shards_serve_the_same_20_users_without_a_deadlock_or_a_lost_update(
    set_stage: Setter, seconds: int
):
    stage = set_stage(
        "postgres",
        wishes={"traders": SHARED_BY, "markets": 4},
        roles=("web", "engine:0", "engine:1"),
        environment={"ENGINE_SHARDS": "2"},
    )
    assert {market.shard for market in stage.world.markets} == {0, 1}
    async with stage.load(seed=6, sessions_each=2) as load:
        await load.run(seconds)
        found = await stage.check(load)
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert stage.database.value(deadlocks) == 0
    for role in stage.exchange.roles:
        assert "deadlock" not in stage.exchange.log(role)
    print(f"{found.acknowledged} acknowledged in {seconds} s: {dict(load.counts)}")


def find_roles(database_kind: str) -> tuple[str, ...]:
    return ("web",) if database_kind == "sqlite" else ("web", "engine")


def buy(stage: Stage) -> dict[str, Any]:
    market = stage.world.markets[0].slug
    return {"market": market, "side": "buy", "price": "0.50", "quantity": "1"}


def connect(stage: Stage, count: int) -> list[Connection]:
    headers = {"X-API-Key": stage.world.traders[0].key}
    return [Connection(stage.exchange.port, headers=headers) for _ in range(count)]


async def ask_all(connections: list[Connection], *request: Any) -> list[Reply]:
    return await asyncio.gather(*(connection.request(*request) for connection in connections))


def read_available(stage: Stage) -> int:
    return stage.database.value(
        "SELECT cash_micros - held_micros - withdrawing_micros FROM accounts_account WHERE id = ?",
        stage.world.traders[0].account_id,
    )
