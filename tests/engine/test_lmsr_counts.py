"""How much an automated maker trades, and what it shows: against step by step."""

import random
from decimal import Decimal

import pytest

from tests.engine.lmsr_makers import PRIORS, a_random_maker, at, even
from trading.engine import lmsr as engine_lmsr
from trading.engine.lmsr import (
    LIQUIDITY_LOTS_MAX,
    LIQUIDITY_LOTS_MIN,
    Lmsr,
    compute_price_micros,
    count_lots_for_budget,
    count_lots_to_cross,
    count_lots_to_limit,
    list_levels,
    start_lmsr,
    trade_lots,
)
from trading.engine.types import BUY, PAYOUT_PIPS, SELL

DOUBTS = pytest.mark.parametrize("doubt", ["0.01", "0.9"])
"""The second has the last step tried nearly always."""


# How much


def count_step_by_step(maker: Lmsr, outcome: int, side: int, limit_pips: int, most: int) -> int:
    """Trade single steps while each is within the limit."""
    step_lots, lots = maker.curve.step_lots, 0
    while lots < most:
        cost_micros, moved = trade_lots(maker, outcome, side * step_lots)
        if cost_micros > side * limit_pips * step_lots:
            break
        maker, lots = moved, lots + step_lots
    return lots


@DOUBTS
def test_a_limit_reaches_as_far_as_step_by_step(
    doubt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_lmsr, "DOUBT", Decimal(doubt))
    randomness = random.Random(10)
    reached = 0
    for _ in range(300):
        step_lots = randomness.choice((1, 10, 100))
        maker = a_random_maker(randomness, step_lots)
        outcome, side = randomness.randrange(len(maker.weights)), randomness.choice((BUY, SELL))
        price_pips = compute_price_micros(maker, outcome) // 100
        limit_pips = price_pips + side * randomness.randrange(-50, 150)
        limit_pips = min(max(limit_pips, 10), PAYOUT_PIPS - 10)
        lots = count_lots_to_limit(maker, outcome, side, limit_pips)
        most = 40 * step_lots
        assert min(lots, most) == count_step_by_step(maker, outcome, side, limit_pips, most)
        if lots:
            reached += 1
            last = maker.move(outcome, side * (lots - step_lots))
            assert count_step_by_step(last, outcome, side, limit_pips, most) == step_lots
            assert trade_lots(maker, outcome, side * lots)[0] <= side * limit_pips * lots
    assert reached > 100


def test_a_limit_is_kept_where_a_step_costs_exactly_as_much() -> None:
    below, above = at(1_000, (-10, 0), step_lots=20), at(1_000, (10, 0), step_lots=20)
    assert count_lots_to_limit(below, 0, BUY, 5_000) == 0
    assert count_lots_to_limit(above, 0, SELL, 5_000) == 0
    assert count_lots_to_limit(below, 0, BUY, 5_010) >= 20
    assert count_lots_to_limit(above, 0, SELL, 4_990) >= 20


@pytest.mark.parametrize("b_lots", [LIQUIDITY_LOTS_MIN, 10**6, LIQUIDITY_LOTS_MAX])
@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_limit_is_exact_at_either_end_of_the_liquidity(b_lots: int, side: int) -> None:
    maker = even(b_lots)
    for limit_pips in (10, 4_990, 5_010, 9_990):
        lots = count_lots_to_limit(maker, 0, side, limit_pips)
        end = maker.move(0, side * lots)
        assert count_step_by_step(end, 0, side, limit_pips, 1) == 0
        if lots:
            last = maker.move(0, side * (lots - 1))
            assert count_step_by_step(last, 0, side, limit_pips, 1) == 1


def test_a_budget_buys_all_that_it_pays_for() -> None:
    randomness = random.Random(11)
    bought = 0
    for _ in range(300):
        step_lots = randomness.choice((1, 10, 100))
        maker = a_random_maker(randomness, step_lots)
        outcome, side = randomness.randrange(len(maker.weights)), randomness.choice((BUY, SELL))
        budget_micros = randomness.randrange(1, 10 ** randomness.randrange(1, 13))
        lots = count_lots_for_budget(maker, outcome, side, budget_micros)
        held_pips = 0 if side == BUY else PAYOUT_PIPS

        def spend(lots: int, point=maker, outcome=outcome, side=side, held=held_pips) -> int:
            return trade_lots(point, outcome, side * lots)[0] + held * lots

        assert lots % step_lots == 0
        assert spend(lots) <= budget_micros < spend(lots + step_lots)
        bought += lots > 0
    assert bought > 100


def test_a_budget_is_spent_at_either_end_of_the_scale() -> None:
    for maker in (at(100, (10**6, 0)), even(LIQUIDITY_LOTS_MAX), at(100, (0, 10**6))):
        for side in (BUY, SELL):
            for budget_micros in (1, 9_999, 10_000, 123_456_789, 10**13):
                lots = count_lots_for_budget(maker, 0, side, budget_micros)
                held = 0 if side == BUY else PAYOUT_PIPS
                for more, is_within in ((lots, True), (lots + 1, False)):
                    spent_micros = trade_lots(maker, 0, side * more)[0] + held * more
                    assert (spent_micros <= budget_micros) is is_within


@DOUBTS
def test_what_crosses_another_outcome_s_orders_is_found_as_step_by_step(
    doubt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_lmsr, "DOUBT", Decimal(doubt))
    randomness = random.Random(12)
    found = 0
    for _ in range(300):
        step_lots = randomness.choice((1, 10))
        maker = start_lmsr(300, randomness.choice(PRIORS), step_lots=step_lots)
        outcomes = range(len(maker.weights))
        outcome, other = randomness.sample(outcomes, 2)
        side = randomness.choice((BUY, SELL))
        price_pips = compute_price_micros(maker, other) // 100 - side * randomness.randrange(1, 900)
        price_pips = min(max(price_pips, 10), PAYOUT_PIPS - 10)
        lots = count_lots_to_cross(maker, outcome, side, other, price_pips)
        walked, moved = 0, maker
        while walked <= 3_000 and not count_lots_to_limit(moved, other, side, price_pips):
            moved = moved.move(outcome, side * step_lots)
            walked += step_lots
        assert lots == walked or (walked > 3_000 and (lots is None or lots > 3_000))
        found += lots is not None and lots > 0
    assert found > 100


# What people see


@pytest.mark.parametrize("tick_pips", [10, 100, 500])
def test_the_ladder_is_each_step_at_its_cost_rounded_to_the_tick(tick_pips: int) -> None:
    randomness = random.Random(13)
    for _ in range(30):
        maker = start_lmsr(randomness.choice((100, 700)), randomness.choice(PRIORS), step_lots=10)
        outcome = randomness.randrange(len(maker.weights))
        for side in (BUY, SELL):
            expected: dict[int, int] = {}
            moved = maker
            while len(expected) <= 6:
                cost_micros, moved = trade_lots(moved, outcome, -side * 10)
                ticks = -(-cost_micros // (10 * tick_pips))  # up for asks, down for bids
                if not 0 < abs(ticks) * tick_pips < PAYOUT_PIPS:
                    break
                expected[abs(ticks) * tick_pips] = expected.get(abs(ticks) * tick_pips, 0) + 10
            levels = list_levels(maker, outcome, side, tick_pips=tick_pips, levels_max=6)
            assert levels == list(expected.items())[:6]


def test_asks_end_below_the_pay_out_and_bids_above_nothing() -> None:
    dear, cheap = at(1_000, (20_000, 0)), at(1_000, (-20_000, 0))
    assert list_levels(dear, 0, SELL, tick_pips=100, levels_max=10) == []
    assert list_levels(cheap, 0, BUY, tick_pips=100, levels_max=10) == []
    (best_bid, _), *_ = list_levels(dear, 0, BUY, tick_pips=100, levels_max=10)
    (best_ask, _), *_ = list_levels(cheap, 0, SELL, tick_pips=100, levels_max=10)
    assert (best_bid, best_ask) == (9_900, 100)
    for side in (BUY, SELL):
        levels = list_levels(even(1_000), 0, side, tick_pips=100, levels_max=1_000)
        prices = [price_pips for price_pips, _ in levels]
        assert prices == sorted(prices, reverse=side == BUY)
        assert {prices[-1]} == ({100} if side == BUY else {9_900})
        assert len(list_levels(even(1_000), 0, side, tick_pips=100, levels_max=3)) == 3
