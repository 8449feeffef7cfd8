"""Results: proposed, disputed, withdrawn, final. The trading app decides on them and pays."""

from collections.abc import Sequence
from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from accounts.models import Account
from accounts.numbers import show_quantity_of
from accounts.templatetags.predex import price
from kernel.ids import new_uuid
from markets.models.market import Market
from markets.scalars import NUMBER_LENGTH_MAX


class Resolution(models.Model):
    """A proposed result. At most one is active at a time; withdrawn ones stay as history.

    `payout_pips` is the vector over the outcomes by index (see `lifecycle.check_payout_vector`);
    null voids the market: everyone gets back what they paid in.
    """

    id = models.UUIDField(_("ID"), primary_key=True, default=new_uuid)
    market = models.ForeignKey(
        Market, models.PROTECT, verbose_name=_("market"), related_name="resolutions"
    )
    payout_pips = models.JSONField(_("payout, in pips"), null=True, blank=True)
    number = models.CharField(
        _("number"),
        max_length=NUMBER_LENGTH_MAX,
        blank=True,
        help_text=_("Of a scalar market: what was observed. The payout follows from it."),
    )
    evidence_text = models.TextField(_("evidence"), blank=True)
    evidence_url = models.URLField(_("address of the evidence"), max_length=500, blank=True)
    reading = models.JSONField(
        _("reading"),
        null=True,
        blank=True,
        help_text=_("What an automatic resolver saw: value, time, address, hash of the answer."),
    )
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("proposed by"),
        related_name="proposed_resolutions",
    )
    proposed_at = models.DateTimeField(_("proposed at"), default=timezone.now)
    final_at = models.DateTimeField(
        _("final at"), help_text=_("End of the dispute window; it is paid from then on.")
    )
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("approved by"),
        null=True,
        blank=True,
        related_name="approved_resolutions",
        help_text=_("The second person, where the policy asks for two."),
    )
    approved_at = models.DateTimeField(_("approved at"), null=True, blank=True)
    house_cover_micros = models.PositiveBigIntegerField(
        _("house cover, in micros"),
        null=True,
        blank=True,
        help_text=_("What an operator confirmed that the house pays in a void."),
    )
    withdrawn_at = models.DateTimeField(_("withdrawn at"), null=True, blank=True)
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
        verbose_name = _("result")
        verbose_name_plural = _("results")
        indexes = (
            models.Index(
                fields=("final_at",),
                condition=Q(withdrawn_at__isnull=True),
                name="resolutions_by_final_time",
            ),
        )
        constraints = (
            models.UniqueConstraint(
                fields=("market",),
                condition=Q(withdrawn_at__isnull=True),
                name="one_resolution_of_a_market_stands_at_a_time",
            ),
            models.CheckConstraint(
                name="a_result_is_approved_by_a_second_person",
                condition=Q(approved_by__isnull=True) | ~Q(approved_by=F("proposed_by")),
            ),
            models.CheckConstraint(
                name="a_result_is_final_no_earlier_than_proposed",
                condition=Q(final_at__gte=F("proposed_at")),
            ),
            models.CheckConstraint(
                name="the_house_covers_voids_only",
                condition=Q(house_cover_micros__isnull=True) | Q(payout_pips__isnull=True),
            ),
        )

    def __str__(self) -> str:
        return f"{self.market}: {self.describe_payout()}"

    def describe_payout(self) -> str:
        return describe_payout(self.market, self.payout_pips, self.number)


def describe_payout(market: Market, payout_pips: Sequence[int] | None, number: str = "") -> str:
    """Return the winner, the payouts above zero, like "Yes 0.25, No 0.75", or a scalar's number."""
    if payout_pips is None:
        return gettext("void: everybody gets back what they paid in")
    if number:
        return show_quantity_of(Decimal(number), market.number_unit)
    paid = [
        (outcome.name, pips)
        for outcome, pips in zip(market.outcomes.all(), payout_pips, strict=False)
        if pips
    ]
    if len(paid) == 1:
        return paid[0][0]
    return ", ".join(f"{name} {price(pips)}" for name, pips in paid)


class Dispute(models.Model):
    """A user's objection to a proposed result, and an operator's decision on it."""

    class Decision(models.TextChoices):
        UPHELD = "upheld", pgettext_lazy("a dispute", "Upheld")
        DISMISSED = "dismissed", pgettext_lazy("a dispute", "Dismissed")

    id = models.UUIDField(_("ID"), primary_key=True, default=new_uuid)
    resolution = models.ForeignKey(
        Resolution, models.PROTECT, verbose_name=_("result"), related_name="disputes"
    )
    raised_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("raised by"), related_name="+"
    )
    raised_at = models.DateTimeField(_("raised at"), default=timezone.now)
    text = models.TextField(_("text"))
    bond_micros = models.PositiveBigIntegerField(_("bond, in micros"), default=0)
    bond_account = models.ForeignKey(
        Account,
        models.PROTECT,
        verbose_name=_("account of the bond"),
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    decision = models.CharField(_("decision"), max_length=10, choices=Decision, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("decided by"),
        null=True,
        blank=True,
        related_name="+",
    )
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)
    note = models.CharField(_("note"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("dispute")
        verbose_name_plural = _("disputes")
        constraints = (
            models.UniqueConstraint(
                fields=("resolution", "raised_by"), name="a_user_disputes_a_result_once"
            ),
            models.CheckConstraint(
                name="a_decided_dispute_has_a_decider_and_a_time",
                condition=Q(decision="", decided_by__isnull=True, decided_at__isnull=True)
                | (
                    Q(decision__in=("upheld", "dismissed"))
                    & Q(decided_by__isnull=False, decided_at__isnull=False)
                ),
            ),
            models.CheckConstraint(
                name="a_bond_is_an_account_s",
                condition=Q(bond_micros=0, bond_account__isnull=True)
                | Q(bond_micros__gt=0, bond_account__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.raised_by}: {self.decision or 'undecided'}"

    @property
    def bond_fate(self) -> str:
        """Return "held", "returned" or "lost"; "" without a bond."""
        if not self.bond_micros:
            return ""
        if self.decision == Dispute.Decision.DISMISSED:
            return "lost"
        is_over = self.decision or self.resolution.withdrawn_at is not None
        return "returned" if is_over else "held"
