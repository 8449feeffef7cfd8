"""DRF's three credentials: API key or JWT in a header, or a browser's session with CSRF.

`request.user` is the `User`, `request.auth` the `Principal`. A header that is present must be
valid: a bad key is refused, not ignored in favour of a cookie.
"""

from typing import Any

from django.utils.functional import SimpleLazyObject
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import authentication
from rest_framework.request import Request

from accounts.api.principal import (
    OPERATE,
    Principal,
    authenticate_headers,
    principal_of_user,
)
from accounts.models import User
from accounts.status import check_may_act


class HeaderAuthentication(authentication.BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Any, Principal] | None:
        headers = {
            "x-api-key": request.META.get("HTTP_X_API_KEY", ""),
            "authorization": request.META.get("HTTP_AUTHORIZATION", ""),
        }
        if not any(headers.values()):
            return None
        principal = authenticate_headers(headers)
        _note_account(request, principal)
        # Most views need only the principal; the user is loaded on first use.
        return SimpleLazyObject(lambda: _load_user(principal)), principal

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="predex"'


class SessionAuthentication(authentication.SessionAuthentication):
    def authenticate(self, request: Request) -> tuple[User, Principal] | None:
        user_and_none = super().authenticate(request)
        if user_and_none is None:
            return None
        principal = principal_of_user(user_and_none[0])
        _note_account(request, principal)
        return user_and_none[0], principal


class HeaderScheme(OpenApiAuthenticationExtension):
    target_class = HeaderAuthentication
    name = ["apiKey", "bearer"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [
            {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            {"type": "http", "scheme": "bearer", "description": "An access token or an API key."},
        ]


class SessionScheme(OpenApiAuthenticationExtension):
    target_class = SessionAuthentication
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}


def _load_user(principal: Principal) -> User:
    """Return the current user row; they may have been stopped since the principal was read."""
    user = User.objects.get(pk=principal.user_id)
    check_may_act(user)
    user.may_operate = OPERATE in principal.scopes
    return user


def _note_account(request: Request, principal: Principal) -> None:
    context = getattr(request, "context", None)
    if context is not None:
        context.account_id = principal.account_id
