"""Fields that several tables of trading have.

Foreign keys have no index of their own, and no name on the other side.
"""

from typing import Any, Final

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import Account
from markets.models import Market
from trading.engine import types

SIDES: Final = [
    (types.BUY, pgettext_lazy("side of an order", "buy")),
    (types.SELL, pgettext_lazy("side of an order", "sell")),
]


def account_key(name: Any = None) -> models.ForeignKey:
    name = name or _("account")
    return models.ForeignKey(
        Account, models.PROTECT, verbose_name=name, related_name="+", db_index=False
    )


def market_key() -> models.ForeignKey:
    return models.ForeignKey(
        Market, models.PROTECT, verbose_name=_("market"), related_name="+", db_index=False
    )
