"""A market's page: question, prices, ticket, the viewer's own orders, rules."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from accounts.admin_base import link_to_list
from accounts.models import User
from kernel.clock import from_datetime
from markets.actions import may_manage_markets
from markets.models import HIDDEN_STATUSES, Dispute, Market, is_operator
from markets.pages import comments
from markets.pages.clarify import may_clarify
from markets.queries import (
    find_closing_time,
    get_market,
    list_clarifications,
    list_disputes,
    list_status_changes,
)
from markets.resolvers import describe_resolver
from markets.templatetags.scalars import distance_in, range_of
from trading.pages import live
from trading.pages.changes import name_changes
from trading.pages.desk import build_ticket_context, choose_type
from trading.pages.fees import describe_fees
from trading.pages.live import OutcomeNow
from trading.pages.numbers import show_lots
from trading.pages.own import build_own_context
from trading.pages.result import build_result_context, describe_result
from trading.pages.ticket import read_link
from trading.readmodels import tiles
from trading.readmodels.queries import read_open_interest

CHANGES_MAX = 100
OUTCOMES_SHOWN = 8
OPERATORS_ACTS = frozenset({
    "approve-and-open", "approve", "reject", "open", "halt", "resume", "close", "resolve",
    "approve-result", "pay-result", "withdraw-result", "approve-correction", "cover-correction",
    "withdraw-correction",
})  # fmt: skip
"""Operators' frequent actions; the others are on the market's page in the admin."""


class OutcomeRow(NamedTuple):
    """An outcome in the header: its price, and the change within a day."""

    now: OutcomeNow
    change_pips: int | None
    payout_pips: int | None

    @property
    def no_pips(self) -> int | None:
        return None if self.now.bid_pips is None else 10_000 - self.now.bid_pips


@require_safe
def market(request: HttpRequest, slug: str) -> HttpResponse:
    return show_market(request, get_market(slug, user=request.user), {})


def show_market(
    request: HttpRequest, market: Market, shown: Mapping[str, Any], *, status: int = 200
) -> HttpResponse:
    """Render the page; `shown` overrides parts of its context, such as a refused form."""
    context = live.build_context(request, market)
    outcomes = context["live"].outcomes
    ticket = shown.get("ticket") or read_link(
        request.GET.dict(),
        market,
        default_type=choose_type(outcomes),
        default_outcome=outcomes[0].code,
    )
    context |= build_header_context(request, market, outcomes)
    context |= build_ticket_context(request, market, ticket, outcomes)
    context |= build_own_context(request, market)
    context |= build_result_context(request, market)
    context |= build_about_context(request, market)
    context |= {"operate": list_operators_links(request, market)}
    context |= comments.build_context(request, market)
    context |= shown
    if context["result"] is not None:
        context["result_text"] = describe_result(context["result"])
    return render(request, "trading/market.html", context, status=status)


# --- header --------------------------------------------------------------------------------------


def build_header_context(
    request: HttpRequest, market: Market, outcomes: Sequence[OutcomeNow]
) -> dict[str, Any]:
    rows = list_outcome_rows(market, outcomes)
    is_over = market.status == Market.Status.OPEN and market.close_at <= timezone.now()
    return {
        "binary": market.has_one_book,
        "rows": rows,
        "rows_shown": OUTCOMES_SHOWN,
        "status": Market.Status.CLOSED if is_over else Market.Status(market.status),
        "is_live": market.status in tiles.LIVE_STATUSES and market.close_at > timezone.now(),
        "closing_time": find_closing_time(market),
        "is_draft": market.status in HIDDEN_STATUSES,
        "is_own": request.user.is_authenticated and market.creator_id == request.user.pk,
        "open_interest_lots": read_open_interest(market),
        "closing": tiles.describe_closing(market.close_at, timezone.now()),
    }


def list_outcome_rows(market: Market, outcomes: Sequence[OutcomeNow]) -> list[OutcomeRow]:
    """Return the outcomes with a book, in order, with a day's change of their marks."""
    end_us = min(from_datetime(timezone.now()), from_datetime(market.close_at))
    minute = end_us // tiles.MINUTE_US
    shown = [(market.pk, row.index, minute) for row in outcomes[:OUTCOMES_SHOWN]]
    histories = tiles.read_histories(shown)
    payouts = {row.index: row.payout_pips for row in market.outcomes.all()}
    rows = []
    for row in outcomes:
        history = histories.get((market.pk, row.index), tiles.NO_HISTORY)
        before = history.day_ago_half_pips
        change_pips = None
        if row.half_pips is not None and before is not None:
            change_pips = (row.half_pips - before) // 2
        rows.append(OutcomeRow(row, change_pips, payouts[row.index]))
    return rows


# --- operators -----------------------------------------------------------------------------------


class OperatorsLink(NamedTuple):
    title: Any
    href: str
    is_harmful: bool = False


def list_operators_links(request: HttpRequest, market: Market) -> list[OperatorsLink]:
    """Return links to the admin's actions available to this operator, and to its page."""
    pages = admin.site.get_model_admin(Market)
    if not (is_operator(request.user) and pages.has_view_permission(request)):
        return []
    back = urlencode({"next": reverse("market", args=[market.slug])})
    links = [
        OperatorsLink(
            act["title"],
            "#propose" if act["name"] == "resolve" else f"{act['url']}?{back}",
            act["is_harmful"],
        )
        for act in pages.list_offered(request, market)  # type: ignore[attr-defined]
        if act["name"] in OPERATORS_ACTS
    ]
    if market.status == Market.Status.PROPOSED and may_manage_markets(cast("User", request.user)):
        links.append(OperatorsLink(_("Correct it"), reverse("edit_market", args=[market.slug])))
    links += list_verdict_links(request, market)
    manage = reverse("admin:markets_market_change", args=[market.pk])
    return [*links, OperatorsLink(_("Manage"), manage)]


def list_verdict_links(request: HttpRequest, market: Market) -> list[OperatorsLink]:
    """Return links to the decisions that delay the payout of the market's result."""
    pages = admin.site.get_model_admin(Dispute)
    waiting = Dispute.objects.filter(
        decision="", resolution__market=market, resolution__withdrawn_at=None
    )
    if market.status != Market.Status.RESOLVING:
        return []
    disputes = [
        row
        for row in waiting.order_by("raised_at")
        if pages.list_offered(request, row)  # type: ignore[attr-defined]
    ]
    if not disputes:
        return []
    if len(disputes) > 1:
        listed = link_to_list("markets_dispute", market.slug)
        return [OperatorsLink(_("Decide the disputes"), listed)]
    page = reverse("admin:markets_dispute_change", args=[disputes[0].pk])
    return [OperatorsLink(_("Decide the dispute"), page)]


# --- about ---------------------------------------------------------------------------------------


def build_about_context(request: HttpRequest, market: Market) -> dict[str, Any]:
    changes = list_status_changes(market, user=request.user).order_by("-id")[:CHANGES_MAX]
    disputes = list_disputes(market)[:CHANGES_MAX]
    source = market.resolution_source.strip()
    is_link = source.startswith(("https://", "http://")) and " " not in source
    return {
        "changes": name_changes(market, list(changes), disputes),
        "source_url": source if is_link else "",
        "clarifications": list_clarifications(market),
        "automatic": find_automatic(market),
        "panel_text": describe_panel(market),
        "may_clarify": may_clarify(market, request),
        "fees": describe_fees(market),
        "limits": list_limits(market),
        "dispute_time": describe_time(market.dispute_seconds),
    }


def describe_panel(market: Market) -> str:
    """Say who decides together; "" where nobody does."""
    panel = getattr(market, "panel", None)
    if panel is None:
        return ""
    handles = [judge.user.handle for judge in panel.judges.all()]
    values = {"m": panel.verdicts_needed, "n": len(handles), "judges": ", ".join(handles)}
    return _("%(m)s of %(n)s judges: %(judges)s") % values


def find_automatic(market: Market) -> str:
    """Say what resolves the market by itself; "" where nothing does."""
    resolver = getattr(market, "automatic_resolver", None)
    return "" if resolver is None else describe_resolver(resolver)


def describe_time(seconds: int) -> str:
    """Return a dispute window in whole days, hours, minutes or seconds."""
    if not seconds:
        return _("none: the result is final at once")
    if seconds % 86_400 == 0:
        days = seconds // 86_400
        return ngettext("%(n)d day", "%(n)d days", days) % {"n": days}
    if seconds % 3_600 == 0:
        hours = seconds // 3_600
        return ngettext("%(n)d hour", "%(n)d hours", hours) % {"n": hours}
    if seconds % 60 == 0:
        minutes = seconds // 60
        return ngettext("%(n)d minute", "%(n)d minutes", minutes) % {"n": minutes}
    return ngettext("%(n)d second", "%(n)d seconds", seconds) % {"n": seconds}


def list_limits(market: Market) -> list[tuple[str, str]]:
    """Return names and values of the market's terms."""
    terms = [
        (_("Smallest price step"), distance_in(market.tick_pips, market)),
        (_("Contracts in steps of"), show_lots(market.lot_step_lots)),
    ]
    if market.is_scalar:
        terms.insert(0, (_("Range"), range_of(market)))
    if market.position_limit_lots is not None:
        limit = _("%(n)s contracts") % {"n": show_lots(market.position_limit_lots)}
        terms.append((_("Position limit"), limit))
    return terms
