"""The order ticket: preview, placing once, and the result."""

import re
from datetime import datetime, timedelta
from html import escape
from urllib.parse import parse_qs, parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from accounts.models import Account
from kernel.clock import from_datetime
from tests.pages.desk import (
    SITE,
    alice,
    bob,
    inside,
    path,
    read_errors,
    read_key,
    read_lines,
    read_toast,
    see,
    send,
)
from trading.engine.types import OrderOptions
from trading.models import Order
from trading.pipeline.order_rows import decode_options
from web import limits

pytestmark = pytest.mark.one_database

__all__ = ["alice", "bob", "inside"]

FEES = {"fee_kind": "quadratic", "fee_maker_rate": 20_000, "fee_taker_rate": 70_000}
CR = "\N{NO-BREAK SPACE}cr"
LIMIT = {"type": "limit", "side": "buy", "outcome": "YES"}


async def orders_of(caller):
    return [order async for order in Order.objects.filter(account=caller.account).order_by("id")]


async def test_the_summary_is_the_preview_and_the_order_that_follows(inside, alice, bob):
    market = await inside.open_market(**FEES)
    await bob.placed(market, "sell 10 YES @ 0.60")
    await bob.placed(market, "sell 10 YES @ 0.63")
    ticket = {**LIMIT, "amount": "25", "price": "0.63"}

    before = await Account.objects.aget(pk=alice.account.pk)
    lines = read_lines((await send(alice, market, "preview/", **ticket)).text)
    body = {"market": market.slug, "side": "buy", "price": "0.63", "quantity": "25"}
    expected = (await alice.send("POST", "orders/preview", body)).json()
    for name in ("cost", "fees", "hold", "pays_if_right"):
        assert lines[name] == expected[name], name
    assert lines["average_price"] == "0.615"
    assert expected["average_price"] == "0.615000"
    assert lines["effect_met"] == "0.60 → none"
    assert lines["effect_own"] == "none → 0.63"

    placed = await send(alice, market, "orders/", client_order_id="k", **ticket)
    assert placed.status_code == 200
    [order] = await orders_of(alice)
    assert (order.filled_lots, order.remaining_lots) == (2000, 500)
    after = await Account.objects.aget(pk=alice.account.pk)
    assert f"{(before.cash_micros - after.cash_micros) / 1e6:.6f}" == expected["cost"]
    assert f"{after.held_micros / 1e6:.6f}" == expected["hold"]
    assert f"{after.available_micros / 1e6:.6f}" == lines["available"]
    fee = f"{order.fee_micros / 1e6:.6f}".rstrip("0")
    assert read_toast(placed.text) == (
        f"Bought 20 Yes at 0.615, fee {fee}. Resting: 5 Yes at 0.63."
    )
    assert f"orders/{order.id.hex}/cancel/" in placed.text
    assert "own-changed" in placed.headers["HX-Trigger"]


async def test_profit_if_right_is_what_it_pays_less_all_that_is_spent(inside, alice, bob):
    market = await inside.open_market()
    await bob.placed(market, "sell 10 YES @ 0.60")
    preview = await send(alice, market, "preview/", **LIMIT, amount="10", price="0.60")
    assert read_lines(preview.text)["profit"] == f"4.00{CR} (+67%)"
    # Of a sale of what is owned nothing is paid later: then there is no such line.
    await alice.placed(market, "buy 10 YES @ 0.60")
    await bob.placed(market, "buy 10 YES @ 0.50")
    sale = await send(
        alice, market, "preview/", type="market", side="sell", outcome="YES", amount="10"
    )
    lines = read_lines(sale.text)
    assert lines["cost"] == "5.000000"
    assert "profit" not in lines
    assert "pays_if_right" not in lines


async def test_a_form_that_is_sent_twice_places_one_order(inside, alice):
    market = await inside.open_market()
    key = read_key(await see(alice, market))
    ticket = {**LIMIT, "amount": "5", "price": "0.40", "client_order_id": key}
    first = await send(alice, market, "orders/", **ticket)
    again = await send(alice, market, "orders/", **ticket)
    assert read_toast(first.text) == read_toast(again.text) == "Resting: 5 Yes at 0.40."
    assert len(await orders_of(alice)) == 1
    assert read_key(first.text) != key


async def test_the_same_form_with_other_values_is_no_second_order(inside, alice):
    market = await inside.open_market()
    ticket = {**LIMIT, "price": "0.40", "client_order_id": "mine"}
    await send(alice, market, "orders/", **ticket, amount="5")
    other = await send(alice, market, "orders/", **ticket, amount="50")
    assert other.status_code == 422
    assert "sent before" in read_errors(other.text)[""]
    assert read_key(other.text) != "mine"
    assert len(await orders_of(alice)) == 1


async def test_without_script_an_order_is_placed_and_confirmed_on_the_page(inside, alice):
    market = await inside.open_market()
    key = read_key(await see(alice, market))
    answer = await send(
        alice, market, "orders/", htmx=False, **LIMIT, amount="5", price="0.40",
        client_order_id=key,
    )  # fmt: skip
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"/markets/{market.slug}/"
    page = await see(alice, market)
    assert "Resting: 5 Yes at 0.40." in page
    assert read_key(page) != key


async def test_without_script_a_preview_is_the_page_with_the_summary(inside, alice, bob):
    market = await inside.open_market()
    await bob.placed(market, "sell 10 YES @ 0.60")
    answer = await send(
        alice, market, "preview/", htmx=False, type="market", outcome="YES", amount="10"
    )
    assert answer.status_code == 200
    assert read_lines(answer.text)["cost"] == "6.000000"
    assert 'name="amount" type="text" inputmode="decimal" maxlength="40" value="10"' in answer.text


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"amount": "10000"}, "amount", f"You need 4,000.00{CR} more for this order."),
        ({"amount": "5", "price": "0.505"}, "price", "The price must be a multiple of 0.01."),
        ({"amount": "5", "price": "1.20"}, "price", "The price must lie between 0 and 1."),
        ({"amount": "5", "price": "abc"}, "price", "Enter a number, like 0.55 or 10."),
        ({"amount": "5", "price": ""}, "price", "A limit order needs a price."),
        ({"amount": ""}, "amount", "Enter the number of contracts."),
        ({"amount": "0"}, "amount", "Enter the number of contracts."),
        ({"amount": "-3"}, "amount", "Enter the number of contracts."),
        ({"amount": "2.5"}, "amount", "Whole contracts only."),
        ({"amount": "5", "reduce_only": "on"}, "reduce_only",
         "You have no position that this order would reduce."),
        ({"amount": "5", "post_only": "on", "price": "0.70"}, "price",
         "At this price it would fill immediately, which a post-only order must not."),
        ({"amount": "5", "time_in_force": "gtd", "expires_at": "soon"}, "expires_at",
         "Choose a day and a time."),
        ({"amount": "5", "time_in_force": "gtd", "expires_at": "2020-01-01T00:00"}, "expires_at",
         "Choose a time in the future."),
        ({"amount": "5", "side": "sell", "measure": "credits"}, "amount",
         "When you sell, enter the number of contracts."),
        ({"amount": "0.10", "measure": "credits"}, "amount",
         "That is not enough for one contract at this price."),
    ],
)  # fmt: skip
async def test_an_error_is_shown_as_text_beside_its_field(inside, alice, bob, fields, field, words):
    market = await inside.open_market()
    await bob.placed(market, "sell 10 YES @ 0.60")
    ticket = {**LIMIT, "price": "0.50", "client_order_id": "k", **fields}
    answer = await send(alice, market, "orders/", **ticket)
    assert answer.status_code == 422
    assert read_errors(answer.text) == {field: words}
    assert read_key(answer.text) != "k"  # that answer is the key's for ever
    page = await send(alice, market, "orders/", htmx=False, **ticket | {"client_order_id": "k2"})
    assert page.status_code == 422
    assert read_errors(page.text) == {field: words}
    assert not await orders_of(alice)


async def test_too_little_to_preview_is_no_fault(inside, alice):
    market = await inside.open_market()
    answer = await send(alice, market, "preview/", **LIMIT, price="0.40", amount="")
    assert answer.status_code == 200
    assert not read_errors(answer.text)
    assert 'data-most-contracts="2500"' in answer.text
    assert 'data-most-credits="1000"' in answer.text


async def test_the_most_that_can_be_sold_is_what_is_owned(inside, alice, bob):
    market = await inside.open_market()
    await bob.placed(market, "sell 10 YES @ 0.60")
    await alice.placed(market, "buy 7 YES @ 0.60")
    yes = await send(alice, market, "preview/", outcome="YES", side="sell", type="market")
    assert 'data-most-contracts="7"' in yes.text
    no = await send(bob, market, "preview/", outcome="NO", side="sell", type="market")
    assert 'data-most-contracts="7"' in no.text


async def test_credits_of_a_limit_order_become_whole_contracts(inside, alice):
    market = await inside.open_market()
    placed = await send(
        alice, market, "orders/", **LIMIT, measure="credits", amount="10", price="0.30"
    )
    assert read_toast(placed.text) == "Resting: 33 Yes at 0.30."


async def test_credits_of_a_market_order_are_its_budget(inside, alice, bob):
    market = await inside.open_market(**FEES)
    await bob.placed(market, "sell 100 NO @ 0.40")
    placed = await send(
        alice, market, "orders/", type="market", side="buy", outcome="NO",
        measure="credits", amount="10",
    )  # fmt: skip
    [order] = await orders_of(alice)
    assert decode_options(order.options) == OrderOptions(is_market=True, budget_micros=10_000_000)
    assert read_toast(placed.text).startswith("Bought 23 No at 0.40, fee 0.3864.")


async def test_no_of_one_of_several_outcomes_is_a_sale_of_it(inside, alice, bob):
    market = await inside.open_market(outcomes=3)
    await bob.placed(market, "buy 10 O1 @ 0.30")
    ticket = {"outcome": "O1", "answer": "no", "side": "buy", "type": "limit", "price": "0.70"}
    lines = read_lines((await send(alice, market, "preview/", **ticket, amount="4")).text)
    assert lines["cost"] == "2.800000"
    assert lines["average_price"] == "0.70"
    assert lines["pays_if_right"] == "4.000000"
    placed = await send(alice, market, "orders/", **ticket, amount="4")
    assert read_toast(placed.text) == "Bought 4 No on Outcome 1 at 0.70."
    [order] = await orders_of(alice)
    assert (order.side, order.price_pips, order.outcome_index) == (-1, 3000, 1)
    assert "No on Outcome 1" in await see(alice, market)


async def test_an_average_is_rounded_to_four_decimals(inside, alice, bob):
    market = await inside.open_market()
    for order in ("sell 1 YES @ 0.93", "sell 2 YES @ 0.94"):
        await bob.placed(market, order)
    ticket = {"type": "market", "side": "buy", "outcome": "YES", "amount": "3"}
    preview = await send(alice, market, "preview/", **ticket)
    assert read_lines(preview.text)["average_price"] == "0.9367"
    placed = await send(alice, market, "orders/", **ticket)
    assert read_toast(placed.text) == "Bought 3 Yes at 0.9367."


async def test_an_expiry_is_in_the_zone_of_the_viewer(inside, alice):
    market = await inside.open_market()
    alice.http.cookies.set("tz", "Asia/Kolkata")
    zone = ZoneInfo("Asia/Kolkata")
    until = (timezone.now().astimezone(zone) + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M")
    placed = await send(
        alice, market, "orders/", **LIMIT, amount="5", price="0.40", time_in_force="gtd",
        expires_at=until,
    )  # fmt: skip
    assert placed.status_code == 200
    [order] = await orders_of(alice)
    moment = datetime.fromisoformat(until).replace(tzinfo=zone)
    assert order.expires_at_us == from_datetime(moment)


async def test_what_goes_nowhere_is_said(inside, alice):
    market = await inside.open_market()
    ticket = {"type": "market", "side": "buy", "outcome": "YES", "amount": "5"}
    preview = await send(alice, market, "preview/", **ticket)
    assert "Nothing would be traded: there are no offers on the other side." in preview.text
    placed = await send(alice, market, "orders/", **ticket)
    assert read_toast(placed.text) == "Nothing was traded: there are no offers on the other side."


async def test_a_stranger_sees_the_ticket_and_is_asked_to_sign_up(inside):
    market = await inside.open_market()
    stranger = inside.stranger()
    page = await see(stranger, market)
    assert "Sign up to trade" in page
    assert 'id="ticket-submit"' not in page
    answer = await stranger.http.get(path(market))
    token = answer.cookies["csrftoken"]
    fields = {**LIMIT, "amount": "5", "price": "0.4", "csrfmiddlewaretoken": token}
    stranger.http.cookies.set("csrftoken", token)
    sent = await send(stranger, market, "orders/", htmx=False, **fields)
    assert sent.status_code == 302
    assert sent.headers["Location"].startswith("/accounts/login/?next=/markets/")


async def test_an_anonymous_preview_is_that_of_an_account_without_positions(inside, alice, bob):
    market = await inside.open_market(**FEES)
    await bob.placed(market, "sell 100 YES @ 0.60")
    stranger = await enter(inside, market)
    ticket = {"type": "market", "side": "buy", "outcome": "YES", "amount": "50"}
    theirs = read_lines((await send(stranger, market, "preview/", **ticket)).text)
    own = read_lines((await send(alice, market, "preview/", **ticket)).text)
    assert theirs == {name: line for name, line in own.items() if name != "available"}
    assert theirs["pays_if_right"] == "50.000000"
    whole = await send(stranger, market, "preview/", htmx=False, **ticket)
    assert read_lines(whole.text) == theirs
    assert not await Account.objects.filter(pk=0).aexists()


async def test_strangers_previews_are_bounded_by_their_address(inside, monkeypatch):
    market = await inside.open_market()
    stranger = await enter(inside, market)
    taken = []

    def take_sync(subject, bucket, rate, cost=1):
        taken.append((subject, bucket, rate))
        return 3.0 if bucket == "write" else None

    monkeypatch.setattr(limits, "take_sync", take_sync)
    answer = await send(stranger, market, "preview/", **LIMIT, amount="5", price="0.40")
    assert taken[1:] == [("address:127.0.0.1", "write", limits.Rate(5, 20))]  # after the page's
    assert read_errors(answer.text) == {"": "Too many requests. Try again in 3 seconds."}


@pytest.mark.parametrize("enter_by", ["log_in", "sign_up"])
async def test_a_ticket_is_restored_after_log_in_and_sign_up(inside, enter_by):
    market = await inside.open_market(outcomes=3)
    stranger = await enter(inside, market)
    ticket = {
        "outcome": "O1", "answer": "no", "side": "sell", "type": "limit", "amount": "5",
        "price": "0.4", "measure": "contracts", "reduce_only": "on",
    }  # fmt: skip
    sent = await send(stranger, market, "orders/", **ticket, enter=enter_by)
    entrance = urlsplit(sent.headers["HX-Redirect"])
    assert entrance.path == {"log_in": "/accounts/login/", "sign_up": "/accounts/signup/"}[enter_by]
    back = urlsplit(parse_qs(entrance.query)["next"][0])
    assert (back.path, back.fragment) == (f"/markets/{market.slug}/", "ticket")
    assert dict(parse_qsl(back.query)) == ticket
    form = (await stranger.http.get(f"{SITE}{sent.headers['HX-Redirect']}")).text
    assert f'name="next" value="{escape(back.geturl())}"' in form


async def enter(inside, market):
    """Return a stranger whose browser has seen the market's page."""
    stranger = inside.stranger()
    await see(stranger, market)
    stranger.http.headers["X-CSRFToken"] = stranger.http.cookies["csrftoken"]
    return stranger


async def test_a_sale_of_what_is_not_owned_says_what_it_bets_on(inside, alice, bob):
    market = await inside.open_market(**FEES)
    await bob.placed(market, "buy 30 YES @ 0.50")
    sale = {"type": "market", "side": "sell", "outcome": "YES", "amount": "10"}
    preview = await send(alice, market, "preview/", **sale)
    assert read_note(preview.text) == "You own none: this bets on No."
    assert "Pays if No" in preview.text
    placed = await send(alice, market, "orders/", **sale)
    assert read_toast(placed.text).endswith("You now own 10 No.")
    assert "by selling Yes" in await see(alice, market)
    # With owned contracts only the rest is mentioned, and reduce-only bets on nothing.
    sale = {**sale, "side": "sell", "outcome": "NO", "type": "limit", "price": "0.45"}
    preview = await send(alice, market, "preview/", **sale | {"amount": "15"})
    assert read_note(preview.text) == "You own 10: the other 5 bet on Yes."
    assert read_note((await send(alice, market, "preview/", **sale)).text) == ""
    preview = await send(alice, market, "preview/", **sale | {"amount": "15", "reduce_only": "on"})
    assert read_note(preview.text) == ""


async def test_an_order_that_rests_says_what_is_held_and_what_it_brings(inside, alice, bob):
    market = await inside.open_market()
    await bob.placed(market, "sell 10 YES @ 0.60")
    await alice.placed(market, "buy 10 YES @ 0.60")
    sale = {"type": "limit", "side": "sell", "outcome": "YES", "price": "0.70"}
    owned = await send(alice, market, "preview/", **sale, amount="4")
    lines = read_lines(owned.text)
    assert (lines["hold"], lines["receives"]) == ("0.000000", "2.800000")
    assert "pays_if_right" not in lines
    assert "covered by your contracts and orders" in owned.text
    lines = read_lines((await send(alice, market, "preview/", **sale, amount="15")).text)
    assert (lines["hold"], lines["receives"]) == ("0.000000", "7.000000")
    assert lines["pays_if_right"] == "5.000000"
    assert "profit" not in lines
    # A bid waits already, and of both only one can lose: the larger one's hold is enough.
    carol = await inside.join()
    await carol.placed(market, "buy 10 YES @ 0.40")
    lines = read_lines((await send(carol, market, "preview/", **sale, amount="10")).text)
    assert (lines["hold"], lines["pays_if_right"]) == ("0.000000", "10.000000")
    stranger = await enter(inside, market)
    lines = read_lines((await send(stranger, market, "preview/", **sale, amount="10")).text)
    assert (lines["hold"], lines["pays_if_right"]) == ("3.000000", "10.000000")
    assert lines["profit"].startswith("7.00")


async def test_what_pays_is_named_by_its_outcome(inside, alice, bob):
    market = await inside.open_market(outcomes=3)
    await bob.placed(market, "buy 30 O1 @ 0.40")
    await bob.placed(market, "sell 30 O1 @ 0.45")
    conditions = []
    for answer, side in (("yes", "buy"), ("no", "buy"), ("yes", "sell"), ("no", "sell")):
        ticket = {"outcome": "O1", "answer": answer, "side": side, "type": "market"}
        preview = await send(alice, market, "preview/", **ticket, amount="5")
        conditions.append(re.search(r"Pays if [\w ]+", preview.text)[0])
    yes, no = "Pays if Outcome 1", "Pays if not Outcome 1"
    assert conditions == [yes, no, no, yes]


def read_note(text):
    found = re.search(r"data-note>(.*?)</p>", text)
    return found[1] if found else ""


async def test_unspent_credits_are_shown_as_credits(inside, alice, bob):
    market = await inside.open_market()
    await bob.placed(market, "sell 10 YES @ 0.60")
    ticket = {"type": "market", "side": "buy", "outcome": "YES", "measure": "credits"}
    spent = "6.00\N{NO-BREAK SPACE}cr of 700.00\N{NO-BREAK SPACE}cr is spent"
    note = f"{spent}: there are no more offers at this price."
    preview = await send(alice, market, "preview/", **ticket, amount="700")
    assert note in preview.text
    assert "0 would not be traded" not in preview.text
    body = {"market": market.slug, "side": "buy", "type": "market", "budget": "700"}
    [warned] = (await alice.send("POST", "orders/preview", body)).json()["warnings"]
    assert warned["message"].startswith("the whole budget would not be spent")
    placed = await send(alice, market, "orders/", **ticket, amount="700")
    assert read_toast(placed.text) == f"Bought 10 Yes at 0.60. {note}"


async def test_what_is_held_for_a_fee_is_said_apart(inside, alice):
    market = await inside.open_market(**FEES)
    ticket = {**LIMIT, "amount": "10", "price": "0.60"}
    lines = read_lines((await send(alice, market, "preview/", **ticket)).text)
    assert (lines["hold"], lines["fee_hold"]) == ("6.168000", "0.168000")
    sale = read_lines((await send(alice, market, "preview/", **ticket | {"side": "sell"})).text)
    assert (sale["hold"], sale["fee_hold"]) == ("4.168000", "0.168000")


@pytest.mark.parametrize("measure", ["contracts", "credits"])
async def test_a_limit_order_without_a_price_is_asked_for_it(inside, alice, measure):
    market = await inside.open_market()
    ticket = {**LIMIT, "measure": measure, "amount": "5", "price": ""}
    assert "Enter a price to see" in (await send(alice, market, "preview/", **ticket)).text
    placed = await send(alice, market, "orders/", **ticket)
    assert read_errors(placed.text) == {"price": "A limit order needs a price."}


async def test_the_most_is_still_known_after_a_refusal(inside, alice):
    market = await inside.open_market()
    refused = await send(alice, market, "orders/", **LIMIT, amount="5000", price="0.40")
    assert refused.status_code == 422
    assert 'data-most-contracts="2500"' in refused.text


async def test_without_an_engine_nothing_is_sent_and_the_form_can_be_sent_again(inside, alice):
    market = await inside.open_market()
    await inside.stop_engine()
    try:
        ticket = {**LIMIT, "amount": "5", "price": "0.40", "client_order_id": "mine"}
        answer = await send(alice, market, "orders/", **ticket)
        assert answer.status_code == 422
        assert not await orders_of(alice)
    finally:
        await inside.start_engine()


async def test_a_ticket_takes_the_tokens_that_the_api_takes(inside, alice, monkeypatch):
    market = await inside.open_market()
    taken = []

    def take_sync(subject, bucket, rate, cost=1):
        taken.append((subject, bucket))
        return 3.0

    monkeypatch.setattr(limits, "take_sync", take_sync)
    ticket = {**LIMIT, "amount": "5", "price": "0.40", "client_order_id": "mine"}
    answer = await send(alice, market, "orders/", **ticket)
    assert taken == [(f"owner:{alice.account.owner_id}", "write")]
    assert read_errors(answer.text) == {"": "Too many requests. Try again in 3 seconds."}
    assert read_key(answer.text) == "mine"


async def test_a_link_fills_the_ticket(inside, alice):
    market = await inside.open_market()
    page = await see(alice, market, "?outcome=NO&side=sell&price=0.39&quantity=12&reduce_only=on")
    assert 'value="NO" checked' in page.replace("  ", " ")
    assert 'name="side" value="sell" checked' in page
    assert 'name="type" value="limit" id="ticket-type-limit" checked' in page
    assert 'value="0.39"' in page
    assert 'value="12"' in page
    assert 'name="reduce_only" checked' in page
