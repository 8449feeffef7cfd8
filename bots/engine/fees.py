"""Fees as venues charge them: accumulated exactly over an order's fills, rounded up once."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from msgspec import Struct

from bots.engine.events import Level
from bots.engine.units import PAYOUT_PIPS

CENT_MICROS: Final = 10_000


class FeeSchedule(Struct, frozen=True):
    """A taker's fee: contracts x rate x (price x (1 - price)) ^ exponent, in whole units.

    An exponent of 0 is a fee per contract. No fill is charged more than min(price, 1 - price).
    """

    rate_ppm: int = 0
    exponent: int = 1
    unit_micros: int = 1
    maker_rate_ppm: int = 0

    def compute_exact(self, price_pips: int, lots: int) -> Fraction:
        """Return the micros of a fill before rounding."""
        chance = Fraction(price_pips * (PAYOUT_PIPS - price_pips), PAYOUT_PIPS**2)
        return Fraction(self.rate_ppm * lots, 100) * chance**self.exponent

    def compute_marginal(self, price_pips: int) -> Fraction:
        """Return what one more lot is charged at most, before rounding."""
        most_pips = min(price_pips, PAYOUT_PIPS - price_pips)
        return min(self.compute_exact(price_pips, 1), Fraction(most_pips))

    def compute_micros(self, fills: Iterable[Level]) -> int:
        """Return the fee of one order with these fills."""
        if not self.rate_ppm:
            return 0
        exact, charged_micros = Fraction(0), 0
        for price_pips, lots in fills:
            exact += self.compute_exact(price_pips, lots)
            due_micros = -(-exact // self.unit_micros) * self.unit_micros - charged_micros
            charged_micros += min(due_micros, min(price_pips, PAYOUT_PIPS - price_pips) * lots)
        return charged_micros


FREE: Final = FeeSchedule()
