"""The template context of every page: the exchange's state, and whether to offer "create"."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from kernel.cache import FreshCache
from markets.actions import may_create_markets
from markets.models import Exchange
from markets.queries import get_exchange

FRESH_SECONDS = 1.0

_exchanges: FreshCache[str, Exchange] = FreshCache(
    lambda _key: get_exchange(), seconds=FRESH_SECONDS
)


def exchange(request: HttpRequest) -> dict[str, Any]:
    """`exchange`: its one row, at most a second old; `may_create`: whether the viewer may."""
    return {
        "exchange": _exchanges.get_sync("row"),
        "may_create": SimpleLazyObject(lambda: may_create(request)),
    }


def may_create(request: HttpRequest) -> bool:
    user = getattr(request, "user", None)
    return user is not None and user.is_authenticated and may_create_markets(user)
