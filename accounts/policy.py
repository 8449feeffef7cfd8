"""The policy row as every process sees it: at most a second old, or fresh where money moves."""

import time

from accounts.models import Policy

MAX_AGE_SECONDS = 1.0

_cached: tuple[float, Policy] | None = None


def get_policy() -> Policy:
    """Return the policy, at most a second old. Not for changing: see `do_edit_policy`."""
    global _cached
    now = time.monotonic()
    if _cached is None or now - _cached[0] > MAX_AGE_SECONDS:
        _cached = (now, Policy.objects.get(pk=1))
    return _cached[1]


def forget() -> None:
    """Drop the copy, so that this process sees an edit at once."""
    global _cached
    _cached = None
