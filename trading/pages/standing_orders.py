"""`/portfolio/standing/`: standing orders, to see, create and stop."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

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
from kernel.units import parse_amount_micros, parse_field, parse_quantity_lots
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
from trading.wire.options import mirror_pips
from trading.wire.render import SIDE_NAMES

ROWS_SHOWN: Final = 200
TEXT: dict[str, Any] = {"class": "input w-full num", "inputmode": "decimal"}
SELECT: dict[str, Any] = {"class": "select w-full"}
FIELD_OF: Final = {"amount": "quantity", "daily_budget": "daily_budget", "until": "until"}
"""The form's field of a refusal's, where they have other names."""


@dataclass(frozen=True)
class StandingRow:
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


class StandingOrderForm(forms.Form):
    """What to keep in one market: a number of contracts, or what a daily budget buys."""

    outcome = forms.ChoiceField(label=gettext_lazy("Outcome"), widget=forms.Select(SELECT))
    side = forms.ChoiceField(label=gettext_lazy("Side"), widget=forms.Select(SELECT))
    price = forms.CharField(
        max_length=30, label=gettext_lazy("Price per contract"), widget=forms.TextInput(TEXT)
    )
    quantity = forms.CharField(
        max_length=30,
        required=False,
        label=gettext_lazy("Contracts to keep in the book"),
        widget=forms.TextInput(TEXT),
    )
    daily_budget = forms.CharField(
        max_length=30,
        required=False,
        label=gettext_lazy("Or a daily budget"),
        widget=forms.TextInput(TEXT),
    )
    until = forms.DateTimeField(
        required=False,
        label=gettext_lazy("Until (optional)"),
        widget=forms.DateTimeInput({"type": "datetime-local", "class": "input w-full"}),
    )


def build_form(market: Market, data: Any = None) -> StandingOrderForm:
    """Return the form for a market, filled in with what was sent."""
    form = StandingOrderForm(data)
    outcomes: Any = form.fields["outcome"]
    sides: Any = form.fields["side"]
    outcomes.choices = [
        (outcome.code, name_contract(market, outcome.code).label)
        for outcome in market.outcomes.all()
    ]
    sides.choices = [("buy", _("Buy")), ("sell", _("Sell"))]
    return form


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def standing_orders(request: HttpRequest) -> HttpResponse:
    """The list, and with `?market=` the form for that market."""
    slug = request.GET.get("market")
    form: StandingOrderForm | None = None
    market: Market | None = None
    if slug is not None:
        market = get_market(slug, user=cast("User", request.user))
        form = build_form(market, request.POST if request.method == "POST" else None)
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
    try:
        account = Account.objects.get(pk=_check_may_trade(request))
        asked = _read_asked(market, form.cleaned_data)
        actions.do_create_standing_order(account, market, asked)
    except ApiError as error:
        field, text = explain(error, market)
        name = error.field if error.field in form.fields else FIELD_OF.get(field, field)
        form.add_error(name if name in form.fields else None, text)
        return False
    return True


def _read_asked(market: Market, said: dict[str, Any]) -> NewStandingOrder:
    """Return what the form asks for. In a scalar market the price is a number of the range."""
    contract = name_contract(market, said["outcome"])
    return NewStandingOrder(
        outcome=said["outcome"],
        side=said["side"],
        price_pips=parse_field(contract.parse_price, read_number(said["price"]), "price"),
        quantity_lots=_read_number(parse_quantity_lots, said, "quantity"),
        budget_micros=_read_number(parse_amount_micros, said, "daily_budget"),
        until=said["until"],
    )


def _read_number(parse: Callable[[str], int], said: dict[str, Any], name: str) -> int | None:
    """Return a number typed in the page's language, if there is one."""
    return parse_field(parse, read_number(said[name]), name) if said[name] else None


def _check_may_trade(request: HttpRequest) -> int:
    """Apply the API's checks (scope, limits, maintenance); return the account."""
    principal = get_principal(request)
    require_verified(principal)
    check_not_in_maintenance()
    admit_sync(principal, "write", "trade")
    return principal.account_id
