"""Markets that recur: a template, the rhythm in which markets are made of it, and those made."""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from markets.models.catalogue import Series
from markets.models.market import Market


class SeriesSchedule(models.Model):
    """Makes a market of a series at the start of each interval, which closes at its end.

    `template` is a draft: its texts may name the times (`schedules.PLACEHOLDERS`). Intervals are
    counted from `first_start_at`, in UTC.
    """

    class Interval(models.IntegerChoices):
        QUARTER_HOUR = 900, _("every 15 minutes")
        HOUR = 3_600, _("hourly")
        DAY = 86_400, _("daily")
        WEEK = 604_800, _("weekly")

    series = models.ForeignKey(
        Series, models.PROTECT, verbose_name=_("series"), related_name="schedules"
    )
    template = models.ForeignKey(
        Market, models.PROTECT, verbose_name=_("template"), related_name="schedules"
    )
    interval_seconds = models.PositiveIntegerField(_("interval"), choices=Interval)
    first_start_at = models.DateTimeField(_("first start"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("created by"), related_name="+"
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    paused_at = models.DateTimeField(_("paused at"), null=True, blank=True, editable=False)
    paused_because = models.CharField(
        _("paused because"),
        max_length=500,
        blank=True,
        editable=False,
        help_text=_("What went wrong; empty: an operator paused it."),
    )

    class Meta:
        verbose_name = _("schedule of a series")
        verbose_name_plural = _("schedules of series")
        constraints = (
            models.CheckConstraint(
                name="a_schedule_has_a_known_interval",
                condition=Q(interval_seconds__in=(900, 3_600, 86_400, 604_800)),
            ),
            models.CheckConstraint(
                name="only_a_paused_schedule_has_a_reason",
                condition=Q(paused_because="") | Q(paused_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.series}, {self.get_interval_seconds_display()}"

    @property
    def interval(self) -> timedelta:
        return timedelta(seconds=self.interval_seconds)


class ScheduledMarket(models.Model):
    """One market of a schedule. `skipped` intervals before it passed without a market."""

    schedule = models.ForeignKey(
        SeriesSchedule,
        models.PROTECT,
        verbose_name=_("schedule of a series"),
        related_name="made",
        db_index=False,
    )
    starts_at = models.DateTimeField(_("starts at"))
    market = models.OneToOneField(
        Market, models.PROTECT, verbose_name=_("market"), related_name="scheduled"
    )
    skipped = models.PositiveIntegerField(
        pgettext_lazy("intervals", "skipped"),
        default=0,
        help_text=_("How many intervals before it passed without a market."),
    )

    class Meta:
        verbose_name = _("scheduled market")
        verbose_name_plural = _("scheduled markets")
        constraints = (
            models.UniqueConstraint(
                fields=("schedule", "starts_at"),
                name="a_schedule_makes_one_market_for_each_start",
            ),
        )

    def __str__(self) -> str:
        return str(self.market)
