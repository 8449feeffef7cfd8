"""The one handler of every order operation, shared by all entry points.

The entry point has authenticated and admitted the caller; everything else happens here. Refusals
are raised as ApiError, which all entry points render alike. With a key (client order id or
Idempotency-Key), nothing that could have been accepted when the key was first sent is refused
before it reaches the engine: a repeat must find its first answer.
"""

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec
from channels.db import database_sync_to_async

from accounts.api import admission
from accounts.api.principal import Principal
from accounts.models.account import AccountKind
from kernel.clock import now_us
from kernel.errors import ApiError, not_found
from kernel.ids import new_id
from trading.engine.book import EngineOrder
from trading.engine.commands import Amend, Cancel, CancelAll, Place
from trading.engine.types import NO_ACCOUNT, OrderStatus, Reason
from trading.models import Order, Receipt
from trading.order_entry import closing, preview
from trading.order_entry.operations import BY_NAME, WRITE
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
from trading.pipeline.order_rows import read_order
from trading.readmodels import market_data, queries
from trading.wire import refusals, render
from trading.wire.commands import (
    build_amend,
    build_attach,
    build_place,
    compute_body_hash,
    find_outcome,
    read_amend,
)
from trading.wire.reading import (
    decode,
    read_idempotency_key,
    read_order_id,
)
from trading.wire.schema import (
    BATCH_ORDERS_MAX,
    AmendOrder,
    BatchAnswer,
    BatchItem,
    CancelledOrders,
    ClosePositions,
    Fault,
    OrderAnswer,
    PlaceBatch,
    PlaceOrder,
    Protection,
    ProtectPosition,
)
from web.limits import Rate

LIVE: Final = (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED, OrderStatus.UNTRIGGERED)
"""Orders that may be amended and cancelled."""
REPEATED: Final = {"Idempotent-Replayed": "true"}
ANONYMOUS: Final = Principal(
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
"""The principal of anonymous previews on pages: no positions, unlimited funds."""

_order_decoder = msgspec.json.Decoder(PlaceOrder)
Request = TypeVar("Request")


class Reply(NamedTuple):
    """An operation's reply: a struct of `wire.schema`, which the entry point encodes."""

    status: int
    answer: Any
    headers: Mapping[str, str] = {}


class Call(NamedTuple, Generic[Request]):
    """One decoded request. `params` are those of path and query."""

    principal: Principal | None
    request: Request
    params: Mapping[str, str]
    key: str | None

    @property
    def caller(self) -> Principal:
        assert self.principal is not None, "entry points require a credential here"
        return self.principal


async def handle(
    principal: Principal | None,
    operation: str,
    request: msgspec.Struct | None,
    params: Mapping[str, str],
    *,
    idempotency_key: str | None = None,
) -> Reply:
    """Execute an operation of `order_entry.operations`; raise ApiError where it is refused."""
    if BY_NAME[operation].scope == "trade":
        await instruments.check_writable()
    call = Call(principal, request, params, read_idempotency_key(idempotency_key))
    try:
        return await _HANDLERS[operation](call)
    except (EngineAway, Overloaded, TimedOut, MarketUnknown) as fault:
        raise refusals.build_gateway_error(fault) from fault


# --- placing ----------------------------------------------------------------------------------


async def _place(call: Call[PlaceOrder]) -> Reply:
    order = call.request
    instrument = await instruments.get_instrument(order.market, call.caller.user_id)
    is_mirrored = _is_mirrored(call, 0)
    place = build_place(order, instrument, call.caller, new_id(), is_mirrored=is_mirrored)
    await _check_group(place)
    key = _order_key(place) or _request_key(call)
    [answer] = await get_gateway().send_each([_place_task(place, instrument, key)])
    result = _read_answer(answer, place)
    return _reply(201, _show_order(result, instrument), [result])


def _is_mirrored(call: Call[Any], index: int) -> bool:
    """Return whether an order was entered for NO of one of several outcomes.

    Pages and other protocols say so, order by order; no request of the API can set this.
    """
    return call.params.get("answer", "").split(",")[index : index + 1] == ["no"]


async def _place_batch(call: Call[PlaceBatch]) -> Reply:
    """Execute each order independently: a refused one does not stop the others."""
    raws = call.request.orders
    if len(raws) > 1:  # `admit` has taken the tokens of one
        await admission.take_tokens(call.caller, WRITE, len(raws) - 1)
    if call.key is not None:
        await _claim(call.caller.account_id, f"request:{call.key}", _hash_batch(call.request))
    entries = [await _prepare(call, raw, index) for index, raw in enumerate(raws)]
    return await _send_entries(entries)


class _Entry(NamedTuple):
    """An order of a batch, ready to send."""

    place: Place
    instrument: Instrument
    task: Task


async def _prepare(call: Call[PlaceBatch], raw: msgspec.Raw, index: int) -> _Entry | ApiError:
    try:
        order = decode(_order_decoder, raw)
        instrument = await instruments.get_instrument(order.market, call.caller.user_id)
        is_mirrored = _is_mirrored(call, index)
        place = build_place(order, instrument, call.caller, new_id(), is_mirrored=is_mirrored)
        await _check_group(place)
    except ApiError as error:
        return error
    # An Idempotency-Key cannot contain a space, so this cannot collide with one.
    key = _order_key(place) or (call.key and f"request:{call.key} {index}")
    return _Entry(place, instrument, _place_task(place, instrument, key))


async def _send_entries(entries: Sequence[_Entry | ApiError]) -> Reply:
    """Send those that are ready, and answer with what became of each."""
    tasks = [entry.task for entry in entries if not isinstance(entry, ApiError)]
    answers = iter(await get_gateway().send_each(tasks) if tasks else [])
    results: list[Result] = []
    items = [_show_item(entry, answers, results) for entry in entries]
    return _reply(200, BatchAnswer(results=items), results)


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


async def _check_group(place: Place) -> None:
    """Refuse an order of a group that is not its account's, as if there were none."""
    group = place.order_group
    if group is not None and await instruments.find_group_account(group) != place.account_id:
        raise not_found("this order group")


def _place_task(place: Place, instrument: Instrument, key: str | None) -> Task:
    return Task(0, instrument.id, place, key, compute_body_hash("place", instrument.id, place))


def _order_key(place: Place) -> str | None:
    return None if place.client_order_id is None else f"order:{place.client_order_id}"


def _request_key(call: Call[Any]) -> str | None:
    return None if call.key is None else f"request:{call.key}"


async def _preview(call: Call[PlaceOrder]) -> Reply:
    order = call.request
    instrument = await instruments.get_instrument(order.market, _user_id(call))
    place = build_place(order, instrument, call.principal or ANONYMOUS, new_id())
    await _check_group(place)
    [answer] = await get_gateway().send([Task(0, instrument.id, place, quote=True)])
    result = _read_answer(answer, place)
    _, _, levels = await market_data.read_book(instrument.id)
    return _reply(200, preview.show_preview(result, instrument, levels))


# --- closing ----------------------------------------------------------------------------------


async def _close_positions(call: Call[ClosePositions]) -> Reply:
    """Send an order for each position, carried out by itself.

    A repeat finds what was closed under its key by the receipts, and closes what was left.
    """
    wanted, account_id = call.request, call.caller.account_id
    if wanted.market is None and wanted.outcome is not None:
        raise ApiError("missing_field", "market")
    market_id = (
        None if wanted.market is None else await _find_own_market(wanted.market, call.caller)
    )
    book = None
    if market_id is not None and wanted.outcome is not None:
        book, _ = find_outcome(wanted.outcome, await instruments.get_own_instrument(market_id))
    lots_of: dict[tuple[int, int], int] = {}
    if call.key is not None:
        body_hash = hashlib.sha256(b"close" + msgspec.json.encode(wanted)).digest()
        await _claim(account_id, f"request:{call.key}", body_hash)
        lots_of = dict.fromkeys(await _find_earlier(account_id, call.key), 0)
    for holding in await _find_holdings(account_id, market_id):
        instrument = await instruments.get_own_instrument(holding.market_id)
        for outcome, lots in closing.compute_positions(holding, instrument).items():
            if book in (None, outcome):
                lots_of[holding.market_id, outcome] = lots
    return await _close_each(call, dict(islice(lots_of.items(), BATCH_ORDERS_MAX)))


async def _close_each(call: Call[Any], lots_of: dict[tuple[int, int], int]) -> Reply:
    if len(lots_of) > 1:
        await admission.take_tokens(call.caller, WRITE, len(lots_of) - 1)
    entries: list[_Entry | ApiError] = []
    for (market_id, outcome), lots in lots_of.items():
        instrument = await instruments.get_own_instrument(market_id)
        # What was closed already has an answer, whatever the order says.
        order = closing.build_order(instrument, outcome, lots or instrument.lot_step_lots)
        place = build_place(order, instrument, call.caller, new_id())
        key = call.key and closing.build_key(call.key, market_id, outcome)
        body_hash = compute_body_hash(f"close {outcome}", market_id)
        entries.append(_Entry(place, instrument, Task(0, market_id, place, key, body_hash)))
    return await _send_entries(entries)


async def _protect(call: Call[ProtectPosition]) -> Reply:
    """Attach a take-profit and a stop-loss to a position."""
    wanted = call.request
    market_id = await _find_own_market(wanted.market, call.caller)
    instrument = await instruments.get_own_instrument(market_id)
    is_mirrored = call.params.get("answer") == "no"  # no request of the API can set this
    attach = build_attach(wanted, instrument, call.caller, is_mirrored=is_mirrored)
    body_hash = compute_body_hash("protect", market_id, attach)
    [answer] = await get_gateway().send([Task(0, market_id, attach, _request_key(call), body_hash)])
    result = _read_answer(answer)
    for leg in result.legs:
        _remember(leg, instrument)
    [bracket_id] = {leg.place.bracket_id for leg in result.legs}
    shown = Protection(bracket=bracket_id or "", legs=render.show_legs(result, instrument))
    return _reply(201, shown, [result])


# --- changing ---------------------------------------------------------------------------------


async def _amend(call: Call[AmendOrder]) -> Reply:
    order_id = read_order_id(call.params["order_id"])
    numbers = read_amend(call.request)
    own = await _get_own_order(order_id, call.caller)
    instrument = await instruments.get_visible_instrument(own.market_id, call.caller.user_id)
    as_no = instrument.names_no(as_no=own.as_no)
    account_id = call.caller.account_id
    amend = build_amend(call.request, order_id, account_id, numbers, as_no=as_no)
    return await _change(call, instrument, amend)


async def _cancel(call: Call[Any]) -> Reply:
    order_id = read_order_id(call.params["order_id"])
    own = await _get_own_order(order_id, call.caller)
    instrument = await instruments.get_own_instrument(own.market_id)
    return await _change(call, instrument, Cancel(order_id, call.caller.account_id))


async def _change(call: Call[Any], instrument: Instrument, command: Amend | Cancel) -> Reply:
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
        # The caller's own order exists, but the engine forgets orders that have ended.
        refusal = refusals.order_not_open(await _read_status(command.order_id))
        refusal.headers |= error.headers
        raise refusal from None
    if result.order is None:  # legs were amended by the id of their entry, which has ended
        result.order = await _read_order(command.order_id)
    return _reply(200, _show_order(result, instrument), [result])


async def _cancel_all(call: Call[Any]) -> Reply:
    slug = call.params.get("market")
    market_id = None if slug is None else await _find_own_market(slug, call.caller)
    command = CancelAll(call.caller.account_id)
    body_hash = compute_body_hash("cancel_all", market_id, command)
    task = Task(0, market_id, command, _request_key(call), body_hash)
    results = [_read_answer(answer) for answer in await get_gateway().send([task])]
    order_ids = [order_id for result in results for order_id in result.order_ids]
    return _reply(200, CancelledOrders(cancelled=order_ids, count=len(order_ids)), results)


async def _find_own_market(slug: str, caller: Principal) -> int:
    """Return a market that the caller may see or has orders in; the same 404 for any other."""
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


# --- reading ----------------------------------------------------------------------------------


async def _book(call: Call[Any]) -> Reply:
    instrument = await instruments.get_instrument(call.params["slug"], _user_id(call))
    return _reply(200, await market_data.get_book(instrument))


async def _tickers(call: Call[Any]) -> Reply:
    return _reply(200, await market_data.get_tickers(call.params, _user_id(call)))


def _user_id(call: Call[Any]) -> int | None:
    return None if call.principal is None else call.principal.user_id


# --- answers ----------------------------------------------------------------------------------


def _read_answer(answer: Answer, place: Place | None = None) -> Result:
    """Return the command's result, or raise the reason for which it did nothing."""
    try:
        raise_fault(answer)
    except (EngineAway, Overloaded) as fault:
        raise refusals.build_gateway_error(fault) from fault
    if answer.status == "key_reused":
        named = place is not None and place.client_order_id is not None
        raise refusals.client_order_id_reused() if named else refusals.idempotency_key_reused()
    refusals.refuse_undone(answer)
    if answer.status == "market_unknown":  # a draft is not loaded by any engine yet
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
    for known in (order, *result.legs):
        if known.status in LIVE:
            _remember(known, instrument)
    return render.show_answer(result, instrument)


def _remember(order: EngineOrder, instrument: Instrument) -> None:
    known = OrderInstrument(instrument.id, order.account_id, order.place.as_no)
    instruments.remember_order(order.order_id, known)


def _reply(status: int, answer: Any, results: Sequence[Result] = ()) -> Reply:
    is_repeat = bool(results) and all(result.repeated for result in results)
    return Reply(status, answer, REPEATED if is_repeat else {})


# --- the database, off the event loop ---------------------------------------------------------


def _hash_batch(batch: PlaceBatch) -> bytes:
    """Hash the batch's text without white space; numbers count in their original notation."""
    body = msgspec.json.encode(batch)
    return hashlib.sha256(b"batch" + msgspec.json.format(body, indent=-1)).digest()


def _claim_now(account_id: int, key: str, body_hash: bytes) -> None:
    """Bind a batch's key to its body. Its orders have their own receipts, so that a batch sent
    again continues where it was interrupted and repeats no order.
    """
    nothing = encode(Result(0, 0, now_us()))
    defaults = {"body_hash": body_hash, "answer": nothing, "created_at_us": now_us()}
    receipt, _ = Receipt.objects.get_or_create(account_id=account_id, key=key, defaults=defaults)
    if bytes(receipt.body_hash) != body_hash:
        raise refusals.idempotency_key_reused()


def _read_order_now(order_id: str) -> EngineOrder:
    return read_order(Order.objects.get(pk=order_id), order_id)


def _read_status_now(order_id: str) -> str:
    status = Order.objects.values_list("status", flat=True).get(pk=order_id)
    return OrderStatus(status).name.lower()


_find_holdings = database_sync_to_async(closing.find_holdings, thread_sensitive=False)
_find_earlier = database_sync_to_async(closing.find_earlier, thread_sensitive=False)
_claim = database_sync_to_async(_claim_now, thread_sensitive=False)
_read_order = database_sync_to_async(_read_order_now, thread_sensitive=False)
_read_status = database_sync_to_async(_read_status_now, thread_sensitive=False)


_HANDLERS: Final[dict[str, Callable[[Call[Any]], Awaitable[Reply]]]] = {
    "place": _place,
    "place_batch": _place_batch,
    "preview": _preview,
    "amend": _amend,
    "cancel": _cancel,
    "cancel_all": _cancel_all,
    "close_positions": _close_positions,
    "protect": _protect,
    "book": _book,
    "tickers": _tickers,
}
assert _HANDLERS.keys() == BY_NAME.keys()
