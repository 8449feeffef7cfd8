"""Accounts and transfers: read-only. Credits are added by an action with an audit event."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.actions import check_close_account, do_close_account, do_grant
from accounts.admin_actions import AdminAction
from accounts.admin_base import (
    HexRecordAdmin,
    KnownValuesFilter,
    Link,
    RecordAdmin,
    find_url,
    is_number,
    link_to,
    link_to_list,
    show_amount,
    show_id,
)
from accounts.admin_fields import AmountFormField
from accounts.idempotency import Answer, run_once
from accounts.models import Account, Transfer, User
from accounts.models.account import FOUNDING_KINDS, MARKET_KINDS, OWNED_KINDS
from accounts.numbers import currency_name
from accounts.templatetags.predex import money
from kernel.errors import RefusedError
from kernel.ids import new_id


class GrantAction(AdminAction):
    title = format_lazy(_("Grant {currency}"), currency=currency_name)
    done = _("The amount is granted.")
    permission = "accounts.deposit_credits"
    explanation = format_lazy(
        _("Creates new {currency}, the same amount for each account. Owners are notified."),
        currency=currency_name,
    )
    needs_reason = True

    amount = AmountFormField(
        label=_("Amount"),
        units_min=1,
        help_text=format_lazy(_("In {currency}, like 250 or 12.50."), currency=currency_name),
    )
    key = forms.CharField(max_length=32, widget=forms.HiddenInput)
    field_order = ["amount", "reason", "key"]

    def prepare(self) -> None:
        self.fields["key"].initial = new_id()
        self.fields["reason"].help_text = _("The owner sees it. Kept in the audit log.")

    @classmethod
    def is_available(cls, row: Account) -> bool:
        return row.kind in {*OWNED_KINDS, "house"} and row.closed_at is None

    def describe(self) -> Iterable[tuple[Any, Any]]:
        if len(self.rows) == 1:
            yield _("Available now"), money(self.rows[0].available_micros)

    def do(self, row: Account, *, by: User, reason: str) -> None:
        amount_micros = self.cleaned_data["amount"]

        def effect() -> Answer:
            do_grant(row, amount_micros=amount_micros, by=by, reason=reason)
            return 201, {}

        # The page's idempotency key: submitted twice (double click, reload), it takes effect once.
        body = {"account": row.pk, "amount": amount_micros, "reason": reason}
        key = (
            self.cleaned_data["key"]
            if len(self.rows) == 1
            else f"{self.cleaned_data['key']}.{row.pk}"
        )
        do_once(key, "grant", body, effect, by=by)


def do_once(
    key: str, operation: str, body: dict[str, Any], effect: Callable[[], Answer], *, by: User
) -> None:
    """Execute a form's action once per key, which is stored with the operator's own account."""
    own_account = by.accounts.order_by("number").values_list("pk", flat=True).first()
    if own_account is None:
        raise RefusedError("no_account")
    run_once(own_account, key, operation, body, effect)


class CloseAccountAction(AdminAction):
    title = _("Close for good")
    done = _("The account is closed.")
    permission = "accounts.suspend_users"
    explanation = _(
        "No more orders, keys or withdrawals. Its positions are still paid; a user without "
        "another account can no longer log in."
    )
    is_harmful = True
    needs_reason = True

    @classmethod
    def is_available(cls, row: Account) -> bool:
        return row.kind in OWNED_KINDS and row.closed_at is None

    def do(self, row: Account, *, by: User, reason: str) -> None:
        check_close_account(row)
        do_close_account(row, by=by, reason=reason)


class KindFilter(KnownValuesFilter):
    """Filter by kind of account; users' accounts by default, unless an account is searched."""

    title = _("whose")
    parameter_name = "whose"
    values = [
        ("exchange", _("the exchange's")),
        ("market", _("markets'")),
        ("all", pgettext_lazy("accounts", "all")),
    ]

    def choices(self, changelist: Any) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield {**first, "display": _("people's and programs'")}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        kinds = {"exchange": FOUNDING_KINDS, "market": MARKET_KINDS}.get(self.value() or "")
        if self.value() is None and not request.GET.get("q"):
            kinds = OWNED_KINDS
        return queryset if kinds is None else queryset.filter(kind__in=kinds)


@admin.register(Account)
class AccountAdmin(RecordAdmin):
    acts = {"grant": GrantAction, "close": CloseAccountAction}
    list_display = [
        "__str__",
        "kind",
        show_amount("cash_micros", _("cash")),
        show_amount("held_micros", _("held")),
        show_amount("withdrawing_micros", _("being withdrawn")),
        show_amount("available_micros", _("available")),
        "closed_at",
    ]
    list_filter = [KindFilter]
    list_select_related = ["owner"]
    search_help_text = _("Exact id or handle")
    fields = [
        "id", "owner", "number", "kind", "cash", "held", "withdrawing", "market_id", "created_at",
        "closed_at",
    ]  # fmt: skip
    readonly_fields: ClassVar[Any] = fields
    cash = staticmethod(show_amount("cash_micros", _("cash")))
    held = staticmethod(show_amount("held_micros", _("held")))
    withdrawing = staticmethod(show_amount("withdrawing_micros", _("being withdrawn")))

    def find_by_account(self, handle: str) -> Iterable[Q]:
        yield Q(owner__handle=handle)

    def get_links(self, row: Account) -> Iterable[Link]:
        if row.owner is not None:
            yield Link(_("User"), find_url(row.owner))
            for title, model in (
                (_("Orders"), "trading_order"),
                (_("Trades"), "trading_trade"),
                (_("Positions"), "trading_position"),
                (_("Withdrawals"), "accounts_withdrawalrequest"),
            ):
                yield Link(title, link_to_list(model, row.owner.handle))
        yield Link(_("Transfers"), link_to_list("accounts_transfer", f"account:{row.pk}"))


@admin.register(Transfer)
class TransferAdmin(HexRecordAdmin):
    """Searched by id, handle, or `account:` and the number of an account without a handle."""

    list_display = [
        show_id(),
        "created_at",
        "kind",
        link_to("debit_account", _("from")),
        link_to("credit_account", _("to")),
        show_amount("amount_micros", _("amount")),
    ]
    list_select_related = ["debit_account__owner", "credit_account__owner"]
    search_help_text = _("Exact id or handle")
    account_keys = ("debit_account", "credit_account")
    fields = [
        "id", "created_at", "kind", "debit_account", "credit_account", "amount", "market_id",
        "reference",
    ]  # fmt: skip
    readonly_fields: ClassVar[Any] = fields
    amount = staticmethod(show_amount("amount_micros", _("amount")))

    def find(self, term: str) -> Iterable[Q]:
        yield from super().find(term)
        kind, _colon, number = term.partition(":")
        if kind == "account" and is_number(number):
            yield from (Q(**{key: int(number)}) for key in self.account_keys)
