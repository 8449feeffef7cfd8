"""Shared queries of orders, fills, candles and market figures."""

import time
from collections.abc import Collection
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import F, Max, Min, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from accounts.models import User
from kernel.errors import not_found
from markets.models import FINAL_STATUSES, HIDDEN_STATUSES, Market
from markets.queries import SLUG_PATTERN
from trading.feed.missed import AccountFill as AccountFill
from trading.feed.missed import pair_with_orders
from trading.feed.reads import book_from_database, read_lasts, read_markets
from trading.feed.replica import find_tops
from trading.models import Candle, Margin, OutcomeStats, Trade
from trading.pipeline.instruments import Instrument
from trading.pipeline.loading import read_ladders
from trading.pipeline.messages import Top
from trading.wire.levels import compute_implied_tops

DAY_MINUTES: Final = 24 * 60
"""The maximum number of trades by which the statistics lag."""


def find_own_market(slug: str, *, account_id: int, user_id: int | None) -> int:
    """Return a market that the user may see or has traded in; the same 404 for any other."""
    found = None
    if SLUG_PATTERN.fullmatch(slug):
        found = Market.objects.filter(slug=slug).values_list("pk", flat=True).first()
    if found is None:
        raise not_found("this market")
    if not Margin.objects.filter(account_id=account_id, market_id=found).exists():
        user = None if user_id is None else User.objects.get(pk=user_id)
        if not Market.objects.visible_to(user).filter(pk=found).exists():
            raise not_found("this market")
    return found


def list_fills(
    account_id: int,
    *,
    market_id: int | None = None,
    order_id: str | None = None,
    since_us: int | None = None,
    beyond: UUID | None = None,
    count: int,
) -> list[AccountFill]:
    """Return up to `count` of an account's fills, newest first, or with `since_us` oldest first.

    `beyond` is the last trade of the previous page. Two index scans, merged: one condition with OR
    would sort an account's whole history. The planner should use the account's index even when
    filtering by market, as most accounts made few of a market's trades; so the market is compared
    as an expression that matches no index.
    """
    is_forward = since_us is not None
    trades = Trade.objects.order_by("id" if is_forward else "-id")
    if since_us is not None:  # ids sort by time, to the millisecond
        first = UUID(int=since_us // 1000 << 80)
        trades = trades.filter(id__gte=first, created_at_us__gte=since_us)
    if market_id is not None:
        trades = trades.alias(market_number=F("market_id") + 0).filter(market_number=market_id)
    if beyond is not None:
        trades = trades.filter(**{"id__gt" if is_forward else "id__lt": beyond})
    sides = []
    for is_taker, role in ((True, "taker"), (False, "maker")):
        mine = trades.filter(**{f"{role}_account": account_id})
        if order_id is not None:
            mine = mine.filter(**{f"{role}_order_id": order_id})
        sides += [(trade, is_taker) for trade in mine[:count]]
    sides.sort(key=lambda side: side[0].id, reverse=not is_forward)
    return pair_with_orders(sides[:count])


# --- candles ----------------------------------------------------------------------------------


class Bar(NamedTuple):
    """Aggregated candles of one outcome: `start` and the width are minutes.

    Without a trade its prices are the last one before, and `is_carried` is set.
    """

    start: int
    open_pips: int | None
    high_pips: int | None
    low_pips: int | None
    close_pips: int | None
    bid_pips: int | None
    ask_pips: int | None
    volume_lots: int
    open_interest_lots: int
    trades: int
    seq: int
    is_carried: bool


def list_bars(
    market_id: int, outcome: int, *, width: int, start: int | None, before: int, count: int
) -> list[Bar]:
    """Return up to `count` bars of `width` minutes that begin in [start, before), newest first.

    The first interval from `start` on always has one if anything happened before.
    """
    candles = Candle.objects.filter(market_id=market_id, outcome_index=outcome)
    first_minute, last_minute = -(-(start or 0) // width) * width, -(-before // width) * width
    groups = (
        candles.filter(minute__gte=first_minute, minute__lt=last_minute)
        .values(bar=F("minute") / width)
        .annotate(
            last=Max("minute"),
            opened=Min("minute", filter=Q(open_pips__isnull=False)),
            closed=Max("minute", filter=Q(close_pips__isnull=False)),
            high=Max("high_pips"),
            low=Min("low_pips"),
            volume=Sum("volume_lots"),
            count=Sum("trades"),
        )
        .order_by("-bar")[:count]
    )
    bars = _build_bars(candles, [dict(group) for group in groups], width)
    oldest = bars[-1].start if bars else last_minute
    now = int(time.time()) // 60
    if start is not None and len(bars) < count and first_minute < min(oldest, now + 1):
        bars += _carry_in(candles, first_minute)
    return _carry_prices(candles, bars)


def _build_bars(candles: QuerySet[Candle], groups: list[dict[str, Any]], width: int) -> list[Bar]:
    wanted = {group[name] for group in groups for name in ("last", "opened", "closed")}
    rows = {row.minute: row for row in candles.filter(minute__in=wanted - {None})}
    return [_build_bar(group, rows, width) for group in groups]


def _build_bar(group: dict[str, Any], rows: dict[int, Candle], width: int) -> Bar:
    last = rows[group["last"]]
    opened, closed = group["opened"], group["closed"]
    return Bar(
        group["bar"] * width,
        None if opened is None else rows[opened].open_pips,
        group["high"],
        group["low"],
        None if closed is None else rows[closed].close_pips,
        last.bid_pips,
        last.ask_pips,
        group["volume"],
        last.open_interest_lots,
        group["count"],
        last.seq,
        is_carried=closed is None,
    )


def _carry_in(candles: QuerySet[Candle], minute: int) -> list[Bar]:
    """Return a bar at `minute` carried over from before, if there was anything."""
    earlier = candles.filter(minute__lt=minute).select_related("market")
    known = earlier.order_by("-minute").first()
    if known is None:
        return []
    quote = (known.bid_pips, known.ask_pips)
    is_paid = known.market.status in FINAL_STATUSES
    rest = (0, 0 if is_paid else known.open_interest_lots, 0, known.seq)
    return [Bar(minute, None, None, None, None, *quote, *rest, is_carried=True)]


def _carry_prices(candles: QuerySet[Candle], bars: list[Bar]) -> list[Bar]:
    """Set the prices of bars without a trade to the last price before."""
    if not any(bar.is_carried for bar in bars):
        return bars
    earlier = candles.filter(minute__lt=bars[-1].start, close_pips__isnull=False)
    last_pips = earlier.order_by("-minute").values_list("close_pips", flat=True).first()
    carried = []
    for bar in reversed(bars):
        if bar.is_carried:
            bar = bar._replace(
                open_pips=last_pips, high_pips=last_pips, low_pips=last_pips, close_pips=last_pips
            )
        last_pips = bar.close_pips
        carried.append(bar)
    return carried[::-1]


# --- figures of markets -----------------------------------------------------------------------


class Day(NamedTuple):
    """An outcome's last 24 hours from the statistics; the change is that of the last price."""

    last_pips: int | None
    volume_lots: int
    change_pips: int | None
    open_interest_lots: int


QUIET_DAY: Final = Day(None, 0, None, 0)


class OutcomeSummary(NamedTuple):
    """Summary of an outcome's book and last day; `seq` is the book's."""

    instrument: Instrument
    top: Top
    implied: Top
    day: Day
    seq: int


def list_outcome_summaries() -> list[OutcomeSummary]:
    """Return the outcomes of all public markets that are not final, by market and outcome."""
    live = Market.objects.exclude(status__in=(*FINAL_STATUSES, *HIDDEN_STATUSES))
    markets = read_markets(list(live.values_list("pk", flat=True)))
    days = _read_days(markets.keys())
    summaries = []
    for market_id, market in sorted(markets.items()):
        tops = {top.outcome: top for top in market.image.tops}
        implied = compute_implied_tops(market.instrument, tops)
        for outcome in range(market.instrument.book_count):
            top = tops.get(outcome) or Top(outcome)
            day = days.get((market_id, outcome), QUIET_DAY)
            summaries.append(
                OutcomeSummary(market.instrument, top, implied[outcome], day, market.image.seq)
            )
    return summaries


def _read_days(market_ids: Collection[int]) -> dict[tuple[int, int], Day]:
    """Return days by (market, outcome)."""
    since = int(time.time()) // 60 - DAY_MINUTES
    own = Candle.objects.filter(
        market_id=OuterRef("market_id"), outcome_index=OuterRef("outcome_index")
    )
    within = own.filter(minute__gte=since)
    volume = within.order_by().values("market_id").annotate(lots=Sum("volume_lots"))
    before = own.filter(minute__lt=since, close_pips__isnull=False).order_by("-minute")
    first = within.filter(open_pips__isnull=False).order_by("minute")
    rows = OutcomeStats.objects.filter(market_id__in=market_ids).values_list(
        "market_id",
        "outcome_index",
        "last_pips",
        Coalesce(Subquery(volume.values("lots")), 0),
        Coalesce(
            Subquery(before.values("close_pips")[:1]), Subquery(first.values("open_pips")[:1])
        ),
        "open_interest_lots",
    )
    return {
        (market_id, outcome): Day(last, int(lots), _change(last, reference), interest)
        for market_id, outcome, last, lots, reference, interest in rows
    }


def _change(last_pips: int | None, reference_pips: int | None) -> int | None:
    if last_pips is None or reference_pips is None:
        return None
    return last_pips - reference_pips


def read_open_interest(market: Market) -> int:
    """Return the market's outstanding contracts; 0 after the payout."""
    if market.status in FINAL_STATUSES:
        return 0
    rows = OutcomeStats.objects.filter(market=market).values_list("open_interest_lots", flat=True)
    return rows.first() or 0  # every row has the market's figure


class Quote(NamedTuple):
    """Best prices of a book and a maker, and the last; None where there is none."""

    bid_pips: int | None
    ask_pips: int | None
    last_pips: int | None


def read_tops(instrument: Instrument) -> tuple[int, int, dict[int, Top]]:
    """Return (seq, ts_us, best prices by book) as of the last commit."""
    seq, ts_us, levels = book_from_database(instrument.id)
    ladders = read_ladders([instrument.id], levels_max=1) if instrument.has_maker else {}
    tops = {top.outcome: top for top in find_tops(levels, ladders.get(instrument.id, ()))}
    books = range(instrument.book_count)
    return seq, ts_us, {outcome: tops.get(outcome) or Top(outcome) for outcome in books}


def read_quotes(instrument: Instrument) -> tuple[int, int, list[Quote]]:
    """Return (seq, ts_us, a quote for each book) as of the last commit."""
    seq, ts_us, tops = read_tops(instrument)
    lasts = read_lasts({instrument.id: seq})[instrument.id]
    quotes = [
        Quote(top.best_bid_pips, top.best_ask_pips, lasts.get(outcome))
        for outcome, top in tops.items()
    ]
    return seq, ts_us, quotes
