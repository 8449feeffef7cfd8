"""Accounts, with actions on their orders."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from accounts.admin import AccountAdmin
from accounts.admin_actions import AdminAction
from accounts.models import Account, User
from accounts.models.account import OWNED_KINDS
from trading.actions import do_cancel_orders
from trading.admin import grants

admin.site.unregister(Account)


class CancelOrdersAction(AdminAction):
    title = _("Cancel all orders")
    done = _("All open orders are cancelled.")
    permission = "accounts.suspend_users"
    explanation = _("Every open order of the account is cancelled; it may place others.")
    needs_reason = True

    @classmethod
    def is_available(cls, row: Account) -> bool:
        return row.kind in OWNED_KINDS

    def do(self, row: Account, *, by: User, reason: str) -> None:
        do_cancel_orders(row, by=by, reason=reason)


@admin.register(Account)
class TradingAccountAdmin(AccountAdmin):
    acts = {**AccountAdmin.acts, "cancel-orders": CancelOrdersAction}
    list_before_template = "admin/accounts/account/grant_link.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.grant_view)
        return [path("grant/", view, name="accounts_account_grant"), *super().get_urls()]

    def grant_view(self, request: HttpRequest) -> HttpResponse:
        return grants.show(self, request)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        may_grant = request.user.has_perm(grants.PERMISSION)
        context = {"may_grant": may_grant, **(extra_context or {})}
        return super().changelist_view(request, context)
