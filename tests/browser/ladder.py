"""The order book of a market's page, as displayed and as in the REST API."""

from decimal import Decimal
from typing import Any

from playwright.sync_api import Locator, Page

from tests.e2e.people import Person, wait_for

Levels = dict[str, list[tuple[Decimal, Decimal]]]
"""Prices with quantities, best first, of "bids" and "asks"."""

READ = """
() => Object.fromEntries(["ask", "bid"].map((side) => [
  `${side}s`,
  [...document.querySelectorAll(`#book [data-side=${side}] [data-rows] tr`)]
    .filter((row) => row.checkVisibility())
    .map((row) => [row.dataset.level, row.querySelector("[data-quantity]").textContent]),
]))
"""


def find_book(page: Page) -> Locator:
    return page.get_by_role("region", name="Order book")


def read_book(page: Page) -> Levels:
    """Return what the ladder shows."""
    shown: dict[str, list[list[str]]] = page.evaluate(READ)
    shown["asks"].reverse()
    return {side: [_read(level) for level in levels] for side, levels in shown.items()}


def ask_book(person: Person, slug: str, *, outcome: str = "YES") -> Levels:
    """Return what the REST API says, what other outcomes imply included."""
    books: list[dict[str, Any]] = person.call("GET", f"markets/{slug}/book")["books"]
    [book] = [one for one in books if one["outcome"] == outcome]
    levels: Levels = {}
    for side in ("asks", "bids"):
        quantities: dict[Decimal, Decimal] = {}
        for price, quantity in map(_read, (*book[side], *book.get(f"implied_{side}", []))):
            quantities[price] = quantities.get(price, Decimal(0)) + quantity
        levels[side] = sorted(quantities.items(), reverse=side == "bids")
    return levels


def expect_book(page: Page, person: Person, slug: str, *, outcome: str = "YES") -> None:
    """Wait until the page shows what the REST API says."""

    def is_same() -> bool:
        page.wait_for_timeout(20)  # the page's events come in while Playwright waits
        return read_book(page) == ask_book(person, slug, outcome=outcome)

    wait_for(is_same)


def _read(level: list[str]) -> tuple[Decimal, Decimal]:
    price, quantity = (Decimal(text.replace(",", "")) for text in level)
    return price, quantity
