"""The order ticket of a market's page, as a user fills it in."""

import re
from typing import Any

from playwright.sync_api import Locator, Page, expect

SUBMIT = re.compile(r"^(Buy|Sell) ")


class Ticket:
    def __init__(self, page: Page) -> None:
        self.page = page
        self.root = page.get_by_role("region", name="Trade", exact=True)
        self.price = self.root.get_by_label("Limit price")
        self.amount = self.root.get_by_role("textbox", name=re.compile("Contracts|Credits"))
        self.submit = self.root.get_by_role("button", name=SUBMIT)

    def write(
        self,
        *,
        side: str = "Buy",
        outcome: str = "",
        answer: str = "Yes",
        kind: str = "Limit",
        measure: str = "Contracts",
        price: str = "",
        amount: str = "",
    ) -> None:
        """Fill it in, in the order of the page."""
        self.choose(side)
        if outcome:
            self.root.get_by_label("Outcome").select_option(label=outcome)
        self.choose(answer)
        self.choose(kind)
        if price:
            self.price.fill(price)
        self.choose(measure)
        self.amount.fill(amount)

    def choose(self, name: str) -> None:
        self.find_choice(name).check()

    def find_choice(self, name: str) -> Locator:
        """Return a radio button by the word with which its label begins."""
        return self.root.get_by_role("radio", name=re.compile(rf"^{name}\b"))

    def find_line(self, name: str) -> Locator:
        """Return a line of the summary. Amounts of money carry the API's text as their value."""
        return self.root.locator(f"dd[data-line={name}]")

    def expect_amounts(self, **amounts: str) -> None:
        for name, text in amounts.items():
            expect(self.find_line(name).locator("data")).to_have_attribute("value", text)

    def expect_fault(self, field: Locator, words: str) -> None:
        """Expect the error beside its field, and linked to it for screen readers."""
        expect(self.root.get_by_text(words)).to_be_visible()
        expect(field).to_have_accessible_description(re.compile(re.escape(words)))
        expect(field).to_have_attribute("aria-invalid", "true")

    def send(self, **values: Any) -> None:
        """Fill it in if fields are given, and place it; return once the page shows the result."""
        if values:
            self.write(**values)
        with self.page.expect_response(lambda answer: answer.url.endswith("/orders/")):
            self.submit.click()


def expect_toast(page: Page, words: str | re.Pattern[str]) -> None:
    expect(page.locator("#toasts").get_by_text(words).first).to_be_visible()
