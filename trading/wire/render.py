"""Converts the engine's results to API replies: orders as entered, decimals, ISO times.

All fields of an order refer to the outcome named when it was entered; `booked` is the order as it
is in the book.
"""

from functools import lru_cache
from typing import Final

from kernel.clock import format_time
from kernel.units import format_amount, format_price, format_quantity
from trading.engine.book import EngineOrder
from trading.engine.events import Traded
from trading.engine.types import BUY, PAYOUT_PIPS, OrderOptions, OrderStatus, Stp, Tif
from trading.pipeline.instruments import Instrument
from trading.pipeline.messages import Fill, Levels, Result
from trading.wire.commands import NO
from trading.wire.levels import compute_implied_levels, mirror_levels
from trading.wire.options import mirror_pips, show_options
from trading.wire.schema import (
    BookAnswer,
    Booked,
    BookLevel,
    OrderAnswer,
    OrderState,
    OrderTrade,
    OutcomeBook,
)

SIDE_NAMES: Final = {BUY: "buy", -BUY: "sell"}
PIP_IN_AVERAGE: Final = 100
"""A pip in millionths, the unit of averages."""

# The orders of a batch share their time, and most prices and quantities come again and again.
_show_time: Final = lru_cache(1_024)(format_time)
_show_price: Final = lru_cache(PAYOUT_PIPS)(format_price)
_show_quantity: Final = lru_cache(8_192)(format_quantity)
_show_amount: Final = lru_cache(8_192)(format_amount)
_TIF_NAMES: Final = tuple(member.name.lower() for member in Tif)
_STP_NAMES: Final = tuple(member.name.lower() for member in Stp)
_PLAIN: Final = OrderOptions()
_STATUS_NAMES: Final = tuple(member.name.lower() for member in OrderStatus)


def show_order(
    order: EngineOrder, instrument: Instrument, *, seq: int, updated_at_us: int
) -> OrderState:
    return OrderState(**_order_fields(order, instrument, seq, updated_at_us))


def show_answer(result: Result, instrument: Instrument) -> OrderAnswer:
    """Return the order of a result, right after matching."""
    order = result.order
    assert order is not None, "a result that was not rejected has its order"
    return OrderAnswer(
        **_order_fields(order, instrument, result.seq, result.ts_us),
        trades=[show_own_trade(fill, order, instrument) for fill in result.fills],
        hold=_show_amount(result.held_change_micros),
        legs=show_legs(result, instrument),
    )


def show_legs(result: Result, instrument: Instrument) -> list[OrderState]:
    """Return the take-profit and stop-loss of a result's bracket."""
    return [
        show_order(leg, instrument, seq=result.seq, updated_at_us=result.ts_us)
        for leg in result.legs
    ]


def show_own_trade(fill: Fill, order: EngineOrder, instrument: Instrument) -> OrderTrade:
    trade, as_no = fill.trade, instrument.names_no(as_no=order.place.as_no)
    return OrderTrade(
        id=fill.trade_id,
        price=_show_price(mirror_pips(trade.price_pips, as_no=as_no)),
        quantity=_show_quantity(trade.quantity_lots),
        fee=_show_amount(find_fee_micros(trade, order.order_id)),
    )


def find_fee_micros(trade: Traded, order_id: str) -> int:
    is_taker = trade.taker_order_id == order_id
    return trade.taker_fee_micros if is_taker else trade.maker_fee_micros


def _order_fields(order: EngineOrder, instrument: Instrument, seq: int, updated_at_us: int) -> dict:
    asked = order.place
    as_no, options = instrument.names_no(as_no=asked.as_no), asked.options or _PLAIN
    price_pips = order.price_pips or None
    reason = order.reason
    return {
        "id": order.order_id,
        "client_order_id": asked.client_order_id,
        "market": instrument.slug,
        "outcome": instrument.codes[NO if as_no else order.outcome],
        "side": SIDE_NAMES[-order.side if as_no else order.side],
        "type": "market" if options.is_market else "limit",
        "price": show_price(mirror_pips(price_pips, as_no=as_no)),
        "quantity": _show_quantity(order.quantity_lots),
        "time_in_force": _TIF_NAMES[asked.tif],
        "self_trade_prevention": _STP_NAMES[asked.stp],
        **show_options(order, options, as_no=as_no),
        "booked": Booked(
            instrument.codes[order.outcome], SIDE_NAMES[order.side], show_price(price_pips)
        ),
        "status": _STATUS_NAMES[order.status],
        "reason": None if reason is None else reason.value,
        "filled": _show_quantity(order.filled_lots),
        "remaining": _show_quantity(order.remaining_lots),
        "average_price": show_average(order.filled_micros, order.filled_lots, as_no=as_no),
        "fees": _show_amount(order.fee_micros),
        "seq": seq,
        "created_at": _show_time(order.created_at_us),
        "updated_at": _show_time(updated_at_us),
    }


def show_price(price_pips: int | None) -> str | None:
    return None if price_pips is None else _show_price(price_pips)


def show_average(filled_micros: int, filled_lots: int, *, as_no: bool = False) -> str | None:
    """Return cost per contract, 6 decimals, half up; null without a fill."""
    if not filled_lots:
        return None
    millionths = (2 * filled_micros * PIP_IN_AVERAGE + filled_lots) // (2 * filled_lots)
    return _show_amount(PAYOUT_PIPS * PIP_IN_AVERAGE - millionths if as_no else millionths)


def show_book(
    instrument: Instrument,
    seq: int,
    ts_us: int,
    books: list[tuple[Levels, Levels]],
    ladders: list[tuple[Levels, Levels]] | None = None,
) -> BookAnswer:
    """Return (bids, asks) of each book; for a binary market also those of NO.

    `ladders` are those of an automated maker, by book.
    """
    shown = [
        _show_side_by_side(instrument.codes[index], bids, asks)
        for index, (bids, asks) in enumerate(books)
    ]
    if instrument.binary:
        bids, asks = books[0]
        shown.append(
            _show_side_by_side(instrument.codes[NO], mirror_levels(asks), mirror_levels(bids))
        )
        if ladders:
            bids, asks = ladders[0]
            ladders = [*ladders, (mirror_levels(asks), mirror_levels(bids))]
    if instrument.matches_across:
        for index, book in enumerate(shown):
            implied_bids, implied_asks = (
                ([], [])
                if index in instrument.withdrawn_pips
                else compute_implied_levels(books, index)
            )
            book.implied_bids, book.implied_asks = map(_show_levels, (implied_bids, implied_asks))
    for book, (bids, asks) in zip(shown, ladders or (), strict=False):
        book.maker_bids, book.maker_asks = _show_levels(bids), _show_levels(asks)
    return BookAnswer(market=instrument.slug, seq=seq, ts=_show_time(ts_us), books=shown)


def _show_side_by_side(code: str, bids: Levels, asks: Levels) -> OutcomeBook:
    return OutcomeBook(outcome=code, bids=_show_levels(bids), asks=_show_levels(asks))


def _show_levels(levels: Levels) -> list[BookLevel]:
    return [BookLevel(_show_price(pips), _show_quantity(lots)) for pips, lots in levels]
