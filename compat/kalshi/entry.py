"""From both families of order operations to trading's one handler, and back.

An order for NO in a market with one book is one of its NO; of several outcomes it is the mirror
image of one for YES, and recorded as entered for NO.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final, Literal, NamedTuple

import msgspec
from channels.db import database_sync_to_async
from msgspec import Raw, Struct

from accounts.api import admission
from compat.kalshi.numbers import PIPS_PER_CENT, SECONDS_MAX, count_fp, dollars, read_price, time_us
from compat.kalshi.portfolio import read_own_order
from compat.kalshi.requests import KalshiCall, check_exchange
from compat.kalshi.tickers import MARKET, KalshiTicker, read_ticker
from kernel.errors import ApiError, not_found
from kernel.units import MICROS_PER_CREDIT, UnitError, parse_amount_micros, parse_field
from trading.engine.types import PAYOUT_PIPS
from trading.order_entry.handler import handle
from trading.pipeline import instruments
from trading.wire import refusals
from trading.wire.commands import NO
from trading.wire.fields import ABSENT, absent, number_in
from trading.wire.reading import decode as decode
from trading.wire.reading import read_order_id
from trading.wire.schema import (
    BATCH_ORDERS_MAX,
    AmendOrder,
    BatchItem,
    CancelledOrders,
    OrderAnswer,
    PlaceBatch,
    PlaceOrder,
)

TimeInForce = Literal["fill_or_kill", "good_till_canceled", "immediate_or_cancel"]
SelfTrade = Literal["taker_at_cross", "maker"]
TIMES_IN_FORCE: Final = {
    "fill_or_kill": "fok", "good_till_canceled": "gtc", "immediate_or_cancel": "ioc",
}  # fmt: skip
LIVE: Final = ("open", "partially_filled")
NOTHING: Final = "0.00"


class Options(Struct, kw_only=True):
    """What orders of both families may ask for."""

    ticker: str
    client_order_id: str | None = None
    time_in_force: TimeInForce | None = None
    self_trade_prevention_type: SelfTrade | None = None
    post_only: bool | None = None
    reduce_only: bool | None = None
    cancel_order_on_pause: bool | None = None
    order_group_id: str | None = None
    subaccount: int | None = None
    exchange_index: int | None = None


class Wanted(Struct):
    """An order for the handler, of which the outcome is not named yet."""

    order: PlaceOrder
    ticker: KalshiTicker
    is_no: bool
    subaccount: int | None = None

    @property
    def is_mirrored(self) -> bool:
        """Whether it was entered for NO of one of several outcomes."""
        return self.is_no and self.ticker.code is not None


def build_order(
    body: Options,
    *,
    is_no: bool,
    is_buy: bool,
    price_pips: int | None,
    count: Raw,
    expires: int | None = None,
    is_market: bool = False,
) -> Wanted:
    """Return the order; `price_pips` is that of the side named."""
    check_exchange(body.exchange_index)
    ticker = read_ticker(body.ticker)
    is_mirrored = is_no and ticker.code is not None
    if is_mirrored:
        is_buy = not is_buy
        price_pips = None if price_pips is None else PAYOUT_PIPS - price_pips
    order = PlaceOrder(
        market=ticker.slug,
        side="buy" if is_buy else "sell",
        type="market" if is_market else "limit",
        price=absent() if price_pips is None else number_in(dollars(price_pips)),
        quantity=count,
        time_in_force=_find_tif(body, expires, is_market=is_market),  # type: ignore[arg-type]
        self_trade_prevention=(
            "cancel_oldest" if body.self_trade_prevention_type == "maker" else "cancel_newest"
        ),
        client_order_id=body.client_order_id or None,
        post_only=bool(body.post_only),
        reduce_only=bool(body.reduce_only),
        expires_at=None if not expires else _show_expiry(expires),
        order_group=body.order_group_id or None,
        cancel_on_halt=bool(body.cancel_order_on_pause),
    )
    return Wanted(order, ticker, is_no, body.subaccount)


def _find_tif(body: Options, expires: int | None, *, is_market: bool) -> str | None:
    name = TIMES_IN_FORCE[body.time_in_force] if body.time_in_force else None
    if expires and name in (None, "gtc"):
        return "gtd"
    return "ioc" if is_market and name in (None, "gtc") else name


def _show_expiry(seconds: int) -> str:
    if not 0 < seconds < SECONDS_MAX:
        raise ApiError("invalid_time", "expiration_time", detail="send Unix seconds")
    return time_us(seconds * 1_000_000)


def read_text(raw: Raw, field: str) -> str:
    """Return a number's text, as it was sent or in quotes."""
    try:
        return bytes(raw).decode("ascii").strip('"')
    except UnicodeDecodeError:
        error = UnitError("not_a_number")
        error.field = field
        raise error from None


def is_absent(raw: Raw) -> bool:
    return bytes(raw) == ABSENT


def read_cents(raw: Raw, field: str) -> int:
    """Return pips of a price in cents, which may have decimals."""
    micros = parse_field(parse_amount_micros, raw, field)
    pips, rest = divmod(micros * PIPS_PER_CENT, MICROS_PER_CREDIT)
    if rest or not 0 < pips < PAYOUT_PIPS:
        raise ApiError("invalid_value", field, detail="send 1 to 99 cents")
    return pips


def read_dollars(raw: Raw, field: str) -> int:
    return read_price(read_text(raw, field), field)


# --- calls of the handler ---------------------------------------------------------------------


async def name_outcome(call: KalshiCall, wanted: Wanted) -> PlaceOrder:
    """Return the order for its outcome; 404 for a ticker that is no market's."""
    ticker, order = wanted.ticker, wanted.order
    instrument = await instruments.get_instrument(ticker.slug, call.user_id)
    is_known = ticker.code is None if instrument.binary else ticker.code in instrument.codes
    if not is_known:
        raise not_found(MARKET)
    no_code = instrument.codes[NO] if wanted.is_no else None
    order.outcome = no_code if instrument.binary else ticker.code
    return order


async def place(call: KalshiCall, wanted: Wanted) -> OrderAnswer:
    """Place an order. A client order id is taken once: a repeat is a 409, not the first answer."""
    params = {"answer": "no"} if wanted.is_mirrored else {}
    order = await name_outcome(call, wanted)
    reply = await handle(call.caller, "place", order, params)
    if reply.headers:
        raise refusals.client_order_id_reused()
    answer: OrderAnswer = reply.answer
    return answer


async def place_batch(call: KalshiCall, sent: Sequence[Wanted | ApiError]) -> list["Acted"]:
    """Place each order by itself; what could not be read is answered with its error."""
    check_size(len(sent))
    answered: list[Acted] = []
    for subaccount, group in groupby(sent, lambda one: getattr(one, "subaccount", None)):
        orders = list(group)
        try:
            acting = await call.act_for(subaccount)
            answers = await _place_for_one(acting, orders)
        except ApiError as error:
            if len(orders) == len(sent):
                raise
            acting, answers = call, [error] * len(orders)
        answered += [Acted(acting, answer) for answer in answers]
    return answered


class Acted(NamedTuple):
    """An answer of a batch, and the call as of the account that it is about."""

    call: KalshiCall
    answer: OrderAnswer | ApiError


async def _place_for_one(
    call: KalshiCall, sent: Sequence[Wanted | ApiError]
) -> list[OrderAnswer | ApiError]:
    orders = [await _name_each(call, one) for one in sent]
    ready, answers_for = [], []
    for one, order in zip(sent, orders, strict=True):
        if not isinstance(one, ApiError) and not isinstance(order, ApiError):
            ready.append(Raw(msgspec.json.encode(order)))
            answers_for.append("no" if one.is_mirrored else "")
    items: list[BatchItem] = []
    if ready:
        params = {"answer": ",".join(answers_for)}
        reply = await handle(call.caller, "place_batch", PlaceBatch(orders=ready), params)
        items = list(reply.answer.results)
    answers = iter(items)
    return [order if isinstance(order, ApiError) else _read_item(next(answers)) for order in orders]


async def _name_each(call: KalshiCall, wanted: Wanted | ApiError) -> PlaceOrder | ApiError:
    if isinstance(wanted, ApiError):
        return wanted
    try:
        return await name_outcome(call, wanted)
    except ApiError as error:
        return error


def _read_item(item: BatchItem) -> OrderAnswer | ApiError:
    if item.order is not None:
        return item.order
    assert item.error is not None, "an order that was not placed was refused"
    error = ApiError(item.error.code, item.error.field, detail=item.error.message)
    error.status = item.status
    return error


async def cancel(call: KalshiCall, order_id: str) -> OrderAnswer:
    reply = await handle(call.caller, "cancel", None, {"order_id": read_id(order_id)})
    answer: OrderAnswer = reply.answer
    return answer


async def cancel_batch(call: KalshiCall, named: Sequence[tuple[str, int | None]]) -> list[Acted]:
    """`named` are ids of orders, each with its sub-account, if it is named."""
    check_size(len(named))
    if len(named) > 1:
        await admission.take_tokens(call.caller, "write", len(named) - 1)
    answers: list[Acted] = []
    for order_id, subaccount in named:
        acting = call
        try:
            acting = await call.act_for(subaccount)
            answers.append(Acted(acting, await cancel(acting, order_id)))
        except ApiError as error:
            answers.append(Acted(acting, error))
    return answers


async def cancel_all(call: KalshiCall) -> CancelledOrders:
    reply = await handle(call.caller, "cancel_all", None, {})
    answer: CancelledOrders = reply.answer
    return answer


async def amend(
    call: KalshiCall, order_id: str, *, ticker: str, yes_pips: int | None, count: Raw
) -> OrderAnswer:
    """Amend to a price of YES and a new total quantity, its filled part included."""
    pk = read_id(order_id)
    own = await instruments.find_order_instrument(pk)
    if own is None or own.account_id != call.caller.account_id:
        raise not_found("this order")
    instrument = await instruments.get_own_instrument(own.market_id)
    if ticker and read_ticker(ticker).slug != instrument.slug:
        raise ApiError("invalid_value", "ticker", detail="the order is in another market")
    price = absent()
    if yes_pips is not None:
        is_no = instrument.names_no(as_no=own.as_no)
        price = number_in(dollars(PAYOUT_PIPS - yes_pips if is_no else yes_pips))
    body = AmendOrder(price=price, quantity=count)
    reply = await handle(call.caller, "amend", body, {"order_id": pk})
    answer: OrderAnswer = reply.answer
    return answer


async def decrease(
    call: KalshiCall, order_id: str, *, by_lots: int | None, to_lots: int | None
) -> OrderAnswer:
    """Lower what is left of an order, which keeps its place in the queue."""
    if (by_lots is None) == (to_lots is None):
        raise ApiError("missing_field", "reduce_by", detail="send either reduce_by or reduce_to")
    order = await read_order(call.caller.account_id, order_id)
    filled, total = (_lots(order[f"{name}_count_fp"]) for name in ("fill", "initial"))
    left = total - filled
    new_left = left - by_lots if by_lots is not None else to_lots or 0
    if new_left > left:
        raise ApiError("too_large", "reduce_to", detail="that is more than is left")
    if new_left <= 0:
        return await cancel(call, order_id)
    body = AmendOrder(quantity=number_in(count_fp(filled + new_left)))
    reply = await handle(call.caller, "amend", body, {"order_id": read_id(order_id)})
    answer: OrderAnswer = reply.answer
    return answer


def check_size(orders: int) -> None:
    if not 1 <= orders <= BATCH_ORDERS_MAX:
        raise ApiError("too_long" if orders else "too_short", "orders")


def read_id(order_id: str) -> str:
    return read_order_id(order_id.replace("-", "").lower())


def count_remaining(answer: OrderAnswer) -> str:
    return answer.remaining if answer.status in LIVE else NOTHING


def _lots(text: Any) -> int:
    return int(str(text).replace(".", ""))


read_order = database_sync_to_async(read_own_order, thread_sensitive=False)
