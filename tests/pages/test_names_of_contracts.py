"""Positions and orders of one of several outcomes are named as they were entered."""

import re

from tests.pages.desk import SITE, alice, bob, inside, read_toast, see, send
from trading.models import Order

__all__ = ["alice", "bob", "inside"]


async def test_a_position_in_one_of_several_outcomes_is_named_as_it_was_entered(inside, alice, bob):
    market = await inside.open_market(outcomes=3)
    await bob.placed(market, "buy 10 O1 @ 0.30")
    named = {"outcome": "O1", "type": "limit", "price": "0.70", "amount": "4"}
    await send(alice, market, "orders/", **named, answer="no", side="buy")
    for seen in (await see(alice, market), await visit(alice, "/portfolio/")):
        assert "No on Outcome 1" in seen
        assert "by selling" not in seen
    await bob.placed(market, "buy 10 O1 @ 0.30")
    await send(alice, market, "orders/", **{**named, "price": "0.30"}, answer="yes", side="sell")
    for seen in (await see(alice, market), await visit(alice, "/portfolio/")):
        assert "No on Outcome 1" in seen
        assert "by selling Outcome 1" in seen


async def test_an_order_for_no_of_one_of_several_outcomes_is_named_so_on_pages_alone(
    inside, alice, bob
):
    market = await inside.open_market(outcomes=3)
    named = {"outcome": "O1", "type": "limit", "price": "0.70", "amount": "4"}
    await send(alice, market, "orders/", **named, answer="no", side="buy")
    order = await get_order(alice)
    for seen in (await see(alice, market), await visit(alice, "/portfolio/orders/")):
        text = " ".join(re.sub(r"<[^>]+>", " ", seen).split())
        assert re.search(r"Buy (4 )?No on Outcome 1 (at )?0\.70", text)
    shown = (await alice.http.get(f"{SITE}/api/v1/orders/{order.pk.hex}")).json()
    assert (shown["outcome"], shown["side"], shown["price"]) == ("O1", "sell", "0.3000")
    csv = await visit(alice, "/portfolio/orders.csv")
    assert ",O1,sell,limit,0.3000," in csv
    act, form = f"orders/{order.pk.hex}/", {"answer": "no"}
    amended = await send(alice, market, f"{act}amend/", **form, price="0.65", quantity="4")
    assert read_toast(amended.text) == "Resting: 4 No on Outcome 1 at 0.65."
    assert (await get_order(alice)).price_pips == 3_500
    await bob.placed(market, "buy 1 O1 @ 0.35")
    assert "Bought</span> No on Outcome 1" in await see(alice, market)
    cancelled = await send(alice, market, f"{act}cancel/", **form)
    assert read_toast(cancelled.text) == "Cancelled: 3 No on Outcome 1."


async def get_order(caller):
    return await Order.objects.aget(account=caller.account)


async def visit(caller, path):
    return (await caller.http.get(f"{SITE}{path}")).text
