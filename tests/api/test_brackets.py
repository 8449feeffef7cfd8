"""Take-profits and stop-losses of an entry or a position, over both entry points."""

from tests.api.test_triggers import trade_at, wait_for_status
from trading.models import Order

BRACKET = {"take_profit": {"price": "0.70"}, "stop_loss": {"price": "0.30", "limit": "0.25"}}


async def list_legs(caller, bracket):
    """Its live legs by kind."""
    rows = (await caller.get("orders")).json()["results"]
    live = [row for row in rows if row["bracket"] == bracket and row["status"] == "untriggered"]
    return {row["trigger"]["kind"]: row for row in live}


async def test_an_entry_brings_legs_that_follow_its_fills_and_one_cancels_the_other(
    inside, alice, bob
):
    market = await inside.open_market()
    shown = await alice.placed(market, "buy 10 YES @ 0.50", **BRACKET)
    profit, loss = shown["legs"]
    assert (shown["status"], shown["bracket"]) == ("open", None)
    assert (profit["status"], profit["quantity"], profit["type"]) == (
        "untriggered",
        "0.00",
        "market",
    )
    assert (loss["side"], loss["type"], loss["price"]) == ("sell", "limit", "0.2500")
    assert profit["trigger"]["kind"] == "take_profit"
    assert loss["trigger"] == {"kind": "stop", "price": "0.3000", "on": "last", "trail": None}
    assert profit["reduce_only"] is True
    await bob.placed(market, "sell 4 YES @ 0.50")
    legs = await list_legs(alice, shown["id"])
    assert {kind: leg["quantity"] for kind, leg in legs.items()} == {
        "take_profit": "4.00",
        "stop": "4.00",
    }
    await bob.placed(market, "buy 4 YES @ 0.68")
    await trade_at(inside, market, "0.70")
    assert (await wait_for_status(alice, profit["id"], "filled"))["average_price"] == "0.680000"
    ended = await wait_for_status(alice, loss["id"], "cancelled")
    assert (ended["reason"], ended["remaining"]) == ("reduce_only", "4.00")
    entry = await wait_for_status(alice, shown["id"], "cancelled")
    assert (entry["reason"], entry["filled"]) == ("leg_fired", "4.00")


async def test_limit_take_profit_and_stop_loss_are_amended_in_one_call(inside, alice, bob):
    market = await inside.open_market()
    shown = await alice.placed(market, "buy 10 NO @ 0.40", **BRACKET)
    await bob.placed(market, "buy 10 YES @ 0.55")
    wanted = {"price": "0.45", "take_profit": {"price": "0.80"}, "stop_loss": None}
    answer = await alice.amend(shown["id"], **wanted)
    assert (answer.status_code, answer.json()["status"]) == (200, "filled")
    [profit] = answer.json()["legs"]
    assert (profit["trigger"]["price"], profit["quantity"]) == ("0.8000", "10.00")
    assert profit["outcome"] == "NO"
    row = await Order.objects.aget(pk=profit["id"])
    assert (row.side, row.trigger_pips, row.quantity_lots) == (1, 2_000, 1_000)
    # The entry has ended; by its id, or a leg's, what it opened goes on being amended.
    answer = await alice.amend(shown["id"], stop_loss={"trail": "0.1"})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], len(answer.json()["legs"])) == ("filled", 2)
    answer = await alice.amend(profit["id"], trigger_price="0.85")
    assert answer.json()["trigger"]["price"] == "0.8500"
    answer = await alice.amend(profit["id"], take_profit=None)
    assert [leg["trigger"]["kind"] for leg in answer.json()["legs"]] == ["trailing_stop"]
    answer = await alice.amend(shown["id"], price="0.50")
    assert (answer.status_code, answer.json()["code"]) == (409, "order_not_open")
    answer = await alice.amend(profit["id"], take_profit={"price": "0.9"})
    assert (answer.status_code, answer.json()["code"]) == (409, "order_not_open")


async def test_a_position_is_protected_once_under_a_key(inside, alice, bob):
    market = await inside.open_market()
    await bob.placed(market, "sell 10 YES @ 0.60")
    await alice.placed(market, "buy 10 YES @ 0.60")
    body = {"market": market.slug, "outcome": "YES", **BRACKET}
    answer = await alice.send("POST", "positions/protect", body, key="k")
    assert answer.status_code == 201, answer.text
    legs = answer.json()["legs"]
    assert [leg["quantity"] for leg in legs] == ["10.00", "10.00"]
    assert {leg["bracket"] for leg in legs} == {answer.json()["bracket"]}
    again = await alice.send("POST", "positions/protect", body, key="k")
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (answer.json(), "true")
    assert len(await list_legs(alice, answer.json()["bracket"])) == 2
    # Closing the position leaves nothing for them to close.
    await bob.placed(market, "buy 10 YES @ 0.55")
    await alice.send("POST", "positions/close", {"market": market.slug})
    for leg in legs:
        assert (await wait_for_status(alice, leg["id"], "cancelled"))["reason"] == "reduce_only"
    answer = await alice.send("POST", "positions/protect", body)
    assert (answer.status_code, answer.json()["code"]) == (422, "reduce_only_no_position")


async def test_a_bracket_sent_again_gets_its_first_answer(inside, alice):
    market = await inside.open_market()
    order = {"client_order_id": "mine", **BRACKET}
    first = await alice.place(market, "buy 10 YES @ 0.50", **order)
    again = await alice.place(market, "buy 10 YES @ 0.50", **order)
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    other = {**order, "take_profit": {"price": "0.71"}}
    answer = await alice.place(market, "buy 10 YES @ 0.50", **other)
    assert (answer.status_code, answer.json()["code"]) == (409, "client_order_id_reused")


async def test_what_is_wrong_with_a_bracket_is_said(inside, alice):
    market = await inside.open_market()
    wrong = {"take_profit": {"price": "0.20"}, "stop_loss": {"price": "0.30"}}
    answer = await alice.place(market, "buy 10 YES @ 0.50", **wrong)
    assert (answer.status_code, answer.json()["code"]) == (422, "bracket_invalid")
    answer = await alice.place(market, "buy 10 YES @ 0.50", stop_loss={"price": "half"})
    assert answer.json()["field"] == "stop_loss.price"
    answer = await alice.place(market, "buy 10 YES @ 0.50", stop_loss={"at": "0.3"})
    assert answer.json()["field"] == "stop_loss.at"
    answer = await alice.send("POST", "positions/protect", {"market": market.slug})
    assert (answer.status_code, answer.json()["code"]) == (400, "missing_field")


async def test_a_preview_of_a_bracket_is_that_of_its_entry(inside, alice, bob):
    market = await inside.open_market()
    await bob.placed(market, "sell 10 YES @ 0.60")
    body = {"market": market.slug, "side": "buy", "type": "market", "quantity": "10", **BRACKET}
    shown = (await alice.send("POST", "orders/preview", body)).json()
    assert (shown["status"], shown["filled"], shown["cost"]) == ("filled", "10.00", "6.000000")
    assert not await Order.objects.filter(account=alice.account).aexists()
