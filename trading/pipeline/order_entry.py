"""The one handler of every order operation, behind both doors.

A door authenticates, takes the caller's tokens and calls `handle`; everything else about an
operation happens here. Refusals are raised as ApiError, which both doors answer alike. Where there
is a key (a client order id, an Idempotency-Key), nothing is refused before the engine that could
have been accepted when the key was first sent: a repeat must find its first answer.
"""

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from channels.db import database_sync_to_async

from accounts.api.principal import Principal
from accounts.models.account import AccountKind
from kernel.clock import now_us
from kernel.errors import ApiError, not_found
from kernel.ids import new_id
from trading.api import preview
from trading.api.operations import BY_NAME, WRITE
from trading.engine.types import (
    NO_ACCOUNT,
    Amend,
    Cancel,
    CancelAll,
    OrderStatus,
    Place,
    Reason,
)
from trading.models import Order, Receipt
from trading.pipeline import instruments
from trading.pipeline.gateway import (
    EngineAway,
    MarketUnknown,
    Overloaded,
    TimedOut,
    get_gateway,
    raise_fault,
)
from trading.pipeline.instruments import Instrument, OrderInstrument
from trading.pipeline.messages import Answer, Result, Task, encode
from trading.readmodels import market_data, queries
from trading.wire import refusals, render
from trading.wire.commands import (
    build_amend,
    build_place,
    compute_body_hash,
    read_amend,
)
from trading.wire.reading import (
    decode,
    read_idempotency_key,
    read_order_id,
    unexpected_body,
)
from trading.wire.schema import (
    AmendOrder,
    BatchAnswer,
    BatchItem,
    CancelledOrders,
    Fault,
    OrderAnswer,
    PlaceBatch,
    PlaceOrder,
)
from web import limits
from web.limits import Rate

REPEATED: Final = {"Idempotent-Replayed": "true"}
NOBODY: Final = Principal(
    user_id=NO_ACCOUNT,
    account_id=NO_ACCOUNT,
    owner_id=NO_ACCOUNT,
    account_kind=AccountKind.USER.value,
    scopes=frozenset(),
    credential="",
    credential_id="",
    is_verified=False,
    read_rate=Rate(0, 0),
    write_rate=Rate(0, 0),
)
"""Who previews an order on a page before they have an account: they own nothing and can pay."""

_place_decoder = msgspec.json.Decoder(PlaceOrder)
_batch_decoder = msgspec.json.Decoder(PlaceBatch)
_amend_decoder = msgspec.json.Decoder(AmendOrder)
_encode_json = msgspec.json.Encoder().encode


class Response(NamedTuple):
    """An answer in JSON."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}


class Call(NamedTuple):
    """One request, as its door understood it. `params`: of path and query."""

    principal: Principal | None
    body: bytes
    params: Mapping[str, str]
    key: str | None

    @property
    def caller(self) -> Principal:
        assert self.principal is not None, "the door lets nobody in without a credential here"
        return self.principal


async def handle(
    principal: Principal | None,
    operation: str,
    body: bytes,
    params: Mapping[str, str],
    *,
    idempotency_key: str | None = None,
) -> Response:
    """Carry out one operation of `trading.api.operations`; raise ApiError where it is refused."""
    if BY_NAME[operation].scope == "trade":
        await instruments.check_writable()
    call = Call(principal, body, params, read_idempotency_key(idempotency_key))
    try:
        return await _HANDLERS[operation](call)
    except (EngineAway, Overloaded, TimedOut, MarketUnknown) as fault:
        raise refusals.build_gateway_error(fault) from fault


# --- placing ----------------------------------------------------------------------------------


async def _place(call: Call) -> Response:
    order = decode(_place_decoder, call.body)
    instrument = await instruments.get_instrument(order.market, call.caller.user_id)
    is_mirrored = call.params.get("answer") == "no"  # only pages say so
    place = build_place(order, instrument, call.caller, new_id(), is_mirrored=is_mirrored)
    key = _order_key(place) or _request_key(call)
    [answer] = await get_gateway().send([_place_task(place, instrument, key)])
    result = _read_answer(answer, place)
    return _respond(201, _show_order(result, instrument), [result])


async def _place_batch(call: Call) -> Response:
    """Carry out each order by itself: one that is refused stops no other."""
    raws = decode(_batch_decoder, call.body).orders
    await _take_more(call.caller, len(raws) - 1)
    if call.key is not None:
        await _claim(call.caller.account_id, f"request:{call.key}", _hash_batch(call.body))
    entries = [await _prepare(call, raw, index) for index, raw in enumerate(raws)]
    tasks = [entry.task for entry in entries if not isinstance(entry, ApiError)]
    answers = iter(await get_gateway().send_each(tasks) if tasks else [])
    results: list[Result] = []
    items = [_show_item(entry, answers, results) for entry in entries]
    return _respond(200, BatchAnswer(results=items), results)


class _Entry(NamedTuple):
    """An order of a batch that is ready to be sent."""

    place: Place
    instrument: Instrument
    task: Task


async def _prepare(call: Call, raw: msgspec.Raw, index: int) -> _Entry | ApiError:
    try:
        order = decode(_place_decoder, raw)
        instrument = await instruments.get_instrument(order.market, call.caller.user_id)
        place = build_place(order, instrument, call.caller, new_id())
    except ApiError as error:
        return error
    # A space can't be part of an Idempotency-Key, so this is nobody else's key.
    key = _order_key(place) or (call.key and f"request:{call.key} {index}")
    return _Entry(place, instrument, _place_task(place, instrument, key))


def _show_item(
    entry: _Entry | ApiError, answers: Iterator[Answer], results: list[Result]
) -> BatchItem:
    try:
        if isinstance(entry, ApiError):
            raise entry
        result = _read_answer(next(answers), entry.place)
    except ApiError as error:
        fault = Fault(code=error.code, message=error.message, field=error.field)
        return BatchItem(status=error.status, error=fault)
    results.append(result)
    return BatchItem(status=201, order=_show_order(result, entry.instrument))


def _place_task(place: Place, instrument: Instrument, key: str | None) -> Task:
    return Task(0, instrument.id, place, key, compute_body_hash("place", instrument.id, place))


def _order_key(place: Place) -> str | None:
    return None if place.client_order_id is None else f"order:{place.client_order_id}"


def _request_key(call: Call) -> str | None:
    return None if call.key is None else f"request:{call.key}"


async def _preview(call: Call) -> Response:
    order = decode(_place_decoder, call.body)
    instrument = await instruments.get_instrument(order.market, _user_id(call))
    place = build_place(order, instrument, call.principal or NOBODY, new_id())
    [answer] = await get_gateway().send([Task(0, instrument.id, place, quote=True)])
    result = _read_answer(answer, place)
    _, _, levels = await market_data.read_book(instrument.id)
    return _respond(200, preview.show_preview(result, instrument, levels))


# --- changing ---------------------------------------------------------------------------------


async def _amend(call: Call) -> Response:
    order_id = read_order_id(call.params["order_id"])
    numbers = read_amend(decode(_amend_decoder, call.body))
    own = await _get_own_order(order_id, call.caller)
    instrument = await instruments.get_visible_instrument(own.market_id, call.caller.user_id)
    as_no = instrument.names_no(as_no=own.as_no)
    amend = build_amend(order_id, call.caller.account_id, numbers, as_no=as_no)
    return await _change(call, instrument, amend)


async def _cancel(call: Call) -> Response:
    _refuse_body(call)
    order_id = read_order_id(call.params["order_id"])
    own = await _get_own_order(order_id, call.caller)
    instrument = await instruments.get_own_instrument(own.market_id)
    return await _change(call, instrument, Cancel(order_id, call.caller.account_id))


async def _change(call: Call, instrument: Instrument, command: Amend | Cancel) -> Response:
    """Send an amend or cancel of the caller's own order."""
    name = f"{type(command).__name__} {command.order_id}"
    body_hash = compute_body_hash(name, instrument.id, command)
    task = Task(0, instrument.id, command, _request_key(call), body_hash)
    [answer] = await get_gateway().send([task])
    try:
        result = _read_answer(answer)
    except ApiError as error:
        if error.code != "not_found":
            raise
        # It is the caller's own, so it was there: the engine forgets what has ended.
        refusal = refusals.order_not_open(await _read_status(command.order_id))
        refusal.headers |= error.headers
        raise refusal from None
    return _respond(200, _show_order(result, instrument), [result])


async def _cancel_all(call: Call) -> Response:
    _refuse_body(call)
    slug = call.params.get("market")
    market_id = None if slug is None else await _find_own_market(slug, call.caller)
    command = CancelAll(call.caller.account_id)
    body_hash = compute_body_hash("cancel_all", market_id, command)
    task = Task(0, market_id, command, _request_key(call), body_hash)
    results = [_read_answer(answer) for answer in await get_gateway().send([task])]
    order_ids = [order_id for result in results for order_id in result.order_ids]
    return _respond(200, CancelledOrders(cancelled=order_ids, count=len(order_ids)), results)


async def _find_own_market(slug: str, caller: Principal) -> int:
    """Return a market that the caller sees or has orders in; the same 404 for any other."""
    try:
        return (await instruments.get_instrument(slug, caller.user_id)).id
    except ApiError:
        find = database_sync_to_async(queries.find_own_market, thread_sensitive=False)
        return await find(slug, account_id=caller.account_id, user_id=caller.user_id)


async def _get_own_order(order_id: str, caller: Principal) -> OrderInstrument:
    """Return the caller's order; the same 404 for unknown ones and other people's."""
    own = await instruments.find_order_instrument(order_id)
    if own is None or own.account_id != caller.account_id:
        raise not_found("this order")
    return own


def _refuse_body(call: Call) -> None:
    """A body that meant to say what to cancel must not be overlooked."""
    if call.body:
        raise unexpected_body()


# --- reading ----------------------------------------------------------------------------------


async def _book(call: Call) -> Response:
    instrument = await instruments.get_instrument(call.params["slug"], _user_id(call))
    return _respond(200, await market_data.get_book(instrument))


async def _tickers(call: Call) -> Response:
    return _respond(200, await market_data.get_tickers(call.params, _user_id(call)))


def _user_id(call: Call) -> int | None:
    return None if call.principal is None else call.principal.user_id


# --- answers ----------------------------------------------------------------------------------


def _read_answer(answer: Answer, place: Place | None = None) -> Result:
    """Return what the command did, or raise why it did nothing."""
    try:
        raise_fault(answer)
    except (EngineAway, Overloaded) as fault:
        raise refusals.build_gateway_error(fault) from fault
    if answer.status == "key_reused":
        named = place is not None and place.client_order_id is not None
        raise refusals.client_order_id_reused() if named else refusals.idempotency_key_reused()
    refusals.refuse_undone(answer)
    if answer.status == "market_unknown":  # a draft: no engine has it yet
        raise refusals.build_refusal(Reason.MARKET_NOT_OPEN)
    result = answer.result
    assert result is not None, f"an answer that is {answer.status} has a result"
    if result.reason is not None:
        refusal = refusals.build_refusal(result.reason, missing_micros=result.missing_micros)
        refusal.headers |= REPEATED if result.repeated else {}
        raise refusal
    return result


def _show_order(result: Result, instrument: Instrument) -> OrderAnswer:
    order = result.order
    assert order is not None, "a command that was not refused has its order"
    if order.status in (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED):
        known = OrderInstrument(instrument.id, order.account_id, order.place.as_no)
        instruments.remember_order(order.order_id, known)
    return render.show_answer(result, instrument)


def _respond(status: int, answer: Any, results: Sequence[Result] = ()) -> Response:
    is_repeat = bool(results) and all(result.repeated for result in results)
    return Response(status, _encode_json(answer), REPEATED if is_repeat else {})


# --- the database, off the event loop ---------------------------------------------------------


def _hash_batch(body: bytes) -> bytes:
    """The batch's text without white space: numbers stay as they were written."""
    return hashlib.sha256(b"batch" + msgspec.json.format(body, indent=-1)).digest()


def _claim_now(account_id: int, key: str, body_hash: bytes) -> None:
    """Bind a batch's key to its body. Its orders have receipts of their own, so that a batch sent
    again goes on where it was cut off and repeats no order.
    """
    nothing = encode(Result(0, 0, now_us()))
    defaults = {"body_hash": body_hash, "answer": nothing, "created_at_us": now_us()}
    receipt, _ = Receipt.objects.get_or_create(account_id=account_id, key=key, defaults=defaults)
    if bytes(receipt.body_hash) != body_hash:
        raise refusals.idempotency_key_reused()


def _read_status_now(order_id: str) -> str:
    status = Order.objects.values_list("status", flat=True).get(pk=order_id)
    return OrderStatus(status).name.lower()


_claim = database_sync_to_async(_claim_now, thread_sensitive=False)
_read_status = database_sync_to_async(_read_status_now, thread_sensitive=False)


async def _take_more(caller: Principal, cost: int) -> None:
    """Take the tokens that an operation costs beyond the one its door took."""
    if cost > 0:
        wait_seconds = await limits.take(caller.account_id, WRITE, caller.write_rate, cost)
        limits.refuse_over_limit(wait_seconds)


_HANDLERS: Final[dict[str, Callable[[Call], Awaitable[Response]]]] = {
    "place": _place,
    "place_batch": _place_batch,
    "preview": _preview,
    "amend": _amend,
    "cancel": _cancel,
    "cancel_all": _cancel_all,
    "book": _book,
    "tickers": _tickers,
}
assert _HANDLERS.keys() == BY_NAME.keys()
