"""By keyboard alone: a whole trade, menus, the way past the header; the focus is always seen."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import VisitorFactory
from tests.browser.ladder import find_book
from tests.browser.markets import open_market
from tests.browser.ticket import Ticket, expect_toast
from tests.browser.visitors import PHONE
from tests.e2e.people import PASSWORD, Person

TITLE = "Can one trade without a mouse?"
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
    slug = open_market(operator, "keyboard", title=TITLE)
    alice.place(slug, "buy 10 YES @ 0.55")
    alice.place(slug, "sell 10 YES @ 0.60")
    return slug


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


@pytest.mark.parametrize("path", ["/", "/markets/keyboard/", "/portfolio/", "/account/security/"])
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
