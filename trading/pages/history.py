"""Price history of a market's outcomes for charts: one grid of times, a line per outcome.

A point is the mark (`readmodels.marks`, half pips) at its time: from the last candle before it, or
from the last trade before it while the spread is wide. Every point is an index look-up, so the cost
grows with the points drawn, not with the age of the market. A chart of a few minutes also has a
point per trade, because a candle only has the end of its minute.
"""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import msgspec
from django.db import connection
from django.db.models import Max, Min, OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from kernel.cache import FreshCache
from kernel.clock import from_datetime, now_us
from kernel.errors import ApiError
from markets.models import Market, StatusChange
from markets.queries import get_market
from trading.models import Candle, OutcomeStats, Trade
from trading.pipeline.instruments import Instrument, build_instrument
from trading.readmodels.marks import compute_mark

RANGES: Final = {"1H": 60, "6H": 6 * 60, "1D": 24 * 60, "1W": 7 * 24 * 60, "ALL": None}
"""Minutes back from the end of the chart."""
POINTS_MAX: Final = 500
"""Of a line."""
VALUES_MAX: Final = 10_000
"""Of all lines together, so that fifty outcomes have shorter lines than two."""
FRESH_SECONDS: Final = 10
WAIT_SECONDS: Final = 5
"""Charts are read one at a time, so that they leave the database to trading."""
BODIES_MAX: Final = 256
STEPS: Final = (1, 2, 3, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440)
YOUNG_MINUTES: Final = 15
MINUTE_MS: Final = 60_000
MINUTE_US: Final = 60_000_000
HALF_PIPS_PER_PIP: Final = 2
LIVE_STATUSES: Final = (Market.Status.OPEN, Market.Status.HALTED)

# Three look-ups per point, and no join: a planner that started from the candles would scan them
# all, once per point.
_LINES: Final = """
    WITH RECURSIVE grid(point) AS (
        SELECT CAST(%(first)s AS bigint)
         UNION ALL
        SELECT CASE WHEN point + %(step)s < %(end)s THEN point + %(step)s ELSE %(end)s END
          FROM grid WHERE point < %(end)s
    )
    SELECT s.outcome_index, grid.point, (
           SELECT c.bid_pips FROM trading_candle c
            WHERE c.market_id = s.market_id AND c.outcome_index = s.outcome_index
              AND c.minute < grid.point ORDER BY c.minute DESC LIMIT 1), (
           SELECT c.ask_pips FROM trading_candle c
            WHERE c.market_id = s.market_id AND c.outcome_index = s.outcome_index
              AND c.minute < grid.point ORDER BY c.minute DESC LIMIT 1), (
           SELECT c.close_pips FROM trading_candle c
            WHERE c.market_id = s.market_id AND c.outcome_index = s.outcome_index
              AND c.minute < grid.point AND c.close_pips IS NOT NULL
            ORDER BY c.minute DESC LIMIT 1)
      FROM trading_outcomestats s CROSS JOIN grid
     WHERE s.market_id = %(market)s AND s.outcome_index IN (<outcomes>)
"""


class PriceHistory(NamedTuple):
    """`times` are Unix milliseconds; `lines` has half pips by outcome, None before its first."""

    times: list[int]
    lines: dict[int, list[int | None]]


class _Grid(NamedTuple):
    first: int
    step: int
    end: int


@require_safe
def history(request: HttpRequest, slug: str) -> HttpResponse:
    """Return the lines of all outcomes: times in Unix seconds, values in half pips."""
    market = get_market(slug, user=request.user)
    name = request.GET.get("range", "ALL")
    if name not in RANGES:
        raise ApiError("invalid_choice", "range", detail="there is no such range")
    try:
        body = _bodies.get_alone((build_instrument(market), name), wait_seconds=WAIT_SECONDS)
    except TimeoutError:
        raise ApiError("unavailable", detail="too many charts are read now: try again") from None
    answer = HttpResponse(body, content_type="application/json")
    answer["Cache-Control"] = f"private, max-age={FRESH_SECONDS}"
    return answer


def _write_body(key: tuple[Instrument, str]) -> bytes:
    instrument, name = key
    shown = show_history(read_history(instrument, name), instrument)
    return msgspec.json.encode({"market": instrument.slug, "range": name, **shown})


def show_history(read: PriceHistory, instrument: Instrument) -> dict[str, object]:
    return {
        "times": [time_ms / 1000 for time_ms in read.times],
        "outcomes": [
            {"outcome": instrument.codes[outcome], "half_pips": line}
            for outcome, line in sorted(read.lines.items())
        ],
    }


def read_history(
    instrument: Instrument,
    range_name: str,
    *,
    outcomes: Collection[int] | None = None,
    points_max: int = POINTS_MAX,
) -> PriceHistory:
    """Return the lines of a range, of these or all outcomes, in two to four queries."""
    wanted = range(instrument.book_count) if outcomes is None else sorted(outcomes)
    points_max = min(points_max, VALUES_MAX // len(wanted))
    grid = _find_grid(instrument, RANGES[range_name], points_max)
    if grid is None:
        return PriceHistory([], {outcome: [] for outcome in wanted})
    points = _read_points(instrument, grid, wanted)
    if grid.end - grid.first <= YOUNG_MINUTES:
        points = _weave(points, _list_trades(instrument, grid, wanted, points_max - len(points)))
    known = [point for point in points if any(value is not None for value in point.values)]
    lines = zip(*(point.values for point in known), strict=True) if known else ([] for _ in wanted)
    return PriceHistory(
        [point.time_ms for point in known],
        {outcome: list(line) for outcome, line in zip(wanted, lines, strict=True)},
    )


class _Point(NamedTuple):
    """The lines' values at one time, in the order of the requested outcomes."""

    time_ms: int
    values: list[int | None]


def _read_points(instrument: Instrument, grid: _Grid, wanted: Sequence[int]) -> list[_Point]:
    now_ms = now_us() // 1000
    minutes = [*range(grid.first, grid.end, grid.step), grid.end]
    points = {
        minute: _Point(min(minute * MINUTE_MS, now_ms), [None] * len(wanted)) for minute in minutes
    }
    places = {outcome: place for place, outcome in enumerate(wanted)}
    names = {f"outcome_{outcome}": outcome for outcome in wanted}
    statement = _LINES.replace("<outcomes>", ", ".join(f"%({name})s" for name in names))
    with connection.cursor() as cursor:
        cursor.execute(statement, {"market": instrument.id, **grid._asdict(), **names})
        for outcome, minute, bid_pips, ask_pips, last_pips in cursor:
            worth = compute_mark(bid_pips, ask_pips, last_pips).half_pips
            points[minute].values[places[outcome]] = worth
    return list(points.values())


def _list_trades(
    instrument: Instrument, grid: _Grid, wanted: Sequence[int], trades_max: int
) -> list[tuple[int, int, int]]:
    """Return (milliseconds, index of the line, price) of the latest trades, oldest first."""
    places = {outcome: place for place, outcome in enumerate(wanted)}
    trades = Trade.objects.filter(
        market=instrument.id,
        outcome_index__in=places,
        created_at_us__gte=grid.first * MINUTE_US,
        created_at_us__lt=grid.end * MINUTE_US,
    ).order_by("-id")
    rows = trades.values_list("created_at_us", "outcome_index", "price_pips")[:trades_max]
    return [(ts_us // 1000, places[index], pips) for ts_us, index, pips in reversed(rows)]


def _weave(points: list[_Point], trades: list[tuple[int, int, int]]) -> list[_Point]:
    """Insert a point for each trade between those of the grid."""
    woven: list[_Point] = []
    waiting = iter(points)
    following = next(waiting, None)
    for time_ms, place, price_pips in trades:
        while following is not None and following.time_ms <= time_ms:
            woven.append(following)
            following = next(waiting, None)
        known = woven[-1].values if woven else [None] * len(points[0].values)
        values: list[int | None] = [*known]
        values[place] = HALF_PIPS_PER_PIP * price_pips
        woven.append(_Point(time_ms, values))
    return woven + ([] if following is None else [following, *waiting])


def _find_grid(instrument: Instrument, minutes: int | None, points_max: int) -> _Grid | None:
    """Return the times of the points: whole steps and the end; None without any data."""
    candles = Candle.objects.filter(
        market_id=OuterRef("market_id"), outcome_index=OuterRef("outcome_index")
    ).values("minute")
    seen = OutcomeStats.objects.filter(market_id=instrument.id).aggregate(
        first=Min(Subquery(candles.order_by("minute")[:1])),
        last=Max(Subquery(candles.order_by("-minute")[:1])),
    )
    if seen["first"] is None:
        return None
    end = max(_find_end_us(instrument) // MINUTE_US, seen["last"]) + 1
    start = seen["first"] if minutes is None else max(end - minutes, seen["first"])
    step = _find_step(end - start, points_max - 2)
    return _Grid(start // step * step, step, end)


def _find_end_us(instrument: Instrument) -> int:
    """Return the end of the chart: now, or when trading ended."""
    if instrument.status in LIVE_STATUSES:
        return now_us()
    ended = StatusChange.objects.filter(market=instrument.id, from_status__in=LIVE_STATUSES)
    ended = ended.exclude(to_status__in=LIVE_STATUSES).order_by("-id")
    moment = ended.values_list("created_at", flat=True).first()
    return 0 if moment is None else from_datetime(moment)


def _find_step(minutes: int, steps_max: int) -> int:
    for step in STEPS:
        if step * steps_max >= minutes:
            return step
    day = STEPS[-1]
    return -(-minutes // (steps_max * day)) * day


_bodies: FreshCache[tuple[Instrument, str], bytes] = FreshCache(
    _write_body, seconds=FRESH_SECONDS, entries_max=BODIES_MAX
)
