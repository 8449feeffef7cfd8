"""DRF's permission and throttle checks: scope, operator's permission, rate limits."""

from datetime import timedelta
from typing import Any, cast

from allauth.account import app_settings
from allauth.account.internal.flows.reauthentication import is_reauthentication_required
from allauth.core.exceptions import ImmediateHttpResponse
from django.utils import timezone
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.api.admission import admit_sync
from accounts.api.principal import OPERATE
from accounts.models import LoginSession, User
from accounts.second_factor import no_right
from kernel.errors import AuthError

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
UNKNOWN_ADDRESS = "unknown"


class Admission(BasePermission):
    """The principal has the view's scope and operator permission, if any, and is within the rate
    limit.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        is_read = request.method in SAFE_METHODS
        principal: Any = request.auth
        scopes = _find_scopes(principal, view, "read_scope" if is_read else "write_scope")
        admit_sync(
            principal,
            "read" if is_read else "write",
            *scopes,
            cost=getattr(view, "cost", 1),
            address=get_address(request),
        )
        permission = getattr(view, "operator_permission", "")
        if permission:
            require_operator(cast("User", request.user), permission)
        return True


def _find_scopes(principal: Any, view: Any, attribute: str) -> tuple[str, ...]:
    """Return the scopes of which one is needed; empty for public views."""
    scope = getattr(view, attribute, "manage")
    if scope is None:
        return ()
    if getattr(view, "operator_permission", "") and principal is not None:
        # A key needs the scope; a logged-in user needs the permission.
        return (OPERATE,) if principal.credential == "key" else ()
    if getattr(view, "operators_call", False) and attribute == "write_scope":
        return scope, OPERATE
    return (scope,)


def require_operator(user: User, permission: str) -> None:
    """Raise RefusedError (403) unless the user has this permission and acts as an operator."""
    if not (user.is_staff and user.has_perm(permission)):
        raise no_right(user)


def check_recent_log_in(request: Request) -> None:
    """Raise AuthError (403) without a recent (re)authentication."""
    principal: Any = request.auth
    if principal.credential == "session":
        try:
            is_recent = not is_reauthentication_required(request._request, app="")
        except ImmediateHttpResponse:  # it would redirect to the single sign-on provider
            is_recent = False
    else:
        since = timezone.now() - timedelta(seconds=app_settings.REAUTHENTICATION_TIMEOUT)
        logins = LoginSession.objects.filter(pk=principal.credential_id, created_at__gt=since)
        is_recent = principal.credential == "jwt" and logins.exists()
    if not is_recent:
        raise AuthError("log_in_again")


def get_address(request: Any) -> str:
    """Return the caller's address, as found behind trusted proxies."""
    return request.META.get("REMOTE_ADDR") or UNKNOWN_ADDRESS
