"""The order ticket below "More": orders that wait for a price, take-profit and stop-loss."""

import re

import pytest

from tests.pages.desk import alice, bob, inside, read_errors, read_toast, see, send
from tests.pages.test_ticket import LIMIT, orders_of
from trading.pipeline.order_rows import decode_options

pytestmark = pytest.mark.one_database

__all__ = ["alice", "bob", "inside"]


async def test_a_ticket_waits_for_a_price_of_its_contract(inside, alice):
    market = await inside.open_market()
    ticket = {"type": "market", "side": "sell", "outcome": "NO", "amount": "5"}
    stop = {**ticket, "trigger": "stop", "trigger_price": "0.30", "trigger_on": "best"}
    shown = (await send(alice, market, "preview/", **stop)).text
    assert "5 No would wait for the price. Nothing is held meanwhile." in shown
    answer = await send(alice, market, "orders/", client_order_id="a", **stop)
    assert read_toast(answer.text) == "Waiting for its trigger: 5 No."
    assert "Cancel order" in answer.text
    trailing = {**ticket, "type": "limit", "price": "0.20", "trigger": "trailing_stop"}
    await send(alice, market, "orders/", client_order_id="b", trail="0.05", **trailing)
    first, second = await orders_of(alice)
    trigger = decode_options(first.options).trigger
    assert (trigger.kind.name, trigger.on.name, first.trigger_pips) == ("STOP", "BEST", 7_000)
    trigger = decode_options(second.options).trigger
    assert (trigger.trail_pips, second.trigger_pips, second.price_pips) == (500, None, 8_000)


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"trigger": "stop", "trigger_price": "0.305"}, "trigger", "a multiple of 0.01"),
        ({"take_profit": "0.705"}, "take_profit", "a multiple of 0.01"),
        ({"take_profit": "0.30", "stop_loss": "0.40"}, "take_profit", "a better price than"),
        ({"stop_loss": "nine"}, "stop_loss", "number"),
    ],
)
async def test_what_is_wrong_below_more_is_shown_there(inside, alice, fields, field, words):
    market = await inside.open_market()
    ticket = {**LIMIT, "amount": "5", "price": "0.50", **fields}
    answer = await send(alice, market, "orders/", client_order_id="a", **ticket)
    assert answer.status_code == 422
    assert words in read_errors(answer.text)[field]
    assert re.search(r'<details class="text-sm" open>', answer.text)


async def test_an_order_by_credits_does_not_wait_for_a_price(inside, alice):
    market = await inside.open_market()
    ticket = {"side": "buy", "type": "market", "measure": "credits", "amount": "5"}
    answer = await send(
        alice, market, "orders/", client_order_id="a", trigger="stop", trigger_price="0.6", **ticket
    )
    words = "For an order that waits for a price, enter the number of contracts."
    assert read_errors(answer.text) == {"amount": words}


async def test_a_bracket_is_placed_without_script_and_its_legs_are_listed(inside, alice, bob):
    market = await inside.open_market(outcomes=3)
    ticket = {"side": "buy", "type": "limit", "outcome": "O1", "answer": "no", "price": "0.40"}
    ticket |= {"amount": "5", "take_profit": "0.70", "stop_loss": "0.30"}
    await send(alice, market, "orders/", htmx=False, client_order_id="a", **ticket)
    page = await see(alice, market)
    words = "Takes profit at 0.70. Stops the loss at 0.30."
    assert f"Resting: 5 No on Outcome 1 at 0.40. {words}" in page
    legs = [order for order in await orders_of(alice) if order.quantity_lots == 0]
    assert sorted(leg.trigger_pips for leg in legs) == [3_000, 7_000]
    assert page.count("waits for its order to fill") == 2
    await bob.placed(market, "buy 5 O1 @ 0.60")
    own = await see(alice, market, "own/", htmx=True)
    assert re.search(r'Take profit <span class="num font-medium">0.70</span>', own)
    assert "waits for its order to fill" not in own
