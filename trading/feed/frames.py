"""The JSON of every frame, serialised once. Money, prices and quantities are decimal strings.

All carry `v`, `type`, `market` (a slug, or null where a frame is of no single market), `seq`,
`prev_seq` (null in a snapshot) and `ts`. Books, trades and tickers have the API's names.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from kernel.clock import format_time, from_datetime, now_us
from kernel.errors import ApiError
from kernel.units import format_amount, format_price, format_quantity
from trading.engine.types import BUY
from trading.feed.reads import ExchangeState, LifecycleState, StatusRow
from trading.feed.replica import BookReplica, LevelChange, Lots, Published, TapeTrade
from trading.feed.watcher import Frame
from trading.pipeline.instruments import Instrument
from trading.pipeline.messages import Top
from trading.wire.levels import compute_implied_tops

VERSION: Final = 1
_encode = msgspec.json.Encoder().encode

JsonDict = dict[str, Any]


def build(
    type_: str,
    *,
    market: str | None = None,
    seq: int | None = None,
    prev_seq: int | None = None,
    ts_us: int | None = None,
    **body: Any,
) -> Frame:
    text = _encode(
        {
            "v": VERSION,
            "type": type_,
            "market": market,
            "seq": seq,
            "prev_seq": prev_seq,
            "ts": format_time(now_us() if ts_us is None else ts_us),
            **body,
        }
    ).decode()
    return Frame({"type": "websocket.send", "text": text}, len(text))


# Market data


def book_snapshot(instrument: Instrument, replica: BookReplica, seq: int) -> Frame:
    levels = replica.levels or {}
    books = [
        {
            "outcome": instrument.codes[outcome],
            "bids": _side(levels.get(outcome, {}), 0, best_first=True),
            "asks": _side(levels.get(outcome, {}), 1, best_first=False),
        }
        for outcome in range(instrument.book_count)
    ]
    return build(
        "book_snapshot", market=instrument.slug, seq=seq, ts_us=replica.published_ts_us, books=books
    )


def book(instrument: Instrument, shown: Published, prev_seq: int) -> Frame:
    return build(
        "book",
        market=instrument.slug,
        seq=shown.seq,
        prev_seq=prev_seq,
        ts_us=shown.ts_us,
        books=_changed_books(instrument, shown.levels),
    )


def trades_snapshot(instrument: Instrument, replica: BookReplica, seq: int) -> Frame:
    trades = [_trade(instrument, trade) for trade in replica.tape]
    return build(
        "trades_snapshot",
        market=instrument.slug,
        seq=seq,
        ts_us=replica.published_ts_us,
        trades=trades,
    )


def trades(
    instrument: Instrument, new: Iterable[TapeTrade], *, prev_seq: int, seq: int, ts_us: int
) -> Frame:
    listed = [_trade(instrument, trade) for trade in new]
    return build(
        "trades", market=instrument.slug, seq=seq, prev_seq=prev_seq, ts_us=ts_us, trades=listed
    )


def ticker_snapshot(instrument: Instrument, replica: BookReplica, seq: int) -> Frame:
    outcomes = _tickers(instrument, replica, range(instrument.book_count))
    return build(
        "ticker_snapshot",
        market=instrument.slug,
        seq=seq,
        ts_us=replica.published_ts_us,
        tickers=outcomes,
    )


def ticker(instrument: Instrument, replica: BookReplica, shown: Published, prev_seq: int) -> Frame:
    return build(
        "ticker",
        market=instrument.slug,
        seq=shown.seq,
        prev_seq=prev_seq,
        ts_us=shown.ts_us,
        tickers=_tickers(instrument, replica, shown.outcomes),
    )


def _changed_books(instrument: Instrument, changes: Iterable[LevelChange]) -> list[JsonDict]:
    books: dict[int, JsonDict] = {}
    for change in sorted(changes):
        book = books.setdefault(
            change.outcome, {"outcome": instrument.codes[change.outcome], "bids": [], "asks": []}
        )
        price = format_price(change.price_pips)
        if change.bid_lots is not None:
            book["bids"].append((price, format_quantity(change.bid_lots)))
        if change.ask_lots is not None:
            book["asks"].append((price, format_quantity(change.ask_lots)))
    return list(books.values())


def _side(prices: Mapping[int, Lots], side: int, *, best_first: bool) -> list[tuple[str, str]]:
    return [
        (format_price(price_pips), format_quantity(prices[price_pips][side]))
        for price_pips in sorted(prices, reverse=best_first)
        if prices[price_pips][side]
    ]


def _trade(instrument: Instrument, trade: TapeTrade) -> JsonDict:
    return {
        "id": trade.trade_id,
        "outcome": instrument.codes[trade.outcome],
        "price": format_price(trade.price_pips),
        "quantity": format_quantity(trade.quantity_lots),
        "taker_side": "buy" if trade.taker_side == BUY else "sell",
        "seq": trade.seq,
        "created_at": format_time(trade.ts_us),
        "match_id": trade.match_id,
    }


def _tickers(
    instrument: Instrument, replica: BookReplica, changed: Collection[int]
) -> list[JsonDict]:
    """Show the outcomes that changed, or all where one book changes what the others imply."""
    outcomes = range(instrument.book_count) if instrument.matches_across and changed else changed
    implied = compute_implied_tops(instrument, replica.tops)
    tickers = []
    for outcome in outcomes:
        top = replica.tops.get(outcome) or Top(outcome)
        ticker = {
            "outcome": instrument.codes[outcome],
            "last": _price(replica.lasts.get(outcome)),
            "bid": _price(top.bid_pips),
            "bid_quantity": format_quantity(top.bid_lots),
            "ask": _price(top.ask_pips),
            "ask_quantity": format_quantity(top.ask_lots),
        }
        if instrument.matches_across:
            beside = implied[outcome]
            ticker |= {
                "implied_bid": _price(beside.bid_pips),
                "implied_bid_quantity": format_quantity(beside.bid_lots),
                "implied_ask": _price(beside.ask_pips),
                "implied_ask_quantity": format_quantity(beside.ask_lots),
            }
        if instrument.has_maker:
            ticker |= {
                "maker_bid": _price(top.maker_bid_pips),
                "maker_ask": _price(top.maker_ask_pips),
            }
        tickers.append(ticker)
    return tickers


def _price(price_pips: int | None) -> str | None:
    return None if price_pips is None else format_price(price_pips)


# Lifecycle


def lifecycle_snapshot(instrument: Instrument, state: LifecycleState, seq: int) -> Frame:
    return build(
        "lifecycle_snapshot", market=instrument.slug, seq=seq, **_show_state(instrument, state)
    )


def lifecycle(
    instrument: Instrument, state: LifecycleState, change: StatusRow, *, prev_seq: int, seq: int
) -> Frame:
    """One change of status; `state` is the market's state after it."""
    now = {**_show_state(instrument, state), "status": change.to_status}
    return build(
        "lifecycle",
        market=instrument.slug,
        seq=seq,
        prev_seq=prev_seq,
        ts_us=from_datetime(change.created_at),
        from_status=change.from_status,
        reason=change.reason,
        **now,
    )


def terms(instrument: Instrument, state: LifecycleState, *, prev_seq: int, seq: int) -> Frame:
    """Changed terms in the same status."""
    return build(
        "lifecycle",
        market=instrument.slug,
        seq=seq,
        prev_seq=prev_seq,
        from_status=state.status,
        reason="",
        **_show_state(instrument, state),
    )


def exchange(state: ExchangeState) -> Frame:
    return build("exchange", **state._asdict())


def _show_state(instrument: Instrument, state: LifecycleState) -> JsonDict:
    payouts = None
    if state.payouts_pips is not None:
        payouts = {
            code: format_price(pips)
            for code, pips in zip(instrument.codes, state.payouts_pips, strict=True)
        }
    return {
        "status": state.status,
        "close_at": format_time(state.close_at_us),
        "tick": format_price(state.tick_pips),
        "lot_step": format_quantity(state.lot_step_lots),
        "payouts": payouts,
        "withdrawn": {
            instrument.codes[index]: format_price(pips)
            for index, pips in state.withdrawn_pips.items()
        },
    }


# Private


def me_snapshot(seq: int, **parts: Any) -> Frame:
    return build("me_snapshot", seq=seq, **parts)


def me(seq: int, **parts: Any) -> Frame:
    return build("me", seq=seq, prev_seq=seq - 1, **parts)


def balance(micros: tuple[int, int, int]) -> JsonDict:
    cash_micros, held_micros, withdrawing_micros = micros
    return {
        "cash": format_amount(cash_micros),
        "held": format_amount(held_micros),
        "withdrawing": format_amount(withdrawing_micros),
        "available": format_amount(cash_micros - held_micros - withdrawing_micros),
    }


# The socket's own


def heartbeat(
    markets: Mapping[str, Mapping[str, int]],
    *,
    me_seq: int | None,
    is_engine_up: bool,
    exchange: ExchangeState | None,
) -> Frame:
    engine = "up" if is_engine_up else "away"
    state = None if exchange is None else exchange._asdict()
    return build("heartbeat", markets=markets, me=me_seq, engine=engine, exchange=state)


def reply(type_: str, request: int | str | None, **body: Any) -> Frame:
    return build(type_, id=request, **body)


def error(fault: ApiError, request: int | str | None, *, request_id: str) -> Frame:
    """`retry_after` is what HTTP has in the header, in seconds."""
    seconds = fault.headers.get("Retry-After")
    return build(
        "error",
        id=request,
        status=fault.status,
        code=fault.code,
        message=fault.message,
        field=fault.field,
        request_id=request_id,
        retry_after=None if seconds is None else int(seconds),
    )


def unsubscribed(
    request: int | str | None, channels: Sequence[str], markets: Sequence[str] | str | None
) -> Frame:
    return reply("unsubscribed", request, channels=channels, markets=markets)
