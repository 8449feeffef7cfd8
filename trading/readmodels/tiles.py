"""Market cards: probability and its history, figures, the next event.

`build_tiles` needs two queries for any number of markets. A probability is the mark of
`readmodels.marks`; history is read from candles at single minutes by index, never as a range, so
its cost does not depend on trading volume.
"""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.templatetags.predex import moment
from kernel.clock import from_datetime
from kernel.units import PIPS_PER_CREDIT
from markets.models import Market, Outcome
from markets.search import count_words
from trading.engine.types import PAYOUT_PIPS
from trading.models import OutcomeStats
from trading.readmodels.marks import WIDE_PIPS, compute_mark
from trading.readmodels.queries import Quote

TOP_OUTCOMES: Final = 3
HISTORY_MINUTES: Final = 7 * 24 * 60
DAY_MINUTES: Final = 24 * 60
SPARK_STEPS: Final = 28
MINUTE_US: Final = 60_000_000
DATE_FROM_DAYS: Final = 60
"""Above this a card shows the date of the close instead of the number of days."""
LIVE_STATUSES: Final = (Market.Status.OPEN, Market.Status.HALTED)
NO_QUOTE: Final = Quote(None, None, None)

Key = tuple[int, int]
"""(market, outcome)."""


class MarkHistory(NamedTuple):
    """A mark's history: over the last week or since its first candle, and the mark a day ago.

    Points are pips, oldest first. Markets that no longer trade have no mark a day ago.
    """

    points_pips: list[int]
    day_ago_half_pips: int | None


NO_HISTORY: Final = MarkHistory([], None)


class OutcomeTile:
    """An outcome of a card. That of a binary market is YES.

    `found_words` is the number of search words in its name.
    """

    def __init__(self, outcome: Outcome, quote: Quote, found_words: int) -> None:
        self.outcome = outcome
        self.found_words = found_words
        self.index = outcome.index
        self.code = outcome.code
        self.name = outcome.name
        self.payout_pips = outcome.payout_pips
        self.is_withdrawn = outcome.withdrawn_pips is not None
        self.quote = quote
        self.half_pips = compute_mark(*quote).half_pips
        self.history = NO_HISTORY

    @property
    def change_pips(self) -> int | None:
        """The mark's change in the last 24 hours."""
        if self.half_pips is None or self.history.day_ago_half_pips is None:
            return None
        return (self.half_pips - self.history.day_ago_half_pips) // 2

    @property
    def points_pips(self) -> list[int]:
        """The points of the sparkline, which ends at the mark."""
        points = self.history.points_pips
        return [*points, self.half_pips // 2] if points and self.half_pips is not None else points

    @property
    def is_winner(self) -> bool:
        return bool(self.payout_pips)

    @property
    def is_only_winner(self) -> bool:
        return self.payout_pips == PAYOUT_PIPS


class MarketTile:
    """A market card. `outcomes` are its books: YES alone, or those that match a search first, then
    by probability.
    """

    def __init__(
        self, market: Market, quotes: Mapping[Key, Quote], now: datetime, search: str = ""
    ) -> None:
        self.market = market
        self.search = search
        self.slug = market.slug
        self.is_binary = market.has_one_book
        self.now = now
        rows = list(market.outcomes.all())
        tiles = [
            OutcomeTile(
                row, quotes.get((market.pk, row.index), NO_QUOTE), count_words(row.name, search)
            )
            for row in (rows[:1] if self.is_binary else rows)
        ]
        self.outcomes = sorted(tiles, key=_first_to_show)

    @property
    def status(self) -> str:
        """The market's status; an open one past its closing time counts as closed."""
        if self.market.status in LIVE_STATUSES and self.market.close_at <= self.now:
            return Market.Status.CLOSED
        return self.market.status

    @property
    def is_live(self) -> bool:
        return self.status in LIVE_STATUSES

    @property
    def is_final(self) -> bool:
        return self.status in (Market.Status.SETTLED, Market.Status.VOIDED)

    @property
    def yes(self) -> OutcomeTile:
        """A binary market's only book."""
        return self.outcomes[0]

    @property
    def top(self) -> list[OutcomeTile]:
        """The outcomes that fit on a card; of a settled categorical market those that were paid."""
        if self.market.status == Market.Status.SETTLED and not self.is_binary:
            return [outcome for outcome in self.outcomes if outcome.is_winner][:TOP_OUTCOMES]
        return self.outcomes[:TOP_OUTCOMES]

    @property
    def more_count(self) -> int:
        return len(self.outcomes) - len(self.top)

    @property
    def yes_price_pips(self) -> int | None:
        """The current price of YES."""
        return self.yes.quote.ask_pips

    @property
    def no_price_pips(self) -> int | None:
        bid_pips = self.yes.quote.bid_pips
        return None if bid_pips is None else PIPS_PER_CREDIT - bid_pips

    @property
    def ended_at(self) -> datetime:
        """When trading ends or ended; of a settled or voided market when that happened."""
        return self.market.settled_at or self.market.close_at

    @property
    def timing(self) -> str:
        """The next event and its time, or the last one."""
        if self.is_live:
            return describe_closing(self.market.close_at, self.now)
        if self.ended_at > self.now:
            return _("trading has ended")  # closed early
        day = {"day": moment(self.ended_at, "day")}
        if self.status == Market.Status.SETTLED:
            return _("settled on %(day)s") % day
        if self.status == Market.Status.VOIDED:
            return _("voided on %(day)s") % day
        return _("closed on %(day)s") % day

    @property
    def live_json(self) -> str:
        """Outcomes' data that tickers lack: [code, name, half pips a day ago, words]."""
        facts = [
            (tile.code, tile.name, tile.history.day_ago_half_pips, tile.found_words)
            for tile in self.outcomes
            if not tile.is_withdrawn
        ]
        return msgspec.json.encode(facts).decode()


def build_tiles(markets: Iterable[Market], *, search: str = "") -> list[MarketTile]:
    """Return tiles of markets read with `markets.queries.with_details`, in their order."""
    markets, now = list(markets), timezone.now()
    quotes = read_quotes([market.pk for market in markets])
    tiles = [MarketTile(market, quotes, now, search) for market in markets]
    shown = [
        (tile.market.pk, outcome.index, _last_minute(tile))
        for tile in tiles
        for outcome in tile.top
    ]
    histories = read_histories(shown)
    for tile in tiles:
        for outcome in tile.top:
            history = histories.get((tile.market.pk, outcome.index), NO_HISTORY)
            outcome.history = history if tile.is_live else history._replace(day_ago_half_pips=None)
    return tiles


def read_quotes(market_ids: Collection[int]) -> dict[Key, Quote]:
    """Return best and last prices by market and outcome, from the statistics."""
    rows = OutcomeStats.objects.filter(market_id__in=market_ids).values_list(
        "market_id", "outcome_index", "bid_pips", "ask_pips", "last_pips"
    )
    return {(row[0], row[1]): Quote(*row[2:]) for row in rows}


# Step -1 is a day before the last minute; steps 0 to n go from the first minute to the last one.
# The value at a minute takes one or two look-ups in the candles' index: the midpoint of the last
# candle by then (a mark, see `readmodels.marks`), else the last price. Tables are never joined,
# because a planner might then scan all of it.
_HISTORIES: Final = """
WITH shown(market_id, outcome_index, last_minute) AS (VALUES {shown}),
steps(step) AS (VALUES {steps}),
beginnings AS MATERIALIZED (
    SELECT market_id, outcome_index, last_minute, (
        SELECT c.minute FROM trading_candle c
        WHERE c.market_id = shown.market_id AND c.outcome_index = shown.outcome_index
        ORDER BY c.minute LIMIT 1
    ) AS opened FROM shown
),
spans AS (
    SELECT market_id, outcome_index, last_minute,
        CASE WHEN opened < last_minute - %s THEN last_minute - %s ELSE opened END AS first_minute
    FROM beginnings WHERE opened IS NOT NULL
),
minutes AS MATERIALIZED (
    SELECT market_id, outcome_index, step, CASE WHEN step < 0 THEN last_minute - %s
        ELSE first_minute + (last_minute - first_minute) * step / %s END AS minute
    FROM spans CROSS JOIN steps
)
SELECT market_id, outcome_index, step, minute, COALESCE((
    SELECT CASE WHEN c.ask_pips - c.bid_pips <= %s THEN c.bid_pips + c.ask_pips END
    FROM trading_candle c
    WHERE c.market_id = minutes.market_id AND c.outcome_index = minutes.outcome_index
        AND c.minute <= minutes.minute
    ORDER BY c.minute DESC LIMIT 1
), (
    SELECT 2 * c.close_pips FROM trading_candle c
    WHERE c.market_id = minutes.market_id AND c.outcome_index = minutes.outcome_index
        AND c.minute <= minutes.minute AND c.close_pips IS NOT NULL
    ORDER BY c.minute DESC LIMIT 1
)) AS half_pips
FROM minutes ORDER BY market_id, outcome_index, minute, step
"""


class _Point(NamedTuple):
    step: int
    minute: int
    half_pips: int


def read_histories(shown: Sequence[tuple[int, int, int]]) -> dict[Key, MarkHistory]:
    """Return histories by market and outcome, of (market, outcome, last minute)."""
    if not shown:
        return {}
    statement = _HISTORIES.format(
        shown=", ".join(["(%s, %s, %s)"] * len(shown)),
        steps=", ".join(f"({step})" for step in range(-1, SPARK_STEPS)),
    )
    terms = [HISTORY_MINUTES, HISTORY_MINUTES, DAY_MINUTES, SPARK_STEPS - 1, WIDE_PIPS]
    points: dict[Key, list[_Point]] = {}
    with connection.cursor() as cursor:
        cursor.execute(statement, [value for row in shown for value in row] + terms)
        for market_id, outcome, *point in cursor.fetchall():
            if point[-1] is not None:
                points.setdefault((market_id, outcome), []).append(_Point(*point))
    last_minutes = {row[:2]: row[2] for row in shown}
    return {
        key: _build_history(known, last_minutes[key] - DAY_MINUTES) for key, known in points.items()
    }


def _build_history(known: Sequence[_Point], day_ago_minute: int) -> MarkHistory:
    """`known` are points by minute; a market younger than a day is compared with its first."""
    earlier = [point.half_pips for point in known if point.minute <= day_ago_minute]
    reference_half_pips = earlier[-1] if earlier else known[0].half_pips
    points_pips = [point.half_pips // 2 for point in known if 0 <= point.step < SPARK_STEPS - 1]
    return MarkHistory(points_pips, reference_half_pips)


def describe_closing(close_at: datetime, now: datetime) -> str:
    """Return when trading ends, in whole days, hours or minutes; "" after the end."""
    left = close_at - now
    if left <= timedelta(0):
        return ""
    if left >= timedelta(days=DATE_FROM_DAYS):
        return _("closes on %(day)s") % {"day": moment(close_at, "day")}
    if left >= timedelta(days=2):
        return ngettext("closes in %(n)d day", "closes in %(n)d days", left.days) % {"n": left.days}
    minutes = left // timedelta(minutes=1)
    hours = minutes // 60
    if hours >= 2:
        return ngettext("closes in %(n)d hour", "closes in %(n)d hours", hours) % {"n": hours}
    count = max(minutes, 1)
    return ngettext("closes in %(n)d minute", "closes in %(n)d minutes", count) % {"n": count}


def _first_to_show(tile: OutcomeTile) -> tuple[int, ...]:
    numbers = (tile.payout_pips or 0, tile.found_words, tile.half_pips or 0)
    return tile.is_withdrawn, *(-number for number in numbers), tile.index


def _last_minute(tile: MarketTile) -> int:
    """The minute at which a tile's history ends: now, or when trading ended."""
    minute = int(time.time()) // 60
    return minute if tile.is_live else min(minute, from_datetime(tile.market.close_at) // MINUTE_US)
