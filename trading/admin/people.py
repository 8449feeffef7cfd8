"""Users and accounts, with what concerns their orders."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from accounts.admin import AccountAdmin, SuspendAct, UserAdmin
from accounts.admin_acts import Act
from accounts.errors import ApiError
from accounts.models import Account, User
from accounts.models.account import OWNED_KINDS
from trading.actions import do_cancel_orders

admin.site.unregister([Account, User])


class StopAct(SuspendAct):
    """Suspends, and cancels what rests in the books: now if the engines answer, else soon."""

    def do(self, row: User, *, by: User, reason: str) -> None:
        super().do(row, by=by, reason=reason)
        for account in row.accounts.all():
            try:
                do_cancel_orders(account, by=by, reason=reason)
            except ApiError:  # the scheduled task cancels them as soon as the engine is back
                continue


@admin.register(User)
class TradingUserAdmin(UserAdmin):
    acts = {**UserAdmin.acts, "suspend": StopAct}


class CancelOrdersAct(Act):
    title = _("Cancel all orders")
    permission = "accounts.suspend_users"
    explanation = _("Every open order of the account is cancelled; it may place others.")
    needs_reason = True

    @classmethod
    def fits(cls, row: Account) -> bool:
        return row.kind in OWNED_KINDS

    def do(self, row: Account, *, by: User, reason: str) -> None:
        do_cancel_orders(row, by=by, reason=reason)


@admin.register(Account)
class TradingAccountAdmin(AccountAdmin):
    acts = {**AccountAdmin.acts, "cancel-orders": CancelOrdersAct}
