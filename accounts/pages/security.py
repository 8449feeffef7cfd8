"""A user's means of log-in and active sessions."""

import hmac
from typing import Any, NamedTuple, cast
from uuid import UUID

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.actions import do_end_browser, do_end_login, do_end_sessions
from accounts.models import LoginSession, User
from accounts.tokens import compute_password_stamp
from kernel.errors import not_found

SESSIONS_SHOWN_MAX = 50


class Factors(NamedTuple):
    """A user's authentication factors beside the password."""

    has_totp: bool
    keys: int
    codes_left: int | None  # None: no recovery codes

    @property
    def is_on(self) -> bool:
        return self.has_totp or self.keys > 0


@login_required
@require_safe
def security(request: HttpRequest) -> HttpResponse:
    user = cast("User", request.user)
    context = {
        "tab": "security",
        "factors": find_factors(user),
        "browsers": _list_browsers(request, user),
        "programs": _list_programs(user),
        "single_sign_on": _find_single_sign_on(user),
    }
    return render(request, "accounts/security.html", context)


@login_required
@require_POST
def end_browser(request: HttpRequest, session_id: int) -> HttpResponse:
    user = cast("User", request.user)
    do_end_browser(_find_own(UserSession, session_id, user), by=user)
    messages.success(request, _("That browser has been logged out."))
    return redirect("account_security")


@login_required
@require_POST
def end_program(request: HttpRequest, login_id: UUID) -> HttpResponse:
    user = cast("User", request.user)
    do_end_login(_find_own(LoginSession, login_id, user), by=user)
    messages.success(request, _("That program has been logged out."))
    return redirect("account_security")


def _find_own(model: Any, pk: int | UUID, user: User) -> Any:
    row = model.objects.filter(pk=pk, user=user).first()
    if row is None:
        raise not_found("this log-in")
    return row


@login_required
@require_POST
def end_others(request: HttpRequest) -> HttpResponse:
    user = cast("User", request.user)
    do_end_sessions(user, by=user, but=request.session.session_key)
    messages.success(request, _("You are logged out everywhere else."))
    return redirect("account_security")


def find_factors(user: User) -> Factors:
    kinds = Authenticator.Type
    rows = list(Authenticator.objects.filter(user=user))
    codes = [row for row in rows if row.type == kinds.RECOVERY_CODES]
    return Factors(
        has_totp=any(row.type == kinds.TOTP for row in rows),
        keys=sum(row.type == kinds.WEBAUTHN for row in rows),
        codes_left=len(codes[0].wrap().get_unused_codes()) if codes else None,
    )


def _list_browsers(request: HttpRequest, user: User) -> list[Any]:
    """Return log-ins with an active session, newest first."""
    rows = UserSession.objects.filter(user=user).order_by("-created_at")[:SESSIONS_SHOWN_MAX]
    keys = [row.session_key for row in rows]
    live = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    live_keys = set(live.values_list("session_key", flat=True))
    browsers = [row for row in rows if row.session_key in live_keys]
    for browser in browsers:
        browser.is_here = browser.session_key == request.session.session_key
    return browsers


def _list_programs(user: User) -> list[LoginSession]:
    live = LoginSession.objects.filter(
        user=user, revoked_at=None, expires_at__gt=timezone.now()
    ).order_by("-id")
    stamp = compute_password_stamp(user)
    rows = live[:SESSIONS_SHOWN_MAX]
    return [row for row in rows if hmac.compare_digest(row.password_stamp, stamp)]


def _find_single_sign_on(user: User) -> dict[str, Any] | None:
    providers = settings.SOCIALACCOUNT_PROVIDERS.values()
    apps = [app for provider in providers for app in provider["APPS"]]
    if not apps:
        return None
    is_connected = SocialAccount.objects.filter(user=user).exists()
    return {"name": apps[0]["name"], "is_connected": is_connected}
