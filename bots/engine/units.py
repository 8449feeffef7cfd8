"""Texts of venues to integers, and back. Nothing here is ever a binary float."""

from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final

PAYOUT_PIPS: Final = 10_000
LOTS_PER_CONTRACT: Final = 100
MICROS_PER_CREDIT: Final = 1_000_000

Number = Decimal | int | str


class InexactError(ValueError):
    """A price has more decimals than a pip."""


@lru_cache(maxsize=20_000)
def read_pips(price: Number) -> int:
    return _read(price, 4)


@lru_cache(maxsize=20_000)
def read_lots(quantity: Number) -> int:
    """Return whole lots: what is less than one can't be traded, so it is left out."""
    return int(Decimal(quantity).scaleb(2))


def read_micros(money: Number) -> int:
    return _read(money, 6)


def _read(number: Number, places: int) -> int:
    try:
        scaled = Decimal(number).scaleb(places)
        whole = int(scaled)
    except (InvalidOperation, OverflowError, ValueError):
        raise ValueError(f"{number!r} is no number") from None
    if whole != scaled:
        raise InexactError(f"{number} has more than {places} decimals")
    return whole


def show_price(pips: int) -> str:
    return str(Decimal(pips).scaleb(-4))


def show_quantity(lots: int) -> str:
    return str(Decimal(lots).scaleb(-2))


def show_money(micros: int) -> str:
    return str(Decimal(micros).scaleb(-6))
