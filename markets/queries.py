"""Market queries shared by the API, pages and feed."""

import re
from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, F, Model, OuterRef, Q, QuerySet
from django.utils import timezone

from kernel.errors import not_found
from markets.models import (
    HIDDEN_STATUSES,
    Category,
    Clarification,
    Dispute,
    Event,
    Exchange,
    Market,
    Resolution,
    Series,
    StatusChange,
    Tag,
    is_operator,
)
from markets.search import search_markets

SLUG_PATTERN = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,78}[a-z0-9])?", re.ASCII)

# The last field of each order is unique, and none reveals a market's internal id.
ORDERS = {
    "newest": ["-created_at", "slug"],
    "volume": ["-volume_lots", "slug"],
    "trending": ["-volume_24h_lots", "slug"],
    "closing": ["close_at", "slug"],
    "relevance": ["-relevance", "-volume_lots", "slug"],
}


def get_market(slug: str, *, user: Any) -> Market:
    """Return the market with everything on its page; the same 404 if unknown or invisible."""
    if not SLUG_PATTERN.fullmatch(slug):
        raise not_found("this market")
    markets = with_details(Market.objects.visible_to(user))
    markets = markets.select_related(
        "panel",
        "automatic_resolver__source",
        "automatic_resolver__set_by",
        "automatic_resolver__approved_by",
    )
    market = markets.filter(slug=slug).first()
    if market is None:
        raise not_found("this market")
    return market


def list_markets(
    user: Any,
    *,
    statuses: Collection[str] = (),
    category: str = "",
    tag: str = "",
    event: str = "",
    series: str = "",
    search: str = "",
    sort: str = "newest",
) -> QuerySet[Market]:
    """Return `user`'s matches for these filters (slugs; "" = any), to be sorted by ORDERS."""
    markets = Market.objects.listed_for(user)
    if statuses:
        markets = markets.filter(status__in=statuses)
    if sort == "closing":
        markets = markets.filter(close_at__gt=timezone.now())
    slugs = {
        "category__slug": category,
        "tags__slug": tag,
        "event__slug": event,
        "event__series__slug": series,
    }
    markets = markets.filter(**{name: slug for name, slug in slugs.items() if slug})
    return search_markets(with_details(markets), search)


# --- the catalogue ------------------------------------------------------------------------------

# How a market refers to the row of the outer query.
_OF: dict[type[Model], str] = {Tag: "tags", Event: "event", Series: "event__series"}


def list_shown(rows: QuerySet, user: Any) -> QuerySet:
    """Return the tags, events or series that lists show to `user`.

    A name that is used only by markets hidden from the user would reveal them, so it is left out.
    An unused name reveals nothing.
    """
    hidden = Market.objects.exclude(visibility=Market.Visibility.PUBLIC)
    return _without_secrets(rows, user, Market.objects.listed_for(user), hidden)


def list_reachable(rows: QuerySet, user: Any) -> QuerySet:
    """Return those that `user` may open by URL, including those of unlisted markets."""
    hidden = Market.objects.filter(visibility=Market.Visibility.GROUP)
    return _without_secrets(rows, user, Market.objects.visible_to(user), hidden)


CATALOGUE: dict[str, type[Model]] = {
    "category": Category,
    "tag": Tag,
    "event": Event,
    "series": Series,
}
"""The names of the filters of lists of markets."""


def get_catalogue_row(kind: str, slug: str, *, user: Any) -> Any:
    """Return the category, tag, event or series; the same 404 if unknown or hidden."""
    model = CATALOGUE[kind]
    rows = model._default_manager.all()
    if model in _OF:
        rows = list_reachable(rows, user)
    row = rows.filter(slug=slug).first() if SLUG_PATTERN.fullmatch(slug) else None
    if row is None:
        raise not_found(f"this {kind}")
    return row


def _without_secrets(
    rows: QuerySet, user: Any, shown: QuerySet[Market], hidden: QuerySet[Market]
) -> QuerySet:
    if is_operator(user):
        return rows
    having = {_OF[rows.model]: OuterRef("pk")}
    return rows.filter(Exists(shown.filter(**having)) | ~Exists(hidden.filter(**having)))


def with_details(markets: QuerySet[Market]) -> QuerySet[Market]:
    """Prefetch the related rows of markets' public views, in three queries for any number.

    `volume_lots` and `volume_24h_lots` are annotated for sorting.
    """
    return (
        markets.select_related("category", "event__series", "group", "creator", "resolver", "stats")
        .prefetch_related("tags", "outcomes")
        .annotate(volume_lots=F("stats__volume_lots"), volume_24h_lots=F("stats__volume_24h_lots"))
    )


def list_status_changes(market: Market, *, user: Any) -> QuerySet[StatusChange]:
    """Return a market's history; notes on the draft only for its creator and operators."""
    changes = market.status_changes.select_related("by")
    if is_operator(user) or (
        user is not None and user.pk in (market.creator_id, market.resolver_id)
    ):
        return changes
    return changes.exclude(to_status__in=HIDDEN_STATUSES)


def find_closing_time(market: Market) -> datetime:
    """Return when trading ends or ended: an operator may have closed it early."""
    trading = (Market.Status.OPEN, Market.Status.HALTED)
    ends = market.status_changes.filter(from_status__in=trading).exclude(to_status__in=trading)
    closed = ends.order_by("-id").first()
    return market.close_at if closed is None else min(market.close_at, closed.created_at)


def list_clarifications(market: Market) -> QuerySet[Clarification]:
    """Return what was added to the rules, oldest first."""
    return market.clarifications.select_related("by")


def list_disputes(market: Market) -> QuerySet[Dispute]:
    """Return the disputes of all results that a market has had, newest first."""
    disputes = Dispute.objects.filter(resolution__market=market)
    return disputes.select_related("resolution", "raised_by", "decided_by").order_by("-raised_at")


def find_resolution(market: Market) -> Resolution | None:
    """Return the active result, proposed or final, with `dispute_count` and `undecided_count`."""
    active = Resolution.objects.filter(market=market, withdrawn_at=None)
    counts = {
        "dispute_count": Count("disputes"),
        "undecided_count": Count("disputes", filter=Q(disputes__decision="")),
    }
    return active.select_related("proposed_by").annotate(**counts).first()


def get_exchange() -> Exchange:
    """Return the single row of the exchange's state."""
    return Exchange.objects.get(pk=1)
