"""What one person does, another one's page shows at once, and again after a lost connection."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Join, VisitorFactory
from tests.browser.ladder import expect_book, find_book, read_book
from tests.browser.markets import open_market
from tests.browser.ticket import Ticket, expect_toast
from tests.browser.visitors import wait_until
from tests.browser.wire import Wire
from tests.e2e.people import Person
from tests.exchange import Exchange

pytestmark = pytest.mark.timeout(300)  # a whole site is started and filled first

SECONDS_MAX = 1.0
LOST = "Connection lost. Prices may be old; connecting again…"
BACK = "Connected again. Everything is up to date."

# Both windows are on one machine, so their clocks are one.
NOTE_ANSWER = """
() => addEventListener("htmx:beforeOnLoad", ({ detail }) => {
  if (detail.xhr.responseURL.endsWith("/orders/")) window.answeredAt = Date.now();
})
"""
NOTE_CHANGES = """
() => {
  const tape = () => document.querySelector("#tape [data-rows] tr")?.textContent ?? "";
  const asks = () => [...document.querySelectorAll("#book [data-side=ask] [data-level]")];
  const changes = {
    book: () => !asks().some((row) => row.checkVisibility() && row.dataset.level === "0.5800"),
    tape: () => /0\\.58/.test(tape()),
    probability: () => document.querySelector("[data-ticker=YES]").textContent === "57%",
    fill: () => document.querySelector("#own [data-fill]")?.textContent.includes("0.58"),
  };
  window.seenAt = {};
  setInterval(() => {
    for (const [name, isSeen] of Object.entries(changes)) {
      if (!(name in window.seenAt) && isSeen()) window.seenAt[name] = Date.now();
    }
  }, 20);
}
"""


@pytest.fixture(scope="module")
def carol(join: Join) -> Person:
    return join("carol")


@pytest.fixture
def market(operator: Person, carol: Person, request: pytest.FixtureRequest) -> str:
    """A market of the test's own with a bid at 0.52 and an ask at 0.62."""
    slug = f"live-{abs(hash(request.node.name)) % 10**8}"
    open_market(operator, slug)
    carol.place(slug, "buy 10 YES @ 0.52")
    carol.place(slug, "sell 10 YES @ 0.62")
    return slug


@pytest.mark.alone
def test_the_other_window_sees_book_tape_probability_and_its_own_fill_within_a_second(
    visit: VisitorFactory, alice: Person, bob: Person, market: str
):
    his, hers = (visit(person).open(f"/markets/{market}/") for person in (bob, alice))
    Ticket(his).send(answer="Yes", side="Sell", price="0.58", amount="10")
    for page in (his, hers):
        expect(find_book(page).get_by_role("button", name="0.58, 10 contracts")).to_be_visible()
        expect(page.get_by_text("55%").first).to_be_visible()
    his.evaluate(NOTE_CHANGES)
    hers.evaluate(NOTE_ANSWER)

    Ticket(hers).send(price="0.58", amount="10")

    answered_at = wait_until(hers, "window.answeredAt")
    seen_at = wait_until(his, "Object.keys(seenAt).length === 4 && seenAt")
    seen = {name: at - answered_at for name, at in seen_at.items()}
    assert max(seen.values()) <= SECONDS_MAX * 1_000, seen
    expect_toast(his, "Your order sold 10 YES at 0.58.")
    expect_toast(hers, "Bought 10 YES at 0.58.")


def test_a_first_price_appears_where_there_was_none(
    visit: VisitorFactory, operator: Person, bob: Person, carol: Person
):
    slug = open_market(operator, "unpriced")
    page = visit(bob).open(f"/markets/{slug}/")
    chance = page.locator("[data-ticker=YES]").first
    expect(chance).to_have_text("\N{EN DASH}")
    carol.place(slug, "buy 10 YES @ 0.52")
    carol.place(slug, "sell 10 YES @ 0.62")
    expect(chance).to_have_text("57%")


def test_a_dropped_socket_says_so_and_syncs_again_by_itself(
    visit: VisitorFactory, bob: Person, carol: Person, market: str
):
    visitor = visit(bob)
    wire = Wire(visitor.page)
    page = visitor.open(f"/markets/{market}/")
    expect_book(page, carol, market)
    page.evaluate("window.isSamePage = true")

    wire.cut()
    expect(page.get_by_text(LOST)).to_be_visible()
    shown = read_book(page)
    carol.place(market, "buy 5 YES @ 0.55")
    carol.place(market, "buy 5 YES @ 0.54")
    expect_tries(page, wire, 2)
    assert read_book(page) == shown
    expect(page.get_by_text(BACK)).to_have_count(0)

    wire.mend()
    expect_toast(page, BACK)
    expect(page.get_by_text(LOST)).to_be_hidden()
    expect_book(page, carol, market)
    assert page.evaluate("window.isSamePage")


def test_an_exchange_that_was_killed_and_started_again_is_followed_again(
    visit: VisitorFactory, site: Exchange, bob: Person, carol: Person, market: str
):
    visitor = visit(bob)
    page = visitor.open(f"/markets/{market}/")
    expect_book(page, carol, market)
    page.evaluate("window.isSamePage = true")
    site.kill()
    expect(page.get_by_text(LOST)).to_be_visible()
    site.start()
    carol.place(market, "sell 7 YES @ 0.61")
    expect_toast(page, BACK)
    expect(page.get_by_text(LOST)).to_be_hidden()
    expect_book(page, carol, market)
    Ticket(page).send(price="0.61", amount="7")
    expect_toast(page, "Bought 7 YES at 0.61.")
    expect_book(page, carol, market)
    assert page.evaluate("window.isSamePage")
    # While it was away each request that failed was noted, by the browser and by htmx.
    visitor.faults = [fault for fault in visitor.faults if fault.startswith("script: ")]


def expect_tries(page: Page, wire: Wire, count: int) -> None:
    """Wait until the page has tried to connect so often since now."""
    before = wire.tries
    for _ in range(200):
        if wire.tries >= before + count:
            return
        page.wait_for_timeout(50)
    raise AssertionError("the page does not try to connect again")
