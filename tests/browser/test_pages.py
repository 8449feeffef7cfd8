"""Every page in both themes, on a phone and on a desk: it answers, nobody complains, nothing sticks
out, and nobody is kept out (axe, WCAG 2.2 AA).
"""

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.stops import STOPS, Stop, is_admin
from tests.browser.town import Town
from tests.browser.visitors import DESKTOP, PHONE, Visitor
from tests.exchange import Exchange

CLEAN: dict[str, list[str]] = {"faults": [], "overflow": [], "barriers": []}
DRAWN_MS = 100  # the first frames, after the page's own scripts have begun

# What comes from django-unfold's own templates; ours are held to everything.
EXCUSED_IN_ADMIN: frozenset[str] = frozenset()


class Look(NamedTuple):
    """A window: whose it is, and how it looks."""

    viewer: str
    theme: str
    width: int


LOOKS = [
    Look(viewer, theme, width)
    for viewer in ("nobody", "alice", "olivia")
    for theme in ("light", "dark")
    for width in (PHONE["width"], DESKTOP["width"])
]
VISITS = [(look, stop) for look in LOOKS for stop in STOPS if stop.viewer == look.viewer]


@pytest.fixture(scope="module")
def window(
    request: pytest.FixtureRequest, chromium: Browser, site: Exchange, town: Town
) -> Iterator[Visitor]:
    look: Look = request.param
    viewport = PHONE if look.width == PHONE["width"] else DESKTOP
    visitor = Visitor(
        chromium,
        site.base_url,
        viewport=viewport,
        color_scheme=look.theme,
        reduced_motion="reduce",
    )
    person = town.people[look.viewer]
    if person is not None:
        visitor.log_in(person)
    yield visitor
    visitor.close()


@pytest.mark.parametrize(
    ("window", "stop"),
    VISITS,
    indirect=["window"],
    ids=[f"{look.viewer}-{look.theme}-{look.width}-{stop.path}" for look, stop in VISITS],
    scope="module",
)
def test_the_page_is_sound(window: Visitor, town: Town, stop: Stop):
    window.faults.clear()
    path = stop.path.format(**town.names)
    page = window.open(path, status=stop.status)
    wait_until_drawn(page)
    assert page.url.endswith(path), "this is another page"
    excused = EXCUSED_IN_ADMIN if is_admin(stop) else frozenset()
    found = {
        "faults": window.faults,
        "overflow": window.find_overflow(),
        "barriers": window.find_barriers(excused=excused),
    }
    assert found == CLEAN


def wait_until_drawn(page: Page) -> None:
    page.evaluate("document.fonts.ready.then(() => true)")
    page.wait_for_timeout(DRAWN_MS)
