"""The exchange as a whole: halted, in maintenance, its announcement. Changed by actions."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.admin_actions import AdminAction
from accounts.admin_base import ReadOnlyAdmin
from accounts.models import User
from markets.actions import do_edit_exchange
from markets.models import Exchange

ROW = 1
ANNOUNCEMENT_LENGTH_MAX = 500


class SwitchAction(AdminAction):
    """Sets one of the exchange's switches."""

    permission = "markets.run_exchange"
    needs_reason = True
    takes_many = False
    switch: ClassVar[str]
    to: ClassVar[bool]

    @classmethod
    def is_available(cls, row: Exchange) -> bool:
        return bool(getattr(row, cls.switch) != cls.to)

    def do(self, row: Exchange, *, by: User, reason: str) -> None:
        setattr(row, self.switch, self.to)
        do_edit_exchange(row, by=by, reason=reason)


class HaltExchangeAction(SwitchAction):
    title = _("Halt all trading")
    done = _("All trading is halted.")
    explanation = _("No market accepts orders from now on. Orders can still be cancelled.")
    is_harmful = True
    switch, to = "trading_halted", True


class ResumeExchangeAction(SwitchAction):
    title = _("Resume trading")
    done = _("Trading is resumed.")
    explanation = _("Open markets accept orders again.")
    switch, to = "trading_halted", False


class StartMaintenanceAction(SwitchAction):
    title = _("Start maintenance")
    done = _("Maintenance has started.")
    explanation = _(
        "Read-only: every write is refused, and scheduled openings, closings and payments wait."
    )
    is_harmful = True
    switch, to = "maintenance", True


class EndMaintenanceAction(SwitchAction):
    title = _("End maintenance")
    done = _("Maintenance has ended.")
    explanation = _("Everything works again; whatever came due in the meantime is done now.")
    switch, to = "maintenance", False


class AnnounceAction(AdminAction):
    title = _("Announce")
    done = _("The announcement is saved.")
    permission = "markets.run_exchange"
    explanation = _("Shown on every page at once. Leave empty to announce nothing.")
    takes_many = False
    reason = None  # the audit event records the text

    announcement = forms.CharField(
        label=_("Announcement"),
        required=False,
        max_length=ANNOUNCEMENT_LENGTH_MAX,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
    )

    def prepare(self) -> None:
        [exchange] = self.rows
        self.fields["announcement"].initial = exchange.announcement

    def do(self, row: Exchange, *, by: User, reason: str) -> None:
        row.announcement = self.cleaned_data["announcement"]
        do_edit_exchange(row, by=by)


@admin.register(Exchange)
class ExchangeAdmin(ReadOnlyAdmin):
    acts = {
        "announce": AnnounceAction,
        "halt": HaltExchangeAction,
        "resume": ResumeExchangeAction,
        "start-maintenance": StartMaintenanceAction,
        "end-maintenance": EndMaintenanceAction,
    }
    fields = ["trading_halted", "maintenance", "announcement", "updated_at"]
    readonly_fields: ClassVar[Any] = fields

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return redirect("admin:markets_exchange_change", ROW)  # there is one

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("markets.run_exchange"))
