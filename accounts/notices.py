"""Security mails: sent after each change of address, password, second factor or key.

They go to the address that the user had before the change, so that taking over an account cannot
go unnoticed. A mail that cannot be sent is logged without further effect: the change is already
made.
"""

import smtplib
from collections.abc import Collection, Iterable
from typing import Final

import structlog
from allauth.account.models import EmailAddress
from allauth.core import context
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from accounts.policy import get_policy

USER_AGENT_LENGTH_MAX: Final = 200

log = structlog.get_logger(__name__)

_TITLES: Final[dict[str, str | Promise]] = {
    "password_changed": gettext_lazy("Your password was changed"),
    "password_set": gettext_lazy("Your password was set"),
    "password_reset": gettext_lazy("Your password was reset, and your API keys were revoked"),
    "email_added": gettext_lazy("An e-mail address was added to your account"),
    "email_changed": gettext_lazy("The e-mail address of your account was changed"),
    "email_deleted": gettext_lazy("An e-mail address was removed from your account"),
    "totp_activated": gettext_lazy("An authenticator app was added to your account"),
    "totp_deactivated": gettext_lazy("The authenticator app was removed from your account"),
    "webauthn_added": gettext_lazy("A passkey or security key was added to your account"),
    "webauthn_removed": gettext_lazy("A passkey or security key was removed from your account"),
    "recovery_codes_generated": gettext_lazy("New recovery codes were created for your account"),
    "factors_reset": gettext_lazy("Your second factor was removed"),
    "account_connected": gettext_lazy("Single sign-on was connected to your account"),
    "account_disconnected": gettext_lazy("Single sign-on was disconnected from your account"),
    "key_created": gettext_lazy("An API key was created for your account"),
    "key_revoked": gettext_lazy("An API key of your account was revoked"),
    "keys_revoked": gettext_lazy("All API keys of your account were revoked"),
}


def notify_on_commit(
    user: User, what: str, *, by: User | None, detail: str = "", also_to: Collection[str] = ()
) -> None:
    """Notify the user after the commit; not of changes that no person made."""
    request = context.request
    if by is None or request is None:
        return
    addresses = find_addresses(user, also_to)
    transaction.on_commit(
        lambda: notify(user, what, addresses, request=request, detail=detail, by=by)
    )


def find_addresses(user: User, also_to: Iterable[str] = ()) -> list[str]:
    primary = EmailAddress.objects.get_primary_email(user) or user.email
    return list(dict.fromkeys([primary, *also_to]))


def notify(
    user: User,
    what: str,
    addresses: Collection[str],
    *,
    request: HttpRequest,
    detail: str = "",
    by: User | None = None,
) -> None:
    """Send the notice now, one mail per address."""
    site, title = get_policy().site_name, str(_TITLES[what])
    text = render_to_string(
        "accounts/notice.txt",
        {
            "title": title,
            "detail": detail,
            "handle": user.handle,
            "site_name": site,
            "site_url": settings.SITE_URL,
            "at": timezone.now(),
            "is_by_operator": by is not None and by.pk != user.pk,
            "address": request.META.get("REMOTE_ADDR") or _("unknown"),
            "user_agent": request.META.get("HTTP_USER_AGENT", "")[:USER_AGENT_LENGTH_MAX],
        },
    )
    for address in addresses:
        try:
            EmailMessage(f"[{site}] {title}", text, to=[address]).send()
        except (OSError, smtplib.SMTPException) as fault:
            log.error("notice_not_sent", what=what, user=user.pk, because=str(fault))
