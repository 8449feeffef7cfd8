"""Fees as venues charge them: accumulated exactly over an order's fills, rounded up once."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from msgspec import Struct

from bots.engine.events import Level
from bots.engine.units import LOTS_PER_CONTRACT, PAYOUT_PIPS

CENT_MICROS: Final = 10_000


class FeeSchedule(Struct, frozen=True):
    """A taker's fee: contracts x rate x (price x (1 - price)) ^ exponent, in whole units.

    An exponent of 0 is a fee per contract. No fill is charged more than min(price, 1 - price).
    """

    rate_ppm: int = 0
    exponent: int = 1
    unit_micros: int = 1
    maker_rate_ppm: int = 0

    def _rate(self, price_pips: int, lots: int) -> int:
        """Return a fill's fee before rounding, in micros x `_scale`."""
        chance = (price_pips * (PAYOUT_PIPS - price_pips)) ** self.exponent
        return self.rate_ppm * lots * chance

    @property
    def _scale(self) -> int:
        return LOTS_PER_CONTRACT * PAYOUT_PIPS ** (2 * self.exponent)

    def compute_marginal(self, price_pips: int) -> Fraction:
        """Return what one more lot is charged at most, before rounding."""
        most_pips = min(price_pips, PAYOUT_PIPS - price_pips)
        return min(Fraction(self._rate(price_pips, 1), self._scale), Fraction(most_pips))

    def compute_micros(self, fills: Iterable[Level]) -> int:
        """Return the fee of one order with these fills."""
        if not self.rate_ppm:
            return 0
        rated, charged_micros, unit = 0, 0, self._scale * self.unit_micros
        for price_pips, lots in fills:
            rated += self._rate(price_pips, lots)
            due_micros = -(-rated // unit) * self.unit_micros - charged_micros
            charged_micros += min(due_micros, min(price_pips, PAYOUT_PIPS - price_pips) * lots)
        return charged_micros


FREE: Final = FeeSchedule()
