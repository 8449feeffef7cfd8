"""Requests to engine commands: NO becomes YES on the other side, texts become integers.

Only what depends on the body and the market's fixed terms is refused here; the engine decides on
the rest, so that a repeat of an order always gets its first answer.
"""

import hashlib
from functools import cache
from typing import Any, Final

import msgspec

from accounts.api.principal import Principal
from accounts.models.account import AccountKind
from kernel.errors import ApiError, RefusedError
from kernel.ids import new_id
from kernel.units import parse_price_pips, parse_quantity_lots
from trading.engine.commands import Amend, Attach, Command, Place
from trading.engine.types import (
    BUY,
    SELL,
    Leg,
    OrderOptions,
    Reason,
    Stp,
    Tif,
    Trigger,
    TriggerKind,
)
from trading.pipeline.instruments import Instrument
from trading.wire.options import mirror_pips, read_legs, read_options
from trading.wire.reading import read_client_order_id, read_time_us, read_units
from trading.wire.refusals import build_refusal
from trading.wire.schema import AmendOrder, PlaceOrder, ProtectPosition

SIDES: Final = {"buy": BUY, "sell": SELL}
_TIFS: Final = {tif.name.lower(): tif for tif in Tif}
_STPS: Final = {stp.name.lower(): stp for stp in Stp}
NO: Final = 1
FEE_FREE_KINDS: Final = frozenset({AccountKind.HOUSE.value, AccountKind.MAKER.value})
_HASHED_AS: Final = {"options": "terms"}
"""Renamed fields: repeats of older requests must still find their answers."""
_NESTED: Final = frozenset({OrderOptions, Trigger, Leg, tuple})
"""By type: `isinstance` costs ten times as much where it is none of these."""
_IDENTITY: Final = frozenset({"order_id", "account_id", "owner_id", "bracket_id"})


def build_place(
    order: PlaceOrder,
    instrument: Instrument,
    principal: Principal,
    order_id: str,
    *,
    is_mirrored: bool = False,
) -> Place:
    """Return the command for the order as booked; ApiError if it can never be valid.

    `is_mirrored`: a page entered it as NO of one of several outcomes, which is recorded.
    """
    _check_currency(order.currency, instrument)
    outcome, as_no = find_outcome(order.outcome, instrument)
    side = SIDES[order.side]
    is_market = order.type == "market"
    price_pips = read_units(parse_price_pips, order.price, "price")
    quantity_lots = read_units(parse_quantity_lots, order.quantity, "quantity")
    options = read_options(order, is_market=is_market, as_no=as_no)
    if quantity_lots is None and options.budget_micros is None:
        raise ApiError("missing_field", "quantity")
    return Place(
        order_id,
        principal.account_id,
        principal.owner_id,
        outcome,
        -side if as_no else side,
        mirror_pips(price_pips, as_no=as_no),
        quantity_lots,
        _find_tif(order),
        _STPS[order.self_trade_prevention],
        as_no or is_mirrored,
        principal.account_kind in FEE_FREE_KINDS,
        read_client_order_id(order.client_order_id),
        options=options.or_none(),
    )


def read_amend(body: AmendOrder) -> dict[str, int | None]:
    """Return the amend's numbers; prices are still of the outcome as entered."""
    return {
        "price_pips": read_units(parse_price_pips, body.price, "price"),
        "quantity_lots": read_units(parse_quantity_lots, body.quantity, "quantity"),
        "valid_until_us": read_time_us(body.valid_until, "valid_until"),
        "trigger_pips": read_units(parse_price_pips, body.trigger_price, "trigger_price"),
    }


def build_amend(
    body: AmendOrder, order_id: str, account_id: int, numbers: dict[str, Any], *, as_no: bool
) -> Amend:
    """Return the command that amends an order entered as NO (or not)."""
    price_pips = mirror_pips(numbers["price_pips"], as_no=as_no)
    asked = {TriggerKind.TAKE_PROFIT: body.take_profit, TriggerKind.STOP: body.stop_loss}
    return Amend(
        order_id,
        account_id,
        price_pips,
        numbers["quantity_lots"],
        numbers["valid_until_us"],
        mirror_pips(numbers["trigger_pips"], as_no=as_no),
        read_legs(body.take_profit or None, body.stop_loss or None, as_no=as_no),
        tuple(kind for kind, leg in asked.items() if leg is None),
    )


def build_attach(
    body: ProtectPosition,
    instrument: Instrument,
    principal: Principal,
    *,
    is_mirrored: bool = False,
) -> Attach:
    """Return the command that attaches legs to a position; ApiError if it can never be valid.

    `is_mirrored`: a page names the position NO of one of several outcomes, which is recorded.
    """
    outcome, as_no = find_outcome(body.outcome, instrument)
    if body.take_profit is None and body.stop_loss is None:
        raise ApiError("missing_field", "take_profit")
    return Attach(
        new_id(),
        principal.account_id,
        principal.owner_id,
        outcome,
        read_legs(body.take_profit, body.stop_loss, as_no=as_no),
        read_units(parse_quantity_lots, body.quantity, "quantity"),
        as_no or is_mirrored,
        principal.account_kind in FEE_FREE_KINDS,
        read_time_us(body.valid_until, "valid_until"),
    )


def find_outcome(code: str | None, instrument: Instrument) -> tuple[int, bool]:
    """Return the book, and whether it was named as NO."""
    if code is None:
        if instrument.binary:
            return 0, False
        raise ApiError("missing_field", "outcome")
    if code not in instrument.codes:
        raise build_refusal(Reason.OUTCOME_UNKNOWN)
    index = instrument.codes.index(code)
    return (0, index == NO) if instrument.binary else (index, False)


def compute_body_hash(operation: str, market_id: int | None, *commands: Command) -> bytes:
    """Return the hash by which a repeat with the same key is recognised. Fields at their default
    are left out, so that a later version with more fields still recognises an old request.
    """
    given = [_list_given(command) for command in commands]
    return hashlib.sha256(msgspec.json.encode([operation, market_id, given])).digest()


def _list_given(given: msgspec.Struct) -> dict[str, Any]:
    return {
        hashed_as: _strip(value) if type(value) in _NESTED else value
        for name, hashed_as, default in _list_fields(type(given))
        if (value := getattr(given, name)) is not default and value != default
    }


def _strip(value: Any) -> Any:
    """Return a field's value without what is new in each request, and without defaults."""
    if isinstance(value, tuple):
        return [_strip(item) for item in value]
    return _list_given(value) if type(value) in _NESTED else value


@cache
def _list_fields(kind: type[msgspec.Struct]) -> list[tuple[str, str, Any]]:
    """Return the fields that are hashed: name, name in the hash, default."""
    names, some = kind.__struct_fields__, kind.__struct_defaults__
    defaults = (msgspec.NODEFAULT,) * (len(names) - len(some)) + some
    return [
        (name, _HASHED_AS.get(name, name), default)
        for name, default in zip(names, defaults, strict=True)
        if name not in _IDENTITY
    ]


def _find_tif(order: PlaceOrder) -> Tif:
    """A market order never rests, so good till cancelled means now or never."""
    name = order.time_in_force or ("ioc" if order.type == "market" else "gtc")
    tif = _TIFS[name]
    return Tif.IOC if order.type == "market" and tif is Tif.GTC else tif


def _check_currency(currency: str | None, instrument: Instrument) -> None:
    if currency is not None and currency != instrument.currency:
        raise RefusedError("wrong_currency", currency=instrument.currency)
