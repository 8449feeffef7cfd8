"""Decimals of 34 digits, equal on every machine: four operations, exp and ln.

The context is private: neither a thread's own nor the defaults change a result. decimal's own exp
and ln take some 20 and 40 us each; these take 3. They are made of the basic operations, which are
correctly rounded in C and in Python alike, in a fixed order, at 38 digits (two machine words), so
that they too are the same everywhere, and their error is below one unit of the 34th digit; that of
ln, where it is near 0, below one unit of its 36th decimal place.
"""

from collections.abc import Callable
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
)
from typing import Final

EXPONENT_MAX: Final = 425_000_000
"""The most that decimal offers on every machine."""
EXP_BY_TABLE_MAX: Final = 64
"""Beyond it, where no price that can be traded at leads, exp is decimal's own."""


def build_context(digits: int) -> Context:
    """Return a context with nothing left to a default."""
    return Context(
        prec=digits,
        rounding=ROUND_HALF_EVEN,
        Emin=-EXPONENT_MAX,
        Emax=EXPONENT_MAX,
        capitals=1,
        clamp=0,
        flags=[],
        traps=[InvalidOperation, DivisionByZero, Overflow],
    )


CONTEXT: Final = build_context(34)
WIDE_CONTEXT: Final = build_context(68)
"""For what is computed once: a small difference of numbers near 1 still has 34 digits."""
_WORK: Final = build_context(38)
# A method bound once is called in half the time.
add, subtract, multiply, divide = CONTEXT.add, CONTEXT.subtract, CONTEXT.multiply, CONTEXT.divide
_add, _subtract, _multiply, _divide = _WORK.add, _WORK.subtract, _WORK.multiply, _WORK.divide
_fma, _scaleb, _round = _WORK.fma, _WORK.scaleb, CONTEXT.plus


def floor(number: Decimal) -> int:
    return int(number.to_integral_value(ROUND_FLOOR, CONTEXT))


def ceil(number: Decimal) -> int:
    return int(number.to_integral_value(ROUND_CEILING, CONTEXT))


class ExactTable(dict[int, Decimal]):
    """Values of a function at whole numbers, each computed when it is first needed."""

    def __init__(self, compute: Callable[[int], Decimal]) -> None:
        super().__init__()
        self.compute = compute

    def __missing__(self, index: int) -> Decimal:
        value = self[index] = self.compute(index)
        return value


def _tabulate_exp(places: int) -> ExactTable:
    return ExactTable(lambda index: _WORK.exp(Decimal(index).scaleb(-places, WIDE_CONTEXT)))


def _tabulate_ln(places: int) -> ExactTable:
    return ExactTable(lambda index: _WORK.ln(_invert(index, places)))


def _tabulate_inverse(places: int) -> ExactTable:
    return ExactTable(lambda index: _invert(index, places))


def _invert(index: int, places: int) -> Decimal:
    """Return 1 / (index x 10^-places), with few digits, so that products lose no digits."""
    return build_context(places + 3).divide(10**places, index)


_EXP_UNITS, _EXP_THOUSANDTHS, _EXP_MILLIONTHS = map(_tabulate_exp, (0, 3, 6))
_EXP_TERMS: Final = tuple(_divide(1, factorial) for factorial in (120, 24, 6, 2, 1, 1))
"""Of the series of e^r, r below a millionth, whose next term is below 10^-38."""


def exp(number: Decimal) -> Decimal:
    """Return e^number: units, thousandths and millionths from tables, the rest by its series."""
    if not -EXP_BY_TABLE_MAX < number < EXP_BY_TABLE_MAX:
        return CONTEXT.exp(number)
    millionths = int(_scaleb(number, 6))
    rest = _subtract(number, _scaleb(millionths, -6))
    thousandths, millionths = divmod(millionths, 1_000)
    units, thousandths = divmod(thousandths, 1_000)
    series = _EXP_TERMS[0]
    for term in _EXP_TERMS[1:]:
        series = _fma(series, rest, term)
    tabled = _multiply(_EXP_THOUSANDTHS[thousandths], _EXP_MILLIONTHS[millionths])
    return _round(_multiply(_multiply(_EXP_UNITS[units], tabled), series))


_LN_10: Final = WIDE_CONTEXT.ln(10)
_COARSE_INVERSE, _COARSE_LN = _tabulate_inverse(2), _tabulate_ln(2)
_FINE_INVERSE, _FINE_LN = _tabulate_inverse(5), _tabulate_ln(5)
_TWO_THIRDS, _TWO_FIFTHS = _divide(2, 3), _divide(2, 5)


def ln(number: Decimal) -> Decimal:
    """Return the natural logarithm of a positive number.

    Two factors from tables bring its digits to within 10^-5 of 1; there ln(1 + d) is
    2 artanh(s) = 2 s + 2/3 s^3 + 2/5 s^5 + ..., s = d / (2 + d), whose next term is below 10^-37.
    """
    exponent = number.adjusted()
    digits = _scaleb(number, -exponent)
    coarse = int(_scaleb(digits, 2))
    digits = _multiply(digits, _COARSE_INVERSE[coarse])
    fine = int(_scaleb(digits, 5))
    digits = _multiply(digits, _FINE_INVERSE[fine])
    ratio = _divide(_subtract(digits, 1), _add(digits, 1))
    square = _multiply(ratio, ratio)
    series = _multiply(ratio, _fma(_fma(square, _TWO_FIFTHS, _TWO_THIRDS), square, 2))
    tabled = _add(_COARSE_LN[coarse], _FINE_LN[fine])
    return _round(_fma(exponent, _LN_10, _subtract(series, tabled)))
