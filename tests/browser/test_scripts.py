"""A script that a user writes into a text field is displayed as text everywhere.

The windows here ignore the content security policy: the pages themselves have to be right.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import VisitorFactory, open_window
from tests.browser.payloads import AGENT, FIND_HITS, MARK, SHORT, WATCH, Payloads
from tests.browser.ticket import expect_toast
from tests.browser.visitors import Visitor, Windows
from tests.e2e.people import Person
from tests.exchange import Exchange

pytestmark = pytest.mark.timeout(300)  # a whole site is started and filled first

RUN_MS = 150  # what an image that can't be loaded needs to say so

SHOWN = {
    "nobody": [
        "/", "/?category={category}", "/?tag={tag}", "/markets/binary/", "/markets/several/",
        "/markets/decided/", "/markets/binary/comments/", "/embed/binary/", "/embed/several/",
        "/@alice/", "/leaderboard/", "/help/", "/help/api/", "/accounts/login/",
        "/accounts/signup/", "/nothing-here/",
    ],
    "alice": [
        "/markets/binary/", "/markets/several/", "/markets/decided/", "/portfolio/",
        "/portfolio/orders/", "/portfolio/fills/", "/portfolio/transfers/", "/portfolio/money/",
        "/notifications/", "/account/", "/account/keys/", "/account/security/", "/groups/",
        "/groups/{group}/", "/leaderboard/?group={group}", "/markets/secret/",
    ],
    "olivia": [
        "/markets/{draft}/", "/markets/{draft}/edit/", "/groups/join/{invitation}/", "/admin/",
        "/admin/markets/market/", "/admin/markets/market/{market_key}/change/",
        "/admin/markets/market/{market_key}/do/close/", "/admin/markets/comment/",
        "/admin/markets/dispute/", "/admin/markets/resolution/", "/admin/markets/statuschange/",
        "/admin/markets/category/", "/admin/markets/tag/", "/admin/markets/group/",
        "/admin/markets/exchange/", "/admin/accounts/withdrawalrequest/",
        "/admin/accounts/depositrequest/", "/admin/accounts/transfer/", "/admin/accounts/apikey/",
        "/admin/accounts/auditevent/", "/admin/accounts/loginsession/", "/admin/accounts/policy/",
        "/admin/accounts/user/{user_key}/change/", "/admin/trading/order/",
    ],
}  # fmt: skip
CASES = [(viewer, path) for viewer, paths in SHOWN.items() for path in paths]


@pytest.fixture(scope="module")
def payloads(
    chromium: Browser,
    site: Exchange,
    sessions: dict[str, Any],
    operator: Person,
    alice: Person,
    bob: Person,
) -> Payloads:
    written = Payloads(operator, alice, bob)
    hers, his = (
        open_window(chromium, site, sessions, person, user_agent=AGENT)
        for person in (alice, operator)
    )
    written.write(hers, his)
    hers.close()
    his.close()
    return written


@pytest.fixture(scope="module")
def windows(
    chromium: Browser, site: Exchange, sessions: dict[str, Any], payloads: Payloads
) -> Iterator[Windows]:
    """Windows in which everything that can run does run."""
    people = {"nobody": None, "alice": payloads.alice, "olivia": payloads.operator}

    def open_one(viewer: str) -> Visitor:
        visitor = open_window(
            chromium, site, sessions, people[viewer], bypass_csp=True, user_agent=AGENT
        )
        visitor.context.add_init_script(WATCH)
        visitor.page.on("dialog", lambda _: visitor.faults.append("a dialog opened"))
        return visitor

    opened = Windows(open_one)
    yield opened
    opened.close()


@pytest.fixture
def look(windows: Windows) -> Iterator[VisitorFactory]:
    """`look("alice")`: her window, which sees no script's error until the end of the test."""
    looked: list[Visitor] = []

    def find(viewer: str) -> Visitor:
        visitor = windows.find(viewer)
        visitor.faults.clear()
        looked.append(visitor)
        return visitor

    yield find
    for visitor in looked:
        print(visitor.describe())  # shown by pytest when the test has failed
        assert visitor.faults == []


@pytest.mark.parametrize(("viewer", "path"), CASES)
def test_a_script_in_a_text_is_a_text(
    look: VisitorFactory, payloads: Payloads, viewer: str, path: str
):
    visitor = look(viewer)
    status = 404 if path == "/nothing-here/" else 200
    page = visitor.open(path.format(**payloads.names), status=status)
    assert MARK in page.content(), "nothing of it shows here"
    see_no_hit(page)


@pytest.mark.parametrize(
    "path",
    [
        f"/?q={SHORT}",
        f"/?sort={SHORT}&status={SHORT}",
        f"/markets/binary/?price={SHORT}&amount={SHORT}&outcome={SHORT}&range={SHORT}&view={SHORT}",
        f"/accounts/login/?next={SHORT}",
        "/accounts/login/?next=javascript:hit()",
        f"/admin/markets/market/?q={SHORT}",
    ],
)
def test_a_script_in_an_address_is_a_text(look: VisitorFactory, path: str):
    page = look("olivia" if path.startswith("/admin/") else "nobody").open(path)
    see_no_hit(page)


def test_a_script_in_a_live_message_is_a_text(
    look: VisitorFactory, alice: Person, bob: Person, payloads: Payloads
):
    page = look("alice").open("/markets/several/")
    alice.place("several", "buy 3 HIT2 @ 0.30")
    own = page.get_by_role("region", name="Your orders in this market")
    expect(own).to_contain_text("at 0.30")  # the page listens
    bob.place("several", "sell 3 HIT2 @ 0.30")
    expect_toast(page, SHORT)
    page.get_by_role("button", name="Candles").click()
    expect(page.get_by_role("region", name="Latest trades").first).to_contain_text(SHORT)
    see_no_hit(page)


def test_a_script_in_a_file_of_markets_is_a_text(look: VisitorFactory):
    page = look("olivia").open("/admin/markets/market/import/")
    cell = SHORT.replace('"', '""')
    text = f'title,close_at,rules,outcomes\n"{cell}",never {MARK},"{cell}","{cell};b"\n'
    file = {"name": f"{MARK}.csv", "mimeType": "text/csv", "buffer": text.encode()}
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Check the file").click()
    expect(page.get_by_text(SHORT).first).to_be_visible()
    see_no_hit(page)


def see_no_hit(page: Page) -> None:
    page.wait_for_timeout(RUN_MS)
    assert page.evaluate(FIND_HITS) == []
