"""What resolves a market by itself: a number that another server publishes, or another market."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from markets.models.market import Market

PATH_LENGTH_MAX = 200
PATIENCE_SECONDS_MAX = 30 * 24 * 3600


class AutomaticResolver(models.Model):
    """Names what decides a market; what it says is proposed in the name of who set it.

    Threshold: YES if the value at `value_path` of the JSON at `url` compares so with `threshold`
    (or with the value at `threshold_path`), else NO. It is read `delay_seconds` after the close
    time, again and again for `patience_seconds`; then the market waits for a person. Nothing is
    ever guessed. With a `time_path` the value's own time must lie within that span.
    Number: of a scalar market, the value at `value_path` is the result.
    Market: what `source` paid, outcome by outcome.

    Where the policy asks for two persons, its results wait for a second one unless one has
    approved the resolver itself.
    """

    class Kind(models.TextChoices):
        THRESHOLD = "threshold", _("a value compared with a threshold")
        MARKET = "market", _("another market's result")
        NUMBER = "number", _("a number that is observed")

    class Comparison(models.TextChoices):
        AT_LEAST = "ge", _("at least")
        ABOVE = "gt", _("above")
        AT_MOST = "le", _("at most")
        BELOW = "lt", _("below")

    class State(models.TextChoices):
        WAITING = "waiting", pgettext_lazy("a resolver", "waiting")
        PROPOSED = "proposed", pgettext_lazy("a resolver", "result proposed")
        PERSON = "person", pgettext_lazy("a resolver", "waits for a person")

    market = models.OneToOneField(
        Market, models.PROTECT, verbose_name=_("market"), related_name="automatic_resolver"
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    url = models.CharField(_("address of the value"), max_length=500, blank=True)
    value_path = models.CharField(_("path of the value"), max_length=PATH_LENGTH_MAX, blank=True)
    comparison = models.CharField(
        _("comparison"), max_length=2, choices=Comparison, default=Comparison.AT_LEAST
    )
    threshold = models.CharField(_("threshold"), max_length=60, blank=True)
    threshold_path = models.CharField(
        _("path of the threshold"), max_length=PATH_LENGTH_MAX, blank=True
    )
    time_path = models.CharField(
        _("path of the value's time"), max_length=PATH_LENGTH_MAX, blank=True
    )
    source = models.ForeignKey(
        Market,
        models.PROTECT,
        verbose_name=_("deciding market"),
        null=True,
        blank=True,
        related_name="+",
    )
    delay_seconds = models.PositiveIntegerField(_("delay, in seconds"), default=0)
    patience_seconds = models.PositiveIntegerField(_("patience, in seconds"), default=3_600)
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("set by"), related_name="+"
    )
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("approved by"),
        null=True,
        blank=True,
        related_name="+",
    )
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.WAITING)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    next_at = models.DateTimeField(_("next attempt at"), null=True, blank=True)
    because = models.CharField(_("what went wrong last"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("automatic resolver")
        verbose_name_plural = _("automatic resolvers")
        indexes = (
            models.Index(
                fields=("next_at",),
                condition=Q(state="waiting"),
                name="automatic_resolvers_that_wait",
            ),
        )
        constraints = (
            models.CheckConstraint(
                name="a_resolver_reads_a_value_or_a_market",
                condition=Q(kind__in=("threshold", "number"), source__isnull=True)
                | Q(kind="market", source__isnull=False, url=""),
            ),
            models.CheckConstraint(
                name="a_resolver_is_approved_by_a_second_person",
                condition=Q(approved_by__isnull=True) | ~Q(approved_by=F("set_by")),
            ),
        )

    def __str__(self) -> str:
        return f"{self.market}: {self.get_kind_display()}"

    @property
    def reads_at(self) -> datetime:
        return self.market.close_at + timedelta(seconds=self.delay_seconds)

    @property
    def gives_up_at(self) -> datetime:
        return self.reads_at + timedelta(seconds=self.patience_seconds)
