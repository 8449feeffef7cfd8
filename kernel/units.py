"""Money, prices and quantities as integers, and their exact decimal texts.

| quantity | unit  | one credit or contract | decimals |
|----------|-------|------------------------|----------|
| price    | pip   | 10,000 pips            | 4        |
| quantity | lot   | 100 lots               | 2        |
| money    | micro | 1,000,000 micros       | 6        |

pips x lots = micros, exactly. Parsing takes the text of a number, an `int`, or a `msgspec.Raw` (a
JSON value as it was sent: a number or a quoted string); no binary float is ever involved.
A result always fits a signed 64-bit column. The caller checks signs: "-0.5" is a valid number.
"""

import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from kernel.errors import ApiError

PIPS_PER_CREDIT = 10_000
LOTS_PER_CONTRACT = 100
MICROS_PER_CREDIT = 1_000_000

INT64_MAX = 2**63 - 1

# ASCII digits only: \d would also match Arabic or full-width digits, which int() accepts.
_NUMBER = re.compile(r"(-?)([0-9]{1,18})(?:\.([0-9]+))?", re.ASCII)
_TOO_LONG = re.compile(r"-?[0-9]{19,}(?:\.[0-9]+)?", re.ASCII)

Number = str | int | msgspec.Raw
Value = TypeVar("Value")


class UnitError(ApiError, ValueError):
    """The text is not an exact multiple of the unit."""


def parse_field(parse: Callable[[Any], Value], value: Any, field: str) -> Value:
    """Return the parsed value; a UnitError gets the field's name."""
    try:
        return parse(value)
    except UnitError as fault:
        fault.field = field
        raise


def parse_price_pips(value: Number) -> int:
    """Return pips: "0.55" is 5500."""
    return _parse(value, decimals=4)


def parse_quantity_lots(value: Number) -> int:
    """Return lots: "10" is 1000."""
    return _parse(value, decimals=2)


def parse_amount_micros(value: Number) -> int:
    """Return micros: "5.5" is 5500000."""
    return _parse(value, decimals=6)


def format_price(price_pips: int) -> str:
    """Return a decimal text with 4 decimals: 5500 is "0.5500"."""
    return _format(price_pips, decimals=4)


def format_quantity(quantity_lots: int) -> str:
    """Return a decimal text with 2 decimals: 1000 is "10.00"."""
    return _format(quantity_lots, decimals=2)


def format_amount(amount_micros: int) -> str:
    """Return a decimal text with 6 decimals: 5500000 is "5.500000"."""
    return _format(amount_micros, decimals=6)


def _parse(value: Number, *, decimals: int) -> int:
    match = _NUMBER.fullmatch(_text(value))
    if match is None:
        raise _reason_not_a_number(_text(value))
    sign, whole, fraction = match.groups()
    fraction = fraction or ""
    if len(fraction) > decimals:
        raise UnitError("too_many_decimals", decimals=decimals)
    units = int(whole + fraction.ljust(decimals, "0"))
    if units > INT64_MAX:
        raise UnitError("number_too_large")
    return -units if sign else units


def _text(value: Number) -> str:
    if type(value) is str:
        return value
    if type(value) is int:
        # str() of a very long int raises by itself; no unit needs more than this.
        return str(value) if -(10**19) < value < 10**19 else "9" * 20
    if type(value) is msgspec.Raw:
        return _raw_text(bytes(value))
    raise UnitError("not_a_number")


def _raw_text(raw: bytes) -> str:
    try:
        text = raw.decode("ascii")
    except UnicodeDecodeError:
        raise UnitError("not_a_number") from None
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _reason_not_a_number(text: str) -> UnitError:
    if _TOO_LONG.fullmatch(text):
        return UnitError("number_too_large")
    return UnitError("not_a_number")


def _format(units: int, *, decimals: int) -> str:
    digits = str(abs(units)).rjust(decimals + 1, "0")
    return f"{'-' if units < 0 else ''}{digits[:-decimals]}.{digits[-decimals:]}"
