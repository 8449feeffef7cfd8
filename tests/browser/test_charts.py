"""What charts write beside their lines is seen in full, on a phone too."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Route

from tests.browser.conftest import VisitorFactory
from tests.browser.markets import open_market
from tests.browser.visitors import DESKTOP, PHONE, wait_until
from tests.e2e.people import Person

pytestmark = pytest.mark.timeout(300)  # a whole site is started and filled first

HOURS = 24 * 7
NEEDED_PX = 1  # a glyph may begin a little before its place
# Every text that was drawn, with the part of it that lies outside of its canvas.
NOTE_TEXTS = """
window.drawn = [];
window.seen = {};
const draw = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, x, y, ...rest) {
  const { a, e } = this.getTransform();
  const share = { center: 0.5, right: 1, end: 1 }[this.textAlign] ?? 0;
  const width = this.measureText(text).width * a;
  const left = a * x + e - share * width;
  const out = Math.max(-left, left + width - this.canvas.width);
  if (text !== "") window.drawn.push([text, out]);
  if (text !== "") (window.seen[this.canvas.width] ??= []).push(text);
  return draw.call(this, text, x, y, ...rest);
};
const clear = CanvasRenderingContext2D.prototype.clearRect;
CanvasRenderingContext2D.prototype.clearRect = function (...box) {
  delete window.seen[this.canvas.width];
  return clear.apply(this, box);
};
"""
DAY = 86_400
LINES = {  # seconds before now, and per cent
    "a trade a moment ago": [(2, 60)],
    "within a minute": [(40, 97), (30, 98), (20, 99), (1, 99)],
    "an hour": [(3_600, 1), (1_800, 1), (60, 2)],
    "days": [(4 * DAY, 60), (2 * DAY, 40), (DAY, 50)],
    "one trade, ended": [(500 * DAY, 62), (140 * DAY, 62)],
    "years": [(1_500 * DAY, 30), (700 * DAY, 70), (DAY, 99)],
}
DRAW_EQUITY = """
async (days) => {
  const { drawEquity } = await import("/static/js/equity-chart.js");
  const place = document.createElement("div");
  place.className = "h-44";
  window.drawn = [];
  window.seen = {};
  document.querySelector("main").prepend(place);
  const now = Math.floor(Date.now() / 86400000) * 86400;
  const ends = Array.from({ length: days }, (_, day) => now - (days - 1 - day) * 86400);
  const points = ends.map((end, day) => [end, 100 + day]);
  drawEquity(place, points, "$");
}
"""


@pytest.mark.parametrize("locale", ["en", "de"])
def test_the_dates_of_the_equity_curve_are_seen(visit: VisitorFactory, alice: Person, locale: str):
    visitor = visit(alice, viewport=PHONE, locale=locale)
    visitor.context.add_init_script(NOTE_TEXTS)
    page = visitor.open("/portfolio/")
    for days in (4, 10, 27, 28, 29, 30, 300):
        page.evaluate(DRAW_EQUITY, days)
        see_texts(page)


@pytest.mark.parametrize(
    ("viewport", "locale"),
    [(PHONE, "en"), (DESKTOP, "en"), (PHONE, "de")],
    ids=["phone", "desktop", "phone in German"],
)
def test_the_labels_of_lines_are_seen_whole_and_once(
    visit: VisitorFactory, operator: Person, viewport: Any, locale: str
):
    slug = open_market(operator, f"lines-{viewport['width']}-{locale}")
    visitor = visit(viewport=viewport, locale=locale)
    visitor.context.add_init_script(NOTE_TEXTS)
    for points in LINES.values():
        page = visitor.page
        page.unroute("**/history/*")
        page.route("**/history/*", answer_history(points))
        visitor.open(f"/markets/{slug}/")
        wait_until(page, "document.querySelector('[data-plot] canvas')")
        drawn = wait_until(page, "drawn.length > 4 && drawn")
        assert [text for text, out in drawn if out > NEEDED_PX] == []
        [labels] = page.evaluate("Object.values(seen)")
        assert len(labels) == len(set(labels)) > 4, labels


def test_a_young_markets_line_fills_the_chart(visit: VisitorFactory, alice: Person):
    page = visit(alice).open("/portfolio/")
    find = "async (first) => (await import('/static/js/axis.js')).findTimes(null, first, 1000)"
    assert page.evaluate(find, 970) == [970, 1_000]
    assert page.evaluate(find, 999) == [980, 1_000]  # seconds have no parts on the axis


def answer_history(points: list[tuple[int, int]]) -> Any:
    now = datetime.now(UTC).timestamp()
    body = {
        "times": [now - before for before, _ in points],
        "outcomes": [{"outcome": "YES", "half_pips": [200 * percent for _, percent in points]}],
    }
    return lambda route: route.fulfill(content_type="application/json", body=json.dumps(body))


def test_the_times_below_candles_are_seen(visit: VisitorFactory, operator: Person):
    slug = open_market(operator, "candles")
    visitor = visit(viewport=PHONE)
    visitor.context.add_init_script(NOTE_TEXTS)
    page = visitor.page
    page.route("**/candles?*", answer_candles)
    visitor.open(f"/markets/{slug}/")
    page.evaluate("window.drawn = []")
    page.get_by_role("button", name="Candles").click()
    see_texts(page)
    readout = page.locator("[data-candles] p")
    assert readout.evaluate("element => element.scrollWidth <= element.clientWidth")
    box, around = readout.bounding_box(), page.locator("[data-candles]").bounding_box()
    assert box is not None
    assert around is not None
    assert box["x"] + box["width"] <= around["x"] + around["width"]


def answer_candles(route: Route) -> None:
    """Candles of a week, until this hour, newest first as the API has them."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    candles = [build_candle(now - timedelta(hours=hour)) for hour in range(HOURS)]
    route.fulfill(content_type="application/json", body=json.dumps({"results": candles}))


def build_candle(start: datetime) -> dict[str, Any]:
    prices = {"open": "0.5000", "high": "0.6000", "low": "0.4000", "close": "0.5500"}
    return {"start": start.isoformat(), **prices, "volume": "1234.50"}


def see_texts(page: Any) -> None:
    drawn = wait_until(page, "drawn.length > 4 && drawn")
    assert [text for text, out in drawn if out > NEEDED_PX] == []
