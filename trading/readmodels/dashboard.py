"""The front page of the admin: pending tasks, state of the engines, trading activity.

Operators see only what their permissions cover. The number of queries is constant, none of them
counts a table that grows without bound, and each list is short.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.admin_base import find_url
from accounts.models import DepositRequest, User, WithdrawalRequest
from accounts.templatetags.predex import money, when
from kernel.clock import to_datetime
from kernel.database_clock import database_now_us, is_wrong
from markets.models import CommentReport, Correction, Dispute, Market, Resolution
from markets.queries import get_exchange
from trading.models import ExchangeDay, Lease, VerifyRun
from trading.pipeline.lease import LEASE_SECONDS
from trading.readmodels.first_steps import list_first_steps

LINES_MAX: Final = 6
COUNT_MAX: Final = 100
DAYS: Final = 30
CLOSING_SOON: Final = timedelta(hours=24)
BAR_WIDTH: Final = 10
BAR_HEIGHT_MAX: Final = 60
VERIFY_AGE_MAX: Final = timedelta(hours=26)

Status = Market.Status
STATES = {
    Status.DRAFT: _("Drafts"),
    Status.PROPOSED: _("Proposed"),
    Status.OPEN: _("Open"),
    Status.HALTED: _("Halted"),
    Status.CLOSED: _("Closed"),
    Status.RESOLVING: _("Resolving"),
    Status.SETTLED: _("Settled"),
    Status.VOIDED: _("Voided"),
}


class DashboardLine(NamedTuple):
    text: str
    url: str
    detail: Any


class Box(NamedTuple):
    """Pending tasks: the first of them, their number (`is_more`: at least), and a link to all."""

    title: Any
    how_many: int
    lines: list[DashboardLine]
    url: str
    empty: Any
    is_more: bool = False


class ShardState(NamedTuple):
    number: int
    fault: Any  # "" if there is no problem
    owner: str
    epoch: int
    committed_at: datetime | None
    queue_depth: int
    lag_ms: int | None
    ahead: str = ""  # "+2:00:00", the deviation of a clock

    @property
    def is_ok(self) -> bool:
        return not self.fault


class ChartBar(NamedTuple):
    day: date
    value: int
    x: int
    y: int
    height: int


class Chart(NamedTuple):
    title: Any
    unit: str  # "money" or "count": the format of its values
    bars: list[ChartBar]
    total: int

    @property
    def width(self) -> int:
        return BAR_WIDTH * len(self.bars)


def read_dashboard(user: User) -> dict[str, Any]:
    """Return this operator's dashboard; parts without permission are empty or None."""
    may = user.has_perm
    now = timezone.now()
    counts = _count_markets(now) if may("markets.view_market") else None
    return {
        "steps": list_first_steps(user),
        "exchange": get_exchange() if may("markets.run_exchange") else None,
        "exchange_url": reverse("admin:markets_exchange_change", args=[1]),
        "states": _list_states(counts) if counts else [],
        "boxes": list(_list_boxes(user, counts or {}, now)),
        "shards": read_shards() if may("trading.view_lease") else [],
        "charts": read_charts(now) if may("trading.view_exchangeday") else [],
        **(_read_verify(now) if may("trading.view_verifyrun") else {}),
    }


# --- markets -------------------------------------------------------------------------------------


def _count_markets(now: datetime) -> dict[str, int]:
    """Return the number of markets by state, and of those due to close."""
    each = {status.value: Count("pk", filter=Q(status=status)) for status in Status}
    return Market.objects.aggregate(**each, due=Count("pk", filter=_due(now)))


def _due(now: datetime) -> Q:
    return Q(status__in=(Status.OPEN, Status.HALTED), close_at__lte=now + CLOSING_SOON)


def _list_states(counts: dict[str, int]) -> list[dict[str, Any]]:
    return [
        {"title": title, "count": counts[status.value], "url": _market_list(status__exact=status)}
        for status, title in STATES.items()
    ]


def _market_list(**filters: Any) -> str:
    [(name, value)] = filters.items()
    return f"{reverse('admin:markets_market_changelist')}?{name}={value}"


def _market_box(title: Any, empty: Any, markets: QuerySet, count: int, url: str) -> Box:
    lines = [
        DashboardLine(market.title, find_url(market), when(market.close_at))
        for market in markets.only("title", "close_at")[:LINES_MAX]
    ]
    return Box(title, count, lines, url, empty)


# --- boxes ---------------------------------------------------------------------------------------


def _list_boxes(user: User, counts: dict[str, int], now: datetime) -> Iterable[Box]:
    may, markets = user.has_perm, Market.objects
    if may("markets.manage_markets") and counts:
        yield _market_box(
            _("Waiting for approval"),
            _("No proposals waiting."),
            markets.filter(status=Status.PROPOSED).order_by("updated_at"),
            counts["proposed"],
            _market_list(status__exact=Status.PROPOSED),
        )
        yield _market_box(
            _("Due to close within 24 hours"),
            _("No markets close within a day."),
            markets.filter(_due(now)).order_by("close_at"),
            counts["due"],
            _market_list(due="day"),
        )
    if may("markets.resolve_markets") and counts:
        yield _market_box(
            _("Waiting for a result"),
            _("Every closed market has a result."),
            markets.filter(status=Status.CLOSED).order_by("close_at"),
            counts["closed"],
            _market_list(status__exact=Status.CLOSED),
        )
        yield _read_unapproved()
        yield _read_disputes()
        yield _read_corrections()
    if may("accounts.decide_withdrawals"):
        yield _read_requests(WithdrawalRequest, _("Withdrawals"), _("No withdrawals waiting."))
    if may("accounts.decide_deposits"):
        yield _read_requests(DepositRequest, _("Deposit requests"), _("No deposits waiting."))
    if may("markets.moderate_comments") and admin.site.is_registered(CommentReport):
        yield _read_reports()
    if may("accounts.suspend_users"):
        yield _read_newest_users()


def _box(title: Any, empty: Any, rows: Sequence[DashboardLine], url: str) -> Box:
    is_more = len(rows) >= COUNT_MAX
    return Box(title, len(rows), list(rows[:LINES_MAX]), url, empty, is_more)


def _read_unapproved() -> Box:
    """Active results, with the end of their dispute window."""
    active = Resolution.objects.filter(
        withdrawn_at=None, market__status=Status.RESOLVING
    ).select_related("market", "proposed_by")
    lines = [
        DashboardLine(row.market.title, find_url(row), when(row.final_at))
        for row in active.order_by("final_at")[:COUNT_MAX]
    ]
    url = _market_list(status__exact=Status.RESOLVING)
    return _box(_("Unpaid results"), _("Every result is paid."), lines, url)


def _read_disputes() -> Box:
    waiting = Dispute.objects.filter(decision="", resolution__withdrawn_at=None)
    rows = waiting.select_related("resolution__market", "raised_by").order_by("raised_at")
    lines = [
        DashboardLine(row.resolution.market.title, find_url(row), row.raised_by.handle)
        for row in rows[:COUNT_MAX]
    ]
    url = reverse("admin:markets_dispute_changelist")
    return _box(_("Disputes"), _("No open disputes."), lines, url)


def _read_corrections() -> Box:
    states = (Correction.State.PROPOSED, Correction.State.WAITING)
    waiting = Correction.objects.filter(state__in=states)
    lines = [
        DashboardLine(row.market.title, find_url(row.market), row.get_state_display())
        for row in waiting.select_related("market").order_by("proposed_at")[:COUNT_MAX]
    ]
    url = reverse("admin:markets_correction_changelist")
    return _box(_("Corrections"), _("No correction waits."), lines, url)


def _read_requests(model: Any, title: Any, empty: Any) -> Box:
    waiting = model.objects.filter(status="requested").order_by("requested_at")
    lines = [
        DashboardLine(str(row.account), find_url(row), money(row.amount_micros))
        for row in waiting.select_related("account__owner")[:COUNT_MAX]
    ]
    url = reverse(f"admin:accounts_{model._meta.model_name}_changelist")
    return _box(title, empty, lines, f"{url}?status__exact=requested")


def _read_reports() -> Box:
    reports = CommentReport.objects.filter(
        comment__hidden_at=None, comment__withdrawn_at=None
    ).select_related("comment__market", "reporter")
    url = reverse("admin:markets_commentreport_changelist")
    lines = [
        DashboardLine(row.comment.text[:80], url, row.reporter.handle)
        for row in reports.order_by("-pk")[:COUNT_MAX]
    ]
    return _box(_("Reported comments"), _("No reported comments."), lines, url)


def _read_newest_users() -> Box:
    users = User.objects.order_by("-pk").only("handle", "created_at")[:LINES_MAX]
    lines = [DashboardLine(user.handle, find_url(user), when(user.created_at)) for user in users]
    url = reverse("admin:accounts_user_changelist")
    return Box(_("Newest users"), 0, lines, url, _("No users yet."))


# --- the exchange --------------------------------------------------------------------------------


def read_shards() -> list[ShardState]:
    """Return the state of every shard's engine; one that has never started has no owner."""
    now_us = database_now_us()
    leases = {lease.shard: lease for lease in Lease.objects.all()}
    numbers = sorted({*range(settings.ENGINE_SHARDS), *leases})
    return [_describe(number, leases.get(number), now_us) for number in numbers]


def _describe(number: int, lease: Lease | None, now_us: int) -> ShardState:
    if lease is None:
        return ShardState(number, _("away"), "", 0, None, 0, None)
    lag_ms = max(0, now_us - lease.renewed_at_us) // 1_000
    committed_at = to_datetime(lease.committed_at_us) if lease.committed_at_us else None
    fault: Any = ""
    if lag_ms > LEASE_SECONDS * 1_000 or not lease.loaded_at_us:
        fault = _("away")
    elif lease.has_wrong_clock:
        fault = _("wrong clock: no orders accepted")
    elif lease.has_future_books:
        fault = _("books are ahead of the clock")
    return ShardState(
        number,
        fault,
        lease.owner,
        lease.epoch,
        committed_at,
        lease.queue_depth,
        lag_ms,
        _show_ahead(lease),
    )


def _show_ahead(lease: Lease) -> str:
    """Return the deviation of a clock or the books, if any."""
    ahead_us = lease.clock_ahead_us if lease.has_wrong_clock else lease.books_ahead_us
    if not is_wrong(ahead_us):
        return ""
    seconds = abs(ahead_us) // 1_000_000
    span = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{'-' if ahead_us < 0 else '+'}{span}"


def _read_verify(now: datetime) -> dict[str, Any]:
    run = VerifyRun.objects.defer("report").order_by("-pk").first()
    return {
        "shows_verify": True,
        "verify": run,
        "verify_seconds": run and (run.finished_at - run.started_at).total_seconds(),
        "verify_url": run and find_url(run),
        "verify_is_old": run is None or run.finished_at < now - VERIFY_AGE_MAX,
    }


def read_charts(now: datetime) -> list[Chart]:
    """Return volume and traders of the last days, including today."""
    today = now.astimezone(UTC).date()
    days = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
    rows = {row.day: row for row in ExchangeDay.objects.filter(day__gte=days[0])}
    volume = [rows[day].volume_micros if day in rows else 0 for day in days]
    traders = [rows[day].traders if day in rows else 0 for day in days]
    return [
        Chart(_("Volume per day"), "money", _draw(days, volume), sum(volume)),
        Chart(_("Traders per day"), "count", _draw(days, traders), max(traders)),
    ]


def _draw(days: list[date], values: list[int]) -> list[ChartBar]:
    most = max(*values, 1)
    heights = [-(-value * BAR_HEIGHT_MAX // most) for value in values]
    return [
        ChartBar(day, value, number * BAR_WIDTH, BAR_HEIGHT_MAX - height, height)
        for number, (day, value, height) in enumerate(zip(days, values, heights, strict=True))
    ]
