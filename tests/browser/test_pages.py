"""Every page, on a phone in the one theme and on a desktop in the other: it answers without errors,
without overflow, is light, and in one of these looks accessible (axe, WCAG 2.2 AA). The soak has
axe look at every page in both themes at both widths.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser.conftest import open_window
from tests.browser.stops import STOPS, Stop
from tests.browser.town import Town
from tests.browser.visitors import DESKTOP, PHONE, Visitor, Windows
from tests.browser.weight import Scales, find_most
from tests.exchange import Exchange

pytestmark = pytest.mark.timeout(300)  # a whole site is started and filled first

CLEAN: dict[str, list[str]] = {"faults": [], "overflow": [], "barriers": []}
DRAWN_MS = 100  # the first frames, after the page's own scripts have begun


class Look(NamedTuple):
    width: ViewportSize
    theme: Literal["light", "dark"]


LOOKS = (
    Look(PHONE, "light"), Look(DESKTOP, "dark"), Look(PHONE, "dark"), Look(DESKTOP, "light"),
)  # fmt: skip
NAMES = [f"{stop.viewer}-{stop.path}" for stop in STOPS]


@pytest.fixture(scope="module")
def site_environment() -> Mapping[str, str]:
    """With the simulator's page; nobody asks for delays or faults."""
    return {"SIMULATOR": "true", "ALLOW_SIMULATOR": "true"}


@pytest.fixture(scope="module")
def windows(
    chromium: Browser, site: Exchange, sessions: dict[str, Any], town: Town
) -> Iterator[Windows]:
    def open_one(viewer: str) -> Visitor:
        person = town.people[viewer]
        visitor = open_window(
            chromium, site, sessions, person, viewport=PHONE, reduced_motion="reduce"
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
    ("stop", "looks"),
    # axe takes longer than all the rest: it looks at each page once, at every fourth page alike.
    # What pages have in common is seen in both themes at both widths.
    [(stop, (LOOKS[number % 4], LOOKS[number % 4 ^ 1])) for number, stop in enumerate(STOPS)],
    ids=NAMES,
)
def test_the_page_is_sound(
    windows: Windows, scales: Scales, town: Town, stop: Stop, looks: tuple[Look, Look]
):
    window = open_stop(windows, town, stop, looks[0])
    assert find_flaws(window) == CLEAN
    change_look(window.page, looks[1])
    wait_until_drawn(window.page)
    assert (window.faults, window.find_overflow()) == ([], [])
    if stop.status == 200:
        loaded = scales.weigh(window.page)
        assert 0 < sum(loaded.values()) <= find_most(stop.path), loaded


@pytest.mark.soak
@pytest.mark.parametrize("stop", STOPS, ids=NAMES)
def test_the_page_is_sound_in_every_look(windows: Windows, town: Town, stop: Stop):
    window = open_stop(windows, town, stop, LOOKS[0])
    for look in LOOKS:
        change_look(window.page, look)
        assert find_flaws(window) == CLEAN, look


def open_stop(windows: Windows, town: Town, stop: Stop, look: Look) -> Visitor:
    window = windows.find(stop.viewer)
    window.faults.clear()
    path = stop.path.format(**town.names)
    change_look(window.page, look)
    window.open(path, status=stop.status)
    assert window.page.url.endswith(path), "this is another page"
    return window


def change_look(page: Page, look: Look) -> None:
    page.set_viewport_size(look.width)
    page.emulate_media(color_scheme=look.theme)


def find_flaws(window: Visitor) -> dict[str, list[str]]:
    wait_until_drawn(window.page)
    return {
        "faults": window.faults,
        "overflow": window.find_overflow(),
        "barriers": window.find_barriers(),
    }


# What a page has to hold in other sites than this one: names and figures as long as they get.
EXAGGERATE = """
() => {
  const fill = (selector, text) => {
    for (const element of document.querySelectorAll(selector)) element.textContent = text;
  };
  const name = "Committee number 1 of the Donaudampfschifffahrtselektrizitaetenhauptbetriebswerk";
  fill("header .truncate", "Vereinigte Vorhersagenboers");
  const figures = "[data-balance], main :is(td, dd).num:not(:has(*), #tape *, #book *)";
  fill(figures, "¤1,234,567,890.12");
  fill("[data-submit-text], #tape [data-outcome], [data-toggle-line] span:not(.num)", name);
  const bar = document.querySelector(".chip-bar");
  for (let count = 0; bar && count < 20; count += 1) {
    const chip = bar.querySelector(".chip").cloneNode();
    chip.textContent = name.slice(0, 10 + 3 * count);
    bar.append(chip);
  }
}
"""
FIND_CUT = """
() => {
  const width = document.documentElement.clientWidth;
  const isCut = (element) => {
    const { left, right } = element.getBoundingClientRect();
    const { scrollWidth, clientWidth, scrollHeight, clientHeight } = element;
    return left < 0 || right > width + 1 || scrollWidth > clientWidth + 1
      || scrollHeight > clientHeight + 2;
  };
  const selector = ":is(header, main) .btn:not(.btn-square), main :is(.chip, td, tbody th)";
  return [...document.querySelectorAll(selector)]
    .filter((element) => element.checkVisibility() && !element.matches(".sr-only *, [hidden] *"))
    .filter(isCut).map((element) => element.outerHTML.slice(0, 200));
}
"""
CROWDED = (
    ("nobody", "/"), ("nobody", "/markets/fifty/"), ("alice", "/portfolio/"),
    ("alice", "/portfolio/orders/"), ("alice", "/portfolio/fills/"),
    ("alice", "/portfolio/settlements/"), ("alice", "/portfolio/money/"),
    ("alice", "/leaderboard/?period=all"), ("alice", "/markets/fifty/"),
    ("alice", "/markets/rain/"), ("alice", "/notifications/"),
)  # fmt: skip


@pytest.mark.parametrize(("viewer", "path"), CROWDED)
def test_long_names_and_large_figures_fit_a_phone(windows: Windows, viewer: str, path: str):
    window = windows.find(viewer)
    window.page.set_viewport_size(PHONE)
    window.open(path)
    window.page.evaluate(EXAGGERATE)
    wait_until_drawn(window.page)
    assert window.find_overflow() == []
    assert window.page.evaluate(FIND_CUT) == []


def test_all_outcomes_are_shown_and_put_away_again(windows: Windows):
    page = windows.find("nobody").open("/markets/fifty/")
    outcomes = page.get_by_role("region", name="Outcomes")
    shown = outcomes.locator("[data-quote]:visible")
    few = shown.count()
    outcomes.get_by_text("Show all 50 outcomes").click()
    expect(shown).to_have_count(50)
    outcomes.get_by_text("Show fewer outcomes").click()
    expect(shown).to_have_count(few)


def test_on_paper_there_is_the_content_alone_in_dark_on_white(windows: Windows):
    window = windows.find("alice")
    window.page.emulate_media(color_scheme="dark")
    page = window.open("/markets/rain/")
    drawn = page.locator("html")
    expect(drawn).to_have_attribute("data-drawn", "dark")
    page.emulate_media(media="print")
    for selector in ("body > header", "footer", "#ticket", ".ticket-bar", "#toasts", "main form"):
        expect(page.locator(selector).first).to_be_hidden()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    style = "getComputedStyle(document.body)"
    assert page.evaluate(f"[{style}.color, {style}.backgroundColor]") == [
        "rgb(0, 0, 0)",
        "rgb(255, 255, 255)",
    ]
    assert window.find_overflow() == []
    # What was drawn for the dark is turned over.
    plot = page.locator("[data-plot] canvas")
    assert "invert" in plot.evaluate("element => getComputedStyle(element).filter")
    page.emulate_media(media="screen")
    expect(plot).to_have_css("filter", "none")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_quiet_badge_is_seen_on_a_panel_and_on_the_page(windows: Windows, theme: str):
    window = windows.find("nobody")
    window.page.emulate_media(color_scheme=theme)
    page = window.open("/")
    colours = page.evaluate("""() => {
      const badge = document.createElement("span");
      badge.className = "badge badge-sm badge-ghost";
      document.querySelector("main").append(badge);
      const find = (element) => getComputedStyle(element).backgroundColor;
      return [find(badge), find(document.body), find(document.querySelector(".panel"))];
    }""")
    assert len(set(colours)) == 3


def test_the_tables_of_the_help_are_seen_whole_on_a_phone(windows: Windows, site: Exchange):
    window = windows.find("nobody")
    window.page.set_viewport_size(PHONE)
    window.context.add_cookies([{"name": "django_language", "value": "de", "url": site.base_url}])
    page = window.open("/help/")
    for table in page.locator(".table-scroll").all():
        assert table.evaluate("element => element.scrollWidth <= element.clientWidth")
    window.context.clear_cookies()


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_browser_writes_times_as_the_server_does(
    windows: Windows, site: Exchange, language: str
):
    window = windows.find("nobody")
    window.context.clear_cookies()
    window.context.add_cookies(
        [{"name": "django_language", "value": language, "url": site.base_url}]
    )

    def read_times() -> list[str]:
        page = window.open("/markets/rain/")
        wait_until_drawn(page)
        return page.locator("time[data-when]").all_inner_texts()

    by_script = read_times()  # at the first visit the server does not know the viewer's zone
    assert by_script == read_times() != []
    window.context.clear_cookies()


SPOIL = """
() => {
  const script = document.createElement("script");
  script.textContent = "window.isSpoilt = true";
  document.body.append(script, new Image());
  const wide = document.createElement("p");
  wide.id = "too-wide";
  wide.textContent = "wide";
  wide.style.width = "2000px";
  wide.style.color = "#eee";
  wide.style.backgroundColor = "#fff";
  document.querySelector("main").append(wide);
  console.error("something went wrong");
}
"""


def test_what_is_wrong_with_a_page_is_found(windows: Windows):
    window = windows.find("nobody")
    window.open("/help/")
    window.page.evaluate(SPOIL)
    window.page.wait_for_timeout(DRAWN_MS)
    assert "#too-wide" in window.find_overflow()[1]
    assert [":".join(barrier.split(":")[:2]) for barrier in window.find_barriers()] == [
        "color-contrast: #too-wide",
        "image-alt: img",
    ]
    assert [words in " ".join(window.faults) for words in ("CSP: script-src", "went wrong")] == [
        True,
        True,
    ]
    window.faults.clear()


SETTLE = """
async () => {
  const isMoving = ({ playState, effect }) =>
    playState === "running" && effect.getComputedTiming().endTime !== Infinity;
  const turnFrame = () => new Promise(requestAnimationFrame);
  await document.fonts.ready;
  do {
    await turnFrame();
    await turnFrame();
  } while (document.getAnimations().some(isMoving));
  return true;
}
"""


def wait_until_drawn(page: Page) -> None:
    page.evaluate(SETTLE)
    page.wait_for_timeout(DRAWN_MS)
    page.evaluate(SETTLE)
