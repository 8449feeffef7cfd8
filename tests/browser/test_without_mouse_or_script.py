"""Without a mouse, and without JavaScript.

By keyboard alone: a whole trade, menus, the way past the header; the focus is always seen. Reading,
log-in and a simple order work in a browser that runs no scripts.
"""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import VisitorFactory
from tests.browser.ladder import find_book
from tests.browser.markets import open_market
from tests.browser.ticket import Ticket, expect_toast
from tests.browser.visitors import DESKTOP, PHONE
from tests.e2e.people import PASSWORD, Person

PLAIN: dict[str, Any] = {"java_script_enabled": False}
TITLE = "Is the sea warm enough?"
TABS_MAX = 120

# The focused element: its name, and whether it or an ancestor has an outline.
FIND_FOCUS = """
() => {
  const element = document.activeElement;
  if (element === null || element === document.body) return null;
  const hasOutline = (one, part) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(one, part);
    return outlineStyle !== "none" && parseFloat(outlineWidth) > 0;
  };
  const label = element.closest("label") ?? element;
  const seen = hasOutline(element) || hasOutline(element, "::after") || hasOutline(label);
  const { width, height } = label.getBoundingClientRect();
  const words = element.labels?.[0]?.textContent ?? element.textContent;
  return {
    name: element.getAttribute("aria-label") ?? words,
    what: `${element.tagName} ${element.id} ${element.outerHTML.slice(0, 200)}`,
    seen: seen && width > 0 && height > 0,
  };
}
"""


@pytest.fixture(scope="module")
def market(operator: Person, alice: Person) -> str:
    slug = open_market(operator, "sea", title=TITLE, description="Measured at the pier.")
    alice.place(slug, "buy 10 YES @ 0.55")
    alice.place(slug, "sell 10 YES @ 0.60")
    return slug


# --- by keyboard ----------------------------------------------------------------------------------


def test_a_whole_trade_from_log_in_to_cancelled_order(
    visit: VisitorFactory, bob: Person, market: str
):
    page = visit().open("/accounts/login/")
    go_to(page, "E-mail")
    page.keyboard.type(bob.email)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/accounts/login" not in url)
    go_to(page, TITLE)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/markets/{market}/")

    ticket = Ticket(page)
    go_to(page, "Market")  # of a group of choices the chosen one has the focus
    page.keyboard.press("ArrowRight")
    expect(ticket.find_choice("Limit")).to_be_checked()
    go_to(page, "Limit price")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("0.56")
    page.keyboard.press("ArrowUp")
    expect(ticket.price).to_have_value("0.57")
    go_to(page, "Contracts")
    page.keyboard.press("Tab")
    go_back_to_amount(page)
    page.keyboard.type("4")
    page.keyboard.press("Enter")
    expect_toast(page, "Resting: 4 Yes at 0.57.")

    go_to(page, "Cancel 4 Yes")
    page.keyboard.press("Space")
    expect_toast(page, "Cancelled: 4 Yes.")
    assert bob.call("GET", f"orders?market={market}&status=open")["results"] == []


def test_a_price_of_the_ladder_is_chosen(visit: VisitorFactory, bob: Person, market: str):
    page = visit(bob).open(f"/markets/{market}/")
    go_to(page, "0.60, 10 contracts")
    page.keyboard.press("Enter")
    expect(Ticket(page).price).to_have_value("0.60")
    expect(Ticket(page).amount).to_be_focused()


def test_the_first_stop_leads_past_the_header(visit: VisitorFactory, market: str):
    page = visit().open(f"/markets/{market}/")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("main").get_by_role("link", name="Markets")).to_be_focused()


def test_a_menu_opens_and_closes_with_keys(visit: VisitorFactory, bob: Person, market: str):
    page = visit(bob).open(f"/markets/{market}/")
    summary = page.get_by_label("Your menu")
    go_to(page, "Your menu")
    page.keyboard.press("Enter")
    settings = page.get_by_role("link", name="Account settings")
    expect(settings).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(settings).to_be_hidden()
    expect(summary).to_be_focused()


def test_the_ticket_of_a_phone_is_a_dialogue_that_escape_closes(
    visit: VisitorFactory, bob: Person, market: str
):
    page = visit(bob, viewport=PHONE).open(f"/markets/{market}/")
    go_to(page, "Buy Yes")
    page.keyboard.press("Enter")
    ticket = Ticket(page)
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(ticket.amount).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


@pytest.mark.parametrize("path", ["/", "/markets/sea/", "/portfolio/", "/account/security/"])
def test_the_focus_is_seen_at_every_stop(
    visit: VisitorFactory, bob: Person, market: str, path: str
):
    page = visit(bob).open(path)
    stops = []
    for _ in range(TABS_MAX):
        page.keyboard.press("Tab")
        focus = page.evaluate(FIND_FOCUS)
        if focus is None:  # past the last one
            break
        stops.append(focus)
    assert len(stops) > 10
    assert [stop["what"] for stop in stops if not stop["seen"]] == []


def test_the_book_says_its_rows_to_who_does_not_see_them(
    visit: VisitorFactory, bob: Person, market: str
):
    page = visit(bob).open(f"/markets/{market}/")
    expect(find_book(page).get_by_role("table", name="Asks: what sellers want")).to_be_attached()
    expect(find_book(page).get_by_role("table", name="Bids: what buyers offer")).to_be_attached()


def go_to(page: Page, name: str) -> None:
    """Press Tab until what has the focus is called so; it is always seen where the focus is."""
    for _ in range(TABS_MAX):
        page.keyboard.press("Tab")
        focus = page.evaluate(FIND_FOCUS)
        if focus is None:
            continue
        assert focus["seen"], focus["what"]
        if re.match(rf"\s*{re.escape(name)}(?!\w)", focus["name"]):
            return
    raise AssertionError(f"no stop is called {name}")


def go_back_to_amount(page: Page) -> None:
    """Go back from the element after it."""
    for _ in range(TABS_MAX):
        if page.evaluate("document.activeElement.name") == "amount":
            return
        page.keyboard.press("Shift+Tab")
    raise AssertionError("the amount can't be reached")


# --- without scripts ------------------------------------------------------------------------------


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
