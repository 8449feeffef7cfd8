"""The policy row as every process sees it: at most a second old, or fresh where money moves."""

from typing import cast

from accounts.models import Policy
from kernel.cache import FreshCache

FRESH_SECONDS = 1.0

_policies: FreshCache[int, Policy] = FreshCache(
    lambda key: Policy.objects.get(pk=key), seconds=FRESH_SECONDS
)


def get_policy() -> Policy:
    """Return the policy, at most a second old. Not for changing: see `do_edit_policy`."""
    return cast("Policy", _policies.get_sync(1))  # its reader raises when there is no row


def forget() -> None:
    """Drop the copy, so that this process sees an edit at once."""
    _policies.forget()
