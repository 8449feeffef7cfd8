"""The second factor: who has one, which log-in used one, and what operators may do without.

With ADMIN_REQUIRE_MFA an operator's rights are worth something only where the second factor was
used: in a browser whose log-in used it, with a token of such a log-in, or with an API key of the
scope `operate`, which only such a log-in makes. Everywhere else an operator is an ordinary user:
`User.may_operate` is False, and so is every `has_perm`.
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
    """Whether an operator's credential carries their rights. False for everybody else."""
    if not user.is_staff:
        return False
    if not settings.ADMIN_REQUIRE_MFA:
        return True
    return used_second_factor and has_second_factor(user)


def has_shown_factor(user: User) -> bool:
    """Whether this operator's credential can be known to be one that used the second factor."""
    return settings.ADMIN_REQUIRE_MFA and user.is_staff and user.may_operate


def browser_may_operate(request: HttpRequest, user: User) -> bool:
    """The same of a browser's log-in, which remembers how it was made."""
    records = get_authentication_records(request, user)
    used = any(record.get("method") == "mfa" for record in records)
    return may_operate(user, used_second_factor=used)


def no_right(by: User, refusal: RefusedError | None = None) -> RefusedError:
    """Return `refusal` of an act that needs an operator's right; an operator whose credential does
    not carry theirs is told that.
    """
    if by.is_staff and not by.may_operate:
        return RefusedError(
            "missing_scope",
            detail="operators act by a log-in with the second factor, or a key with scope operate",
        )
    if refusal is not None:
        return refusal
    return RefusedError("not_an_operator")
