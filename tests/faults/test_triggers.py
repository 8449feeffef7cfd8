"""`kill -9` while a thousand orders wait for a price or are being fired: each is fired once."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from tests.faults.conftest import Setter, Stage
from tests.faults.test_races import find_roles
from tests.faults.wire import LOST, Connection
from trading.engine.events import Fired
from trading.pipeline.journal import decode_body

pytestmark = [pytest.mark.paired, pytest.mark.timeout(120)]

WATCHERS, EACH, BATCH = 5, 200, 100
SECONDS_MAX = 20.0
WAITING = "SELECT count(*) FROM trading_order WHERE status = 6"
RESTING = "SELECT count(*) FROM trading_order WHERE status = 0 AND trigger_pips IS NULL"


async def test_a_thousand_untriggered_orders_are_each_fired_once_after_a_kill(
    set_stage: Setter, database_kind: str
):
    """Half of them still wait then; of the others some are fired and some are due, by chance."""
    stage = set_stage(
        database_kind, wishes={"traders": WATCHERS + 2}, roles=find_roles(database_kind)
    )
    await place_stops(stage)
    await trade_at(stage, "0.60")
    await wait_for(lambda: stage.database.value(WAITING) < WATCHERS * EACH, pause_seconds=0.002)
    engine = "web" if database_kind == "sqlite" else "engine"
    stage.exchange.kill(engine)
    left = stage.database.value(WAITING)
    stage.exchange.start_role(engine)
    await trade_at(stage, "0.70")
    await wait_for(lambda: stage.database.value(WAITING) == 0)
    fired = count_fired(stage)
    print(f"{WATCHERS * EACH - left} were fired before the kill, {left} after it")
    assert left >= WATCHERS * EACH // 2
    assert len(fired) == WATCHERS * EACH
    assert set(fired.values()) == {1}
    assert stage.database.value(RESTING) == WATCHERS * EACH


async def place_stops(stage: Stage) -> None:
    """Let a thousand orders wait, half of them for each price."""
    orders = [
        {
            "market": stage.world.markets[0].slug, "side": "buy", "price": "0.20", "quantity": "1",
            "trigger": {"kind": "stop", "price": price},
        }
        for price in ("0.60", "0.70") * (BATCH // 2)
    ]  # fmt: skip
    for trader in stage.world.traders[:WATCHERS]:
        connection = Connection(stage.exchange.port, headers={"X-API-Key": trader.key})
        for _ in range(EACH // BATCH):
            reply = await connection.request("POST", "orders/batch", {"orders": orders})
            assert {item["status"] for item in reply.json()["results"]} == {201}
        connection.close()


async def trade_at(stage: Stage, price: str) -> None:
    """Trade once, as soon as there is an engine."""
    market = stage.world.markets[0].slug
    for trader, side in zip(stage.world.traders[WATCHERS:], ("sell", "buy"), strict=True):
        order = {"market": market, "side": side, "price": price, "quantity": "1",
                 "client_order_id": f"{side} {price}"}  # fmt: skip
        connection = Connection(stage.exchange.port, headers={"X-API-Key": trader.key})
        await wait_for_answer(connection, order)
        connection.close()


async def wait_for_answer(connection: Connection, order: dict[str, str]) -> None:
    async with asyncio.timeout(SECONDS_MAX):
        while True:
            try:
                if (await connection.request("POST", "orders", order)).status == 201:
                    return
            except LOST:
                pass
            await asyncio.sleep(0.05)


async def wait_for(is_so: Callable[[], bool], *, pause_seconds: float = 0.05) -> None:
    async with asyncio.timeout(SECONDS_MAX):
        while True:
            if is_so():
                return
            await asyncio.sleep(pause_seconds)


def count_fired(stage: Stage) -> Counter[str]:
    """Return how often each order was fired, by the journal."""
    bodies = stage.database.rows("SELECT body FROM trading_journalrow ORDER BY id")
    return Counter(
        event.order_id
        for (body,) in bodies
        for entry in decode_body(bytes(body)).entries
        for event in entry.events
        if isinstance(event, Fired)
    )
