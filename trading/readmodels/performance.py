"""An account's equity, its history, and profit: the portfolio's headline and chart."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from django.db.models import Q, Sum

from accounts.actions import get_issuer_id
from accounts.models import Account, Transfer
from accounts.models.account import TransferKind
from trading.models import DailyEquity
from trading.readmodels import equity
from trading.readmodels.holdings import Holding, value_holdings

DAYS_SHOWN_MAX: Final = 730


class Point(NamedTuple):
    """An account's equity at the end of a day, and its net deposits by then."""

    day: date
    equity_micros: int
    deposited_micros: int


class Performance(NamedTuple):
    """An account's current figures. `None` if a needed price is unknown.

    Profit is the growth of equity minus net deposits: in total, and since the last recorded
    midnight (UTC).
    """

    account: Account
    positions_micros: int | None
    locked_micros: int
    equity_micros: int | None
    deposited_micros: int
    points: Sequence[Point]

    @property
    def profit_micros(self) -> int | None:
        if self.equity_micros is None:
            return None
        return self.equity_micros - self.deposited_micros

    @property
    def today_micros(self) -> int | None:
        if self.profit_micros is None or not self.points:
            return self.profit_micros
        last = self.points[-1]
        return self.profit_micros - (last.equity_micros - last.deposited_micros)


def read_performance(account: Account, holdings: Sequence[Holding]) -> Performance:
    valuation = value_holdings(holdings)
    positions_micros = valuation.positions_micros
    points = list_points(account.pk)
    return Performance(
        account,
        positions_micros,
        valuation.locked_collateral_micros,
        None if positions_micros is None else account.cash_micros + positions_micros,
        _read_deposited(account.pk, points),
        points,
    )


def list_points(account_id: int) -> list[Point]:
    """Return the account's recorded days, oldest first."""
    rows = DailyEquity.objects.filter(account=account_id).order_by("-day")
    names = ("day", "equity_micros", "deposited_micros")
    return [Point(*row) for row in reversed(rows.values_list(*names)[:DAYS_SHOWN_MAX])]


def _read_deposited(account_id: int, points: Sequence[Point]) -> int:
    """Return the account's net deposits: the last recorded day's, plus those since.

    What its owner moved between own accounts counts as such: it is no profit of an account.
    """
    issuer_id, internal = get_issuer_id(), Q(kind=TransferKind.INTERNAL)
    outside = Transfer.objects.filter(
        Q(credit_account=account_id) & (Q(debit_account=issuer_id) | internal)
        | Q(debit_account=account_id) & (Q(credit_account=issuer_id) | internal)
    )
    if points:
        day = points[-1].day + timedelta(days=1)
        recorded = datetime(day.year, day.month, day.day, tzinfo=UTC)
        outside = outside.filter(id__gte=equity.floor_id(recorded), created_at__gte=recorded)
    sums = outside.aggregate(
        came=Sum("amount_micros", filter=Q(credit_account=account_id)),
        went=Sum("amount_micros", filter=Q(debit_account=account_id)),
    )
    before_micros = points[-1].deposited_micros if points else 0
    return before_micros + (sums["came"] or 0) - (sums["went"] or 0)
