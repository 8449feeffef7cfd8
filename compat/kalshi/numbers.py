"""Numbers in every form that programs have known: cents, dollars, `_fp`, seconds, ISO times.

Cents and whole contracts are those of older programs: rounded where a price has a part of a cent.
"""

from datetime import datetime
from typing import Final

from kernel.clock import format_time, from_datetime, to_datetime
from kernel.errors import ApiError
from kernel.units import (
    LOTS_PER_CONTRACT,
    format_amount,
    format_price,
    format_quantity,
    parse_price_pips,
)
from trading.engine.types import PAYOUT_PIPS

PIPS_PER_CENT: Final = 100
MICROS_PER_CENT: Final = 10_000
SECONDS_MAX: Final = 10**11
"""Times of requests are in Unix seconds; later ones are mistaken for milliseconds."""

dollars = format_price
count_fp = format_quantity


def cents(price_pips: int) -> int:
    return (price_pips + PIPS_PER_CENT // 2) // PIPS_PER_CENT


def count(quantity_lots: int) -> int:
    return quantity_lots // LOTS_PER_CONTRACT


def money_cents(amount_micros: int) -> int:
    return amount_micros // MICROS_PER_CENT


def money(amount_micros: int) -> str:
    """Return dollars with 4 decimals, or 6 where they are needed."""
    text = format_amount(amount_micros)
    return text.removesuffix("00")


def price_fields(name: str, price_pips: int) -> dict[str, int | str]:
    return {name: cents(price_pips), f"{name}_dollars": dollars(price_pips)}


def count_fields(name: str, quantity_lots: int) -> dict[str, int | str]:
    return {name: count(quantity_lots), f"{name}_fp": count_fp(quantity_lots)}


def money_fields(name: str, amount_micros: int) -> dict[str, int | str]:
    return {name: money_cents(amount_micros), f"{name}_dollars": money(amount_micros)}


def both_prices(yes_pips: int) -> dict[str, int | str]:
    """Return the price of YES and that of NO."""
    return price_fields("yes_price", yes_pips) | price_fields("no_price", PAYOUT_PIPS - yes_pips)


def time(moment: datetime) -> str:
    return format_time(from_datetime(moment))


def time_us(us: int) -> str:
    return format_time(us)


def read_seconds(seconds: int | None, field: str) -> datetime | None:
    """Return the time of a query's Unix seconds."""
    if seconds is None:
        return None
    if not 0 <= seconds < SECONDS_MAX:
        raise ApiError("invalid_time", field, detail="send Unix seconds")
    return to_datetime(seconds * 1_000_000)


def read_price(text: str, field: str) -> int:
    """Return pips of dollars; zeros after the fourth decimal are taken."""
    whole, dot, decimals = text.partition(".")
    if len(decimals) > 4 and not decimals[4:].strip("0"):
        text = whole + dot + decimals[:4]
    try:
        return parse_price_pips(text)
    except ApiError as error:
        error.field = field
        raise


def from_cents(price_cents: int) -> int:
    return price_cents * PIPS_PER_CENT
