"""Owners' requests for withdrawals and deposits, decided here."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.actions import do_decide_deposit, do_decide_withdrawal
from accounts.admin_actions import AdminAction
from accounts.admin_base import HexRecordAdmin, Link, find_url, link_to, show_amount, show_id
from accounts.models import DepositRequest, User, WithdrawalRequest
from accounts.templatetags.predex import money

NAMED_MAX = 20


class DecideRequestAction(AdminAction):
    decide: ClassVar[Callable[..., Any]]
    is_approval: ClassVar[bool] = True
    reason_length_max = 200

    @classmethod
    def is_available(cls, row: Any) -> bool:
        return bool(row.is_open)

    def describe(self) -> Iterable[tuple[Any, Any]]:
        for row in self.rows[:NAMED_MAX]:
            yield str(row.account), f"{money(row.amount_micros)}  {row.note}"
        yield _("Together"), money(sum(row.amount_micros for row in self.rows))

    def do(self, row: Any, *, by: User, reason: str) -> None:
        type(self).decide(row, approve=self.is_approval, by=by, reason=reason)


class RejectRequestAction(DecideRequestAction):
    is_approval = False
    is_harmful = True
    needs_reason = True


class ApproveWithdrawalAction(DecideRequestAction):
    title = _("Approve withdrawal")
    done = _("The withdrawal is approved.")
    permission = "accounts.decide_withdrawals"
    explanation = _("The amount leaves the exchange: pay out its value.")
    decide = staticmethod(do_decide_withdrawal)


class RejectWithdrawalAction(RejectRequestAction):
    title = _("Reject withdrawal")
    done = _("The withdrawal is rejected.")
    permission = "accounts.decide_withdrawals"
    explanation = _("The amount is released. The owner sees the reason.")
    decide = staticmethod(do_decide_withdrawal)


class ApproveDepositAction(DecideRequestAction):
    title = _("Approve deposit")
    done = _("The deposit is approved.")
    permission = "accounts.decide_deposits"
    explanation = _("Books the amount. Make sure the payment has arrived.")
    decide = staticmethod(do_decide_deposit)


class RejectDepositAction(RejectRequestAction):
    title = _("Reject deposit")
    done = _("The deposit is rejected.")
    permission = "accounts.decide_deposits"
    explanation = _("Nothing is booked. The owner sees the reason.")
    decide = staticmethod(do_decide_deposit)


class RequestAdmin(HexRecordAdmin):
    list_display = [
        show_id(),
        "requested_at",
        link_to("account", _("account")),
        show_amount("amount_micros", _("amount")),
        "status",
        "note",
        "decided_by",
    ]
    list_select_related = ["account__owner", "decided_by"]
    list_filter = ["status"]
    search_help_text = _("Exact id or handle")
    fields = [
        "id", "requested_at", "account", "amount", "note", "status", "decided_by", "decided_at",
        "reason",
    ]  # fmt: skip
    readonly_fields: ClassVar[Any] = fields
    amount = staticmethod(show_amount("amount_micros", _("amount")))

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("account__owner")

    def get_links(self, row: Any) -> Iterable[Link]:
        yield Link(_("Account"), find_url(row.account))


@admin.register(WithdrawalRequest)
class WithdrawalRequestAdmin(RequestAdmin):
    acts = {"approve": ApproveWithdrawalAction, "reject": RejectWithdrawalAction}


@admin.register(DepositRequest)
class DepositRequestAdmin(RequestAdmin):
    acts = {"approve": ApproveDepositAction, "reject": RejectDepositAction}
