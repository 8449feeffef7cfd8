"""The lines of a chart: their styles, and the server-side drawing.

Colours have a contrast of at least 3 on the panels of both themes, and no two of the first eight
lines share colour and dashes, so no information depends on colour alone. The browser draws the same
styles (static/js/chart.js); the drawing here is shown before that, or without scripts.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

COLOURS: Final = (
    "#2f7de1", "#d9620a", "#0e9462", "#a154e0", "#d94680", "#0b8fa8", "#9a6b12", "#67758a",
)  # fmt: skip
DASHES: Final = ("", "7 4", "2 3", "9 4 2 4")
WIDTH: Final = 600
HEIGHT: Final = 240
PERCENT: Final = 200
"""Half pips of one per cent."""
MARGIN: Final = 4 * PERCENT
SPAN_MIN: Final = 10 * PERCENT
TOP: Final = 100 * PERCENT
DASH_SHARE: Final = 50

Line = Sequence[int | None]
"""Half pips, oldest first; None where unknown."""


class Look(NamedTuple):
    colour: str
    dash: str


class LineRange(NamedTuple):
    """A line's summary of four numbers, in half pips; None without data."""

    first: int | None
    last: int | None
    low: int | None
    high: int | None


class Drawing(NamedTuple):
    """Polylines in a box of WIDTH x HEIGHT with these half pips at bottom and top."""

    bottom: int
    top: int
    polylines: list[tuple[Look, str]]

    @property
    def bottom_percent(self) -> int:
        return self.bottom // PERCENT

    @property
    def top_percent(self) -> int:
        return self.top // PERCENT


def choose_look(rank: int) -> Look:
    """Return the style of the line at this rank; the most probable outcome has rank 0."""
    rounds = rank // len(COLOURS)
    return Look(COLOURS[rank % len(COLOURS)], DASHES[(rank + rounds) % len(DASHES)])


def sum_up(line: Line) -> LineRange:
    known = [value for value in line if value is not None]
    if not known:
        return LineRange(None, None, None, None)
    return LineRange(known[0], known[-1], min(known), max(known))


def draw(times: Sequence[int], lines: Iterable[tuple[Look, Line]]) -> Drawing:
    """Return the drawing; `times` are those of each line's values, ascending."""
    lines = list(lines)
    bottom, top = find_bounds(value for _, line in lines for value in line if value is not None)
    drawn = [(look, _place(times, line, bottom, top)) for look, line in lines]
    return Drawing(bottom, top, drawn)


def find_bounds(values: Iterable[int]) -> tuple[int, int]:
    """Return a bottom and top around the values: multiples of 5%, within 0 and 100%."""
    known = list(values) or [0, TOP]
    low, high = min(known) - MARGIN, max(known) + MARGIN
    missing = max(0, SPAN_MIN - (high - low))
    five = 5 * PERCENT
    bottom = max(0, (low - missing // 2) // five * five)
    return bottom, min(TOP, -(-(high + missing // 2) // five) * five)


def _place(times: Sequence[int], line: Line, bottom: int, top: int) -> str:
    """Return the points of a polyline; a single last value becomes a dash at its end."""
    points = [(time, value) for time, value in zip(times, line, strict=True) if value is not None]
    first, span = (times[0], max(1, times[-1] - times[0])) if times else (0, 1)
    if len(points) == 1:
        [(time, value)] = points
        points = [(max(first, time - span // DASH_SHARE), value), (time, value)]
    return " ".join(
        f"{_decimal(WIDTH * (time - first), span)},{_decimal(HEIGHT * (top - value), top - bottom)}"
        for time, value in points
    )


def _decimal(dividend: int, divisor: int) -> str:
    whole, tenth = divmod(dividend * 10 // divisor, 10)
    return f"{whole}.{tenth}"
