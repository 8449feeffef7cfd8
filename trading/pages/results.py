"""Proposing a result as a market's resolver, and disputing it as a trader."""

from collections.abc import Callable
from typing import Final, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.models import User
from accounts.numbers import read_number
from kernel.errors import ApiError, RefusedError, describe
from kernel.units import parse_field, parse_price_pips
from markets.lifecycle import binary_payout, equal_payout, find_withdrawn, scalar_payout
from markets.models import Market
from markets.queries import get_market
from trading import actions
from trading.pages.market import show_market
from trading.pages.result import build_result_context, list_typed_payouts

EVIDENCE_LENGTH_MAX: Final = 5_000
URL_LENGTH_MAX: Final = 500
_web_address: Final = URLValidator(["http", "https"])


@require_POST
@login_required
def propose(request: HttpRequest, slug: str) -> HttpResponse:
    """Propose what each outcome pays, with evidence."""
    market = get_market(slug, user=request.user)

    def act(user: User) -> str:
        payout_pips, number = _read_payout(request, market)
        is_judge = hasattr(market, "panel")
        say = actions.do_give_verdict if is_judge else actions.do_resolve_market
        result = say(
            market,
            by=user,
            payout_pips=payout_pips,
            number=number,
            evidence_text=_read(request, "evidence_text"),
            evidence_url=_read_url(request),
        )
        if result is None:
            return _("Your verdict is recorded.")
        return _("The result is proposed.")

    return _act(request, market, act)


@require_POST
@login_required
def dispute(request: HttpRequest, slug: str) -> HttpResponse:
    """Dispute a proposed result."""
    market = get_market(slug, user=request.user)

    def act(user: User) -> str:
        text = _read(request, "text")
        if not text:
            raise RefusedError("blank.dispute")
        actions.do_dispute_result(market, by=user, text=text)
        return _("You have disputed this result. An operator will decide before anything is paid.")

    return _act(request, market, act)


def _act(request: HttpRequest, market: Market, act: Callable[[User], str]) -> HttpResponse:
    try:
        done = act(cast("User", request.user))
    except ApiError as refusal:
        words = {refusal.field or "": describe(refusal)}
        context = build_result_context(request, market, refused=words)
        return show_market(request, market, context, status=422)
    messages.success(request, done)
    return redirect("market", market.slug)


def _read(request: HttpRequest, name: str, *, length_max: int = EVIDENCE_LENGTH_MAX) -> str:
    text = request.POST.get(name, "").strip()
    if len(text) > length_max:
        raise RefusedError("too_long", name)
    return text


def _read_url(request: HttpRequest) -> str:
    url = _read(request, "evidence_url", length_max=URL_LENGTH_MAX)
    try:
        if url:
            _web_address(url)
    except ValidationError:
        raise RefusedError("bad_url", "evidence_url") from None
    return url


def _read_payout(request: HttpRequest, market: Market) -> tuple[list[int], str]:
    """Return the payout and, of a scalar market, the number that it follows from."""
    if not market.is_scalar:
        return _read_shares(request, market), ""
    number = parse_field(read_number, request.POST.get("number", ""), "number")
    return scalar_payout(market, number), number


def _read_shares(request: HttpRequest, market: Market) -> list[int]:
    """Winners share 1 credit; or it is said what each outcome pays, of a binary market what YES."""
    outcomes = list(market.outcomes.all())
    share = request.POST.get("yes", "").strip()
    if share and market.kind == Market.Kind.BINARY:
        return binary_payout(parse_field(_parse_typed_pips, share, "payout"))
    typed = list_typed_payouts(request, market)
    if typed and not request.POST.getlist("winners"):
        pips = {
            index: parse_field(_parse_typed_pips, text, "payout") for index, text in typed.items()
        }
        return [pips.get(row.index, 0) for row in outcomes]
    named = set(request.POST.getlist("winners"))
    winners = [row.index for row in outcomes if row.code in named]
    return equal_payout(winners, outcome_count=len(outcomes), withdrawn=find_withdrawn(market))


def _parse_typed_pips(text: str) -> int:
    return parse_price_pips(read_number(text))
