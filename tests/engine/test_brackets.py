"""Brackets: what is refused, what legs see, whom they touch. What they do is in the scenarios."""

from typing import Any

import pytest

from tests.engine.conftest import Play
from tests.engine.test_triggers import ALICE, BOB, CAROL, CREDIT, open_market, place, run
from trading.engine.commands import Attach, Configure, Fire, Place
from trading.engine.dry_run import find_touched_accounts
from trading.engine.engine import Engine
from trading.engine.events import LegAttached, LegResized, Rejected
from trading.engine.types import (
    BUY,
    SELL,
    TRIGGERS_MAX,
    Config,
    Leg,
    MakerTerms,
    MarketStatus,
    OrderOptions,
    Reason,
    Tif,
    Trigger,
    TriggerKind,
)

PROFIT = Leg("profit", Trigger(TriggerKind.TAKE_PROFIT, 7_000))
LOSS = Leg("loss", Trigger(TriggerKind.STOP, 3_000))


def enter(*legs: Leg, price_pips: int = 5_000, **options: Any) -> Place:
    return place("entry", ALICE, BUY, price_pips, legs=legs, **options)


@pytest.mark.parametrize(
    ("legs", "options", "reason"),
    [
        ((PROFIT, PROFIT), {}, Reason.BRACKET_INVALID),
        ((Leg("entry", LOSS.trigger),), {}, Reason.BRACKET_INVALID),
        ((Leg("a", LOSS.trigger), Leg("b", Trigger(TriggerKind.TAKE_PROFIT, 3_000))), {},
         Reason.BRACKET_INVALID),
        ((Leg("known", LOSS.trigger),), {}, Reason.DUPLICATE_ORDER_ID),
        ((Leg("a", Trigger(TriggerKind.STOP, 3_050)),), {}, Reason.TRIGGER_INVALID),
        ((Leg("a", Trigger(TriggerKind.TRAILING_STOP, 3_000)),), {}, Reason.TRIGGER_INVALID),
        ((Leg("a", LOSS.trigger, 3_050),), {}, Reason.PRICE_OFF_TICK),
    ],
)  # fmt: skip
def test_legs_that_can_not_be_are_refused_with_their_entry(
    legs: tuple[Leg, ...], options: dict[str, Any], reason: Reason
) -> None:
    engine = open_market()
    run(engine, place("known", BOB, BUY, 1_000))
    assert run(engine, enter(*legs, **options)) == [Rejected("entry", reason)]
    assert (engine.brackets, engine.untriggered) == ({}, {})


def test_an_order_that_only_reduces_has_no_legs() -> None:
    engine = open_market()
    run(engine, place("ask", BOB, SELL, 5_000), place("bid", ALICE, BUY, 5_000))
    closing = place("entry", ALICE, SELL, 5_000, reduce_only=True, legs=(LOSS,))
    assert run(engine, closing) == [Rejected("entry", Reason.BRACKET_INVALID)]


def test_an_entry_without_funds_leaves_no_legs() -> None:
    engine = open_market()
    [rejected] = engine.execute(enter(PROFIT), 1, {ALICE: 0})
    assert isinstance(rejected, Rejected)
    assert (engine.brackets, engine.bracket_ids) == ({}, {})


def test_legs_count_among_the_orders_of_an_account_that_wait() -> None:
    engine, stop = open_market(), Trigger(TriggerKind.STOP, 9_000)
    run(engine, *(place(f"a{n}", ALICE, BUY, 5_000, trigger=stop) for n in range(TRIGGERS_MAX - 1)))
    assert run(engine, enter(PROFIT, LOSS)) == [Rejected("entry", Reason.TOO_MANY_TRIGGERS)]
    assert isinstance(run(engine, enter(LOSS))[-1], LegAttached)


def test_a_stop_loss_sees_the_rest_of_the_sweep_that_filled_its_entry_and_nothing_before(
    play: Play,
) -> None:
    play("""
        bob buys 5 YES @ 0.60
        carol buys 5 YES @ 0.30
        alice buys 5 YES @ 0.50 profit=0.55 loss=0.35
        dave sells 15 YES @ 0.30
            -> dave1 sells 5 @ 0.60 to bob1, minted; bob1 filled
             ; dave1 sells 5 @ 0.50 to alice1, minted; alice1 filled
             ; dave1 sells 5 @ 0.30 to carol1, minted; carol1 filled; dave1 filled
             ; alice1.loss is to close 5; alice1.profit is to close 5; alice1.loss triggered
             ; alice1.loss fires @ 0.01; alice1.loss cancelled with 5 left: no_liquidity
    """)


def test_an_own_order_in_the_way_of_a_leg_is_cancelled(play: Play) -> None:
    play("""
        bob sells 5 YES @ 0.50
        alice buys 5 YES @ 0.50 loss=0.40
        carol buys 1 YES @ 0.40
        alice buys 5 YES @ 0.38
        bob buys 5 YES @ 0.35
        dave sells 1 YES @ 0.40
            -> dave1 sells 1 @ 0.40 to carol1, minted; carol1 filled; dave1 filled
             ; alice1.loss triggered
             ; alice1.loss fires @ 0.28; alice2 cancelled with 5 left: self_trade
             ; alice1.loss sells 5 @ 0.35 to bob2, merged; bob2 filled; alice1.loss filled
    """)


def test_filling_an_entry_touches_no_one_but_those_who_trade() -> None:
    engine = open_market()
    run(engine, enter(PROFIT, LOSS))
    taker = place("taker", BOB, SELL, 5_000)
    assert find_touched_accounts(engine, taker, 1) == {ALICE, BOB}
    resized = [event for event in run(engine, taker) if isinstance(event, LegResized)]
    assert [event.remaining_lots for event in resized] == [100, 100]
    assert find_touched_accounts(engine, Fire("loss", ALICE), 1) == {ALICE}


def test_the_id_of_a_bracket_is_taken_as_long_as_it_has_legs() -> None:
    engine = open_market()
    run(engine, enter(LOSS), place("taker", BOB, SELL, 5_000))
    assert run(engine, enter(PROFIT)) == [Rejected("entry", Reason.DUPLICATE_ORDER_ID)]
    attach = Attach("entry", ALICE, ALICE, 0, (PROFIT,))
    assert run(engine, attach) == [Rejected("entry", Reason.DUPLICATE_ORDER_ID)]


def test_legs_close_with_the_automated_maker_what_was_bought_of_it() -> None:
    terms = MakerTerms(98, 99, 10_000, (1, 1), rests_refused=True)
    funds = dict.fromkeys((ALICE, BOB, CAROL, 98, 99), 1_000 * CREDIT)
    engine = Engine(7)
    opening = Configure(MarketStatus.OPEN, Config(True, 2, 100, 100, maker=terms))
    engine.execute(opening, 1, funds)

    def take(order_id: str, account_id: int, side: int, price_pips: int, *legs: Leg) -> list[Any]:
        options = OrderOptions(legs=legs).or_none()
        order = Place(
            *(order_id, account_id, account_id, 0, side, price_pips, 500, Tif.IOC), options=options
        )
        return engine.execute(order, 1, funds)

    limited, loss = Leg("loss", LOSS.trigger, 2_000), Leg("loss", Trigger(TriggerKind.STOP, 4_900))
    refused = take("entry", ALICE, BUY, 9_000, limited)
    assert refused == [Rejected("entry", Reason.RESTING_REFUSED)]
    assert take("entry", ALICE, BUY, 9_000, loss)[-1] == LegResized("loss", 500)
    assert engine.state_hash() == Engine.restore(engine.snapshot()).state_hash()
    for number in range(4):
        take(f"down{number}", BOB, SELL, 1_000)
    assert engine.find_next_fire() == Fire("loss", ALICE)
    engine.execute(Fire("loss", ALICE), 1, funds)
    assert (engine.accounts[ALICE].net_lots, engine.brackets) == ([0], {})
