"""Standing orders on the site: created for a market, listed, stopped."""

import pytest

from tests.pages.desk import inside
from tests.pages.trading import browser_of, shard
from tests.trading import world
from trading.models import StandingOrder

__all__ = ["inside", "shard"]

pytestmark = pytest.mark.django_db

PAGE = "/portfolio/standing/"


@pytest.fixture
def market(shard):
    market = world.make_market()
    world.open_market(shard, market)
    market.refresh_from_db()
    return market


@pytest.fixture
def alice(shard):
    return world.make_account(1_000)


def send(browser, market, **fields):
    form = {"outcome": "NO", "side": "buy", "price": "0.40", "quantity": "10", **fields}
    return browser.post(f"{PAGE}?market={market.slug}", form)


def test_a_standing_order_is_created_from_the_markets_page_listed_and_stopped(market, alice):
    browser = browser_of(alice)
    link = f"{PAGE}?market={market.slug}"
    assert link in browser.get(f"/markets/{market.slug}/").content.decode()
    assert f"New standing order: {market.title}" in browser.get(link).content.decode()
    assert send(browser, market).status_code == 302
    standing = StandingOrder.objects.get()
    assert (standing.side, standing.price_pips, standing.quantity_lots) == (-1, 6000, 1000)
    shown = browser.get(PAGE).content.decode()
    assert all(text in shown for text in (market.title, "Buy No", "0.40", "10 contracts", "Active"))
    csv = b"".join(browser.get("/portfolio/standing.csv")).decode()
    assert f"{market.slug},{market.title},YES,sell,0.6000,10.00" in csv
    stop = f"{PAGE}{standing.id.hex}/stop/"
    assert browser_of(world.make_account()).post(stop).status_code == 404
    assert browser.post(stop).status_code == 302
    assert "you stopped it" in browser.get(PAGE).content.decode()


def test_the_form_says_what_is_wrong_where_it_is_wrong(market, alice):
    browser = browser_of(alice)
    for fields, name, text in (
        ({"price": "0.405"}, "price", "The price must be a multiple of 0.01."),
        ({"price": "zero"}, "price", "Enter a number, like 0.55 or 10."),
        ({"quantity": ""}, "quantity", "Enter a number of contracts or a daily budget, not both."),
        ({"quantity": "1.5"}, "quantity", "Whole contracts only."),
        ({"quantity": "", "daily_budget": "0.1"}, "daily_budget", "That is not enough"),
        ({"until": "2020-01-01T00:00"}, "until", "That time has already passed."),
    ):
        answer = send(browser, market, **fields)
        assert answer.status_code == 422
        assert text in str(answer.context["form"].errors[name]), fields
    assert not StandingOrder.objects.exists()


def test_a_market_that_can_not_be_seen_has_no_form(alice):
    assert browser_of(alice).get(f"{PAGE}?market=unknown").status_code == 404
