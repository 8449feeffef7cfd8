"""Projections of the journal for charts, tickers and lists: candles and statistics.

Candles are one-minute rows per book; an inactive minute has none. Prices are those of trades; best
prices and open interest are those at the minute's end, open interest being the market's
(outstanding contracts: escrow / 10,000). Every row has the journal sequence number that it
reflects, and the rows of a market change in one transaction: so projecting may stop anywhere, run
twice and resume later, and `rebuild` yields the same rows from scratch. The same pass, once per row
of the journal, notifies users of their fills and records what webhooks are sent
(`trading.notifications`).
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import islice
from typing import Final, NamedTuple

from django.db import connection, transaction
from django.db.models import Count, F, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from kernel.clock import from_datetime
from markets.models import Market, MarketStats
from trading.engine.events import Configured, Traded, list_trades
from trading.engine.types import PAYOUT_PIPS, Withdrawal
from trading.models import BookState, Candle, JournalRow, OutcomeStats, Position
from trading.notifications import notify, webhooks
from trading.notifications.webhooks import Span
from trading.pipeline.journal import JournalBody, read_rows

ROWS_MAX: Final = 500
"""Journal rows projected per transaction."""
MINUTE_US: Final = 60_000_000
DAY_MINUTES: Final = 24 * 60
REFRESHED_FOR: Final = timedelta(hours=25)
"""A market without commands for so long has no 24-hour volume."""

CANDLE_FIELDS: Final = (
    "open_pips", "high_pips", "low_pips", "close_pips", "bid_pips", "ask_pips", "volume_lots",
    "open_interest_lots", "trades", "seq",
)  # fmt: skip
STATS_FIELDS: Final = (
    "last_pips", "bid_pips", "ask_pips", "volume_lots", "trades", "open_interest_lots", "seq",
)  # fmt: skip

Key = tuple[int, int]
"""(outcome, minute)."""


class Projection:
    """A market's candles and statistics, to which rows of its journal are added in order."""

    def __init__(self, stats: list[OutcomeStats], candles: Iterable[Candle] = ()) -> None:
        self.stats = stats
        self.candles: dict[Key, Candle] = {}
        for candle in candles:
            self.candles[candle.outcome_index, candle.minute] = candle
        self.changed: dict[Key, Candle] = {}
        self.today_lots = 0
        """The last day's volume of the added rows."""
        self._today = _day_ago()

    @classmethod
    def empty(cls, market: Market) -> "Projection":
        return cls([OutcomeStats(market=market, outcome_index=i) for i in range(market.book_count)])

    @property
    def seq(self) -> int:
        return self.stats[0].seq

    def add(self, row: JournalRow, body: JournalBody) -> None:
        minute = row.ts_us // MINUTE_US
        for entry in body.entries:
            for event in entry.events:
                for trade in list_trades(event):
                    self._add_trade(trade, minute)
                if isinstance(event, Configured):
                    self._add_withdrawn(event.config.withdrawn or (), minute)
        for top in body.tops:
            stats = self.stats[top.outcome]
            stats.bid_pips, stats.ask_pips = top.best_bid_pips, top.best_ask_pips
            self._candle(top.outcome, minute)
        for stats in self.stats:
            stats.seq = row.seq_last
            candle = self.candles.get((stats.outcome_index, minute))
            if candle is not None:
                self._end_minute(candle, stats)

    def _add_trade(self, trade: Traded, minute: int) -> None:
        candle, stats = self._candle(trade.outcome, minute), self.stats[trade.outcome]
        price_pips = stats.last_pips = trade.price_pips
        self._add_price(candle, price_pips)
        for row in (candle, stats):
            row.volume_lots += trade.quantity_lots
            row.trades += 1
        if minute > self._today:
            self.today_lots += trade.quantity_lots
        # Escrow grows by the sum of both sides' payments.
        more_lots = -(trade.taker_cash_micros + trade.maker_cash_micros) // PAYOUT_PIPS
        for stats in self.stats:
            stats.open_interest_lots += more_lots

    def _add_withdrawn(self, withdrawn: Iterable[Withdrawal], minute: int) -> None:
        """What an outcome pays that was withdrawn is its last price from then on."""
        for gone in withdrawn:
            stats = self.stats[gone.outcome]
            if stats.last_pips != gone.pays_pips:
                stats.last_pips = gone.pays_pips
                self._add_price(self._candle(gone.outcome, minute), gone.pays_pips)

    def _add_price(self, candle: Candle, price_pips: int) -> None:
        if candle.open_pips is None:
            candle.open_pips = candle.high_pips = candle.low_pips = price_pips
        assert candle.high_pips is not None
        assert candle.low_pips is not None
        candle.high_pips = max(candle.high_pips, price_pips)
        candle.low_pips = min(candle.low_pips, price_pips)
        candle.close_pips = price_pips

    def _candle(self, outcome: int, minute: int) -> Candle:
        candle = self.candles.get((outcome, minute))
        if candle is None:
            candle = self.candles[outcome, minute] = Candle(
                market_id=self.stats[0].market_id, outcome_index=outcome, minute=minute, seq=0
            )
        return candle

    def _end_minute(self, candle: Candle, stats: OutcomeStats) -> None:
        """Update the candle's values at the end of its minute."""
        candle.bid_pips, candle.ask_pips = stats.bid_pips, stats.ask_pips
        candle.open_interest_lots = stats.open_interest_lots
        candle.seq = stats.seq
        self.changed[candle.outcome_index, candle.minute] = candle


class Difference(NamedTuple):
    """A stored row that differs from the journal's; None where a row is missing."""

    what: str
    stored: tuple[object, ...] | None
    derived: tuple[object, ...] | None


# --- incremental ---------------------------------------------------------------------------------


def list_behind(count_max: int) -> list[int]:
    """Return markets whose journal has rows that are not projected yet."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT b.market_id FROM trading_bookstate b LEFT JOIN trading_outcomestats s"
            " ON s.market_id = b.market_id AND s.outcome_index = 0"
            " WHERE b.seq > COALESCE(s.seq, 0) ORDER BY b.market_id LIMIT %s",
            [count_max],
        )
        return [row[0] for row in cursor.fetchall()]


def project_market(market_id: int) -> None:
    """Project all current rows of a market's journal."""
    market = Market.objects.get(pk=market_id)
    _ensure_rows(market)
    while _project_some(market):
        pass


def _ensure_rows(market: Market) -> None:
    rows = Projection.empty(market).stats
    if OutcomeStats.objects.filter(market=market).count() < len(rows):
        OutcomeStats.objects.bulk_create(rows, ignore_conflicts=True)
    MarketStats.objects.get_or_create(market=market)


def _project_some(market: Market) -> bool:
    """Project some rows in one transaction; return whether there may be more."""
    with transaction.atomic():
        stats = list(
            OutcomeStats.objects.select_for_update().filter(market=market).order_by("outcome_index")
        )
        before_seq = stats[0].seq
        rows = list(islice(read_rows(market.pk, before_seq), ROWS_MAX))
        if not rows:
            return False
        minute = rows[0][0].ts_us // MINUTE_US
        derived = Projection(stats, Candle.objects.filter(market=market, minute=minute))
        for row, body in rows:
            derived.add(row, body)
        _store(derived, list(derived.changed.values()))
        notify.notify_of_orders(market.pk, (body for _row, body in rows))
        span = Span(market.pk, before_seq, rows[-1][0].seq_last, rows[0][0].ts_us)
        webhooks.record_orders(span)
    return len(rows) == ROWS_MAX


def _store(derived: Projection, candles: list[Candle]) -> None:
    Candle.objects.bulk_create(
        candles,
        batch_size=1_000,
        update_conflicts=True,
        unique_fields=("market", "outcome_index", "minute"),
        update_fields=CANDLE_FIELDS,
    )
    OutcomeStats.objects.bulk_update(derived.stats, STATS_FIELDS)
    MarketStats.objects.filter(market_id=derived.stats[0].market_id).update(
        volume_lots=sum(stats.volume_lots for stats in derived.stats),
        volume_24h_lots=F("volume_24h_lots") + derived.today_lots,
        last_price_pips=derived.stats[0].last_pips,
        traders=_count_traders(),
    )


def _day_ago() -> int:
    """Return the latest minute that is more than a day ago."""
    return from_datetime(timezone.now()) // MINUTE_US - DAY_MINUTES


def _count_traders() -> Coalesce:
    traders = Position.objects.filter(market_id=OuterRef("market_id")).order_by()
    counted = traders.values("market_id").annotate(n=Count("account_id", distinct=True))
    return Coalesce(Subquery(counted.values("n")), 0)


def refresh_stats(market_ids: Iterable[int] | None = None) -> None:
    """Count traders and the last day's volume of recently active markets."""
    if market_ids is None:
        since_us = from_datetime(timezone.now() - REFRESHED_FOR)
        moved = BookState.objects.filter(ts_us__gt=since_us)
        market_ids = list(moved.values_list("market_id", flat=True))
    today = Candle.objects.filter(market_id=OuterRef("market_id"), minute__gt=_day_ago()).order_by()
    volume = today.values("market_id").annotate(n=Sum("volume_lots"))
    rows = MarketStats.objects.filter(market_id__in=market_ids)
    with transaction.atomic():
        # Locked first, so that the count includes everything projected before.
        list(rows.select_for_update().order_by("market_id").values_list("market_id", flat=True))
        rows.update(
            volume_24h_lots=Coalesce(Subquery(volume.values("n")), 0), traders=_count_traders()
        )


# --- rebuilding ----------------------------------------------------------------------------------


def rebuild_market(market_id: int) -> list[Difference]:
    """Rebuild a market's rows from scratch, then continue; return where stored ones differed.

    They are compared at the sequence number that they reflect.
    """
    market = Market.objects.get(pk=market_id)
    _ensure_rows(market)
    with transaction.atomic():
        stored = list(
            OutcomeStats.objects.select_for_update().filter(market=market).order_by("outcome_index")
        )
        derived = Projection.empty(market)
        for row, body in _rows_until(market_id, stored[0].seq):
            derived.add(row, body)
        differences = list(_compare(market, stored, derived))
        if differences:
            _replace(market, stored, derived)
    project_market(market_id)
    refresh_stats([market_id])
    return differences


def _rows_until(market_id: int, seq: int) -> Iterator[tuple[JournalRow, JournalBody]]:
    for row, body in read_rows(market_id):
        if row.seq_last > seq:
            return
        yield row, body


def _compare(
    market: Market, stored: list[OutcomeStats], derived: Projection
) -> Iterator[Difference]:
    for old, new in zip(stored, derived.stats, strict=True):
        yield from _differ(f"statistics of outcome {new.outcome_index}", old, new, STATS_FIELDS)
    candles = {
        (candle.outcome_index, candle.minute): candle
        for candle in Candle.objects.filter(market=market)
    }
    for key in sorted(candles.keys() | derived.candles.keys()):
        what = f"candle of outcome {key[0]}, minute {key[1]}"
        yield from _differ(what, candles.get(key), derived.candles.get(key), CANDLE_FIELDS)
    stats = MarketStats.objects.get(market=market)
    volume_lots = sum(row.volume_lots for row in derived.stats)
    old_figures = (stats.volume_lots, stats.last_price_pips)
    new_figures = (volume_lots, derived.stats[0].last_pips)
    if old_figures != new_figures:
        yield Difference("statistics of the market", old_figures, new_figures)


def _differ(
    what: str,
    old: Candle | OutcomeStats | None,
    new: Candle | OutcomeStats | None,
    fields: tuple[str, ...],
) -> Iterator[Difference]:
    stored = None if old is None else tuple(getattr(old, name) for name in fields)
    derived = None if new is None else tuple(getattr(new, name) for name in fields)
    if stored != derived:
        yield Difference(what, stored, derived)


def _replace(market: Market, stored: list[OutcomeStats], derived: Projection) -> None:
    Candle.objects.filter(market=market).delete()
    for old, new in zip(stored, derived.stats, strict=True):
        new.pk = old.pk
    _store(derived, list(derived.candles.values()))
