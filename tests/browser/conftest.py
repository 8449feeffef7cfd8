"""A real Chromium for this folder's tests, and a running site for those of a module.

Chromium is Debian's; nothing is downloaded. What is prepared is prepared through the API, the
pages and the commands: no database is touched from here. Playwright's loop runs in this thread as
long as it is open, so it is closed at the end of the folder, before tests that bring a loop of
their own.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.chromium import CHROMIUM, FLAGS, NO_CHROMIUM
from tests.browser.town import Town, build_town
from tests.browser.visitors import Visitor
from tests.databases import SqliteDatabases
from tests.e2e.people import Person, become_operator
from tests.exchange import Exchange
from tests.patience import PATIENCE_SECONDS

LOG_CHARACTERS_SHOWN = 4_000
# People of a module come one after another from one address.
UNHURRIED = {"FEED_SOCKETS_PER_ADDRESS_MAX": "500", "JWT_ACCESS_SECONDS": "7200"}

expect.set_options(timeout=PATIENCE_SECONDS * 1_000)

VisitorFactory = Callable[..., Visitor]
Join = Callable[[str], Person]


@pytest.fixture(scope="module")
def site_environment() -> Mapping[str, str]:
    """A module whose site has other settings has a fixture of this name."""
    return {}


@pytest.fixture(scope="module")
def site(
    chromium: Browser,
    site_environment: Mapping[str, str],
    sqlite_databases: SqliteDatabases,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Exchange]:
    """The whole exchange in one process, as with `make run`, without users or markets."""
    folder = tmp_path_factory.mktemp("site")
    database_url = sqlite_databases.make(folder)
    environment = {**UNHURRIED, **site_environment}
    with Exchange(folder, database_url=database_url, environment=environment) as exchange:
        yield exchange.start()
        print(exchange.log()[-LOG_CHARACTERS_SHOWN:])  # shown by pytest when a test has failed


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip(NO_CHROMIUM)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def operator(site: Exchange) -> Person:
    return become_operator(site)


@pytest.fixture(scope="module")
def join(site: Exchange) -> Join:
    """`join("alice")`: a new user with an API key."""

    def make(handle: str) -> Person:
        person = Person(site, handle)
        person.register()
        person.log_in()
        person.make_key()
        return person

    return make


@pytest.fixture(scope="module")
def alice(join: Join) -> Person:
    return join("alice")


@pytest.fixture(scope="module")
def bob(join: Join) -> Person:
    return join("bob")


@pytest.fixture(scope="module")
def sessions() -> dict[str, Any]:
    """Handle -> cookies of logged-in users, so that each logs in only once."""
    return {}


@pytest.fixture
def visit(chromium: Browser, site: Exchange, sessions: dict[str, Any]) -> Iterator[VisitorFactory]:
    """`visit(person=None, **context)`: a browser window of its own; logged in if there is a person.

    At the end of the test no window may have seen a script's error or a breach of the policy.
    """
    visitors: list[Visitor] = []

    def make(person: Person | None = None, **context: object) -> Visitor:
        visitor = open_window(chromium, site, sessions, person, **context)
        visitors.append(visitor)
        return visitor

    yield make
    for visitor in visitors:
        print(visitor.describe())  # shown by pytest when the test has failed
        visitor.close()
    assert [fault for visitor in visitors for fault in visitor.faults] == []


def open_window(
    chromium: Browser,
    site: Exchange,
    sessions: dict[str, Any],
    person: Person | None,
    **context: object,
) -> Visitor:
    """Return a new window; who has logged in before is logged in."""
    known = sessions.get(person.handle) if person else None
    visitor = Visitor(chromium, site.base_url, storage_state=known, **context)
    if person is not None and known is None:
        visitor.log_in(person)
        sessions[person.handle] = visitor.context.storage_state()
    return visitor


@pytest.fixture(scope="module")
def town(
    site: Exchange,
    chromium: Browser,
    sessions: dict[str, Any],
    operator: Person,
    alice: Person,
    bob: Person,
) -> Town:
    """A site with one of everything."""

    def open_one(person: Person | None) -> Visitor:
        return open_window(chromium, site, sessions, person)

    return build_town(operator, alice, bob, open_one)
