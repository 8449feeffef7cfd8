"""The viewer's own orders in a market: refresh, amend, cancel.

Without htmx each action returns the market's page. With it an action returns a toast, and the
page's script fetches what has changed.
"""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import reswap, trigger_client_event

from kernel.errors import ApiError
from kernel.units import parse_quantity_lots
from markets.models import Market
from markets.queries import get_market
from trading.contracts import Contract, name_contract
from trading.pages import entry
from trading.pages.desk import Toast, show_errors
from trading.pages.market import show_market
from trading.pages.numbers import show_lots
from trading.pages.own import Amending, build_own_context
from trading.pages.place import OWN_CHANGED, RESTING
from trading.pages.position import describe_bet
from trading.pages.ticket import read_field, read_price
from trading.pages.words import describe_order, explain, is_buy
from trading.wire.fields import number_in
from trading.wire.schema import AmendOrder, CancelledOrders, OrderAnswer

NUMBER_LENGTH_MAX = 30


@require_safe
def own(request: HttpRequest, slug: str) -> HttpResponse:
    """The viewer's position, open orders and fills, as fragments."""
    market = get_market(slug, user=request.user)
    context = {"market": market, **build_own_context(request, market)}
    return render(request, "trading/market/own_all.html", context)


@require_POST
@login_required
def cancel(request: HttpRequest, slug: str, order_id: str) -> HttpResponse:
    """Cancel what is left of an own order; a page may be named as `next`."""
    market = get_market(slug, user=request.user)
    try:
        order: OrderAnswer = entry.send(request, "cancel", order_id=order_id)
    except ApiError as refusal:
        return show_toast(request, market, Toast(explain(refusal, market).text, "error"))
    left_lots = parse_quantity_lots(order.remaining)
    if not left_lots:  # a leg of a bracket whose entry was not filled
        return show_toast(request, market, Toast(_("Order cancelled.")))
    said = {
        "quantity": show_lots(left_lots),
        "outcome": _find_contract(request, market, order).label,
    }
    return show_toast(request, market, Toast(_("Cancelled: %(quantity)s %(outcome)s.") % said))


@require_POST
@login_required
def cancel_all(request: HttpRequest, slug: str) -> HttpResponse:
    """Cancel all own orders of this market."""
    market = get_market(slug, user=request.user)
    try:
        answer: CancelledOrders = entry.send(request, "cancel_all", market=slug)
    except ApiError as refusal:
        return show_toast(request, market, Toast(explain(refusal, market).text, "error"))
    n = answer.count
    text = ngettext("%(n)d order cancelled.", "%(n)d orders cancelled.", n) % {"n": n}
    return show_toast(request, market, Toast(text))


@require_POST
@login_required
def amend(request: HttpRequest, slug: str, order_id: str) -> HttpResponse:
    """Change the price, the total quantity or the trigger of an own order."""
    market = get_market(slug, user=request.user)
    price, quantity = _read(request, "price"), _read(request, "quantity")
    trigger = _read(request, "trigger_price")
    contract = _read_contract(request, market)
    try:
        wanted = AmendOrder(
            price=number_in(read_price(price, contract)),
            quantity=number_in(read_field(quantity, "quantity")),
            trigger_price=number_in(read_price(trigger, contract, field="trigger_price")),
        )
        order: OrderAnswer = entry.send(request, "amend", wanted, order_id=order_id)
    except ApiError as refusal:
        errors = show_errors(refusal, market)
        return _show_again(request, market, Amending(order_id, price, quantity, trigger, errors))
    contract = _find_contract(request, market, order)
    text = describe_order(order, contract)
    if not is_buy(order.side, contract) and order.average_price is not None:
        bet = describe_bet(market, contract, entry.get_principal(request).account_id)
        text = f"{text} {bet}".rstrip()
    order_id = order.id if order.status in RESTING else ""
    return show_toast(request, market, Toast(text, order_id=order_id))


def _read_contract(request: HttpRequest, market: Market) -> Contract:
    """Return the contract in whose prices the form is."""
    is_mirrored = request.POST.get("answer") == "no"
    return name_contract(market, request.POST.get("outcome", ""), is_mirrored=is_mirrored)


def _find_contract(request: HttpRequest, market: Market, order: OrderAnswer) -> Contract:
    """Return the contract of the form's order, as the API has no NO of a single outcome."""
    is_mirrored = request.POST.get("answer") == "no"
    return name_contract(market, order.outcome, is_mirrored=is_mirrored)


def _read(request: HttpRequest, name: str) -> str:
    return request.POST.get(name, "").strip()[:NUMBER_LENGTH_MAX]


def show_toast(request: HttpRequest, market: Market, toast: Toast) -> HttpResponse:
    """Return a toast after which the page's script fetches what changed, or the page."""
    if request.htmx:  # type: ignore[attr-defined]
        context = {"market": market, "toast": toast}
        response = render(request, "trading/market/ticket_toast.html", context)
        return reswap(trigger_client_event(response, OWN_CHANGED), "none")
    levels = {"error": messages.ERROR, "warning": messages.WARNING}
    level = levels.get(toast.kind, messages.SUCCESS)
    messages.add_message(request, level, toast.text)
    return redirect(_find_next(request) or f"{reverse('market', args=[market.slug])}#own")


def _find_next(request: HttpRequest) -> str:
    url = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return url if is_ours else ""


def _show_again(request: HttpRequest, market: Market, amending: Amending) -> HttpResponse:
    if not request.htmx:  # type: ignore[attr-defined]
        return show_market(request, market, {"amending": amending}, status=422)
    context: dict[str, Any] = {"market": market, **build_own_context(request, market)}
    context["amending"] = amending
    return render(request, "trading/market/own_orders.html", context, status=422)
