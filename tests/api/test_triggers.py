"""Orders that wait for a price, and the closing of positions, over HTTP."""

import asyncio

from tests.api.exchange import order
from tests.patience import PATIENCE_SECONDS
from trading.models import Order


async def trade_at(inside, market, price):
    maker, taker = await inside.join(), await inside.join()
    await maker.placed(market, f"sell 1 YES @ {price}")
    await taker.placed(market, f"buy 1 YES @ {price}")


async def wait_for_status(caller, order_id, status):
    """What is triggered may be fired by the batch after the one that answered."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            shown = (await caller.get(f"orders/{order_id}")).json()
            if shown["status"] == status:
                return shown
            await asyncio.sleep(0.02)


async def test_a_stop_waits_holding_nothing_and_is_carried_out_when_its_price_trades(
    inside, alice, bob
):
    market = await inside.open_market()
    await bob.placed(market, "sell 10 YES @ 0.65")
    trigger = {"kind": "stop", "price": "0.60"}
    shown = await alice.placed(market, "buy 5 YES", trigger=trigger)
    assert (shown["status"], shown["reason"], shown["hold"]) == ("untriggered", None, "0.000000")
    assert (shown["type"], shown["price"]) == ("market", None)
    as_answered = {"kind": "stop", "price": "0.6000", "on": "last", "trail": None}
    assert shown["trigger"] == as_answered
    [listed] = (await alice.get("orders", status="untriggered")).json()["results"]
    assert listed["id"] == shown["id"]
    assert (await alice.get("orders", status="open")).json()["results"] == []
    assert (await alice.book(market))["YES"] == ([], [["0.6500", "10.00"]])
    await trade_at(inside, market, "0.60")
    fired = await wait_for_status(alice, shown["id"], "filled")
    assert (fired["average_price"], fired["trigger"]) == ("0.650000", as_answered)


async def test_a_trigger_of_no_waits_for_the_price_of_no_and_can_be_moved(inside, alice):
    market = await inside.open_market()
    trigger = {"kind": "stop", "price": "0.70", "on": "best"}
    shown = await alice.placed(market, "buy 5 NO @ 0.80", trigger=trigger, client_order_id="no")
    again = await alice.place(market, "buy 5 NO @ 0.80", trigger=trigger, client_order_id="no")
    assert again.json()["id"] == shown["id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    row = await Order.objects.aget(pk=shown["id"])
    assert (row.price_pips, row.trigger_pips) == (2_000, 3_000)
    amended = await alice.amend(shown["id"], price="0.85", quantity="7", trigger_price="0.75")
    moved = amended.json()
    assert (moved["price"], moved["quantity"]) == ("0.8500", "7.00")
    assert moved["trigger"] == {**trigger, "price": "0.7500", "trail": None}
    cancelled = (await alice.cancel(shown["id"])).json()
    assert (cancelled["status"], cancelled["reason"]) == ("cancelled", "cancelled_by_owner")


async def test_an_order_without_funds_when_it_is_triggered_is_rejected_with_the_reason(
    inside, alice
):
    market = await inside.open_market()
    trigger = {"kind": "stop", "price": "0.60"}
    shown = await alice.placed(market, "buy 5000 YES @ 0.70", trigger=trigger)
    await trade_at(inside, market, "0.60")
    ended = await wait_for_status(alice, shown["id"], "rejected")
    assert (ended["reason"], ended["remaining"]) == ("insufficient_funds", "5000.00")
    [listed] = (await alice.get("orders", status="rejected")).json()["results"]
    assert listed["id"] == shown["id"]


async def test_a_trailing_stop_shows_where_it_is_now(inside, alice):
    market = await inside.open_market()
    trigger = {"kind": "trailing_stop", "trail": 0.1}
    shown = await alice.placed(market, "sell 5 YES", trigger=trigger)
    assert shown["trigger"] == {
        "kind": "trailing_stop",
        "price": None,
        "on": "last",
        "trail": "0.1000",
    }
    await trade_at(inside, market, "0.60")
    moved = (await alice.get(f"orders/{shown['id']}")).json()
    assert (moved["status"], moved["trigger"]["price"]) == ("untriggered", "0.5000")


async def test_a_preview_says_that_an_order_would_wait(inside, alice):
    market = await inside.open_market()
    trigger = {"kind": "take_profit", "price": "0.40", "on": "best"}
    body = order(market, "buy 5 YES @ 0.40", trigger=trigger)
    shown = (await alice.send("POST", "orders/preview", body)).json()
    assert (shown["status"], shown["hold"], shown["warnings"]) == ("untriggered", "0.000000", [])


async def close(caller, key="", **named):
    answer = await caller.send("POST", "positions/close", named, key=key)
    assert answer.status_code == 200, answer.text
    return answer


async def test_a_position_is_closed_at_once_and_by_no_more_than_it_is(inside, alice, bob):
    market = await inside.open_market()
    await bob.placed(market, "sell 10 YES @ 0.60")
    await alice.placed(market, "buy 10 YES @ 0.60")
    await bob.placed(market, "buy 100 YES @ 0.55")
    [item] = (await close(alice, market=market.slug, outcome="YES")).json()["results"]
    shown = item["order"]
    assert (item["status"], shown["status"], shown["filled"]) == (201, "filled", "10.00")
    assert (shown["side"], shown["type"], shown["reduce_only"]) == ("sell", "market", True)
    assert (await close(alice, market=market.slug)).json()["results"] == []


async def test_all_positions_are_closed_in_one_call_each_by_itself(inside, alice, bob):
    no, several = await inside.open_market(), await inside.open_market(outcomes=3)
    await bob.placed(no, "buy 5 YES @ 0.60")
    await alice.placed(no, "buy 5 NO @ 0.40")
    await bob.placed(several, "sell 4 O1 @ 0.30")
    await alice.placed(several, "buy 4 O1 @ 0.30")
    await bob.placed(no, "sell 5 YES @ 0.62")
    answer = await close(alice, key="f" * 64)
    orders = [item["order"] for item in answer.json()["results"]]
    told = [(order["market"], order["outcome"], order["side"], order["status"]) for order in orders]
    assert told == [
        (no.slug, "NO", "sell", "filled"),
        (several.slug, "O1", "sell", "cancelled"),
    ]
    assert orders[1]["reason"] == "no_liquidity"
    await bob.placed(several, "buy 4 O1 @ 0.25")
    again = await close(alice, key="f" * 64)
    assert again.json() == answer.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    reused = await alice.send("POST", "positions/close", {"market": no.slug}, key="f" * 64)
    assert (reused.status_code, reused.json()["code"]) == (409, "idempotency_key_reused")
    [item] = (await close(alice)).json()["results"]
    assert (item["order"]["status"], item["order"]["filled"]) == ("filled", "4.00")


async def test_what_to_close_is_named_by_its_market_first(inside, alice):
    market = await inside.open_market()
    for body, expected in (
        ({"outcome": "YES"}, (400, "missing_field")),
        ({"market": "nowhere"}, (404, "not_found")),
        ({"market": market.slug, "outcome": "MAYBE"}, (422, "outcome_unknown")),
        ({"all": True}, (400, "unknown_field")),
    ):
        answer = await alice.send("POST", "positions/close", body)
        assert (answer.status_code, answer.json()["code"]) == expected
