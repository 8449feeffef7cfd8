"""Every page in both themes, on a phone and on a desk: it answers, nobody complains, nothing sticks
out, nobody is kept out (axe, WCAG 2.2 AA), and it is light.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import open_window
from tests.browser.stops import STOPS, Stop
from tests.browser.town import Town
from tests.browser.visitors import DESKTOP, PHONE, Visitor
from tests.browser.weight import Scales, find_most
from tests.exchange import Exchange

pytestmark = pytest.mark.timeout(300)  # a whole site is started and filled first

CLEAN: dict[str, list[str]] = {"faults": [], "overflow": [], "barriers": []}
DRAWN_MS = 100  # the first frames, after the page's own scripts have begun

THEMES = ("light", "dark")


class Look(NamedTuple):
    """A window: whose it is, and how it looks."""

    viewer: str
    theme: str

    @property
    def name(self) -> str:
        return f"{self.viewer}-{self.theme}"


LOOKS = [Look(viewer, theme) for viewer in ("nobody", "alice", "olivia") for theme in THEMES]
VISITS = [(look, stop) for look in LOOKS for stop in STOPS if stop.viewer == look.viewer]


class Windows:
    """One window at a time, which stays for all pages that are looked at in it."""

    def __init__(self, open_one: Callable[[Look], Visitor]) -> None:
        self._open_one = open_one
        self._look: Look | None = None
        self._visitor: Visitor | None = None

    def find(self, look: Look) -> Visitor:
        if self._visitor is None or look != self._look:
            self.close()
            self._look, self._visitor = look, self._open_one(look)
        return self._visitor

    def close(self) -> None:
        if self._visitor is not None:
            self._visitor.close()


@pytest.fixture(scope="module")
def windows(
    chromium: Browser, site: Exchange, sessions: dict[str, Any], town: Town
) -> Iterator[Windows]:
    def open_one(look: Look) -> Visitor:
        person = town.people[look.viewer]
        visitor = open_window(
            chromium,
            site,
            sessions,
            person,
            viewport=PHONE,
            color_scheme=look.theme,
            reduced_motion="reduce",
        )
        if person is not None:
            visitor.open("/accounts/reauthenticate/?next=/account/")
            visitor.confirm_password()
        return visitor

    opened = Windows(open_one)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def scales() -> Scales:
    return Scales()


@pytest.mark.parametrize(
    ("look", "stop"), VISITS, ids=[f"{look.name}-{stop.path}" for look, stop in VISITS]
)
def test_the_page_is_sound(windows: Windows, scales: Scales, town: Town, look: Look, stop: Stop):
    window = windows.find(look)
    window.faults.clear()
    path = stop.path.format(**town.names)
    window.page.set_viewport_size(PHONE)
    page = window.open(path, status=stop.status)
    assert page.url.endswith(path), "this is another page"
    assert look_at(window) == CLEAN
    page.set_viewport_size(DESKTOP)
    assert look_at(window) == CLEAN
    if stop.status == 200 and look.theme == THEMES[0]:  # both load the same
        loaded = scales.weigh(window.context.request, page.url)
        assert 0 < sum(loaded.values()) <= find_most(path), loaded


def look_at(window: Visitor) -> dict[str, list[str]]:
    wait_until_drawn(window.page)
    return {
        "faults": window.faults,
        "overflow": window.find_overflow(),
        "barriers": window.find_barriers(),
    }


SPOIL = """
() => {
  const script = document.createElement("script");
  script.textContent = "window.isSpoilt = true";
  document.body.append(script, new Image());
  const wide = document.createElement("p");
  wide.id = "too-wide";
  wide.textContent = "wide";
  wide.style.width = "2000px";
  document.querySelector("main").append(wide);
  console.error("something went wrong");
}
"""


def test_what_is_wrong_with_a_page_is_found(windows: Windows):
    window = windows.find(LOOKS[0])
    window.open("/help/")
    window.page.evaluate(SPOIL)
    window.page.wait_for_timeout(DRAWN_MS)
    assert "#too-wide" in window.find_overflow()[1]
    assert window.find_barriers()[0].startswith("image-alt: ")
    assert [words in " ".join(window.faults) for words in ("CSP: script-src", "went wrong")] == [
        True,
        True,
    ]
    window.faults.clear()


def wait_until_drawn(page: Page) -> None:
    page.evaluate("document.fonts.ready.then(() => true)")
    page.wait_for_timeout(DRAWN_MS)
