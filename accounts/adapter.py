"""How allauth's pages act on our users: sign-up by policy, with account and grant; no suspended."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from accounts.actions import do_welcome_user, record_audit
from accounts.models import User
from accounts.policy import get_policy


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return get_policy().sign_up != "closed"

    def get_client_ip(self, request: HttpRequest) -> str:
        # The door has already found the address behind trusted proxies.
        return request.META.get("REMOTE_ADDR", "")

    @transaction.atomic
    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        user = super().save_user(request, user, form, commit=commit)
        if commit:
            user.accounts.create()
            do_welcome_user(user, invite=getattr(form, "invite", None))
            record_audit("create_user", user, by=None, after={"handle": user.handle})
        return user

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        record_audit("log_in", user, by=user)
        return super().post_login(request, user, **kwargs)

    def send_notification_mail(
        self, template_prefix: str, user: User, *args: Any, **kwargs: Any
    ) -> None:
        """Called after each change of password, address or second factor: here it is recorded."""
        record_audit(template_prefix.rsplit("/", 1)[-1], user, by=user)
        super().send_notification_mail(template_prefix, user, *args, **kwargs)

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        if user.is_suspended:
            return HttpResponse(
                "This account is suspended.\n", status=403, content_type="text/plain; charset=utf-8"
            )
        return super().pre_login(request, user, **kwargs)
