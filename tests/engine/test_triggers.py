"""Orders that wait for a price: what is refused, when they are fired, what of them is forgotten.

What they do to an account that watches them is told in `scenarios/stops.txt` and its neighbours.
"""

from typing import Any

import pytest

from tests.engine.conftest import Play
from trading.engine.commands import Cancel, Configure, Fire, Place, Tick
from trading.engine.dry_run import find_touched_accounts
from trading.engine.engine import Engine
from trading.engine.events import Rejected, Triggered, Waited
from trading.engine.types import (
    BUY,
    SELL,
    TRIGGERS_MAX,
    Config,
    MarketStatus,
    OrderOptions,
    Reason,
    Tif,
    Trigger,
    TriggerKind,
    TriggerOn,
)

CREDIT = 1_000_000
ALICE, BOB, CAROL = 1, 2, 3


def open_market(**options: Any) -> Engine:
    engine = Engine(7)
    engine.execute(Configure(MarketStatus.OPEN, Config(True, 2, 100, 100, **options)), 1, {})
    return engine


def place(order_id: str, account_id: int, side: int, price_pips: int, **options: Any) -> Place:
    extra = OrderOptions(**options).or_none()
    return Place(order_id, account_id, account_id, 0, side, price_pips, 100, options=extra)


def run(engine: Engine, *commands: Any) -> list[Any]:
    """Return the events of the last command; everybody has enough."""
    funds = dict.fromkeys((ALICE, BOB, CAROL), 1_000 * CREDIT)
    for command in commands:
        events = engine.execute(command, 1, funds)
    return events


def trade_at(engine: Engine, price_pips: int) -> list[Any]:
    return run(
        engine,
        place(f"maker{price_pips}", BOB, SELL, price_pips),
        place(f"taker{price_pips}", CAROL, BUY, price_pips),
    )


@pytest.mark.parametrize(
    "trigger",
    [
        Trigger(TriggerKind.STOP),
        Trigger(TriggerKind.STOP, 5_050),
        Trigger(TriggerKind.TAKE_PROFIT, 10_000),
        Trigger(TriggerKind.STOP, 5_000, trail_pips=100),
        Trigger(TriggerKind.TRAILING_STOP, 5_000),
        Trigger(TriggerKind.TRAILING_STOP, 5_000, trail_pips=50),
        Trigger(TriggerKind.TRAILING_STOP, 5_000, trail_pips=10_000),
    ],
)
def test_a_trigger_that_can_not_be_is_refused(trigger: Trigger) -> None:
    events = run(open_market(), place("a", ALICE, BUY, 5_000, trigger=trigger))
    assert events == [Rejected("a", Reason.TRIGGER_INVALID)]


def test_an_order_by_budget_has_no_trigger(play: Play) -> None:
    play("alice spends 5 on YES stop=0.60 -> refused: trigger_invalid")


def test_an_account_has_only_so_many_orders_that_wait() -> None:
    engine, trigger = open_market(), Trigger(TriggerKind.STOP, 9_000)
    orders = [place(f"a{n}", ALICE, BUY, 5_000, trigger=trigger) for n in range(TRIGGERS_MAX + 1)]
    assert run(engine, *orders) == [Rejected(f"a{TRIGGERS_MAX}", Reason.TOO_MANY_TRIGGERS)]
    [waited] = run(engine, place("b", BOB, BUY, 5_000, trigger=trigger))
    assert waited == Waited("b", 9_000, 100)
    assert len(run(engine, Cancel("a0", ALICE), orders[-1])) == 1
    assert len(engine.untriggered) == TRIGGERS_MAX + 1


def test_a_stop_sees_each_price_of_a_sweep_and_not_only_the_last(play: Play) -> None:
    play("""
        alice buys 5 YES @ 0.30
        carol buys 5 YES @ 0.40
        dave sells 5 YES market stop=0.42      -> dave1 waits for 0.42
        dave buys 5 YES market take-profit=0.35 -> dave2 waits for 0.35
        bob sells 10 YES @ 0.30
            -> bob1 sells 5 @ 0.40 to carol1, minted; carol1 filled
             ; bob1 sells 5 @ 0.30 to alice1, minted; alice1 filled; bob1 filled
             ; dave1 triggered; dave2 triggered
             ; dave1 fires @ 0.01; dave1 cancelled with 5 left: no_liquidity
             ; dave2 fires @ 0.99; dave2 cancelled with 5 left: no_liquidity
    """)


def test_what_was_triggered_is_fired_whatever_the_price_does_until_then() -> None:
    engine, trigger = open_market(), Trigger(TriggerKind.STOP, 6_000)
    run(engine, place("stop", ALICE, BUY, 9_000, trigger=trigger))
    assert trade_at(engine, 6_000)[-1] == Triggered("stop")
    trade_at(engine, 4_000)
    assert engine.find_next_fire() == Fire("stop", ALICE)
    restored = Engine.restore(engine.snapshot())
    assert restored.state_hash() == engine.state_hash()
    for market in (engine, restored):
        assert [type(event).__name__ for event in run(market, Fire("stop", ALICE))] == [
            "Fired",
            "Rested",
        ]
        assert market.find_next_fire() is None
        again = run(market, Fire("stop", ALICE))
        assert again == [Rejected("stop", Reason.ORDER_UNKNOWN)]


def test_what_is_due_while_a_market_is_halted_is_fired_when_it_opens_again() -> None:
    engine, trigger = open_market(), Trigger(TriggerKind.STOP, 6_000)
    run(engine, place("stop", ALICE, BUY, 9_000, trigger=trigger))
    trade_at(engine, 6_000)
    config = engine.config
    assert config is not None
    run(engine, Configure(MarketStatus.HALTED, config))
    assert engine.find_next_fire() is None
    assert run(engine, Fire("stop", ALICE)) == [Rejected("stop", Reason.MARKET_NOT_OPEN)]
    run(engine, Configure(MarketStatus.OPEN, config))
    assert engine.find_next_fire() == Fire("stop", ALICE)


def test_a_stop_on_the_best_offer_may_be_due_at_once(play: Play) -> None:
    play("""
        bob buys 5 YES @ 0.40
        alice sells 5 YES market stop=0.45 by-best
            -> alice1 waits for 0.45; alice1 triggered; alice1 fires @ 0.30
             ; alice1 sells 5 @ 0.40 to bob1, minted; bob1 filled; alice1 filled
    """)


def test_a_fill_or_kill_order_with_a_trigger_is_killed_when_it_can_not_be_filled(
    play: Play,
) -> None:
    play("""
        bob sells 5 YES @ 0.50
        bob sells 5 YES @ 0.60
        alice buys 6 YES @ 0.60 fok stop=0.50 -> alice1 waits for 0.50
        dave buys 3 YES @ 0.60 fok stop=0.50  -> dave1 waits for 0.50
        carol buys 5 YES @ 0.50
            -> carol1 buys 5 @ 0.50 from bob1, minted; bob1 filled; carol1 filled
             ; alice1 triggered; dave1 triggered
             ; alice1 fires @ 0.60; alice1 cancelled with 6 left: fok_not_fillable
             ; dave1 fires @ 0.60; dave1 buys 3 @ 0.60 from bob2, minted; dave1 filled
    """)


def test_no_command_touches_the_account_of_an_order_that_waits() -> None:
    """So a trade never waits for the accounts of those who only look on."""
    engine = open_market()
    trigger = Trigger(TriggerKind.STOP, 6_000, TriggerOn.BEST)
    run(engine, place("stop", ALICE, BUY, 9_000, trigger=trigger))
    run(engine, place("ask", BOB, SELL, 6_000))
    taker = place("taker", CAROL, BUY, 6_000)
    assert find_touched_accounts(engine, taker, 1) == {BOB, CAROL}
    assert find_touched_accounts(engine, Fire("stop", ALICE), 1) == {ALICE, BOB}


def test_an_expired_order_that_waited_is_gone_from_everywhere() -> None:
    engine, trigger = open_market(), Trigger(TriggerKind.STOP, 6_000)
    options = OrderOptions(expires_at_us=5, trigger=trigger)
    order = Place("gtd", ALICE, ALICE, 0, BUY, 5_000, 100, Tif.GTD, options=options)
    run(engine, order)
    assert find_touched_accounts(engine, Tick(), 5) == {ALICE}
    engine.execute(Tick(), 5, {ALICE: 0})
    assert (engine.untriggered, engine.due, engine.expiries) == ({}, {}, [])
