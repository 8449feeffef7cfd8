"""Candlesticks: prices of trades, and best prices, of intervals that end at `end_period_ts`.

Of best prices the end of an interval is known: they open at the end of the one before. Intervals in
which nothing happened have none.
"""

from typing import Any, Final

from compat.kalshi.listing import get_event, get_place
from compat.kalshi.numbers import SECONDS_MAX, cents, count_fields, dollars, price_fields
from compat.kalshi.requests import KalshiCall, Query, read_list
from compat.kalshi.tickers import name_book
from kernel.errors import ApiError
from markets.models import Market
from trading.engine.types import PAYOUT_PIPS
from trading.readmodels.queries import Bar, list_bars

WIDTHS: Final = (1, 60, 1_440)
CANDLES_MAX: Final = 5_000
"""Of one market; of several together 10,000."""
CANDLES_TOGETHER_MAX: Final = 10_000
PRICES: Final = ("open", "high", "low", "close")


def show_candles(call: KalshiCall) -> dict[str, Any]:
    market, index = get_place(call.user, call.names["ticker"])
    shown = _show_market(market, index, call.query)
    return {"ticker": call.names["ticker"].upper(), "candlesticks": shown}


def list_candles(call: KalshiCall) -> dict[str, Any]:
    tickers = read_list(call.query.market_tickers, "market_tickers")
    if not tickers:
        raise ApiError("missing_field", "market_tickers")
    found, left = [], CANDLES_TOGETHER_MAX
    for ticker in tickers:
        market, index = get_place(call.user, ticker)
        shown = _show_market(market, index, call.query)[: max(0, left)]
        left -= len(shown)
        found.append({"market_ticker": ticker.upper(), "candlesticks": shown})
    return {"markets": found}


def show_event_candles(call: KalshiCall) -> dict[str, Any]:
    market = get_event(call, call.names["ticker"])
    outcomes = list(market.outcomes.all())[: market.book_count]
    return {
        "market_tickers": [name_book(market, outcome) for outcome in outcomes],
        "market_candlesticks": [
            _show_market(market, outcome.index, call.query) for outcome in outcomes
        ],
        "adjusted_end_ts": _read_range(call.query)[1],
    }


def _read_range(query: Query) -> tuple[int, int, int]:
    """Return the first and last second, and the width of an interval in minutes."""
    width, start, end = query.period_interval, query.start_ts, query.end_ts
    if width not in WIDTHS:
        raise ApiError("invalid_choice", "period_interval", detail="send 1, 60 or 1440")
    for name, second in (("start_ts", start), ("end_ts", end)):
        if second is None:
            raise ApiError("missing_field", name)
        if not 0 <= second < SECONDS_MAX:
            raise ApiError("invalid_time", name, detail="send Unix seconds")
    assert start is not None, "it was just checked"
    assert end is not None, "it was just checked"
    if (end - start) // (60 * width) > CANDLES_MAX:
        raise ApiError("too_large", "end_ts", detail=f"ask for at most {CANDLES_MAX} intervals")
    return start, end, width


def _show_market(market: Market, index: int, query: Query) -> list[dict[str, Any]]:
    start, end, width = _read_range(query)
    first = max(0, -(-start // 60) - width)
    before = end // 60 - width + 1
    if before <= 0:
        return []
    bars = list_bars(
        market.pk, index, width=width, start=first, before=before, count=CANDLES_MAX + 1
    )
    earlier = list_bars(market.pk, index, width=width, start=None, before=first, count=1)
    shown, last = [], earlier[0] if earlier else None
    if query.include_latest_before_start and last is not None:
        shown.append(_show_before(last, start))
    for bar in reversed(bars):
        # The interval may end later than was asked for.
        if start <= (bar.start + width) * 60 <= end:
            shown.append(_show_bar(bar, last, width))
        last = bar
    return shown


def _show_bar(bar: Bar, last: Bar | None, width: int) -> dict[str, Any]:
    previous = None if last is None else last.close_pips
    prices = (bar.open_pips, bar.high_pips, bar.low_pips, bar.close_pips)
    return {
        "end_period_ts": (bar.start + width) * 60,
        "yes_bid": _show_quotes(last and last.bid_pips, bar.bid_pips, 0),
        "yes_ask": _show_quotes(last and last.ask_pips, bar.ask_pips, PAYOUT_PIPS),
        "price": _show_prices(dict.fromkeys(PRICES) if bar.is_carried else
                              dict(zip(PRICES, prices, strict=True)), previous),
        **count_fields("volume", bar.volume_lots),
        **count_fields("open_interest", bar.open_interest_lots),
    }  # fmt: skip


def _show_before(last: Bar, start: int) -> dict[str, Any]:
    """Return what was known before the first interval, as an interval of its own."""
    return {
        "end_period_ts": start,
        "yes_bid": _show_quotes(None, last.bid_pips, 0),
        "yes_ask": _show_quotes(None, last.ask_pips, PAYOUT_PIPS),
        "price": _show_prices(dict.fromkeys(PRICES), last.close_pips),
        **count_fields("volume", 0),
        **count_fields("open_interest", last.open_interest_lots),
    }


def _show_quotes(opened: int | None, closed: int | None, nothing: int) -> dict[str, Any]:
    closed = nothing if closed is None else closed
    opened = closed if opened is None else opened
    values = (opened, max(opened, closed), min(opened, closed), closed)
    shown: dict[str, Any] = {}
    for name, pips in zip(PRICES, values, strict=True):
        shown |= price_fields(name, pips)
    return shown


def _show_prices(prices: dict[str, int | None], previous: int | None) -> dict[str, Any]:
    """Return the prices of trades; null in an interval without one."""
    values = {
        **prices, "mean": None, "previous": previous, "min": prices["low"], "max": prices["high"],
    }  # fmt: skip
    shown: dict[str, Any] = {}
    for name, pips in values.items():
        shown[name] = None if pips is None else cents(pips)
        shown[f"{name}_dollars"] = None if pips is None else dollars(pips)
    return shown
