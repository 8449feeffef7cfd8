"""Creating a market: form, preview, draft; and editing the draft."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.models import User
from kernel.errors import ApiError
from markets.actions import (
    check_create_market,
    check_is_editable,
    check_may_create_markets,
    check_may_edit,
    check_not_in_maintenance,
    do_create_market,
    do_edit_market,
    do_propose_market,
    do_set_outcomes,
    may_manage_markets,
)
from markets.models import Market
from markets.pages.forms import MarketForm, add_refusal
from markets.queries import get_market

CREATE, PREVIEW = "create", "preview"


@login_required
def create(request: HttpRequest) -> HttpResponse:
    """The form, with a preview on request; submitting it creates and proposes a draft."""
    user = cast("User", request.user)
    check_may_create_markets(user)
    if request.method != "POST":
        return _show(request, MarketForm(user=user))
    check_not_in_maintenance()
    form = MarketForm(request.POST, user=user)
    if not form.is_valid():
        return _show(request, form, status=422)
    try:
        if request.POST.get("act") != CREATE:
            draft = check_create_market(
                by=user, fields=form.fields_of_market(), outcomes=form.outcomes()
            )
            return _show(request, form, preview=draft)
        market = do_create_market(by=user, fields=form.fields_of_market(), outcomes=form.outcomes())
    except ApiError as refusal:
        add_refusal(form, refusal)
        return _show(request, form, status=422)
    _hand_over(request, market, user)
    return redirect("market", market.slug)


@login_required
def edit(request: HttpRequest, slug: str) -> HttpResponse:
    """The same form for a draft, and for operators also for a proposal."""
    user = cast("User", request.user)
    market = get_market(slug, user=user)
    check_may_edit(market, user)
    check_is_editable(market, user)
    if request.method != "POST":
        return _show(request, MarketForm(user=user, market=market), market=market)
    check_not_in_maintenance()
    form = MarketForm(request.POST, user=user, market=market)
    if not form.is_valid():
        return _show(request, form, market=market, status=422)
    try:
        if request.POST.get("act") != CREATE:
            return _show(request, form, market=market, preview=form.build_preview())
        with transaction.atomic():
            if market.kind == Market.Kind.CATEGORICAL:
                do_set_outcomes(market, by=user, outcomes=form.outcomes())
            do_edit_market(market, by=user, fields=form.fields_of_market())
    except ApiError as refusal:
        add_refusal(form, refusal)
        return _show(request, form, market=market, status=422)
    _hand_over(request, get_market(slug, user=user), user)
    return redirect("market", slug)


@require_POST
@login_required
def propose(request: HttpRequest, slug: str) -> HttpResponse:
    """Propose a draft to the operators."""
    user = cast("User", request.user)
    check_not_in_maintenance()
    do_propose_market(get_market(slug, user=user), by=user)
    messages.success(request, _("Sent to the operators. You will be notified of their decision."))
    return redirect("market", slug)


def _hand_over(request: HttpRequest, market: Market, user: User) -> None:
    if market.status == Market.Status.PROPOSED:
        messages.success(
            request, _("The proposal has been corrected. It is still waiting for approval.")
        )
        return
    if may_manage_markets(user):
        messages.success(request, _("The draft is ready. Open it when you like."))
        return
    do_propose_market(market, by=user)
    messages.success(
        request, _("Sent to the operators for approval. You will be notified of their decision.")
    )


def _show(
    request: HttpRequest,
    form: MarketForm,
    *,
    market: Market | None = None,
    preview: Market | None = None,
    status: int = 200,
) -> HttpResponse:
    user = cast("User", request.user)
    context: dict[str, Any] = {
        "form": form,
        "market": market,
        "preview": preview,
        "preview_outcomes": form.outcomes() if preview is not None else [],
        "needs_approval": not may_manage_markets(user),
    }
    return render(request, "markets/create.html", context, status=status)
