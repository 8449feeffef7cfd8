"""Browsing markets: the filters of the markets page, their URL parameters and results.

URLs are untrusted: an unknown order or status is ignored, an unknown category, tag, event or series
is a 404.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from django.db.models import Case, Count, QuerySet, When

from markets.models import FINAL_STATUSES, PUBLIC_STATUSES, Market, Tag
from markets.queries import ORDERS, list_markets
from web.pagination import Page, paginate

STATUSES: Final[dict[str, tuple[str, ...]]] = {
    "open": (Market.Status.OPEN, Market.Status.HALTED),
    "closed": (Market.Status.CLOSED, Market.Status.RESOLVING),
    "settled": FINAL_STATUSES,
    "all": PUBLIC_STATUSES,
}
SORTS: Final = ("volume", "trending", "newest", "closing")
SORT_OF_SEARCH: Final = "relevance"
SORT_OF_OPEN: Final = "closing"
"""Only open markets have an upcoming close."""
FEATURED_ORDER: Final = ("-featured_rank", *ORDERS["volume"])
SEARCH_LENGTH_MAX: Final = 100
PAGE_MARKETS: Final = 24
TAGS_SHOWN_MAX: Final = 12
CURSOR: Final = "cursor"
PARAMETERS: Final = {
    "search": "q",
    "category": "category",
    "tag": "tag",
    "event": "event",
    "series": "series",
    "status": "status",
    "sort": "sort",
}
"""Field of `Filters` -> its URL parameter."""


class Filters(msgspec.Struct, frozen=True):
    """The filters of a search. The default is the front page's list."""

    search: str = ""
    category: str = ""
    tag: str = ""
    event: str = ""
    series: str = ""
    status: str = "open"
    sort: str = ""
    """"" is the first of `sorts`: by relevance in a search, else by volume."""

    @property
    def is_plain(self) -> bool:
        return self == PLAIN

    @property
    def sorts(self) -> tuple[str, ...]:
        """The applicable sort orders, the default first."""
        sorts = SORTS if self.status == "open" else tuple(s for s in SORTS if s != SORT_OF_OPEN)
        return (SORT_OF_SEARCH, *sorts) if self.search else sorts

    def with_changes(self, **changes: str) -> "Filters":
        return msgspec.structs.replace(self, **changes)

    def build_query(self, *, cursor: str = "") -> str:
        """Return the URL's query without defaults: "?q=rain" or ""."""
        query = {
            PARAMETERS[name]: value
            for name, value in msgspec.structs.asdict(self).items()
            if value != getattr(PLAIN, name)
        }
        if cursor:
            query[CURSOR] = cursor
        return f"?{urlencode(query)}" if query else ""


PLAIN: Final = Filters()


def read_filters(query: Mapping[str, str]) -> Filters:
    texts = {name: query.get(key, "").replace("\x00", "") for name, key in PARAMETERS.items()}
    texts["search"] = texts["search"].strip()[:SEARCH_LENGTH_MAX]
    if texts["status"] not in STATUSES:
        texts["status"] = PLAIN.status
    filters = Filters(**texts)
    return filters if filters.sort in filters.sorts[1:] else filters.with_changes(sort=PLAIN.sort)


def find_page(user: Any, filters: Filters, *, cursor: str) -> Page:
    """Return a page of `user`'s matches; without filters the featured markets come first."""
    sort = filters.sort or filters.sorts[0]
    markets = list_markets(
        user,
        statuses=STATUSES[filters.status],
        category=filters.category,
        tag=filters.tag,
        event=filters.event,
        series=filters.series,
        search=filters.search,
        sort=sort,
    )
    order = ORDERS[sort]
    if filters.is_plain:
        rank = Case(When(featured=True, then=1), default=0)
        markets, order = markets.annotate(featured_rank=rank), list(FEATURED_ORDER)
    return paginate(_without_texts(markets), order=order, cursor=cursor, limit=PAGE_MARKETS)


def _without_texts(markets: QuerySet[Market]) -> QuerySet[Market]:
    """Defer texts that cards don't show, as they would be carried through every sort."""
    return markets.defer("description", "rules", "resolution_source")


def list_busy_tags(user: Any) -> QuerySet[Tag]:
    """Return the most frequent tags of open markets visible to `user`."""
    found = Market.objects.listed_for(user).filter(status__in=STATUSES["open"])
    counted = Tag.objects.filter(markets__in=found).annotate(market_count=Count("markets"))
    return counted.order_by("-market_count", "name")[:TAGS_SHOWN_MAX]
