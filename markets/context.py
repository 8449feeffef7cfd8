"""What every page shows of the exchange as a whole: halted, in maintenance, announcement."""

import time
from typing import Any

from django.http import HttpRequest

from markets.models import Exchange
from markets.queries import get_exchange

MAX_AGE_SECONDS = 1.0

_cached: tuple[float, Exchange] | None = None


def exchange(request: HttpRequest) -> dict[str, Any]:
    """`exchange`: its one row, at most a second old."""
    global _cached
    now = time.monotonic()
    if _cached is None or now - _cached[0] > MAX_AGE_SECONDS:
        _cached = (now, get_exchange())
    return {"exchange": _cached[1]}


def forget() -> None:
    global _cached
    _cached = None
