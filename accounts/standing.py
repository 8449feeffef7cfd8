"""Who may still act: neither suspended nor closed.

Suspending and closing lock the user's accounts. So what moves money asks here once it has locked
the account itself, and nothing that was stopped can begin any more, in whichever process.
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
    """Raise AuthError for an account that is closed or whose owner is stopped; it is locked."""
    account = Account.objects.select_related("owner").get(pk=account_id)
    if account.owner is not None:
        check_may_act(account.owner)
    if account.closed_at is not None:
        raise account_closed()


def account_closed() -> AuthError:
    return AuthError("account_closed")
