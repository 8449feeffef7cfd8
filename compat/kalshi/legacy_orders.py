"""Order operations as before 2026: buy or sell YES or NO, in cents or dollars; replies are rows."""

from typing import Any, Final, Literal

import msgspec
from msgspec import Raw, Struct

from compat.kalshi import entry
from compat.kalshi.entry import Options, Wanted, build_order, is_absent, read_cents, read_dollars
from compat.kalshi.errors import show_error
from compat.kalshi.numbers import PIPS_PER_CENT, count
from compat.kalshi.orders import decrease_order, read_each
from compat.kalshi.requests import KalshiCall
from kernel.errors import ApiError
from kernel.units import parse_quantity_lots
from trading.engine.types import PAYOUT_PIPS
from trading.wire.fields import absent
from trading.wire.schema import OrderAnswer

Side = Literal["yes", "no"]
Action = Literal["buy", "sell"]


class Priced(Options, kw_only=True):
    """The price in one of four forms, and how many."""

    yes_price: Raw = msgspec.field(default_factory=absent)
    no_price: Raw = msgspec.field(default_factory=absent)
    yes_price_dollars: Raw = msgspec.field(default_factory=absent)
    no_price_dollars: Raw = msgspec.field(default_factory=absent)
    count: Raw = msgspec.field(default_factory=absent)
    count_fp: Raw = msgspec.field(default_factory=absent)

    @property
    def quantity(self) -> Raw:
        return self.count if is_absent(self.count_fp) else self.count_fp

    def read_yes_pips(self) -> int | None:
        """Return the price of YES; ApiError unless there is at most one."""
        names = ("yes_price", "no_price", "yes_price_dollars", "no_price_dollars")
        found = [name for name in names if not is_absent(getattr(self, name))]
        if not found:
            return None
        if len(found) > 1:
            raise ApiError("repeated_field", found[1], detail="send one price")
        [name] = found
        read = read_dollars if name.endswith("dollars") else read_cents
        pips = read(getattr(self, name), name)
        return PAYOUT_PIPS - pips if name.startswith("no_") else pips


class LegacyCreateOrder(Priced, kw_only=True):
    ticker: str
    side: Side
    action: Action
    type: Literal["limit", "market"] = "limit"
    expiration_ts: int | None = None
    buy_max_cost: int | None = None
    sell_position_floor: int | None = None


class LegacyCreateBatch(Struct, kw_only=True):
    orders: list[Raw]


class LegacyNamed(Struct, kw_only=True):
    order_id: str
    subaccount: int | None = None


class LegacyCancelBatch(Struct, kw_only=True):
    """Three years' names for the same."""

    ids: list[str] | None = None
    order_ids: list[str] | None = None
    orders: list[LegacyNamed] | None = None


class LegacyAmend(Priced, kw_only=True):
    """Programs of 2025 send no more than the new price and quantity."""

    ticker: str = ""
    side: Side | None = None
    action: Action | None = None
    updated_client_order_id: str | None = None


_order: Final = msgspec.json.Decoder(LegacyCreateOrder)
_batch: Final = msgspec.json.Decoder(LegacyCreateBatch)
_cancel_batch: Final = msgspec.json.Decoder(LegacyCancelBatch)
_amend: Final = msgspec.json.Decoder(LegacyAmend)


async def create(call: KalshiCall) -> dict[str, Any]:
    wanted = _build(call.read_body(_order))
    call = await call.act_for(wanted.subaccount)
    answer = await entry.place(call, wanted)
    return {"order": await _read(call, answer)}


async def create_batch(call: KalshiCall) -> dict[str, Any]:
    raws = call.read_body(_batch).orders
    entry.check_size(len(raws))
    answers = await entry.place_batch(call, [read_each(raw, _order, _build) for raw in raws])
    shown = [await _show_placed(*answered) for answered in answers]
    return {"orders": shown, "responses": shown}


async def cancel(call: KalshiCall) -> dict[str, Any]:
    answer = await entry.cancel(call, call.names["order_id"])
    return {"order": await _read(call, answer), **_show_reduced(answer)}


async def cancel_batch(call: KalshiCall) -> dict[str, Any]:
    body: LegacyCancelBatch = call.read_body(_cancel_batch)
    named = [(order.order_id, order.subaccount) for order in body.orders or []]
    named += [(order_id, None) for order_id in (*(body.ids or []), *(body.order_ids or []))]
    answers = await entry.cancel_batch(call, named)
    shown = [
        await _show_cancelled(acting, order_id, answer)
        for (order_id, _), (acting, answer) in zip(named, answers, strict=True)
    ]
    return {"orders": shown, "responses": shown}


async def amend(call: KalshiCall) -> dict[str, Any]:
    body: LegacyAmend = call.read_body(_amend)
    call = await call.act_for(body.subaccount)
    order_id = call.names["order_id"]
    before = await entry.read_order(call.caller.account_id, order_id)
    answer = await entry.amend(
        call,
        order_id,
        ticker=body.ticker,
        yes_pips=body.read_yes_pips(),
        count=body.quantity,
    )
    return {"old_order": before, "order": await _read(call, answer)}


async def decrease(call: KalshiCall) -> dict[str, Any]:
    return {"order": await _read(call, await decrease_order(call))}


async def _read(call: KalshiCall, answer: OrderAnswer) -> dict[str, Any]:
    shown: dict[str, Any] = await entry.read_order(call.caller.account_id, answer.id)
    return shown


async def _show_placed(call: KalshiCall, answer: OrderAnswer | ApiError) -> dict[str, Any]:
    if isinstance(answer, ApiError):
        return {"client_order_id": None, "order": None, "error": show_error(answer)}
    order = await _read(call, answer)
    return {"client_order_id": answer.client_order_id, "order": order, "error": None}


async def _show_cancelled(
    call: KalshiCall, order_id: str, answer: OrderAnswer | ApiError
) -> dict[str, Any]:
    if isinstance(answer, ApiError):
        nothing = {"reduced_by": 0, "reduced_by_fp": entry.NOTHING}
        return {"order_id": order_id, "order": None, **nothing, "error": show_error(answer)}
    order = await _read(call, answer)
    return {"order_id": order_id, "order": order, **_show_reduced(answer), "error": None}


def _show_reduced(answer: OrderAnswer) -> dict[str, Any]:
    lots = parse_quantity_lots(answer.remaining)
    return {"reduced_by": count(lots), "reduced_by_fp": answer.remaining}


def _build(body: LegacyCreateOrder) -> Wanted:
    is_no, is_market = body.side == "no", body.type == "market"
    yes_pips = body.read_yes_pips()
    pips = PAYOUT_PIPS - yes_pips if is_no and yes_pips is not None else yes_pips
    if pips is None and not is_market:
        raise ApiError("missing_field", "yes_price")
    if body.buy_max_cost is not None:
        pips = _find_price(body, pips)
        body.time_in_force = "fill_or_kill"
    if body.sell_position_floor is not None:
        if body.sell_position_floor:
            detail = "only 0 is known: never sell more than is owned"
            raise ApiError("invalid_value", "sell_position_floor", detail=detail)
        body.reduce_only = True
    return build_order(
        body,
        is_no=is_no,
        is_buy=body.action == "buy",
        price_pips=pips,
        count=body.quantity,
        expires=body.expiration_ts,
        is_market=is_market,
    )


def _find_price(body: LegacyCreateOrder, pips: int | None) -> int:
    """Return the price at which even the dearest fill keeps the whole cost below the maximum."""
    lots = parse_quantity_lots(body.quantity)
    if body.action != "buy" or lots <= 0 or (body.buy_max_cost or 0) <= 0:
        raise ApiError("invalid_value", "buy_max_cost")
    most = (body.buy_max_cost or 0) * PIPS_PER_CENT * 100 // lots
    most -= most % PIPS_PER_CENT
    return min(most, PAYOUT_PIPS - PIPS_PER_CENT if pips is None else pips)
