"""What DRF asks before each call: may they (scope, operator's right), and how often (limits)."""

from datetime import timedelta
from typing import Any, cast

from allauth.account import app_settings
from allauth.account.internal.flows.reauthentication import is_reauthentication_required
from allauth.core.exceptions import ImmediateHttpResponse
from django.utils import timezone
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.api.principal import OPERATE, require_scope
from accounts.models import LoginSession, User
from accounts.policy import get_policy
from accounts.second_factor import no_right
from kernel.errors import AuthError, too_many_requests
from web import limits
from web.limits import Rate

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
UNKNOWN_ADDRESS = "unknown"


class HasScope(BasePermission):
    """The principal may do what the view's scope names, and is an operator where that is needed."""

    def has_permission(self, request: Request, view: Any) -> bool:
        attribute = "read_scope" if request.method in SAFE_METHODS else "write_scope"
        scope = getattr(view, attribute, "manage")
        if scope is None:
            return True
        principal: Any = request.auth
        if principal is None:
            return False
        permission = getattr(view, "operator_permission", "")
        if permission:
            if principal.credential == "key":
                require_scope(principal, OPERATE)
            require_operator(cast("User", request.user), permission)
        elif getattr(view, "operators_call", False) and attribute == "write_scope":
            require_scope(principal, scope, OPERATE)
        else:
            require_scope(principal, scope)
        return True


class AccountThrottle(BaseThrottle):
    """Takes tokens of the account's bucket, or of the address's while nobody is logged in."""

    def allow_request(self, request: Request, view: Any) -> bool:
        bucket = "read" if request.method in SAFE_METHODS else "write"
        subject, rate = find_bucket(request, bucket)
        wait_seconds = limits.take_sync(subject, bucket, rate, getattr(view, "cost", 1))
        if wait_seconds is not None:
            raise too_many_requests(wait_seconds)
        return True


def require_operator(user: User, permission: str) -> None:
    """Raise RefusedError (403) unless the user is an operator with this right, and acts as one."""
    if not (user.is_staff and user.has_perm(permission)):
        raise no_right(user)


def check_recent_log_in(request: Request) -> None:
    """Raise AuthError (403) unless they showed a short time ago that it is they who are here."""
    principal: Any = request.auth
    if principal.credential == "session":
        try:
            is_recent = not is_reauthentication_required(request._request, app="")
        except ImmediateHttpResponse:  # single sign-on would be asked, which leads away
            is_recent = False
    else:
        since = timezone.now() - timedelta(seconds=app_settings.REAUTHENTICATION_TIMEOUT)
        logins = LoginSession.objects.filter(pk=principal.credential_id, created_at__gt=since)
        is_recent = principal.credential == "jwt" and logins.exists()
    if not is_recent:
        raise AuthError("log_in_again")


def find_bucket(request: Request, bucket: str) -> tuple[int | str, Rate]:
    """Return whose bucket a request takes from, and how large it is."""
    principal: Any = request.auth
    if principal is None:
        return find_strangers_bucket(request, bucket)
    rate = principal.read_rate if bucket == "read" else principal.write_rate
    return principal.account_id, rate


def find_strangers_bucket(request: Any, bucket: str) -> tuple[str, Rate]:
    """Return the bucket of the address that a request without a log-in comes from."""
    rate = Rate(*get_policy().rate_limits["anonymous"][bucket])
    return f"address:{limits.find_network(get_address(request))}", rate


def get_address(request: Any) -> str:
    """Return the caller's address, as found behind trusted proxies."""
    return request.META.get("REMOTE_ADDR") or UNKNOWN_ADDRESS
