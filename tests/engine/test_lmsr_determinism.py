"""An automated maker is the same on every machine, to the last digit."""

import _pydecimal
import importlib.util
import random
import sys
from decimal import Clamped, Context, Decimal, Inexact, Rounded, localcontext
from typing import Any

import msgspec
import pytest

from tests.engine.lmsr_makers import EXACT, PRIORS, a_random_maker
from trading.engine import decimals
from trading.engine import lmsr as engine_lmsr
from trading.engine.lmsr import (
    Lmsr,
    LmsrState,
    change_liquidity,
)
from trading.engine.types import BUY, SELL


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


def trade_at_random(module: Any, seed: int, steps: int) -> list[Any]:
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
        numbers, maker = trade_at_random(engine_lmsr, seed, 6)
        other_numbers, other = trade_at_random(in_python, seed, 6)
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
        assert trade_at_random(engine_lmsr, seed, 10)[0] == trade_at_random(finer, seed, 10)[0]


def test_the_thread_s_own_context_is_never_used() -> None:
    numbers = trade_at_random(engine_lmsr, 1, 5)[0]
    with localcontext(Context(prec=1, traps=[Inexact, Rounded, Clamped])):
        again = load_lmsr_on(load_copy(decimals))
        assert trade_at_random(again, 1, 5)[0] == numbers


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
