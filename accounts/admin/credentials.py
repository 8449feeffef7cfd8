"""API keys and API sessions: shown without their secrets, and revoked."""

from collections.abc import Iterable

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.actions import do_end_login, do_revoke_api_key
from accounts.admin_actions import AdminAction
from accounts.admin_base import HexRecordAdmin, link_to, show_id
from accounts.models import ApiKey, LoginSession, User


class RevokeCredentialAction(AdminAction):
    permission = "accounts.suspend_users"
    is_harmful = True
    reason = None  # the actions keep none

    @classmethod
    def is_available(cls, row: ApiKey | LoginSession) -> bool:
        return row.revoked_at is None


class RevokeKeyAction(RevokeCredentialAction):
    title = _("Revoke")
    done = _("The key is revoked.")
    explanation = _("The key stops working within a second, for good.")

    def do(self, row: ApiKey, *, by: User, reason: str) -> None:
        do_revoke_api_key(row, by=by)


class EndLoginAction(RevokeCredentialAction):
    title = _("End session")
    done = _("The session is ended.")
    explanation = _("The program has to log in again.")

    def do(self, row: LoginSession, *, by: User, reason: str) -> None:
        do_end_login(row, by=by)


@admin.register(ApiKey)
class ApiKeyAdmin(HexRecordAdmin):
    acts = {"revoke": RevokeKeyAction}
    list_display = [
        "prefix",
        "name",
        link_to("account", _("account")),
        "scopes",
        "last_used_at",
        "expires_at",
        "revoked_at",
    ]
    list_select_related = ["account__owner"]
    exclude = ["digest"]
    search_help_text = _("Exact id, key prefix or handle")

    def find_by_id(self, term: str) -> Iterable[Q]:
        yield from super().find_by_id(term)
        yield Q(prefix=term)


@admin.register(LoginSession)
class LoginSessionAdmin(HexRecordAdmin):
    acts = {"end": EndLoginAction}
    list_display = [
        show_id(),
        link_to("user", _("user")),
        "address",
        "user_agent",
        "used_second_factor",
        "created_at",
        "expires_at",
        "revoked_at",
    ]
    list_select_related = ["user"]
    exclude = ["password_stamp"]
    search_help_text = _("Exact id or handle")

    def find_by_account(self, handle: str) -> Iterable[Q]:
        yield Q(user__handle=handle)
