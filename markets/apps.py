"""After every migrate (and every flush of a test database) the row of the exchange exists."""

from typing import Any

from django.apps import AppConfig
from django.apps import apps as registry
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class MarketsConfig(AppConfig):
    name = "markets"
    verbose_name = _("Markets and results")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts import registry
        from markets.own_data import TABLES, forget_user

        registry.register(data_tables=TABLES, forget_user=forget_user)
        post_migrate.connect(create_exchange, sender=self)


def create_exchange(*, using: str, apps: Any = registry, **kwargs: Any) -> None:
    """Create the row, unless it exists or the migrated state has no such model."""
    try:
        exchange = apps.get_model("markets.Exchange")
    except LookupError:
        return
    exchange.objects.using(using).get_or_create(pk=1)
