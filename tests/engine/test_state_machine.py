"""Random commands to the fast engine and the naive one: equal events, equal states, all laws.

10,000 commands at least; `PREDEX_SOAK=1` takes a million, other ones each time. A failure prints
the calls that lead to it, ready to be pasted.
"""

import os

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.engine.generate import BYTES_PER_STEP, Choices, make_config
from tests.engine.pair import MODULES_THAT_COUNT_MAKERS, Pair, run_random_market
from trading.engine.events import (
    Amended,
    Configured,
    Decremented,
    Fired,
    LegAttached,
    LegResized,
    Rested,
    Traded,
    Triggered,
    TriggerMoved,
    Waited,
)
from trading.engine.types import Reason

IS_SOAK = os.environ.get("PREDEX_SOAK") == "1"
COMMANDS_MIN = 50_000 if IS_SOAK else 10_000
SECONDS_MAX = 7_200 if IS_SOAK else 600
ROUNDS = 20 if IS_SOAK else 1  # of COMMANDS_MIN each: hypothesis remembers all of a round
RULES_PER_MARKET = 60
MARKETS = COMMANDS_MIN // (44 if IS_SOAK else 48)  # how long each gets is chance
LONG_MARKETS, LONG_MARKET_STEPS = (50, 2_000) if IS_SOAK else (4, 1_000)

one_step = st.binary(min_size=BYTES_PER_STEP, max_size=BYTES_PER_STEP)


class EnginesAgree(RuleBasedStateMachine):
    """Each rule gives both engines one command, or a few; the pair compares after every one."""

    commands = 0

    @initialize(data=one_step)
    def open_market(self, data: bytes) -> None:
        self.pair = Pair(make_config(Choices(data)))

    @rule(steps=st.lists(one_step, min_size=1, max_size=6))
    def place(self, steps: list[bytes]) -> None:
        for data in steps:
            self.pair.step_place(data)

    @rule(data=one_step)
    def place_one(self, data: bytes) -> None:
        self.pair.step_place(data)

    @rule(data=one_step)
    def amend(self, data: bytes) -> None:
        self.pair.step_amend(data)

    @rule(data=one_step)
    def attach(self, data: bytes) -> None:
        self.pair.step_attach(data)

    @rule(data=one_step)
    def cancel(self, data: bytes) -> None:
        self.pair.step_cancel(data)

    @rule(data=one_step)
    def configure(self, data: bytes) -> None:
        self.pair.step_configure(data)

    @rule(data=one_step)
    def pass_time(self, data: bytes) -> None:
        self.pair.step_time(data)

    @rule(data=one_step)
    def fire(self, data: bytes) -> None:
        self.pair.step_fire(data)

    @rule(data=one_step)
    def change_a_group(self, data: bytes) -> None:
        self.pair.step_group(data)

    @rule(data=one_step, steps=st.lists(one_step, min_size=1, max_size=3))
    def trade_elsewhere(self, data: bytes, steps: list[bytes]) -> None:
        self.pair.step_elsewhere(data)
        for step in steps:
            self.pair.step_place(step)

    @rule(data=one_step)
    def move_money(self, data: bytes) -> None:
        self.pair.step_money(data)

    def teardown(self) -> None:
        self.pair.check_dumps()
        EnginesAgree.commands += self.pair.naive.seq


@pytest.mark.timeout(SECONDS_MAX)
@pytest.mark.parametrize("_round", range(ROUNDS))
def test_fast_and_naive_engine_agree_and_keep_every_law(_round: int) -> None:
    EnginesAgree.commands = 0
    run_state_machine_as_test(
        EnginesAgree,
        settings=settings(
            max_examples=MARKETS,
            stateful_step_count=RULES_PER_MARKET,
            deadline=None,
            derandomize=not IS_SOAK,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert EnginesAgree.commands >= COMMANDS_MIN


@pytest.mark.timeout(SECONDS_MAX)
@pytest.mark.parametrize("seed", range(LONG_MARKETS))
def test_long_markets_agree_too(seed: int) -> None:
    run_random_market(seed, LONG_MARKET_STEPS)


@pytest.mark.parametrize("seed", range(20))
def test_engines_agree_where_a_taker_may_meet_few_makers(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in MODULES_THAT_COUNT_MAKERS:
        monkeypatch.setattr(module, "MAKERS_MET_MAX", 3)
    run_random_market(1_000 + seed, 150)


def test_random_markets_reach_every_reason_and_kind_of_event() -> None:
    """So that the agreement above is about everything the engine can say."""
    met: set[object] = set()
    for seed in range(2_000, 2_035):
        pair = run_random_market(seed, 200)
        met |= {getattr(event, "reason", type(event)) for event in pair.events}
    of_triggers = {Waited, TriggerMoved, Triggered, Fired}
    of_brackets = {LegAttached, LegResized}
    expected = {Amended, Configured, Decremented, Rested, Traded}
    expected |= {*of_triggers, *of_brackets, *Reason}
    of_makers = {Reason.RESTING_REFUSED, Reason.LIQUIDITY_INVALID}
    assert expected - met == {Reason.MATCH_LIMIT, Reason.TOO_MANY_TRIGGERS, *of_makers}
