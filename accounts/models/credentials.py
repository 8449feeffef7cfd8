"""Programs' credentials: API keys, and the log-ins behind JWTs.

Only a keyed hash of a key is stored, or the public half of one that signs requests. Every JWT names
a log-in row, which makes it revocable.
"""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models.account import Account
from kernel.ids import new_uuid

SCOPES = ("read", "trade", "operate")


class ApiKeyQuerySet(models.QuerySet):
    def live(self) -> "ApiKeyQuerySet":
        return self.filter(revoked_at=None).exclude(expires_at__lte=timezone.now())


class ApiKey(models.Model):
    id = models.UUIDField(_("ID"), primary_key=True, default=new_uuid)
    account = models.ForeignKey(
        Account, models.PROTECT, verbose_name=_("account"), related_name="api_keys", db_index=False
    )
    prefix = models.CharField(_("prefix"), max_length=16, unique=True)
    digest = models.CharField(_("digest"), max_length=64, blank=True)
    public_key = models.TextField(
        _("public key"), blank=True, help_text=_("PEM, of a key that signs its requests.")
    )
    name = models.CharField(_("name"), max_length=60)
    scopes = models.JSONField(_("scopes"), default=list)
    networks = models.JSONField(
        _("networks"),
        default=list,
        blank=True,
        help_text=_("From where it may be used, in CIDR notation; empty: from everywhere."),
    )
    # For scope `operate`: whether ADMIN_REQUIRE_MFA was on, so a second factor created it.
    used_second_factor = models.BooleanField(_("with the second factor"), default=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used at"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        indexes = [models.Index(name="keys_of_an_account", fields=["account", "id"])]
        constraints = [
            models.CheckConstraint(
                name="a_key_is_a_secret_or_signs",
                condition=(Q(public_key="") & ~Q(digest="")) | (Q(digest="") & ~Q(public_key="")),
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"

    @property
    def signs(self) -> bool:
        return bool(self.public_key)

    @property
    def shown_name(self) -> str:
        """What identifies it to its owner: the id that a signed request names, or a prefix."""
        return str(self.id) if self.signs else f"pdx_{self.prefix}…"


class LoginSession(models.Model):
    id = models.UUIDField(_("ID"), primary_key=True, default=new_uuid)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("user"),
        related_name="login_sessions",
    )
    # Changes with the password, so that a new password ends every log-in made with the old one.
    password_stamp = models.CharField(_("password stamp"), max_length=64)
    address = models.GenericIPAddressField(_("IP address"), null=True)
    user_agent = models.CharField(_("program"), max_length=200, blank=True)
    used_second_factor = models.BooleanField(_("with the second factor"), default=False)
    # The number of refreshes: only the newest refresh token is valid.
    refreshes = models.PositiveIntegerField(_("refreshes"), default=0)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires at"))
    revoked_at = models.DateTimeField(_("revoked at"), null=True)

    class Meta:
        verbose_name = _("API session")
        verbose_name_plural = _("API sessions")

    def __str__(self) -> str:
        return f"log-in {self.id}"


class SetupKey(models.Model):
    """The one-time key for creating the first operator, as a hash; the console shows the key."""

    digest = models.CharField(_("digest"), max_length=64, primary_key=True)
    expires_at = models.DateTimeField(_("expires at"))

    class Meta:
        verbose_name = _("setup key")
        verbose_name_plural = _("setup keys")

    def __str__(self) -> str:
        return f"setup key until {self.expires_at:%Y-%m-%d %H:%M}"
