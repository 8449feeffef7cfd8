"""What every page shows of the exchange as a whole: halted, in maintenance, announcement."""

from typing import Any

from django.http import HttpRequest

from accounts.cache import FreshCache
from markets.models import Exchange
from markets.queries import get_exchange

FRESH_SECONDS = 1.0

_exchanges: FreshCache[str, Exchange] = FreshCache(
    lambda _key: get_exchange(), seconds=FRESH_SECONDS
)


def exchange(request: HttpRequest) -> dict[str, Any]:
    """`exchange`: its one row, at most a second old."""
    return {"exchange": _exchanges.get_sync("row")}
