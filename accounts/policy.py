"""Cached access to the policy row: at most a second old; fresh reads where money moves."""

from typing import cast

from accounts.models import Policy
from kernel.cache import FreshCache

FRESH_SECONDS = 1.0

_policies: FreshCache[int, Policy] = FreshCache(
    lambda key: Policy.objects.get(pk=key), seconds=FRESH_SECONDS
)


def get_policy() -> Policy:
    """Return the policy, at most a second old. Not for changing: see `do_edit_policy`."""
    return cast("Policy", _policies.get_sync(1))  # the look-up raises when there is no row


def forget() -> None:
    """Drop the cached copy, so that this process sees an edit at once."""
    _policies.forget()
