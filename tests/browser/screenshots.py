"""`make screenshots`: the pictures in docs/screenshots/ and static/preview.png, made again.

Starts a demo site of its own with a past, people who trade and something for the operators to do,
and takes each picture at one pixel a dot. It takes about three minutes.
"""

import itertools
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.chromium import CHROMIUM, FLAGS, NO_CHROMIUM
from tests.browser.markets import EVIDENCE, open_market, settle_market
from tests.browser.visitors import DESKTOP, PHONE
from tests.e2e.people import Person
from tests.exchange import ROOT, Exchange

FOLDER = ROOT / "docs" / "screenshots"
PREVIEW = ROOT / "static" / "preview.png"
PREVIEW_SIZE: Any = {"width": 1_200, "height": 630}
BYTES_MAX = 200_000
WARM_UP_SECONDS = 45
QUOTING_SECONDS = 20
PAUSE_SECONDS = 4
TRADING_SECONDS = 20
DRAWN_MS = 1_500
DEMO_PEOPLE = ("alice", "bob")
NAMES = ("clara", "david", "emma", "finn", "greta", "henri")
COMMENTS = (
    "The ensemble runs agree for once: a front on Thursday evening, and it is slow.",
    "Dahlem is in the south-west. Tempelhof had nothing last week while it poured there.",
)


class Ended(NamedTuple):
    """A market in which trading has ended; `result` is what YES paid, if that is known."""

    slug: str
    title: str
    result: str = ""


ENDED = (
    Ended("night-train", "Did the night train to Vienna arrive on time on Friday?", "1"),
    Ended("city-marathon", "Was the city marathon won in less than 2:05 h?", "0"),
    Ended("library", "Is the new library open to everybody by now?"),
    Ended("harbour-bridge", "Was the harbour bridge closed on Sunday?"),
)


class Shot(NamedTuple):
    """A picture; `act` is done on the page before."""

    name: str
    path: str
    viewer: str = ""
    theme: str = "light"
    is_phone: bool = False
    act: Callable[[Page], None] | None = None


def fill_ticket(page: Page) -> None:
    page.get_by_role("link", name=re.compile("^Buy Yes")).click()
    page.get_by_role("radio", name="Market", exact=True).check()
    page.get_by_role("textbox", name="Contracts").fill("40")
    page.locator("[data-summary]").wait_for()
    page.get_by_role("dialog").evaluate("element => { element.scrollTop = 0; }")


def show_candles(page: Page) -> None:
    page.get_by_role("button", name="Candles").click()


MARKET, CATEGORICAL = "/markets/rain-in-berlin/?range=1W", "/markets/warmest-capital/?range=1W"
SHOTS = (
    Shot("home-light", "/"),
    Shot("home-dark", "/", viewer="alice", theme="dark"),
    Shot("home-phone", "/", is_phone=True),
    Shot("market-light", MARKET, viewer="alice"),
    Shot("market-dark", MARKET, viewer="alice", theme="dark", act=show_candles),
    Shot("market-phone", MARKET, viewer="alice", is_phone=True),
    Shot("ticket-phone", MARKET, viewer="alice", is_phone=True, act=fill_ticket),
    Shot("categorical-light", CATEGORICAL, viewer="alice"),
    Shot("categorical-phone", CATEGORICAL, viewer="alice", theme="dark", is_phone=True),
    Shot("portfolio-light", "/portfolio/", viewer="alice"),
    Shot("portfolio-dark", "/portfolio/", viewer="alice", theme="dark"),
    Shot("portfolio-phone", "/portfolio/", viewer="alice", is_phone=True),
    Shot("leaderboard-light", "/leaderboard/?period=all", viewer="alice"),
    Shot("admin-light", "/admin/", viewer="olivia"),
    Shot("admin-dark", "/admin/", viewer="olivia", theme="dark"),
)


# --- the site -------------------------------------------------------------------------------------


class DemoSite(Exchange):
    """The program as `make run` starts it: DEBUG on, with the demo's traders."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            folder,
            database_url=f"sqlite:///{folder / 'predex.sqlite3'}",
            environment={"DEBUG": "true", "FEED_SOCKETS_PER_ADDRESS_MAX": "500"},
        )

    def list_arguments(self, role: str) -> list[str | Path]:
        return [*super().list_arguments(role), "--demo"]

    def find_person(self, handle: str) -> Person:
        """Return one of the demo's people, logged in."""
        known, person = self.read_people()[handle], Person(self, handle)
        secret = {"email": known["email"], "password": known["password"]}
        token = person.call("POST", "auth/login", secret)["access"]
        person.http.headers["Authorization"] = f"Bearer {token}"
        return person

    def read_people(self) -> dict[str, dict[str, str]]:
        people = json.loads((self.folder / "demo.json").read_text())["people"]
        return {person["handle"]: person for person in people}


@contextmanager
def lively_site(folder: Path) -> Iterator[DemoSite]:
    site = DemoSite(folder)
    site.manage("migrate", "--verbosity", "0")
    run_past("people", site.environment)
    site.manage("seed_demo")
    with site.start():
        people = [*(site.find_person(name) for name in DEMO_PEOPLE), *join(site)]
        time.sleep(WARM_UP_SECONDS)
        site.stop()
        run_past("markets", site.environment)
        site.start()
        give_operators_work(site, people)
        time.sleep(QUOTING_SECONDS)
        let_trade(people)
        yield site


def run_past(part: str, environment: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "tests.browser.past", part]
    subprocess.run(command, env=dict(environment), cwd=ROOT, check=True)


def join(site: Exchange) -> Iterator[Person]:
    for name in NAMES:
        person = Person(site, name)
        person.register()
        person.log_in()
        person.make_key()
        yield person


def give_operators_work(site: DemoSite, people: list[Person]) -> None:
    """Two markets that are paid, one that waits for its result, one whose result is disputed."""
    operator = site.find_person("olivia")
    for slug, title, result in ENDED:
        open_market(operator, slug, title=title, dispute_seconds=0 if result else 3_600)
        for number, (one, other) in enumerate(itertools.pairwise(people)):
            price, quantity = 0.35 + 0.05 * number, 60 + 35 * number
            one.place(slug, f"buy {quantity} YES @ {price:.2f}")
            other.place(slug, f"sell {quantity} YES @ {price:.2f}")
        if result:
            settle_market(operator, slug, yes=result)
        else:
            operator.call("POST", f"markets/{slug}/close", {})
    slug = ENDED[-1].slug
    operator.call("POST", f"markets/{slug}/resolve", {**EVIDENCE, "yes": "1"})
    disputing = Person(site, NAMES[0])
    disputing.log_in()
    text = "The notice is of last year: look at the date in its second line."
    disputing.call("POST", f"markets/{slug}/dispute", {"text": text})


def let_trade(people: list[Person]) -> None:
    """They take a little of what the market makers offer; the first one leaves an order."""
    first = people[0]
    markets = first.call("GET", "markets?status=open")["results"]
    for number, person in enumerate(people):
        for place, market in enumerate(markets):
            outcomes = [outcome["code"] for outcome in market["outcomes"]]
            order = {
                "market": market["slug"],
                "outcome": outcomes[number % len(outcomes)],
                "side": "buy",
                "type": "market",
                "quantity": str(3 + (number * 7 + place * 5) % 9),
            }
            person.http.post("orders", json=order)
        time.sleep(PAUSE_SECONDS)
    [mark, _no] = first.call("GET", "markets/rain-in-berlin/prices")["prices"]
    price = Decimal(mark["price"]).quantize(Decimal("0.01")) - Decimal("0.03")
    first.place("rain-in-berlin", f"buy 120 YES @ {price}")
    time.sleep(TRADING_SECONDS)


# --- the pictures ---------------------------------------------------------------------------------


def main() -> None:
    if CHROMIUM is None:
        sys.exit(NO_CHROMIUM)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        lively_site(Path(folder)) as site,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        states = {handle: log_in(browser, site, handle) for handle in ("alice", "olivia")}
        prepare(browser, site, states)
        for shot in SHOTS:
            take(browser, site, states, shot)
        draw_preview(browser)
        browser.close()


def draw_preview(browser: Browser) -> None:
    """The picture that links to the site show elsewhere."""
    page = browser.new_page(viewport=PREVIEW_SIZE, device_scale_factor=1)
    page.goto((ROOT / "assets" / "preview.html").as_uri())
    page.screenshot(path=PREVIEW)
    page.close()


def log_in(browser: Browser, site: DemoSite, handle: str) -> Any:
    person = site.read_people()[handle]
    context = browser.new_context(base_url=site.base_url)
    page = context.new_page()
    page.goto("/accounts/login/")
    page.get_by_label("E-mail").fill(person["email"])
    page.get_by_label("Password").fill(person["password"])
    page.get_by_label("Password").press("Enter")
    page.wait_for_url(lambda url: "/accounts/login" not in url)
    state = context.storage_state()
    context.close()
    return state


def prepare(browser: Browser, site: DemoSite, states: dict[str, Any]) -> None:
    """Comments under the market, and money for the operators to decide on."""
    context = browser.new_context(base_url=site.base_url, storage_state=states["alice"])
    page = context.new_page()
    for text in COMMENTS:
        page.goto(MARKET)
        page.get_by_label("Your comment").fill(text)
        page.get_by_role("button", name="Comment", exact=True).click()
        page.get_by_text(text).wait_for()
    page.goto("/portfolio/money/")
    form = page.get_by_role("form", name="Withdraw")
    form.get_by_label("Amount").fill("250")
    form.get_by_role("button").click()
    page.get_by_role("button", name="Withdraw request").wait_for()
    context.close()


def take(browser: Browser, site: DemoSite, states: dict[str, Any], shot: Shot) -> None:
    context = browser.new_context(
        base_url=site.base_url,
        viewport=PHONE if shot.is_phone else DESKTOP,
        device_scale_factor=1,
        color_scheme=shot.theme,
        locale="en-GB",
        timezone_id="Europe/Berlin",
        storage_state=states.get(shot.viewer),
    )
    page = context.new_page()
    page.goto(shot.path)  # the first visit sets the viewer's time zone
    page.goto(shot.path)
    if shot.act is not None:
        shot.act(page)
    page.wait_for_timeout(DRAWN_MS)
    path = FOLDER / f"{shot.name}.png"
    page.screenshot(path=path)
    context.close()
    size = path.stat().st_size
    print(f"{path.relative_to(ROOT)}: {size // 1_000} kB")
    if size > BYTES_MAX:
        sys.exit(f"{path.name} has {size} bytes, more than {BYTES_MAX}")


if __name__ == "__main__":
    main()
