"""The fee of an order, accumulated exactly over its fills and rounded up once.

An order keeps two sums, one for the fills it made as maker and one as taker. Their unit, the
*basis*, is p x (10,000 - p) x lots for a quadratic schedule and lots for a flat one.
"""

from collections.abc import Callable
from typing import Final

from trading.engine.book import EngineOrder
from trading.engine.types import PAYOUT_PIPS, Config, FeeKind, Fees

QUADRATIC_SCALE: Final = 10**10
"""rate_ppm x basis / this = micros: (1e4 pips)^2 x 100 lots x 1e6 ppm / 1e6 micros."""
FLAT_SCALE: Final = 100
"""micros per contract x lots / this = micros."""
RATE_PPM_MAX: Final = 1_000_000

BasisFunction = Callable[[int, int], int]
"""(price_pips, lots) -> what a fill adds to an order's basis."""
FeeFunction = Callable[[EngineOrder, int, int], int]
"""(order, price_pips, lots) -> what one more fill is charged, in micros."""
HoldFunction = Callable[[EngineOrder], int]
"""order -> the most that its remaining quantity can still be charged, in micros."""


def compute_basis(fees: Fees, price_pips: int, lots: int, percent_off: int = 0) -> int:
    """What `lots` traded at `price_pips` add to an order's basis."""
    return build_basis(fees, percent_off)(price_pips, lots)


def build_basis(fees: Fees, percent_off: int = 0) -> BasisFunction:
    """Return what computes a fill's share of an order's basis, discounted and rounded down."""
    if percent_off:
        compute_whole, percent = build_basis(fees), 100 - percent_off
        return lambda price_pips, lots: compute_whole(price_pips, lots) * percent // 100
    if fees.kind is FeeKind.QUADRATIC:
        return lambda price_pips, lots: price_pips * (PAYOUT_PIPS - price_pips) * lots
    return (lambda price_pips, lots: lots) if fees.kind is FeeKind.FLAT else (lambda *_: 0)


def round_up(fees: Fees, rated_basis: int) -> int:
    """Turn a sum of rate x basis into micros, rounded up to the schedule's unit."""
    return -(-rated_basis // _compute_unit(fees)) * fees.unit_micros


def _compute_unit(fees: Fees) -> int:
    """Return how much rate x basis makes one unit of the schedule."""
    scale = QUADRATIC_SCALE if fees.kind is FeeKind.QUADRATIC else FLAT_SCALE
    return scale * fees.unit_micros


def build_fee(config: Config, rate_ppm: int, percent_off: int) -> FeeFunction:
    """Return what computes the fee of one more fill; never more than min(p, 1 - p) of it."""
    fees = config.fees
    if fees.kind is FeeKind.NONE:
        return lambda order, price_pips, lots: 0
    maker_ppm, taker_ppm, unit_micros = fees.maker_rate_ppm, fees.taker_rate_ppm, fees.unit_micros
    compute_basis, whole_unit = build_basis(fees, percent_off), _compute_unit(fees)
    rates = _Rates(fees, config.tick_pips, rate_ppm)
    unit, round_up_by = rates.unit, rates.unit - 1
    # A discount is rounded; an automated maker's prices are off the tick.
    is_summed = percent_off > 0 or config.maker is not None

    def compute_due_micros(order: EngineOrder, price_pips: int, lots: int) -> int:
        rated = compute_basis(price_pips, lots) * rate_ppm
        rated += order.maker_basis * maker_ppm + order.taker_basis * taker_ppm
        return (rated + whole_unit - 1) // whole_unit * unit_micros - order.fee_micros

    def compute_fee_micros(order: EngineOrder, price_pips: int, lots: int) -> int:
        if order.place.fee_free:
            return 0
        if is_summed or order.filled_micros:
            due_micros = compute_due_micros(order, price_pips, lots)
        else:
            due_micros = (rates[price_pips] * lots + round_up_by) // unit * unit_micros
        other_pips = PAYOUT_PIPS - price_pips
        # `if` in place of min(): a call costs more than all the rest.
        most_micros = (price_pips if price_pips < other_pips else other_pips) * lots  # noqa: FURB136
        return due_micros if due_micros < most_micros else most_micros  # noqa: FURB136

    return compute_fee_micros


def _find_divisor(one: int, other: int) -> int:
    """Return the greatest common divisor."""
    while other:
        one, other = other, one % other
    return one


class _Rates(dict[int, int]):
    """By price what a lot is charged at a rate, in `1 / unit` of what fees are rounded up to.

    In lowest terms for prices on the tick, and worked out once: numbers below 2^30 are fast.
    """

    def __init__(self, fees: Fees, tick_pips: int, rate_ppm: int) -> None:
        self.rate_ppm, self.compute_basis = rate_ppm, build_basis(fees)
        unit, least = _compute_unit(fees), 1 if fees.kind is FeeKind.FLAT else tick_pips**2
        self.divisor = _find_divisor(unit, rate_ppm * least)
        self.unit = unit // self.divisor

    def __missing__(self, price_pips: int) -> int:
        compute_basis = self.compute_basis
        self[price_pips] = rate = self.rate_ppm * compute_basis(price_pips, 1) // self.divisor
        return rate


def build_hold(fees: Fees, tick_pips: int = 1) -> HoldFunction:
    """Return what computes the most that an order can still cost at its limit, fees included.

    Its limit is on the tick. Where fees are rounded to more than a micro, one unit is to spare.
    """
    if fees.kind is FeeKind.NONE:
        return _hold_without_fees
    maker_ppm, taker_ppm = fees.maker_rate_ppm, fees.taker_rate_ppm
    rates, unit_micros = _Rates(fees, tick_pips, max(maker_ppm, taker_ppm)), fees.unit_micros
    unit, divisor, units_up = rates.unit, rates.divisor, 2 if unit_micros > 1 else 1
    whole_unit, round_up_by = _compute_unit(fees), units_up * unit - 1

    def compute_due_micros(order: EngineOrder) -> int:
        rated = rates[order.price_pips] * order.remaining_lots * divisor
        rated += order.maker_basis * maker_ppm + order.taker_basis * taker_ppm
        return (rated + units_up * whole_unit - 1) // whole_unit * unit_micros - order.fee_micros

    def compute_hold_micros(order: EngineOrder) -> int:
        price_pips, lots, due_micros = order.price_pips, order.remaining_lots, 0
        if order.taker_basis or (maker_ppm and order.maker_basis):
            due_micros = compute_due_micros(order)
        elif not order.place.fee_free:
            due_micros = (rates[price_pips] * lots + round_up_by) // unit * unit_micros
        return (price_pips if order.side > 0 else PAYOUT_PIPS - price_pips) * lots + due_micros

    return compute_hold_micros


def bound_hold(fees: Fees, step_lots: int) -> int:
    """Return what a lot of a new order, of `step_lots` at least, can't hold more than, in pips.

    The exact hold of an order is computed before it rests only when its account may have less.
    """
    dearer_ppm = max(fees.maker_rate_ppm, fees.taker_rate_ppm)
    # Of one lot: its price is at most a pay-out, and p(1 - p) at most a quarter of one.
    if fees.kind is FeeKind.QUADRATIC:
        most_pips = PAYOUT_PIPS + -(-dearer_ppm * PAYOUT_PIPS // 4_000_000)
    else:
        most_pips = PAYOUT_PIPS + -(-dearer_ppm // FLAT_SCALE)
    return most_pips + -(-2 * fees.unit_micros // step_lots)


def _hold_without_fees(order: EngineOrder) -> int:
    if order.side > 0:
        return order.price_pips * order.remaining_lots
    return (PAYOUT_PIPS - order.price_pips) * order.remaining_lots
