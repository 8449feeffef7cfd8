"""Order operations as since 2026: bid or ask at a price of YES."""

from typing import Any, Final, Literal

import msgspec
from msgspec import Raw, Struct

from compat.kalshi import entry
from compat.kalshi.entry import Options, Wanted, build_order, count_remaining, read_dollars
from compat.kalshi.errors import show_error
from compat.kalshi.numbers import money
from compat.kalshi.order_rows import show_uuid
from compat.kalshi.requests import KalshiCall
from kernel.clock import now_us
from kernel.errors import ApiError
from kernel.units import parse_amount_micros, parse_quantity_lots
from trading.wire.fields import absent
from trading.wire.reading import read_units
from trading.wire.schema import OrderAnswer

BookSide = Literal["bid", "ask"]


class CreateOrder(Options, kw_only=True):
    side: BookSide
    count: Raw
    price: Raw
    expiration_time: int | None = None


class CreateBatch(Struct, kw_only=True):
    orders: list[Raw]


class NamedOrder(Struct, kw_only=True):
    order_id: str
    subaccount: int | None = None


class CancelBatch(Struct, kw_only=True):
    orders: list[NamedOrder]


class NewTerms(Struct, kw_only=True):
    ticker: str
    side: BookSide
    price: Raw
    count: Raw
    client_order_id: str | None = None
    updated_client_order_id: str | None = None
    expiration_time: int | None = None


class Decrease(Struct, kw_only=True):
    reduce_by: Raw = msgspec.field(default_factory=absent)
    reduce_to: Raw = msgspec.field(default_factory=absent)


_order: Final = msgspec.json.Decoder(CreateOrder)
_batch: Final = msgspec.json.Decoder(CreateBatch)
_cancel_batch: Final = msgspec.json.Decoder(CancelBatch)
_amend: Final = msgspec.json.Decoder(NewTerms)
_decrease: Final = msgspec.json.Decoder(Decrease)


async def create(call: KalshiCall) -> dict[str, Any]:
    wanted = _build(call.read_body(_order))
    return _show(await entry.place(await call.act_for(wanted.subaccount), wanted))


async def create_batch(call: KalshiCall) -> dict[str, Any]:
    raws = call.read_body(_batch).orders
    entry.check_size(len(raws))
    answers = await entry.place_batch(call, [read_each(raw, _order, _build) for raw in raws])
    return {"orders": [show_each(answer, _show) for _, answer in answers]}


async def cancel(call: KalshiCall) -> dict[str, Any]:
    return _show_cancelled(await entry.cancel(call, call.names["order_id"]))


async def cancel_batch(call: KalshiCall) -> dict[str, Any]:
    orders = call.read_body(_cancel_batch).orders
    named = [(order.order_id, order.subaccount) for order in orders]
    answers = await entry.cancel_batch(call, named)
    return {
        "orders": [
            {"order_id": order_id, "reduced_by": entry.NOTHING, "ts_ms": now_us() // 1_000}
            | show_each(answer, _show_cancelled)
            for (order_id, _), (_, answer) in zip(named, answers, strict=True)
        ]
    }


async def cancel_all(call: KalshiCall) -> None:
    await entry.cancel_all(call)


async def amend(call: KalshiCall) -> dict[str, Any]:
    body: NewTerms = call.read_body(_amend)
    refuse_expiry(body.expiration_time)
    pips = read_dollars(body.price, "price")
    answer = await entry.amend(
        call, call.names["order_id"], ticker=body.ticker, yes_pips=pips, count=body.count
    )
    return _show(answer)


async def decrease(call: KalshiCall) -> dict[str, Any]:
    return _show(await decrease_order(call))


async def decrease_order(call: KalshiCall) -> OrderAnswer:
    body: Decrease = call.read_body(_decrease)
    return await entry.decrease(
        call,
        call.names["order_id"],
        by_lots=_read_lots(body.reduce_by, "reduce_by"),
        to_lots=_read_lots(body.reduce_to, "reduce_to"),
    )


def refuse_expiry(expires: int | None) -> None:
    if expires is not None:
        detail = "an order's expiry can't be changed: cancel it and place another"
        raise ApiError("invalid_value", "expiration_time", detail=detail)


def read_each(raw: Raw, decoder: Any, build: Any) -> Any:
    """Return an order of a batch for the handler, or the error with which it is answered."""
    try:
        return build(entry.decode(decoder, raw))
    except ApiError as error:
        return error


def show_each(answer: OrderAnswer | ApiError, show: Any) -> dict[str, Any]:
    if isinstance(answer, ApiError):
        return {"error": show_error(answer)}
    shown: dict[str, Any] = show(answer)
    return shown


def _build(body: CreateOrder) -> Wanted:
    return build_order(
        body,
        is_no=False,
        is_buy=body.side == "bid",
        price_pips=read_dollars(body.price, "price"),
        count=body.count,
        expires=body.expiration_time,
    )


def _show(answer: OrderAnswer) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "order_id": show_uuid(answer.id),
        "client_order_id": answer.client_order_id or "",
        "fill_count": answer.filled,
        "remaining_count": count_remaining(answer),
        "ts_ms": now_us() // 1_000,
    }
    filled_lots = parse_quantity_lots(answer.filled)
    if filled_lots:
        fee_micros = parse_amount_micros(answer.fees)
        shown["average_fill_price"] = money(_of_yes(answer))
        shown["average_fee_paid"] = money(fee_micros * 100 // filled_lots)
    return shown


def _of_yes(answer: OrderAnswer) -> int:
    """Return the average price of YES in micros."""
    micros = parse_amount_micros(answer.average_price or "0")
    is_mirrored = answer.outcome != answer.booked.outcome
    return 1_000_000 - micros if is_mirrored else micros


def _show_cancelled(answer: OrderAnswer) -> dict[str, Any]:
    return {
        "order_id": show_uuid(answer.id),
        "client_order_id": answer.client_order_id or "",
        "reduced_by": answer.remaining,
        "fill_count": answer.filled,
        "ts_ms": now_us() // 1_000,
    }


def _read_lots(raw: Raw, field: str) -> int | None:
    lots = read_units(parse_quantity_lots, raw, field)
    if lots is not None and lots < 0:
        raise ApiError("too_small", field)
    return lots
