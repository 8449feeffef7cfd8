"""The markets page, `/`: cards of markets by search, category, tag, status and sort order.

One view serves the whole page, for htmx the part that a filter changes (`#browse`), and for htmx
the cards after a cursor (`#more`). Another serves a single card.
"""

from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe
from django_htmx.http import push_url

from kernel.errors import not_found
from markets.models import Category
from markets.queries import get_catalogue_row, get_market
from trading.readmodels import browse
from trading.readmodels.browse import Filters
from trading.readmodels.tiles import MarketTile, build_tiles

BROWSE_TARGET = "browse"
MORE_TARGET = "more"


class Choice(NamedTuple):
    """One of several options, as a link; `value` is its value in a form."""

    label: str
    href: str
    is_current: bool
    value: str = ""


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    filters = browse.read_filters(request.GET)
    cursor = request.GET.get(browse.CURSOR, "")
    page = browse.find_page(request.user, filters, cursor=cursor)
    tiles = build_tiles(page.rows, search=filters.search)
    context: dict[str, Any] = {
        "filters": filters,
        "tiles": tiles,
        "more_href": page.next_cursor and filters.build_query(cursor=page.next_cursor),
    }
    target = find_target(request)
    if target == MORE_TARGET:
        response = render(request, "trading/market_cards.html", context)
    else:
        context |= build_choices(filters, request.user)
        context |= {"cursor": cursor, "announcement": announce(tiles, page.next_cursor)}
        template = "trading/browse.html" if target else "trading/home.html"
        response = render(request, template, context)
    if target == BROWSE_TARGET:
        push_url(response, reverse("home") + filters.build_query())
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


@require_safe
def card(request: HttpRequest, slug: str) -> HttpResponse:
    """One market's current card, for a page that was notified of a change."""
    search = browse.read_filters(request.GET).search
    [tile] = build_tiles([get_market(slug, user=request.user)], search=search)
    return render(request, "trading/market_card.html", {"tile": tile})


def find_target(request: HttpRequest) -> str:
    """Return the part of the page that htmx requests, "" for all of it."""
    htmx = request.htmx  # type: ignore[attr-defined]
    if not htmx or htmx.boosted or htmx.history_restore_request:
        return ""
    return htmx.target if htmx.target in (BROWSE_TARGET, MORE_TARGET) else ""


def build_choices(filters: Filters, user: Any) -> dict[str, Any]:
    """Return the available filters, and the selected event or series."""
    event = get_catalogue_row("event", filters.event, user=user) if filters.event else None
    series = get_catalogue_row("series", filters.series, user=user) if filters.series else None
    return {
        "together": event or series,
        "kept": list_kept(filters),
        "everywhere_href": Filters(search=filters.search, status="all").build_query(),
        "all_href": filters.with_changes(event="", series="").build_query(),
        "categories": list_category_choices(filters),
        "tags": list_tag_choices(filters, user),
        "statuses": list_status_choices(filters),
        "sorts": list_sort_choices(filters),
    }


def list_kept(filters: Filters) -> list[tuple[str, str]]:
    """Return (name, value) of the search form's hidden fields."""
    names = ("category", "tag", "event", "series", "status")
    pairs = [(browse.PARAMETERS[name], getattr(filters, name)) for name in names]
    return [(name, value) for name, value in pairs if value]


def list_category_choices(filters: Filters) -> list[Choice]:
    categories = list(Category.objects.all())
    if filters.category and filters.category not in {row.slug for row in categories}:
        raise not_found("this category")
    pairs = [("", _("All")), *((row.slug, row.name) for row in categories)]
    return [_choose(filters, "category", slug, name) for slug, name in pairs]


def list_tag_choices(filters: Filters, user: Any) -> list[Choice]:
    """Return the busiest tags, and the selected one first if missing; a click deselects it."""
    tags = list(browse.list_busy_tags(user))
    if filters.tag and filters.tag not in {tag.slug for tag in tags}:
        tags = [get_catalogue_row("tag", filters.tag, user=user), *tags]
    return [
        Choice(
            tag.name,
            filters.with_changes(tag="" if tag.slug == filters.tag else tag.slug).build_query(),
            tag.slug == filters.tag,
            tag.slug,
        )
        for tag in tags
    ]


def list_status_choices(filters: Filters) -> list[Choice]:
    labels = {
        "open": _("Open"),
        "closed": _("Closed"),
        "settled": _("Settled"),
        "all": _("All"),
    }
    return [_choose(filters, "status", status, labels[status]) for status in browse.STATUSES]


def list_sort_choices(filters: Filters) -> list[Choice]:
    labels = {
        "relevance": _("Best match"),
        "volume": _("Most traded"),
        "trending": _("Trending today"),
        "newest": _("Newest"),
        "closing": _("Closing soon"),
    }
    first, *others = filters.sorts
    return [
        _choose(filters, "sort", "", labels[first]),
        *(_choose(filters, "sort", sort, labels[sort]) for sort in others),
    ]


def _choose(filters: Filters, name: str, value: str, label: str) -> Choice:
    href = filters.with_changes(**{name: value}).build_query()
    return Choice(label, href, getattr(filters, name) == value, value)


def announce(tiles: list[MarketTile], next_cursor: str | None) -> str:
    """Return the number of results as a text for screen readers."""
    count = len(tiles)
    if not count:
        return _("No market found")
    if next_cursor:
        return _("More than %(n)d markets found") % {"n": count}
    return ngettext("%(n)d market found", "%(n)d markets found", count) % {"n": count}
