"""Which markets are listed and found: public ones only, by the same rule for every list."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db.models import F, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from compat.polymarket.names import ORDER_BOOK, BinaryLeg, build_leg, find_leg
from kernel.cache import FreshCache
from kernel.errors import ApiError, not_found
from markets.models import FINAL_STATUSES, Market, Outcome
from markets.queries import with_details
from trading.engine.types import BUY, PAYOUT_PIPS
from trading.models import Order, OutcomeStats
from trading.pipeline.instruments import Instrument, build_instrument
from trading.readmodels.market_data import list_summaries
from trading.readmodels.marks import Mark, compute_mark
from trading.readmodels.queries import OutcomeSummary

ORDERS: Final = {
    "id": "created_at",
    "createdAt": "created_at",
    "startDate": "created_at",
    "endDate": "close_at",
    "closedTime": "settled_at",
    "volume": "stats__volume_lots",
    "volumeNum": "stats__volume_lots",
    "volume24hr": "stats__volume_24h_lots",
}
FRESH_SECONDS: Final = 0.9


class Figures(NamedTuple):
    """What lists show of a book beside its market's row, as that of YES."""

    bid_pips: int | None
    ask_pips: int | None
    last_pips: int | None
    change_24h_pips: int | None
    volume_lots: int
    volume_24h_lots: int
    open_interest_lots: int
    liquidity_micros: int
    """What resting orders put up, at their prices."""

    @property
    def mark(self) -> Mark:
        return compute_mark(self.bid_pips, self.ask_pips, self.last_pips)


class ShownLeg(NamedTuple):
    leg: BinaryLeg
    market: Market
    outcome: Outcome
    figures: Figures

    @property
    def instrument(self) -> Instrument:
        return build_instrument(self.market)

    @property
    def accepts_orders(self) -> bool:
        return self.market.status == Market.Status.OPEN and self.outcome.withdrawn_pips is None

    @property
    def payout_pips(self) -> int | None:
        """What YES was paid; None before the result is final."""
        return self.outcome.payout_pips if self.market.status in FINAL_STATUSES else None


def list_markets() -> QuerySet[Market]:
    return Market.objects.listed_for(None)


def visible_markets() -> QuerySet[Market]:
    """Those that may be named, unlisted ones too."""
    return Market.objects.visible_to(None)


def get_market(leg: BinaryLeg | None, what: str) -> Market:
    """Return the market of a book that everybody may see; the same 404 for any other."""
    found = (
        None if leg is None else with_details(visible_markets()).filter(pk=leg.market_id).first()
    )
    if found is None:
        raise not_found(what)
    return found


def get_instrument(leg: BinaryLeg) -> Instrument:
    markets = visible_markets().prefetch_related("outcomes")
    market = markets.filter(pk=leg.market_id).first()
    if market is None:
        raise not_found(ORDER_BOOK)
    return build_instrument(market)


def get_leg(kind: str, name: str | int) -> ShownLeg:
    leg = find_leg(kind, name)
    market = get_market(leg, "this market")
    return next(shown for shown in show_legs([market]) if shown.leg == leg)


def list_books(markets: QuerySet[Market]) -> QuerySet[Outcome]:
    """Return the outcomes that have a book: all, or of a market with one book the first."""
    has_book = Q(index=0) | Q(market__kind=Market.Kind.CATEGORICAL)
    return Outcome.objects.filter(has_book, market__in=markets)


def show_legs(markets: Collection[Market]) -> list[ShownLeg]:
    """Return the books of markets (with details), with their figures in three queries."""
    figures = _read_figures([market.pk for market in markets])
    return [
        ShownLeg(build_leg(market, outcome), market, outcome, figures[market.pk, outcome.index])
        for market in markets
        for outcome in list(market.outcomes.all())[: market.book_count]
    ]


def pick_legs(books: Iterable[tuple[int, int]]) -> list[ShownLeg]:
    """Return these books (market, place of the outcome), in this order."""
    wanted = list(books)
    markets = with_details(Market.objects.filter(pk__in={market_id for market_id, _ in wanted}))
    by_book = {(leg.market.pk, leg.outcome.index): leg for leg in show_legs(list(markets))}
    return [by_book[book] for book in wanted if book in by_book]


def sort_books(books: QuerySet[Outcome], order: str, *, ascending: bool) -> QuerySet[Outcome]:
    return books.order_by(*_find_order(order, ascending, "market__"), "market__slug", "index")


def sort_markets(markets: QuerySet[Market], order: str, *, ascending: bool) -> QuerySet[Market]:
    return markets.order_by(*_find_order(order, ascending, ""), "slug")


def _find_order(order: str, ascending: bool, prefix: str) -> list[Any]:
    found = []
    for name in (order or "createdAt").split(","):
        if name not in ORDERS:
            raise ApiError("invalid_choice", "order", detail=f"send one of {', '.join(ORDERS)}")
        field = F(prefix + ORDERS[name])
        found.append(field.asc(nulls_last=True) if ascending else field.desc(nulls_last=True))
    return found


def filter_closed(markets: QuerySet[Market], *, closed: bool | None) -> QuerySet[Market]:
    if closed is None:
        return markets
    is_final = Q(status__in=FINAL_STATUSES)
    return markets.filter(is_final if closed else ~is_final)


def filter_times(
    markets: QuerySet[Market], field: str, since: datetime | None, until: datetime | None
) -> QuerySet[Market]:
    if since is not None:
        markets = markets.filter(**{f"{field}__gte": since})
    if until is not None:
        markets = markets.filter(**{f"{field}__lte": until})
    return markets


def _read_figures(market_ids: Collection[int]) -> dict[tuple[int, int], Figures]:
    live = _summaries.get_shared("") or {}
    liquidity = _read_liquidity(market_ids)
    stats = {
        (market_id, book): (last_pips, volume_lots)
        for market_id, book, last_pips, volume_lots in OutcomeStats.objects.filter(
            market_id__in=market_ids
        ).values_list("market_id", "outcome_index", "last_pips", "volume_lots")
    }
    books = Outcome.objects.filter(market__in=market_ids).values_list("market_id", "index")
    return {
        key: _build_figures(live.get(key), *stats.get(key, (None, 0)), liquidity.get(key, 0))
        for key in books
    }


def _build_figures(
    summary: OutcomeSummary | None, last_pips: int | None, volume_lots: int, liquidity_micros: int
) -> Figures:
    if summary is None:  # final, or opened a moment ago
        return Figures(None, None, last_pips, None, volume_lots, 0, 0, liquidity_micros)
    top, day = summary.top, summary.day
    return Figures(
        top.best_bid_pips,
        top.best_ask_pips,
        day.last_pips,
        day.change_pips,
        volume_lots,
        day.volume_lots,
        day.open_interest_lots,
        liquidity_micros,
    )


def _read_liquidity(market_ids: Collection[int]) -> dict[tuple[int, int], int]:
    resting = Order.objects.filter(market_id__in=market_ids).open()
    rows = (
        resting.order_by()
        .values_list("market_id", "outcome_index", "side")
        .annotate(
            lots=Coalesce(Sum("remaining_lots"), 0),
            micros=Coalesce(Sum(F("remaining_lots") * F("price_pips")), 0),
        )
    )
    micros: dict[tuple[int, int], int] = {}
    for market_id, book, side, lots, value in rows:
        put_up = int(value) if side == BUY else int(lots) * PAYOUT_PIPS - int(value)
        micros[market_id, book] = micros.get((market_id, book), 0) + put_up
    return micros


def _read_summaries(_: str) -> dict[tuple[int, int], OutcomeSummary]:
    return {(one.instrument.id, one.top.outcome): one for one in list_summaries()}


_summaries: FreshCache[str, dict[tuple[int, int], OutcomeSummary]] = FreshCache(
    _read_summaries, seconds=FRESH_SECONDS
)
