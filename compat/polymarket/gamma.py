"""`/poly/gamma`: markets, events and tags with their descriptions, as lists and searches."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from django.db.models import Q, QuerySet
from msgspec import Meta

from compat.polymarket import listing, rows
from compat.polymarket.base import ReadQuery
from compat.polymarket.names import compute_number, find_leg, find_token
from kernel.clock import from_datetime, to_datetime
from kernel.errors import ApiError, not_found
from markets.models import Market, Outcome, Tag
from markets.queries import ORDERS, list_shown, with_details
from markets.search import search_markets
from web.pagination import decode_cursor, encode_cursor

SCHEMA: Final = "https://json-schema.org/draft/2020-12/schema"
CURSOR_ORDER: Final = ("created_at", "slug", "index")

Offset = Annotated[int, Meta(ge=0, le=10**9)]
Number = Annotated[int, Meta(ge=0, le=10**18)]
Volume = Annotated[int, Meta(ge=0, le=10**15)]
Text = Annotated[str, Meta(max_length=200)]


class ListQuery(ReadQuery):
    """What every list of markets and events takes."""

    order: Text = ""
    ascending: bool = True
    id: list[Number] = []
    slug: list[Text] = []
    closed: bool | None = None
    active: bool | None = None
    archived: bool | None = None
    tag_id: Number | None = None
    related_tags: bool | None = None
    start_date_min: datetime | None = None
    start_date_max: datetime | None = None
    end_date_min: datetime | None = None
    end_date_max: datetime | None = None


class MarketFilters(ListQuery):
    clob_token_ids: list[Text] = []
    condition_ids: list[Text] = []
    volume_num_min: Volume | None = None
    volume_num_max: Volume | None = None
    include_tag: bool = True


class EventFilters(ListQuery):
    tag_slug: Text | None = None
    exclude_tag_id: list[Number] = []
    featured: bool | None = None
    volume_min: Volume | None = None
    volume_max: Volume | None = None


class GammaMarketQuery(MarketFilters):
    limit: Annotated[int, Meta(ge=1, le=500)] = 20
    offset: Offset = 0


class GammaEventQuery(EventFilters):
    limit: Annotated[int, Meta(ge=1, le=500)] = 20
    offset: Offset = 0


class MarketKeysetQuery(MarketFilters):
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    after_cursor: Annotated[str, Meta(max_length=600)] = ""


class EventKeysetQuery(EventFilters):
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    after_cursor: Annotated[str, Meta(max_length=600)] = ""


class TagsQuery(ReadQuery):
    limit: Annotated[int, Meta(ge=1, le=300)] = 100
    offset: Offset = 0
    order: Literal["", "id", "label", "slug"] = ""
    ascending: bool = True


class SearchQuery(ReadQuery):
    q: Annotated[str, Meta(min_length=1, max_length=200)]
    limit_per_type: Annotated[int, Meta(ge=1, le=50)] = 10
    page: Annotated[int, Meta(ge=1, le=10**6)] = 1
    events_status: Literal["active", "closed"] | None = None
    keep_closed_markets: Annotated[int, Meta(ge=0, le=1)] | None = None
    search_tags: bool = True
    search_profiles: bool = False


# --- markets ----------------------------------------------------------------------------------


def list_markets(query: GammaMarketQuery) -> list[dict[str, Any]]:
    books = listing.sort_books(_filter_books(query), query.order, ascending=query.ascending)
    keys = books.values_list("market_id", "index")[query.offset : query.offset + query.limit]
    return [rows.show_gamma_market(leg) for leg in listing.pick_legs(keys)]


def list_markets_after(query: MarketKeysetQuery) -> dict[str, Any]:
    """List them in the order in which they were made, after a cursor."""
    books = _filter_books(query)
    if query.after_cursor:
        created_at, slug, index = _read_cursor(query.after_cursor)
        later = _later(query, "market__created_at", created_at)
        same = Q(market__created_at=created_at)
        after_slug = Q(market__slug__gt=slug) | Q(market__slug=slug, index__gt=index)
        books = books.filter(later | same & after_slug)
    books = listing.sort_books(books, "createdAt", ascending=query.ascending)
    _check_order(query)
    legs = listing.pick_legs(books.values_list("market_id", "index")[: query.limit + 1])
    keys = [(leg.market.created_at, leg.market.slug, leg.outcome.index) for leg in legs]
    return _show_page("markets", [rows.show_gamma_market(leg) for leg in legs], keys, query.limit)


def show_market_by_id(_: ReadQuery, number: int) -> dict[str, Any]:
    return rows.show_gamma_market(listing.get_leg("market", number))


def show_market_by_slug(_: ReadQuery, slug: str) -> dict[str, Any]:
    return rows.show_gamma_market(listing.get_leg("slug", slug))


def _filter_books(query: MarketFilters) -> QuerySet[Outcome]:
    names: dict[str, list[Any]] = {
        "market": query.id,
        "slug": query.slug,
        "condition": query.condition_ids,
    }
    is_named = bool(any(names.values()) or query.clob_token_ids)
    markets = listing.visible_markets() if is_named else listing.list_markets()
    books = listing.list_books(_filter(markets, query, query.volume_num_min, query.volume_num_max))
    for kind, wanted in names.items():
        if wanted:
            books = _only(books, (find_leg(kind, name) for name in wanted))
    if query.clob_token_ids:
        tokens = (find_token(token_id) for token_id in query.clob_token_ids)
        books = _only(books, (token.leg for token in tokens if token is not None))
    return books


def _only(books: QuerySet[Outcome], legs: Iterable[Any]) -> QuerySet[Outcome]:
    wanted = Q(pk__in=())
    for leg in legs:
        if leg is not None:
            wanted |= Q(market=leg.market_id, index=leg.book)
    return books.filter(wanted)


# --- events -----------------------------------------------------------------------------------


def list_events(query: GammaEventQuery) -> list[dict[str, Any]]:
    markets = listing.sort_markets(_filter_events(query), query.order, ascending=query.ascending)
    page = markets[query.offset : query.offset + query.limit]
    return rows.show_events(page)


def list_events_after(query: EventKeysetQuery) -> dict[str, Any]:
    markets = _filter_events(query)
    if query.after_cursor:
        created_at, slug, _ = _read_cursor(query.after_cursor)
        later = _later(query, "created_at", created_at)
        markets = markets.filter(later | Q(created_at=created_at, slug__gt=slug))
    _check_order(query)
    markets = listing.sort_markets(markets, "createdAt", ascending=query.ascending)
    found = list(markets[: query.limit + 1])
    keys = [(market.created_at, market.slug, 0) for market in found]
    return _show_page("events", rows.show_events(found), keys, query.limit)


def show_event_by_id(_: ReadQuery, number: int) -> dict[str, Any]:
    return _show_event(_find_market_of_event(number))


def show_event_by_slug(_: ReadQuery, slug: str) -> dict[str, Any]:
    return _show_event(listing.visible_markets().filter(slug=slug))


def _show_event(found: QuerySet[Market]) -> dict[str, Any]:
    events = rows.show_events(with_details(found)[:1])
    if not events:
        raise not_found("this event")
    return events[0]


def _find_market_of_event(number: int) -> QuerySet[Market]:
    """An event's number is that of its market's slug, so its first book leads to it."""
    return listing.visible_markets().filter(pk__in=_find_events([number]))


def _find_events(numbers: Iterable[int]) -> list[int]:
    legs = (find_leg("event", number) for number in numbers)
    return [leg.market_id for leg in legs if leg is not None]


def _filter_events(query: EventFilters) -> QuerySet[Market]:
    is_named = bool(query.id or query.slug)
    markets = listing.visible_markets() if is_named else listing.list_markets()
    markets = _filter(markets, query, query.volume_min, query.volume_max)
    if query.id:
        markets = markets.filter(pk__in=_find_events(query.id))
    if query.slug:
        markets = markets.filter(slug__in=query.slug)
    if query.tag_slug is not None:
        markets = markets.filter(tags__slug=query.tag_slug)
    if query.featured is not None:
        markets = markets.filter(featured=query.featured)
    excluded = [_find_tag(tag_id) for tag_id in query.exclude_tag_id]
    if excluded:
        markets = markets.exclude(tags__in=[tag for tag in excluded if tag is not None])
    return with_details(markets)


# --- what both have ---------------------------------------------------------------------------


def _filter(
    markets: QuerySet[Market], query: ListQuery, volume_min: int | None, volume_max: int | None
) -> QuerySet[Market]:
    if query.active is False or query.archived:
        return markets.none()  # nothing public is inactive, and nothing is archived
    markets = listing.filter_closed(markets, closed=query.closed)
    starts = (query.start_date_min, query.start_date_max)
    ends = (query.end_date_min, query.end_date_max)
    markets = listing.filter_times(markets, "created_at", *map(_read_time, starts))
    markets = listing.filter_times(markets, "close_at", *map(_read_time, ends))
    if query.tag_id is not None:
        tag = _find_tag(query.tag_id)
        markets = markets.none() if tag is None else markets.filter(tags=tag)
    if volume_min is not None:
        markets = markets.filter(stats__volume_lots__gte=volume_min * 100)
    if volume_max is not None:
        markets = markets.filter(stats__volume_lots__lte=volume_max * 100)
    return markets


def _read_time(moment: datetime | None) -> datetime | None:
    try:
        return None if moment is None else to_datetime(from_datetime(moment))
    except (TypeError, OverflowError):  # without a zone, or beyond the calendar's end in UTC
        raise ApiError("invalid_time") from None


def _later(query: ListQuery, field: str, moment: datetime) -> Q:
    return Q(**{f"{field}__{'gt' if query.ascending else 'lt'}": moment})


def _check_order(query: ListQuery) -> None:
    if query.order not in ("", "id", "createdAt", "startDate"):
        raise ApiError("invalid_choice", "order", detail="a cursor goes by createdAt only")


def _read_cursor(cursor: str) -> tuple[datetime, str, int]:
    created_at, slug, index = decode_cursor(cursor, CURSOR_ORDER)
    if not (isinstance(created_at, datetime) and type(slug) is str and type(index) is int):
        raise ApiError("bad_cursor", "after_cursor")
    return created_at, slug, index


def _show_page(
    name: str, shown: list[dict[str, Any]], keys: list[tuple[Any, str, int]], limit: int
) -> dict[str, Any]:
    page: dict[str, Any] = {"$schema": SCHEMA, name: shown[:limit]}
    if len(shown) > limit:
        page["next_cursor"] = encode_cursor(keys[limit - 1], CURSOR_ORDER)
    return page


# --- tags and search --------------------------------------------------------------------------


def list_tags(query: TagsQuery) -> list[dict[str, Any]]:
    field = "name" if query.order == "label" else "slug"
    tags = _list_tags().order_by(field if query.ascending else f"-{field}")
    return [rows.show_tag(tag) for tag in tags[query.offset : query.offset + query.limit]]


def show_tag_by_id(_: ReadQuery, number: int) -> dict[str, Any]:
    return _show_tag(_find_tag(number))


def show_tag_by_slug(_: ReadQuery, slug: str) -> dict[str, Any]:
    return _show_tag(_list_tags().filter(slug=slug).first())


def search(query: SearchQuery) -> dict[str, Any]:
    """Find events by words, best first, and tags by their names."""
    markets = listing.list_markets()
    is_closed = None if query.events_status is None else query.events_status == "closed"
    if is_closed is None and query.keep_closed_markets == 0:
        is_closed = False
    found = search_markets(with_details(listing.filter_closed(markets, closed=is_closed)), query.q)
    found = found.order_by(*ORDERS["relevance"])
    start, total = (query.page - 1) * query.limit_per_type, found.count()
    end = start + query.limit_per_type
    tags = _list_tags().filter(name__icontains=query.q)[: query.limit_per_type]
    return {
        "events": rows.show_events(found[start:end]),
        "tags": [rows.show_tag(tag) for tag in tags] if query.search_tags else [],
        "profiles": [],
        "pagination": {"hasMore": total > end, "totalResults": total},
    }


def _list_tags() -> QuerySet[Tag]:
    tags: QuerySet[Tag] = list_shown(Tag.objects.all(), None)
    return tags


def _find_tag(number: int) -> Tag | None:
    return next((tag for tag in _list_tags() if compute_number("tag", tag.slug) == number), None)


def _show_tag(tag: Tag | None) -> dict[str, Any]:
    if tag is None:
        raise not_found("this tag")
    return rows.show_tag(tag)
