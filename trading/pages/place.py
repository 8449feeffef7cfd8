"""Previewing and placing a ticket's order: fragments with htmx, whole pages without it."""

from typing import Any, Final, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

from kernel.errors import ApiError, AuthError
from kernel.ids import new_id
from markets.models import Market
from markets.queries import get_market
from trading.pages import entry
from trading.pages.desk import Toast, build_ticket_context, show_errors
from trading.pages.live import read_outcomes
from trading.pages.market import show_market
from trading.pages.position import ContractPosition, describe_bet, find_most, read_position
from trading.pages.summary import Summary, build_summary
from trading.pages.ticket import Ticket, build_order, find_contract, read_ticket, write_link
from trading.pages.words import FIELDS, describe_order
from trading.wire.schema import OrderAnswer

RESTING: Final = ("open", "partially_filled")
LIVE: Final = (*RESTING, "untriggered")
"""Orders that can be cancelled."""
OWN_CHANGED: Final = "own-changed"
"""The event for the page's script when the viewer's own orders or position changed."""
SENT_AGAIN: Final = frozenset(
    {
        "timed_out",
        "engine_away",
        "overloaded",
        "too_many_requests",
        "account_busy",
        "clock_wrong",
    }
)
"""Refusals after which a retry uses the same client order id."""


# --- preview -----------------------------------------------------------------------------------


@require_POST
def preview(request: HttpRequest, slug: str) -> HttpResponse:
    """Show a preview of the ticket's order."""
    market = get_market(slug, user=request.user)
    ticket = read_ticket(request.POST.dict(), market)
    result = _preview(request, market, ticket)
    if request.htmx:  # type: ignore[attr-defined]
        context = {"market": market, "ticket": ticket, "fields": FIELDS, **result}
        return render(request, "trading/market/ticket_preview.html", context)
    status = 422 if result["errors"] else 200
    return show_market(request, market, {"ticket": ticket, **result}, status=status)


def _preview(request: HttpRequest, market: Market, ticket: Ticket) -> dict[str, Any]:
    """Return `summary` (None for an incomplete ticket), `most`, and `errors` by field."""
    result: dict[str, Any] = {"summary": None, "most": None, "errors": {}}
    try:
        position = _read_position(request, market, ticket)
        result["most"] = find_most(ticket, market, position)
        if ticket.is_complete:
            result["summary"] = _summarise(request, market, ticket, position)
    except ApiError as refusal:
        result["errors"] = show_errors(refusal, market)
    return result


def _summarise(
    request: HttpRequest, market: Market, ticket: Ticket, position: ContractPosition
) -> Summary:
    answer = entry.preview(request, build_order(ticket, market))
    return build_summary(answer, ticket, market, position)


def _read_position(request: HttpRequest, market: Market, ticket: Ticket) -> ContractPosition:
    is_known = request.user.is_authenticated
    account_id = entry.get_principal(request).account_id if is_known else None
    return read_position(market, find_contract(ticket, market), account_id)


# --- placing -----------------------------------------------------------------------------------


@require_POST
def place(request: HttpRequest, slug: str) -> HttpResponse:
    """Place the ticket's order, once, however often the form is submitted."""
    market = get_market(slug, user=request.user)
    ticket = read_ticket(request.POST.dict(), market)
    if not request.user.is_authenticated:
        return _ask_for_login(request, market, ticket)
    try:
        order = build_order(ticket, market)
        answer: OrderAnswer = entry.send(request, "place", order, answer=ticket.answer)
    except ApiError as refusal:
        return _show_refusal(request, market, ticket, refusal)
    return _show_placed(request, market, ticket, answer)


def _show_placed(
    request: HttpRequest, market: Market, ticket: Ticket, order: OrderAnswer
) -> HttpResponse:
    contract = find_contract(ticket, market)
    text = describe_order(order, contract)
    if ticket.side == "sell" and order.average_price is not None:
        bet = describe_bet(market, contract, entry.get_principal(request).account_id)
        text = f"{text} {bet}".rstrip()
    is_live = order.status in LIVE
    kind = "success" if is_live or order.average_price is not None else "warning"
    toast = Toast(text, kind, order.id if is_live else "")
    if not request.htmx:  # type: ignore[attr-defined]
        level = messages.SUCCESS if kind == "success" else messages.WARNING
        messages.add_message(request, level, text)
        return redirect("market", market.slug)
    fresh = ticket._replace(
        client_order_id=new_id(),
        amount="",
        reduce_only=False,
        trigger="none",
        trigger_price="",
        trail="",
        take_profit="",
        stop_loss="",
    )
    context = build_ticket_context(request, market, fresh, read_outcomes(market))
    response = render(request, "trading/market/ticket_placed.html", {**context, "toast": toast})
    return trigger_client_event(response, OWN_CHANGED)


def _show_refusal(
    request: HttpRequest, market: Market, ticket: Ticket, refusal: ApiError
) -> HttpResponse:
    errors = show_errors(refusal, market)
    if refusal.code not in SENT_AGAIN:
        ticket = ticket._replace(client_order_id=new_id())
    if not request.htmx:  # type: ignore[attr-defined]
        return show_market(request, market, {"ticket": ticket, "errors": errors}, status=422)
    context = build_ticket_context(request, market, ticket, read_outcomes(market))
    context["errors"] = errors
    if not isinstance(refusal, AuthError):
        context["most"] = find_most(ticket, market, _read_position(request, market, ticket))
    return render(request, "trading/market/ticket_form.html", context, status=422)


def _ask_for_login(request: HttpRequest, market: Market, ticket: Ticket) -> HttpResponse:
    """Redirect to log-in or sign-up, depending on the button, and then back to this ticket."""
    page = "account_signup" if request.POST.get("enter") == "sign_up" else "account_login"
    back = reverse("market", args=[market.slug]) + write_link(ticket)
    url = f"{reverse(page)}?{urlencode({'next': back}, safe='/')}"
    if request.htmx:  # type: ignore[attr-defined]
        return cast("HttpResponse", HttpResponseClientRedirect(url))
    return redirect(url)
