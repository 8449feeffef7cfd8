"""Corrections of results that were paid: proposed, held from the debtors, collected, paid."""

from typing import Final

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from kernel.ids import new_uuid
from markets.models.market import Market
from markets.models.resolution import describe_payout
from markets.scalars import NUMBER_LENGTH_MAX

FIRST_NUMBER: Final = 2
"""Of a market's settlements; the first is that of its result."""


class Correction(models.Model):
    """The market's settlement with this number: another result than the one that was paid.

    `payout_pips` as in a Resolution: null voids the market. `trading.settlement.corrections`
    carries it out; until then the market's result is the one that was paid.
    """

    class State(models.TextChoices):
        PROPOSED = "proposed", pgettext_lazy("a correction", "Needs a second person")
        HOLDING = "holding", pgettext_lazy("a correction", "Holding what is owed")
        WAITING = "waiting", pgettext_lazy("a correction", "Debtors lack funds")
        COLLECTING = "collecting", pgettext_lazy("a correction", "Collecting")
        PAYING = "paying", pgettext_lazy("a correction", "Paying")
        DONE = "done", pgettext_lazy("a correction", "Done")
        RELEASING = "releasing", pgettext_lazy("a correction", "Releasing what was held")
        WITHDRAWN = "withdrawn", pgettext_lazy("a correction", "Withdrawn")

    id = models.UUIDField(_("ID"), primary_key=True, default=new_uuid)
    market = models.ForeignKey(
        Market, models.PROTECT, verbose_name=_("market"), related_name="corrections"
    )
    number = models.PositiveSmallIntegerField(_("number of the settlement"))
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.PROPOSED)
    before_pips = models.JSONField(_("payout before, in pips"), null=True, blank=True)
    before_number = models.CharField(_("number before"), max_length=NUMBER_LENGTH_MAX, blank=True)
    payout_pips = models.JSONField(_("payout, in pips"), null=True, blank=True)
    observed_number = models.CharField(
        _("number that was observed"), max_length=NUMBER_LENGTH_MAX, blank=True
    )
    evidence_text = models.TextField(_("evidence"), blank=True)
    evidence_url = models.URLField(_("address of the evidence"), max_length=500, blank=True)
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("proposed by"), related_name="+"
    )
    proposed_at = models.DateTimeField(_("proposed at"), default=timezone.now)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("approved by"),
        null=True,
        blank=True,
        related_name="+",
    )
    approved_at = models.DateTimeField(_("approved at"), null=True, blank=True)
    house_cover_micros = models.PositiveBigIntegerField(
        _("house cover, in micros"),
        default=0,
        help_text=_("What an operator confirmed that the house pays for debtors."),
    )
    last_margin_id = models.BigIntegerField(_("last margin"), default=0)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("withdrawn by"),
        null=True,
        blank=True,
        related_name="+",
    )
    withdrawn_reason = models.CharField(_("reason for withdrawing"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("correction")
        verbose_name_plural = _("corrections")
        constraints = (
            models.UniqueConstraint(
                fields=("market", "number"), name="a_market_numbers_each_settlement_once"
            ),
            models.UniqueConstraint(
                fields=("market",),
                condition=~Q(state__in=("done", "withdrawn")),
                name="one_correction_of_a_market_runs_at_a_time",
            ),
            models.CheckConstraint(
                name="a_correction_is_approved_by_a_second_person",
                condition=Q(approved_by__isnull=True) | ~Q(approved_by=F("proposed_by")),
            ),
            models.CheckConstraint(
                name="a_correction_is_finished_at_a_time",
                condition=Q(state__in=("done", "withdrawn"), finished_at__isnull=False)
                | (~Q(state__in=("done", "withdrawn")) & Q(finished_at__isnull=True)),
            ),
        )

    def __str__(self) -> str:
        return f"{self.market}: {self.describe_payout()}"

    def describe_payout(self) -> str:
        return describe_payout(self.market, self.payout_pips, self.observed_number)

    def describe_before(self) -> str:
        return describe_payout(self.market, self.before_pips, self.before_number)
