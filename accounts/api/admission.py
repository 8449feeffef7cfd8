"""Admission of a request by scope and rate limit: the first step of every entry point.

The scope is checked first, then tokens are taken: from the bucket of the owner's accounts, or from
that of the caller's network without a log-in.
"""

from accounts.api.principal import Principal, no_credential, require_scope
from accounts.policy import get_policy
from web import limits
from web.limits import Rate


async def admit(caller: Principal | None, bucket: str, *scopes: str, address: str = "") -> None:
    """Raise AuthError without one of `scopes` (empty: public), ApiError (429) over the limit.

    `address` is used for callers without an account.
    """
    _check_scopes(caller, scopes)
    await take_tokens(caller, bucket, address=address)


def admit_sync(
    caller: Principal | None, bucket: str, *scopes: str, cost: int = 1, address: str = ""
) -> None:
    """`admit` for sync code."""
    _check_scopes(caller, scopes)
    subject, rate = find_bucket(caller, bucket, address)
    limits.refuse_over_limit(limits.take_sync(subject, bucket, rate, cost))


async def take_tokens(
    caller: Principal | None, bucket: str, cost: int = 1, *, address: str = ""
) -> None:
    subject, rate = find_bucket(caller, bucket, address)
    limits.refuse_over_limit(await limits.take(subject, bucket, rate, cost))


def find_bucket(caller: Principal | None, bucket: str, address: str = "") -> tuple[str, Rate]:
    """Return the bucket that a request takes from, and its size."""
    if caller is None:
        rate = Rate(*get_policy().rate_limits["anonymous"][bucket])
        return f"address:{limits.find_network(address)}", rate
    return f"owner:{caller.owner_id}", caller.read_rate if bucket == "read" else caller.write_rate


def _check_scopes(caller: Principal | None, scopes: tuple[str, ...]) -> None:
    if not scopes:
        return
    if caller is None:
        raise no_credential()
    require_scope(caller, *scopes)
