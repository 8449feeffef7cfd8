"""`/account/subaccounts/`: own accounts and balances; open one, move credits between them."""

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from accounts.actions import do_move_funds, do_open_subaccount
from accounts.api.admission import admit_sync
from accounts.api.principal import require_verified
from accounts.idempotency import run_once
from accounts.models import Account, User
from accounts.pages.keys import name_account
from accounts.queries import list_internal_transfers
from kernel.errors import ApiError, describe
from kernel.ids import new_id
from markets.actions import check_not_in_maintenance
from trading.models import Order, Position
from trading.pages.entry import get_principal
from trading.pages.money import LocalizedAmountField, OnceForm

MOVES_SHOWN = 20
UNPROCESSABLE = 422


class AccountField(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return _name(obj)


class MoveForm(OnceForm):
    source = AccountField(Account.objects.none(), label=gettext_lazy("From account"))
    target = AccountField(Account.objects.none(), label=gettext_lazy("To account"))
    amount = LocalizedAmountField(
        label=gettext_lazy("Amount"),
        max_length=30,
        strip=True,
        widget=forms.TextInput({"class": "input w-full num", "inputmode": "decimal"}),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = user.accounts.filter(closed_at=None).order_by("number")
        for name in ("source", "target"):
            field = cast("AccountField", self.fields[name])
            field.queryset, field.empty_label = own, None
        self.fields["target"].initial = own.last()


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def subaccounts(request: HttpRequest) -> HttpResponse:
    """The list, and the form that moves credits."""
    user = cast("User", request.user)
    form = MoveForm(request.POST or None, initial={"key": new_id()}, user=user)
    if request.method == "POST" and form.is_valid() and _move(request, form):
        messages.success(request, _("The credits have been moved."))
        return redirect("account_subaccounts")
    accounts = list(user.accounts.order_by("number"))
    context = {
        "tab": "subaccounts",
        "form": form,
        "accounts": [_show(account) for account in accounts],
        "open_accounts": sum(account.closed_at is None for account in accounts),
        "moves": [
            (row, _name(row.debit_account), _name(row.credit_account))
            for row in list_internal_transfers([account.pk for account in accounts]).order_by(
                "-id"
            )[:MOVES_SHOWN]
        ],
    }
    status = UNPROCESSABLE if form.is_bound else 200
    return render(request, "trading/subaccounts.html", context, status=status)


@require_POST
@login_required
def open_subaccount(request: HttpRequest) -> HttpResponse:
    user = cast("User", request.user)
    try:
        _check_may(request)
        account = do_open_subaccount(user, by=user)
    except ApiError as refusal:
        messages.error(request, describe(refusal))
    else:
        messages.success(request, _("%(account)s is open.") % {"account": _name(account)})
    return redirect("account_subaccounts")


def _name(account: Account) -> str:
    return name_account(account.subaccount)


def _show(account: Account) -> dict[str, Any]:
    orders = Order.objects.filter(account=account)
    held = Position.objects.filter(account=account, market__settled_at=None).exclude(net_lots=0)
    return {
        "row": account,
        "name": _name(account),
        "orders": orders.open().count(),
        "positions": held.count(),
    }


def _move(request: HttpRequest, form: MoveForm) -> bool:
    """Move the credits, once per key; if refused, return False with errors on the form."""
    asked = form.cleaned_data
    source, target, amount_micros = (asked[name] for name in ("source", "target", "amount"))
    body = {"from": source.number, "to": target.number, "amount": amount_micros}

    def effect() -> tuple[int, Any]:
        return 201, {"id": do_move_funds(source, target, amount_micros=amount_micros).id.hex}

    try:
        _check_may(request)
        account_id = get_principal(request).account_id
        run_once(account_id, asked["key"], "page_subaccount_transfer", body, effect)
    except ApiError as error:
        field = {"to_subaccount": "target", "amount": "amount"}.get(error.field or "")
        form.refuse(field, error)
        return False
    return True


def _check_may(request: HttpRequest) -> None:
    """Apply the API's checks: scope, limits and maintenance."""
    principal = get_principal(request)
    require_verified(principal)
    check_not_in_maintenance()
    admit_sync(principal, "write", "trade")
