"""`/portfolio/standing/`: standing orders, to see, create and stop."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from accounts.api.admission import admit_sync
from accounts.api.principal import require_verified
from accounts.models import Account, User
from accounts.numbers import read_number
from kernel.errors import ApiError, describe, not_found
from kernel.ids import check_id
from kernel.units import UnitError, parse_amount_micros, parse_quantity_lots
from markets.actions import check_not_in_maintenance
from markets.models import Market
from markets.queries import get_market
from trading import actions
from trading.actions import NewStandingOrder
from trading.contracts import Contract, get_outcome, name_contract
from trading.models import StandingOrder
from trading.pages import rows
from trading.pages.entry import get_principal
from trading.pages.portfolio import read_head
from trading.pages.words import describe_end, explain
from trading.wire.commands import SIDES
from trading.wire.options import mirror_pips
from trading.wire.render import SIDE_NAMES

ROWS_SHOWN: Final = 200
TEXT: Final = {"class": "input w-full num", "inputmode": "decimal"}
FIELD_OF: Final = {"amount": "quantity", "daily_budget": "daily_budget", "until": "until"}
"""The form's field of a refusal's, where they have other names."""


class StandingRow(NamedTuple):
    """A standing order as shown: NO at its own price."""

    standing: StandingOrder
    market: Market

    @property
    def contract(self) -> Contract:
        row = self.standing
        outcome = get_outcome(self.market, row.outcome_index, as_no=row.as_no)
        return name_contract(self.market, outcome.code, is_mirrored=row.as_no)

    @property
    def side(self) -> str:
        row = self.standing
        return SIDE_NAMES[-row.side if row.as_no else row.side]

    @property
    def price_pips(self) -> int:
        return mirror_pips(self.standing.price_pips, as_no=self.standing.as_no)

    @property
    def end_text(self) -> str:
        reason = self.standing.stop_reason
        texts = {"stopped_by_owner": _("you stopped it"), "ended": _("its last day is over")}
        return "" if not reason else texts.get(reason) or describe_end(reason)


class LocalizedUnitField(forms.CharField):
    """An exact number, typed in the page's language; its value is in units."""

    def __init__(self, parse: Callable[[str], int], **options: Any) -> None:
        widget = forms.TextInput(TEXT)
        super().__init__(max_length=30, strip=True, widget=widget, **options)
        self.parse = parse

    def clean(self, value: Any) -> int | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            return self.parse(read_number(text))
        except UnitError as fault:
            raise forms.ValidationError(describe(fault), code=fault.code) from None


class StandingOrderForm(forms.Form):
    """What to keep in one market: a number of contracts, or what a daily budget buys."""

    outcome = forms.ChoiceField(label=gettext_lazy("Outcome"))
    side = forms.ChoiceField(label=gettext_lazy("Side"))
    price = forms.CharField(
        max_length=30, label=gettext_lazy("Price per contract"), widget=forms.TextInput(TEXT)
    )
    quantity = LocalizedUnitField(
        parse_quantity_lots, required=False, label=gettext_lazy("Contracts to keep in the book")
    )
    daily_budget = LocalizedUnitField(
        parse_amount_micros, required=False, label=gettext_lazy("Or a daily budget")
    )
    until = forms.DateTimeField(
        required=False,
        label=gettext_lazy("Until (optional)"),
        widget=forms.DateTimeInput({"type": "datetime-local", "class": "input w-full"}),
    )

    def __init__(self, market: Market, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.market = market
        self.fields["outcome"].choices = [
            (outcome.code, name_contract(market, outcome.code).label)
            for outcome in market.outcomes.all()
        ]
        self.fields["side"].choices = [("buy", _("Buy")), ("sell", _("Sell"))]
        for name in ("outcome", "side"):
            self.fields[name].widget.attrs["class"] = "select w-full"

    def clean(self) -> dict[str, Any]:
        """Read the price as the outcome's: of a scalar market it is a number of the range."""
        said = super().clean() or {}
        if "price" in said and "outcome" in said:
            contract = name_contract(self.market, said["outcome"])
            try:
                said["price"] = contract.parse_price(read_number(said["price"]))
            except UnitError as fault:
                self.add_error("price", explain(fault, self.market).text)
        return said


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def standing_orders(request: HttpRequest) -> HttpResponse:
    """The list, and with `?market=` the form for that market."""
    slug = request.GET.get("market")
    form: StandingOrderForm | None = None
    market: Market | None = None
    if slug is not None:
        market = get_market(slug, user=cast("User", request.user))
        form = StandingOrderForm(market, request.POST if request.method == "POST" else None)
        if form.is_bound and form.is_valid() and _create(request, market, form):
            messages.success(request, _("The first order is placed within seconds."))
            return redirect("portfolio_standing")
    head = read_head(request, "standing")
    context = {
        "head": head,
        "form": form,
        "market": market,
        "standing_orders": list_rows(head.account.pk),
        "held": [one for one in head.markets.values() if one.status == Market.Status.OPEN],
    }
    status = 422 if form is not None and form.is_bound else 200
    return render(request, "trading/portfolio_standing.html", context, status=status)


@require_POST
@login_required
def stop_standing_order(request: HttpRequest, standing_id: str) -> HttpResponse:
    try:
        own = StandingOrder.objects.filter(account=get_principal(request).account_id)
        standing = own.filter(pk=check_id(standing_id)).first()
    except ValueError:
        standing = None
    if standing is None:
        raise not_found("this standing order")
    try:
        _check_may_trade(request)
        actions.do_stop_standing_order(standing)
    except ApiError as error:
        messages.error(request, describe(error, "order"))
    else:
        messages.success(request, _("Standing order stopped."))
    return redirect("portfolio_standing")


def list_rows(account_id: int) -> list[StandingRow]:
    """Return those that go on, then those that were stopped, newest first."""
    own = StandingOrder.objects.filter(account=account_id).order_by("-id")[:ROWS_SHOWN]
    found = sorted(own, key=lambda row: row.stopped_at is not None)
    markets = rows.read_markets({row.market_id for row in found})
    return [StandingRow(row, markets[row.market_id]) for row in found]


def _create(request: HttpRequest, market: Market, form: StandingOrderForm) -> bool:
    """Create it; if refused, return False with the error on the form."""
    said = form.cleaned_data
    asked = NewStandingOrder(
        outcome=said["outcome"],
        side=said["side"],
        price_pips=said["price"],
        quantity_lots=said["quantity"],
        budget_micros=said["daily_budget"],
        until=said["until"],
    )
    assert asked.side in SIDES
    try:
        account = Account.objects.get(pk=_check_may_trade(request))
        actions.do_create_standing_order(account, market, asked)
    except ApiError as error:
        field, text = explain(error, market)
        name = error.field if error.field in form.fields else FIELD_OF.get(field, field)
        form.add_error(name if name in form.fields else None, text)
        return False
    return True


def _check_may_trade(request: HttpRequest) -> int:
    """Apply the API's checks (scope, limits, maintenance); return the account."""
    principal = get_principal(request)
    require_verified(principal)
    check_not_in_maintenance()
    admit_sync(principal, "write", "trade")
    return principal.account_id
