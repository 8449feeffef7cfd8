"""What operators do to markets that trade, added to the pages of `markets` and `accounts`.

Buttons act on selected rows with the note as reason; what asks for more has a page of its own
(`forms`). All of it is `trading.actions`, which checks again and leaves an audit event.
"""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from accounts.admin import AccountAdmin
from accounts.admin_base import act_on_each, get_operator
from accounts.errors import ApiError, RefusedError
from accounts.models import Account, User
from markets.admin import DisputeAdmin, MarketAdmin, NoteActionForm, ResolutionAdmin
from markets.models import Dispute, Market, Resolution
from trading.actions import (
    do_approve_result,
    do_cancel_orders,
    do_close_market,
    do_decide_dispute,
    do_halt_market,
    do_open_market,
    do_resume_market,
    do_withdraw_result,
)
from trading.actions.results import may_void
from trading.admin.forms import FORMS

admin.site.unregister([Account, Dispute, Market, Resolution])


def _each(
    request: HttpRequest, rows: QuerySet, act: Callable[..., Any], done: str, **options: Any
) -> None:
    """Act on each row in the name of the operator, with the note as `reason`."""
    reason = request.POST.get("note", "")
    by = get_operator(request)
    act_on_each(request, rows, lambda row: act(row, by=by, reason=reason, **options), done)


@admin.register(Market)
class LiveMarketAdmin(MarketAdmin):
    actions = [*MarketAdmin.actions, "open_now", "halt", "resume", "close"]

    @admin.action(permissions=["change"], description="Open selected drafts")
    def open_now(self, request: HttpRequest, rows: QuerySet) -> None:
        _each(request, rows, do_open_market, "opened")

    @admin.action(permissions=["change"], description="Halt selected markets")
    def halt(self, request: HttpRequest, rows: QuerySet) -> None:
        _each(request, rows, do_halt_market, "halted")

    @admin.action(permissions=["change"], description="Resume selected markets")
    def resume(self, request: HttpRequest, rows: QuerySet) -> None:
        _each(request, rows, do_resume_market, "resumed")

    @admin.action(permissions=["change"], description="Close selected markets for good")
    def close(self, request: HttpRequest, rows: QuerySet) -> None:
        _each(request, rows, do_close_market, "closed")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.ask)
        own = path("<int:market_id>/do/<slug:name>/", view, name="markets_market_do")
        return [own, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> Any:
        market = self.get_object(request, object_id)
        offered = {
            form.title: reverse("admin:markets_market_do", args=[market.pk, name])
            for name, form in FORMS.items()
            if market is not None and market.status in form.statuses
        }
        context = {**(extra_context or {}), "offered": offered}
        return super().change_view(request, object_id, form_url, context)

    def ask(self, request: HttpRequest, market_id: int, name: str) -> HttpResponse:
        """Show a form of `forms`, and do what it says."""
        market = get_object_or_404(Market, pk=market_id)
        if not self.has_view_permission(request, market):
            raise PermissionDenied
        if name not in FORMS:
            raise Http404
        form = FORMS[name](request.POST or None, market=market)
        if request.method == "POST" and form.is_valid():
            try:
                form.act(get_operator(request))
            except ApiError as refusal:
                form.add_error(None, refusal.message)
            else:
                messages.success(request, f"{form.title}: done.")
                return redirect("admin:markets_market_change", market_id)
        site = self.admin_site.each_context(request)
        context = {**site, "opts": self.opts, "market": market, "form": form, "title": form.title}
        return TemplateResponse(request, "admin/markets/market/ask.html", context)


@admin.register(Resolution)
class LiveResolutionAdmin(ResolutionAdmin):
    action_form = NoteActionForm
    actions = ["approve", "withdraw"]

    @admin.action(permissions=["resolve"], description="Approve as the second person")
    def approve(self, request: HttpRequest, rows: QuerySet) -> None:
        _each(request, rows, _approve, "approved")

    @admin.action(permissions=["resolve"], description="Withdraw what is not paid yet")
    def withdraw(self, request: HttpRequest, rows: QuerySet) -> None:
        _each(request, rows, _withdraw, "withdrawn")

    def has_resolve_permission(self, request: HttpRequest) -> bool:
        return may_void(get_operator(request))


@admin.register(Dispute)
class LiveDisputeAdmin(DisputeAdmin):
    action_form = NoteActionForm
    actions = ["uphold", "dismiss"]

    @admin.action(permissions=["decide"], description="Uphold: withdraw the result")
    def uphold(self, request: HttpRequest, rows: QuerySet) -> None:
        _each(request, rows, _decide, "upheld", uphold=True)

    @admin.action(permissions=["decide"], description="Dismiss selected disputes")
    def dismiss(self, request: HttpRequest, rows: QuerySet) -> None:
        _each(request, rows, _decide, "dismissed", uphold=False)

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return may_void(get_operator(request))


def _approve(result: Resolution, *, by: User, reason: str) -> None:
    do_approve_result(_get_market(result), by=by, reason=reason)


def _withdraw(result: Resolution, *, by: User, reason: str) -> None:
    do_withdraw_result(_get_market(result), by=by, reason=reason)


def _decide(dispute: Dispute, *, by: User, reason: str, uphold: bool) -> None:
    market, handle = _get_market(dispute.resolution), dispute.raised_by.handle
    do_decide_dispute(market, by=by, raised_by=handle, uphold=uphold, note=reason)


def _get_market(result: Resolution) -> Market:
    """Return the market of a result that stands: actions are about no other one."""
    if result.withdrawn_at is not None:
        raise RefusedError("not_resolving", "this result was withdrawn", status=409)
    return result.market


@admin.register(Account)
class TradingAccountAdmin(AccountAdmin):
    actions = ["cancel_orders", *AccountAdmin.actions]

    @admin.action(permissions=["close"], description="Cancel every open order")
    def cancel_orders(self, request: HttpRequest, rows: QuerySet) -> None:
        _each(request, rows, do_cancel_orders, "left without orders")
