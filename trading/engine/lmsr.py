"""A market maker by the logarithmic market scoring rule (LMSR), exact to the micro.

Source: Hanson, "Combinatorial information market design" (2003). With q[i] lots of outcome i sold
and b the liquidity in lots, the log-weight of an outcome is x[i] = a[i] + q[i] / b, its weight
e^x[i], its price its share of the sum of the weights, and a trade costs what it adds to the
*potential* PAYOUT_PIPS x b x ln(sum of the weights). The anchors a[i] are the logarithms of the
prior probabilities; they move only when b does, so that the prices stay.

State: whole lots and decimals of 34 digits (`LmsrState`). The potential is an integer in units of
10^-15 micros and depends on the state alone, however the state was reached: what a sequence of
trades costs is the difference of two potentials, and errors of rounding never add up.

Rounding: a buyer pays the next whole micro above the exact cost, a seller receives the next one
below it, also where the exact cost is whole (between points that mirror each other around even
odds it is). So a round trip costs a micro at least, and a split order never less. A complete set in
one trade costs exactly its pay-out; bought outcome by outcome, up to one micro more for each.

Limits: the maker trades in steps, which are the market's lot step. A limit reaches as far as each
single step costs no more than it (or, sold, brings no less): what a taker who asks step by step
would get. The ladder shows each step at its own cost, rounded up to the tick for asks and down for
bids, from one tick to the pay-out less one tick; beyond that there is no bid, or no ask. To show a
bid of one tick where the price is lower would be to lose without bound.

Domain: b from LIQUIDITY_LOTS_MIN to LIQUIDITY_LOTS_MAX, q / b up to a hundred million.
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, Self, TypeVar

import msgspec

from trading.engine.decimals import (
    CONTEXT,
    WIDE_CONTEXT,
    add,
    ceil,
    divide,
    exp,
    floor,
    ln,
    multiply,
    subtract,
)
from trading.engine.types import BUY, PAYOUT_PIPS

LIQUIDITY_LOTS_MIN: Final = 100
LIQUIDITY_LOTS_MAX: Final = 10**10
UNIT: Final = 10**15
"""Units of the potential in a micro."""
SLACK_UNITS: Final = 10**3
"""More than the error of a potential: a cost that is whole but for it counts as whole."""
DOUBT: Final = Decimal("0.01")
"""Steps: how near a whole number a closed form may come before the last step is tried."""
BUDGET_DOUBT: Final = Decimal("1e-3")
"""Lots: more than the closed form for a budget can be short of the truth."""

NumberT = TypeVar("NumberT", bound=int | Decimal)


class LmsrState(msgspec.Struct, frozen=True, array_like=True):
    """All there is to know of a maker. A lot bought back counts -1 in `sold_lots`.

    Of a binary market only YES, outcome 0, is traded; NO has an anchor all the same.
    """

    b_lots: int
    anchors: tuple[Decimal, ...]
    sold_lots: tuple[int, ...]


class Curve(dict[int, Decimal]):
    """What follows from liquidity and lot step alone: a memory of thresholds by price.

    The threshold of a price is the log-odds at which one more step costs exactly that price.
    """

    def __init__(self, b_lots: int, step_lots: int) -> None:
        super().__init__()
        self.step_lots = step_lots
        self.b_lots = b_lots
        self.units = Decimal(PAYOUT_PIPS * UNIT * b_lots)
        """Units of potential in one unit of log-weight."""
        self.steps = divide(b_lots, step_lots)
        """Steps that change a log-weight by one."""

    def __missing__(self, price_pips: int) -> Decimal:
        """Solve price x step = pay-out x b x ln(1 + p (e^(step / b) - 1)) for the log-odds of p."""
        assert 0 < price_pips < PAYOUT_PIPS
        context = WIDE_CONTEXT
        cost = Decimal(price_pips * self.step_lots)
        grown = context.exp(context.divide(self.step_lots, self.b_lots))
        paid = context.exp(context.divide(cost, PAYOUT_PIPS * self.b_lots))
        odds = context.divide(context.subtract(paid, 1), context.subtract(grown, paid))
        threshold = self[price_pips] = context.ln(odds)
        return threshold


class Lmsr:
    """A maker's state with what follows from it. Immutable: a trade returns another one.

    `potential` is in units (`UNIT`), the rest are the terms of the module's text.
    """

    __slots__ = ("curve", "log_weights", "potential", "state", "total", "weights")

    def __init__(
        self,
        state: LmsrState,
        curve: Curve,
        log_weights: tuple[Decimal, ...],
        weights: tuple[Decimal, ...],
    ) -> None:
        self.state = state
        self.curve = curve
        self.log_weights = log_weights
        self.weights = weights
        self.total = _sum(weights)
        self.potential = int(multiply(curve.units, ln(self.total)))

    @classmethod
    def load(cls, state: LmsrState, *, step_lots: int) -> Self:
        """Work out what a state implies. The market's lot step is none of the state."""
        curve = Curve(state.b_lots, step_lots)
        log_weights = tuple(
            add(anchor, divide(lots, state.b_lots))
            for anchor, lots in zip(state.anchors, state.sold_lots, strict=True)
        )
        return cls(state, curve, log_weights, tuple(map(exp, log_weights)))

    def move(self, outcome: int, lots: int) -> Self:
        """Return the maker after `lots` more of an outcome are sold, or -`lots` bought back.

        It is what `load` makes of the new state: one exp and one ln, whatever the outcomes.
        """
        b_lots, anchors, sold_lots = self.state.b_lots, self.state.anchors, self.state.sold_lots
        sold = sold_lots[outcome] + lots
        log_weight = add(anchors[outcome], divide(sold, b_lots))
        return type(self)(
            LmsrState(b_lots, anchors, _replace(sold_lots, outcome, sold)),
            self.curve,
            _replace(self.log_weights, outcome, log_weight),
            _replace(self.weights, outcome, exp(log_weight)),
        )


def start_lmsr(b_lots: int, priors: Sequence[int], *, step_lots: int) -> Lmsr:
    """Return a new maker. Priors are weights of any scale, one for each outcome: (1, 1) is even."""
    assert LIQUIDITY_LOTS_MIN <= b_lots <= LIQUIDITY_LOTS_MAX
    assert min(priors) > 0
    whole = sum(priors)
    anchors = tuple(CONTEXT.normalize(ln(divide(prior, whole))) for prior in priors)
    return Lmsr.load(LmsrState(b_lots, anchors, (0,) * len(anchors)), step_lots=step_lots)


# Funding


def compute_required_micros(lmsr: Lmsr) -> int:
    """Return the least cash with which the maker pays every result, whatever trades come.

    Of a new maker it is the worst loss, b ln(1 / least prior), rounded up; each trade brings in at
    least what it adds.
    """
    least_units = multiply(lmsr.curve.units, min(lmsr.state.anchors))
    return -(-(lmsr.potential - int(least_units) + SLACK_UNITS) // UNIT)


def compute_worst_loss_micros(b_lots: int, priors: Sequence[int]) -> int:
    """Return what a new maker must be funded with: b ln(1 / least prior), rounded up."""
    return compute_required_micros(start_lmsr(b_lots, priors, step_lots=1))


def compute_most_liquidity_lots(subsidy_micros: int, priors: Sequence[int]) -> int:
    """Return the largest b whose worst loss the subsidy covers; 0 when it covers none."""
    least = ln(divide(min(priors), sum(priors)))
    exact_lots = divide(-subsidy_micros, multiply(PAYOUT_PIPS, least))
    b_lots = min(floor(exact_lots) + 1, LIQUIDITY_LOTS_MAX)
    while b_lots >= LIQUIDITY_LOTS_MIN:
        if compute_worst_loss_micros(b_lots, priors) <= subsidy_micros:
            return b_lots
        b_lots -= 1
    return 0


def change_liquidity(lmsr: Lmsr, b_lots: int) -> tuple[int, Lmsr]:
    """Return what is to be funded, or if negative may be taken out, and the maker with the new b.

    Prices stay; the cash that the maker has then still pays every result.
    """
    assert LIQUIDITY_LOTS_MIN <= b_lots <= LIQUIDITY_LOTS_MAX
    sold_lots = lmsr.state.sold_lots
    anchors = tuple(
        CONTEXT.normalize(subtract(log_weight, divide(lots, b_lots)))
        for log_weight, lots in zip(lmsr.log_weights, sold_lots, strict=True)
    )
    state = LmsrState(b_lots, anchors, sold_lots)
    changed = Lmsr.load(state, step_lots=lmsr.curve.step_lots)
    return compute_required_micros(changed) - compute_required_micros(lmsr), changed


# Trades


def trade_lots(lmsr: Lmsr, outcome: int, lots: int) -> tuple[int, Lmsr]:
    """Return what a taker pays for `lots` of an outcome, and the maker after it.

    Both are negative for a taker who sells: it receives the micros.
    """
    moved = lmsr.move(outcome, lots)
    cost_micros = (moved.potential - lmsr.potential + SLACK_UNITS) // UNIT + 1
    # At the ends of the scale the exact cost is nearly the payout, or nearly nothing; no taker pays
    # more than the one or receives less than the other.
    return min(cost_micros, max(lots, 0) * PAYOUT_PIPS), moved


def trade_sets(lmsr: Lmsr, lots: int) -> tuple[int, Lmsr]:
    """Return what a taker pays for `lots` of each outcome, exactly their pay-out, and the maker."""
    state = lmsr.state
    sold_lots = tuple(sold + lots for sold in state.sold_lots)
    moved = LmsrState(state.b_lots, state.anchors, sold_lots)
    return lots * PAYOUT_PIPS, Lmsr.load(moved, step_lots=lmsr.curve.step_lots)


def compute_price_micros(lmsr: Lmsr, outcome: int) -> int:
    """Return the exact price of a contract between two trades, to the nearest micro."""
    share = divide(lmsr.weights[outcome], lmsr.total)
    return int(multiply(share, 100 * PAYOUT_PIPS).to_integral_value(ROUND_HALF_EVEN, CONTEXT))


# How much: in closed form, and exact at the last step


def count_lots_to_limit(lmsr: Lmsr, outcome: int, side: int, limit_pips: int) -> int:
    """Return the most lots of which each step costs a buyer at most, or brings a seller at least,
    `limit_pips` a lot.
    """
    log_odds = compute_log_odds(lmsr, outcome)
    return _count_lots(lmsr, outcome, log_odds, side, limit_pips)


def compute_log_odds(lmsr: Lmsr, outcome: int) -> Decimal:
    """Return ln(p / (1 - p)), with every digit at either end."""
    log_weights = lmsr.log_weights
    if len(log_weights) == 2:
        return subtract(log_weights[outcome], log_weights[1 - outcome])
    return subtract(log_weights[outcome], ln(_sum_others(lmsr.weights, outcome)))


def _count_lots(lmsr: Lmsr, outcome: int, log_odds: Decimal, side: int, limit_pips: int) -> int:
    curve = lmsr.curve
    threshold = curve[limit_pips]
    if side == BUY:  # The first step costs the limit at the threshold itself,
        distance = add(multiply(subtract(threshold, log_odds), curve.steps), 1)
    else:  # and is sold again at the limit one step above it.
        distance = multiply(subtract(log_odds, threshold), curve.steps)
    steps = floor(add(distance, DOUBT))
    if steps <= 0:
        return 0
    lots = steps * curve.step_lots
    if subtract(distance, DOUBT) < steps and not _reaches(lmsr, outcome, side, lots, limit_pips):
        lots -= curve.step_lots
    return lots


def _reaches(lmsr: Lmsr, outcome: int, side: int, lots: int, limit_pips: int) -> bool:
    """Return whether the last step of `lots` is within the limit."""
    step_lots = lmsr.curve.step_lots
    before = lmsr.move(outcome, side * (lots - step_lots))
    return trade_lots(before, outcome, side * step_lots)[0] <= side * limit_pips * step_lots


def count_lots_for_budget(lmsr: Lmsr, outcome: int, side: int, budget_micros: int) -> int:
    """Return the most lots, in whole steps, that a budget pays for.

    A seller spends what buying the other side, NO, costs: pay-out less proceeds.
    """
    weight, total, step_lots = lmsr.weights[outcome], lmsr.total, lmsr.curve.step_lots
    b_lots = lmsr.state.b_lots
    bought = weight if side == BUY else _sum_others(lmsr.weights, outcome)
    spent = subtract(exp(divide(budget_micros, PAYOUT_PIPS * b_lots)), 1)
    growth = add(1, divide(multiply(spent, total), bought))
    exact_lots = add(multiply(b_lots, ln(growth)), BUDGET_DOUBT)
    lots = floor(exact_lots) // step_lots * step_lots
    held_pips = 0 if side == BUY else PAYOUT_PIPS
    while lots and trade_lots(lmsr, outcome, side * lots)[0] + held_pips * lots > budget_micros:
        lots -= step_lots
    return lots


def count_lots_to_cross(
    lmsr: Lmsr, outcome: int, side: int, other: int, price_pips: int
) -> int | None:
    """Return how many lots of an outcome a taker trades until another outcome is crossed.

    Buying one makes the others cheaper: the fewest lots after which the maker would sell a step of
    `other` at `price_pips`, where a bid rests. Selling makes them dearer: until it would buy one at
    that price, of an ask; None when it never will.
    """
    curve, log_weights, weights = lmsr.curve, lmsr.log_weights, lmsr.weights
    bound = subtract(log_weights[other], curve[price_pips])
    if side != BUY:
        bound = subtract(bound, divide(1, curve.steps))
    rest = _sum_others(_replace(weights, other, Decimal(0)), outcome)
    left = subtract(exp(bound), rest)
    if left <= 0:
        return 0 if side == BUY else None
    distance = multiply(subtract(ln(left), log_weights[outcome]), multiply(side, curve.steps))
    steps = max(0, ceil(subtract(distance, DOUBT)))
    lots = steps * curve.step_lots
    if add(distance, DOUBT) > steps:
        moved = lmsr.move(outcome, side * lots)
        if not count_lots_to_limit(moved, other, side, price_pips):
            lots += curve.step_lots
    return lots


# The displayed ladder


def list_levels(
    lmsr: Lmsr, outcome: int, side: int, *, tick_pips: int, levels_max: int
) -> list[tuple[int, int]]:
    """Return [(price_pips, lots)] of the maker's bids (BUY) or asks (SELL), best first."""
    price_pips = multiply(divide(lmsr.weights[outcome], lmsr.total), PAYOUT_PIPS)
    near_tick = floor(divide(price_pips, tick_pips))
    last_tick = PAYOUT_PIPS // tick_pips - 1
    if side == BUY:
        ticks = range(min(near_tick, last_tick), 0, -1)
    else:
        ticks = range(max(near_tick, 1), last_tick + 1)
    log_odds, seen_lots = compute_log_odds(lmsr, outcome), 0
    levels: list[tuple[int, int]] = []
    for tick in ticks:
        if len(levels) == levels_max:
            break
        lots = _count_lots(lmsr, outcome, log_odds, -side, tick * tick_pips)
        if lots > seen_lots:
            levels.append((tick * tick_pips, lots - seen_lots))
            seen_lots = lots
    return levels


def _sum(numbers: tuple[Decimal, ...]) -> Decimal:
    """Add in order, so that equal states have equal sums."""
    total = Decimal(0)
    for number in numbers:
        total = add(total, number)
    return total


def _sum_others(numbers: tuple[Decimal, ...], index: int) -> Decimal:
    return _sum(numbers[:index] + numbers[index + 1 :])


def _replace(numbers: tuple[NumberT, ...], index: int, number: NumberT) -> tuple[NumberT, ...]:
    return (*numbers[:index], number, *numbers[index + 1 :])
