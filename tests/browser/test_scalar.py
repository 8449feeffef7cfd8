"""A market about a number, by its pages: created, traded, its result proposed and paid."""

import os
import re
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import VisitorFactory
from tests.browser.markets import name_outcomes, open_market
from tests.browser.ticket import Ticket, expect_toast
from tests.browser.visitors import PHONE
from tests.e2e.people import Person

pytestmark = pytest.mark.timeout(300)  # a whole site is started and filled first

TITLE = "How many points does the index have on Friday?"
NBSP = "\N{NO-BREAK SPACE}"


def create(page: Page) -> str:
    """Fill in the form for a number, look at the preview, and create the draft."""
    page.goto("/create/")
    page.get_by_label("A number").check()
    page.get_by_label("Question", exact=True).fill(TITLE)
    expect(page.get_by_label("Outcomes, one per line")).to_be_hidden()
    page.get_by_label("Lowest number").fill("1000")
    page.get_by_label("Highest number").fill("2000")
    page.get_by_label("Unit").fill("points")
    page.get_by_label("Rules").fill("The closing value on Friday, as the exchange publishes it.")
    closes_at = datetime.now() + timedelta(days=2)  # noqa: DTZ005 - as the browser's field has it
    page.get_by_label("Trading ends").fill(f"{closes_at:%Y-%m-%dT%H:%M}")
    page.get_by_role("button", name="Preview").click()
    preview = page.get_by_role("region", name="Preview")
    expect(preview).to_contain_text(f"1,000 – 2,000{NBSP}points")  # noqa: RUF001
    expect(preview).to_contain_text("Higher")
    page.get_by_role("button", name="Create the draft").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(TITLE)
    return page.url.rstrip("/").split("/")[-1]


def test_a_market_about_a_number_is_created_traded_and_paid(
    visit: VisitorFactory, operator: Person, alice: Person, bob: Person
):
    staff = visit(operator)
    slug = create(staff.page)
    operator.call("PATCH", f"markets/{slug}", {"dispute_seconds": 0})
    operator.call("POST", f"markets/{slug}/open", {})
    bob.place(slug, "sell 50 YES @ 0.26")
    bob.place(slug, "buy 50 YES @ 0.22")

    visitor = visit(alice)
    page = visitor.open(f"/markets/{slug}/")
    trade_by_numbers(page, slug, bob)
    assert visitor.find_overflow() == []
    assert visitor.find_barriers() == []
    look_in_both_themes(visit, slug, alice, bob)

    operator.call("POST", f"markets/{slug}/close", {})
    expect(page.get_by_text("Trading has ended. The result comes next.").first).to_be_visible()
    propose(staff.page, slug)
    expect(page.get_by_role("heading", name=f"Result: 1,500{NBSP}points")).to_be_visible()
    expect(page.get_by_text(re.compile("You were paid 5.00")).first).to_be_visible()
    shoot(page, "paid")
    assert visitor.find_overflow() == []


def trade_by_numbers(page: Page, slug: str, bob: Person) -> None:
    """Buy at a number; then what others do moves the numbers on the page."""
    header = page.locator("#market-header")
    expect(header).to_contain_text(f"1,240{NBSP}points")
    ticket = Ticket(page)
    number = ticket.root.get_by_label("At this number")
    ticket.choose("Higher")
    ticket.choose("Limit")
    number.fill("1260")
    ticket.amount.fill("10")
    ticket.expect_amounts(cost="2.600000", pays_if_right="10.000000")
    expect(ticket.find_line("break_even")).to_have_text("1,260")
    number.press("ArrowUp")
    expect(number).to_have_value("1270")
    number.press("ArrowDown")
    ticket.send()
    expect_toast(page, "Bought 10 Higher at 1,260.")
    position = page.get_by_role("region", name="Your position")
    expect(position).to_contain_text("10 Higher")
    expect(position).to_contain_text("1,260")

    # The book, in numbers, fills the ticket; what others do moves the number.
    book = page.get_by_role("region", name="Order book")
    expect(book).to_contain_text("Spread 40")
    book.locator("[data-side=bid] [data-price]").first.click()
    expect(number).to_have_value("1220")
    bob.place(slug, "buy 30 YES @ 0.24")
    expect(header).to_contain_text(f"1,250{NBSP}points")
    expect(book).to_contain_text("Spread 20")
    page.get_by_role("button", name="Candles").click()
    expect(page.locator("[data-candles]")).to_contain_text("1,260")


def look_in_both_themes(visit: VisitorFactory, slug: str, alice: Person, bob: Person) -> None:
    for theme in ("light", "dark"):
        phone = visit(bob, viewport=PHONE, color_scheme=theme)
        small = phone.open(f"/markets/{slug}/")
        bar = small.locator("#ticket-bar")
        expect(bar.get_by_role("link", name="Buy Higher 1,260")).to_be_visible()
        expect(bar.get_by_role("link", name="Buy Lower 1,240")).to_be_visible()
        assert phone.find_overflow() == []
        assert phone.find_barriers() == []
        shoot(small, f"phone-{theme}")
        wide = visit(alice, viewport={"width": 1280, "height": 900}, color_scheme=theme)
        shoot(wide.open(f"/markets/{slug}/"), f"wide-{theme}")
        shoot(wide.open("/"), f"home-{theme}")
    card = visit(bob, viewport=PHONE).open("/").locator(f"[data-market={slug}]")
    expect(card).to_contain_text(f"1,250{NBSP}points")
    expect(card.get_by_role("link", name="Higher 1,260")).to_be_visible()
    bob.place(slug, "sell 5 YES @ 0.25")
    expect(card).to_contain_text(f"1,245{NBSP}points")


def propose(page: Page, slug: str) -> None:
    page.goto(f"/markets/{slug}/")
    shoot(page, "propose")
    page.get_by_label("Which number was observed?").fill("1500")
    page.get_by_label("Evidence", exact=True).fill("The exchange's page.")
    page.get_by_role("button", name="Propose this result").click()
    expect_toast(page, "The result is proposed.")


def test_a_withdrawn_outcome_is_marked_and_takes_no_orders(
    visit: VisitorFactory, operator: Person, alice: Person
):
    slug = open_market(operator, "runners", title="Who wins?", **name_outcomes("Ann", "Ben", "Cat"))
    visitor = visit(alice, viewport=PHONE)
    page = visitor.open(f"/markets/{slug}/")
    outcomes = page.get_by_role("region", name="Outcomes")
    expect(outcomes.get_by_role("link", name="Buy Yes on Cat")).to_be_visible()
    body = {"outcome": "CAT", "price": "0.1", "reason": "She is ill."}
    operator.call("POST", f"markets/{slug}/withdraw-outcome", body)
    page.reload()
    expect(outcomes).to_contain_text("Withdrawn, pays 0.10")
    expect(outcomes.get_by_role("link", name="Buy Yes on Cat")).to_have_count(0)
    expect(page.locator("#ticket-outcome option")).to_have_text(["Ann", "Ben"])
    expect(page.get_by_text("“Cat” was withdrawn and pays 0.10. She is ill.")).to_be_visible()
    assert visitor.find_overflow() == []
    assert visitor.find_barriers() == []
    shoot(page, "withdrawn")


def shoot(page: Page, name: str) -> None:
    """Keep a picture where a person who looks at it says."""
    folder = os.environ.get("PREDEX_PICTURES")
    if folder:
        page.wait_for_timeout(1_500)
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)
