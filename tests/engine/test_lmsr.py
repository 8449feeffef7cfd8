"""The automated maker's mathematics: against the oracle, against brute force, and its promises."""

import _pydecimal
import csv
import importlib.util
import random
import sys
from collections.abc import Sequence
from decimal import ROUND_CEILING, Clamped, Context, Decimal, Inexact, Rounded, localcontext
from functools import reduce
from pathlib import Path
from typing import Any

import msgspec
import pytest

from trading.engine import decimals
from trading.engine import lmsr as engine_lmsr
from trading.engine.lmsr import (
    LIQUIDITY_LOTS_MAX,
    LIQUIDITY_LOTS_MIN,
    UNIT,
    Lmsr,
    LmsrState,
    change_liquidity,
    compute_log_odds,
    compute_most_liquidity_lots,
    compute_price_micros,
    compute_required_micros,
    compute_worst_loss_micros,
    count_lots_for_budget,
    count_lots_to_cross,
    count_lots_to_limit,
    list_levels,
    start_lmsr,
    trade_lots,
    trade_sets,
)
from trading.engine.types import BUY, PAYOUT_PIPS, SELL

MICROS = 1_000_000
EXACT = Context(prec=120, Emin=-425_000_000, Emax=425_000_000)
TRADES = [5_000, pytest.param(100_000, marks=pytest.mark.soak)]
SIZES = (1, 1, 7, 100, 2_500, 100_000)
DOUBTS = pytest.mark.parametrize("doubt", ["0.01", "0.9"])
"""The second has the last step tried nearly always."""
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


def lots_of(contracts: str | Decimal) -> int:
    lots = Decimal(contracts) * 100
    assert lots == int(lots)
    return int(lots)


def micros_of(credits: str) -> Decimal:
    return Decimal(credits) * MICROS


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


# The oracle


def test_each_row_of_the_oracle_is_met_to_the_micro(data_dir: Path) -> None:
    with (data_dir / "lmsr_oracle.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 14
    for row in rows:
        quantities = [lots_of(part) for part in row["q_before"].split()]
        maker = at(lots_of(row["b"]), quantities)
        outcome, lots = int(row["buy_outcome"]), lots_of(row["delta"])
        cost_micros, moved = trade_lots(maker, outcome, lots)
        trade_cost = micros_of(row["trade_cost"])
        assert cost_micros == int(trade_cost.to_integral_value(ROUND_CEILING)), row
        most_loss, outcomes = micros_of(row["max_loss_b_ln_n"]), len(quantities)
        for point, name in ((maker, "cost_before"), (moved, "cost_after")):
            potential = micros_of(row[name]) - most_loss
            assert abs(Decimal(point.potential) / UNIT - potential) < Decimal("1e-9"), row
        for point, name in ((maker, "price_before"), (moved, "price_after")):
            price = micros_of(row[name])
            assert compute_price_micros(point, outcome) == int(price.to_integral_value()), row
        worst_micros = int(most_loss.to_integral_value(ROUND_CEILING))
        assert compute_worst_loss_micros(lots_of(row["b"]), (1,) * outcomes) == worst_micros


# Prices


@pytest.mark.parametrize("outcomes", [2, 3, 4, 7, 16, 50])
def test_a_uniform_start_gives_equal_prices(outcomes: int) -> None:
    maker = even(10_000, outcomes)
    assert len(set(maker.weights)) == 1
    assert {compute_price_micros(maker, outcome) for outcome in range(outcomes)} == {
        round(Decimal(MICROS) / outcomes)
    }


def test_given_priors_are_the_prices_at_the_start() -> None:
    maker = start_lmsr(10_000, (50, 30, 15, 4, 1), step_lots=1)
    prices = [compute_price_micros(maker, outcome) for outcome in range(5)]
    assert prices == [500_000, 300_000, 150_000, 40_000, 10_000]


def test_prices_sum_to_one_and_buying_one_raises_it_and_lowers_all_others() -> None:
    randomness = random.Random(1)
    for _ in range(200):
        maker = a_random_maker(randomness)
        outcomes = range(len(maker.weights))
        shares = [EXACT.divide(weight, maker.total) for weight in maker.weights]
        total = reduce(EXACT.add, shares)
        assert abs(EXACT.subtract(total, 1)) < Decimal("1e-32")
        outcome, lots = randomness.choice(outcomes), randomness.choice(SIZES)
        moved = trade_lots(maker, outcome, lots)[1]
        for other in outcomes:
            before, after = compute_log_odds(maker, other), compute_log_odds(moved, other)
            assert after > before if other == outcome else after < before


# Money


def test_a_cost_is_the_next_micro_above_the_exact_one_and_proceeds_the_one_below() -> None:
    randomness = random.Random(2)
    for _ in range(300):
        maker = a_random_maker(randomness)
        outcome = randomness.randrange(len(maker.weights))
        lots = randomness.choice((1, -1)) * randomness.choice(SIZES)
        cost_micros, moved = trade_lots(maker, outcome, lots)
        exact = exact_potential(moved.state) - exact_potential(maker.state)
        assert cost_micros == int(exact.to_integral_value(ROUND_CEILING))


def test_a_whole_cost_is_a_micro_dearer_too_and_proceeds_a_micro_less() -> None:
    for b_lots, lots in ((100, 20), (1_000, 2), (12_345, 678), (10**10, 2_000)):
        below, above = at(b_lots, (-lots // 2, 0)), at(b_lots, (lots // 2, 0))
        assert trade_lots(below, 0, lots)[0] == lots * PAYOUT_PIPS // 2 + 1
        assert trade_lots(above, 0, -lots)[0] == -lots * PAYOUT_PIPS // 2 + 1


def test_it_stays_exact_where_a_quantity_is_a_million_times_the_liquidity() -> None:
    for b_lots in (100, 12_345, 10**6):
        for times in (1_000_000, -1_000_000, 999_999, 10**8 if b_lots == 100 else 0):
            lots = b_lots * times + 1
            maker = at(b_lots, (lots, 0, 7))
            error = Decimal(maker.potential) / UNIT - exact_potential(maker.state)
            assert abs(error) < Decimal("1e-12")
            for outcome in range(3):
                for more_lots in (1, b_lots, -lots):
                    cost_micros, moved = trade_lots(maker, outcome, more_lots)
                    exact = exact_potential(moved.state) - exact_potential(maker.state)
                    assert exact <= cost_micros + Decimal("1e-12")
                    assert cost_micros <= exact + 1 + Decimal("1e-12")


def test_nobody_pays_more_than_the_pay_out_or_receives_less_than_nothing() -> None:
    maker = at(100, (10**8, 0))
    assert trade_lots(maker, 0, 5)[0] == 5 * PAYOUT_PIPS
    assert trade_lots(maker, 0, -5)[0] == -5 * PAYOUT_PIPS + 1
    assert trade_lots(maker, 1, 5)[0] == 1
    assert trade_lots(maker, 1, -5)[0] == 0


def test_no_round_trip_is_free() -> None:
    randomness = random.Random(3)
    ends = [at(100, (10**8, 0)), at(100, (0, 10**8)), at(10**10, (1, 0)), even(10**10)]
    for index in range(1_000):
        maker = ends[index] if index < len(ends) else a_random_maker(randomness)
        outcome = randomness.randrange(len(maker.weights))
        lots = randomness.choice((1, -1)) * randomness.choice(SIZES)
        there_micros, moved = trade_lots(maker, outcome, lots)
        back_micros, again = trade_lots(moved, outcome, -lots)
        assert 1 <= there_micros + back_micros <= 2
        assert again.state == maker.state
        assert again.potential == maker.potential


def test_splitting_an_order_never_costs_less() -> None:
    randomness = random.Random(4)
    for _ in range(150):
        maker = a_random_maker(randomness)
        outcome = randomness.randrange(len(maker.weights))
        side = randomness.choice((BUY, SELL))
        parts = [side * randomness.choice(SIZES) for _ in range(randomness.randrange(2, 7))]
        whole_micros, there = trade_lots(maker, outcome, sum(parts))
        split_micros, moved = 0, maker
        for lots in parts:
            cost_micros, moved = trade_lots(moved, outcome, lots)
            split_micros += cost_micros
        assert whole_micros <= split_micros < whole_micros + len(parts)
        assert moved.state == there.state
        assert moved.potential == there.potential


def test_a_complete_set_costs_exactly_its_pay_out_and_one_by_one_at_most_a_micro_more_each() -> (
    None
):
    randomness = random.Random(5)
    for _ in range(200):
        maker = a_random_maker(randomness)
        lots, outcomes = randomness.choice(SIZES), len(maker.weights)
        set_micros, there = trade_sets(maker, lots)
        assert set_micros == lots * PAYOUT_PIPS
        paid_micros, moved = 0, maker
        for outcome in randomness.sample(range(outcomes), outcomes):
            cost_micros, moved = trade_lots(moved, outcome, lots)
            paid_micros += cost_micros
        assert set_micros < paid_micros <= set_micros + outcomes
        assert moved.state == there.state
        moved_units = there.potential - maker.potential
        assert abs(moved_units - set_micros * UNIT) < engine_lmsr.SLACK_UNITS


def test_yes_and_no_together_cost_their_pay_out_and_a_micro() -> None:
    cost_micros, moved = trade_lots(even(10_000), 0, 123)
    no_micros = 123 * PAYOUT_PIPS + trade_lots(moved, 0, -123)[0]
    assert cost_micros + no_micros == 123 * PAYOUT_PIPS + 1


# Funding


def test_the_worst_loss_is_rounded_up_and_the_liquidity_of_a_subsidy_is_the_largest() -> None:
    assert compute_worst_loss_micros(10_000, (1, 1)) == 69_314_719  # 69.31471805...
    assert compute_worst_loss_micros(10_000, (3, 1)) == 138_629_437  # 138.6294361...
    randomness = random.Random(6)
    for _ in range(100):
        subsidy_micros = randomness.randrange(10 ** randomness.randrange(7, 14))
        priors = randomness.choice(PRIORS)
        b_lots = compute_most_liquidity_lots(subsidy_micros, priors)
        if b_lots == 0:
            assert compute_worst_loss_micros(LIQUIDITY_LOTS_MIN, priors) > subsidy_micros
            continue
        assert compute_worst_loss_micros(b_lots, priors) <= subsidy_micros
        assert compute_worst_loss_micros(b_lots + 1, priors) > subsidy_micros
    assert compute_most_liquidity_lots(4 * 10**18, (1, 1)) == LIQUIDITY_LOTS_MAX


@pytest.mark.parametrize("trades", TRADES)
def test_its_cash_pays_every_result_after_each_of_many_random_trades(trades: int) -> None:
    randomness = random.Random(7)
    runs = 10
    for run in range(runs):
        priors = PRIORS[run % len(PRIORS)]
        b_lots = randomness.choice((100, 3_333, 10**5))
        maker = start_lmsr(b_lots, priors, step_lots=1)
        cash_micros = compute_worst_loss_micros(b_lots, priors)
        for _ in range(trades // runs):
            if randomness.random() < 0.02:
                b_lots = round(10 ** randomness.uniform(2, 6))
                funded_micros, maker = change_liquidity(maker, b_lots)
                cash_micros += funded_micros
            lots = round(randomness.gauss(0, 1) * randomness.choice((3, b_lots // 10, b_lots)))
            cost_micros, maker = trade_lots(maker, randomness.randrange(len(priors)), lots)
            cash_micros += cost_micros
            assert cash_micros >= compute_required_micros(maker)
            assert cash_micros >= PAYOUT_PIPS * max(maker.state.sold_lots)


@pytest.mark.parametrize("priors", PRIORS)
def test_an_adversary_takes_all_but_a_thousandth_of_the_funding_and_no_more(
    priors: tuple[int, ...],
) -> None:
    funding_micros = compute_worst_loss_micros(10_000, priors)
    maker, cash_micros = start_lmsr(10_000, priors, step_lots=1), funding_micros
    outcome = priors.index(min(priors))
    for lots in (2_000,) * 60:  # in pieces, to gain by rounding what can be
        cost_micros, maker = trade_lots(maker, outcome, lots)
        cash_micros += cost_micros
    left_micros = cash_micros - PAYOUT_PIPS * maker.state.sold_lots[outcome]
    assert 0 <= left_micros <= funding_micros // 1_000


def test_thousands_of_tiny_trades_at_the_ends_of_the_scale_do_not_wear_the_funding_away() -> None:
    maker = even(100)
    cash_micros = compute_worst_loss_micros(100, (1, 1))
    for lots in [50] * 200 + [1, -1] * 500 + [-50] * 400 + [1, -1] * 500:
        cost_micros, maker = trade_lots(maker, 0, lots)
        cash_micros += cost_micros
        assert cash_micros >= compute_required_micros(maker)


def test_adding_liquidity_moves_no_price_and_costs_what_the_worst_loss_grows_by() -> None:
    maker = even(10_000)
    funded_micros, deeper = change_liquidity(maker, 25_000)
    fresh_micros = compute_worst_loss_micros(25_000, (1, 1))
    assert funded_micros == fresh_micros - compute_worst_loss_micros(10_000, (1, 1))
    randomness = random.Random(8)
    for _ in range(100):
        maker = a_random_maker(randomness)
        b_lots = maker.state.b_lots
        funded_micros, deeper = change_liquidity(maker, b_lots * 3 + 1)
        assert funded_micros > 0
        for outcome in range(len(maker.weights)):
            moved_by = compute_log_odds(deeper, outcome) - compute_log_odds(maker, outcome)
            assert abs(moved_by) < Decimal("1e-30")
        assert deeper.state.sold_lots == maker.state.sold_lots
        returned_micros, shallower = change_liquidity(deeper, b_lots)
        assert returned_micros == -funded_micros
        assert compute_required_micros(shallower) == compute_required_micros(maker)


def test_liquidity_taken_out_leaves_what_the_worst_result_needs() -> None:
    randomness = random.Random(9)
    for _ in range(100):
        maker = a_random_maker(randomness)
        b_lots = max(LIQUIDITY_LOTS_MIN, maker.state.b_lots // 3)
        change_micros, shallower = change_liquidity(maker, b_lots)
        assert change_micros <= 0
        cash_micros = compute_required_micros(maker) + change_micros
        assert cash_micros >= PAYOUT_PIPS * max(shallower.state.sold_lots)
        for outcome in range(len(shallower.weights)):
            lots = 80 * b_lots
            cost_micros, end = trade_lots(shallower, outcome, lots)
            assert cash_micros + cost_micros >= PAYOUT_PIPS * end.state.sold_lots[outcome]


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


# Determinism


def test_exp_and_ln_are_right_to_the_last_of_34_digits() -> None:
    randomness = random.Random(15)
    for _ in range(3_000):
        number = Decimal(randomness.randrange(-(10**34), 10**34)).scaleb(
            -randomness.randrange(26, 70)
        )
        power, exact = decimals.exp(number), EXACT.exp(number)
        assert abs(EXACT.subtract(EXACT.divide(power, exact), 1)) < Decimal("6e-34")
        near_one = decimals.add(1, decimals.divide(number, 10**7))
        for positive in (abs(number), near_one, power):
            if positive > 0:
                exact = EXACT.ln(positive)
                error = abs(EXACT.subtract(decimals.ln(positive), exact))
                assert error <= Decimal("1e-36") + abs(exact) * Decimal("6e-34")


def load_copy(module: Any, **replaced: Any) -> Any:
    """Import a module once more, with other modules under the names that it imports."""
    spec = importlib.util.spec_from_file_location(f"{module.__name__}_again", module.__file__)
    copy = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        for name, other in replaced.items():
            patch.setitem(sys.modules, name, other)
        spec.loader.exec_module(copy)
    return copy


def load_lmsr_on(decimals: Any, **replaced: Any) -> Any:
    return load_copy(engine_lmsr, **{"trading.engine.decimals": decimals}, **replaced)


def tell_a_story(module: Any, seed: int, steps: int) -> list[Any]:
    """Trade at random with a maker of that module, and return every integer on the way."""
    randomness = random.Random(seed)
    priors = randomness.choice(PRIORS)
    b_lots = randomness.choice((100, 3_777, 10**6))
    numbers: list[Any] = [module.compute_worst_loss_micros(b_lots, priors)]
    numbers.append(module.compute_most_liquidity_lots(10**9, priors))
    maker = module.start_lmsr(b_lots, priors, step_lots=randomness.choice((1, 100)))
    for _ in range(steps):
        outcome, side = randomness.randrange(len(priors)), randomness.choice((BUY, SELL))
        lots = side * randomness.randrange(1, 2 * b_lots)
        limit_pips, budget_micros = randomness.randrange(10, 9_991), randomness.randrange(1, 10**9)
        cost_micros, maker = module.trade_lots(maker, outcome, lots)
        funded_micros, maker = module.change_liquidity(maker, b_lots + randomness.randrange(b_lots))
        numbers += [
            cost_micros,
            funded_micros,
            module.compute_price_micros(maker, outcome),
            module.count_lots_to_limit(maker, outcome, side, limit_pips),
            module.count_lots_for_budget(maker, outcome, side, budget_micros),
            module.list_levels(maker, outcome, side, tick_pips=100, levels_max=2),
        ]
    return [numbers, maker]


def test_decimal_in_c_and_in_python_give_identical_states_and_numbers() -> None:
    in_python = load_lmsr_on(load_copy(decimals, decimal=_pydecimal), decimal=_pydecimal)
    assert in_python.Decimal is not Decimal
    for seed in range(8):
        numbers, maker = tell_a_story(engine_lmsr, seed, 6)
        other_numbers, other = tell_a_story(in_python, seed, 6)
        assert numbers == other_numbers
        assert maker.potential == other.potential
        assert [*map(str, maker.state.anchors)] == [*map(str, other.state.anchors)]
        assert [*map(str, maker.weights)] == [*map(str, other.weights)]


def test_fifty_digits_and_decimal_s_own_exp_and_ln_change_no_integer() -> None:
    fifty_digits = load_copy(decimals)
    context = fifty_digits.CONTEXT
    context.prec = 50
    fifty_digits.exp, fifty_digits.ln = context.exp, context.ln
    finer = load_lmsr_on(fifty_digits)
    for seed in range(60):
        assert tell_a_story(engine_lmsr, seed, 10)[0] == tell_a_story(finer, seed, 10)[0]


def test_the_thread_s_own_context_is_never_used() -> None:
    numbers = tell_a_story(engine_lmsr, 1, 5)[0]
    with localcontext(Context(prec=1, traps=[Inexact, Rounded, Clamped])):
        again = load_lmsr_on(load_copy(decimals))
        assert tell_a_story(again, 1, 5)[0] == numbers


def test_a_state_that_was_written_and_read_is_the_same_maker() -> None:
    randomness = random.Random(14)
    for _ in range(50):
        maker = a_random_maker(randomness)
        maker = change_liquidity(maker, maker.state.b_lots * 2 + 1)[1].move(0, 12)
        data = msgspec.msgpack.encode(maker.state)
        state = msgspec.msgpack.decode(data, type=LmsrState)
        assert msgspec.msgpack.encode(state) == data
        again = Lmsr.load(state, step_lots=1)
        assert (again.potential, again.weights) == (maker.potential, maker.weights)
