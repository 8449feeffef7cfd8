"""What an account owes or gets when a market's result is corrected."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from trading.models.keys import account_key, market_key


class Settlement(models.Model):
    """An account's part of the market's settlement with this number, from 2 on.

    The first settlement is `Margin.payout_micros`; each later one adds `difference_micros` and
    `lacking_micros` to it. Accounts for which nothing changes have no row.
    """

    market = market_key()
    account = account_key()
    number = models.PositiveSmallIntegerField(_("number of the settlement"))
    difference_micros = models.BigIntegerField(_("difference of the payout, in micros"))
    liquidity_micros = models.BigIntegerField(
        _("difference of the maker's rest, in micros"),
        default=0,
        help_text=_("The share of an account that funded the automated market maker."),
    )
    held_micros = models.BigIntegerField(_("held, in micros"), default=0)
    lacking_micros = models.BigIntegerField(
        _("lacking, in micros"),
        default=0,
        help_text=_("What a debtor could not hold; the house pays it if an operator confirms."),
    )
    moved_at = models.DateTimeField(_("moved at"), null=True)

    class Meta:
        verbose_name = _("settlement of an account")
        verbose_name_plural = _("settlements of accounts")
        constraints = (
            models.UniqueConstraint(
                fields=("market", "number", "account"),
                name="an_account_is_settled_once_for_each_number",
            ),
            models.CheckConstraint(
                name="a_settlement_holds_and_lacks_no_less_than_nothing",
                condition=Q(held_micros__gte=0, lacking_micros__gte=0),
            ),
            models.CheckConstraint(
                name="what_was_moved_is_held_no_more",
                condition=Q(moved_at__isnull=True) | Q(held_micros=0),
            ),
        )
        indexes = (
            models.Index(
                fields=("market", "number", "id"),
                name="settlements_to_be_moved",
                condition=Q(moved_at__isnull=True),
            ),
            models.Index(fields=("account", "market"), name="settlements_of_an_account"),
        )

    def __str__(self) -> str:
        return f"settlement {self.number} of account {self.account_id} in market {self.market_id}"

    @property
    def moved_micros(self) -> int:
        """What the account got in all, or paid if negative, once it was moved."""
        return self.difference_micros + self.lacking_micros + self.liquidity_micros
