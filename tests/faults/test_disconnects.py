"""The process that serves a socket is killed: its account's orders are cancelled all the same."""

import asyncio
import json
import time

import pytest
from websockets.asyncio.client import connect

from tests.faults.conftest import Setter, Stage
from tests.faults.wire import Connection
from trading.pipeline.cancel_timers import SOCKET_SECONDS

pytestmark = pytest.mark.timeout(120)

LIVE = "SELECT count(*) FROM trading_order WHERE account_id = ? AND status IN (0, 1, 6)"
TASK_SECONDS_MAX = 5.0


async def test_orders_end_when_the_process_of_their_socket_is_killed(
    set_stage: Setter, database_kind: str
):
    roles = ("web",) if database_kind == "sqlite" else ("web", "engine", "tasks")
    stage = set_stage(database_kind, wishes={"traders": 2}, roles=roles)
    careful, careless = stage.world.traders
    for trader in (careful, careless):
        await place(stage, trader.key)
    headers = {"X-API-Key": careful.key}
    async with connect(stage.exchange.ws_url, additional_headers=headers) as socket:
        await socket.send(json.dumps({"op": "cancel_on_disconnect"}))
        assert json.loads(await socket.recv())["type"] == "cancel_on_disconnect"
        await asyncio.sleep(1.5)
        killed_at = time.monotonic()
        stage.exchange.kill("web")
    assert stage.database.value(LIVE, careful.account_id) == 1
    stage.exchange.start_role("web")
    async with asyncio.timeout(SOCKET_SECONDS + TASK_SECONDS_MAX):
        while True:
            if not stage.database.value(LIVE, careful.account_id):
                break
            await asyncio.sleep(0.1)
    assert time.monotonic() - killed_at > SOCKET_SECONDS - 3  # it was renewed every 2 seconds
    assert stage.database.value(LIVE, careless.account_id) == 1


async def place(stage: Stage, key: str) -> None:
    order = {"market": stage.world.markets[0].slug, "side": "buy", "price": "0.10", "quantity": "1"}
    connection = Connection(stage.exchange.port, headers={"X-API-Key": key})
    assert (await connection.request("POST", "orders", order)).status == 201
    connection.close()
