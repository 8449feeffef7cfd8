"""Judges who decide a market's result together."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from markets.models.market import Market
from markets.scalars import NUMBER_LENGTH_MAX

JUDGES_MAX = 25


class Panel(models.Model):
    """The `verdicts_needed`-th equal verdict of its judges is proposed as the market's result."""

    market = models.OneToOneField(
        Market, models.PROTECT, verbose_name=_("market"), related_name="panel"
    )
    verdicts_needed = models.PositiveSmallIntegerField(_("equal verdicts needed"))

    class Meta:
        verbose_name = _("panel")
        verbose_name_plural = _("panels")
        constraints = (
            models.CheckConstraint(
                name="a_panel_needs_a_verdict", condition=Q(verdicts_needed__range=(1, JUDGES_MAX))
            ),
        )

    def __str__(self) -> str:
        return str(self.market)


class PanelJudge(models.Model):
    """A judge with their verdict: null until they gave one, which they may change meanwhile."""

    panel = models.ForeignKey(Panel, models.CASCADE, verbose_name=_("panel"), related_name="judges")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("judge"), related_name="+"
    )
    payout_pips = models.JSONField(_("payout, in pips"), null=True)
    number = models.CharField(_("number"), max_length=NUMBER_LENGTH_MAX, blank=True)
    evidence_text = models.TextField(_("evidence"), blank=True)
    evidence_url = models.URLField(_("address of the evidence"), max_length=500, blank=True)
    given_at = models.DateTimeField(_("given at"), null=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("judge")
        verbose_name_plural = _("judges")
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=("panel", "user"), name="a_judge_is_once_on_a_panel"),
            models.CheckConstraint(
                name="a_verdict_has_a_payout_and_a_time",
                condition=Q(payout_pips__isnull=True, given_at__isnull=True)
                | Q(payout_pips__isnull=False, given_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return str(self.user)
