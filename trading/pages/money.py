"""`/portfolio/money/`: request deposits and withdrawals, see their status, cancel them."""

from collections.abc import Callable
from typing import Any, Final, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from accounts.actions import (
    do_cancel_deposit,
    do_cancel_withdrawal,
    do_request_deposit,
    do_request_withdrawal,
)
from accounts.api.admission import admit_sync
from accounts.api.principal import Principal, require_verified
from accounts.idempotency import run_once
from accounts.models import Account, DepositRequest, User, WithdrawalRequest
from accounts.numbers import read_number
from kernel.errors import ApiError, describe, not_found
from kernel.ids import check_id, new_id
from kernel.texts import validate_text
from kernel.units import UnitError, parse_amount_micros
from markets.actions import check_not_in_maintenance
from trading.pages.entry import get_principal
from trading.pages.portfolio import read_head

REQUESTS_SHOWN: Final = 50
KINDS: Final[dict[str, tuple[Any, Callable[..., Any], Callable[..., Any]]]] = {
    "withdrawal": (WithdrawalRequest, do_request_withdrawal, do_cancel_withdrawal),
    "deposit": (DepositRequest, do_request_deposit, do_cancel_deposit),
}
"""Kind of request: its model, its action, its cancellation."""


class LocalizedAmountField(forms.CharField):
    """An exact amount, typed in the page's language; its value is micros."""

    def clean(self, value: Any) -> int:
        text = super().clean(value)
        try:
            return parse_amount_micros(read_number(text))
        except UnitError as fault:
            raise forms.ValidationError(describe(fault), code=fault.code) from None


class OnceForm(forms.Form):
    """`key` makes a form that is submitted twice one request."""

    key = forms.CharField(max_length=64, widget=forms.HiddenInput)

    def refuse(self, field: str | None, refusal: ApiError) -> None:
        """Show a refusal. It has used up the key, so what is corrected has another."""
        self.add_error(field, describe(refusal))
        data: Any = self.data
        self.data = {**data.dict(), "key": new_id()}


class MoneyForm(OnceForm):
    kind = forms.ChoiceField(choices=[(name, name) for name in KINDS], widget=forms.HiddenInput)
    amount = LocalizedAmountField(
        label=gettext_lazy("Amount"),
        max_length=30,
        strip=True,
        widget=forms.TextInput({"class": "input w-full num", "inputmode": "decimal"}),
    )
    note = forms.CharField(
        label=gettext_lazy("Note to the operators"),
        max_length=200,
        required=False,
        widget=forms.TextInput({"class": "input w-full"}),
        validators=[validate_text],
    )


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def money(request: HttpRequest) -> HttpResponse:
    asked = request.POST.get("kind", "") if request.method == "POST" else ""
    money_forms = {kind: _build_form(kind) for kind in KINDS}
    if asked in KINDS:
        form = MoneyForm(request.POST, prefix=None, auto_id=f"{asked}_%s")
        if form.is_valid() and _submit(request, form):
            messages.success(request, _("Your request is with the operators."))
            return redirect("portfolio_money")
        money_forms[asked] = form
    context = {
        "head": read_head(request, "money"),
        "withdrawal_form": money_forms["withdrawal"],
        "deposit_form": money_forms["deposit"],
        "requests": list_requests(get_principal(request).account_id),
    }
    return render(request, "trading/portfolio_money.html", context, status=422 if asked else 200)


@require_POST
@login_required
def cancel_request(request: HttpRequest, kind: str, request_id: str) -> HttpResponse:
    model, _do_request, do_cancel = KINDS[kind]
    principal = get_principal(request)
    try:
        row = model.objects.filter(account=principal.account_id, pk=check_id(request_id)).first()
    except ValueError:
        row = None
    if row is None:
        raise not_found("this request")
    try:
        _check_may_ask(principal)
        do_cancel(row, by=cast("User", request.user))
    except ApiError as error:
        messages.error(request, describe(error))
    else:
        messages.success(request, _("Request withdrawn."))
    return redirect("portfolio_money")


def list_requests(account_id: int) -> list[Any]:
    """Return the newest requests of both kinds, newest first."""
    found = [
        row
        for model, _do_request, _do_cancel in KINDS.values()
        for row in model.objects.filter(account=account_id).order_by("-id")[:REQUESTS_SHOWN]
    ]
    found.sort(key=lambda row: row.id, reverse=True)
    for row in found:
        row.kind = "withdrawal" if isinstance(row, WithdrawalRequest) else "deposit"
        row.status_text = name_status(row.status)
    return found[:REQUESTS_SHOWN]


def name_status(status: str) -> str:
    names = {
        "requested": _("Waiting"),
        "approved": _("Approved"),
        "rejected": _("Declined"),
        "cancelled": _("Withdrawn"),
    }
    return names[status]


def _build_form(kind: str) -> MoneyForm:
    return MoneyForm(initial={"kind": kind, "key": new_id()}, auto_id=f"{kind}_%s")


def _submit(request: HttpRequest, form: MoneyForm) -> bool:
    """Make the request, once per key; if refused, return False with errors on the form."""
    asked = form.cleaned_data
    body = {"amount": asked["amount"], "note": asked["note"]}
    principal = get_principal(request)
    account = Account.objects.get(pk=principal.account_id)
    do_request = KINDS[asked["kind"]][1]

    def effect() -> tuple[int, Any]:
        user = cast("User", request.user)
        row = do_request(account, amount_micros=asked["amount"], by=user, note=asked["note"])
        return 201, {"id": row.id.hex}

    try:
        _check_may_ask(principal)
        run_once(account.pk, asked["key"], f"page_{asked['kind']}", body, effect)
    except ApiError as error:
        form.refuse("amount" if error.field == "amount" else None, error)
        return False
    return True


def _check_may_ask(principal: Principal) -> None:
    """Apply the API's checks: scope, limits and maintenance."""
    require_verified(principal)
    check_not_in_maintenance()
    admit_sync(principal, "write", "manage")
