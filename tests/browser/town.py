"""A site with one of everything that pages show, made through the API and a few pages."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from playwright.sync_api import Page, expect

from tests.browser.markets import EVIDENCE, make_market, name_outcomes, open_market, settle_market
from tests.browser.visitors import Visitor
from tests.e2e.people import Person, wait_for

LONG_TITLE = (
    "Will the committee that looks into Donaudampfschifffahrtselektrizitaetenhauptbetriebswerk"
    " publish the second part of its report, with all annexes and every table, before the end of"
    " the next quarter?"
).ljust(200, "?")
CITIES = ("Athens", "Lisbon", "Madrid", "Nicosia", "Rome", "Valletta")
NUMBERS = tuple(f"No{number}" for number in range(1, 51))
ANNOUNCEMENT = "The exchange moves to a new machine on Sunday at 06:00 UTC."

OpenWindow = Callable[[Person | None], Visitor]


@dataclass
class Town:
    """`names` are the parts of paths that are known only when the rows are there."""

    operator: Person
    alice: Person
    bob: Person
    names: dict[str, str] = field(default_factory=dict)

    @property
    def people(self) -> dict[str, Person | None]:
        return {"nobody": None, "alice": self.alice, "olivia": self.operator}


def build_town(operator: Person, alice: Person, bob: Person, open_window: OpenWindow) -> Town:
    town = Town(operator, alice, bob)
    alice.verify_email()  # only then is there a second factor to set up
    open_markets(town)
    end_markets(town)
    ask_for_money(town)
    operator.call("PATCH", "exchange", {"announcement": ANNOUNCEMENT})
    write_pages(town, open_window)
    return town


# --- markets --------------------------------------------------------------------------------------


def open_markets(town: Town) -> None:
    fees = {"fee_kind": "quadratic", "fee_taker_rate": "0.07"}
    texts = {
        "description": "A station of the weather service measures it.",
        "resolution_source": "https://weather.example/dahlem",
        "featured": True,
    }
    operator = town.operator
    trade(town, open_market(operator, "rain", title="Will it rain on Sunday?", **fees, **texts))
    question = "Which of these capitals will be the warmest?"
    open_market(operator, "capitals", title=question, **name_outcomes(*CITIES))
    for number, city in enumerate(CITIES[:4]):
        trade(town, "capitals", city.upper(), middle=10 + 12 * number)
    question = "Which number will be drawn first on Saturday?"
    open_market(operator, "fifty", title=question, **name_outcomes(*NUMBERS))
    for number in range(0, 50, 7):
        trade(town, "fifty", NUMBERS[number].upper(), middle=3 + number // 2, spread=0)
    trade(town, open_market(operator, "long", title=LONG_TITLE))
    trade(town, open_market(operator, "cheap"), middle=1, spread=0)
    trade(town, open_market(operator, "dear"), middle=99, spread=0)
    open_market(operator, "empty", title="Has nobody traded here yet?")
    trade(town, open_market(operator, "halted"))
    operator.call("POST", "markets/halted/halt", {"reason": "The source is unclear."})
    make_market(operator, "draft", title="Is this a draft?")


def trade(
    town: Town, slug: str, outcome: str = "YES", *, middle: int = 58, spread: int = 2
) -> None:
    """Alice and Bob trade at `middle` cents, and their orders stand around it."""
    around = (middle, middle - spread, middle + spread)
    price, below, above = (f"{cents / 100:.2f}" for cents in around)
    town.alice.place(slug, f"buy 10 {outcome} @ {price}")
    town.bob.place(slug, f"sell 6 {outcome} @ {price}")
    if spread:
        town.alice.place(slug, f"buy 250 {outcome} @ {below}")
        town.bob.place(slug, f"sell 125 {outcome} @ {above}")


def end_markets(town: Town) -> None:
    """One is paid, one corrected, one can be disputed, one waits for its result, one is void."""
    operator = town.operator
    for slug in ("settled", "corrected", "resolving", "closed", "void"):
        window = 3600 if slug == "resolving" else 0
        trade(town, open_market(operator, slug, dispute_seconds=window, dispute_bond="5"))
    for slug in ("settled", "corrected"):
        settle_market(operator, slug, yes="1")
    correction = "markets/corrected/correction"
    operator.call("POST", correction, {**EVIDENCE, "yes": "0.2"})
    wait_for(lambda: operator.call("GET", correction)["state"] == "done")
    for slug in ("resolving", "closed"):
        operator.call("POST", f"markets/{slug}/close", {})
    operator.call("POST", "markets/resolving/resolve", {**EVIDENCE, "yes": "0.25"})
    void = {"reason": "Nobody can know.", "house_cover": "0"}
    operator.call("POST", "markets/void/void", void)


# --- money and words ------------------------------------------------------------------------------


def ask_for_money(town: Town) -> None:
    """Withdrawals, deposits and webhooks need a log-in, not a key."""
    alice = Person(town.alice.exchange, town.alice.handle)
    alice.log_in()
    note = "To the account that you know, please."
    alice.call("POST", "withdrawals", {"amount": "120.5", "note": note}, status=201)
    alice.call("POST", "deposits", {"amount": "10", "note": note}, status=201)
    hook = {"url": "https://weather.example/predex/hook", "events": ["fill", "settlement"]}
    webhook_id = alice.call("POST", "webhooks", hook, status=201)["id"]
    alice.call("POST", f"webhooks/{webhook_id}/ping", status=201)
    alice.call("POST", "subaccounts", status=201)
    moved = {"from_subaccount": 0, "to_subaccount": 1, "amount": "15.5"}
    alice.call("POST", "subaccounts/transfers", moved, status=201)
    town.names["webhook"] = str(UUID(webhook_id))


def write_pages(town: Town, open_window: OpenWindow) -> None:
    visitor = open_window(town.alice)
    write_profile(visitor.page)
    write_comments(visitor.page)
    town.names["group"], town.names["invitation"] = found_group(visitor.page)
    group = {"visibility": "group", "group": town.names["group"]}
    visitor.close()
    open_market(town.operator, "secret", title="Who brings the cake on Friday?", **group)
    visitor = open_window(town.operator)
    for name, path in (("market_key", "markets/market"), ("user_key", "accounts/user")):
        listed = visitor.context.request.get(f"/admin/{path}/").text()
        town.names[name] = re.findall(rf"/admin/{path}/(\d+)/change/", listed)[-1]
    visitor.close()


def write_profile(page: Page) -> None:
    page.goto("/account/")
    page.get_by_label("Display name").fill("Alice of the Weather")
    page.get_by_label("About you").fill("I look at clouds.")
    page.get_by_label("Positions").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your profile is saved.")).to_be_visible()


def write_comments(page: Page) -> None:
    page.goto("/markets/rain/")
    comments = page.get_by_role("region", name="Comments")
    comments.get_by_label("Your comment").fill("It looks like it: https://weather.example")
    comments.get_by_role("button", name="Comment", exact=True).click()
    comments.get_by_text("Reply", exact=True).first.click()
    comments.get_by_label("Your reply to alice").fill("Though the wind turns.")
    comments.get_by_role("button", name="Reply").click()
    expect(comments.get_by_text("Though the wind turns.")).to_be_visible()


def found_group(page: Page) -> tuple[str, str]:
    """Return the slug of a new group, and the code of an invitation."""
    page.goto("/groups/")
    page.get_by_label("Name").fill("The Friday round")
    page.get_by_label("What it is about").fill("Who knows what, and when.")
    page.get_by_role("button", name="Create the group").click()
    page.get_by_role("button", name="Create a link").click()
    link = page.get_by_label("Invitation link").input_value()
    return page.url.rstrip("/").split("/")[-1], link.rstrip("/").split("/")[-1]
