"""Order groups over the API: made, filled up, stopped by hand, reset, deleted."""

import asyncio

import pytest
from asgiref.sync import sync_to_async

from tests.patience import PATIENCE_SECONDS
from trading import tasks
from trading.pipeline.gateway import get_gateway

pytestmark = pytest.mark.parametrize("credential", ["session", "key"], indirect=True)


async def make_group(caller, limit):
    answer = await caller.send("POST", "order-groups", {"limit": limit})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def act(caller, group, what):
    answer = await caller.send("POST", f"order-groups/{group['id']}/{what}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def start_engine(inside):
    await inside.start_engine()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if not get_gateway().is_away(0):
                return
            await asyncio.sleep(0.02)


async def test_a_group_whose_fills_reach_its_limit_is_stopped_until_it_is_reset(inside, alice, bob):
    market = await inside.open_market()
    group = await make_group(bob, "10")
    assert (group["limit"], group["filled"], group["status"]) == ("10.00", "0.00", "active")
    first = await bob.placed(market, "sell 10 YES @ 0.50", order_group=group["id"])
    assert first["order_group"] == group["id"]
    second = await bob.placed(market, "sell 10 YES @ 0.51", order_group=group["id"])
    shown = (await bob.get(f"order-groups/{group['id']}")).json()
    assert shown["orders"] == [first["id"], second["id"]]
    bought = await alice.placed(market, "buy 20 YES @ 0.60")
    assert bought["filled"] == "10.00"
    [shown] = (await bob.get("order-groups")).json()["results"]
    assert (shown["status"], shown["filled"], shown["orders"]) == ("stopped", "10.00", [])
    ended = (await bob.get(f"orders/{second['id']}")).json()
    assert (ended["status"], ended["reason"]) == ("cancelled", "order_group_stopped")
    refused = await bob.place(market, "sell 1 YES @ 0.90", order_group=group["id"])
    assert (refused.status_code, refused.json()["code"]) == (409, "order_group_stopped")
    assert refused.json()["field"] == "order_group"
    shown = await act(bob, group, "reset")
    assert (shown["status"], shown["filled"]) == ("active", "0.00")
    await bob.placed(market, "sell 1 YES @ 0.90", order_group=group["id"])


async def test_the_kill_switch_cancels_a_groups_orders_in_every_market(inside, alice):
    here, there = await inside.open_market(), await inside.open_market()
    group = await make_group(alice, "10")
    for market in (here, there):
        await alice.placed(market, "buy 1 YES @ 0.40", order_group=group["id"])
    trigger = {"kind": "stop", "price": "0.60"}
    await alice.placed(here, "buy 1 YES", trigger=trigger, order_group=group["id"])
    other = await alice.placed(here, "buy 1 YES @ 0.40")
    shown = await act(alice, group, "stop")
    assert (shown["status"], shown["orders"]) == ("stopped", [])
    assert shown["stopped_at"] is not None
    [left] = (await alice.get("orders", status="open")).json()["results"]
    assert left["id"] == other["id"]


async def test_a_lower_limit_that_is_reached_already_stops_the_group(inside, alice, bob):
    market = await inside.open_market()
    group = await make_group(bob, "10")
    await bob.placed(market, "sell 8 YES @ 0.50", order_group=group["id"])
    await alice.placed(market, "buy 5 YES @ 0.50")
    path = f"order-groups/{group['id']}"
    raised = (await bob.send("PATCH", path, {"limit": "20"})).json()
    assert (raised["limit"], raised["status"], len(raised["orders"])) == ("20.00", "active", 1)
    lowered = (await bob.send("PATCH", path, {"limit": "5"})).json()
    assert (lowered["status"], lowered["orders"]) == ("stopped", [])


async def test_a_deleted_group_is_gone_with_its_orders(inside, alice):
    market = await inside.open_market()
    group = await make_group(alice, "10")
    placed = await alice.placed(market, "buy 1 YES @ 0.40", order_group=group["id"])
    assert (await alice.send("DELETE", f"order-groups/{group['id']}")).json()["orders"] == []
    assert (await alice.get(f"order-groups/{group['id']}")).status_code == 404
    assert (await alice.get("order-groups")).json()["results"] == []
    assert (await alice.get(f"orders/{placed['id']}")).json()["status"] == "cancelled"
    refused = await alice.place(market, "buy 1 YES @ 0.40", order_group=group["id"])
    assert refused.json()["code"] == "order_group_stopped"


async def test_groups_of_others_and_odd_limits_are_refused(inside, alice, bob):
    market = await inside.open_market()
    group = await make_group(bob, "10")
    for name in (group["id"], "0" * 32, "nonsense"):
        answer = await alice.place(market, "buy 1 YES @ 0.40", order_group=name)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert (await alice.get(f"order-groups/{name}")).status_code == 404
        assert (await alice.send("POST", f"order-groups/{name}/stop")).status_code == 404
    for limit, code in (("0", "too_small"), ("99999999", "too_large"), ("x", "not_a_number")):
        answer = await bob.send("POST", "order-groups", {"limit": limit})
        assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_a_kill_switch_holds_while_the_engine_is_away(inside, alice, bob):
    market = await inside.open_market()
    group = await make_group(bob, "10")
    await bob.placed(market, "sell 1 YES @ 0.50", order_group=group["id"])
    await inside.stop_engine()
    shown = await act(bob, group, "stop")
    assert (shown["status"], len(shown["orders"])) == ("stopped", 1)
    refused = await bob.send("POST", f"order-groups/{group['id']}/reset")
    assert refused.status_code == 503
    await start_engine(inside)
    bought = await alice.placed(market, "buy 1 YES @ 0.50")
    assert bought["filled"] == "0.00"
    assert (await bob.get(f"order-groups/{group['id']}")).json()["orders"] == []


async def test_the_scheduled_task_cancels_what_was_left_of_a_stopped_group(inside, bob):
    market = await inside.open_market()
    group = await make_group(bob, "10")
    await bob.placed(market, "sell 1 YES @ 0.50", order_group=group["id"])
    await inside.stop_engine()
    await act(bob, group, "stop")
    await start_engine(inside)
    await sync_to_async(tasks.cancel_stopped_groups)()
    assert (await bob.get(f"order-groups/{group['id']}")).json()["orders"] == []
