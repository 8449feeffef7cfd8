"""Checks that a user is not suspended and an account not closed.

Suspending and closing lock the user's accounts. So code that moves money checks here after it has
locked the account itself; then nothing can start for a stopped account, in any process.
"""

from accounts.models import Account, User
from kernel.errors import AuthError


def check_may_act(user: User) -> None:
    """Raise AuthError for a suspended or closed user."""
    if user.suspended_at is not None:
        raise AuthError("account_suspended")
    if not user.is_active:
        raise account_closed()


def check_may_trade(account_id: int) -> None:
    """Raise AuthError for a closed account or a suspended owner; the caller holds the lock."""
    account = Account.objects.select_related("owner").get(pk=account_id)
    if account.owner is not None:
        check_may_act(account.owner)
    if account.closed_at is not None:
        raise account_closed()


def account_closed() -> AuthError:
    return AuthError("account_closed")
