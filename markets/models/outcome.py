"""The outcomes of a market."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from kernel.units import PIPS_PER_CREDIT
from markets.models.market import OUTCOMES_MAX, Market


class Outcome(models.Model):
    """One possible answer. A binary market has YES at index 0 and NO at index 1.

    So has a scalar market: YES is the higher side, NO the lower one.
    """

    market = models.ForeignKey(
        Market, models.CASCADE, verbose_name=_("market"), related_name="outcomes"
    )
    index = models.PositiveSmallIntegerField(pgettext_lazy("of an outcome", "place"))
    code = models.CharField(_("code"), max_length=32)
    name = models.CharField(_("name"), max_length=120)
    payout_pips = models.PositiveSmallIntegerField(
        _("payout, in pips"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("What one contract was paid."),
    )

    withdrawn_pips = models.PositiveSmallIntegerField(
        _("payout when withdrawn, in pips"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("Of an outcome that was withdrawn while trading: what it will pay."),
    )
    withdrawn_at = models.DateTimeField(_("withdrawn at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("outcome")
        verbose_name_plural = _("outcomes")
        ordering = ("index",)
        constraints = (
            models.UniqueConstraint(
                fields=("market", "index"), name="an_outcome_index_is_unique_in_its_market"
            ),
            models.UniqueConstraint(
                fields=("market", "code"), name="an_outcome_code_is_unique_in_its_market"
            ),
            models.UniqueConstraint(
                fields=("market", "name"), name="an_outcome_name_is_unique_in_its_market"
            ),
            models.CheckConstraint(
                name="an_outcome_index_is_0_to_49", condition=Q(index__range=(0, OUTCOMES_MAX - 1))
            ),
            models.CheckConstraint(
                name="an_outcome_pays_0_to_10000_pips",
                condition=Q(payout_pips__isnull=True) | Q(payout_pips__range=(0, PIPS_PER_CREDIT)),
            ),
            models.CheckConstraint(
                name="a_withdrawn_outcome_has_a_time_and_pays_0_to_10000_pips",
                condition=Q(withdrawn_pips__isnull=True, withdrawn_at__isnull=True)
                | Q(withdrawn_pips__range=(0, PIPS_PER_CREDIT), withdrawn_at__isnull=False),
            ),
            models.CheckConstraint(
                name="a_withdrawn_outcome_pays_what_was_stated",
                condition=Q(withdrawn_pips__isnull=True)
                | Q(payout_pips__isnull=True)
                | Q(payout_pips=F("withdrawn_pips")),
            ),
        )

    def __str__(self) -> str:
        return f"{self.code}: {self.name}"
