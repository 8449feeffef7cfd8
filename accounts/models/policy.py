"""What the operator decides: one row, edited in the admin, every edit an audit event."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from kernel.units import MICROS_PER_CREDIT

RATE_MAX = 1_000_000
CURRENCY_NAME = "credits"
FEE_RATE_PPM_MAX = 1_000_000


def default_rate_limits() -> dict[str, dict[str, list[int]]]:
    """Account class -> bucket -> [tokens per second, burst]."""
    return {
        "anonymous": {"read": [20, 100], "write": [5, 20]},
        "user": {"read": [100, 500], "write": [50, 300]},
        "system": {"read": [5_000, 20_000], "write": [5_000, 20_000]},
    }


def validate_rate_limits(limits: Any) -> None:
    """Raise ValidationError unless it has the shape of `default_rate_limits`."""
    if not isinstance(limits, dict) or set(limits) != set(default_rate_limits()):
        raise ValidationError(f"Name these account classes: {', '.join(default_rate_limits())}.")
    for buckets in limits.values():
        if not isinstance(buckets, dict) or set(buckets) != {"read", "write"}:
            raise ValidationError("Each account class has a read and a write bucket.")
        if not all(_is_rate(rate) for rate in buckets.values()):
            raise ValidationError("A bucket is [tokens per second, burst], whole numbers above 0.")


def _is_rate(rate: Any) -> bool:
    return (
        isinstance(rate, list)
        and len(rate) == 2
        and all(type(part) is int and 0 < part <= RATE_MAX for part in rate)
    )


class SignUp(models.TextChoices):
    OPEN = "open"
    INVITE = "invite"
    CLOSED = "closed"


class WhoMayCreate(models.TextChoices):
    OPERATORS = "operators"
    EVERYONE = "everyone", "everyone, after an operator's approval"


class WhoMayResolve(models.TextChoices):
    OPERATORS = "operators"
    RESOLVERS = "resolvers", "each market's resolver, and operators"


class FeeKind(models.TextChoices):
    NONE = "none"
    FLAT = "flat"
    QUADRATIC = "quadratic"


class CurrencyPlace(models.TextChoices):
    """Where the currency's sign stands beside an amount."""

    BEFORE = "before", "before the amount"
    BEFORE_SPACED = "before_spaced", "before the amount, with a space"
    AFTER = "after", "after the amount"
    AFTER_SPACED = "after_spaced", "after the amount, with a space"


class Policy(models.Model):
    sign_up = models.CharField(max_length=6, choices=SignUp, default=SignUp.OPEN)
    sign_up_grant_micros = models.PositiveBigIntegerField(
        default=10_000 * MICROS_PER_CREDIT,
        validators=[MaxValueValidator(10**12 * MICROS_PER_CREDIT)],
        help_text="In micros: 1,000,000 are one credit.",
    )
    who_may_create = models.CharField(
        max_length=9, choices=WhoMayCreate, default=WhoMayCreate.OPERATORS
    )
    who_may_resolve = models.CharField(
        max_length=9, choices=WhoMayResolve, default=WhoMayResolve.RESOLVERS
    )
    two_person_rule = models.BooleanField(
        default=False, help_text="No operator decides alone on what concerns their own money."
    )
    default_fee_kind = models.CharField(max_length=9, choices=FeeKind, default=FeeKind.NONE)
    default_fee_maker_rate = models.PositiveIntegerField(
        default=0, help_text="Flat: micros per contract; quadratic: millionths of a credit."
    )
    default_fee_taker_rate = models.PositiveIntegerField(default=0)
    default_fee_unit_micros = models.PositiveIntegerField(
        default=1, choices=[(1, "a micro"), (10_000, "a cent")]
    )
    default_dispute_seconds = models.PositiveIntegerField(default=3_600)
    currency_name = models.CharField(max_length=30, default=CURRENCY_NAME)
    currency_symbol = models.CharField(max_length=8, default="cr")
    currency_place = models.CharField(
        max_length=13, choices=CurrencyPlace, default=CurrencyPlace.AFTER_SPACED
    )
    site_name = models.CharField(max_length=60, default="predex")
    logo_url = models.CharField(
        max_length=300,
        blank=True,
        validators=[RegexValidator(r"^(/|https://)\S+\Z", "Start with / or https://.")],
        help_text="A path on this site or an https:// address.",
    )
    accent_colour = models.CharField(
        max_length=7,
        default="#2563eb",
        validators=[RegexValidator(r"^#[0-9a-f]{6}\Z", "Like #2563eb.")],
    )
    rate_limits = models.JSONField(
        default=default_rate_limits,
        validators=[validate_rate_limits],
        help_text="Per account class and bucket: [tokens per second, burst].",
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "policy"
        constraints = [models.CheckConstraint(name="there_is_one_policy", condition=Q(id=1))]

    def __str__(self) -> str:
        return "policy"

    @property
    def currency(self) -> str:
        """The currency's name in texts: as the operator wrote it, the default's translated."""
        return _("credits") if self.currency_name == CURRENCY_NAME else self.currency_name

    def add_symbol(self, number: str) -> str:
        """Return an amount with the currency's symbol at its place; a space there never breaks."""
        space = "\N{NO-BREAK SPACE}" if self.currency_place.endswith("_spaced") else ""
        if self.currency_place.startswith("before"):
            return f"{self.currency_symbol}{space}{number}"
        return f"{number}{space}{self.currency_symbol}"


class InviteCode(models.Model):
    code = models.CharField(max_length=40, unique=True)
    uses_max = models.PositiveIntegerField(default=1)
    uses = models.PositiveIntegerField(default=0)
    expires_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        "accounts.User", models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="an_invite_is_used_at_most_so_often", condition=Q(uses__lte=F("uses_max"))
            ),
        ]

    def __str__(self) -> str:
        return self.code
