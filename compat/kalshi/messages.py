"""What the socket's messages say, each encoded once for all subscriptions that get it.

Their envelope, with the subscription's number and sequence, is added when one is sent.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from compat.kalshi.listing import Book
from compat.kalshi.numbers import cents, count, count_fp, dollars, price_fields, time_us
from compat.kalshi.order_rows import show_uuid
from compat.kalshi.rows import name_result, show_event, show_market, show_price_levels
from kernel.clock import from_datetime
from markets.models import Market
from trading.engine.types import BUY, PAYOUT_PIPS
from trading.feed.relays import Change, ShownBook
from trading.feed.replica import TapeTrade
from trading.pipeline.messages import Levels, Top

_encode: Final = msgspec.json.Encoder().encode


class Message(NamedTuple):
    """A message's type, and its body as JSON."""

    type: str
    body: str


def build(type_: str, body: Any) -> Message:
    return Message(type_, _encode(body).decode())


class BookName(NamedTuple):
    """A market of Kalshi's: its ticker and its id."""

    ticker: str
    id: str

    def to_json(self) -> dict[str, str]:
        return {"market_ticker": self.ticker, "market_id": self.id}


class BookFigures(NamedTuple):
    """What a book has traded as of `seq`, and the contracts that are out."""

    seq: int = 0
    volume_lots: int = 0
    interest_lots: int = 0
    last_lots: int = 0


# --- market data ------------------------------------------------------------------------------


def orderbook_snapshot(name: BookName, book: ShownBook, *, as_yes: bool) -> Message:
    """`as_yes`: what is asked is shown at prices of YES, else as bids for NO."""
    yes = list(reversed(book.bids))
    no = list(reversed(book.asks if as_yes else book.of_side(is_no=True).bids))
    return build(
        "orderbook_snapshot",
        {
            **name.to_json(),
            "yes": _show_cents(yes),
            "no": _show_cents(no),
            "yes_dollars_fp": _show_dollars(yes),
            "no_dollars_fp": _show_dollars(no),
        },
    )


def _show_cents(levels: Levels) -> list[tuple[int, int]]:
    return [(cents(pips), count(lots)) for pips, lots in levels]


def _show_dollars(levels: Levels) -> list[tuple[str, str]]:
    return [(dollars(pips), count_fp(lots)) for pips, lots in levels]


def orderbook_delta(
    name: BookName, before: ShownBook, after: ShownBook, change: Change, *, as_yes: bool
) -> Message:
    side, pips, lots = change
    more_lots = lots - dict(before.bids if side == BUY else before.asks).get(pips, 0)
    shown_pips = pips if side == BUY or as_yes else PAYOUT_PIPS - pips
    return build(
        "orderbook_delta",
        {
            **name.to_json(),
            **price_fields("price", shown_pips),
            "delta": count(more_lots) if more_lots > 0 else -count(-more_lots),
            "delta_fp": count_fp(more_lots),
            "side": "yes" if side == BUY else "no",
            "ts": time_us(after.ts_us),
            "ts_ms": after.ts_us // 1_000,
        },
    )


def ticker(
    name: BookName, top: Top, last_pips: int | None, figures: BookFigures, *, ts_us: int
) -> Message:
    """A contract counts as the dollar that it pays."""
    ask_pips = PAYOUT_PIPS if top.best_ask_pips is None else top.best_ask_pips
    return build(
        "ticker",
        {
            **name.to_json(),
            **price_fields("price", last_pips or 0),
            **price_fields("yes_bid", top.best_bid_pips or 0),
            **price_fields("yes_ask", ask_pips),
            "yes_bid_size_fp": count_fp(top.bid_lots),
            "yes_ask_size_fp": count_fp(top.ask_lots),
            "last_trade_size_fp": count_fp(figures.last_lots),
            "volume": count(figures.volume_lots),
            "volume_fp": count_fp(figures.volume_lots),
            "open_interest": count(figures.interest_lots),
            "open_interest_fp": count_fp(figures.interest_lots),
            "dollar_volume": count(figures.volume_lots),
            "dollar_open_interest": count(figures.interest_lots),
            "ts": ts_us // 1_000_000,
            "ts_ms": ts_us // 1_000,
            "time": time_us(ts_us),
        },
    )


def trade(name: BookName, traded: TapeTrade) -> Message:
    is_yes = traded.taker_side == BUY
    side = "yes" if is_yes else "no"
    return build(
        "trade",
        {
            "trade_id": show_uuid(traded.trade_id),
            **name.to_json(),
            **price_fields("yes_price", traded.price_pips),
            **price_fields("no_price", PAYOUT_PIPS - traded.price_pips),
            "count": count(traded.quantity_lots),
            "count_fp": count_fp(traded.quantity_lots),
            "taker_side": side,
            "taker_outcome_side": side,
            "taker_book_side": "bid" if is_yes else "ask",
            "is_block_trade": False,
            "ts": traded.ts_us // 1_000_000,
            "ts_ms": traded.ts_us // 1_000,
        },
    )


# --- lifecycle --------------------------------------------------------------------------------


def lifecycle(ticker_: str, event_type: str, **fields: Any) -> Message:
    body = {"event_type": event_type, "market_ticker": ticker_, **fields}
    return build("market_lifecycle_v2", body)


def event_lifecycle(market: Market) -> Message:
    shown = show_event(market)
    names = ("event_ticker", "title", "collateral_return_type", "series_ticker", "exchange_index",
             "strike_date", "strike_period")  # fmt: skip
    return build(
        "event_lifecycle",
        {name: shown[name] for name in names} | {"subtitle": shown["sub_title"]},
    )


def created(book: Book) -> Message:
    shown, market = show_market(book, is_old=False), book.market
    names = ("title", "yes_sub_title", "no_sub_title", "rules_primary", "rules_secondary",
             "can_close_early", "event_ticker", "strike_type", "custom_strike")  # fmt: skip
    expected = market.expected_settle_at or market.close_at
    return lifecycle(
        shown["ticker"],
        "created",
        event_ticker=shown["event_ticker"],
        open_ts=_seconds(market.open_at or market.created_at),
        close_ts=_seconds(market.close_at),
        additional_metadata={
            "name": shown["title"],
            **{name: shown[name] for name in names},
            "expected_expiration_ts": _seconds(expected),
        },
        **show_price_levels(market.tick_pips),
        fractional_trading_enabled=shown["fractional_trading_enabled"],
        exchange_index=0,
    )


def settlement(book: Book, ticker_: str, moment: Any) -> list[Message]:
    """Return what a result is announced by; of a void it has no value."""
    payout, seconds = book.payout_pips, _seconds(moment)
    value = {} if payout is None else {"settlement_value": dollars(payout)}
    result = name_result(book.market, payout)
    return [
        lifecycle(ticker_, "determined", determination_ts=seconds, result=result, **value),
        lifecycle(ticker_, "settled", settled_ts=seconds, **value),
    ]


def _seconds(moment: Any) -> int:
    return from_datetime(moment) // 1_000_000


# --- an account's own -------------------------------------------------------------------------

_ORDER_FIELDS: Final = (
    "order_id", "user_id", "ticker", "exchange_index", "status", "side", "action", "outcome_side",
    "book_side", "yes_price", "yes_price_dollars", "fill_count_fp", "remaining_count_fp",
    "initial_count_fp", "taker_fill_cost_dollars", "maker_fill_cost_dollars", "taker_fees_dollars",
    "maker_fees_dollars", "client_order_id", "created_time", "last_update_time", "expiration_time",
    "order_group_id", "self_trade_prevention_type", "subaccount_number",
)  # fmt: skip
_UPDATES: Final = {
    "self_trade": "SelfTradeCancel",
    "expired": "ExpiryCancel",
    "market_closed": "CloseCancel",
    "market_halted": "HaltCancel",
    "reduce_only": "ReduceOnlyCancel",
    "filled": "Trade",
}
"""Why an order changed last, by the engine's reason."""


def user_order(row: dict[str, Any], order: Any) -> Message:
    """`row` is the order as REST shows it."""
    expires_us = order.expires_at_us
    body = {name: row[name] for name in _ORDER_FIELDS}
    body |= {
        "is_yes": row["side"] == "yes",
        "created_ts_ms": order.created_at_us // 1_000,
        "last_updated_ts_ms": order.updated_at_us // 1_000,
        "expiration_ts_ms": None if expires_us is None else expires_us // 1_000,
    }
    if order.reason in _UPDATES:
        body["last_update_reason"] = _UPDATES[order.reason]
    return build("user_order", body)


def fill(row: dict[str, Any], post_lots: int) -> Message:
    """`row` is the fill as REST shows it, `post_lots` the position after it."""
    body = {**row, "post_position": count(post_lots), "post_position_fp": count_fp(post_lots)}
    return build("fill", body | {"subaccount": row["subaccount_number"]})


def order_group(event_type: str, group_id: str, limit_lots: int, *, ts_us: int) -> Message:
    return build(
        "order_group_updates",
        {
            "event_type": event_type,
            "order_group_id": group_id,
            "contracts_limit_fp": count_fp(limit_lots),
            "ts_ms": ts_us // 1_000,
        },
    )


# --- answers ----------------------------------------------------------------------------------


def error(number: int, text: str, tickers: Iterable[str] = ()) -> Message:
    named = list(tickers)
    market = {"market_ticker": named[0]} if len(named) == 1 else {}
    return build("error", {"code": number, "msg": text, **market})
