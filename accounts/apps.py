"""After every migrate (and every flush of a test database) the founding rows exist."""

from typing import Any

from django.apps import AppConfig
from django.apps import apps as registry
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("People and money")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.contrib.auth.models import Group

        # A proxy of Django's model would have different admin URLs and permissions.
        Group._meta.verbose_name = pgettext_lazy("of permissions", "role")
        Group._meta.verbose_name_plural = pgettext_lazy("of permissions", "roles")
        post_migrate.connect(create_founding_rows, sender=self)


def create_founding_rows(*, using: str, apps: Any = registry, **kwargs: Any) -> None:
    """Create the policy row, the issuer and the house, unless they exist.

    `apps` is the migrated state (None on a flush): after a backward migration it may lack these
    models.
    """
    try:
        policy, account = apps.get_model("accounts.Policy"), apps.get_model("accounts.Account")
    except LookupError:
        return
    policy.objects.using(using).get_or_create(pk=1)
    for kind in ("issuer", "house"):
        account.objects.using(using).get_or_create(kind=kind, currency="CREDIT")
