"""`/poly/clob`: books, prices and history of tokens, and markets by cursor."""

import base64
import time
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from compat.polymarket import listing, rows
from compat.polymarket.base import VALUES_MAX, ReadQuery
from compat.polymarket.books import (
    is_neg_risk,
    number,
    of_token,
    show_half_pips,
    show_price,
    show_size,
    show_summary,
)
from compat.polymarket.listing import ShownLeg
from compat.polymarket.names import ORDER_BOOK, OutcomeToken, find_token, get_token
from kernel.clock import from_datetime
from kernel.errors import ApiError, not_found
from markets.models import Market
from trading.engine.types import BUY
from trading.feed.relays import ShownBook, read_books
from trading.models import Trade
from trading.pipeline.instruments import Instrument
from trading.readmodels.queries import list_bars
from trading.wire.options import mirror_pips

PAGE_SIZE: Final = 200
FIRST_CURSOR: Final = "MA=="
END_CURSOR: Final = "LTE="
OFFSET_MAX: Final = 10**9
POINTS_MAX: Final = 10_000
TOKENS_OF_HISTORY_MAX: Final = 20
MINUTE_MAX: Final = 10**9
INTERVALS: Final = {"1h": 60, "6h": 360, "1d": 1_440, "1w": 10_080, "1m": 43_200}
INTERVAL_WIDTHS: Final = {"1h": 1, "6h": 1, "1d": 1, "1w": 5, "1m": 10}
"""Minutes between points where a reader does not say."""

Side = Literal["BUY", "SELL"]
TokenId = Annotated[str, Meta(min_length=1, max_length=80)]
Seconds = Annotated[int, Meta(ge=0, le=10**10)]
Minutes = Annotated[int, Meta(ge=1, le=525_600)]


class TokenQuery(ReadQuery):
    token_id: TokenId


class PriceQuery(TokenQuery):
    side: Side


class CursorQuery(ReadQuery):
    next_cursor: str = FIRST_CURSOR


class PastQuery(ReadQuery):
    """`market` is a token's id, as readers send it."""

    market: TokenId
    startTs: Seconds | None = None  # noqa: N815
    endTs: Seconds | None = None  # noqa: N815
    interval: Literal["1h", "6h", "1d", "1w", "1m", "max", "all"] | None = None
    fidelity: Minutes | None = None


class TokenIn(Struct, forbid_unknown_fields=True):
    token_id: TokenId
    side: Side | Literal[""] | None = None


class PastIn(Struct, forbid_unknown_fields=True, kw_only=True):
    markets: Annotated[list[TokenId], Meta(min_length=1, max_length=TOKENS_OF_HISTORY_MAX)]
    start_ts: Seconds | None = None
    end_ts: Seconds | None = None
    interval: Literal["1h", "6h", "1d", "1w", "1m", "max", "all"] | None = None
    fidelity: Minutes | None = None


Tokens = Annotated[list[TokenIn], Meta(max_length=VALUES_MAX)]


# --- the exchange -----------------------------------------------------------------------------


def show_ok(_: ReadQuery) -> str:
    return "OK"


def show_time(_: ReadQuery) -> int:
    return int(time.time())


def show_version(_: ReadQuery) -> dict[str, int]:
    return {"version": 2}


# --- books ------------------------------------------------------------------------------------


def read_token(token_id: str) -> tuple[OutcomeToken, Instrument, ShownBook]:
    token = get_token(token_id)
    instrument = listing.get_instrument(token.leg)
    return token, instrument, of_token(read_books(instrument)[token.leg.book], token)


def read_tokens(asked: Iterable[TokenIn]) -> list[tuple[OutcomeToken, Instrument, ShownBook]]:
    """Return the known ones, each market read once; unknown tokens are left out."""
    tokens = [token for one in asked if (token := find_token(one.token_id)) is not None]
    visible = listing.visible_markets().filter(pk__in={token.leg.market_id for token in tokens})
    instruments = map(listing.build_instrument, visible.prefetch_related("outcomes"))
    books = {instrument.id: (instrument, read_books(instrument)) for instrument in instruments}
    found = []
    for token in tokens:
        if token.leg.market_id in books:
            instrument, own = books[token.leg.market_id]
            found.append((token, instrument, of_token(own[token.leg.book], token)))
    return found


def show_book(query: TokenQuery) -> dict[str, Any]:
    return show_summary(*read_token(query.token_id))


def show_books(asked: list[TokenIn]) -> list[dict[str, Any]]:
    return [show_summary(*found) for found in read_tokens(asked)]


def show_side(query: PriceQuery) -> dict[str, str]:
    """BUY is the best bid and SELL the best ask, as readers know it."""
    _, _, book = read_token(query.token_id)
    price_pips = _find_side(book, query.side)
    if price_pips is None:
        raise not_found("a price: there is no order on this side of the book, which")
    return {"price": show_price(price_pips)}


def show_sides(asked: list[TokenIn]) -> dict[str, dict[str, str]]:
    prices: dict[str, dict[str, str]] = {}
    books = {token.id: book for token, _, book in read_tokens(asked)}
    for index, one in enumerate(asked):
        if not one.side:
            raise ApiError("missing_field", f"{index}.side")
        book = books.get(one.token_id)
        price_pips = None if book is None else _find_side(book, one.side)
        if price_pips is not None:
            prices.setdefault(one.token_id, {})[one.side] = show_price(price_pips)
    return prices


def show_midpoint(query: TokenQuery) -> dict[str, str]:
    return {"mid": _get(_find_midpoint, query.token_id)}


def show_midpoints(asked: list[TokenIn]) -> dict[str, str]:
    return _show_each(_find_midpoint, asked)


def show_spread(query: TokenQuery) -> dict[str, str]:
    return {"spread": _get(_find_spread, query.token_id)}


def show_spreads(asked: list[TokenIn]) -> dict[str, str]:
    return _show_each(_find_spread, asked)


def show_last_trade(query: TokenQuery) -> dict[str, str]:
    token = get_token(query.token_id)
    listing.get_instrument(token.leg)
    return _show_last(token)


def show_last_trades(asked: list[TokenIn]) -> list[dict[str, str]]:
    return [{"token_id": token.id, **_show_last(token)} for token, _, _ in read_tokens(asked)]


def _find_side(book: ShownBook, side: str) -> int | None:
    return book.bid_pips if side == "BUY" else book.ask_pips


def _find_midpoint(book: ShownBook) -> str | None:
    if book.bid_pips is None or book.ask_pips is None:
        return None
    return show_half_pips(book.bid_pips + book.ask_pips)


def _find_spread(book: ShownBook) -> str | None:
    if book.bid_pips is None or book.ask_pips is None:
        return None
    return show_price(book.ask_pips - book.bid_pips)


def _get(find: Callable[[ShownBook], str | None], token_id: str) -> str:
    shown = find(read_token(token_id)[2])
    if shown is None:
        raise not_found("an order on each side of this book, without which there is none; it")
    return shown


def _show_each(find: Callable[[ShownBook], str | None], asked: list[TokenIn]) -> dict[str, str]:
    shown = {token.id: find(book) for token, _, book in read_tokens(asked)}
    return {token_id: text for token_id, text in shown.items() if text is not None}


def _show_last(token: OutcomeToken) -> dict[str, str]:
    trades = Trade.objects.filter(market_id=token.leg.market_id, outcome_index=token.leg.book)
    trade = trades.order_by("-id").values_list("price_pips", "taker_side").first()
    if trade is None:
        return {"price": "", "side": ""}
    price_pips, taker_side = trade
    bought = (taker_side == BUY) is not token.is_no
    return {
        "price": show_price(mirror_pips(price_pips, as_no=token.is_no)),
        "side": "BUY" if bought else "SELL",
    }


# --- terms ------------------------------------------------------------------------------------


def show_tick(query: TokenQuery) -> dict[str, Any]:
    instrument = listing.get_instrument(get_token(query.token_id).leg)
    return {"minimum_tick_size": number(show_price(instrument.tick_pips))}


def show_neg_risk(query: TokenQuery) -> dict[str, bool]:
    return {"neg_risk": is_neg_risk(listing.get_instrument(get_token(query.token_id).leg))}


def show_fee_rate(query: TokenQuery) -> dict[str, int]:
    market = listing.get_market(get_token(query.token_id).leg, ORDER_BOOK)
    return {"base_fee": market.fee_taker_rate // rows.PPM_PER_BPS}


def show_condition(_: ReadQuery, token_id: str) -> dict[str, str]:
    leg = get_token(token_id).leg
    listing.get_instrument(leg)
    yes, no = leg.token_ids
    return {
        "condition_id": leg.condition_id,
        "primary_token_id": yes,
        "secondary_token_id": no,
    }


def show_terms(_: ReadQuery, condition_id: str) -> dict[str, Any]:
    """What the second client reads before an order: tokens, tick, fees."""
    shown = _get_by_condition(condition_id)
    market = shown.market
    return {
        "t": [
            {"t": token_id, "o": name}
            for token_id, name in zip(shown.leg.token_ids, rows.name_outcomes(shown), strict=True)
        ],
        "mos": number(show_size(market.lot_step_lots)),
        "mts": number(show_price(market.tick_pips)),
        "mbf": market.fee_maker_rate // rows.PPM_PER_BPS,
        "tbf": market.fee_taker_rate // rows.PPM_PER_BPS,
        "nr": is_neg_risk(shown.instrument),
        "ao": shown.accepts_orders,
        "fd": rows.show_fees(market),
    }


# --- history ----------------------------------------------------------------------------------


def show_past(query: PastQuery) -> dict[str, Any]:
    past = (query.startTs, query.endTs, query.interval, query.fidelity)
    return {"history": _list_points(get_token(query.market), *past)}


def show_pasts(asked: PastIn) -> dict[str, Any]:
    past = (asked.start_ts, asked.end_ts, asked.interval, asked.fidelity)
    tokens = [get_token(token_id) for token_id in asked.markets]
    return {"history": {token.id: _list_points(token, *past) for token in tokens}}


def _list_points(
    token: OutcomeToken,
    start_s: int | None,
    end_s: int | None,
    interval: str | None,
    width: int | None,
) -> list[dict[str, Any]]:
    """Return prices of trades by time; a point is the last one before its moment."""
    market = listing.get_market(token.leg, ORDER_BOOK)
    now = int(time.time())
    if interval is not None and (start_s is not None or end_s is not None):
        raise ApiError("invalid_value", "interval", detail="send an interval, or a start and end")
    end_s = min(now, end_s if end_s is not None else now)
    if interval in INTERVALS:
        start_s = now - INTERVALS[interval] * 60
    start_s = max(start_s or 0, from_datetime(market.created_at) // 1_000_000 - 60)
    width = width or INTERVAL_WIDTHS.get(interval or "", 1)
    width = max(width, -(-(end_s - start_s) // 60) // POINTS_MAX)
    bars = list_bars(
        token.leg.market_id,
        token.leg.book,
        width=width,
        start=start_s // 60 // width * width,
        before=max(0, end_s // 60 + 1),
        count=POINTS_MAX,
    )
    return [
        {
            "t": min((bar.start + width) * 60, now),
            "p": number(show_price(mirror_pips(bar.close_pips, as_no=token.is_no))),
        }
        for bar in reversed(bars)
        if bar.close_pips is not None
    ]


# --- markets ----------------------------------------------------------------------------------


def list_all(query: CursorQuery) -> dict[str, Any]:
    return _show_page(query, rows.show_market, only_trading=False)


def list_trading(query: CursorQuery) -> dict[str, Any]:
    """Those that accept orders, where readers expect those with rewards."""
    return _show_page(query, rows.show_market, only_trading=True)


def list_all_simply(query: CursorQuery) -> dict[str, Any]:
    return _show_page(query, rows.show_simply, only_trading=False)


def list_trading_simply(query: CursorQuery) -> dict[str, Any]:
    return _show_page(query, rows.show_simply, only_trading=True)


def show_one(_: ReadQuery, condition_id: str) -> dict[str, Any]:
    return rows.show_market(_get_by_condition(condition_id))


def _get_by_condition(condition_id: str) -> ShownLeg:
    return listing.get_leg("condition", condition_id)


def _show_page(
    query: CursorQuery, show: Callable[[ShownLeg], dict[str, Any]], *, only_trading: bool
) -> dict[str, Any]:
    start = _read_cursor(query.next_cursor)
    markets = listing.list_markets()
    if only_trading:
        markets = markets.filter(status=Market.Status.OPEN)
    books = listing.sort_books(listing.list_books(markets), "createdAt", ascending=True)
    keys = list(books.values_list("market_id", "index")[start : start + PAGE_SIZE + 1])
    has_more = len(keys) > PAGE_SIZE
    data = [show(leg) for leg in listing.pick_legs(keys[:PAGE_SIZE])]
    following = _write_cursor(start + PAGE_SIZE) if has_more else END_CURSOR
    return {"limit": PAGE_SIZE, "count": len(data), "next_cursor": following, "data": data}


def _read_cursor(cursor: str) -> int:
    try:
        text = base64.b64decode(cursor or FIRST_CURSOR, validate=True).decode("ascii")
    except ValueError:
        raise ApiError("bad_cursor", "next_cursor") from None
    if not text.isdecimal() or len(text) > 10 or int(text) > OFFSET_MAX:
        raise ApiError("bad_cursor", "next_cursor")
    return int(text)


def _write_cursor(offset: int) -> str:
    return base64.b64encode(str(offset).encode()).decode()
