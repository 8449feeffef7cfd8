"""The book of a token: its levels, best prices, and the summary that readers know, with its hash.

Prices and sizes are plain decimals without trailing zeros. A NO token's book is the YES book
mirrored: a bid for YES at p is an ask of NO at 1 - p. What an automated maker offers is part of it.
"""

import hashlib
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from compat.polymarket.names import BinaryLeg, OutcomeToken
from kernel.units import format_price, format_quantity
from trading.engine.types import PAYOUT_PIPS
from trading.feed.relays import ShownBook
from trading.pipeline.instruments import Instrument

_encode: Final = msgspec.json.Encoder().encode


def show_summary(token: OutcomeToken, instrument: Instrument, book: ShownBook) -> dict[str, Any]:
    """Return the book as a reader gets it; the best levels are the last ones.

    `hash` is the SHA-1 of this JSON, compact and in this order, with an empty hash and without
    `seq`, as readers compute it too.
    """
    summary: dict[str, Any] = {
        "market": token.leg.condition_id,
        "asset_id": token.id,
        "timestamp": show_ms(book.ts_us),
        "hash": "",
        "bids": _show_levels(reversed(book.bids)),
        "asks": _show_levels(reversed(book.asks)),
        "min_order_size": show_size(instrument.lot_step_lots),
        "tick_size": show_price(instrument.tick_pips),
        "neg_risk": is_neg_risk(instrument),
        "last_trade_price": "" if book.last_pips is None else show_price(book.last_pips),
    }
    summary["hash"] = hashlib.sha1(_encode(summary), usedforsecurity=False).hexdigest()
    summary["seq"] = book.seq
    return summary


def _show_levels(levels: Iterable[tuple[int, int]]) -> list[dict[str, str]]:
    return [{"price": show_price(pips), "size": show_size(lots)} for pips, lots in levels]


def is_neg_risk(instrument: Instrument) -> bool:
    """Whether its books are of outcomes that exclude one another."""
    return instrument.book_count > 1


def show_price(price_pips: int) -> str:
    return _trim(format_price(price_pips))


def show_size(quantity_lots: int) -> str:
    return _trim(format_quantity(quantity_lots))


def show_half_pips(half_pips: int) -> str:
    """Return an exact price of half a pip's precision, as midpoints have."""
    return _trim(f"{half_pips * 5 // 100_000}.{half_pips * 5 % 100_000:05}")


def show_best(book: ShownBook) -> tuple[str, str]:
    """Return the best bid and ask; without one nobody bids above 0, and nobody asks below 1."""
    return (
        show_price(book.bid_pips or 0),
        show_price(PAYOUT_PIPS if book.ask_pips is None else book.ask_pips),
    )


def show_ms(us: int) -> str:
    return str(us // 1_000)


def number(text: str) -> msgspec.Raw:
    """Return a decimal as an exact JSON number."""
    return msgspec.Raw(text.encode())


def _trim(decimal: str) -> str:
    return decimal.rstrip("0").rstrip(".") if "." in decimal else decimal


def of_token(book: ShownBook, token: OutcomeToken) -> ShownBook:
    """Return a book of YES as that of this token."""
    return book.of_side(is_no=token.is_no)


def list_tokens(leg: BinaryLeg) -> tuple[OutcomeToken, OutcomeToken]:
    return OutcomeToken(leg, False), OutcomeToken(leg, True)
