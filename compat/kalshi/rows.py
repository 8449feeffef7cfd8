"""The rows of market data: a book as a market, a market as an event, series, trades."""

import uuid
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

import msgspec

from accounts.models import FeeType
from compat.kalshi.listing import Book
from compat.kalshi.numbers import (
    both_prices,
    cents,
    count,
    count_fields,
    count_fp,
    dollars,
    price_fields,
    time,
    time_us,
)
from compat.kalshi.tickers import SeriesRow, name_book, name_series
from markets.models import FINAL_STATUSES, Market
from trading.engine.types import BUY, PAYOUT_PIPS
from trading.models import Trade

_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "predex:market")
_STATUSES: Final[dict[str, str]] = {
    Market.Status.OPEN: "active",
    Market.Status.HALTED: "inactive",
    Market.Status.CLOSED: "closed",
    Market.Status.RESOLVING: "determined",
    Market.Status.SETTLED: "finalized",
    Market.Status.VOIDED: "finalized",
}
VENUE_RATE_PPM: Final = 70_000
_OLD_STATUSES: Final = {"inactive": "closed", "finalized": "settled"}
"""What programs of 2025 call them, which refuse any other word."""


def show_market(book: Book, *, is_old: bool) -> dict[str, Any]:
    market, day = book.market, book.day
    status = _STATUSES.get(market.status, "initialized")
    return {
        **_show_names(book),
        **_show_times(market),
        "status": _OLD_STATUSES.get(status, status) if is_old else status,
        "market_type": "scalar" if market.is_scalar else "binary",
        "response_price_units": "usd_cent",
        **_show_prices(book),
        **count_fields("volume", book.volume_lots),
        **count_fields("volume_24h", day.volume_lots),
        **count_fields("open_interest", day.open_interest_lots),
        **_show_result(book, is_old=is_old),
        "rules_primary": market.rules or market.description,
        "rules_secondary": market.description if market.rules else "",
        "category": market.category.name if market.category else "",
        "risk_limit_cents": 0,
        "fractional_trading_enabled": market.lot_step_lots < 100,
        "exchange_index": 0,
        "strike_type": "custom",
        "custom_strike": {"outcome": book.outcome.code},
    }


def _show_names(book: Book) -> dict[str, Any]:
    market, outcome = book.market, book.outcome
    is_alone = market.has_one_book
    other = market.outcomes.all()[1].name if is_alone else f"Not {outcome.name}"
    return {
        "ticker": name_book(market, outcome),
        "market_id": compute_market_id(name_book(market, outcome)),
        "event_ticker": market.slug.upper(),
        "title": market.title if is_alone else f"{market.title} {outcome.name}",
        "subtitle": "" if is_alone else outcome.name,
        "yes_sub_title": outcome.name,
        "no_sub_title": other,
    }


def compute_market_id(ticker: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, ticker))


def _show_times(market: Market) -> dict[str, Any]:
    close, expected = time(market.close_at), market.expected_settle_at
    ended = market.settled_at or expected or market.close_at
    return {
        "created_time": time(market.created_at),
        "updated_time": time(market.updated_at),
        "open_time": time(market.open_at or market.created_at),
        "close_time": close,
        "expiration_time": time(ended),
        "latest_expiration_time": time(ended),
        "expected_expiration_time": time(expected or market.close_at),
        "settlement_timer_seconds": market.dispute_seconds,
        "settlement_ts": None if market.settled_at is None else time(market.settled_at),
        "can_close_early": True,
        "early_close_condition": "",
    }


def _show_prices(book: Book) -> dict[str, Any]:
    bid, ask, day, tick = book.bid_pips, book.ask_pips, book.day, book.market.tick_pips
    last = day.last_pips or 0
    previous = last - (day.change_pips or 0)
    return {
        **price_fields("yes_bid", bid),
        **price_fields("yes_ask", ask),
        **price_fields("no_bid", PAYOUT_PIPS - ask),
        **price_fields("no_ask", PAYOUT_PIPS - bid),
        "yes_bid_size_fp": count_fp(book.top.bid_lots),
        "yes_ask_size_fp": count_fp(book.top.ask_lots),
        **price_fields("last_price", last),
        **price_fields("previous_yes_bid", book.before.bid_pips),
        **price_fields("previous_yes_ask", book.before.ask_pips),
        **price_fields("previous_price", previous),
        **price_fields("notional_value", PAYOUT_PIPS),
        **price_fields("liquidity", 0),
        "tick_size": max(1, cents(tick)),
        **show_price_levels(tick),
    }


def show_price_levels(tick_pips: int) -> dict[str, Any]:
    """Return the prices that a market takes: the same tick at every price."""
    step = dollars(tick_pips)
    return {
        "price_level_structure": {100: "linear_cent", 10: "deci_cent"}.get(tick_pips, "custom"),
        "price_ranges": [{"start": dollars(0), "end": dollars(PAYOUT_PIPS), "step": step}],
    }


def _show_result(book: Book, *, is_old: bool) -> dict[str, Any]:
    """Return the result; of a market that was voided "scalar" without a value."""
    result, payout = name_result(book.market, book.payout_pips), book.payout_pips
    return {
        "result": "" if is_old and result == "scalar" else result,
        "settlement_value": None if payout is None else cents(payout),
        "settlement_value_dollars": None if payout is None else dollars(payout),
        "settlement_bounds_type": "default",
        "settlement_floor_dollars": dollars(0),
        "expiration_value": book.market.settled_number or result,
    }


def name_result(market: Market, payout_pips: int | None) -> str:
    if market.status not in FINAL_STATUSES:
        return ""
    return {PAYOUT_PIPS: "yes", 0: "no"}.get(payout_pips, "scalar")  # type: ignore[arg-type]


def show_event(market: Market) -> dict[str, Any]:
    is_exclusive = not market.has_one_book
    return {
        "event_ticker": market.slug.upper(),
        "series_ticker": name_series(market),
        "title": market.title,
        "sub_title": "",
        "collateral_return_type": "MECNET" if is_exclusive else "",
        "mutually_exclusive": is_exclusive,
        "category": market.category.name if market.category else "",
        "strike_date": time(market.expected_settle_at or market.close_at),
        "strike_period": "",
        "available_on_brokers": False,
        "product_metadata": {},
        "settlement_sources": _show_sources(market),
        "last_updated_ts": time(market.updated_at),
        **_show_fees(market),
        "exchange_index": 0,
    }


def _show_fees(market: Market) -> dict[str, Any]:
    """Return the market's own fees, which override what its series says.

    The multiplier is of the venue's quadratic rate, 0.07; a flat fee has none.
    """
    if market.fee_kind == FeeType.FLAT:
        return {"fee_type_override": "flat", "fee_multiplier_override": 1}
    kind = "quadratic_with_maker_fees" if market.fee_maker_rate else "quadratic"
    multiplier = (Decimal(market.fee_taker_rate) / VENUE_RATE_PPM).quantize(Decimal("0.000001"))
    number = msgspec.Raw(str(multiplier).encode())
    return {"fee_type_override": kind, "fee_multiplier_override": number}


def show_event_metadata(market: Market, books: Iterable[Book]) -> dict[str, Any]:
    return {
        "image_url": "",
        "featured_image_url": "",
        "competition": None,
        "competition_scope": None,
        "settlement_sources": _show_sources(market),
        "market_details": [
            {
                "market_ticker": name_book(market, book.outcome),
                "image_url": "",
                "color_code": "",
            }
            for book in books
        ],
    }


def _show_sources(market: Market) -> list[dict[str, str]]:
    source = market.resolution_source
    return [{"name": source, "url": source if "://" in source else ""}] if source else []


def show_series(row: SeriesRow) -> dict[str, Any]:
    return {
        "ticker": row.ticker,
        "title": row.title,
        "category": row.category,
        "categories": [row.category] if row.category else [],
        "frequency": "custom",
        "tags": [],
        "settlement_sources": [],
        "contract_url": "",
        "contract_terms_url": "",
        "fee_type": "quadratic",
        "fee_multiplier": 1,
        "additional_prohibitions": [],
        "product_metadata": {},
    }


def show_trade(trade: Trade, ticker: str) -> dict[str, Any]:
    is_yes = trade.taker_side == BUY
    return {
        "trade_id": str(trade.id),
        "ticker": ticker,
        "price": cents(trade.price_pips) / 100,
        "count": count(trade.quantity_lots),
        "count_fp": count_fp(trade.quantity_lots),
        **both_prices(trade.price_pips),
        "taker_side": "yes" if is_yes else "no",
        "taker_outcome_side": "yes" if is_yes else "no",
        "taker_book_side": "bid" if is_yes else "ask",
        "is_block_trade": False,
        "created_time": time_us(trade.created_at_us),
    }
