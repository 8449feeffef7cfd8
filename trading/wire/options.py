"""The options of an order on the API, in requests and replies.

An option is defined here and in `OrderOptions`; row, loader and all entry points follow.
"""

from typing import Any

import msgspec
from msgspec import Struct

from kernel.clock import format_time
from kernel.units import format_amount, parse_amount_micros
from trading.engine.types import OrderOptions
from trading.wire.fields import Amount, BudgetIn, RequestBody, Time, TimeIn, absent
from trading.wire.reading import read_time_us, read_units


class OptionsIn(RequestBody, kw_only=True):
    """What an order may ask for besides market, side, price and quantity."""

    budget: BudgetIn = msgspec.field(default_factory=absent)
    post_only: bool = False
    reduce_only: bool = False
    expires_at: TimeIn | None = None
    valid_until: TimeIn | None = None


class OptionsOut(Struct, kw_only=True):
    """What an order shows of it."""

    budget: Amount | None
    post_only: bool
    reduce_only: bool
    expires_at: Time | None


def read_options(order: OptionsIn, *, is_market: bool) -> OrderOptions:
    """Return the options of a request; ApiError for invalid values."""
    return OrderOptions(
        is_market=is_market,
        budget_micros=read_units(parse_amount_micros, order.budget, "budget"),
        post_only=order.post_only,
        reduce_only=order.reduce_only,
        expires_at_us=read_time_us(order.expires_at, "expires_at"),
        valid_until_us=read_time_us(order.valid_until, "valid_until"),
    )


def show_options(asked: OrderOptions) -> dict[str, Any]:
    """Return the fields of `OptionsOut`."""
    budget_micros, expires_at_us = asked.budget_micros, asked.expires_at_us
    return {
        "budget": None if budget_micros is None else format_amount(budget_micros),
        "post_only": asked.post_only,
        "reduce_only": asked.reduce_only,
        "expires_at": None if expires_at_us is None else format_time(expires_at_us),
    }
