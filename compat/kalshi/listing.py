"""Which markets are listed and found, with the figures that their rows show."""

from collections.abc import Collection
from typing import Any, Final, NamedTuple

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from compat.kalshi.numbers import read_seconds
from compat.kalshi.requests import KalshiCall, Query, read_list
from compat.kalshi.tickers import EVENT, MARKET, filter_series, match_books, read_event, read_ticker
from kernel.clock import now_us
from kernel.errors import ApiError, not_found
from markets.models import FINAL_STATUSES, Market, Outcome
from markets.queries import with_details
from trading.engine.types import PAYOUT_PIPS
from trading.models import Candle, OutcomeStats
from trading.pipeline.messages import Top
from trading.readmodels.market_data import list_summaries
from trading.readmodels.queries import DAY_MINUTES, QUIET_DAY, Day
from web.pagination import bad_cursor, decode_cursor, encode_cursor

_ORDER: Final = ("slug", "index")
STATUSES: Final[dict[str, tuple[str, ...]]] = {
    "unopened": (),
    "open": (Market.Status.OPEN,),
    "paused": (Market.Status.HALTED,),
    "closed": (Market.Status.CLOSED, Market.Status.RESOLVING),
    "settled": FINAL_STATUSES,
}
"""The words of filters, which differ from those of replies."""
TIMES: Final = {
    "created": "created_at", "updated": "updated_at", "close": "close_at", "settled": "settled_at",
}  # fmt: skip


class Quotes(NamedTuple):
    """A book's best prices a day ago, or when it began where that is later."""

    bid_pips: int = 0
    ask_pips: int = PAYOUT_PIPS


class Book(NamedTuple):
    """A market's book with its figures, as those of YES."""

    market: Market
    outcome: Outcome
    top: Top
    day: Day
    volume_lots: int
    before: "Quotes"

    @property
    def bid_pips(self) -> int:
        return self.top.best_bid_pips or 0

    @property
    def ask_pips(self) -> int:
        return PAYOUT_PIPS if self.top.best_ask_pips is None else self.top.best_ask_pips

    @property
    def payout_pips(self) -> int | None:
        """What YES was paid; None before, and of a market that was voided."""
        return self.outcome.payout_pips if self.market.status in FINAL_STATUSES else None


def list_markets(call: KalshiCall) -> QuerySet[Market]:
    """Return the markets that this query asks for: listed ones, or those that it names."""
    query = call.query
    is_named = query.event_ticker or query.tickers
    see = Market.objects.visible_to if is_named else Market.objects.listed_for
    markets: QuerySet[Market] = see(call.user)
    if query.event_ticker:
        slugs = [text.lower() for text in read_list(query.event_ticker, "event_ticker")]
        markets = markets.filter(slug__in=slugs)
    if query.series_ticker:
        markets = filter_series(markets, query.series_ticker)
    if query.status:
        markets = markets.filter(status__in=_read_statuses(query.status))
    if query.mve_filter == "only":
        markets = markets.none()
    return _filter_times(markets, query)


def _read_statuses(text: str) -> set[str]:
    found: set[str] = set()
    for word in text.split(","):
        if word not in STATUSES:
            raise ApiError("invalid_choice", "status", detail=f"send one of {', '.join(STATUSES)}")
        found.update(STATUSES[word])
    return found


def _filter_times(markets: QuerySet[Market], query: Query) -> QuerySet[Market]:
    for word, field in TIMES.items():
        for bound, comparison in (("min", "gte"), ("max", "lte")):
            name = f"{bound}_{word}_ts"
            moment = read_seconds(getattr(query, name), name)
            if moment is not None:
                markets = markets.filter(**{f"{field}__{comparison}": moment})
    return markets


def page_books(call: KalshiCall) -> tuple[list[Book], str]:
    """Return a page of books by name, and the cursor of the next one ("": none)."""
    query = call.query
    has_book = Q(index=0) | Q(market__kind=Market.Kind.CATEGORICAL)
    rows = Outcome.objects.filter(has_book, market__in=list_markets(call))
    if query.tickers:
        rows = rows.filter(match_books(read_list(query.tickers, "tickers")))
    if query.cursor:
        rows = rows.filter(_after(query.cursor))
    names = list(
        rows.order_by("market__slug", "index").values_list("market_id", "index", "market__slug")[
            : query.limit + 1
        ]
    )
    page = names[: query.limit]
    cursor = encode_cursor((page[-1][2], page[-1][1]), _ORDER) if len(names) > len(page) else ""
    return pick_books([(market_id, index) for market_id, index, _ in page]), cursor


def _after(cursor: str) -> Q:
    slug, index = decode_cursor(cursor, _ORDER)
    if not isinstance(slug, str) or type(index) is not int:
        raise bad_cursor()
    return Q(market__slug__gt=slug) | Q(market__slug=slug, index__gt=index)


def pick_books(wanted: Collection[tuple[int, int]]) -> list[Book]:
    """Return these books (market, place of the outcome), in this order."""
    markets = with_details(Market.objects.filter(pk__in={market_id for market_id, _ in wanted}))
    by_place = {(book.market.pk, book.outcome.index): book for book in read_books(list(markets))}
    return [by_place[place] for place in wanted if place in by_place]


def read_books(markets: Collection[Market]) -> list[Book]:
    """Return all books of markets (with details)."""
    ids = {market.pk for market in markets}
    live = {
        (one.instrument.id, one.top.outcome): one
        for one in list_summaries()
        if one.instrument.id in ids
    }
    stats = _read_stats(ids)
    books = []
    for market in markets:
        for outcome in list(market.outcomes.all())[: market.book_count]:
            place = (market.pk, outcome.index)
            last_pips, volume_lots, before = stats.get(place, (None, 0, Quotes()))
            known = live.get(place)
            day = QUIET_DAY._replace(last_pips=last_pips) if known is None else known.day
            top = Top(outcome.index) if known is None else known.top
            books.append(Book(market, outcome, top, day, volume_lots, before))
    return books


def _read_stats(
    market_ids: Collection[int],
) -> dict[tuple[int, int], tuple[int | None, int, Quotes]]:
    """Return last prices, volumes and the quotes of before by (market, place of the outcome)."""
    since = now_us() // 60_000_000 - DAY_MINUTES
    own = Candle.objects.filter(
        market_id=OuterRef("market_id"), outcome_index=OuterRef("outcome_index")
    )
    before, first = own.filter(minute__lt=since).order_by("-minute"), own.order_by("minute")
    quotes = [
        Coalesce(Subquery(before.values(name)[:1]), Subquery(first.values(name)[:1]))
        for name in ("bid_pips", "ask_pips")
    ]
    rows = OutcomeStats.objects.filter(market_id__in=market_ids).values_list(
        "market_id", "outcome_index", "last_pips", "volume_lots", *quotes
    )
    return {
        (market_id, index): (
            last_pips,
            volume_lots,
            Quotes(bid_pips or 0, PAYOUT_PIPS if ask_pips is None else ask_pips),
        )
        for market_id, index, last_pips, volume_lots, bid_pips, ask_pips in rows
    }


def get_event(call: KalshiCall, text: str) -> Market:
    markets = with_details(Market.objects.visible_to(call.user))
    market = markets.filter(slug=read_event(text)).first()
    if market is None:
        raise not_found(EVENT)
    return market


def get_place(user: Any, text: str) -> tuple[Market, int]:
    """Return a market that the user may see, and which of its books is meant."""
    ticker = read_ticker(text)
    markets = Market.objects.visible_to(user).prefetch_related("outcomes")
    market = markets.filter(slug=ticker.slug).first()
    if market is None:
        raise not_found(MARKET)
    return market, find_index(market, ticker.code)


def find_index(market: Market, code: str | None) -> int:
    if code is None and market.has_one_book:
        return 0
    codes = [outcome.code for outcome in market.outcomes.all()][: market.book_count]
    if code not in codes:
        raise not_found(MARKET)
    return codes.index(code)


def get_book(call: KalshiCall, text: str) -> Book:
    market, index = get_place(call.user, text)
    return pick_books([(market.pk, index)])[0]
