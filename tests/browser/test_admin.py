"""What the operators' admin does by script, in a browser: its menu, lists and forms."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import VisitorFactory, open_window
from tests.browser.markets import open_market
from tests.browser.visitors import PHONE
from tests.e2e.people import Person
from tests.exchange import Exchange

pytestmark = pytest.mark.timeout(300)  # a whole site is started and filled first


@pytest.fixture
def admin(visit: VisitorFactory, operator: Person) -> Page:
    return visit(operator).open("/admin/")


@pytest.fixture(scope="module", autouse=True)
def category(chromium: Browser, site: Exchange, sessions: dict[str, Any], operator: Person) -> str:
    """There is a category, "Weather"."""
    visitor = open_window(chromium, site, sessions, operator)
    page = visitor.open("/admin/markets/category/add/")
    page.get_by_label("Name").fill("Weather")
    save(page)
    visitor.close()
    return "Weather"


def save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was added successfully")).to_be_visible()


# --- the menu -------------------------------------------------------------------------------------


def test_the_menu_shows_the_pages_whose_name_is_typed_and_enter_opens_the_first(admin: Page):
    admin.keyboard.press("t")
    search = admin.get_by_role("searchbox", name="Find a page")
    expect(search).to_be_focused()
    search.press_sequentially("trad")
    menu = admin.locator("#menu")
    expect(menu.get_by_role("link")).to_have_text(["sync_alt Trades"])
    expect(menu.get_by_role("heading")).to_have_text(["Trading"])
    search.press("Enter")
    admin.wait_for_url("**/admin/trading/trade/")
    expect(admin.locator("#menu [aria-current=page]")).to_be_in_viewport()


def test_a_page_that_is_not_there_is_said_and_escape_shows_all_again(admin: Page):
    admin.keyboard.press("Control+k")
    search = admin.get_by_role("searchbox", name="Find a page")
    search.press_sequentially("nonsense")
    expect(admin.get_by_role("status")).to_contain_text("No page found.")
    search.press("Escape")
    expect(search).to_have_value("")
    expect(admin.locator("#menu").get_by_role("link", name="Users")).to_be_visible()


def test_a_letter_that_is_typed_into_a_form_stays_there(admin: Page):
    admin.goto("/admin/markets/tag/add/")
    admin.get_by_label("Name").press_sequentially("tt")
    expect(admin.get_by_label("Name")).to_have_value("tt")


def test_on_a_phone_the_menu_opens_and_closes(visit: VisitorFactory, operator: Person):
    page = visit(operator, viewport=PHONE).open("/admin/")
    menu = page.locator("#menu")
    expect(menu).to_be_hidden()
    page.get_by_role("button", name="Menu", exact=True).click()
    expect(menu).to_be_visible()
    page.get_by_role("button", name="Close the menu").click()
    expect(menu).to_be_hidden()


def test_the_theme_that_is_chosen_stays(admin: Page, operator: Person):
    admin.get_by_role("button", name=operator.handle).click()
    admin.get_by_role("button", name="Dark").click()
    expect(admin.locator("html.dark")).to_have_count(1)
    admin.goto("/admin/markets/tag/")
    expect(admin.locator("html.dark")).to_have_count(1)


# --- lists ----------------------------------------------------------------------------------------


def test_rows_that_are_selected_are_acted_on_after_a_question(admin: Page, operator: Person):
    for slug in ("first", "second"):
        open_market(operator, slug, title=f"Is the {slug} one selected?")
    admin.goto("/admin/markets/market/")
    admin.get_by_label("Select all objects on this page").check()
    expect(admin.get_by_text("2 of 2 selected")).to_be_visible()
    admin.get_by_label("Select action to run").select_option("Halt")
    admin.get_by_role("button", name="Run").click()
    expect(admin.locator(".act-rows li")).to_have_count(2)
    admin.get_by_label("Reason").fill("The source is unclear.")
    admin.get_by_role("button", name="Halt").click()
    expect(admin.locator("#result_list").get_by_text("Halted", exact=True)).to_have_count(2)


def test_filters_open_and_narrow_the_list(admin: Page, operator: Person):
    open_market(operator, "filtered")
    admin.goto("/admin/markets/market/")
    admin.get_by_role("button", name="Filters").click()
    admin.locator("#changelist-filter").get_by_role("link", name="Voided").click()
    admin.wait_for_url("**status*")
    expect(admin.get_by_role("button", name="Filters (active)")).to_be_visible()
    expect(admin.get_by_text("No results.")).to_be_visible()
    admin.get_by_role("link", name="Show all").click()
    expect(admin.locator("#result_list")).to_be_visible()


def test_a_sorted_list_is_accessible(visit: VisitorFactory, operator: Person):
    visitor = visit(operator)
    visitor.open("/admin/markets/category/?o=1")
    expect(visitor.page.get_by_title("Toggle sorting")).to_be_visible()
    assert visitor.find_barriers() == []


# --- forms ----------------------------------------------------------------------------------------


def test_an_address_is_made_from_the_name_until_another_is_written(admin: Page):
    admin.goto("/admin/markets/tag/add/")
    name, slug = admin.get_by_label("Name"), admin.get_by_label("Address")
    name.press_sequentially("Große Übung, 2026")
    expect(slug).to_have_value("grosse-ubung-2026")
    slug.fill("practice")
    name.press_sequentially("!")
    expect(slug).to_have_value("practice")


def test_a_category_is_added_changed_and_deleted_from_the_form_that_needs_it(
    admin: Page, category: str
):
    admin.goto("/admin/markets/event/add/")
    choice = admin.get_by_label("Category", exact=True)
    change = admin.get_by_role("link", name="Change: category")
    expect(change).to_be_hidden()

    with admin.expect_popup() as opened:
        admin.get_by_role("link", name="Add: category").click()
    opened.value.get_by_label("Name").fill("Sport")
    opened.value.get_by_role("button", name="Save", exact=True).click()
    expect(choice.locator("option:checked")).to_have_text("Sport")

    with admin.expect_popup() as opened:
        change.click()
    opened.value.get_by_label("Name").fill("Sports")
    opened.value.get_by_role("button", name="Save", exact=True).click()
    expect(choice.locator("option:checked")).to_have_text("Sports")

    with admin.expect_popup() as opened:
        admin.get_by_role("link", name="Delete: category").click()
    opened.value.get_by_role("button", name="Yes").click()
    expect(choice.locator("option")).to_have_text(["Select value", category])
    expect(change).to_be_hidden()


def test_a_day_is_picked_from_the_calendar(admin: Page):
    admin.goto("/admin/accounts/invitecode/add/")
    admin.locator("#calendarlink0").click()
    admin.get_by_role("link", name="Tomorrow").click()
    expect(admin.locator("#id_expires_at_0")).not_to_have_value("")


ROWS = (
    "title,outcomes,rules,close_at\n"
    "Will it snow?,,The weather service says so.,2099-12-24T12:00:00Z\n"
    "A wrong row,,,yesterday\n"
)


def test_the_rows_of_a_file_are_shown_on_a_phone_before_anything_is_created(
    visit: VisitorFactory, operator: Person
):
    visitor = visit(operator, viewport=PHONE)
    page = visitor.open("/admin/markets/market/import/")
    expect(page.locator("#menu [aria-current]")).to_have_text(["upload_file Import from CSV"])
    rows = {"name": "rows.csv", "mimeType": "text/csv", "buffer": ROWS.encode()}
    page.locator("input[type=file]").set_input_files(rows)
    page.get_by_role("button", name="Check the file").click()
    expect(page.get_by_text("1 row is ready.")).to_be_visible()
    assert visitor.find_overflow() == []
    assert visitor.find_barriers() == []


def test_a_row_is_added_to_the_rows_of_a_form(admin: Page, alice: Person):
    admin.goto("/admin/markets/group/add/")
    admin.get_by_label("Name").fill("The Monday round")
    admin.get_by_text("Add another Group member").click()
    admin.get_by_role("textbox", name="User").fill(alice.handle)
    save(admin)
    admin.get_by_role("link", name="The Monday round").first.click()
    expect(admin.get_by_role("textbox", name="User")).to_have_value(alice.handle)
