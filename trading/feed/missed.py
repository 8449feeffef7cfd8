"""Resuming `me`: the place that a client has reached, and what it missed since.

An account has no sequence of its own, and trades in any number of markets, whose sequences are
exact. So a place is a time, and the sequence numbers of the markets that changed shortly before it.
Commits of different engines may be up to LATE_US out of order of time; within that span the
sequences decide what was seen, before it everything was.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from django.db.models import QuerySet

from kernel.clock import format_time
from kernel.errors import ApiError
from kernel.units import format_amount, format_price, format_quantity
from trading.engine.types import OrderStatus
from trading.models import Order, Trade
from trading.pipeline.instruments import Instrument
from trading.pipeline.order_rows import read_order
from trading.pipeline.snapshot import consistent_read
from trading.wire.commands import NO
from trading.wire.options import mirror_pips
from trading.wire.render import SIDE_NAMES, show_order
from trading.wire.schema import OwnFill

LATE_US: Final = 60_000_000
MISSED_MAX: Final = 1_000
"""Orders, and fills, that are sent again; the rest is in GET /orders and GET /fills."""
OPEN: Final = (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED, OrderStatus.UNTRIGGERED)


class StreamPlace(msgspec.Struct, array_like=True, frozen=True):
    """Everything of the account before `at_us` - LATE_US was seen, and in `seqs` all up to them."""

    account_id: int
    at_us: int
    seqs: dict[int, int]


class AccountFill(NamedTuple):
    """A trade from one account's perspective."""

    trade: Trade
    order: Order
    is_taker: bool


class Missed(NamedTuple):
    """Orders that ended and fills, oldest first; `has_more` if there are too many of either."""

    orders: list[Order]
    fills: list[AccountFill]
    has_more: bool

    @property
    def market_ids(self) -> set[int]:
        orders = {order.market_id for order in self.orders}
        return orders | {fill.trade.market_id for fill in self.fills}


_decoder: Final = msgspec.msgpack.Decoder(StreamPlace)


def encode_place(place: StreamPlace) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(place)).decode().rstrip("=")


def decode_place(text: str, account_id: int) -> StreamPlace:
    """Return the place, or raise ApiError if it is damaged or of another account."""
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        place = _decoder.decode(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, msgspec.MsgspecError):
        raise _bad_place() from None
    if place.account_id != account_id or place.at_us < LATE_US:
        raise _bad_place()
    return place


def read_missed(place: StreamPlace, now: StreamPlace) -> Missed:
    """Return what happened after one place and until another."""
    with consistent_read():
        orders = list(_take(_find_new(_list_ended(place), place, now)))
        fills = [
            (trade, is_taker)
            for is_taker in (True, False)
            for trade in _take(_find_new(_list_trades(place, is_taker=is_taker), place, now))
        ]
        fills.sort(key=lambda side: side[0].id)
        paired = pair_with_orders(fills[: MISSED_MAX + 1])
    has_more = len(orders) > MISSED_MAX or len(paired) > MISSED_MAX
    return Missed(orders[:MISSED_MAX], paired[:MISSED_MAX], has_more)


def _list_ended(place: StreamPlace) -> QuerySet[Order]:
    mine = Order.objects.filter(account_id=place.account_id, updated_at_us__gte=_begin_us(place))
    return mine.exclude(status__in=OPEN).order_by("updated_at_us", "id")


def _list_trades(place: StreamPlace, *, is_taker: bool) -> QuerySet[Trade]:
    """Return one side's trades: one condition with OR would sort an account's whole history."""
    since_us, role = _begin_us(place), "taker" if is_taker else "maker"
    first = UUID(int=since_us // 1000 << 80)  # ids sort by time, to the millisecond
    mine = Trade.objects.filter(id__gte=first, **{f"{role}_account": place.account_id})
    return mine.exclude(**{f"{role}_order_id": None}).order_by("id")


def _begin_us(place: StreamPlace) -> int:
    return place.at_us - LATE_US


def _find_new(
    rows: "QuerySet[Order] | QuerySet[Trade]", place: StreamPlace, now: StreamPlace
) -> Iterator:
    for row in rows.iterator(chunk_size=500):
        if isinstance(row, Order):
            change = row.market_id, row.updated_seq, row.updated_at_us
        else:
            change = row.market_id, row.seq, row.created_at_us
        if _is_seen(*change, now) and not _is_seen(*change, place):
            yield row


def _is_seen(market_id: int, seq: int, ts_us: int, place: StreamPlace) -> bool:
    if market_id in place.seqs:
        return seq <= place.seqs[market_id]
    return ts_us < _begin_us(place)


def _take(rows: Iterator) -> Iterator:
    return (row for row, _ in zip(rows, range(MISSED_MAX + 1), strict=False))


def pair_with_orders(sides: Sequence[tuple[Trade, bool]]) -> list[AccountFill]:
    """Return the fills of orders: trades with whether the order was the taker."""
    ids = [trade.taker_order_id if is_taker else trade.maker_order_id for trade, is_taker in sides]
    orders = Order.objects.in_bulk(set(ids))
    return [
        AccountFill(trade, orders[order_id], is_taker)
        for (trade, is_taker), order_id in zip(sides, ids, strict=True)
        if order_id is not None  # the house's, between the legs of a match
    ]


def show_own_fill(fill: AccountFill, instrument: Instrument) -> OwnFill:
    trade, order = fill.trade, fill.order
    as_no = instrument.names_no(as_no=order.as_no)
    return OwnFill(
        id=trade.id.hex,
        order_id=order.id.hex,
        client_order_id=order.client_order_id,
        market=instrument.slug,
        outcome=instrument.codes[NO if as_no else order.outcome_index],
        side=SIDE_NAMES[-order.side if as_no else order.side],
        price=format_price(mirror_pips(trade.price_pips, as_no=as_no)),
        quantity=format_quantity(trade.quantity_lots),
        fee=format_amount(trade.taker_fee_micros if fill.is_taker else trade.maker_fee_micros),
        role="taker" if fill.is_taker else "maker",
        seq=trade.seq,
        created_at=format_time(trade.created_at_us),
    )


def show_missed(missed: Missed, instruments: Mapping[int, Instrument]) -> dict[str, Any]:
    """Render it as a frame has it."""
    return {
        "orders": [
            show_order(
                read_order(row, row.id.hex),
                instruments[row.market_id],
                seq=row.updated_seq,
                updated_at_us=row.updated_at_us,
            )
            for row in missed.orders
        ],
        "fills": [show_own_fill(fill, instruments[fill.trade.market_id]) for fill in missed.fills],
        "has_more": missed.has_more,
    }


def _bad_place() -> ApiError:
    return ApiError("invalid_value", "resume", detail="this is no place in this account's stream")
