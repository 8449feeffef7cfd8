"""The template context of every page: whether an engine is down; unread notifications."""

from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from kernel.cache import FreshCache
from kernel.database_clock import database_now_us
from trading.models import Lease, Notification
from trading.pipeline.lease import LEASE_SECONDS

FRESH_SECONDS: Final = 0.9
_ALL: Final = "all"


def trading(request: HttpRequest) -> dict[str, Any]:
    """`engine_away`, at most a second old; `unread`, "" for none."""
    return {
        "engine_away": SimpleLazyObject(lambda: _away.get_sync(_ALL)),
        "unread": SimpleLazyObject(lambda: count_unread(request)),
    }


def count_unread(request: HttpRequest) -> int | str:
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return ""
    return Notification.objects.filter(user=user, read_at=None).count() or ""


def is_any_away(_: str = _ALL) -> bool:
    """Return whether a shard's engine has not renewed its lease in time."""
    alive_since_us = database_now_us() - LEASE_SECONDS * 1_000_000
    alive = Lease.objects.filter(
        renewed_at_us__gte=alive_since_us, shard__lt=settings.ENGINE_SHARDS
    )
    return alive.count() < settings.ENGINE_SHARDS


_away: FreshCache[str, bool] = FreshCache(is_any_away, seconds=FRESH_SECONDS)
