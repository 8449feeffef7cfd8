"""Reading, log-in and a simple order work in a browser that runs no JavaScript."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import VisitorFactory
from tests.browser.markets import open_market
from tests.browser.ticket import Ticket, expect_toast
from tests.browser.visitors import DESKTOP, PHONE
from tests.e2e.people import PASSWORD, Person

PLAIN: dict[str, Any] = {"java_script_enabled": False}
TITLE = "Is the sea warm enough?"


@pytest.fixture(scope="module")
def market(operator: Person, alice: Person) -> str:
    slug = open_market(operator, "sea", title=TITLE, description="Measured at the pier.")
    alice.place(slug, "buy 10 YES @ 0.55")
    alice.place(slug, "sell 10 YES @ 0.60")
    return slug


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_stranger_reads(visit: VisitorFactory, market: str, viewport: dict[str, int]):
    page = visit(viewport=viewport, **PLAIN).open("/")
    page.get_by_role("link", name=TITLE).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(TITLE)
    expect(page.get_by_text("Measured at the pier.")).to_be_visible()
    book = page.get_by_role("region", name="Order book")
    expect(book.get_by_role("button", name=re.compile("^0.60, 10 contracts"))).to_be_visible()
    book.get_by_role("button", name="No", exact=True).click()
    expect(book.get_by_role("button", name=re.compile("^0.45, 10 contracts"))).to_be_visible()
    page.get_by_role("button", name="1W").click()
    expect(page.get_by_role("button", name="1W")).to_have_attribute("aria-pressed", "true")


def test_a_search_and_a_filter_find(visit: VisitorFactory, market: str):
    page = visit(**PLAIN).open("/")
    page.get_by_label("Search markets").fill("warm enough")
    page.get_by_label("Search markets").press("Enter")
    expect(page.get_by_role("link", name=TITLE)).to_be_visible()
    page.get_by_label("Search markets").fill("something else")
    page.get_by_label("Search markets").press("Enter")
    expect(page.get_by_role("link", name=TITLE)).to_have_count(0)


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_user_logs_in_places_an_order_and_cancels_it(
    visit: VisitorFactory, bob: Person, market: str, viewport: dict[str, int]
):
    visitor = visit(viewport=viewport, **PLAIN)
    page = visitor.open(f"/markets/{market}/")
    Ticket(page).write(price="0.605", amount="4")
    page.get_by_role("button", name="Log in", exact=True).click()
    page.get_by_label("E-mail").fill(bob.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()
    page.wait_for_url(f"**/markets/{market}/?**")

    page.get_by_role("button", name="Place the order").click()
    expect(page.get_by_text("The price must be a multiple of 0.01.")).to_be_visible()
    expect(Ticket(page).amount).to_have_value("4")
    visitor.forgive_status(422)
    Ticket(page).price.fill("0.50")
    page.get_by_role("button", name="Place the order").click()
    expect_toast(page, "Resting: 4 Yes at 0.50.")
    [order] = bob.call("GET", f"orders?market={market}&status=open")["results"]
    assert (order["price"], order["quantity"]) == ("0.5000", "4.00")

    page.get_by_role("region", name="Your orders in this market").get_by_role(
        "button", name="Cancel 4 Yes"
    ).click()
    expect_toast(page, "Cancelled: 4 Yes.")
    assert bob.call("GET", f"orders?market={market}&status=open")["results"] == []


def test_a_ladders_price_leads_to_a_filled_ticket(
    visit: VisitorFactory, alice: Person, market: str
):
    page = visit(alice, **PLAIN).open(f"/markets/{market}/")
    page.get_by_role("button", name=re.compile("^0.60, 10 contracts")).click()
    ticket = Ticket(page)
    expect(ticket.find_choice("Buy")).to_be_checked()
    expect(ticket.price).to_have_value(re.compile(r"^0\.60"))


def test_an_order_is_cancelled_in_the_portfolio_too(
    visit: VisitorFactory, bob: Person, market: str
):
    bob.place(market, "buy 3 YES @ 0.30")
    page = visit(bob, **PLAIN).open("/portfolio/")
    page.get_by_role("link", name="Orders", exact=True).click()
    row = page.get_by_role("row").filter(has_text=TITLE)
    row.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("No open orders.")).to_be_visible()
    assert bob.call("GET", f"orders?market={market}&status=open")["results"] == []
