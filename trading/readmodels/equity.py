"""Every account's equity at the end of each UTC day, for charts and leaderboards.

It is computed as of the day's last instant, from immutable rows: today's balances minus later
transfers, today's positions minus later trades, and the candles before that instant. So it may be
computed late, or again, with the same result. A market counts until it is final.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Max, Min
from django.utils import timezone

from accounts.actions import get_issuer_id
from accounts.models import Account
from accounts.models.account import OWNED_KINDS
from kernel.clock import from_datetime
from markets.models import HIDDEN_STATUSES, Market
from trading.engine.types import PAYOUT_PIPS
from trading.models import DailyEquity
from trading.pipeline.snapshot import consistent_read
from trading.readmodels.holdings import value_sets
from trading.readmodels.marks import Mark, compute_mark
from trading.readmodels.projections import MINUTE_US

SETTLED_DOWN: Final = timedelta(minutes=5)
"""The time after midnight until everything stamped before it has committed."""
DAYS_MAX: Final = 400
ROWS_A_TIME: Final = 5_000
ID_SLACK: Final = timedelta(hours=1)
"""The maximum deviation of an id's time from its row's, as hosts' clocks differ."""


class NetPosition(NamedTuple):
    """An account's lots bought minus sold in one market, by book."""

    market_id: int
    account_id: int
    net_lots: tuple[int, ...]


def record_days() -> int:
    """Record every past day without rows, oldest first; return their number."""
    today = (timezone.now() - SETTLED_DOWN).date()
    day = _first_unrecorded()
    count = 0
    while day is not None and day < today and count < DAYS_MAX:
        record_day(day)
        day += timedelta(days=1)
        count += 1
    return count


def record_day(day: date) -> None:
    """Record a day; existing rows are kept."""
    DailyEquity.objects.bulk_create(compute_day(day), batch_size=ROWS_A_TIME, ignore_conflicts=True)


def list_recorded_days() -> list[date]:
    return list(DailyEquity.objects.order_by("day").values_list("day", flat=True).distinct())


def rebuild_day(day: date) -> int:
    """Recompute a recorded day's rows; return how many of the stored ones differed."""
    fields = ("account_id", "cash_micros", "equity_micros", "deposited_micros")
    stored = set(DailyEquity.objects.filter(day=day).values_list(*fields))
    computed = compute_day(day)
    derived = {tuple(getattr(row, name) for name in fields) for row in computed}
    differing = {row[0] for row in stored ^ derived}
    if differing:
        with transaction.atomic():
            DailyEquity.objects.filter(day=day, account_id__in=differing).delete()
            record_day(day)
    return len(differing)


def compute_day(day: date) -> list[DailyEquity]:
    """Return a day's unsaved rows by account."""
    end = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    with consistent_read():
        cash = _read_cash(end)
        deposited = _read_deposited(end)
        worth: dict[int, int] = defaultdict(int)
        marks = _read_marks(end)
        binary = _read_kinds(end)
        for holding in _read_holdings(end):
            if holding.account_id in cash and holding.market_id in binary:
                is_binary = binary[holding.market_id]
                books = [marks.get((holding.market_id, i)) for i in range(len(holding.net_lots))]
                worth[holding.account_id] += value(holding.net_lots, books, binary=is_binary)
    return [
        DailyEquity(
            account_id=account_id,
            day=day,
            cash_micros=micros,
            equity_micros=micros + worth[account_id],
            deposited_micros=deposited[account_id],
        )
        for account_id, micros in sorted(cash.items())
    ]


def value(net_lots: tuple[int, ...], marks: list[Mark | None], *, binary: bool) -> int:
    """Return the value of a holding, as defined in `trading.readmodels.holdings`.

    Outcomes that never traded have no mark; together they are worth 1 minus the others.
    """
    collateral_lots = max(0, -net_lots[0]) if binary else -min(net_lots)
    flat_lots = 0 if binary else min(max(0, min(net_lots)), max(net_lots))
    return value_sets(
        PAYOUT_PIPS * (collateral_lots + flat_lots),
        [lots - flat_lots for lots in net_lots],
        [None if mark is None else mark.half_pips for mark in marks],
    )


def _first_unrecorded() -> date | None:
    last = DailyEquity.objects.aggregate(day=Max("day"))["day"]
    if last is not None:
        return last + timedelta(days=1)
    first = Account.objects.filter(kind__in=OWNED_KINDS).aggregate(at=Min("created_at"))["at"]
    return None if first is None else first.astimezone(UTC).date()


# --- as of an instant ----------------------------------------------------------------------------


def floor_id(moment: datetime) -> str:
    """Return an id not above that of any row created at `moment` or later."""
    milliseconds = from_datetime(moment - ID_SLACK) // 1_000
    number = UUID(int=milliseconds << 80)
    return number.hex if connection.vendor == "sqlite" else str(number)


def adapt(moment: datetime) -> Any:
    """Return the moment in the database's representation."""
    return connection.ops.adapt_datetimefield_value(moment)


def _query(statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


def _read_cash(end: datetime) -> dict[int, int]:
    """Return cash by account, of trading accounts that existed."""
    accounts = Account.objects.filter(kind__in=OWNED_KINDS, created_at__lt=end)
    cash = dict(accounts.values_list("pk", "cash_micros"))
    later = _query(
        "SELECT account_id, SUM(micros) FROM ("
        " SELECT credit_account_id AS account_id, amount_micros AS micros FROM accounts_transfer"
        "  WHERE id >= %(floor)s AND created_at >= %(end)s"
        " UNION ALL SELECT debit_account_id, -amount_micros FROM accounts_transfer"
        "  WHERE id >= %(floor)s AND created_at >= %(end)s"
        ") AS later GROUP BY account_id",
        {"floor": floor_id(end), "end": adapt(end)},
    )
    for account_id, micros in later:
        if account_id in cash:
            cash[account_id] -= int(micros)
    return cash


def _read_deposited(end: datetime) -> dict[int, int]:
    """Return each account's deposits minus withdrawals, with what its owner moved to it."""
    rows = _query(
        "SELECT account_id, SUM(micros) FROM ("
        " SELECT credit_account_id AS account_id, amount_micros AS micros FROM accounts_transfer"
        "  WHERE (debit_account_id = %(issuer)s OR kind = 'internal') AND created_at < %(end)s"
        " UNION ALL SELECT debit_account_id, -amount_micros FROM accounts_transfer"
        "  WHERE (credit_account_id = %(issuer)s OR kind = 'internal') AND created_at < %(end)s"
        ") AS outside GROUP BY account_id",
        {"issuer": get_issuer_id(), "end": adapt(end)},
    )
    deposited: dict[int, int] = defaultdict(int)
    deposited.update((account_id, int(micros)) for account_id, micros in rows)
    return deposited


def _read_kinds(end: datetime) -> dict[int, bool]:
    """Return the markets that were not final yet, and whether they have one book."""
    markets = Market.objects.exclude(status__in=HIDDEN_STATUSES).exclude(settled_at__lt=end)
    kinds = markets.values_list("pk", "kind")
    return {market_id: kind != Market.Kind.CATEGORICAL for market_id, kind in kinds}


def _read_holdings(end: datetime) -> Iterator[NetPosition]:
    """Yield positions minus later trades."""
    lots: dict[tuple[int, int], dict[int, int]] = defaultdict(dict)
    for market_id, account_id, outcome, net_lots in _query(
        "SELECT market_id, account_id, outcome_index, SUM(lots) FROM ("
        " SELECT p.market_id, p.account_id, p.outcome_index, p.net_lots AS lots"
        "  FROM trading_position p JOIN markets_market m ON m.id = p.market_id"
        "  WHERE m.settled_at IS NULL OR m.settled_at >= %(end)s"
        " UNION ALL SELECT market_id, taker_account_id, outcome_index, -taker_side * quantity_lots"
        "  FROM trading_trade WHERE id >= %(floor)s AND created_at_us >= %(end_us)s"
        " UNION ALL SELECT market_id, maker_account_id, outcome_index, taker_side * quantity_lots"
        "  FROM trading_trade WHERE id >= %(floor)s AND created_at_us >= %(end_us)s"
        ") AS held GROUP BY market_id, account_id, outcome_index",
        {"floor": floor_id(end), "end": adapt(end), "end_us": from_datetime(end)},
    ):
        lots[market_id, account_id][outcome] = int(net_lots)
    books = _count_books({market_id for market_id, _ in lots})
    for (market_id, account_id), by_outcome in lots.items():
        net = tuple(by_outcome.get(i, 0) for i in range(books[market_id]))
        if any(net):
            yield NetPosition(market_id, account_id, net)


def _count_books(market_ids: set[int]) -> dict[int, int]:
    markets = Market.objects.filter(pk__in=market_ids).prefetch_related("outcomes")
    return {market.pk: market.book_count for market in markets}


def _read_marks(end: datetime) -> dict[tuple[int, int], Mark]:
    """Return marks by (market, book), from the last candle before `end` and the last trade."""
    minute = from_datetime(end) // MINUTE_US
    rows = _query(
        "SELECT c.market_id, c.outcome_index, c.bid_pips, c.ask_pips, t.close_pips FROM ("
        " SELECT market_id, outcome_index, MAX(minute) AS last,"
        " MAX(CASE WHEN close_pips IS NOT NULL THEN minute END) AS traded"
        " FROM trading_candle WHERE minute < %(minute)s GROUP BY market_id, outcome_index) AS ends"
        " JOIN trading_candle c ON c.market_id = ends.market_id"
        "  AND c.outcome_index = ends.outcome_index AND c.minute = ends.last"
        " LEFT JOIN trading_candle t ON t.market_id = ends.market_id"
        "  AND t.outcome_index = ends.outcome_index AND t.minute = ends.traded",
        {"minute": minute},
    )
    return {(row[0], row[1]): compute_mark(*row[2:]) for row in rows}
