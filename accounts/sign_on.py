"""Sign-up and log-in by OpenID Connect, under the same policy as by password.

An address counts as verified only if the provider asserts `email_verified`. An existing account is
never taken over by its address; its owner connects the two while logged in.
"""

import re
import time
from typing import Any, cast

from allauth.account import app_settings
from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount
from django.db import transaction
from django.http import HttpRequest
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

from accounts.handles import HANDLE_LENGTH_MAX
from accounts.models import User
from accounts.pages.errors import show_error
from kernel.texts import make_line

DISPLAY_NAME_LENGTH_MAX = 60
_NO_HANDLE = re.compile(r"[^a-z0-9_]+", re.ASCII)


class SignOnAdapter(DefaultSocialAccountAdapter):
    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        for address in sociallogin.email_addresses:
            address.verified = address.verified in (True, "true")  # some providers send a text
        said = sociallogin.account.extra_data
        subjects = {part["sub"] for part in said.values() if isinstance(part, dict)}
        if len(subjects) > 1:  # OpenID Connect Core 5.3.2: both must have the same subject
            raise ImmediateHttpResponse(show_error(request, 403))

    def populate_user(self, request: HttpRequest, sociallogin: Any, data: dict[str, Any]) -> User:
        user: User = super().populate_user(request, sociallogin, data)
        user.display_name = make_line(str(data.get("name") or ""))[:DISPLAY_NAME_LENGTH_MAX]
        return user

    def get_signup_form_initial_data(self, sociallogin: Any) -> dict[str, str]:
        initial = super().get_signup_form_initial_data(sociallogin)
        return {**initial, "username": suggest_handle(initial["username"])}

    @transaction.atomic
    def save_user(self, request: HttpRequest, sociallogin: Any, form: Any = None) -> User:
        """`AccountAdapter.save_user`, called by super(), creates account, grant and audit event."""
        user: User = super().save_user(request, sociallogin, form)
        return user


def require_recent_sign_on(request: HttpRequest) -> None:
    """Redirect users who can reauthenticate only by single sign-on to the provider.

    allauth asks for a password or a second factor, and lets users with neither pass.
    """
    user = cast("User", request.user)
    account = SocialAccount.objects.filter(user=user).first()
    if account is None or get_reauthentication_flows(user):
        return
    records = get_authentication_records(request, user)
    if records and time.time() - records[-1]["at"] < app_settings.REAUTHENTICATION_TIMEOUT:
        return
    back = request.get_full_path() if request.method == "GET" else reverse("account_security")
    path = reverse("openid_connect_login", args=[account.provider])
    query = urlencode({"next": back, "auth_params": "prompt=login"})
    raise ImmediateHttpResponse(redirect(f"{path}?{query}"))


def suggest_handle(name: str) -> str:
    """Return a handle made from the provider's user name; it may be taken or too short."""
    return _NO_HANDLE.sub("_", name.partition("@")[0].lower()).strip("_")[:HANDLE_LENGTH_MAX]
