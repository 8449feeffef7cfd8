"""An account's own money, orders, fills, positions and settlements."""

import uuid
from collections import defaultdict
from collections.abc import Collection
from typing import Any, Final, NamedTuple

from django.db.models import Count, Q, QuerySet, Sum

from accounts.models import Account
from compat.kalshi.listing import find_index
from compat.kalshi.numbers import (
    count,
    count_fp,
    money,
    money_cents,
    money_fields,
    read_seconds,
    time,
    time_us,
)
from compat.kalshi.order_rows import STATUSES, show_fills, show_orders
from compat.kalshi.requests import KalshiCall, read_list
from compat.kalshi.rows import name_result
from compat.kalshi.tickers import name_book, read_event, read_ticker
from kernel.clock import from_datetime, now_us
from kernel.errors import ApiError, not_found
from markets.models import FINAL_STATUSES, Market
from trading.engine.types import PAYOUT_PIPS
from trading.feed.reads import read_cards
from trading.models import Margin, Order, Trade
from trading.readmodels import queries
from trading.readmodels.holdings import (
    Holding,
    list_holdings,
    list_margins,
    list_open_holdings,
    value_holdings,
)
from trading.wire.reading import read_order_id
from web.pagination import bad_cursor, build_page, decode_cursor, paginate

NEWEST_FIRST: Final = ["-id"]


class Placement(NamedTuple):
    """A market that a query names, and the book; None: all of its books."""

    market: Market
    book: int | None


def show_balance(call: KalshiCall) -> dict[str, Any]:
    account = Account.objects.get(pk=call.caller.account_id)
    worth = value_holdings(list_open_holdings(account.pk))
    worth_micros = worth.positions_micros
    if worth_micros is None:  # a price is unknown: what is sure
        worth_micros = worth.locked_collateral_micros
    available = account.available_micros
    return {
        "balance": money_cents(available),
        "balance_dollars": money(available),
        "portfolio_value": money_cents(worth_micros),
        "portfolio_value_dollars": money(worth_micros),
        "updated_ts": now_us() // 1_000_000,
        "balance_breakdown": [{"exchange_index": 0, "balance": money(available)}],
    }


def show_resting_value(call: KalshiCall) -> dict[str, Any]:
    """What is held for resting orders, which is less than the sum of their prices."""
    margins = Margin.objects.filter(account=call.caller.account_id)
    held_micros = int(margins.aggregate(held=Sum("held_micros"))["held"] or 0)
    return {
        "total_resting_order_value": money_cents(held_micros),
        "total_resting_order_value_dollars": money(held_micros),
        "resting_order_value_breakdown": [
            {
                "exchange_index": 0,
                "balance": money(held_micros),
                "total_resting_order_value": money_cents(held_micros),
            }
        ],
    }


# --- orders -----------------------------------------------------------------------------------


def list_orders(call: KalshiCall) -> dict[str, Any]:
    query = call.query
    orders = _filter_places(Order.objects.filter(account=call.caller.account_id), call)
    orders = _filter_created(orders, call)
    if query.status:
        wanted: list[int] = []
        for word in query.status.split(","):
            if word not in STATUSES:
                raise ApiError("invalid_choice", "status")
            wanted += STATUSES[word]
        orders = orders.filter(status__in=wanted)
    page = paginate(orders, order=NEWEST_FIRST, cursor=query.cursor, limit=query.limit)
    return {"orders": show_orders(page.rows), "cursor": page.next_cursor or ""}


def show_order(call: KalshiCall) -> dict[str, Any]:
    return {"order": read_own_order(call.caller.account_id, call.names["order_id"])}


def read_own_order(account_id: int, order_id: str) -> dict[str, Any]:
    pk = read_order_id(order_id.replace("-", "").lower())
    order = Order.objects.filter(account=account_id, pk=pk).first()
    if order is None:
        raise not_found("this order")
    return show_orders([order])[0]


def _filter_created(rows: QuerySet, call: KalshiCall) -> QuerySet:
    for name, comparison in (("min_ts", "gte"), ("max_ts", "lte")):
        moment = read_seconds(getattr(call.query, name), name)
        if moment is not None:
            rows = rows.filter(**{f"created_at_us__{comparison}": from_datetime(moment)})
    return rows


def _filter_places(rows: QuerySet, call: KalshiCall) -> QuerySet:
    """Return the rows of the markets that the query names."""
    wanted = Q()
    for place in find_places(call):
        of_book = Q() if place.book is None else Q(outcome_index=place.book)
        wanted |= Q(market=place.market) & of_book
    return rows.filter(wanted)


def find_places(call: KalshiCall) -> list[Placement]:
    """Return what the query names; [] for a query that names nothing."""
    query = call.query
    found = [
        _find_own(call, ticker.slug, ticker.code, is_event=False)
        for ticker in map(read_ticker, read_list(query.ticker, "ticker"))
    ]
    return found or [
        _find_own(call, read_event(text), None, is_event=True)
        for text in read_list(query.event_ticker, "event_ticker")
    ]


def _find_own(call: KalshiCall, slug: str, code: str | None, *, is_event: bool) -> Placement:
    caller = call.caller
    pk = queries.find_own_market(slug, account_id=caller.account_id, user_id=caller.user_id)
    market = Market.objects.prefetch_related("outcomes").get(pk=pk)
    return Placement(market, None if is_event else find_index(market, code))


# --- fills ------------------------------------------------------------------------------------


def list_fills(call: KalshiCall) -> dict[str, Any]:
    query, account_id = call.query, call.caller.account_id
    places = find_places(call)
    if len(places) > 1:
        raise ApiError("invalid_value", "ticker", detail="send one ticker")
    place = places[0] if places else None
    oldest_us = _read_us(query.min_ts, "min_ts", 0)
    found = queries.list_fills(
        account_id,
        market_id=None if place is None else place.market.pk,
        order_id=_find_order(query.order_id, account_id),
        beyond=_read_beyond(call),
        count=query.limit + 1,
    )
    page = build_page(found, query.limit, lambda fill: [fill.trade.id], NEWEST_FIRST)
    shown = [
        fill
        for fill in page.rows
        if fill.trade.created_at_us >= oldest_us
        and (place is None or place.book in (None, fill.trade.outcome_index))
    ]
    is_over = bool(page.rows) and page.rows[-1].trade.created_at_us < oldest_us
    cursor = "" if is_over else page.next_cursor or ""
    return {"fills": show_fills(shown), "cursor": cursor}


def _read_us(seconds: int | None, field: str, default: int) -> int:
    moment = read_seconds(seconds, field)
    return default if moment is None else from_datetime(moment)


def _read_beyond(call: KalshiCall) -> uuid.UUID | None:
    """Return the trade after which a page begins: ids sort by time, newest first."""
    if call.query.cursor:
        try:
            return uuid.UUID(decode_cursor(call.query.cursor, NEWEST_FIRST)[0])
        except (ValueError, AttributeError):
            raise bad_cursor() from None
    if call.query.max_ts is None:
        return None
    after_ms = _read_us(call.query.max_ts, "max_ts", 0) // 1_000 + 1
    return uuid.UUID(int=after_ms << 80)


def _find_order(order_id: str, account_id: int) -> str | None:
    if not order_id:
        return None
    pk = read_order_id(order_id.replace("-", "").lower())
    if not Order.objects.filter(account=account_id, pk=pk).exists():
        raise not_found("this order")
    return pk


# --- positions --------------------------------------------------------------------------------


def list_positions(call: KalshiCall) -> dict[str, Any]:
    query, account_id = call.query, call.caller.account_id
    margins = list_margins(account_id)
    if query.settlement_status in ("", "unsettled"):
        margins = margins.filter(payout_micros=None)
    elif query.settlement_status == "settled":
        margins = margins.exclude(payout_micros=None)
    elif query.settlement_status != "all":
        raise ApiError("invalid_choice", "settlement_status")
    places = find_places(call)
    if places:
        margins = margins.filter(market__in=[place.market.pk for place in places])
    page = paginate(margins, order=NEWEST_FIRST, cursor=query.cursor, limit=query.limit)
    wanted = {(place.market.pk, place.book) for place in places if place.book is not None}
    found = _show_positions(account_id, page.rows)
    rows = [row for row in found if not wanted or (row.market.pk, row.book) in wanted]
    shown = [row.to_json() for row in rows]
    return {
        "market_positions": shown,
        "positions": shown,
        "event_positions": _show_events(rows),
        "cursor": page.next_cursor or "",
    }


class BookPosition(NamedTuple):
    """What an account has in one book."""

    market: Market
    book: int
    ticker: str
    lots: int
    traded_lots: int
    traded_micros: int
    exposure_micros: int
    realised_micros: int
    fees_micros: int
    resting: int
    last_us: int

    def to_json(self) -> dict[str, Any]:
        return {
            "ticker": self.ticker,
            "position": count(self.lots),
            "position_fp": count_fp(self.lots),
            **money_fields("total_traded", self.traded_micros),
            **money_fields("market_exposure", self.exposure_micros),
            **money_fields("realized_pnl", self.realised_micros),
            **money_fields("fees_paid", self.fees_micros),
            "resting_orders_count": self.resting,
            "resting_order_count": self.resting,
            "event_ticker": self.market.slug.upper(),
            "total_cost": money_cents(self.exposure_micros),
            "last_updated_ts": time_us(self.last_us),
            "exchange_index": 0,
        }

    def to_event(self) -> dict[str, Any]:
        """Return what the socket says of it."""
        return {
            "market_ticker": self.ticker,
            "position": count(self.lots),
            "position_fp": count_fp(self.lots),
            "position_cost_dollars": money(self.exposure_micros),
            "realized_pnl_dollars": money(self.realised_micros),
            "fees_paid_dollars": money(self.fees_micros),
            "position_fee_cost_dollars": money(self.fees_micros if self.lots else 0),
            "volume": count(self.traded_lots),
            "volume_fp": count_fp(self.traded_lots),
        }


class TradedTotals(NamedTuple):
    """What an account has traded in a book, in both roles."""

    lots: int = 0
    micros: int = 0
    fees_micros: int = 0


def read_positions(account_id: int, market_ids: Collection[int]) -> list[BookPosition]:
    """Return what an account has in these markets."""
    return _show_positions(account_id, list(list_margins(account_id).filter(market__in=market_ids)))


def _show_positions(account_id: int, margins: list[Margin]) -> list[BookPosition]:
    market_ids = [margin.market_id for margin in margins]
    holdings = list_holdings(margins, read_cards(set(market_ids)))
    markets = Market.objects.prefetch_related("outcomes").in_bulk(market_ids)
    traded = _read_traded(account_id, market_ids)
    resting = _count_resting(account_id, market_ids)
    rows = []
    for holding in holdings:
        market = markets[holding.market_id]
        for outcome in list(market.outcomes.all())[: market.book_count]:
            place = (market.pk, outcome.index)
            sums = traded.get(place, TradedTotals())
            if holding.net_lots[outcome.index] or sums.lots:
                rows.append(_build(holding, market, outcome, sums, resting.get(place, 0)))
    return rows


def _build(
    holding: Holding, market: Market, outcome: Any, traded: TradedTotals, resting: int
) -> BookPosition:
    index, lots = outcome.index, holding.net_lots[outcome.index]
    cost_micros = holding.cost_micros[index]
    return BookPosition(
        market,
        index,
        name_book(market, outcome),
        lots,
        traded.lots,
        traded.micros,
        # A sale of what is not owned is backed by what NO costs.
        cost_micros if lots >= 0 else cost_micros - PAYOUT_PIPS * lots,
        holding.realised_micros[index],
        traded.fees_micros,
        resting,
        from_datetime(market.updated_at),
    )


def _read_traded(account_id: int, market_ids: list[int]) -> dict[tuple[int, int], TradedTotals]:
    found: dict[tuple[int, int], TradedTotals] = {}
    for role in ("taker", "maker"):
        trades = Trade.objects.filter(**{f"{role}_account": account_id}, market__in=market_ids)
        rows = trades.order_by().values_list("market_id", "outcome_index")
        sums = rows.annotate(Sum("quantity_lots"), Sum("amount_micros"), Sum(f"{role}_fee_micros"))
        for market_id, index, *figures in sums:
            known = found.get((market_id, index), TradedTotals())
            added = map(int, figures)
            found[market_id, index] = TradedTotals(*map(sum, zip(known, added, strict=True)))
    return found


def _count_resting(account_id: int, market_ids: list[int]) -> dict[tuple[int, int], int]:
    orders = Order.objects.filter(account=account_id, market__in=market_ids).open().order_by()
    rows = orders.values_list("market_id", "outcome_index").annotate(Count("id"))
    return {(market_id, index): number for market_id, index, number in rows}


def _show_events(rows: list[BookPosition]) -> list[dict[str, Any]]:
    by_event: dict[str, list[BookPosition]] = defaultdict(list)
    for row in rows:
        by_event[row.market.slug.upper()].append(row)
    return [_show_event(ticker, of_event) for ticker, of_event in by_event.items()]


def _show_event(ticker: str, rows: list[BookPosition]) -> dict[str, Any]:
    shares = sum(row.traded_lots for row in rows)
    return {
        "event_ticker": ticker,
        **money_fields("total_cost", sum(row.traded_micros for row in rows)),
        "total_cost_shares": count(shares),
        "total_cost_shares_fp": count_fp(shares),
        **money_fields("event_exposure", sum(row.exposure_micros for row in rows)),
        **money_fields("realized_pnl", sum(row.realised_micros for row in rows)),
        **money_fields("fees_paid", sum(row.fees_micros for row in rows)),
        "resting_order_count": sum(row.resting for row in rows),
        "exchange_index": 0,
    }


# --- settlements ------------------------------------------------------------------------------


def list_settlements(call: KalshiCall) -> dict[str, Any]:
    query, account_id = call.query, call.caller.account_id
    margins = list_margins(account_id).exclude(payout_micros=None)
    margins = margins.filter(market__status__in=FINAL_STATUSES)
    places = find_places(call)
    if places:
        margins = margins.filter(market__in=[place.market.pk for place in places])
    for name, comparison in (("min_ts", "gte"), ("max_ts", "lte")):
        moment = read_seconds(getattr(query, name), name)
        if moment is not None:
            margins = margins.filter(**{f"market__settled_at__{comparison}": moment})
    page = paginate(margins, order=NEWEST_FIRST, cursor=query.cursor, limit=query.limit)
    by_market = {margin.market_id: margin for margin in page.rows}
    shown = [
        _show_settlement(row, by_market[row.market.pk])
        for row in _show_positions(account_id, page.rows)
    ]
    return {"settlements": shown, "cursor": page.next_cursor or ""}


def _show_settlement(row: BookPosition, margin: Margin) -> dict[str, Any]:
    payout = row.market.outcomes.all()[row.book].payout_pips
    yes_lots, no_lots = max(row.lots, 0), max(-row.lots, 0)
    yes_micros = row.exposure_micros if yes_lots else 0
    no_micros = row.exposure_micros if no_lots else 0
    if payout is None:  # voided: everybody got back what they had paid
        revenue_micros = margin.payout_micros or 0 if row.market.has_one_book else 0
    else:
        revenue_micros = yes_lots * payout + no_lots * (PAYOUT_PIPS - payout)
    settled_at = row.market.settled_at
    assert settled_at is not None, "a final market was settled at a time"
    return {
        "ticker": row.ticker,
        "event_ticker": row.market.slug.upper(),
        "market_result": name_result(row.market, payout),
        "result": {PAYOUT_PIPS: "yes", 0: "no"}.get(-1 if payout is None else payout),
        "yes_count": count(yes_lots),
        "yes_count_fp": count_fp(yes_lots),
        **money_fields("yes_total_cost", yes_micros),
        "no_count": count(no_lots),
        "no_count_fp": count_fp(no_lots),
        **money_fields("no_total_cost", no_micros),
        "revenue": money_cents(revenue_micros),
        "revenue_dollars": money(revenue_micros),
        "settled_time": time(settled_at),
        "fee_cost": money(row.fees_micros),
        "value": None if payout is None else payout // 100,
        "exchange_index": 0,
    }
