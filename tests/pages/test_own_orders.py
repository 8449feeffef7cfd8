"""One's own things on a market's page: position, open orders amended and cancelled, fills."""

import re

from accounts.templatetags.predex import NOTHING
from tests.pages.desk import SITE, alice, bob, inside, path, read_lines, read_toast, see, send
from trading.models import Order
from trading.pages.numbers import MINUS

__all__ = ["alice", "bob", "inside"]


async def get(order_id):
    return await Order.objects.aget(pk=order_id)


async def test_position_orders_and_fills_are_shown(inside, alice, bob):
    market = await inside.open_market()
    await bob.placed(market, "sell 20 YES @ 0.60")
    await alice.placed(market, "buy 12 YES @ 0.60")
    resting = await alice.placed(market, "buy 5 NO @ 0.30")
    page = await see(alice, market)
    assert 'data-position="YES" data-lots="1200"' in page
    assert 'data-paid-micros="7200000"' in page
    assert f'data-order="{resting["id"]}"' in page
    assert page.count("data-fill=") == 1
    assert "outcome=YES&amp;side=sell&amp;type=market&amp;measure=contracts&amp;amount=12" in page
    # Whoever sold what they did not own has NO.
    theirs = await see(bob, market)
    position = theirs[theirs.index('data-position="YES"') :][:1500]
    assert 'data-lots="-1200"' in position
    assert ">No</span>" in position
    assert "by selling Yes" in position
    assert ">0.40<" in position


async def test_a_position_is_worth_what_the_book_pays_less_all_fees(inside, alice, bob):
    """Bought at 0.60 for a fee of 0.84; the best bids pay 0.55 for half of it, 0.40 for the rest:
    23.75, less a fee of 0.853125.
    """
    market = await inside.open_market(fee_kind="quadratic", fee_taker_rate=70_000)
    await bob.placed(market, "sell 50 YES @ 0.60")
    await bob.placed(market, "buy 25 YES @ 0.55")
    await bob.placed(market, "buy 25 YES @ 0.40")
    await alice.placed(market, "buy 50 YES @ 0.60")
    sale = {"outcome": "YES", "side": "sell", "type": "limit", "price": "0.40"}
    whole = await send(alice, market, "preview/", **sale, amount="50")
    assert read_lines(whole.text)["cost"] == "22.896875"
    assert read_lines(whole.text)["result"] == "-7.943125"
    assert "Loss, fees included" in whole.text
    await alice.placed(market, "buy 9 YES @ 0.50")  # nobody sells to themselves
    page = await see(alice, market)
    assert cell(page, "value") == "30.00\N{NO-BREAK SPACE}cr"
    assert cell(page, "profit") == f"{MINUS}0.84\N{NO-BREAK SPACE}cr"
    assert cell(page, "sold") == "22.90\N{NO-BREAK SPACE}cr"
    assert cell(page, "sold-profit") == f"{MINUS}7.94\N{NO-BREAK SPACE}cr"
    await bob.placed(market, "sell 50 NO @ 0.30")  # is there to buy YES at 0.70
    half = await send(alice, market, "preview/", **sale, amount="25")
    assert read_lines(half.text)["result"] == "1.712500"  # 17.50 - 0.3675 - 30.84 / 2
    assert "Profit, fees included" in half.text


async def test_a_position_that_the_book_does_not_take_has_no_price_now(inside, alice, bob):
    market = await inside.open_market()
    await bob.placed(market, "sell 10 YES @ 0.60")
    await bob.placed(market, "buy 4 YES @ 0.55")
    await alice.placed(market, "buy 10 YES @ 0.60")
    page = await see(alice, market)
    assert cell(page, "sold") == NOTHING
    assert "There are not enough buyers in the book to sell all of it now." in page


async def test_contracts_against_several_outcomes_are_sold_to_their_asks(inside, alice, bob):
    market = await inside.open_market(outcomes=3)
    for code in ("O1", "O2"):
        await bob.placed(market, f"buy 10 {code} @ 0.30")
        await bob.placed(market, f"sell 10 {code} @ 0.35")
        await alice.placed(market, f"sell 10 {code} @ 0.30")
    page = await see(alice, market)
    assert "No on Outcome 1" in page
    assert (
        cell(page, "sold") == "3.00\N{NO-BREAK SPACE}cr"
    )  # 10 are set aside for both; 7 buy them back
    assert cell(page, "sold-profit") == f"{MINUS}1.00\N{NO-BREAK SPACE}cr"


async def test_what_other_outcomes_imply_counts_when_a_position_is_sold(inside, alice, bob):
    market = await inside.open_market(outcomes=3, matches_across_outcomes=True)
    await bob.placed(market, "sell 10 O0 @ 0.50")
    await alice.placed(market, "buy 10 O0 @ 0.50")
    assert cell(await see(alice, market), "sold") == NOTHING
    for code in ("O1", "O2"):
        await bob.placed(market, f"sell 10 {code} @ 0.35")
    page = await see(alice, market)
    assert cell(page, "sold") == "3.00\N{NO-BREAK SPACE}cr"  # 10 sets less 7 for the others
    await alice.placed(market, "buy 4 O1 @ 0.35")  # which would be sold to the same orders
    assert cell(await see(alice, market), "sold") == NOTHING


async def test_a_position_is_sold_to_the_automated_maker(inside, alice):
    """At the prices of its ladder: 1.99 at 0.52, 4.00 at 0.51 and 4.01 at 0.50."""
    market = await inside.open_market(maker_b_lots=10_000, maker_funded_by_house=True)
    await alice.placed(market, "buy 10 YES @ 0.60")
    assert cell(await see(alice, market), "sold") == "5.08\N{NO-BREAK SPACE}cr"


def cell(page, name):
    """Return what a figure of the position says."""
    return re.search(rf" data-{name}>([^<]*)<", page)[1]


async def test_many_positions_scroll_in_a_box_of_their_own(inside, alice, bob):
    market = await inside.open_market(outcomes=6)
    box = re.compile(r'<div class="max-h-112[^>]*tabindex="0" role="region"')
    for number in range(4):
        assert box.search(await see(alice, market)) is None
        await bob.placed(market, f"sell 5 O{number} @ 0.10")
        await alice.placed(market, f"buy 5 O{number} @ 0.10")
    assert box.search(await see(alice, market))


async def test_only_what_is_ones_own_is_shown(inside, alice, bob):
    market = await inside.open_market()
    order = await alice.placed(market, "buy 5 YES @ 0.30")
    for caller in (bob, inside.stranger()):
        page = await see(caller, market)
        assert order["id"] not in page
        assert "data-position=" not in page


async def test_fragments_bring_the_position_out_of_band(inside, alice, bob):
    market = await inside.open_market()
    await bob.placed(market, "sell 20 YES @ 0.60")
    await alice.placed(market, "buy 12 YES @ 0.60")
    fragments = await see(alice, market, "own/", htmx=True)
    assert "<html" not in fragments
    assert fragments.lstrip().startswith('<section id="own"')
    assert re.search(r'<section id="own-position"[^>]* hx-swap-oob="true"', fragments)


async def test_an_order_is_amended_in_its_place(inside, alice):
    market = await inside.open_market()
    order = await alice.placed(market, "buy 5 NO @ 0.30")
    rest = f"orders/{order['id']}/amend/"
    answer = await send(alice, market, rest, price="0.35", quantity="8")
    assert answer.status_code == 200
    assert read_toast(answer.text) == "Resting: 8 No at 0.35."
    assert "own-changed" in answer.headers["HX-Trigger"]
    assert answer.headers["HX-Reswap"] == "none"
    amended = await get(order["id"])
    assert (amended.price_pips, amended.quantity_lots) == (6500, 800)  # YES at 1 less NO's price


async def test_an_amend_that_is_refused_stays_open_with_its_words(inside, alice):
    market = await inside.open_market()
    order = await alice.placed(market, "buy 5 YES @ 0.30")
    rest = f"orders/{order['id']}/amend/"
    for htmx in (True, False):
        answer = await send(alice, market, rest, htmx=htmx, price="0.305", quantity="8")
        assert answer.status_code == 422
        assert 'value="0.305"' in answer.text
        assert 'value="8"' in answer.text
        assert "The price must be a multiple of 0.01." in answer.text
        assert re.search(r"<details[^>]* data-amend open>", answer.text)
    assert (await get(order["id"])).price_pips == 3000


async def test_orders_are_cancelled_one_by_one_and_all_at_once(inside, alice):
    market, other = await inside.open_market(), await inside.open_market()
    first = await alice.placed(market, "buy 5 YES @ 0.30")
    answer = await send(alice, market, f"orders/{first['id']}/cancel/")
    assert read_toast(answer.text) == "Cancelled: 5 Yes."
    for price in ("0.31", "0.32"):
        await alice.placed(market, f"buy 5 YES @ {price}")
    kept = await alice.placed(other, "buy 5 YES @ 0.30")
    everything = await send(alice, market, "orders/cancel-all/", htmx=False)
    assert everything.headers["Location"] == f"/markets/{market.slug}/#own"
    assert "2 orders cancelled." in await see(alice, market)
    left = [order.pk.hex async for order in Order.objects.filter(account=alice.account).open()]
    assert left == [kept["id"]]


async def test_what_has_ended_or_is_anothers_is_said_and_nothing_else(inside, alice, bob):
    market = await inside.open_market()
    order = await alice.placed(market, "buy 5 YES @ 0.30")
    theirs = await send(bob, market, f"orders/{order['id']}/cancel/")
    assert read_toast(theirs.text) == "This order was not found."
    assert (await get(order["id"])).status == 0
    await alice.cancel(order["id"])
    again = await send(alice, market, f"orders/{order['id']}/cancel/")
    assert read_toast(again.text) == "This order has already ended."


async def test_after_a_cancel_one_comes_back_to_where_one_was_but_nowhere_else(inside, alice):
    market = await inside.open_market()
    for url, expected in (
        ("/portfolio/", "/portfolio/"),
        ("https://elsewhere.example/", f"/markets/{market.slug}/#own"),
    ):
        order = await alice.placed(market, "buy 5 YES @ 0.30")
        rest = f"orders/{order['id']}/cancel/"
        answer = await send(alice, market, rest, htmx=False, next=url)
        assert answer.headers["Location"] == expected


async def test_acts_need_a_log_in(inside, alice):
    market = await inside.open_market()
    order = await alice.placed(market, "buy 5 YES @ 0.30")
    stranger = inside.stranger()
    stranger.http.headers["X-CSRFToken"] = "x" * 32
    stranger.http.cookies.set("csrftoken", "x" * 32)
    for rest in (f"orders/{order['id']}/cancel/", f"orders/{order['id']}/amend/",
                 "orders/cancel-all/", "close/", "protect/",
                 "../../portfolio/close/"):  # fmt: skip
        answer = await send(stranger, market, rest, htmx=False)
        assert answer.headers["Location"].startswith("/accounts/login/")
    assert (await get(order["id"])).status == 0
    assert (await stranger.http.get(path(market, "own/"))).status_code == 200


async def test_an_order_is_amended_in_german_numbers(inside, alice):
    market = await inside.open_market(lot_step_lots=10)
    order = await alice.placed(market, "buy 5 YES @ 0.30")
    alice.http.cookies.set("django_language", "de")
    assert 'value="0,30"' in await see(alice, market)
    rest = f"orders/{order['id']}/amend/"
    answer = await send(alice, market, rest, price="0,35", quantity="16,9")
    assert answer.status_code == 200
    amended = await get(order["id"])
    assert (amended.price_pips, amended.quantity_lots) == (3_500, 1_690)
    answer = await send(alice, market, rest, price="0,35", quantity="1.234")
    assert answer.status_code == 422
    assert (await get(order["id"])).quantity_lots == 1_690


async def test_what_waits_is_listed_amended_and_cancelled_with_the_rest(inside, alice):
    market = await inside.open_market()
    trigger = {"kind": "stop", "price": "0.60"}
    order = await alice.placed(market, "buy 5 NO", trigger=trigger)
    page = await see(alice, market)
    assert "at the market price" in page
    assert (
        'name="trigger_price" type="text" inputmode="decimal" maxlength="30" value="0.60"' in page
    )
    rest = f"orders/{order['id']}/amend/"
    answer = await send(alice, market, rest, trigger_price="0.605", quantity="5")
    assert answer.status_code == 422
    assert "The trigger needs a price that is a multiple of the tick." in answer.text
    answer = await send(alice, market, rest, trigger_price="0.65", quantity="6")
    assert read_toast(answer.text) == "Waiting for its trigger: 6 No."
    assert (await get(order["id"])).trigger_pips == 3_500
    answer = await send(alice, market, f"orders/{order['id']}/cancel/")
    assert read_toast(answer.text) == "Cancelled: 6 No."


async def test_a_position_is_closed_by_one_button_and_so_are_all(inside, alice, bob):
    market, several = await inside.open_market(), await inside.open_market(outcomes=3)
    await bob.placed(market, "sell 20 YES @ 0.50")
    await alice.placed(market, "buy 10 YES @ 0.50")
    page = await see(alice, market)
    assert f'action="/markets/{market.slug}/close/"' in page
    answer = await send(alice, market, "close/", outcome="YES")
    assert read_toast(answer.text) == "Nothing was traded: there are no offers on the other side."
    await bob.placed(market, "buy 5 YES @ 0.45")
    answer = await send(alice, market, "close/", outcome="YES")
    assert read_toast(answer.text).startswith("Sold 5 Yes at 0.45. 5 not traded:")
    await bob.placed(market, "buy 5 YES @ 0.44")
    answer = await send(alice, market, "close/", outcome="YES")
    assert read_toast(answer.text) == "Sold 5 Yes at 0.44."
    assert "own-changed" in answer.headers["HX-Trigger"]
    answer = await send(alice, market, "close/", outcome="YES")
    assert read_toast(answer.text) == "You have no position to close."
    for outcome in ("O1", "O2"):
        await bob.placed(several, f"sell 5 {outcome} @ 0.30")
        await alice.placed(several, f"buy 5 {outcome} @ 0.30")
        await bob.placed(several, f"buy 5 {outcome} @ 0.25")
    await alice.placed(market, "buy 5 YES @ 0.50")
    assert "Close all" in await see(alice, several)
    await send(alice, several, "close/", htmx=False)
    assert "2 positions closed." in await see(alice, several)
    answer = await alice.http.post(f"{SITE}/portfolio/close/")
    assert answer.headers["Location"] == "/portfolio/"
    portfolio = (await alice.http.get(f"{SITE}/portfolio/")).text
    assert "1 position could not be closed completely." in portfolio
    assert 'action="/portfolio/close/"' in portfolio


async def test_a_position_gets_a_take_profit_and_a_stop_loss(inside, alice, bob):
    market = await inside.open_market(outcomes=3)
    await bob.placed(market, "buy 5 O1 @ 0.40")
    await alice.placed(market, "sell 5 O1 @ 0.40")
    page = await see(alice, market)
    assert f'action="/markets/{market.slug}/protect/"' in page
    fields = {"outcome": "O1", "answer": "no", "take_profit": "0.80", "stop_loss": "0.50"}
    answer = await send(alice, market, "protect/", **fields)
    assert read_toast(answer.text) == "Takes profit at 0.80. Stops the loss at 0.50."
    legs = Order.objects.filter(account=alice.account).untriggered().order_by("trigger_pips")
    found = [(leg.side, leg.as_no, leg.trigger_pips, leg.quantity_lots) async for leg in legs]
    assert found == [(1, True, 2_000, 500), (1, True, 5_000, 500)]
    own = await see(alice, market, "own/", htmx=True)
    assert "No on Outcome 1" in own
    assert 'Take profit <span class="num font-medium">0.80</span>' in own
    answer = await send(alice, market, "protect/", htmx=False, outcome="O2", take_profit="0.80")
    assert "You have no position that this order would reduce." in await see(alice, market)
    answer = await send(alice, market, "protect/", **{**fields, "stop_loss": "0.505"})
    assert read_toast(answer.text) == "The trigger needs a price that is a multiple of the tick."
