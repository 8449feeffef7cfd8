"""The JSON of the socket's events, serialised once for all readers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from compat.polymarket import rows
from compat.polymarket.books import (
    is_neg_risk,
    list_tokens,
    of_token,
    show_best,
    show_ms,
    show_price,
    show_size,
    show_summary,
)
from compat.polymarket.listing import ShownLeg
from compat.polymarket.names import OutcomeToken, compute_number
from kernel.clock import from_datetime, now_us
from kernel.errors import ApiError
from trading.engine.types import BUY, PAYOUT_PIPS
from trading.feed.relays import Change, ShownBook
from trading.feed.replica import TapeTrade
from trading.feed.watcher import Frame
from trading.pipeline.instruments import Instrument
from trading.wire.options import mirror_pips

_encode = msgspec.json.Encoder().encode


def text(content: str) -> Frame:
    return Frame({"type": "websocket.send", "text": content}, len(content))


def build(event_type: str, **fields: Any) -> Frame:
    return text(_encode({"event_type": event_type, **fields}).decode())


def error(fault: ApiError, **fields: Any) -> Frame:
    body = {"error": fault.message, "code": fault.code, "field": fault.field, **fields}
    return text(_encode(body).decode())


def book(token: OutcomeToken, instrument: Instrument, token_book: ShownBook) -> Frame:
    return build("book", **show_summary(token, instrument, token_book))


def price_change(
    tokens: Sequence[OutcomeToken],
    instrument: Instrument,
    yes_book: ShownBook,
    changes: Sequence[Change],
    *,
    prev_seq: int,
) -> Frame:
    """`hash` is that of the token's book after all of the changes."""
    entries = [
        entry
        for token in tokens
        for entry in _show_changes(token, instrument, of_token(yes_book, token), changes)
    ]
    return build(
        "price_change",
        market=tokens[0].leg.condition_id,
        price_changes=entries,
        timestamp=show_ms(yes_book.ts_us),
        seq=yes_book.seq,
        prev_seq=prev_seq,
    )


def _show_changes(
    token: OutcomeToken, instrument: Instrument, token_book: ShownBook, changes: Sequence[Change]
) -> list[dict[str, str]]:
    best_bid, best_ask = show_best(token_book)
    book_hash = show_summary(token, instrument, token_book)["hash"]
    return [
        {
            "asset_id": token.id,
            "price": show_price(mirror_pips(price_pips, as_no=token.is_no)),
            "size": show_size(lots),
            "side": name_side(side, token),
            "hash": book_hash,
            "best_bid": best_bid,
            "best_ask": best_ask,
        }
        for side, price_pips, lots in changes
    ]


def last_trade_price(token: OutcomeToken, trade: TapeTrade, *, fee_rate_bps: int) -> Frame:
    return build(
        "last_trade_price",
        asset_id=token.id,
        market=token.leg.condition_id,
        price=show_price(mirror_pips(trade.price_pips, as_no=token.is_no)),
        size=show_size(trade.quantity_lots),
        side=name_side(trade.taker_side, token),
        fee_rate_bps=str(fee_rate_bps),
        timestamp=show_ms(trade.ts_us),
        seq=trade.seq,
    )


def tick_size_change(token: OutcomeToken, old_pips: int, new_pips: int, seq: int) -> Frame:
    return build(
        "tick_size_change",
        asset_id=token.id,
        market=token.leg.condition_id,
        old_tick_size=show_price(old_pips),
        new_tick_size=show_price(new_pips),
        timestamp=show_ms(now_us()),
        seq=seq,
    )


def best_bid_ask(token: OutcomeToken, token_book: ShownBook) -> Frame:
    best_bid, best_ask = show_best(token_book)
    ask_pips = PAYOUT_PIPS if token_book.ask_pips is None else token_book.ask_pips
    return build(
        "best_bid_ask",
        market=token.leg.condition_id,
        asset_id=token.id,
        best_bid=best_bid,
        best_ask=best_ask,
        spread=show_price(ask_pips - (token_book.bid_pips or 0)),
        timestamp=show_ms(token_book.ts_us),
        seq=token_book.seq,
    )


def new_market(shown: ShownLeg, moment: datetime) -> Frame:
    return build(
        "new_market",
        **_show_market(shown, moment),
        condition_id=shown.leg.condition_id,
        active=True,
        clob_token_ids=shown.leg.token_ids,
        order_price_min_tick_size=show_price(shown.market.tick_pips),
        group_item_title=shown.outcome.name if is_neg_risk(shown.instrument) else "",
    )


def market_resolved(shown: ShownLeg, moment: datetime) -> Frame:
    """Without a winner (a void, or a result between) its token and outcome are empty."""
    names = rows.name_outcomes(shown)
    winners = [token for token in list_tokens(shown.leg) if rows.wins(shown, token)]
    return build(
        "market_resolved",
        **_show_market(shown, moment),
        winning_asset_id=winners[0].id if winners else "",
        winning_outcome=names[winners[0].is_no] if winners else "",
    )


def _show_market(shown: ShownLeg, moment: datetime) -> dict[str, Any]:
    market = shown.market
    return {
        "id": str(shown.leg.number),
        "question": rows.name_question(shown),
        "market": shown.leg.condition_id,
        "slug": shown.leg.slug,
        "description": rows.describe(market),
        "assets_ids": shown.leg.token_ids,
        "outcomes": rows.name_outcomes(shown),
        "event_message": {
            "id": str(compute_number("event", market.slug)),
            "ticker": market.slug,
            "slug": market.slug,
            "title": market.title,
            "description": rows.describe(market),
        },
        "timestamp": show_ms(from_datetime(moment)),
        "tags": [tag.slug for tag in market.tags.all()],
    }


def name_side(side: int, token: OutcomeToken) -> str:
    return "BUY" if (side == BUY) is not token.is_no else "SELL"
