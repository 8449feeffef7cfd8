"""The second factor: who has one, which log-in used one, and when operators need one.

With ADMIN_REQUIRE_MFA an operator's rights are effective only where the second factor was used: in
a browser session that used it, with a token of such a log-in, or with an API key of the scope
`operate`, which only such a log-in can create. Everywhere else an operator is an ordinary user:
`User.may_operate` and every `has_perm` are False.
"""

from allauth.account.internal.flows.login import get_authentication_records
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.http import HttpRequest

from accounts.models import User
from kernel.errors import RefusedError

FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]  # not recovery codes alone


def has_second_factor(user: User) -> bool:
    return bool(is_mfa_enabled(user, types=FACTORS))


def may_operate(user: User, *, used_second_factor: bool) -> bool:
    """Whether an operator's credential carries their rights. False for all other users."""
    if not user.is_staff:
        return False
    if not settings.ADMIN_REQUIRE_MFA:
        return True
    return used_second_factor and has_second_factor(user)


def has_shown_factor(user: User) -> bool:
    """Whether this operator's credential is known to have used the second factor."""
    return settings.ADMIN_REQUIRE_MFA and user.is_staff and user.may_operate


def browser_may_operate(request: HttpRequest, user: User) -> bool:
    """`may_operate` for a browser's session, which records how the user logged in."""
    records = get_authentication_records(request, user)
    used = any(record.get("method") == "mfa" for record in records)
    return may_operate(user, used_second_factor=used)


def no_right(by: User, refusal: RefusedError | None = None) -> RefusedError:
    """Return `refusal` for a missing operator's right, or the more specific error for an operator
    whose credential does not carry it.
    """
    if by.is_staff and not by.may_operate:
        return RefusedError(
            "missing_scope",
            detail="operators act by a log-in with the second factor, or a key with scope operate",
        )
    if refusal is not None:
        return refusal
    return RefusedError("not_an_operator")
