"""Trading activity per UTC day, for the operators' dashboard.

Counted from the trades, whose ids begin with their time: a day is one range of the primary key. A
day is recounted until some time after its end; then its row is final.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Count, QuerySet, Sum
from django.utils import timezone

from accounts.models.account import AccountKind
from kernel.clock import from_datetime
from trading.models import ExchangeDay, Trade

DAYS_MAX: Final = 31
SETTLED_DOWN: Final = timedelta(minutes=10)
"""The time after midnight until everything stamped before it has committed."""


def record_days() -> None:
    """Count today, and each recent day that was not counted after its end."""
    today = timezone.now().astimezone(UTC).date()
    for day in _list_unfinished(today):
        count_day(day)


def count_day(day: date) -> None:
    """Count a day's trades, and the users that traded."""
    counted_at = timezone.now()
    trades = find_trades(day)
    sums = trades.aggregate(
        lots=Sum("quantity_lots", default=0),
        micros=Sum("amount_micros", default=0),
        count=Count("pk"),
    )
    takers = trades.filter(taker_account__kind=AccountKind.USER).values_list("taker_account")
    makers = trades.filter(maker_account__kind=AccountKind.USER).values_list("maker_account")
    ExchangeDay.objects.update_or_create(
        day=day,
        defaults={
            "volume_lots": sums["lots"],
            "volume_micros": sums["micros"],
            "trades": sums["count"],
            "traders": takers.union(makers).count(),
            "counted_at": counted_at,
        },
    )


def find_trades(day: date) -> QuerySet[Trade]:
    start, end = _start_of(day), _start_of(day + timedelta(days=1))
    return Trade.objects.filter(pk__gte=_first_id(start), pk__lt=_first_id(end))


def _list_unfinished(today: date) -> list[date]:
    first = today - timedelta(days=DAYS_MAX - 1)
    rows = ExchangeDay.objects.filter(day__gte=first).values_list("day", "counted_at")
    finished = {day for day, at in rows if at >= _end_of(day)}
    days = (first + timedelta(days=number) for number in range(DAYS_MAX))
    return [day for day in days if day not in finished]


def _start_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _end_of(day: date) -> datetime:
    return _start_of(day + timedelta(days=1)) + SETTLED_DOWN


def _first_id(moment: datetime) -> UUID:
    """Return the lowest id of a trade at this moment (see `engine.trade_ids`)."""
    return UUID(int=(from_datetime(moment) // 1_000) << 80)
