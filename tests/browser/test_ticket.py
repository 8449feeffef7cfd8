"""The ticket shows the API's preview, and places that order."""

import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.accounts.test_numbers import TYPED
from tests.browser.conftest import Join, VisitorFactory
from tests.browser.ladder import expect_book, find_book
from tests.browser.late import hold_list, hold_preview
from tests.browser.markets import name_outcomes, open_market
from tests.browser.ticket import Ticket, expect_toast
from tests.browser.ticket_cases import CASES, CATEGORICAL_CASES, Case
from tests.browser.visitors import PHONE
from tests.e2e.people import Person

pytestmark = pytest.mark.timeout(300)  # a whole site is started and filled first

FEES = {"fee_kind": "quadratic", "fee_taker_rate": "0.07", "fee_maker_rate": "0.01"}
CITIES = name_outcomes("Rome", "Oslo", "Bern")

MarketFactory = Callable[..., str]


@pytest.fixture(scope="module")
def carol(join: Join) -> Person:
    return join("carol")


@pytest.fixture(scope="module")
def make_book(operator: Person, carol: Person) -> MarketFactory:
    """`make_book(outcome="YES", **terms)`: bids 0.55 and 0.50, asks 0.60 and 0.62, 10 of each."""
    made: list[str] = []

    def make(outcome: str = "YES", **terms: Any) -> str:
        slug = open_market(operator, f"ticket-{len(made)}", **terms)
        made.append(slug)
        for order in ("buy 10 {} @ 0.55", "buy 10 {} @ 0.50", "sell 10 {} @ 0.60",
                      "sell 10 {} @ 0.62"):  # fmt: skip
            carol.place(slug, order.format(outcome))
        return slug

    return make


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_numbers_are_the_previews_and_the_orders(
    visit: VisitorFactory, alice: Person, make_book: MarketFactory, case: Case
):
    check(visit, alice, make_book(**FEES), case)


@pytest.mark.parametrize("case", CATEGORICAL_CASES.values(), ids=CATEGORICAL_CASES)
def test_the_numbers_of_a_market_with_several_outcomes_are_too(
    visit: VisitorFactory, alice: Person, make_book: MarketFactory, case: Case
):
    check(visit, alice, make_book("OSLO", **FEES, **CITIES), case)


def check(visit: VisitorFactory, person: Person, slug: str, case: Case) -> None:
    preview = person.call("POST", "orders/preview", {"market": slug, **case.order})
    before = person.call("GET", "account")
    page = visit(person).open(f"/markets/{slug}/")
    ticket = Ticket(page)
    ticket.write(**case.written)
    is_against = {"outcome", "answer"} <= set(case.written)  # one of several outcomes
    see_preview(ticket, preview, is_against=is_against)
    ticket.send()
    expect_toast(page, re.compile("Bought|Sold|Resting"))
    [order] = person.call("GET", f"orders?market={slug}")["results"]
    compare(preview, order)
    after = person.call("GET", "account")
    assert Decimal(before["cash"]) - Decimal(after["cash"]) == Decimal(preview["cost"])
    assert Decimal(after["held"]) - Decimal(before["held"]) == Decimal(preview["hold"])


def see_preview(ticket: Ticket, preview: dict[str, Any], *, is_against: bool) -> None:
    """The ticket shows the preview's numbers, in terms of its contract."""
    amounts = {"pays_if_right": preview["pays_if_right"]}
    if preview["average_price"] is not None:
        average = Decimal(preview["average_price"])
        average = (1 - average if is_against else average).quantize(
            Decimal("0.0001"), ROUND_HALF_UP
        )
        shown = show(average)
        expect(ticket.find_line("average_price")).to_have_text(shown)
        amounts |= {"cost": preview["cost"], "fees": preview["fees"]}
    if Decimal(preview["hold"]):
        amounts["hold"] = preview["hold"]
    ticket.expect_amounts(**amounts)


def compare(preview: dict[str, Any], order: dict[str, Any]) -> None:
    """The order matches the preview."""
    for name in ("status", "filled", "remaining", "average_price", "fees"):
        assert preview[name] == order[name], name
    rests = order["status"] in ("open", "partially_filled")
    traded = Decimal(order["filled"]) + (Decimal(order["remaining"]) if rests else 0)
    assert Decimal(preview["pays_if_right"]) == traded


def show(number: Decimal) -> str:
    """Two to six decimals, as pages show what is exact."""
    whole, decimals = f"{number:.6f}".split(".")
    return f"{whole}.{decimals[:2]}{decimals[2:].rstrip('0')}"


# --- one order, however it is sent ----------------------------------------------------------------


def test_a_double_click_places_one_order(
    visit: VisitorFactory, bob: Person, make_book: MarketFactory
):
    slug = make_book()
    visitor = visit(bob)
    page = visitor.open(f"/markets/{slug}/")
    ticket = Ticket(page)
    ticket.write(price="0.40", amount="3")
    ticket.submit.dblclick()
    expect_toast(page, "Resting: 3 Yes at 0.40.")
    page.wait_for_load_state("networkidle")
    assert len(bob.call("GET", f"orders?market={slug}")["results"]) == 1
    visitor.forgive_status(422)  # of the second click, where the new ticket came in between


# --- own orders -----------------------------------------------------------------------------------


def test_an_order_is_amended_and_cancelled_in_its_row(
    visit: VisitorFactory, bob: Person, make_book: MarketFactory
):
    slug = make_book()
    visitor = visit(bob)
    page = visitor.open(f"/markets/{slug}/")
    page.evaluate("window.isSamePage = true")
    Ticket(page).send(price="0.40", amount="3")
    own = page.get_by_role("region", name="Your orders in this market")
    expect(own.get_by_role("listitem")).to_contain_text("3 Yes at 0.40")
    amend(page, price="0.42", quantity="5")
    expect_toast(page, "Resting: 5 Yes at 0.42.")
    expect(own.get_by_role("listitem")).to_contain_text("5 Yes at 0.42")
    assert find_open(bob, slug) == [("0.4200", "5.00")]
    expect_book(page, bob, slug)

    amend(page, price="0.425", quantity="5")
    expect(own.get_by_text("The price must be a multiple of 0.01.")).to_be_visible()
    assert find_open(bob, slug) == [("0.4200", "5.00")]
    visitor.forgive_status(422)

    own.get_by_role("button", name="Cancel 5 Yes").click()
    expect_toast(page, "Cancelled: 5 Yes.")
    expect(own).to_be_hidden()
    assert find_open(bob, slug) == []
    expect_book(page, bob, slug)
    assert page.evaluate("window.isSamePage")


def test_what_rests_can_be_cancelled_from_its_message(
    visit: VisitorFactory, bob: Person, make_book: MarketFactory
):
    slug = make_book()
    page = visit(bob).open(f"/markets/{slug}/")
    Ticket(page).send(price="0.40", amount="3")
    page.get_by_role("button", name="Cancel order").click()
    expect_toast(page, "Cancelled: 3 Yes.")
    assert find_open(bob, slug) == []


def test_an_order_whose_form_was_opened_while_its_list_was_fetched_stays_as_it_is(
    visit: VisitorFactory, bob: Person, make_book: MarketFactory
):
    slug = make_book()
    page, release = hold_list(visit(bob), bob, slug)
    own = page.get_by_role("region", name="Your orders in this market")
    own.get_by_text("Change", exact=True).click()
    own.get_by_label("Price").fill("0.41")
    release()
    expect(own.get_by_label("Price")).to_have_value("0.41")
    own.get_by_role("button", name="Save").click()
    expect(own.get_by_role("listitem")).to_have_count(2)
    assert sorted(find_open(bob, slug)) == [("0.3900", "1.00"), ("0.4100", "3.00")]


def test_an_order_whose_cancel_is_pressed_while_its_list_comes_is_cancelled(
    visit: VisitorFactory, bob: Person, make_book: MarketFactory
):
    slug = make_book()
    page, release = hold_list(visit(bob), bob, slug)
    own = page.get_by_role("region", name="Your orders in this market")
    own.get_by_role("button", name="Cancel 3 Yes").hover()
    page.mouse.down()
    release()
    page.mouse.up()
    expect_toast(page, "Cancelled: 3 Yes.")
    expect(own.get_by_role("listitem")).to_have_count(1)
    assert find_open(bob, slug) == [("0.3900", "1.00")]


def amend(page: Page, *, price: str, quantity: str) -> None:
    own = page.get_by_role("region", name="Your orders in this market")
    field = own.get_by_label("Price")
    if not field.is_visible():
        own.get_by_text("Change", exact=True).click()
    field.fill(price)
    own.get_by_label("Total contracts").fill(quantity)
    own.get_by_role("button", name="Save").click()


def find_open(person: Person, slug: str) -> list[tuple[str, str]]:
    orders = person.call("GET", f"orders?market={slug}&status=open")["results"]
    return [(order["price"], order["remaining"]) for order in orders]


# --- faults, beside their fields ------------------------------------------------------------------


FAULTS = [
    ({"price": "0.605", "amount": "1"}, "price", "The price must be a multiple of 0.01."),
    ({"price": "1.20", "amount": "1"}, "price", "The price must lie between 0 and 1."),
    ({"price": "0.60", "amount": ""}, "amount", "Enter the number of contracts."),
    ({"price": "0.60", "amount": "1.5"}, "amount", "Whole contracts only."),
    ({"amount": "1"}, "price", "A limit order needs a price."),
]


def test_an_error_is_shown_as_text_beside_its_field(
    visit: VisitorFactory, bob: Person, make_book: MarketFactory
):
    slug = make_book()
    visitor = visit(bob)
    for written, field, words in FAULTS:
        ticket = Ticket(visitor.open(f"/markets/{slug}/"))
        ticket.send(**written)
        ticket.expect_fault(getattr(ticket, field), words)
        visitor.page.wait_for_timeout(1_000)
        ticket.expect_fault(getattr(ticket, field), words)  # what follows by itself leaves it there
    assert bob.call("GET", f"orders?market={slug}")["results"] == []
    visitor.forgive_status(422)


def test_insufficient_funds_show_how_much_is_missing(
    visit: VisitorFactory, bob: Person, make_book: MarketFactory
):
    visitor = visit(bob)
    ticket = Ticket(visitor.open(f"/markets/{make_book()}/"))
    ticket.write(price="0.60", amount="100000")
    missing = 60_000 - Decimal(bob.available())
    words = f"You need {missing:,.2f}\N{NO-BREAK SPACE}cr more for this order."
    ticket.expect_fault(ticket.amount, words)  # already as one writes
    ticket.send()
    ticket.expect_fault(ticket.amount, words)
    visitor.forgive_status(422)


# --- brackets, and the way out -------------------------------------------------------------------


def test_a_bracket_is_placed_follows_its_fills_and_goes_when_the_position_is_closed(
    visit: VisitorFactory, alice: Person, bob: Person, make_book: MarketFactory
):
    slug = make_book()
    visitor = visit(bob)
    page = visitor.open(f"/markets/{slug}/")
    ticket = Ticket(page)
    take_profit, stop_loss = (
        ticket.root.get_by_label(name) for name in ("Take profit at", "Stop loss at")
    )
    expect(take_profit).to_be_hidden()  # the simple ticket stays simple
    ticket.root.get_by_text("More", exact=True).click()
    expect(ticket.root.get_by_label("When the price is")).to_be_hidden()
    take_profit.fill("0.40")
    stop_loss.fill("0.45")
    ticket.write(price="0.57", amount="5")
    ticket.expect_fault(take_profit, "Take profit at a better price than the stop loss")
    take_profit.fill("0.70")
    expect(ticket.root.get_by_text("5 Yes would rest in the book at 0.57.")).to_be_visible()
    ticket.send()
    expect_toast(page, "Resting: 5 Yes at 0.57. Takes profit at 0.70. Stops the loss at 0.45.")
    own = page.get_by_role("region", name="Your orders in this market")
    expect(own.get_by_text("waits for its order to fill")).to_have_count(2)
    alice.place(slug, "sell 5 YES @ 0.57")
    for kind in ("Take profit", "Stop"):
        expect(own.get_by_role("button", name=f"Cancel {kind} 5 Yes")).to_be_visible()
    own.locator("li", has_text="Take profit").get_by_text("Change").click()
    own.get_by_label("Take profit").fill("0.75")
    own.get_by_role("button", name="Save").click()
    expect(own.get_by_text("Take profit 0.75")).to_be_visible()
    position = page.get_by_role("region", name="Your position")
    position.get_by_text("Take profit or stop loss").click()
    position.get_by_label("Stop loss at").fill("0.40")
    visitor.forgive_status(422)
    assert visitor.find_overflow() == []
    assert visitor.find_barriers() == []
    position.get_by_role("button", name="Save").click()
    expect_toast(page, "Stops the loss at 0.40.")
    expect(own.get_by_text("Stop 0.40")).to_be_visible()

    page.on("dialog", lambda dialog: dialog.accept())
    position.get_by_role("button", name="Close Yes").click()
    expect_toast(page, "Sold 5 Yes at 0.55.")
    expect(own.get_by_text("Take profit")).to_have_count(0)
    legs = bob.call("GET", f"orders?market={slug}")["results"]
    assert {leg["reason"] for leg in legs if leg["bracket"]} == {"reduce_only"}


def test_positions_are_closed_in_the_portfolio_one_or_all(
    visit: VisitorFactory, bob: Person, make_book: MarketFactory
):
    slugs = [make_book(), make_book(), make_book()]
    for slug in slugs:
        bob.place(slug, "buy 4 YES @ 0.60")
    visitor = visit(bob, viewport=PHONE)
    page = visitor.open("/portfolio/")
    page.on("dialog", lambda dialog: dialog.accept())
    one = page.locator(f"[data-position={slugs[0]}]")
    assert visitor.find_overflow() == []
    assert visitor.find_barriers() == []
    one.get_by_role("button", name="Close Yes").click()
    expect_toast(page, "Sold 4 Yes at 0.55.")
    expect(one).to_have_count(0)
    page.get_by_role("button", name="Close all").click()
    expect_toast(page, re.compile("positions closed"))
    for slug in slugs:
        positions = bob.call("GET", f"positions?market={slug}")["results"]
        assert {row["position"] for p in positions for row in p["outcomes"]} <= {"0.00"}


# --- from elsewhere, on a phone ------------------------------------------------------------------


def test_on_a_phone_links_from_other_pages_open_the_ticket_filled_in(
    visit: VisitorFactory, bob: Person, make_book: MarketFactory
):
    slug = make_book()
    bob.place(slug, "buy 4 YES @ 0.60")
    visitor = visit(bob, viewport=PHONE)
    page = visitor.open("/portfolio/")
    page.locator(f"[data-position={slug}]").get_by_role("link", name="Sell Yes").click()
    ticket = Ticket(page)
    expect(page.get_by_role("dialog", name="Trade")).to_be_visible()
    for name in ("Sell", "Yes", "Market"):
        expect(ticket.find_choice(name)).to_be_checked()
    expect(ticket.amount).to_have_value("4")
    expect(ticket.root.get_by_label("Reduce-only")).to_be_checked()
    expect(ticket.submit).to_be_focused()
    expect(ticket.submit).to_be_in_viewport(ratio=1)
    assert visitor.find_overflow() == []
    assert visitor.find_barriers() == []
    ticket.send()
    expect_toast(page, "Sold 4 Yes at 0.55.")
    toast, bar = (page.locator(name).bounding_box() for name in ("[data-toast]", ".ticket-bar"))
    assert toast is not None
    assert bar is not None
    assert toast["y"] + toast["height"] <= bar["y"]

    page.goto(f"/?q={slug.replace('-', '+')}")
    page.locator(f"[data-market={slug}]").get_by_role("link", name="No 0.45").click()
    expect(page.get_by_role("dialog", name="Trade")).to_be_visible()
    for name in ("Buy", "No"):
        expect(ticket.find_choice(name)).to_be_checked()
    expect(ticket.amount).to_be_focused()


def test_a_ticket_is_restored_when_trading_resumes_after_a_halt(
    visit: VisitorFactory, operator: Person, bob: Person, make_book: MarketFactory
):
    slug = make_book()
    ticket = Ticket(visit(bob).open(f"/markets/{slug}/"))
    ticket.write(answer="No", price="0.40", amount="7")
    ticket.expect_amounts(hold="2.800000")
    operator.call("POST", f"markets/{slug}/halt", {"reason": "The source is unclear."})
    expect(ticket.amount).to_have_count(0)
    operator.call("POST", f"markets/{slug}/resume", {"reason": "The source is clear."})
    expect(ticket.amount).to_have_value("7")
    expect(ticket.price).to_have_value("0.40")
    expect(ticket.find_choice("No")).to_be_checked()
    ticket.expect_amounts(hold="2.800000")


def test_a_preview_that_comes_after_its_ticket_was_replaced_is_dropped(
    visit: VisitorFactory, operator: Person, bob: Person, make_book: MarketFactory
):
    slug = make_book()
    page = visit(bob).open(f"/markets/{slug}/")
    ticket = Ticket(page)
    release = hold_preview(ticket, answer="No", price="0.40", amount="7")
    operator.call("POST", f"markets/{slug}/halt", {"reason": "The source is unclear."})
    expect(ticket.amount).to_have_count(0)
    release()  # a fault that its words have no place would be noted


def test_a_preview_that_comes_while_the_button_is_pressed_does_not_move_it(
    visit: VisitorFactory, bob: Person, make_book: MarketFactory
):
    slug = make_book()
    page = visit(bob).open(f"/markets/{slug}/")
    ticket = Ticket(page)
    release = hold_preview(ticket, price="0.40", amount="7")
    ticket.submit.hover()
    page.mouse.down()
    release()
    page.mouse.up()
    expect_toast(page, "Resting: 7 Yes at 0.40.")
    assert find_open(bob, slug) == [("0.4000", "7.00")]


# --- numbers, in both languages ------------------------------------------------------------------

# Presses the ticket's own button at every amount from 0.01 to 99.99; returns those that went wrong.
ADD_TEN = """
(point) => {
  const field = document.querySelector("#ticket-amount");
  const button = document.querySelector("[data-add='10']");
  const write = (hundredths) => String((hundredths - hundredths % 100) / 100) + point
    + String(hundredths % 100).padStart(2, "0");
  const wrong = [];
  for (let hundredths = 1; hundredths <= 9999; hundredths += 1) {
    field.value = write(hundredths);
    button.click();
    const wanted = write(hundredths + 1000).replace(/0$/, "").replace(/[.,]0$/, "");
    if (field.value !== wanted) wrong.push([write(hundredths), field.value]);
  }
  field.value = "";
  return wrong;
}
"""
READ = """
async (texts) => {
  const { readNumber } = await import("/static/js/numbers.js");
  const { parse } = await import("/static/js/units.js");
  const isOne = (text) => text !== null && parse(text, 6) !== null;
  return texts.map(readNumber).map((text) => (isOne(text) ? text : null));
}
"""


@pytest.mark.parametrize(("locale", "point"), [("en-GB", "."), ("de-DE", ",")])
def test_a_ticket_reads_and_writes_the_page_s_numbers_exactly(
    visit: VisitorFactory, bob: Person, make_book: MarketFactory, locale: str, point: str
):
    slug = make_book()
    visit(bob).open("/")  # logged in, in English
    page = visit(bob, locale=locale).open(f"/markets/{slug}/")
    assert page.evaluate(ADD_TEN, point) == []
    column = 1 if point == "." else 2
    wanted = [row[column] if isinstance(row[column], str) else None for row in TYPED]
    assert page.evaluate(READ, [row[0] for row in TYPED]) == wanted

    price, amount = page.locator("#ticket-price"), page.locator("#ticket-amount")
    ask = page.locator("#book [data-side=ask] [data-price]")
    ask.filter(has_text=f"0{point}60").click()
    expect(price).to_have_value(f"0{point}60")
    page.locator("[data-step='-1']").click()
    expect(price).to_have_value(f"0{point}59")
    page.locator("#ticket-measure-credits").check(force=True)
    amount.fill(f"1{point}5")
    page.locator("[data-add='10']").click()
    expect(amount).to_have_value(f"11{point}5")
    expect(page.locator("[data-line=hold] data")).to_have_attribute("value", "11.210000")
    page.locator("#ticket-submit").click()
    expect(amount).to_have_value("")
    assert find_open(bob, slug) == [("0.5900", "19.00")]
    available = Decimal(bob.available())
    shown = (
        f"{available:,.2f}".translate(str.maketrans(".,", ",."))
        if point == ","
        else f"{available:,.2f}"
    )
    expect(page.locator("[data-balance=available]")).to_have_text(f"{shown}\N{NO-BREAK SPACE}cr")


# --- the ladder -----------------------------------------------------------------------------------


def test_a_click_on_the_ladder_fills_the_ticket(
    visit: VisitorFactory, bob: Person, make_book: MarketFactory
):
    page = visit(bob).open(f"/markets/{make_book()}/")
    ticket, book = Ticket(page), find_book(page)
    book.get_by_role("button", name=re.compile(r"^0\.62,")).click()
    see_ticket(ticket, side="Buy", answer="Yes", price="0.62")
    expect(ticket.amount).to_be_focused()
    book.get_by_role("button", name=re.compile(r"^0\.50,")).click()
    see_ticket(ticket, side="Sell", answer="Yes", price="0.50")
    book.get_by_role("button", name="No", exact=True).click()
    book.get_by_role("button", name=re.compile(r"^0\.45,")).click()
    see_ticket(ticket, side="Buy", answer="No", price="0.45")


def see_ticket(ticket: Ticket, *, side: str, answer: str, price: str) -> None:
    for name in (side, answer, "Limit"):
        expect(ticket.find_choice(name)).to_be_checked()
    expect(ticket.price).to_have_value(price)
