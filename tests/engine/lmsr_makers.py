"""Automated makers for tests of `trading.engine.lmsr`, and the exact potential to compare with."""

import random
from collections.abc import Sequence
from decimal import Context, Decimal

from trading.engine.lmsr import Lmsr, LmsrState, start_lmsr
from trading.engine.types import PAYOUT_PIPS

EXACT = Context(prec=120, Emin=-425_000_000, Emax=425_000_000)
SIZES = (1, 1, 7, 100, 2_500, 100_000)
PRIORS = ((1, 1), (9, 1), (1, 1, 1), (50, 30, 15, 4, 1))


def even(b_lots: int, outcomes: int = 2, step_lots: int = 1) -> Lmsr:
    return start_lmsr(b_lots, (1,) * outcomes, step_lots=step_lots)


def at(b_lots: int, sold_lots: Sequence[int], step_lots: int = 1) -> Lmsr:
    """A maker with even priors that has sold this much."""
    state = even(b_lots, len(sold_lots)).state
    return Lmsr.load(LmsrState(b_lots, state.anchors, tuple(sold_lots)), step_lots=step_lots)


def a_random_maker(randomness: random.Random, step_lots: int = 1) -> Lmsr:
    b_lots = randomness.choice((100, 137, 1_000, 12_345, 10**6))
    maker = start_lmsr(b_lots, randomness.choice(PRIORS), step_lots=step_lots)
    for outcome in range(len(maker.weights)):
        lots = round(randomness.gauss(0, 1.5) * b_lots)
        maker = maker.move(outcome, lots)
    return maker


def exact_potential(state: LmsrState) -> Decimal:
    """What the potential is in micros, by the textbook, with a greatest log-weight taken out."""
    log_weights = [
        EXACT.add(anchor, EXACT.divide(lots, state.b_lots))
        for anchor, lots in zip(state.anchors, state.sold_lots, strict=True)
    ]
    greatest = max(log_weights)
    total = Decimal(0)
    for log_weight in log_weights:
        total = EXACT.add(total, EXACT.exp(EXACT.subtract(log_weight, greatest)))
    return EXACT.multiply(EXACT.add(greatest, EXACT.ln(total)), state.b_lots * PAYOUT_PIPS)
