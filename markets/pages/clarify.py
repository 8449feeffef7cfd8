"""Clarifying the rules of a market, from the form below them."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.models import User
from kernel.errors import ApiError, describe
from markets.actions import (
    check_clarify_market,
    check_not_in_maintenance,
    do_clarify_market,
)
from markets.models import Market
from markets.queries import get_market


@require_POST
@login_required
def clarify(request: HttpRequest, slug: str) -> HttpResponse:
    """Add what was typed to the rules."""
    market = get_market(slug, user=request.user)
    try:
        check_not_in_maintenance()
        do_clarify_market(market, by=cast("User", request.user), text=request.POST.get("text", ""))
    except ApiError as refusal:
        messages.error(request, describe(refusal))
    else:
        messages.success(request, _("The clarification is published."))
    return redirect("market", market.slug)


def may_clarify(market: Market, request: HttpRequest) -> bool:
    """Whether the form is shown to the viewer."""
    if not request.user.is_authenticated:
        return False
    try:
        check_clarify_market(market, by=request.user, text="x")
    except ApiError:
        return False
    return True
