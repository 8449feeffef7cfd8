"""The operators' settings: one row, edited in the admin, every edit with an audit event."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

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
    OPEN = "open", pgettext_lazy("sign-up", "Open")
    INVITE = "invite", pgettext_lazy("sign-up", "By invitation")
    CLOSED = "closed", pgettext_lazy("sign-up", "Closed")


class WhoMayCreate(models.TextChoices):
    OPERATORS = "operators", _("Operators")
    EVERYONE = "everyone", _("Everyone, after an operator's approval")


class WhoMayResolve(models.TextChoices):
    OPERATORS = "operators", _("Operators")
    RESOLVERS = "resolvers", _("Each market's resolver, and operators")


class FeeType(models.TextChoices):
    NONE = "none", pgettext_lazy("fees", "None")
    FLAT = "flat", pgettext_lazy("fees", "Flat")
    QUADRATIC = "quadratic", pgettext_lazy("fees", "Quadratic")


class CurrencyPlace(models.TextChoices):
    """Whether the currency symbol precedes or follows an amount."""

    BEFORE = "before", _("Before the amount: $5")
    BEFORE_SPACED = "before_spaced", _("Before the amount, with a space: $ 5")
    AFTER = "after", _("After the amount: 5$")
    AFTER_SPACED = "after_spaced", _("After the amount, with a space: 5 $")


class Policy(models.Model):
    sign_up = models.CharField(_("sign-up"), max_length=6, choices=SignUp, default=SignUp.OPEN)
    sign_up_grant_micros = models.PositiveBigIntegerField(
        _("grant at sign-up, in micros"),
        default=10_000 * MICROS_PER_CREDIT,
        validators=[MaxValueValidator(10**12 * MICROS_PER_CREDIT)],
        help_text=_("In micros, millionths of the currency."),
    )
    who_may_create = models.CharField(
        _("who may create markets"),
        max_length=9,
        choices=WhoMayCreate,
        default=WhoMayCreate.OPERATORS,
    )
    who_may_resolve = models.CharField(
        _("who may propose results"),
        max_length=9,
        choices=WhoMayResolve,
        default=WhoMayResolve.RESOLVERS,
    )
    two_person_rule = models.BooleanField(
        _("two-person rule"),
        default=False,
        help_text=_("No operator decides alone on what concerns their own money."),
    )
    default_fee_kind = models.CharField(
        _("fees"), max_length=9, choices=FeeType, default=FeeType.NONE
    )
    default_fee_maker_rate = models.PositiveIntegerField(
        _("maker's rate"),
        default=0,
        help_text=_("Flat: micros per contract; quadratic: millionths."),
    )
    default_fee_taker_rate = models.PositiveIntegerField(_("taker's rate"), default=0)
    default_fee_unit_micros = models.PositiveIntegerField(
        _("fees are rounded up to"),
        default=1,
        choices=[(1, _("a millionth")), (10_000, _("a hundredth"))],
    )
    default_dispute_seconds = models.PositiveIntegerField(
        _("dispute window, in seconds"), default=3_600
    )
    currency_name = models.CharField(_("currency's name"), max_length=30, default=CURRENCY_NAME)
    currency_symbol = models.CharField(_("currency's symbol"), max_length=8, default="cr")
    currency_place = models.CharField(
        _("currency symbol's place"),
        max_length=13,
        choices=CurrencyPlace,
        default=CurrencyPlace.AFTER_SPACED,
    )
    site_name = models.CharField(_("site's name"), max_length=60, default="predex")
    logo_url = models.CharField(
        _("address of the logo"),
        max_length=300,
        blank=True,
        validators=[RegexValidator(r"^(/|https://)\S+\Z", "Start with / or https://.")],
        help_text=_("A path on this site or an https:// address."),
    )
    accent_colour = models.CharField(
        _("accent colour"),
        max_length=7,
        default="#2563eb",
        validators=[RegexValidator(r"^#[0-9a-f]{6}\Z", "Like #2563eb.")],
    )
    rate_limits = models.JSONField(
        _("rate limits"),
        default=default_rate_limits,
        validators=[validate_rate_limits],
        help_text=_("Per account class and bucket: [tokens per second, burst]."),
    )
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("policy")
        verbose_name_plural = _("policy")
        constraints = [models.CheckConstraint(name="there_is_one_policy", condition=Q(id=1))]

    def __str__(self) -> str:
        return "policy"

    @property
    def currency(self) -> str:
        """The currency's name in texts: the operator's, or the translated default."""
        return gettext("credits") if self.currency_name == CURRENCY_NAME else self.currency_name

    def add_symbol(self, number: str) -> str:
        """Return an amount with the currency symbol at its place; a space there is non-breaking."""
        space = "\N{NO-BREAK SPACE}" if self.currency_place.endswith("_spaced") else ""
        if self.currency_place.startswith("before"):
            return f"{self.currency_symbol}{space}{number}"
        return f"{number}{space}{self.currency_symbol}"


class InviteCode(models.Model):
    code = models.CharField(_("code"), max_length=40, unique=True)
    uses_max = models.PositiveIntegerField(_("uses at most"), default=1)
    uses = models.PositiveIntegerField(_("uses"), default=0)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    created_by = models.ForeignKey(
        "accounts.User",
        models.PROTECT,
        verbose_name=_("created by"),
        null=True,
        blank=True,
        related_name="+",
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now)

    class Meta:
        verbose_name = _("invitation code")
        verbose_name_plural = _("invitation codes")
        constraints = [
            models.CheckConstraint(
                name="an_invite_is_used_at_most_so_often", condition=Q(uses__lte=F("uses_max"))
            ),
        ]

    def __str__(self) -> str:
        return self.code
