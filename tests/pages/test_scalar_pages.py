"""A scalar market on its pages: they speak in the number, not in per cent."""

import re

import pytest

from tests.pages.desk import (
    alice,
    bob,
    inside,
    path,
    read_errors,
    read_lines,
    read_toast,
    see,
    send,
)
from trading.models import Order

pytestmark = pytest.mark.one_database

__all__ = ["alice", "bob", "inside"]

MILLION = 1_000_000
POINTS = {
    "kind": "scalar", "low_millionths": 1_000 * MILLION, "high_millionths": 2_000 * MILLION,
    "number_unit": "points",
}  # fmt: skip
LIMIT = {"type": "limit", "side": "buy"}


async def orders_of(caller):
    return [order async for order in Order.objects.filter(account=caller.account).order_by("id")]


async def make(inside):
    return await inside.open_market(**POINTS)


async def test_a_ticket_takes_and_says_numbers(inside, alice, bob):
    market = await make(inside)
    await bob.placed(market, "sell 10 YES @ 0.24")
    ticket = {**LIMIT, "outcome": "YES", "price": "1240", "amount": "10"}
    shown = (await send(alice, market, "preview/", **ticket)).text
    lines = read_lines(shown)
    assert lines["average_price"] == "1,240"
    assert lines["pays_if_right"] == "10.000000"
    assert lines["break_even"] == "1,240"
    assert "Pays at 2,000 or above" in shown
    placed = (await send(alice, market, "orders/", **ticket)).text
    assert read_toast(placed) == "Bought 10 Higher at 1,240."
    [order] = await orders_of(alice)
    assert (order.side, order.price_pips, order.filled_lots) == (1, 2_400, 1_000)


async def test_lower_is_bought_at_a_number_too(inside, alice):
    market = await make(inside)
    ticket = {**LIMIT, "outcome": "NO", "price": "1240", "amount": "10"}
    shown = (await send(alice, market, "preview/", **ticket)).text
    assert "10 Lower would rest in the book at 1,240." in shown
    assert "Pays at 1,000 or below" in shown
    # At 1,240 Lower costs 0.76: that is the rest of a contract to the end of the range.
    assert read_lines(shown)["hold"] == "7.600000"
    placed = (await send(alice, market, "orders/", **ticket)).text
    assert read_toast(placed) == "Resting: 10 Lower at 1,240."
    [order] = await orders_of(alice)
    assert (order.side, order.price_pips) == (-1, 2_400)
    page = await see(alice, market)
    assert re.search(r'name="price"[^>]*value="1240"', page)
    fields = {"outcome": "NO", "price": "1250", "quantity": "10"}
    await send(alice, market, f"orders/{order.id.hex}/amend/", **fields)
    [order] = await orders_of(alice)
    assert order.price_pips == 2_500


@pytest.mark.parametrize(
    ("price", "text"),
    [
        ("1241.5", "The number must be on a step of 10 from the lowest one."),
        ("2000", "The number must lie within the range."),
        ("900", "The number must lie within the range."),
    ],
)
async def test_a_number_between_steps_or_beyond_the_range_is_refused(inside, alice, price, text):
    market = await make(inside)
    ticket = {**LIMIT, "outcome": "YES", "price": price, "amount": "10"}
    shown = (await send(alice, market, "preview/", **ticket)).text
    assert read_errors(shown) == {"price": text}


async def test_all_of_the_page_says_numbers(inside, alice, bob):
    market = await make(inside)
    await bob.placed(market, "sell 10 YES @ 0.26")
    await bob.placed(market, "buy 10 YES @ 0.22")
    await alice.placed(market, "buy 5 YES @ 0.26")
    page = await see(alice, market)
    assert "1,240\xa0points" in page  # the middle of bid and ask, in the header
    assert "expected by the market" in page
    assert "Spread 40" in page
    assert "Expected number" in page
    assert "1,000 – 2,000\xa0points" in page  # noqa: RUF001
    assert 'data-page-scale="1000000000 2000000000 0 points"' in page
    visible = re.sub(r"<script.*?</script>|<[^>]+>", " ", page, flags=re.DOTALL)
    assert not re.search(r"\d%", visible)
    assert "Yes" not in visible.split()
    german = await alice.http.get(path(market), headers={"Accept-Language": "de"})
    assert "1.240\xa0points" in german.text


async def test_cards_portfolio_and_embed_say_numbers(inside, alice, bob):
    market = await make(inside)
    await bob.placed(market, "sell 10 YES @ 0.26")
    await bob.placed(market, "buy 10 YES @ 0.22")
    await alice.placed(market, "buy 5 YES @ 0.26")
    embed = await alice.http.get(f"http://testserver/embed/{market.slug}/")
    assert "1,240\xa0points" in embed.text
    portfolio = (await alice.http.get("http://testserver/portfolio/")).text
    assert "Higher" in portfolio
    assert "1,260" in portfolio
    orders = (await bob.http.get("http://testserver/portfolio/orders/")).text
    assert "1,220" in orders
    fills = (await alice.http.get("http://testserver/portfolio/fills/")).text
    assert "1,260" in fills
