"""The automated maker's mathematics: against the oracle, against brute force, and its promises."""

import csv
import random
from decimal import ROUND_CEILING, Decimal
from functools import reduce
from pathlib import Path

import pytest

from tests.engine.lmsr_makers import EXACT, PRIORS, SIZES, a_random_maker, at, even, exact_potential
from trading.engine import lmsr as engine_lmsr
from trading.engine.lmsr import (
    LIQUIDITY_LOTS_MAX,
    LIQUIDITY_LOTS_MIN,
    UNIT,
    change_liquidity,
    compute_log_odds,
    compute_most_liquidity_lots,
    compute_price_micros,
    compute_required_micros,
    compute_worst_loss_micros,
    start_lmsr,
    trade_lots,
    trade_sets,
)
from trading.engine.types import BUY, PAYOUT_PIPS, SELL

MICROS = 1_000_000
TRADES = [5_000, pytest.param(100_000, marks=pytest.mark.soak)]


def lots_of(contracts: str | Decimal) -> int:
    lots = Decimal(contracts) * 100
    assert lots == int(lots)
    return int(lots)


def micros_of(credits: str) -> Decimal:
    return Decimal(credits) * MICROS


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


def test_no_trade_costs_more_than_the_payout_or_brings_less_than_nothing() -> None:
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
