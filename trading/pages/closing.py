"""Closing positions at the market: one, all of a market, or everything; or at a price, by itself.

A market's page gets a toast, or itself again without htmx; the portfolio gets itself again.
"""

from typing import TypeVar

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from kernel.errors import ApiError, describe
from kernel.units import format_quantity
from markets.models import Market
from markets.queries import get_market
from trading.contracts import Contract, name_contract
from trading.pages import entry
from trading.pages.desk import Toast
from trading.pages.own_orders import NUMBER_LENGTH_MAX, show_toast
from trading.pages.ticket import read_price
from trading.pages.words import describe_leg, describe_order, explain
from trading.wire.fields import number_in
from trading.wire.schema import (
    BatchAnswer,
    BatchItem,
    ClosePositions,
    LegIn,
    Protection,
    ProtectPosition,
    StopLossIn,
)

AnyLeg = TypeVar("AnyLeg", LegIn, StopLossIn)
NOTHING_LEFT = format_quantity(0)


@require_POST
@login_required
def close_in_market(request: HttpRequest, slug: str) -> HttpResponse:
    """Close the viewer's position in an outcome of a market, or all of it there."""
    market = get_market(slug, user=request.user)
    return show_toast(request, market, _close(request, market))


@require_POST
@login_required
def close_in_portfolio(request: HttpRequest) -> HttpResponse:
    """Close one of the viewer's positions, or every one."""
    slug = request.POST.get("market", "")
    market = get_market(slug, user=request.user) if slug else None
    toast = _close(request, market)
    level = {"success": messages.SUCCESS, "warning": messages.WARNING}.get(
        toast.kind, messages.ERROR
    )
    messages.add_message(request, level, toast.text)
    return redirect("portfolio")


@require_POST
@login_required
def protect(request: HttpRequest, slug: str) -> HttpResponse:
    """Give the viewer's position in an outcome a take-profit, a stop-loss or both."""
    market = get_market(slug, user=request.user)
    said = "no" if request.POST.get("answer") == "no" else "yes"
    contract = name_contract(market, request.POST.get("outcome", ""), is_mirrored=said == "no")
    try:
        wanted = ProtectPosition(
            market=market.slug,
            outcome=contract.code,
            take_profit=_read_leg(request, "take_profit", LegIn, contract),
            stop_loss=_read_leg(request, "stop_loss", StopLossIn, contract),
        )
        done: Protection = entry.send(request, "protect", wanted, answer=said)
    except ApiError as refusal:
        return show_toast(request, market, Toast(explain(refusal, market).text, "error"))
    text = " ".join(describe_leg(leg, contract) for leg in done.legs)
    return show_toast(request, market, Toast(text))


def _read_leg(
    request: HttpRequest, name: str, kind: type[AnyLeg], contract: Contract
) -> AnyLeg | None:
    text = request.POST.get(name, "").strip()[:NUMBER_LENGTH_MAX]
    if not text:
        return None
    return kind(price=number_in(read_price(text, contract, field=name)))


def _close(request: HttpRequest, market: Market | None) -> Toast:
    wanted = ClosePositions(
        market=None if market is None else market.slug,
        outcome=request.POST.get("outcome") or None,
    )
    try:
        done: BatchAnswer = entry.send(request, "close_positions", wanted)
    except ApiError as refusal:
        return Toast(describe(refusal, "order"), "error")
    items = done.results
    if not items:
        return Toast(_("You have no position to close."), "warning")
    is_done = all(_is_closed(item) for item in items)
    kind = "success" if is_done else "warning"
    if len(items) == 1 and market is not None:
        return Toast(_describe(items[0], market), kind)
    return Toast(_count(items), kind)


def _is_closed(item: BatchItem) -> bool:
    return item.order is not None and item.order.remaining == NOTHING_LEFT


def _describe(item: BatchItem, market: Market) -> str:
    """Return what became of the only position that was to be closed."""
    if item.order is None:
        assert item.error is not None
        return describe(ApiError(item.error.code), "order")
    return describe_order(item.order, name_contract(market, item.order.outcome))


def _count(items: list[BatchItem]) -> str:
    """Return how many positions were closed, and how many have something left."""
    closed = sum(map(_is_closed, items))
    left = len(items) - closed
    parts = []
    if closed:
        parts.append(ngettext("%(n)d position closed.", "%(n)d positions closed.", closed))
    if left:
        text = ngettext(
            "%(left)d position could not be closed completely.",
            "%(left)d positions could not be closed completely.",
            left,
        )
        parts.append(text)
    return " ".join(parts) % {"n": closed, "left": left}
