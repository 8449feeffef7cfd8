"""The options of an order on the API, in requests and replies.

An option is defined here and in `OrderOptions`; row, loader and all entry points follow.
"""

from typing import Any, overload

import msgspec
from msgspec import Struct

from kernel.clock import format_time
from kernel.ids import new_id
from kernel.units import format_amount, format_price, parse_amount_micros, parse_price_pips
from trading.engine.book import EngineOrder
from trading.engine.types import PAYOUT_PIPS, Leg, OrderOptions, Trigger, TriggerKind, TriggerOn
from trading.wire.fields import (
    ABSENT,
    Amount,
    BudgetIn,
    Id,
    OrderGroupIn,
    Price,
    PriceIn,
    RequestBody,
    ShownName,
    Time,
    TimeIn,
    TriggerKindIn,
    TriggerOnIn,
    absent,
)
from trading.wire.reading import read_group_id, read_time_us, read_units


class TriggerIn(RequestBody, kw_only=True):
    """What an order waits for outside the book.

    A `stop` waits for a worse price, at or above `price` to buy, at or below it to sell;
    `take_profit` for a better one. A `trailing_stop` is a stop whose price follows the best one
    seen at a distance of `trail`; it may leave its first `price` to the market. `on`: the price of
    each trade, or the best price that the order could trade at.
    """

    kind: TriggerKindIn
    price: PriceIn = msgspec.field(default_factory=absent)
    on: TriggerOnIn = "last"
    trail: PriceIn = msgspec.field(default_factory=absent)


class TriggerOut(Struct, kw_only=True):
    """`price` is where it is now, or was asked to be once it has been reached."""

    kind: ShownName
    price: Price | None
    on: ShownName
    trail: Price | None


class LegIn(RequestBody, kw_only=True):
    """A take-profit: an order that closes what the entry has opened, when `price` is reached.

    It trades at the market then; with a `limit` not at a worse price, and may rest there.
    """

    price: PriceIn = msgspec.field(default_factory=absent)
    limit: PriceIn = msgspec.field(default_factory=absent)
    on: TriggerOnIn = "last"


class StopLossIn(LegIn, kw_only=True):
    """A stop-loss. With `trail` it follows the best price seen at that distance."""

    trail: PriceIn = msgspec.field(default_factory=absent)


class OptionsIn(RequestBody, kw_only=True):
    """What an order may ask for besides market, side, price and quantity."""

    budget: BudgetIn = msgspec.field(default_factory=absent)
    post_only: bool = False
    reduce_only: bool = False
    expires_at: TimeIn | None = None
    valid_until: TimeIn | None = None
    trigger: TriggerIn | None = None
    take_profit: LegIn | None = None
    stop_loss: StopLossIn | None = None
    order_group: OrderGroupIn | None = None
    cancel_on_halt: bool = False


class OptionsOut(Struct, kw_only=True):
    """What an order shows of it. `bracket`: of a take-profit or stop-loss, its entry's id."""

    budget: Amount | None
    post_only: bool
    reduce_only: bool
    expires_at: Time | None
    trigger: TriggerOut | None
    bracket: Id | None
    order_group: Id | None
    cancel_on_halt: bool


def read_options(order: OptionsIn, *, is_market: bool, as_no: bool) -> OrderOptions:
    """Return the options of a request; ApiError for invalid values."""
    return OrderOptions(
        is_market=is_market,
        budget_micros=read_units(parse_amount_micros, order.budget, "budget"),
        post_only=order.post_only,
        reduce_only=order.reduce_only,
        expires_at_us=read_time_us(order.expires_at, "expires_at"),
        valid_until_us=read_time_us(order.valid_until, "valid_until"),
        trigger=None if order.trigger is None else _read_trigger(order.trigger, as_no=as_no),
        legs=read_legs(order.take_profit, order.stop_loss, as_no=as_no),
        order_group=None if order.order_group is None else read_group_id(order.order_group),
        cancel_on_halt=order.cancel_on_halt,
    )


def read_legs(
    take_profit: LegIn | None, stop_loss: StopLossIn | None, *, as_no: bool
) -> tuple[Leg, ...]:
    """Return the legs of a request as booked, each as an order with a new id."""
    legs = []
    if take_profit is not None:
        trigger = TriggerIn(kind="take_profit", price=take_profit.price, on=take_profit.on)
        legs.append(_read_leg(take_profit, trigger, "take_profit", as_no=as_no))
    if stop_loss is not None:
        price, on, trail = stop_loss.price, stop_loss.on, stop_loss.trail
        trigger = TriggerIn(kind="stop", price=price, on=on)
        if bytes(trail) != ABSENT:
            trigger = TriggerIn(kind="trailing_stop", price=price, on=on, trail=trail)
        legs.append(_read_leg(stop_loss, trigger, "stop_loss", as_no=as_no))
    return tuple(legs)


def _read_leg(leg: LegIn, trigger: TriggerIn, field: str, *, as_no: bool) -> Leg:
    limit_pips = read_units(parse_price_pips, leg.limit, f"{field}.limit")
    booked = _read_trigger(trigger, as_no=as_no, field=field)
    return Leg(new_id(), booked, mirror_pips(limit_pips, as_no=as_no))


def _read_trigger(trigger: TriggerIn, *, as_no: bool, field: str = "trigger") -> Trigger:
    """Return the trigger as booked: one of NO waits for the price of YES that it mirrors."""
    price_pips = read_units(parse_price_pips, trigger.price, f"{field}.price")
    return Trigger(
        TriggerKind[trigger.kind.upper()],
        mirror_pips(price_pips, as_no=as_no),
        TriggerOn[trigger.on.upper()],
        read_units(parse_price_pips, trigger.trail, f"{field}.trail"),
    )


@overload
def mirror_pips(price_pips: int, *, as_no: bool) -> int: ...
@overload
def mirror_pips(price_pips: int | None, *, as_no: bool) -> int | None: ...
def mirror_pips(price_pips: int | None, *, as_no: bool) -> int | None:
    """Return a price of NO as the one of YES, and back."""
    return PAYOUT_PIPS - price_pips if as_no and price_pips is not None else price_pips


def show_options(order: EngineOrder, asked: OrderOptions, *, as_no: bool) -> dict[str, Any]:
    """Return the fields of `OptionsOut`."""
    budget_micros, expires_at_us = asked.budget_micros, asked.expires_at_us
    return {
        "budget": None if budget_micros is None else format_amount(budget_micros),
        "post_only": asked.post_only,
        "reduce_only": asked.reduce_only,
        "expires_at": None if expires_at_us is None else format_time(expires_at_us),
        "trigger": None if asked.trigger is None else _show_trigger(order, asked.trigger, as_no),
        "bracket": asked.bracket_id,
        "order_group": asked.order_group,
        "cancel_on_halt": asked.cancel_on_halt,
    }


def _show_trigger(order: EngineOrder, trigger: Trigger, as_no: bool) -> TriggerOut:
    price_pips = trigger.price_pips if order.trigger_pips is None else order.trigger_pips
    price_pips = mirror_pips(price_pips, as_no=as_no)
    return TriggerOut(
        kind=trigger.kind.name.lower(),
        price=None if price_pips is None else format_price(price_pips),
        on=trigger.on.name.lower(),
        trail=None if trigger.trail_pips is None else format_price(trigger.trail_pips),
    )
