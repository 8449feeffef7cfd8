"""Market data: the exchange, series, events, markets, books, trades."""

from typing import Any, Final

from compat.kalshi import rows
from compat.kalshi.listing import (
    get_book,
    get_event,
    get_place,
    list_markets,
    page_books,
    read_books,
)
from compat.kalshi.numbers import cents, count, count_fp, dollars, read_seconds, time_us
from compat.kalshi.requests import KalshiCall, read_list
from compat.kalshi.tickers import SERIES, list_series, name_book
from kernel.clock import from_datetime, now_us
from kernel.errors import ApiError, not_found
from markets.models import Exchange, Market, Outcome, Series
from markets.queries import list_reachable, list_shown, with_details
from trading.feed.relays import read_books as read_shown
from trading.models import Trade
from trading.pipeline.instruments import build_instrument
from trading.pipeline.messages import Levels
from web.pagination import paginate

EVENTS_MAX: Final = 200
ALL_WEEK: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ALWAYS: Final = {"start_time": "2020-01-01T00:00:00Z", "end_time": "2200-01-01T00:00:00Z"}
EPOCH: Final = "1970-01-01T00:00:00Z"


# --- the exchange -----------------------------------------------------------------------------


def show_status(call: KalshiCall) -> dict[str, Any]:
    exchange = Exchange.objects.first()
    is_active = exchange is None or not exchange.maintenance
    is_trading = is_active and (exchange is None or not exchange.trading_halted)
    states = {"exchange_active": is_active, "trading_active": is_trading}
    return {
        **states,
        "exchange_estimated_resume_time": None,
        "intra_exchange_transfers_active": False,
        "exchange_index_statuses": [
            {
                "exchange_index": 0,
                "description": "",
                "intra_exchange_transfers_active": False,
                **states,
            }
        ],
    }


def show_schedule(call: KalshiCall) -> dict[str, Any]:
    hours = [{"open_time": "00:00", "close_time": "00:00"}]
    week = {**ALWAYS, **dict.fromkeys(ALL_WEEK, hours)}
    return {"schedule": {"standard_hours": [week], "maintenance_windows": []}}


def show_announcements(call: KalshiCall) -> dict[str, Any]:
    return {"announcements": []}


def show_data_timestamp(call: KalshiCall) -> dict[str, Any]:
    now = now_us()
    return {"as_of_time": time_us(now), "timestamp": now // 1_000_000}


def show_cutoff(call: KalshiCall) -> dict[str, Any]:
    """Nothing is ever moved to the archive, so programs need not ask for history elsewhere."""
    names = ("market_settled_ts", "trades_created_ts", "orders_updated_ts",
             "market_positions_last_updated_ts")  # fmt: skip
    return dict.fromkeys(names, EPOCH)


# --- series -----------------------------------------------------------------------------------


def list_all_series(call: KalshiCall) -> dict[str, Any]:
    found = list_series(list_shown(Series.objects.all(), call.user))
    category = call.query.category
    return {"series": [rows.show_series(row) for row in found if category in ("", row.category)]}


def show_series(call: KalshiCall) -> dict[str, Any]:
    wanted = call.names["series"].upper()
    for row in list_series(list_reachable(Series.objects.all(), call.user)):
        if row.ticker == wanted:
            return {"series": rows.show_series(row)}
    raise not_found(SERIES)


def list_fee_changes(call: KalshiCall) -> dict[str, Any]:
    return {"series_fee_change_arr": []}


def list_tags(call: KalshiCall) -> dict[str, Any]:
    return {"tags_by_categories": {}}


# --- events and markets -----------------------------------------------------------------------


def list_events(call: KalshiCall) -> dict[str, Any]:
    query = call.query
    if query.tickers:
        query.event_ticker = query.tickers
    limit = min(query.limit, EVENTS_MAX)
    found = with_details(list_markets(call))
    page = paginate(found, order=["slug"], cursor=query.cursor, limit=limit)
    events = [rows.show_event(market) for market in page.rows]
    if query.with_nested_markets:
        nested = _show_by_event(call, page.rows)
        events = [event | {"markets": nested[event["event_ticker"]]} for event in events]
    return {"events": events, "milestones": [], "cursor": page.next_cursor or ""}


def _show_by_event(call: KalshiCall, markets: list[Market]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for book in read_books(markets):
        shown = rows.show_market(book, is_old=call.is_old)
        found.setdefault(shown["event_ticker"], []).append(shown)
    return found


def show_event(call: KalshiCall) -> dict[str, Any]:
    market = get_event(call, call.names["event"])
    shown = [rows.show_market(book, is_old=call.is_old) for book in read_books([market])]
    event = rows.show_event(market)
    if call.query.with_nested_markets:
        event["markets"] = shown
    return {"event": event, "markets": shown}


def show_event_metadata(call: KalshiCall) -> dict[str, Any]:
    market = get_event(call, call.names["event"])
    shown = rows.show_event_metadata(market, read_books([market]))
    return {**shown, "metadata": shown}


def list_books(call: KalshiCall) -> dict[str, Any]:
    books, cursor = page_books(call)
    return {
        "markets": [rows.show_market(book, is_old=call.is_old) for book in books],
        "cursor": cursor,
    }


def show_book(call: KalshiCall) -> dict[str, Any]:
    book = get_book(call, call.names["ticker"])
    return {"market": rows.show_market(book, is_old=call.is_old)}


# --- order books ------------------------------------------------------------------------------


def show_orderbook(call: KalshiCall) -> dict[str, Any]:
    return _show_orderbook(call, call.names["ticker"])


def list_orderbooks(call: KalshiCall) -> dict[str, Any]:
    tickers = read_list(call.query.tickers, "tickers")
    if not tickers:
        raise ApiError("missing_field", "tickers")
    return {"orderbooks": [{"ticker": one, **_show_orderbook(call, one)} for one in tickers]}


def _show_orderbook(call: KalshiCall, ticker: str) -> dict[str, Any]:
    market, index = get_place(call.user, ticker)
    book = read_shown(build_instrument(market))[index]
    depth = call.query.depth
    yes, no = (_cut(side, depth) for side in (book.bids, book.of_side(is_no=True).bids))
    in_cents = [[[cents(pips), count(lots)] for pips, lots in side] for side in (yes, no)]
    in_dollars = [[[dollars(pips), count(lots)] for pips, lots in side] for side in (yes, no)]
    exact = [[[dollars(pips), count_fp(lots)] for pips, lots in side] for side in (yes, no)]
    return {
        "orderbook": {
            "yes": in_cents[0],
            "no": in_cents[1],
            "yes_dollars": [[price, str(lots)] for price, lots in in_dollars[0]],
            "no_dollars": [[price, str(lots)] for price, lots in in_dollars[1]],
        },
        "orderbook_fp": {"yes_dollars": exact[0], "no_dollars": exact[1]},
    }


def _cut(levels: Levels, depth: int) -> Levels:
    """Return the best levels, the best of them last."""
    return list(reversed(levels[:depth] if depth > 0 else levels))


# --- trades -----------------------------------------------------------------------------------


def list_trades(call: KalshiCall) -> dict[str, Any]:
    query, trades = call.query, Trade.objects.all()
    if query.ticker:
        market, index = get_place(call.user, query.ticker)
        trades = trades.filter(market=market, outcome_index=index)
    else:
        trades = trades.filter(market__in=Market.objects.listed_for(call.user))
    for name, comparison in (("min_ts", "gte"), ("max_ts", "lte")):
        moment = read_seconds(getattr(query, name), name)
        if moment is not None:
            trades = trades.filter(**{f"created_at_us__{comparison}": from_datetime(moment)})
    if query.is_block_trade:
        trades = trades.none()
    page = paginate(trades, order=["-id"], cursor=query.cursor, limit=query.limit)
    names = name_books({trade.market_id for trade in page.rows})
    shown = [rows.show_trade(row, names[row.market_id, row.outcome_index]) for row in page.rows]
    return {"trades": shown, "cursor": page.next_cursor or ""}


def name_books(market_ids: set[int]) -> dict[tuple[int, int], str]:
    """Return the tickers of books by market and place of the outcome."""
    outcomes = Outcome.objects.filter(market__in=market_ids).select_related("market")
    return {(one.market_id, one.index): name_book(one.market, one) for one in outcomes}


# --- what predex has none of ------------------------------------------------------------------


def show_nothing(*names: str) -> Any:
    """Return an operation that answers an empty list under these names."""
    return lambda _call: {**dict.fromkeys(names, ()), "cursor": "", "next_cursor": ""}
