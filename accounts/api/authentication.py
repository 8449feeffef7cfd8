"""DRF's credentials: API key, JWT or signature in headers, or a browser's session with CSRF.

`request.user` is the `User`, `request.auth` the `Principal`. A header that is present must be
valid: a bad key is refused, not ignored in favour of a cookie.
"""

from typing import Any, Final

from django.utils.functional import SimpleLazyObject
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import authentication
from rest_framework.request import Request

from accounts.api.permissions import get_address
from accounts.api.principal import OPERATE, Principal, principal_of_user
from accounts.api.signatures import (
    KEY_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    SentRequest,
    authenticate_request_sync,
    is_signed,
)
from accounts.models import User
from accounts.status import check_may_act
from web.asgi import find_target

_CREDENTIALS: Final = {
    name: f"HTTP_{name.upper().replace('-', '_')}"
    for name in ("x-api-key", "authorization", KEY_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)
}
_NAMING: Final = frozenset({"x-api-key", "authorization", KEY_HEADER})


class HeaderAuthentication(authentication.BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Any, Principal] | None:
        sent = {name: request.META.get(key) for name, key in _CREDENTIALS.items()}
        headers = {name: value for name, value in sent.items() if value}
        if headers.keys().isdisjoint(_NAMING):
            return None
        principal = authenticate_request_sync(_read_request(request, headers))
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
    name = ["apiKey", "bearer", "signature"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [
            {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            {"type": "http", "scheme": "bearer", "description": "An access token or an API key."},
            {
                "type": "apiKey",
                "in": "header",
                "name": "X-Predex-Key",
                "description": "The id of a key that signs: docs/api.md, Signed requests.",
            },
        ]


class SessionScheme(OpenApiAuthenticationExtension):
    target_class = SessionAuthentication
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}


def _read_request(request: Request, headers: dict[str, str]) -> SentRequest:
    http: Any = request._request
    scope = getattr(http, "scope", None)
    target = http.get_full_path() if scope is None else find_target(scope)
    body = http.body if is_signed(headers) else b""
    return SentRequest(request.method or "", target, headers, body, get_address(request))


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
