"""Answers that come late: each function holds one back and returns what releases it."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, Response, Route

from tests.browser.ticket import Ticket
from tests.browser.visitors import Visitor
from tests.e2e.people import Person

OWN_LIST = re.compile("/own/")
PORTFOLIO = re.compile("/portfolio/orders/")
PREVIEW = re.compile("/preview/")


def hold_preview(ticket: Ticket, **written: str) -> Callable[[], None]:
    """Fill in the ticket; its preview comes on release."""
    release = _hold(ticket.page, PREVIEW)
    with ticket.page.expect_request(PREVIEW):
        ticket.write(**written)
    return release


def hold_list(visitor: Visitor, bob: Person, slug: str) -> tuple[Page, Callable[[], None]]:
    """Show 3 YES at 0.40 in the market's list of own orders; 1 YES above them comes on release."""
    return _hold_order(visitor, bob, slug, path=f"/markets/{slug}/", wanted=OWN_LIST)


def hold_portfolio(visitor: Visitor, bob: Person, slug: str) -> tuple[Page, Callable[[], None]]:
    """The same in the portfolio."""
    return _hold_order(visitor, bob, slug, path="/portfolio/orders/", wanted=PORTFOLIO)


def _hold_order(
    visitor: Visitor, bob: Person, slug: str, *, path: str, wanted: re.Pattern[str]
) -> tuple[Page, Callable[[], None]]:
    def is_of_snapshot(answer: Response) -> bool:
        is_page = answer.request.resource_type == "document"
        return wanted.search(answer.url) is not None and not is_page

    bob.place(slug, "buy 3 YES @ 0.40")
    page = visitor.page
    with page.expect_response(is_of_snapshot):
        visitor.open(path)
    release = _hold(page, wanted)
    with page.expect_request(wanted):
        bob.place(slug, "buy 1 YES @ 0.39")
    return page, release


def _hold(page: Page, path: re.Pattern[str]) -> Callable[[], None]:
    held: list[Route] = []
    page.route(path, lambda route: held.append(route))

    def release() -> None:
        page.route(path, lambda route: route.continue_())  # before the one above
        with page.expect_response(path):
            for route in held:
                route.continue_()
        page.wait_for_timeout(300)  # what is not held back is replaced by then

    return release
