"""A page that was opened while the engine was away trades once it is back."""

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import UNHURRIED, open_window
from tests.browser.markets import open_market
from tests.browser.ticket import Ticket, expect_toast
from tests.browser.visitors import PHONE
from tests.conftest import ExchangeFactory
from tests.e2e.people import Person, become_operator, wait_for

pytestmark = pytest.mark.timeout(300)  # a whole site is started first

AWAY = "The matching engine is away."


@pytest.mark.parametrize("options", [{}, {"viewport": PHONE}], ids=["desktop", "phone"])
def test_a_page_follows_an_engine_that_comes_back(
    chromium: Browser, make_exchange: ExchangeFactory, options: dict[str, object]
):
    site = make_exchange("postgres", roles=("web", "engine"), environment=UNHURRIED)
    slug = open_market(become_operator(site), "away")
    bob = Person(site, "bob")
    bob.register()
    bob.verify_email()
    visitor = open_window(chromium, site, {}, bob, **options)
    site.kill("engine")
    wait_for(lambda: AWAY in visitor.open(f"/markets/{slug}/").content())
    page = visitor.page
    said = page.get_by_role("status").filter(has_text=AWAY)
    expect(said).to_have_count(1)
    expect(page.locator("#ticket").get_by_text(AWAY)).to_be_attached()
    expect(page.locator(".ticket-bar")).to_have_count(0)
    site.start_role("engine")
    expect(said).to_have_count(0)
    if options:
        page.locator("#ticket-bar").get_by_role("link", name="Buy Yes").click()
    Ticket(page).send(price="0.40", amount="3")
    expect_toast(page, "Resting: 3 Yes at 0.40.")
    assert visitor.faults == []
    visitor.close()
