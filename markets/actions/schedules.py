"""Markets that recur: made by the clock, each once, whoever looks at the clock and how often.

The market of the interval that runs now is made. Intervals that passed while nobody looked are
skipped and counted: a market over which there is no time left to trade would help no one.
"""

from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.utils import timezone

from accounts.audit import excerpt, record_audit
from accounts.models import User
from accounts.second_factor import no_right
from kernel.errors import ApiError, RefusedError, describe
from markets.actions.copying import copy_deciders, copy_market
from markets.actions.creation import do_create_market
from markets.actions.rules import check_is_draft, may_manage_markets
from markets.models import Event, Market, ScheduledMarket, Series, SeriesSchedule

TITLE_LENGTH_MAX = 200
PLACEHOLDERS = ("{start}", "{end}", "{date}", "{start_unix}", "{end_unix}")
_SHOWN = "%Y-%m-%d %H:%M UTC"


def fill_in(text: str, start: datetime, end: datetime) -> str:
    """Put the times of an interval into a text of the template."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    values = (
        start.strftime(_SHOWN),
        end.strftime(_SHOWN),
        start.strftime("%Y-%m-%d"),
        str(int(start.timestamp())),
        str(int(end.timestamp())),
    )
    for placeholder, value in zip(PLACEHOLDERS, values, strict=True):
        text = text.replace(placeholder, value)
    return text


def find_current_start(schedule: SeriesSchedule, now: datetime) -> datetime | None:
    """Return when the interval that runs now began; None before the first one."""
    if now < schedule.first_start_at:
        return None
    return now - (now - schedule.first_start_at) % schedule.interval


def list_active_schedules() -> list[SeriesSchedule]:
    return list(SeriesSchedule.objects.filter(paused_at=None).order_by("pk"))


def check_create_schedule(
    *, by: User, template: Market, interval_seconds: int, first_start_at: datetime
) -> None:
    _check_may_manage(by)
    check_is_draft(template)
    if interval_seconds not in SeriesSchedule.Interval.values:
        raise RefusedError("invalid_choice", "interval_seconds")
    end = first_start_at + timedelta(seconds=interval_seconds)
    if len(fill_in(template.title, first_start_at, end)) > TITLE_LENGTH_MAX:
        raise RefusedError("too_long", "template")


def do_create_schedule(
    *, by: User, series: Series, template: Market, interval_seconds: int, first_start_at: datetime
) -> SeriesSchedule:
    """Let markets be made of a draft from `first_start_at` on."""
    first_start_at = first_start_at.replace(second=0, microsecond=0)
    with transaction.atomic():
        check_create_schedule(
            by=by,
            template=template,
            interval_seconds=interval_seconds,
            first_start_at=first_start_at,
        )
        schedule = SeriesSchedule.objects.create(
            series=series,
            template=template,
            interval_seconds=interval_seconds,
            first_start_at=first_start_at,
            created_by=by,
        )
        record_audit("create_schedule", schedule, by=by, after={"template": template.slug})
    return schedule


def check_pause_schedule(schedule: SeriesSchedule, *, by: User) -> None:
    _check_may_manage(by)
    if schedule.paused_at is not None:
        raise RefusedError("already_paused")


def do_pause_schedule(schedule: SeriesSchedule, *, by: User, reason: str = "") -> None:
    """Make no more markets until it is resumed; those that were made go on."""
    with transaction.atomic():
        schedule = _lock(schedule)
        check_pause_schedule(schedule, by=by)
        schedule.paused_at, schedule.paused_because = timezone.now(), ""
        schedule.save(update_fields=["paused_at", "paused_because"])
        record_audit("pause_schedule", schedule, by=by, reason=reason)


def check_resume_schedule(schedule: SeriesSchedule, *, by: User) -> None:
    _check_may_manage(by)
    if schedule.paused_at is None:
        raise RefusedError("not_paused")


def do_resume_schedule(schedule: SeriesSchedule, *, by: User, reason: str = "") -> None:
    """Make markets again, in the name of who resumes it."""
    with transaction.atomic():
        schedule = _lock(schedule)
        check_resume_schedule(schedule, by=by)
        schedule.paused_at, schedule.paused_because, schedule.created_by = None, "", by
        schedule.save(update_fields=["paused_at", "paused_because", "created_by"])
        record_audit("resume_schedule", schedule, by=by, reason=reason)


def do_make_current_market(schedule: SeriesSchedule, *, now: datetime) -> Market | None:
    """Make the market of the interval that runs now, unless there is one.

    A schedule whose market is refused is paused, and operators are notified.
    """
    with transaction.atomic():
        schedule = _lock(schedule)
        start = find_current_start(schedule, now)
        if start is None or schedule.paused_at is not None:
            return None
        if schedule.made.filter(starts_at=start).exists():
            return None
        try:
            with transaction.atomic():
                return _make(schedule, start)
        except ApiError as refusal:
            schedule.paused_at, schedule.paused_because = now, excerpt(str(describe(refusal)))
            schedule.save(update_fields=["paused_at", "paused_because"])
            return None


def _make(schedule: SeriesSchedule, start: datetime) -> Market:
    by, end = schedule.created_by, start + schedule.interval
    _check_may_manage(by)
    fields, outcomes = copy_market(schedule.template, by=by)
    for name in ("title", "description", "rules", "resolution_source"):
        fields[name] = fill_in(fields[name], start, end)
    fields |= {"open_at": start, "close_at": end, "event": _find_event(schedule.series)}
    market = do_create_market(by=by, fields=fields, outcomes=outcomes)
    copy_deciders(schedule.template, market, fill=lambda text: fill_in(text, start, end))
    last = schedule.made.order_by("-starts_at").first()
    skipped = 0 if last is None else (start - last.starts_at) // schedule.interval - 1
    ScheduledMarket.objects.create(
        schedule=schedule, starts_at=start, market=market, skipped=skipped
    )
    return market


def _find_event(series: Series) -> Event:
    """Return the event that the markets of a series belong to, as its page lists them."""
    event = Event.objects.filter(series=series, slug=series.slug).first()
    return event or Event.objects.create(
        series=series,
        slug=series.slug,
        title=series.title,
        description=series.description,
        category=series.category,
    )


def _lock(schedule: SeriesSchedule) -> SeriesSchedule:
    return SeriesSchedule.objects.select_for_update(no_key=True).get(pk=schedule.pk)


def _check_may_manage(by: User) -> None:
    if not may_manage_markets(by):
        raise no_right(by)
