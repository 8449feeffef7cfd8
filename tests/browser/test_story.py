"""Whole stories by pages alone: from sign-up to the first trade, from a proposal to the pay-out."""

import csv
import os
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Join, VisitorFactory
from tests.browser.markets import name_outcomes, open_market, settle_market
from tests.browser.ticket import Ticket, expect_toast
from tests.browser.visitors import PHONE
from tests.e2e.people import PASSWORD, Person, wait_for
from tests.exchange import Exchange
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.timeout(300)  # a whole site is started and filled first

MINUS = "\N{MINUS SIGN}"
NBSP = "\N{NO-BREAK SPACE}"
TITLE = "Does the bridge open before autumn?"
NUMBER_TITLE = "How many points does the index have on Friday?"
Row = dict[str, str]


@pytest.fixture(scope="module")
def site_environment() -> Mapping[str, str]:
    return {"EMAIL_VERIFICATION_REQUIRED": "true"}


@pytest.fixture(scope="module")
def join(site: Exchange) -> Join:
    """Here people confirm their address before they trade."""

    def make(handle: str) -> Person:
        person = Person(site, handle)
        person.register()
        person.verify_email()
        person.log_in()
        person.make_key()
        return person

    return make


# --- from sign-up to the first trade --------------------------------------------------------------


def test_a_stranger_signs_up_confirms_the_address_and_trades(
    visit: VisitorFactory, site: Exchange, operator: Person, alice: Person
):
    slug = open_market(operator, "first-trade", title="Will the first trade be easy?")
    alice.place(slug, "sell 20 YES @ 0.60")
    newcomer = Person(site, "nora")
    visitor = visit(viewport=PHONE)
    page = visitor.open("/")
    page.locator(f"[data-market={slug}]").get_by_role("link", name="Yes 0.60").click()
    ticket = Ticket(page)
    ticket.write(kind="Market", amount="5")
    ticket.expect_amounts(cost="3.000000", pays_if_right="5.000000")
    ticket.root.get_by_role("button", name="Sign up to trade").click()
    sign_up(page, newcomer)

    page.wait_for_url(f"**/markets/{slug}/**")
    welcome = page.get_by_role("region", name="Welcome to predex, nora!")
    expect(welcome).to_contain_text("You have 10,000.00\N{NO-BREAK SPACE}cr to trade with.")
    expect(page.locator("[data-toast]")).to_have_count(0)
    expect(page.get_by_text("Confirm your e-mail address before you trade.")).to_be_visible()
    page.get_by_role("button", name="Close", exact=True).click()
    expect(page.locator("#ticket-bar").get_by_role("link", name="Confirm it now")).to_be_visible()
    assert visitor.find_overflow() == []
    assert visitor.find_barriers() == []
    page.goto(newcomer.find_confirmation())
    page.get_by_role("button", name="Confirm").click()
    page.wait_for_url(f"**/markets/{slug}/**")
    expect(ticket.amount).to_have_value("5")
    ticket.send()
    expect_toast(page, "Bought 5 Yes at 0.60.")
    position = page.get_by_role("region", name="Your position")
    expect(position).to_contain_text("5 Yes")
    expect(page.get_by_role("link", name=re.compile("^Available"))).to_contain_text("9,997.00")


def sign_up(page: Page, person: Person) -> None:
    page.get_by_label("E-mail").fill(person.email)
    page.get_by_label("Handle").fill(person.handle)
    for field in page.locator("input[type=password]").all():
        field.fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()


# --- from a proposal to the pay-out ---------------------------------------------------------------


def test_a_market_lives_from_proposal_to_payment_by_pages_and_admin_alone(
    visit: VisitorFactory, operator: Person, alice: Person, bob: Person
):
    had = Decimal(alice.available())
    admin = visit(operator).page
    set_policy(admin)
    proposed = visit(bob).page
    slug = propose(proposed)
    expect(proposed.get_by_role("region", name="Order book")).to_have_count(0)
    find_in_admin(admin)
    act(admin, "Approve", done="The market is approved.")
    act(admin, "Open", done="The market is open.")
    expect(proposed.get_by_role("region", name="Order book")).to_be_visible()

    his, hers = (visit(person).open(f"/markets/{slug}/") for person in (bob, alice))
    Ticket(his).send(answer="No", price="0.40", amount="10")
    expect_toast(his, "Resting: 10 No at 0.40.")
    Ticket(hers).send(kind="Market", amount="10")
    expect_toast(hers, "Bought 10 Yes at 0.60.")

    act(admin, "Close now", done="The market is closed.", reason="The bridge is open.")
    expect(hers.get_by_text("Trading has ended. The result comes next.").first).to_be_visible()
    propose_result(admin)
    see_payment(hers, paid="10.00", profit="+4.00\N{NO-BREAK SPACE}cr")
    see_payment(his, paid="0.00", profit=f"{MINUS}4.00\N{NO-BREAK SPACE}cr")
    assert Decimal(alice.available()) == had - 6 + 10


def set_policy(admin: Page) -> None:
    """Everybody may propose markets, and a result is paid as soon as it is said."""
    admin.goto("/admin/accounts/policy/")
    admin.get_by_label("Who may create").select_option("everyone")
    admin.get_by_label("Dispute window").fill("0s")
    admin.get_by_role("button", name="Save", exact=True).click()
    expect(admin.get_by_text("was changed successfully")).to_be_visible()


def propose(page: Page) -> str:
    """Fill in the form, look at the preview, send it; return the market's slug."""
    page.goto("/create/")
    page.get_by_label("Question", exact=True).fill(TITLE)
    page.get_by_label("Rules").fill("YES if cars drive over it on 1 September.")
    page.get_by_label("Source of the result").fill("https://bridge.example")
    closes_at = datetime.now() + timedelta(days=2)  # noqa: DTZ005 - as the browser's field has it
    page.get_by_label("Trading ends").fill(f"{closes_at:%Y-%m-%dT%H:%M}")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("region", name="Preview")).to_contain_text(TITLE)
    page.get_by_role("button", name="Send for approval").click()
    expect_toast(page, "Sent to the operators for approval.")
    expect(page.get_by_role("heading", level=1)).to_have_text(TITLE)
    return page.url.rstrip("/").split("/")[-1]


def find_in_admin(admin: Page) -> None:
    """From the overview to what waits for approval."""
    admin.goto("/admin/")
    admin.get_by_role("link", name=TITLE).click()


def act(admin: Page, name: str, *, done: str, reason: str = "") -> None:
    """Do something to the row whose page is shown; come back to that page."""
    admin.get_by_role("list", name="Actions").get_by_role("link", name=name, exact=True).click()
    if reason:
        admin.get_by_label("Reason").fill(reason)
    admin.get_by_role("button", name=name).click()
    expect(admin.get_by_text(done)).to_be_visible()


def propose_result(admin: Page) -> None:
    name = "Propose a result"
    admin.get_by_role("list", name="Actions").get_by_role("link", name=name, exact=True).click()
    admin.get_by_label("Yes", exact=True).check()
    admin.get_by_label("Evidence", exact=True).fill("Cars drive over it.")
    admin.get_by_role("button", name=name).click()
    expect(admin.get_by_text("The result is proposed.")).to_be_visible()


def see_payment(page: Page, *, paid: str, profit: str) -> None:
    """On the page that was open all the time, in the bell, in the portfolio."""
    said = (
        "Nothing was paid to you."
        if paid == "0.00"
        else f"You were paid {paid}\N{NO-BREAK SPACE}cr."
    )
    expect(page.get_by_text(said).first).to_be_visible()
    bell = page.get_by_role("link", name=re.compile("^Notifications"))
    expect(bell.locator("[data-unread]")).to_have_text(re.compile("^[1-9]"))
    bell.click()
    expect(page.get_by_role("listitem").filter(has_text=TITLE).first).to_be_visible()
    page.get_by_role("link", name="Portfolio", exact=True).click()
    page.get_by_role("link", name="Settlements").click()
    row = page.get_by_role("row").filter(has_text=TITLE)
    expect(row).to_contain_text(f"{paid}\N{NO-BREAK SPACE}cr")
    expect(row).to_contain_text(profit)


# --- a dispute, with its bond ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "done", "news", "fate"),
    [
        (
            "Uphold",
            "The dispute is upheld",
            "Your dispute was upheld",
            "You got your bond of 25.00",
        ),
        ("Dismiss", "The dispute is dismissed", "Your dispute was dismissed", "is lost"),
    ],
)
def test_a_result_is_disputed_for_a_bond_and_an_operator_decides(
    visit: VisitorFactory, operator: Person, alice: Person, bob: Person, verdict: str, done: str,
    news: str, fate: str,
):  # fmt: skip
    terms = {"dispute_seconds": 3600, "dispute_bond": "25"}
    slug = open_market(operator, f"to-{verdict.lower()}", **terms)
    alice.place(slug, "sell 10 YES @ 0.60")
    bob.place(slug, "buy 10 YES @ 0.60")
    had = Decimal(bob.available())
    operator.call("POST", f"markets/{slug}/close", {})
    operator.call("POST", f"markets/{slug}/resolve", {"yes": "0", "evidence_text": "Nobody came."})

    visitor = visit(bob)
    page = visitor.open(f"/markets/{slug}/")
    page.get_by_text("Dispute this result").click()
    expect(page.get_by_text("A dispute costs a bond of 25.00")).to_be_visible()
    page.get_by_label("What is wrong with it?").fill("I was there.")
    page.get_by_role("button", name="Dispute", exact=True).click()
    expect_toast(page, "You have disputed this result.")
    expect(page.get_by_text("Your bond of 25.00")).to_contain_text("is held until then.")
    assert Decimal(bob.available()) == had - 25
    assert visitor.find_overflow() == []
    assert visitor.find_barriers() == []

    admin = visit(operator).open(f"/markets/{slug}/")
    admin.get_by_role("link", name="Decide the dispute").click()
    act(admin, verdict, done=done, reason="Looked again.")
    wait_for(lambda: Decimal(bob.available()) == had - (0 if verdict == "Uphold" else 25))
    wait_for(lambda: news in visitor.open("/notifications/").content())
    expect(page.get_by_role("listitem").filter(has_text=news).first).to_contain_text(fate)
    page.goto("/portfolio/transfers/")
    expect(page.get_by_role("row").filter(has_text="Bond of a dispute").first).to_be_visible()
    page.goto(f"/markets/{slug}/")
    said = "Trading has ended" if verdict == "Uphold" else "Your bond of 25.00"
    expect(page.get_by_text(said).first).to_be_visible()


# --- files ----------------------------------------------------------------------------------------


def test_the_csv_files_open_with_the_right_sums(
    visit: VisitorFactory, operator: Person, join: Join, alice: Person, tmp_path: Path
):
    carla = join("carla")
    terms = {"fee_kind": "quadratic", "fee_taker_rate": "0.07"}
    slug = open_market(operator, "sums", title="=1+1, or is it?", **terms)
    alice.place(slug, "sell 20 YES @ 0.37")
    carla.place(slug, "buy 7 YES @ 0.37")
    carla.place(slug, "buy 5 YES @ 0.40")
    settle_market(operator, slug, yes="0.25")
    page = visit(carla).open("/portfolio/transfers/")
    expect(page.get_by_role("heading", name="Transfers")).to_be_visible()

    transfers = download(page, tmp_path)
    cash = Decimal(carla.call("GET", "account")["cash"])
    assert add(transfers, "amount") == Decimal(transfers[-1]["cash_after"]) == cash
    page.get_by_role("link", name="Fills").click()
    fills = download(page, tmp_path)
    assert {row["title"] for row in fills} == {"'=1+1, or is it?"}
    assert add(fills, "quantity") == 12
    of_trades = [row for row in transfers if row["kind"] in ("trade", "fee")]
    assert add(fills, "cash_change") == add(of_trades, "amount")
    page.get_by_role("link", name="Settlements").click()
    [settled] = download(page, tmp_path)
    assert Decimal(settled["payout"]) == 12 * Decimal("0.25")
    assert Decimal(settled["paid_in"]) == -add(fills, "cash_change")
    assert Decimal(settled["profit"]) == Decimal(settled["payout"]) - Decimal(settled["paid_in"])


def download(page: Page, folder: Path) -> list[Row]:
    """Click on "CSV" and read what comes."""
    with page.expect_download(timeout=PATIENCE_SECONDS * 1_000) as download:
        page.get_by_role("link", name="CSV").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def add(rows: list[Row], column: str) -> Decimal:
    return sum((Decimal(row[column]) for row in rows), Decimal())


# --- a market about a number, and one with an outcome that is withdrawn ---------------------------


def create_number(page: Page) -> str:
    """Fill in the form for a number, look at the preview, and create the draft."""
    page.goto("/create/")
    page.get_by_label("A number").check()
    page.get_by_label("Question", exact=True).fill(NUMBER_TITLE)
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
    expect(page.get_by_role("heading", level=1)).to_have_text(NUMBER_TITLE)
    return page.url.rstrip("/").split("/")[-1]


def test_a_market_about_a_number_is_created_traded_and_paid(
    visit: VisitorFactory, operator: Person, alice: Person, bob: Person
):
    staff = visit(operator)
    slug = create_number(staff.page)
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
    propose_number(staff.page, slug)
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


def propose_number(page: Page, slug: str) -> None:
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
