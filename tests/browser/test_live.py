"""One user's actions appear on another one's page at once, also after a lost connection."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Join, VisitorFactory
from tests.browser.ladder import expect_book, find_book, read_book
from tests.browser.late import hold_portfolio
from tests.browser.markets import name_outcomes, open_market, settle_market
from tests.browser.ticket import Ticket, expect_toast
from tests.browser.visitors import wait_until
from tests.browser.wire import Wire
from tests.e2e.people import Person
from tests.exchange import Exchange

pytestmark = pytest.mark.timeout(300)  # a whole site is started and filled first

SECONDS_MAX = 1.0
SETTLED_MS = 2_000  # enough for what would be drawn late
REASON = {"reason": "A closer look."}
TURN_PAGE = "(name) => dispatchEvent(new PageTransitionEvent(name, { persisted: true }))"
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
    expect_toast(his, "Your order sold 10 Yes at 0.58.")
    expect_toast(hers, "Bought 10 Yes at 0.58.")


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


def test_what_other_outcomes_imply_is_in_the_ladder_marked_and_can_be_bought(
    visit: VisitorFactory, operator: Person, alice: Person, bob: Person, carol: Person
):
    slug = open_market(operator, "three", **name_outcomes("Red", "Green", "Blue"))
    page = visit(bob).open(f"/markets/{slug}/?book=BLUE&outcome=BLUE")
    carol.place(slug, "buy 10 RED @ 0.30")
    carol.place(slug, "buy 4 RED @ 0.20")
    alice.place(slug, "buy 8 GREEN @ 0.40")
    expect_book(page, bob, slug, outcome="BLUE")
    assert [(str(price), str(lots)) for price, lots in read_book(page)["asks"]] == [
        ("0.3000", "8"), ("0.7000", "2"), ("0.8000", "4"),
    ]  # fmt: skip
    row = find_book(page).locator("[data-level='0.3000']")
    expect(row.locator("[data-beside]")).to_have_attribute(
        "title", "8 of them from the other outcomes"
    )
    ticket = Ticket(page)
    ticket.write(outcome="Blue", price="0.30", amount="5")
    expect(ticket.find_line("filled_across")).to_have_text("5")
    ticket.send()
    expect_toast(page, "Bought 5 Blue at 0.30.")
    expect_book(page, bob, slug, outcome="BLUE")
    assert str(read_book(page)["asks"][0][1]) == "3"


def test_a_market_with_a_maker_has_a_price_at_once_and_its_ladder_follows_trades(
    visit: VisitorFactory, operator: Person, bob: Person, carol: Person
):
    terms = {"maker_liquidity": "100", "maker_funded_by_house": True}
    slug = open_market(operator, "made", title="Is there always a price?", **terms)
    page = visit(bob).open(f"/markets/{slug}/")
    expect(page.locator("[data-ticker=YES]").first).to_have_text("50%")
    book = find_book(page)
    best = book.locator("[data-side=ask] tr[data-level='0.5100']")
    expect(best.locator("[data-beside]")).to_have_attribute("title", re.compile("the market maker"))
    Ticket(page).send(kind="Market", amount="20")
    expect_toast(page, re.compile("^Bought 20 Yes at 0.5"))
    expect(page.locator("[data-ticker=YES]").first).not_to_have_text("50%")
    expect(best).to_be_hidden()
    carol.place(slug, "buy 10 YES @ 0.54")
    expect(book.locator("[data-side=bid] tr[data-level='0.5400']")).to_be_visible()


def test_a_first_trade_just_before_the_close_stays_in_the_chart(
    visit: VisitorFactory, operator: Person, bob: Person, carol: Person
):
    slug = open_market(operator, "hurried")
    page = visit(bob).open(f"/markets/{slug}/")
    nothing = page.locator("[data-chart-empty]")
    expect(nothing).to_be_visible()
    carol.place(slug, "sell 10 YES @ 0.62")
    bob.place(slug, "buy 10 YES @ 0.62")
    expect(page.locator("[data-ticker=YES]").first).to_have_text("62%")
    expect(nothing).to_be_hidden()
    operator.call("POST", f"markets/{slug}/close", {})
    expect_toast(page, "This market is now closed. Its result comes next.")
    page.wait_for_timeout(SETTLED_MS)
    expect(nothing).to_be_hidden()
    expect(page.locator("[data-plot] canvas")).to_be_visible()


def test_a_position_follows_the_status_of_its_market(
    visit: VisitorFactory, operator: Person, bob: Person, market: str
):
    bob.place(market, "buy 5 YES @ 0.62")
    page = visit(bob).open(f"/markets/{market}/")
    position = page.get_by_role("region", name="Your position")
    sell = position.get_by_role("link", name="Sell Yes")
    expect(sell).to_be_visible()
    operator.call("POST", f"markets/{market}/halt", REASON)
    expect(sell).to_have_count(0)
    expect(position).to_contain_text("Worth now")
    operator.call("POST", f"markets/{market}/resume", REASON)
    expect(sell).to_be_visible()


def test_halting_the_whole_exchange_reaches_an_open_page(
    visit: VisitorFactory, alice: Person, operator: Person
):
    open_market(operator, "stands-still")
    page = visit(alice).open("/markets/stands-still/")
    bar = page.get_by_text("Trading is halted on the whole exchange. Orders can be cancelled.")
    expect(page.get_by_text("No sell orders.")).to_be_visible()
    expect(bar).to_be_hidden()
    operator.call("PATCH", "exchange", {"trading_halted": True, **REASON})
    try:
        expect(bar).to_be_visible()
        expect(page.locator("[data-obstacle=exchange_halted]")).to_be_visible()
        expect(page.get_by_text("No sell orders. Trading is halted.")).to_be_visible()
    finally:  # the market of another test is on this exchange too
        operator.call("PATCH", "exchange", {"trading_halted": False, **REASON})
    expect(bar).to_be_hidden()
    expect(page.get_by_text("No sell orders.")).to_be_visible()
    expect(page.locator("#ticket-form")).to_be_visible()


def test_a_card_follows_the_status_of_its_market(
    visit: VisitorFactory, operator: Person, market: str
):
    page = visit().open("/")
    card = page.locator(f"[data-market={market}]")
    yes = card.get_by_role("link", name="Yes 0.62")
    expect(yes).to_be_visible()
    operator.call("POST", f"markets/{market}/halt", REASON)
    expect(card.get_by_text("Halted")).to_be_visible()
    expect(yes).to_have_count(0)
    operator.call("POST", f"markets/{market}/resume", REASON)
    expect(yes).to_be_visible()
    expect(card.get_by_text("Halted")).to_have_count(0)
    settle_market(operator, market, yes="1")
    title = page.get_by_role("heading", name=f"Does {market.replace('-', ' ')} come true?")
    settled = page.get_by_role("article").filter(has=title)
    expect(settled.get_by_text("Settled", exact=True)).to_be_visible()


def test_an_outcome_that_comes_into_a_card_brings_its_line(
    visit: VisitorFactory, operator: Person, alice: Person, bob: Person
):
    slug = open_market(operator, "line", **name_outcomes("Rome", "Oslo", "Bern", "Riga"))
    page = visit().open("/")
    row = page.locator(f"[data-market={slug}] [data-outcome=RIGA]")
    expect(page.locator(f"[data-market={slug}] [data-outcome=BERN]")).to_be_visible()
    expect(row).to_have_count(0)
    bob.place(slug, "buy 5 RIGA @ 0.60")
    alice.place(slug, "sell 5 RIGA @ 0.60")
    expect(row.get_by_text("60%")).to_be_visible()
    expect(row.locator("[data-spark] svg")).to_be_visible()


def test_a_page_that_comes_back_from_the_cache_follows_again_at_once(
    visit: VisitorFactory, bob: Person, carol: Person, market: str
):
    visitor = visit(bob)
    wire = Wire(visitor.page)
    page = visitor.open(f"/markets/{market}/")
    expect_book(page, carol, market)
    page.evaluate(TURN_PAGE, "pagehide")
    wire.cut()
    wire.restore()
    carol.place(market, "buy 5 YES @ 0.55")
    before = wire.tries
    page.evaluate(TURN_PAGE, "pageshow")
    page.wait_for_timeout(SECONDS_MAX * 1_000)
    assert wire.tries == before + 1
    expect_book(page, carol, market)


def test_an_order_whose_cancel_is_pressed_while_the_portfolio_is_loaded_again_is_cancelled(
    visit: VisitorFactory, join: Join, market: str
):
    dora = join("dora")
    page, release = hold_portfolio(visit(dora), dora, market)
    row = page.get_by_role("row").filter(has_text="0.40")
    row.get_by_role("button", name="Cancel").hover()
    page.mouse.down()
    release()
    page.mouse.up()
    expect(row).to_have_count(0)
    [left] = dora.call("GET", f"orders?market={market}&status=open")["results"]
    assert left["price"] == "0.3900"


def test_a_portfolio_counts_complete_sets_as_one_like_the_server(
    visit: VisitorFactory, operator: Person, alice: Person, bob: Person, carol: Person
):
    """Bob sold A; B and C, which he owns so, trade at 0.60 each."""
    slug = open_market(operator, "three-ways", **name_outcomes("A", "B", "C"))
    carol.place(slug, "buy 10 A @ 0.30")
    bob.place(slug, "sell 10 A @ 0.30")
    for outcome in ("B", "C"):
        carol.place(slug, f"sell 1 {outcome} @ 0.60")
        alice.place(slug, f"buy 1 {outcome} @ 0.60")
    page = visit(bob).open("/portfolio/")
    value = page.locator(f"[data-position={slug}] [data-cell=value]")
    expect(value).to_have_text("7.00\N{NO-BREAK SPACE}cr")
    carol.place(slug, "sell 1 A @ 0.45")
    alice.place(slug, "buy 1 A @ 0.45")
    expect(value).to_have_text("5.50\N{NO-BREAK SPACE}cr")
    shown = page.locator("[data-figure=equity]").inner_text()
    page.reload()
    expect(value).to_have_text("5.50\N{NO-BREAK SPACE}cr")
    expect(page.locator("[data-figure=equity]")).to_have_text(shown)


@pytest.mark.parametrize("path", ["/markets/{}/", "/portfolio/orders/"])
def test_what_happened_before_a_page_could_listen_shows_as_soon_as_it_does(
    visit: VisitorFactory, alice: Person, market: str, path: str
):
    visitor = visit(alice)
    wire = Wire(visitor.page)
    wire.cut()
    page = visitor.open(path.format(market))
    expect_tries(page, wire, 1)
    order_id = alice.place(market, "buy 3 YES @ 0.31")["id"]
    wire.restore()
    expect(page.locator(f"[data-order='{order_id}']")).to_be_visible()


def test_money_that_came_before_a_portfolio_could_listen_shows_as_soon_as_it_does(
    visit: VisitorFactory, alice: Person, market: str
):
    visitor = visit(alice)
    wire = Wire(visitor.page)
    wire.cut()
    page = visitor.open("/portfolio/")
    expect_tries(page, wire, 1)
    alice.place(market, "buy 3 YES @ 0.62")
    expect(page.locator(f"[data-position='{market}']")).to_have_count(0)
    wire.restore()
    expect(page.locator(f"[data-position='{market}']")).to_be_visible()


def test_a_notification_appears_where_they_are_listed(
    visit: VisitorFactory, bob: Person, carol: Person, market: str
):
    bob.place(market, "buy 4 YES @ 0.57")
    page = visit(bob).open("/notifications/")
    carol.place(market, "sell 4 YES @ 0.57")
    entry = page.get_by_role("listitem").filter(has_text="Bought 4 Yes at 0.57")
    expect(entry).to_be_visible()
    expect(entry).to_contain_text("New")
    expect(page.locator("[data-unread]").first).to_be_hidden()  # it has been seen


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

    wire.restore()
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
    expect_toast(page, "Bought 7 Yes at 0.61.")
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
