"""Scheduled tasks, triggered by Celery's beat or, embedded, by `management.scheduler`.

Each task looks up due work in the database and does it; what cannot be done now (the engine is
down, another process is doing it) is left to the next trigger. It is safe to run a task twice,
concurrently, or to kill it anywhere.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, Final, TypeVar

import structlog
from celery import shared_task
from django.core.cache import cache
from django.db.models import Count, Exists, OuterRef, Q
from django.utils import timezone

from accounts.models import Account
from kernel import database_clock
from kernel.clock import now_us
from kernel.errors import ApiError
from markets.actions import do_make_current_market, list_active_schedules
from markets.models import OUTCOMES_MIN, Market
from markets.queries import get_exchange
from trading import verify
from trading.actions import (
    do_apply_discount,
    do_cancel_group,
    do_cancel_orders,
    do_close_market,
    do_fire_cancel_timer,
    do_open_market,
    do_pass_time,
    do_refill_standing_order,
    do_run_resolver,
    forget_group_fills,
    list_due_cancel_timers,
    list_due_discounts,
    list_due_resolvers,
    list_due_standing_orders,
    list_stopped_groups,
)
from trading.models import Order, VerifyRun
from trading.notifications import mails, notify, webhook_sender, webhooks
from trading.readmodels import activity, equity, projections
from trading.settlement import corrections
from trading.settlement import payments as settlement

log = structlog.get_logger(__name__)

SETTLE_SECONDS_MAX: Final = 60.0
"""The time budget of one call of `settle_due`; the next call continues."""
SETTLE_SLICE_SECONDS: Final = 2.0
"""The time slice of each market when several are paid out."""
DUE_MAX: Final = 1_000
RESOLVERS_MAX: Final = 20
"""Of one run: each may wait for another server."""
TICK_KEY: Final = "trading.tick"
TICK_SECONDS_MAX: Final = 90.0
"""A tick older than this means that nothing opens, closes or pays out; a call may take a minute."""
VERIFY_HOUR_UTC: Final = 3
VERIFY_SECONDS_MAX: Final = 6 * 3600

Row = TypeVar("Row")

stopping = threading.Event()
"""Set when the process is stopping: long work then stops at its next safe point."""


def unless_in_maintenance(task: Callable[[], None]) -> Callable[[], None]:
    """Skip the task while the exchange is in maintenance, which is read-only."""

    @wraps(task)
    def guarded() -> None:
        if not get_exchange().maintenance:
            task()

    return guarded


def if_the_clock_is_right(task: Callable[[], None]) -> Callable[[], None]:
    """Skip the task while this machine's clock is wrong; the next trigger retries."""

    @wraps(task)
    def guarded() -> None:
        ahead_us = database_clock.compute_ahead_us()
        if database_clock.is_wrong(ahead_us):
            log.error("clock_wrong", task=task.__name__, ahead_seconds=ahead_us / 1_000_000)
        else:
            task()

    return guarded


@shared_task
def tick() -> None:
    """Record that triggers are sent and executed; /ready reports how long ago."""
    cache.set(TICK_KEY, database_clock.database_now_us(), timeout=None)


def find_tick_age_seconds() -> float | None:
    """Return how long ago the last tick was; None if unknown."""
    ticked_at_us = cache.get(TICK_KEY)
    if ticked_at_us is None:
        return None
    return max(0, database_clock.database_now_us() - ticked_at_us) / 1_000_000


@shared_task
@unless_in_maintenance
@if_the_clock_is_right
def make_scheduled() -> None:
    """Make the current markets of series that recur."""
    now = timezone.now()
    _for_each(list_active_schedules(), lambda schedule: do_make_current_market(schedule, now=now))


@shared_task
@unless_in_maintenance
@if_the_clock_is_right
def open_due() -> None:
    """Open approved drafts that are due."""
    now = timezone.now()
    due = (
        Market.objects.filter(
            status=Market.Status.DRAFT,
            approved_at__isnull=False,
            open_at__lte=now,
            close_at__gt=now,
        )
        .annotate(outcome_count=Count("outcomes"))
        .filter(outcome_count__gte=OUTCOMES_MIN)
    )
    _for_each(due[:DUE_MAX], lambda market: do_open_market(market, by=None, reason="open time"))


@shared_task
@unless_in_maintenance
@if_the_clock_is_right
def close_due() -> None:
    """Close markets that are due; their engines already refuse orders since that time."""
    due = Market.objects.filter(
        status__in=(Market.Status.OPEN, Market.Status.HALTED), close_at__lte=timezone.now()
    )
    _for_each(due[:DUE_MAX], lambda market: do_close_market(market, by=None, reason="close time"))


@shared_task
@unless_in_maintenance
@if_the_clock_is_right
def discount_due() -> None:
    """Begin and end the discounts on fees that are due."""
    _for_each(list_due_discounts(), do_apply_discount)


@shared_task
@unless_in_maintenance
def expire_due() -> None:
    """Trigger the expiry of due orders in engines that get no other commands."""
    orders = Order.objects.filter(expires_at_us__lte=now_us())
    due = orders.open().values("market_id").union(orders.untriggered().values("market_id"))
    _for_each([row["market_id"] for row in due[:DUE_MAX]], do_pass_time)


@shared_task
@unless_in_maintenance
def cancel_stopped() -> None:
    """Cancel the resting orders of suspended users and closed accounts."""
    stopped = Account.objects.filter(
        Q(owner__suspended_at__isnull=False) | Q(closed_at__isnull=False),
        Exists(Order.objects.open().filter(account=OuterRef("pk")))
        | Exists(Order.objects.untriggered().filter(account=OuterRef("pk"))),
    )
    _for_each(stopped[:DUE_MAX], lambda account: do_cancel_orders(account, by=None))


@shared_task
@unless_in_maintenance
def cancel_stopped_groups() -> None:
    """Cancel the orders that stopped groups still have, where an engine was away or another market
    stopped them; until then they are in a book, but can't trade.
    """
    _for_each(list_stopped_groups()[:DUE_MAX], do_cancel_group)
    forget_group_fills()


@shared_task
@unless_in_maintenance
def fire_cancel_timers() -> None:
    """Cancel the orders of accounts whose timers have run out."""
    _for_each(list_due_cancel_timers()[:DUE_MAX], do_fire_cancel_timer)


@shared_task
@unless_in_maintenance
@if_the_clock_is_right
def resolve_due() -> None:
    """Let automatic resolvers look at what decides closed markets."""
    now = timezone.now()
    _for_each(
        list_due_resolvers(now)[:RESOLVERS_MAX],
        lambda resolver: do_run_resolver(resolver, now=timezone.now()),
    )


@shared_task
@unless_in_maintenance
@if_the_clock_is_right
def refill_standing_orders() -> None:
    """Place the day's orders of standing orders."""
    now = timezone.now()
    _for_each(
        list_due_standing_orders(now)[:DUE_MAX],
        lambda standing: do_refill_standing_order(standing, now=now),
    )


@shared_task
@unless_in_maintenance
@if_the_clock_is_right
def settle_due() -> None:
    """Pay out final results and voids, and carry out corrections."""
    end = time.monotonic() + SETTLE_SECONDS_MAX
    waiting = deque(settlement.list_due().values_list("market_id", flat=True)[:DUE_MAX])

    def take_turn(market_id: int) -> None:
        turn_end = time.monotonic() + SETTLE_SLICE_SECONDS
        is_final = settlement.settle_market(market_id, until=turn_end)
        if not is_final and time.monotonic() >= turn_end:
            waiting.append(market_id)

    def correct(market_id: int) -> None:
        turn_end = time.monotonic() + SETTLE_SLICE_SECONDS
        if not corrections.correct_market(market_id, until=turn_end):
            correcting.append(market_id)

    correcting = deque(corrections.list_running().values_list("market_id", flat=True)[:DUE_MAX])
    while correcting and time.monotonic() < end and not stopping.is_set():
        _for_each([correcting.popleft()], correct)
    while waiting and time.monotonic() < end and not stopping.is_set():
        _for_each([waiting.popleft()], take_turn)


@shared_task
def derive_due() -> None:
    """Project the journal to candles and statistics."""
    _for_each(projections.list_behind(DUE_MAX), projections.project_market)


@shared_task
@if_the_clock_is_right
def refresh_stats() -> None:
    """Refresh figures that depend on the clock rather than on the journal."""
    projections.refresh_stats()


@shared_task
@if_the_clock_is_right
def record_equity() -> None:
    """Record every account's equity at the end of each past day."""
    equity.record_days()


@shared_task
@if_the_clock_is_right
def record_activity() -> None:
    """Count trading activity of today, and of days not counted since they ended."""
    activity.record_days()


@shared_task
@if_the_clock_is_right
def notify_due() -> None:
    """Notify users of markets that close soon or became final; send due mails."""
    notify.notify_due()
    mails.send_due()


@shared_task
@if_the_clock_is_right
def send_webhooks() -> None:
    """Send to webhooks what happened to markets and orders."""
    webhooks.record_statuses()
    webhook_sender.send_due()


@shared_task
@if_the_clock_is_right
def forget_notifications() -> None:
    """Delete old notifications, and old deliveries to webhooks."""
    notify.forget_old()
    webhooks.forget_old(timezone.now())


@shared_task
def verify_nightly() -> None:
    """Check all invariants once a day after VERIFY_HOUR_UTC, and store the report."""
    night = _last_night(timezone.now())
    if VerifyRun.objects.filter(started_at__gte=night).exists():
        return
    # Only avoids duplicate work; two concurrent runs would both be correct.
    if not cache.add("trading.verify_nightly", "running", VERIFY_SECONDS_MAX):
        return
    try:
        run = verify.record_run(should_stop=stopping.is_set)
    finally:
        cache.delete("trading.verify_nightly")
    if run is not None and run.breaches:
        log.error("invariants_broken", breaches=run.breaches, report=run.report)


def _last_night(now: datetime) -> datetime:
    night = now.replace(hour=VERIFY_HOUR_UTC, minute=0, second=0, microsecond=0)
    return night if night <= now else night - timedelta(days=1)


def _for_each(rows: Iterable[Row], act: Callable[[Row], Any]) -> None:
    """Run an action on each row; one that fails temporarily does not stop the others."""
    for row in rows:
        try:
            act(row)
        except ApiError as refusal:
            log.info("left_for_later", subject=str(row), because=refusal.code)
        except Exception:
            log.exception("task_failed", subject=str(row))
