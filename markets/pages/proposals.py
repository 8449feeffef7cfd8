"""A user's proposals: each market with its status and the operators' notes."""

from typing import cast

from django.contrib.auth.decorators import login_required
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.models import User
from markets.models import Market, StatusChange

PROPOSALS_SHOWN_MAX = 200


@require_safe
@login_required
def proposals(request: HttpRequest) -> HttpResponse:
    """The viewer's own proposals, newest first."""
    rows = list_proposals(cast("User", request.user))[:PROPOSALS_SHOWN_MAX]
    return render(request, "markets/proposals.html", {"markets": rows})


def list_proposals(user: User) -> QuerySet[Market]:
    """Return the markets that `user` proposed or may propose, with the last `note` of operators.

    A market that an operator created and approved in one step was never a proposal.
    """
    decisions = StatusChange.objects.filter(
        market=OuterRef("pk"), from_status=Market.Status.PROPOSED, to_status=Market.Status.DRAFT
    )
    note = Subquery(decisions.order_by("-id").values("reason")[:1])
    proposed = StatusChange.objects.filter(market=OuterRef("pk"), to_status=Market.Status.PROPOSED)
    rows = Market.objects.filter(Q(approved_at=None) | Exists(proposed), creator=user)
    return rows.annotate(note=note).order_by("-created_at", "slug")
