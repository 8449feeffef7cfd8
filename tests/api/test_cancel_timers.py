"""Orders are cancelled when their program is heard of no more: by call, and by connection."""

import asyncio
import json
import os
import random

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator

from predex.asgi import application
from tests.api.exchange import make_key
from tests.patience import PATIENCE_SECONDS
from trading import tasks
from trading.models import CancelTimer, Order
from trading.pipeline import cancel_timers

pytestmark = pytest.mark.parametrize("credential", ["key"], indirect=True)

SECOND_US = 1_000_000


class Clock:
    """The database's clock, as timers see it: it runs on when told to."""

    def __init__(self) -> None:
        self.ahead_us = 0
        self.read_us = cancel_timers.database_now_us

    def __call__(self) -> int:
        return self.read_us() + self.ahead_us


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(cancel_timers, "database_now_us", clock)
    return clock


@pytest.fixture
async def market(inside):
    return await inside.open_market()


async def call(caller, seconds):
    answer = await caller.send("POST", "orders/cancel-after", {"seconds": seconds})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def count_open(caller):
    return await Order.objects.live().filter(account=caller.account).acount()


fire_due = sync_to_async(tasks.fire_cancel_timers)


async def test_without_another_call_all_orders_are_cancelled_and_not_before(
    inside, market, alice, bob, clock
):
    there = await inside.open_market()
    await alice.placed(market, "buy 1 YES @ 0.40")
    await alice.placed(there, "buy 1 YES", trigger={"kind": "stop", "price": "0.60"})
    await bob.placed(market, "buy 1 YES @ 0.40")
    shown = await call(alice, 30)
    assert (await alice.get("orders/cancel-after")).json() == shown
    clock.ahead_us += 29 * SECOND_US
    await fire_due()
    assert await count_open(alice) == 2
    assert (await call(alice, 30))["cancels_at"] > shown["cancels_at"]
    clock.ahead_us += 29 * SECOND_US
    await fire_due()
    assert await count_open(alice) == 2
    clock.ahead_us += 2 * SECOND_US
    await fire_due()
    assert (await count_open(alice), await count_open(bob)) == (0, 1)
    assert (await alice.get("orders/cancel-after")).json()["cancels_at"] is None
    await alice.placed(market, "buy 1 YES @ 0.40")  # the timer is off until it is set again
    clock.ahead_us += 60 * SECOND_US
    await fire_due()
    assert await count_open(alice) == 1


async def test_a_timer_is_switched_off_by_0(market, alice, clock):
    await alice.placed(market, "buy 1 YES @ 0.40")
    await call(alice, 30)
    assert await call(alice, 0) == {"cancels_at": None, "was_missed": False}
    clock.ahead_us += 60 * SECOND_US
    await fire_due()
    assert await count_open(alice) == 1


async def test_a_deadline_that_has_passed_is_not_put_off(market, alice, clock):
    await alice.placed(market, "buy 1 YES @ 0.40")
    await call(alice, 30)
    clock.ahead_us += 31 * SECOND_US
    late = await call(alice, 30)
    assert late["was_missed"] is True
    assert await count_open(alice) == 0
    await alice.placed(market, "buy 1 YES @ 0.40")
    await fire_due()
    assert await count_open(alice) == 1


async def test_a_timer_that_is_fired_twice_cancels_nothing_that_came_since(market, alice, clock):
    await alice.placed(market, "buy 1 YES @ 0.40")
    await call(alice, 30)
    clock.ahead_us += 31 * SECOND_US
    timer = await CancelTimer.objects.aget()
    await fire_due()
    await alice.placed(market, "buy 1 YES @ 0.40")
    await sync_to_async(cancel_timers.fire)(timer)
    assert await count_open(alice) == 1


async def test_a_timer_that_found_no_orders_is_done_too(market, alice, clock):
    await call(alice, 30)
    clock.ahead_us += 31 * SECOND_US
    timer = await CancelTimer.objects.aget()
    await fire_due()
    await alice.placed(market, "buy 1 YES @ 0.40")
    await sync_to_async(cancel_timers.fire)(timer)
    assert await count_open(alice) == 1


async def test_odd_timers_are_refused(alice, inside):
    for seconds, code in ((-1, "too_small"), (86_401, "too_large"), ("5", "wrong_type")):
        answer = await alice.send("POST", "orders/cancel-after", {"seconds": seconds})
        assert (answer.status_code, answer.json()["code"]) == (400, code)
    reader = await inside.join(scopes=("read",))
    answer = await reader.send("POST", "orders/cancel-after", {"seconds": 5})
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")


# --- connections ------------------------------------------------------------------------------


class Socket:
    """One connection to `/ws/v1`, in this event loop."""

    def __init__(self, key: str) -> None:
        scope = {
            "type": "websocket", "path": "/ws/v1", "query_string": b"", "subprotocols": [],
            "headers": [(b"host", b"testserver"), (b"x-api-key", key.encode())],
            "client": ("127.0.0.1", 1),
        }  # fmt: skip
        self.communicator = ApplicationCommunicator(application, scope)

    async def open(self) -> "Socket":
        await self.communicator.send_input({"type": "websocket.connect"})
        assert (await self.communicator.receive_output(5))["type"] == "websocket.accept"
        return self

    async def ask(self, **message):
        await self.communicator.send_input(
            {"type": "websocket.receive", "text": json.dumps(message)}
        )
        while True:
            frame = json.loads((await self.communicator.receive_output(5))["text"])
            if frame["type"] != "heartbeat":
                return frame

    async def close(self):
        await self.communicator.send_input({"type": "websocket.disconnect", "code": 1006})
        await self.communicator.wait(5)


async def connect(caller, scopes=("read", "trade")):
    return await Socket(await make_key(caller.account, scopes)).open()


async def wait_for_none_open(caller):
    """Until neither orders nor the timer of a connection are left."""
    timers = CancelTimer.objects.filter(account=caller.account, kind=CancelTimer.Kind.SOCKET)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if not await count_open(caller) and not await timers.acount():
                return
            await asyncio.sleep(0.02)


async def test_orders_end_with_the_connection_that_asked_for_it(market, alice, bob):
    for caller in (alice, bob):
        await caller.placed(market, "buy 1 YES @ 0.40")
    asking, other = await connect(alice), await connect(bob)
    answer = await asking.ask(op="cancel_on_disconnect", id=7)
    assert (answer["type"], answer["id"], answer["enabled"]) == ("cancel_on_disconnect", 7, True)
    await other.close()
    await asking.close()
    await wait_for_none_open(alice)
    assert await count_open(bob) == 1


async def test_a_connection_that_asks_for_it_no_more_cancels_nothing(market, alice):
    await alice.placed(market, "buy 1 YES @ 0.40")
    socket = await connect(alice)
    await socket.ask(op="cancel_on_disconnect")
    answer = await socket.ask(op="cancel_on_disconnect", enabled=False)
    assert answer["enabled"] is False
    await socket.close()
    await asyncio.sleep(0.2)
    assert (await count_open(alice), await CancelTimer.objects.acount()) == (1, 0)


async def test_an_open_connection_puts_its_deadline_off(market, alice, clock, monkeypatch):
    monkeypatch.setattr("trading.feed.disconnects.RENEW_SECONDS", 0.05)
    await alice.placed(market, "buy 1 YES @ 0.40")
    socket = await connect(alice)
    await socket.ask(op="cancel_on_disconnect")
    for _ in range(3):
        clock.ahead_us += 6 * SECOND_US
        await asyncio.sleep(0.3)
        await fire_due()
    assert await count_open(alice) == 1
    await socket.close()
    await wait_for_none_open(alice)


async def test_cancelling_on_disconnect_needs_the_right_to_trade(market, alice):
    socket = await connect(alice, scopes=("read",))
    answer = await socket.ask(op="cancel_on_disconnect")
    assert (answer["type"], answer["code"]) == ("error", "missing_scope")
    await socket.close()


# --- many rounds ------------------------------------------------------------------------------


@pytest.mark.timeout(900)
@pytest.mark.parametrize("rounds", [20, pytest.param(500, marks=pytest.mark.soak)])
async def test_rounds_of_the_dead_man_timer_leave_no_order_and_take_none_early(
    inside, market, alice, clock, monkeypatch, rounds
):
    """Each round: orders, calls or a connection, then silence, with the firing raced."""
    chance = random.Random(rounds if rounds < 500 else os.urandom(8))
    there = await inside.open_market()
    key = await make_key(alice.account, ("read", "trade"))
    for _ in range(rounds):
        for place in range(chance.randint(1, 3)):
            await alice.placed(chance.choice((market, there)), f"buy 1 YES @ 0.4{place}")
        if chance.random() < 0.5:
            await keep_calling(alice, clock, chance)
            clock.ahead_us += 2 * SECOND_US
            await asyncio.gather(fire_due(), fire_due(), call(alice, chance.choice((0, 30))))
        else:
            socket = await Socket(key).open()
            await socket.ask(op="cancel_on_disconnect")
            await fire_due()
            assert await count_open(alice) > 0
            await asyncio.gather(socket.close(), fire_due())
            await wait_for_none_open(alice)
        assert await count_open(alice) == 0
        await call(alice, 0)


async def keep_calling(caller, clock, chance):
    """Call so often as to be in time, with the task looking in between."""
    for _ in range(chance.randint(1, 3)):
        seconds = chance.randint(2, 60)
        assert (await call(caller, seconds))["was_missed"] is False
        clock.ahead_us += (seconds - 1) * SECOND_US
        await fire_due()
        assert await count_open(caller) > 0
