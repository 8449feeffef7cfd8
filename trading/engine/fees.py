"""The fee of an order, accumulated exactly over its fills and rounded up once.

An order keeps two sums, one for the fills it made as maker and one as taker. Their unit, the
*basis*, is p x (10,000 - p) x lots for a quadratic schedule and lots for a flat one.
"""

from typing import Final

from trading.engine.book import Order
from trading.engine.types import PAYOUT_PIPS, FeeKind, Fees

QUADRATIC_SCALE: Final = 10**10
"""rate_ppm x basis / this = micros: (1e4 pips)^2 x 100 lots x 1e6 ppm / 1e6 micros."""
FLAT_SCALE: Final = 100
"""micros per contract x lots / this = micros."""
RATE_PPM_MAX: Final = 1_000_000


def compute_basis(fees: Fees, price_pips: int, lots: int) -> int:
    """What `lots` traded at `price_pips` add to an order's basis."""
    if fees.kind is FeeKind.QUADRATIC:
        return price_pips * (PAYOUT_PIPS - price_pips) * lots
    return lots if fees.kind is FeeKind.FLAT else 0


def round_up(fees: Fees, rated_basis: int) -> int:
    """Turn a sum of rate x basis into micros, rounded up to the schedule's unit."""
    scale = QUADRATIC_SCALE if fees.kind is FeeKind.QUADRATIC else FLAT_SCALE
    return -(-rated_basis // (scale * fees.unit_micros)) * fees.unit_micros


def compute_rated(order: Order, fees: Fees) -> int:
    """Return the exact, unrounded fee of all fills so far, as rate x basis."""
    return order.maker_basis * fees.maker_rate_ppm + order.taker_basis * fees.taker_rate_ppm


def compute_fee_micros(order: Order, fees: Fees, price_pips: int, lots: int, *, taker: bool) -> int:
    """Return what one more fill is charged; never more than min(p, 1 - p) of it."""
    if fees.kind is FeeKind.NONE or order.place.fee_free:
        return 0
    rate_ppm = fees.taker_rate_ppm if taker else fees.maker_rate_ppm
    rated = compute_rated(order, fees) + rate_ppm * compute_basis(fees, price_pips, lots)
    due_micros = round_up(fees, rated) - order.fee_micros
    return min(due_micros, min(price_pips, PAYOUT_PIPS - price_pips) * lots)


def compute_fee_hold_micros(order: Order, fees: Fees) -> int:
    """Return the most that `order` can still be charged for its remaining quantity."""
    if fees.kind is FeeKind.NONE or order.place.fee_free:
        return 0
    rate_ppm = max(fees.maker_rate_ppm, fees.taker_rate_ppm)
    basis = compute_basis(fees, order.price_pips, order.remaining_lots)
    due_micros = round_up(fees, compute_rated(order, fees) + rate_ppm * basis) - order.fee_micros
    return due_micros + (fees.unit_micros if fees.unit_micros > 1 else 0)
