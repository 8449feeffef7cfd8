"""A user is suspended whose programs trade without pause: after the answer none of it goes on."""

import asyncio
import itertools
import time
from typing import NamedTuple

import pytest

from tests.faults.conftest import Setter, Stage
from tests.faults.test_beat import ask, log_in
from tests.faults.test_races import connect, find_roles
from tests.faults.wire import Connection

pytestmark = [pytest.mark.alone, pytest.mark.timeout(120)]

MARKETS = 4
CONNECTIONS = 8
SECONDS_BEFORE = 0.5
SECONDS_AFTER = 1.0
OPEN = "SELECT count(*) FROM trading_order WHERE account_id = ? AND status IN (0, 1)"


class Sent(NamedTuple):
    at: float
    status: int
    code: str


async def test_no_order_is_accepted_after_a_suspension_is_answered_and_none_is_left(
    set_stage: Setter, database_kind: str
):
    stage = set_stage(
        database_kind, wishes={"traders": 1, "markets": MARKETS}, roles=find_roles(database_kind)
    )
    trader, operator = stage.world.traders[0], await log_in(stage)
    sent: list[Sent] = []
    bots = [asyncio.create_task(trade(stage, own, sent)) for own in connect(stage, CONNECTIONS)]
    await asyncio.sleep(SECONDS_BEFORE)
    resting = stage.database.value(OPEN, trader.account_id)
    await ask(operator, "POST", f"operator/users/{trader.handle}/suspend", {"reason": "a test"})
    answered_at = time.monotonic()
    left = stage.database.value(OPEN, trader.account_id)
    await asyncio.sleep(SECONDS_AFTER)
    for bot in bots:
        bot.cancel()
    assert resting > MARKETS
    assert {one[1:] for one in sent if one.at > answered_at} == {(403, "account_suspended")}
    assert (left, stage.database.value(OPEN, trader.account_id)) == (0, 0)


async def trade(stage: Stage, connection: Connection, sent: list[Sent]) -> None:
    """Place orders that rest, in one market after the other, until it is ended."""
    for market in itertools.cycle(stage.world.markets):
        at = time.monotonic()
        order = {"market": market.slug, "side": "buy", "price": "0.10", "quantity": "1"}
        reply = await connection.request("POST", "orders", order)
        sent.append(Sent(at, reply.status, reply.json().get("code", "")))
        if reply.status >= 300:
            await asyncio.sleep(0.01)
