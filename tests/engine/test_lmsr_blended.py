"""The counts of `lmsr` are enough to blend a maker with a book: whole fills equal single steps."""

import random
from typing import Any

import pytest

from tests.engine.lmsr_reference import BlendedMarket, Fill, Resting
from trading.engine.lmsr import (
    Lmsr,
    compute_required_micros,
    compute_worst_loss_micros,
    count_lots_to_cross,
    count_lots_to_limit,
    start_lmsr,
    trade_lots,
)
from trading.engine.types import BUY, PAYOUT_PIPS, SELL

RUNS = [40, pytest.param(1_000, marks=pytest.mark.soak)]
TICK_PIPS, STEP_LOTS = 100, 10
PRIORS = ((1, 1), (3, 1), (1, 1, 1), (5, 3, 1, 1), (1,) * 6)


class InWholeFills(BlendedMarket):
    """The same market by `trading.engine.lmsr`, a whole fill at a time."""

    def __init__(self, b_lots: int, priors: tuple[int, ...], **sizes: int) -> None:
        super().__init__(b_lots, priors, **sizes)
        self.maker: Lmsr = start_lmsr(b_lots, priors, step_lots=self.step_lots)

    def place(self, order_id: str, outcome: int, side: int, limit_pips: int, lots: int) -> None:
        while lots:
            best = self.best(outcome, -side)
            filled = self.take_whole_from_maker(order_id, outcome, side, limit_pips, lots, best)
            if not filled:
                if best is None or side * best.price_pips > side * limit_pips:
                    break
                filled = min(lots, best.lots)
                self.trade_with(order_id, best, filled)
            lots -= filled
        if lots:
            self.orders.append(Resting(order_id, outcome, side, limit_pips, lots))

    def take_whole_from_maker(
        self,
        order_id: str,
        outcome: int,
        side: int,
        limit_pips: int,
        lots: int,
        best: Resting | None,
    ) -> int:
        if best is not None:  # which wins ties
            limit_pips = side * min(side * limit_pips, side * (best.price_pips - side * TICK_PIPS))
        if not 0 < limit_pips < PAYOUT_PIPS:
            return 0
        lots = min(lots, count_lots_to_limit(self.maker, outcome, side, limit_pips))
        if not lots:
            return 0
        for other in range(len(self.priors)):
            resting = self.best(other, side)
            if other != outcome and resting is not None:
                to_cross = count_lots_to_cross(self.maker, outcome, side, other, resting.price_pips)
                lots = lots if to_cross is None else min(lots, to_cross)
        cost_micros, self.maker = trade_lots(self.maker, outcome, side * lots)
        self.fills.append(Fill(order_id, None, outcome, side, lots, side * cost_micros))
        self.sweep(side)
        return lots

    def sweep(self, side: int) -> None:
        swept = True
        while swept:
            swept = False
            for outcome in range(len(self.priors)):
                while (best := self.best(outcome, side)) is not None:
                    lots = count_lots_to_limit(self.maker, outcome, side, best.price_pips)
                    lots = min(lots, best.lots)
                    if not lots:
                        break
                    self.maker = self.maker.move(outcome, side * lots)
                    self.trade_with(None, best, lots)
                    swept = True

    def trade_with(self, taker_id: str | None, resting: Resting, lots: int) -> None:
        side = resting.side if taker_id is None else -resting.side
        resting.lots -= lots
        if not resting.lots:
            self.orders.remove(resting)
        micros = lots * resting.price_pips
        self.fills.append(Fill(taker_id, resting.order_id, resting.outcome, side, lots, micros))


def a_random_order(randomness: random.Random, market: InWholeFills) -> tuple[int, int, int, int]:
    outcome, side = randomness.randrange(len(market.priors)), randomness.choice((BUY, SELL))
    shown_pips = market.shown_pips(outcome, side) or 5_000
    limit_pips = shown_pips + randomness.randrange(-6, 7) * TICK_PIPS
    limit_pips = min(max(limit_pips, TICK_PIPS), PAYOUT_PIPS - TICK_PIPS)
    return outcome, side, limit_pips, randomness.randrange(1, 20) * STEP_LOTS


def describe(market: BlendedMarket) -> list[Any]:
    return [vars(order) for order in market.orders]


@pytest.mark.parametrize("runs", RUNS)
def test_whole_fills_equal_single_steps(runs: int) -> None:
    swept = blended = 0
    for seed in range(runs):
        randomness = random.Random(seed)
        priors, b_lots = randomness.choice(PRIORS), randomness.choice((100, 300, 1_000))
        sizes = {"tick_pips": TICK_PIPS, "step_lots": STEP_LOTS}
        slow = BlendedMarket(b_lots, priors, **sizes)
        fast = InWholeFills(b_lots, priors, **sizes)
        cash_micros = compute_worst_loss_micros(b_lots, priors)
        for number in range(12):
            order = a_random_order(randomness, slow)
            slow.fills, fast.fills = [], []
            slow.place(str(number), *order)
            fast.place(str(number), *order)
            assert slow.fills == fast.fills, (seed, number)
            assert describe(slow) == describe(fast), (seed, number)
            assert tuple(slow.sold_lots) == fast.maker.state.sold_lots, (seed, number)
            assert_nothing_is_crossed(slow)
            for fill in fast.fills:
                if None in (fill.taker_id, fill.against):
                    cash_micros += fill.side * fill.amount_micros
            assert cash_micros >= compute_required_micros(fast.maker)
            swept += any(fill.taker_id is None for fill in slow.fills)
            blended += len({fill.against is None for fill in slow.fills}) == 2
    assert swept > runs // 4
    assert blended > runs // 2


def assert_nothing_is_crossed(market: BlendedMarket) -> None:
    for outcome in range(len(market.priors)):
        for side in (BUY, SELL):
            assert market.crossed(outcome, side) is None
