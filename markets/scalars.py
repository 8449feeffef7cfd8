"""Scalar markets: a number in a range pays linearly. Exact integers and fractions throughout.

At a number x a contract of the higher side (YES) pays floor((x - low) / (high - low)), in pips and
within 0 to 1 credit, and one of the lower side (NO) the rest. So each price of YES is a number too:
the x at which it pays just that price. Numbers of a range are in millionths, and a market's tick is
a whole number of them, so that each price on the ladder is an exact number.
"""

import math
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import NamedTuple

from kernel.units import MICROS_PER_CREDIT, PIPS_PER_CREDIT

NUMBER_LENGTH_MAX = 60
EXPONENT_MAX = 40
"""Numbers have at most so many digits before the point, and behind it."""


class Scale(NamedTuple):
    """The range of a scalar market."""

    low_millionths: int
    high_millionths: int
    tick_pips: int
    unit: str = ""

    @property
    def span_millionths(self) -> int:
        return self.high_millionths - self.low_millionths

    @property
    def decimals(self) -> int:
        """How many decimals the numbers of prices need: those of the bounds and of a tick."""
        step_millionths = self.span_millionths * self.tick_pips // PIPS_PER_CREDIT
        decimals = 0
        while decimals < 6 and any(
            value % 10 ** (6 - decimals) for value in (step_millionths, self.low_millionths)
        ):
            decimals += 1
        return decimals

    def find_number(self, half_pips: int) -> Decimal:
        """Return the number of YES's price in half pips, rounded half up to a tick's decimals."""
        return self._round(self.low_millionths + self._find_share(half_pips))

    def find_distance(self, half_pips: int) -> Decimal:
        """Return by how much the number changes with a change of the price, rounded likewise."""
        distance = self._round(self._find_share(abs(half_pips)))
        return distance if half_pips > 0 else -distance

    def _find_share(self, half_pips: int) -> Fraction:
        return Fraction(self.span_millionths * half_pips, 2 * PIPS_PER_CREDIT)

    def _round(self, millionths: Fraction) -> Decimal:
        unit = 10 ** (6 - self.decimals)
        units = math.floor(millionths / unit + Fraction(1, 2))
        return Decimal(units).scaleb(-self.decimals)

    def find_price_pips(self, number_millionths: int) -> int | None:
        """Return YES's price at a number, None where it is no whole number of pips."""
        above_low = (number_millionths - self.low_millionths) * PIPS_PER_CREDIT
        price_pips, rest = divmod(above_low, self.span_millionths)
        return None if rest else price_pips

    def compute_payout(self, number: Decimal) -> list[int]:
        """Return what YES and NO pay if the number was observed: floored to pips, and the rest."""
        above_low = Fraction(number) * MICROS_PER_CREDIT - self.low_millionths
        yes_pips = above_low * PIPS_PER_CREDIT // self.span_millionths
        yes_pips = min(max(yes_pips, 0), PIPS_PER_CREDIT)
        return [yes_pips, PIPS_PER_CREDIT - yes_pips]


def read_exact(text: str) -> Decimal | None:
    """Return the number in a plain text; None where it is none, or too long to be one."""
    if len(text) > NUMBER_LENGTH_MAX:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or number.adjusted() > EXPONENT_MAX:
        return None
    return number if exponent >= -EXPONENT_MAX else None


def write_exact(number: Decimal) -> str:
    """Return a number in plain notation, without an exponent or trailing zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
