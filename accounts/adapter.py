"""allauth's adapters: sign-up by policy with account and grant; suspended users stay out."""

from typing import Any, NamedTuple, cast

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.actions import (
    check_create_user,
    do_revoke_api_keys,
    do_welcome_user,
    is_retired,
    record_audit,
)
from accounts.api.principal import forget_user
from accounts.models import ApiKey, User
from accounts.notices import find_addresses, notify
from accounts.pages.errors import show_error
from accounts.policy import get_policy
from accounts.sign_on import require_recent_sign_on
from kernel.errors import ApiError
from web import limits

UNKNOWN_IP = "::"
SIGN_UP_BACK = "sign_up_back"
"""Session key of the page to continue to after sign-up, and again after the mail."""


class Site(NamedTuple):
    """The site's name and address for mails, with django.contrib.sites' interface."""

    name: str
    domain: str


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return get_policy().sign_up != "closed"

    def get_client_ip(self, request: HttpRequest) -> str:
        # The middleware has already found the address behind trusted proxies.
        return request.META.get("REMOTE_ADDR") or UNKNOWN_IP

    def clean_username(self, username: str, shallow: bool = False) -> str:
        handle: str = super().clean_username(username, shallow)
        if is_retired(handle):
            raise ValidationError(_("This handle is taken."), code="handle_taken")
        return handle

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        try:
            with transaction.atomic():
                return self._save_user(request, user, form, commit)
        except IntegrityError:  # another user took the name meanwhile
            check_create_user(email=user.email, handle=user.handle)
            raise

    def _save_user(self, request: HttpRequest, user: User, form: Any, commit: bool) -> User:
        user = super().save_user(request, user, form, commit=commit)
        if commit:
            user.accounts.create()
            do_welcome_user(user, invite=getattr(form, "invite", None))
            record_audit("create_user", user, by=None, after={"handle": user.handle})
        return user

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        if user.is_suspended:
            message = _("Your balance and positions are kept; the operators can tell you more")
            return show_error(request, 403, message, heading=_("Your account is suspended."))
        return super().pre_login(request, user, **kwargs)

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        is_confirmed: bool = super().confirm_email(request, email_address)
        forget_user(email_address.user_id)
        return is_confirmed

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        is_required: bool = super().is_reauthentication_required(app=app, **kwargs)
        if is_required:
            require_recent_sign_on(self.request)
        return is_required

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """No-op: the middleware has counted the attempt. allauth counts by account alone, which
        would let anyone lock out any user.
        """

    def reauthenticate(self, user: User, password: str) -> bool:
        try:
            limits.check_attempt("reauthentication", address="", account=str(user.pk))
        except ApiError:
            raise self.validation_error("too_many_login_attempts") from None
        is_theirs: bool = super().reauthenticate(user, password)
        if is_theirs:
            limits.forgive_attempt("reauthentication", address="", account=str(user.pk))
        return is_theirs

    def post_login(
        self,
        request: HttpRequest,
        user: User,
        *,
        signup: bool,
        email: str | None = None,
        **kwargs: Any,
    ) -> HttpResponse:
        record_audit("log_in", user, by=user)
        self._note_log_in(request, email or user.email)
        response = super().post_login(request, user, signup=signup, email=email, **kwargs)
        if signup:
            self._welcome(request, user, response["Location"])
        return response

    def get_email_verification_redirect_url(self, email_address: EmailAddress) -> str:
        """Continue to the sign-up's target page, if it happened in this browser."""
        back = self.request.session.pop(SIGN_UP_BACK, "")
        return back or str(super().get_email_verification_redirect_url(email_address))

    def _welcome(self, request: HttpRequest, user: User, back: str) -> None:
        """Show `partials/welcome.html` at the top of the next page."""
        is_confirmed = EmailAddress.objects.filter(user=user, verified=True).exists()
        if not is_confirmed:
            request.session[SIGN_UP_BACK] = back
        said = {"site": get_policy().site_name, "handle": user.handle}
        text = _("Welcome to %(site)s, %(handle)s!") % said
        messages.success(request, text, extra_tags="welcome" if is_confirmed else "welcome confirm")

    def _note_log_in(self, request: HttpRequest, email: str) -> None:
        address = self.get_client_ip(request)
        limits.forgive_attempt("log_in", address=address, account=email)

    def format_email_subject(self, subject: str) -> str:
        return f"[{get_policy().site_name}] {subject}"

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        site = Site(get_policy().site_name, settings.SITE_URL)
        super().send_mail(template_prefix, email, {**context, "current_site": site})

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        """A new password ends sessions but not API keys, so the user is shown the keys."""
        keys = ApiKey.objects.live().filter(account__owner=cast("User", request.user)).count()
        if not keys:
            return str(super().get_password_change_redirect_url(request))
        message = ngettext(
            "%(count)d API key still works. Revoke it if you don't recognise it.",
            "%(count)d API keys still work. Revoke any you don't recognise.",
            keys,
        )
        messages.warning(request, message % {"count": keys})
        return reverse("account_keys")

    def send_notification_mail(
        self,
        template_prefix: str,
        user: User,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        """Called after each change of password, address or second factor: audit and notify."""
        what, said = template_prefix.rsplit("/", 1)[-1], context or {}
        record_audit(what, user, by=user)
        if what == "password_reset":  # an intruder may have created keys with the old one
            do_revoke_api_keys(user, by=user)
            self._note_log_in(self.request, user.email)
        addresses = find_addresses(user, filter(None, [email, said.get("deleted_email")]))
        notify(user, what, addresses, request=self.request, detail=_describe_change(said))


def _describe_change(said: dict[str, Any]) -> str:
    """Return what changed, from allauth's context."""
    if "to_email" in said:
        return f"{said['from_email']} → {said['to_email']}"
    provider = said.get("provider")
    named = said.get("address") or said.get("deleted_email") or getattr(provider, "name", "")
    return str(named)


class MfaAdapter(DefaultMFAAdapter):
    def get_totp_issuer(self) -> str:
        return get_policy().site_name

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Return the relying party, whose name browsers show when they ask for a passkey."""
        return {**super().get_public_key_credential_rp_entity(), "name": get_policy().site_name}
