"""Names: a market's slug in capitals is an event, and the market of its one book.

Of several outcomes each is a market SLUG_CODE: an underscore is never part of a slug. Series are
those of events; a market without one belongs to the series of its category.
"""

from typing import Final, NamedTuple

from django.db.models import Q, QuerySet

from kernel.errors import not_found
from markets.models import Category, Market, Outcome, Series
from markets.queries import SLUG_PATTERN

MARKET: Final = "this market"
EVENT: Final = "this event"
SERIES: Final = "this series"
OF_CATEGORY: Final = "CATEGORY_"
UNSORTED: Final = "OTHER"


class KalshiTicker(NamedTuple):
    """A market's slug and, of several outcomes, the code of the one; None: YES."""

    slug: str
    code: str | None

    @property
    def text(self) -> str:
        return name_market(self.slug, self.code)


class SeriesRow(NamedTuple):
    """A series as it is shown: one of ours, or all markets of a category without one."""

    ticker: str
    title: str
    category: str


def name_market(slug: str, code: str | None) -> str:
    return slug.upper() if code is None else f"{slug.upper()}_{code}"


def name_book(market: Market, outcome: Outcome) -> str:
    return name_market(market.slug, None if market.has_one_book else outcome.code)


def read_ticker(text: str) -> KalshiTicker:
    """Return its parts, without asking whether there is such a market."""
    slug, _, code = text.partition("_")
    return KalshiTicker(read_event(slug, MARKET), code or None)


def read_event(text: str, what: str = EVENT) -> str:
    slug = text.lower()
    if not SLUG_PATTERN.fullmatch(slug):
        raise not_found(what)
    return slug


def match_books(texts: list[str]) -> Q:
    """Return the condition for outcomes whose books have these tickers; unknown ones match none."""
    found = Q(pk__in=())
    for text in texts:
        slug, _, code = text.partition("_")
        found |= Q(market__slug=slug.lower(), **({"code": code} if code else {}))
    return found


def name_series(market: Market) -> str:
    series = market.event.series if market.event else None
    if series is not None:
        return series.slug.upper()
    return OF_CATEGORY + market.category.slug.upper() if market.category else UNSORTED


def filter_series(markets: QuerySet[Market], ticker: str) -> QuerySet[Market]:
    """Return the markets of a series; none of one that is unknown."""
    alone = markets.filter(Q(event=None) | Q(event__series=None))
    if ticker == UNSORTED:
        return alone.filter(category=None)
    if ticker.startswith(OF_CATEGORY):
        return alone.filter(category__slug__iexact=ticker.removeprefix(OF_CATEGORY))
    return markets.filter(event__series__slug__iexact=ticker)


def list_series(shown: QuerySet[Series]) -> list[SeriesRow]:
    own = [
        SeriesRow(row.slug.upper(), row.title, row.category.name if row.category else "")
        for row in shown.select_related("category").order_by("slug")
    ]
    of_categories = [
        SeriesRow(OF_CATEGORY + row.slug.upper(), row.name, row.name)
        for row in Category.objects.all()
    ]
    return [*own, *of_categories, SeriesRow(UNSORTED, "Other markets", "")]
