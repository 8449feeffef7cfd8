"""Sign-up and log-in by OpenID Connect, under the same policy as by password.

What the provider says is believed as far as it says so: an address counts as verified only with
`email_verified`. An existing account is never taken over by its address; its owner connects the
two while logged in.
"""

import re
from typing import Any

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.db import transaction
from django.http import HttpRequest

from accounts.handles import HANDLE_LENGTH_MAX
from accounts.models import User
from accounts.pages.errors import show_error
from accounts.texts import make_line

DISPLAY_NAME_LENGTH_MAX = 60
_NO_HANDLE = re.compile(r"[^a-z0-9_]+", re.ASCII)


class SignOnAdapter(DefaultSocialAccountAdapter):
    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        for address in sociallogin.email_addresses:
            address.verified = address.verified in (True, "true")  # some send a text
        said = sociallogin.account.extra_data
        subjects = {part["sub"] for part in said.values() if isinstance(part, dict)}
        if len(subjects) > 1:  # OpenID Connect Core 5.3.2: these must be of one person
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
        """Account, grant and audit event are made by `AccountAdapter.save_user`, inside."""
        user: User = super().save_user(request, sociallogin, form)
        return user


def suggest_handle(name: str) -> str:
    """Return a handle made of the provider's name for somebody; it may be taken or too short."""
    return _NO_HANDLE.sub("_", name.partition("@")[0].lower()).strip("_")[:HANDLE_LENGTH_MAX]
