"""Programs sign up, log in (with the second factor), refresh and log out."""

import smtplib
from typing import Any

import structlog
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.actions import (
    do_end_login,
    do_log_in,
    do_refresh_login,
    do_sign_up,
    do_sign_up_with_key,
)
from accounts.api import schemas
from accounts.api.base import ApiView
from accounts.api.permissions import get_address
from accounts.api.principal import check_login
from accounts.models import LoginSession, User
from accounts.status import check_may_act
from accounts.tokens import issue_access_token, issue_refresh_token, read_token
from kernel.errors import AuthError, RefusedError
from web import limits

log = structlog.get_logger(__name__)


class PublicView(ApiView):
    """Takes no credential, so that an expired one in a header does not get in the way."""

    authentication_classes: list[Any] = []
    read_scope = None
    write_scope = None


class RegisterView(PublicView):
    @extend_schema(request=schemas.Registration, responses={201: schemas.ShownRegistration})
    def post(self, request: Request) -> Response:
        """Create a user as the site's policy allows; a mail asks to verify the address.

        With `key`, its secret is in this answer and nowhere else. Where addresses must be verified
        before trading this is refused (403 `email_not_verified`), and nothing is created.
        """
        body = self.read_body(schemas.Registration)
        limits.check_attempt("sign_up", address=get_address(request))
        _check_password(body)
        wanted, shown = body.pop("key"), None
        if wanted is None:
            user = do_sign_up(**body)
        else:
            user, key, secret = do_sign_up_with_key(key=wanted, **body)
            shown = {**schemas.ShownKey(key).data, "secret": secret or None}
        _send_verification(request, user)
        answer = {"handle": user.handle, "email_verified": False, "key": shown}
        return Response(answer, status=201)


class LogInView(PublicView):
    @extend_schema(request=schemas.LogIn, responses=schemas.ShownTokens)
    def post(self, request: Request) -> Response:
        """Log in; `totp` is needed by users with a second factor (a recovery code is taken too)."""
        body = self.read_body(schemas.LogIn)
        email = body["email"].lower()
        address = get_address(request)
        limits.check_attempt("log_in", address=address, account=email)
        user = authenticate(request._request, email=email, password=body["password"])
        if user is None:
            raise AuthError("invalid_credentials", detail="wrong e-mail or password")
        check_may_act(user)
        used_second_factor = _check_second_factor(user, body["totp"])
        limits.forgive_attempt("log_in", address=address, account=email)
        agent = request.headers.get("User-Agent", "")
        login = do_log_in(
            user,
            address=address,
            user_agent=agent,
            used_second_factor=used_second_factor,
        )
        return Response(_show_tokens(login))


class RefreshView(PublicView):
    @extend_schema(request=schemas.Refresh, responses=schemas.ShownTokens)
    def post(self, request: Request) -> Response:
        """Get a new access token, and the next refresh token: the one sent is used up.

        A refresh token that comes a second time is in two hands: the log-in ends.
        """
        token = read_token(self.read_body(schemas.Refresh)["refresh"], use="refresh")
        login = LoginSession.objects.select_related("user").filter(pk=token.session_id).first()
        login = do_refresh_login(check_login(login), number=token.number)
        return Response(_show_tokens(login))


class LogOutView(ApiView):
    write_scope = None

    @extend_schema(request=schemas.LogOut, responses={204: None})
    def post(self, request: Request) -> Response:
        """End the log-in of the `refresh` token sent, or else of the access token used."""
        login = self._find_login(self.read_body(schemas.LogOut)["refresh"])
        if login is None:
            raise AuthError("not_authenticated", detail="send the refresh token or an access token")
        do_end_login(login, by=login.user)
        return Response(status=204)

    def _find_login(self, refresh: str) -> LoginSession | None:
        logins = LoginSession.objects.select_related("user")
        if refresh:
            return logins.filter(pk=read_token(refresh, use="refresh").session_id).first()
        principal: Any = self.request.auth
        if principal is None or principal.credential != "jwt":
            return None
        return logins.get(pk=principal.credential_id)


def _check_password(body: dict[str, Any]) -> None:
    try:
        validate_password(body["password"], User(email=body["email"], handle=body["handle"]))
    except ValidationError as error:
        detail = " ".join(error.messages)
        raise RefusedError("password_too_weak", "password", detail=detail) from None


def _check_second_factor(user: User, code: str) -> bool:
    """Return whether the log-in used a second factor; AuthError unless a needed one is right."""
    factors = list(Authenticator.objects.filter(user=user))
    if all(factor.type == Authenticator.Type.RECOVERY_CODES for factor in factors):
        return False
    if not code:
        raise AuthError("totp_required")
    limits.check_attempt("second_factor", address="", account=str(user.pk))
    typed = [factor for factor in factors if factor.type != Authenticator.Type.WEBAUTHN]
    if not any(factor.wrap().validate_code(code) for factor in typed):
        raise AuthError("totp_invalid")
    limits.forgive_attempt("second_factor", address="", account=str(user.pk))
    return True


def _show_tokens(login: LoginSession) -> dict[str, Any]:
    return {
        "refresh": issue_refresh_token(login),
        "access": issue_access_token(login),
        "token_type": "Bearer",
        "expires_in": settings.JWT_ACCESS_SECONDS,
    }


def _send_verification(request: Request, user: User) -> None:
    try:
        EmailAddress.objects.get(user=user).send_confirmation(request._request, signup=True)
    except (OSError, smtplib.SMTPException) as fault:
        # The account exists; the website can send the mail again.
        log.error("verification_mail_failed", fault=str(fault))
