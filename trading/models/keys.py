"""Foreign keys of the tables that grow with trading: no index of their own, none the other way."""

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Account
from markets.models import Market


def account_key(name: Any = None) -> models.ForeignKey:
    name = name or _("account")
    return models.ForeignKey(
        Account, models.PROTECT, verbose_name=name, related_name="+", db_index=False
    )


def market_key() -> models.ForeignKey:
    return models.ForeignKey(
        Market, models.PROTECT, verbose_name=_("market"), related_name="+", db_index=False
    )
