"""What programs show instead of a browser's session: API keys, and log-ins behind JWTs.

Of a key only a keyed hash is stored. A log-in row makes a JWT revocable: every token names one.
"""

from django.conf import settings
from django.db import models
from django.utils import timezone

from accounts.models.account import Account
from kernel.ids import new_uuid

SCOPES = ("read", "trade", "operate")


class ApiKeyQuerySet(models.QuerySet):
    def live(self) -> "ApiKeyQuerySet":
        return self.filter(revoked_at=None).exclude(expires_at__lte=timezone.now())


class ApiKey(models.Model):
    id = models.UUIDField(primary_key=True, default=new_uuid)
    account = models.ForeignKey(Account, models.PROTECT, related_name="api_keys", db_index=False)
    prefix = models.CharField(max_length=16, unique=True)
    digest = models.CharField(max_length=64)
    name = models.CharField(max_length=60)
    scopes = models.JSONField(default=list)
    # Of one that operates: whether ADMIN_REQUIRE_MFA was on, so that its maker had to use a factor.
    used_second_factor = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        indexes = [models.Index(name="keys_of_an_account", fields=["account", "id"])]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"


class LoginSession(models.Model):
    id = models.UUIDField(primary_key=True, default=new_uuid)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="login_sessions"
    )
    # Changes with the password, so that a new password ends every log-in made with the old one.
    password_stamp = models.CharField(max_length=64)
    address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=200, blank=True)
    used_second_factor = models.BooleanField(default=False)
    # How often it was refreshed: of its refresh tokens, only the newest counts.
    refreshes = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"log-in {self.id}"


class SetupKey(models.Model):
    """What the console shows so that somebody makes the first operator with it. Only a hash."""

    digest = models.CharField(max_length=64, primary_key=True)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"setup key until {self.expires_at:%Y-%m-%d %H:%M}"
