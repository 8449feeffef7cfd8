"""Accounts, transfers between them, and requests for withdrawals and deposits.

Every trader is an account. A transfer moves money from `debit_account` to `credit_account`;
balances are the sums of transfers, denormalised for speed. All amounts are micros (1/1,000,000
credit). Only `accounts.ledger` changes `cash_micros` or writes transfers.
"""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models.append_only import AppendOnly
from kernel.ids import new_uuid

CURRENCY = "CREDIT"
ISSUED_MICROS_MAX = 4 * 10**18
MAIN_NUMBER = 1
"""The number of an owner's main account; sub-accounts follow."""


class AccountKind(models.TextChoices):
    USER = "user", pgettext_lazy("an account", "User")
    SYSTEM = "system", pgettext_lazy("an account", "System")
    HOUSE = "house", pgettext_lazy("an account", "House")
    MAKER = "maker", pgettext_lazy("an account", "Maker")
    ESCROW = "escrow", pgettext_lazy("an account", "Escrow")
    FEES = "fees", pgettext_lazy("an account", "Fees")
    BONDS = "bonds", pgettext_lazy("an account", "Bonds")
    ISSUER = "issuer", pgettext_lazy("an account", "Issuer")


OWNED_KINDS = [AccountKind.USER, AccountKind.SYSTEM]
MARKET_KINDS = [AccountKind.ESCROW, AccountKind.FEES, AccountKind.MAKER, AccountKind.BONDS]
FOUNDING_KINDS = [AccountKind.ISSUER, AccountKind.HOUSE]


class Account(models.Model):
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        related_name="accounts",
        db_index=False,  # the unique constraint on (owner, number) serves as the index
    )
    number = models.PositiveSmallIntegerField(_("number"), default=1)
    kind = models.CharField(_("kind"), max_length=6, choices=AccountKind, default=AccountKind.USER)
    currency = models.CharField(_("currency"), max_length=12, default=CURRENCY)
    market_id = models.BigIntegerField(_("number of the market"), null=True, blank=True)
    cash_micros = models.BigIntegerField(_("cash, in micros"), default=0)
    held_micros = models.BigIntegerField(_("held, in micros"), default=0)
    withdrawing_micros = models.BigIntegerField(_("being withdrawn, in micros"), default=0)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True)
    owner_suspended = models.BooleanField(
        _("owner suspended"), default=False, db_default=False, editable=False
    )
    """Set with the user's `suspended_at`: who locks the account reads it in the same statement."""

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        permissions = [("deposit_credits", _("book deposits"))]
        constraints = [
            models.CheckConstraint(
                name="available_never_negative",
                condition=Q(kind__in=FOUNDING_KINDS)
                | Q(cash_micros__gte=F("held_micros") + F("withdrawing_micros")),
            ),
            models.CheckConstraint(name="held_never_negative", condition=Q(held_micros__gte=0)),
            models.CheckConstraint(
                name="withdrawing_never_negative", condition=Q(withdrawing_micros__gte=0)
            ),
            models.CheckConstraint(
                name="issued_credits_fit_in_64_bits",
                condition=Q(cash_micros__gte=-ISSUED_MICROS_MAX),
            ),
            models.CheckConstraint(
                name="only_users_and_systems_have_an_owner",
                condition=Q(kind__in=OWNED_KINDS, owner__isnull=False)
                | (~Q(kind__in=OWNED_KINDS) & Q(owner__isnull=True)),
            ),
            models.CheckConstraint(
                name="only_market_accounts_have_a_market",
                condition=Q(kind__in=MARKET_KINDS, market_id__isnull=False)
                | (~Q(kind__in=MARKET_KINDS) & Q(market_id__isnull=True)),
            ),
            models.UniqueConstraint(
                name="an_owner_numbers_each_account_once", fields=["owner", "number"]
            ),
            models.UniqueConstraint(
                name="a_market_has_one_account_of_a_kind",
                fields=["market_id", "kind"],
                condition=Q(market_id__isnull=False),
            ),
            models.UniqueConstraint(
                name="a_currency_has_one_issuer_and_one_house",
                fields=["currency", "kind"],
                condition=Q(kind__in=FOUNDING_KINDS),
            ),
        ]

    def __str__(self) -> str:
        if self.owner_id is not None:
            return f"{self.owner}/{self.number}"
        return self.kind if self.market_id is None else f"{self.kind} of market {self.market_id}"

    @property
    def subaccount(self) -> int:
        """What the owner calls it: 0 is the main account, which has number 1."""
        return self.number - MAIN_NUMBER

    @property
    def available_micros(self) -> int:
        return self.cash_micros - self.held_micros - self.withdrawing_micros


class TransferKind(models.TextChoices):
    GRANT = "grant", pgettext_lazy("a transfer", "Grant")
    DEPOSIT = "deposit", pgettext_lazy("a transfer", "Deposit")
    WITHDRAWAL = "withdrawal", pgettext_lazy("a transfer", "Withdrawal")
    TRADE = "trade", pgettext_lazy("a transfer", "Trade")
    FEE = "fee", pgettext_lazy("a transfer", "Fee")
    SETTLEMENT = "settlement", pgettext_lazy("a transfer", "Settlement")
    VOID = "void", pgettext_lazy("a transfer", "Void")
    FEE_REFUND = "fee_refund", pgettext_lazy("a transfer", "Fee refund")
    FEE_INCOME = "fee_income", pgettext_lazy("a transfer", "Fee income")
    HOUSE_COVER = "house_cover", pgettext_lazy("a transfer", "House cover")
    LIQUIDITY = "liquidity", pgettext_lazy("a transfer", "Liquidity")
    BOND = "bond", pgettext_lazy("a transfer", "Bond")
    BOND_RETURN = "bond_return", pgettext_lazy("a transfer", "Bond returned")
    BOND_LOSS = "bond_loss", pgettext_lazy("a transfer", "Bond lost")
    CORRECTION = "correction", pgettext_lazy("a transfer", "Correction")
    INTERNAL = "internal", pgettext_lazy("a transfer", "Between own accounts")


class Transfer(AppendOnly):
    id = models.UUIDField(_("ID"), primary_key=True, default=new_uuid)
    # Money leaves the debit account and arrives on the credit account.
    debit_account = models.ForeignKey(
        Account, models.PROTECT, verbose_name=_("debited account"), related_name="+", db_index=False
    )
    credit_account = models.ForeignKey(
        Account,
        models.PROTECT,
        verbose_name=_("credited account"),
        related_name="+",
        db_index=False,
    )
    amount_micros = models.BigIntegerField(_("amount, in micros"))
    kind = models.CharField(_("kind"), max_length=12, choices=TransferKind)
    reference = models.UUIDField(_("reference"), null=True)
    market_id = models.BigIntegerField(_("number of the market"), null=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)

    class Meta:
        verbose_name = _("transfer")
        verbose_name_plural = _("transfers")
        indexes = [
            models.Index(name="transfers_out_of_an_account", fields=["debit_account", "id"]),
            models.Index(name="transfers_into_an_account", fields=["credit_account", "id"]),
        ]
        constraints = [
            models.CheckConstraint(
                name="a_transfer_moves_something", condition=Q(amount_micros__gt=0)
            ),
            models.CheckConstraint(
                name="a_transfer_is_between_two_accounts",
                condition=~Q(debit_account=F("credit_account")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class RequestStatus(models.TextChoices):
    REQUESTED = "requested", pgettext_lazy("a request", "Requested")
    APPROVED = "approved", pgettext_lazy("a request", "Approved")
    REJECTED = "rejected", pgettext_lazy("a request", "Rejected")
    CANCELLED = "cancelled", pgettext_lazy("a request", "Cancelled")


class MoneyRequest(models.Model):
    """A request by an account's owner, decided by an operator unless the owner cancels it."""

    id = models.UUIDField(_("ID"), primary_key=True, default=new_uuid)
    amount_micros = models.BigIntegerField(_("amount, in micros"))
    note = models.CharField(_("note"), max_length=200, blank=True)
    status = models.CharField(
        _("status"), max_length=9, choices=RequestStatus, default=RequestStatus.REQUESTED
    )
    requested_at = models.DateTimeField(_("requested at"), default=timezone.now)
    decided_at = models.DateTimeField(_("decided at"), null=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("decided by"),
        null=True,
        related_name="+",
    )
    reason = models.CharField(_("reason"), max_length=200, blank=True)

    class Meta:
        abstract = True

    @property
    def is_open(self) -> bool:
        return self.status == RequestStatus.REQUESTED


def _decided_says_who_and_when() -> Q:
    is_open = Q(status="requested", decided_at__isnull=True, decided_by__isnull=True)
    return is_open | (
        ~Q(status="requested") & Q(decided_at__isnull=False, decided_by__isnull=False)
    )


class WithdrawalRequest(MoneyRequest):
    """While it is `requested`, its amount is part of the account's `withdrawing_micros`."""

    account = models.ForeignKey(
        Account,
        models.PROTECT,
        verbose_name=_("account"),
        related_name="withdrawals",
        db_index=False,
    )

    class Meta:
        verbose_name = _("withdrawal request")
        verbose_name_plural = _("withdrawal requests")
        permissions = [("decide_withdrawals", _("approve and reject withdrawals"))]
        indexes = [
            models.Index(name="withdrawals_of_an_account", fields=["account", "id"]),
            models.Index(
                name="withdrawals_that_wait",
                fields=["requested_at"],
                condition=Q(status="requested"),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                name="a_withdrawal_asks_for_something", condition=Q(amount_micros__gt=0)
            ),
            models.CheckConstraint(
                name="a_decided_withdrawal_says_who_and_when",
                condition=_decided_says_who_and_when(),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status} withdrawal {self.id}"


class DepositRequest(MoneyRequest):
    """A request to book credits for a value given outside. No money moves until it is approved."""

    account = models.ForeignKey(
        Account, models.PROTECT, verbose_name=_("account"), related_name="deposits", db_index=False
    )

    class Meta:
        verbose_name = _("deposit request")
        verbose_name_plural = _("deposit requests")
        permissions = [("decide_deposits", _("approve and reject requests for deposits"))]
        indexes = [
            models.Index(name="deposits_of_an_account", fields=["account", "id"]),
            models.Index(
                name="deposits_that_wait", fields=["requested_at"], condition=Q(status="requested")
            ),
        ]
        constraints = [
            models.CheckConstraint(
                name="a_deposit_asks_for_something", condition=Q(amount_micros__gt=0)
            ),
            models.CheckConstraint(
                name="a_decided_deposit_says_who_and_when",
                condition=_decided_says_who_and_when(),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status} request for a deposit {self.id}"
