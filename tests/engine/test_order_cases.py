"""More of the cases: post-only, cancels, time, market orders and budgets, ends of the ladder."""

from typing import Any

import msgspec
import pytest

from tests.engine.conftest import Play
from tests.engine.pair import MODULES_THAT_COUNT_MAKERS
from trading.engine.commands import (
    Amend,
    AnyCommand,
    Attach,
    Cancel,
    CancelAll,
    CancelGroup,
    ChangeLiquidity,
    Configure,
    Fire,
    Place,
    Tick,
)
from trading.engine.engine import Engine
from trading.engine.events import Rejected, Rested
from trading.engine.types import (
    BUY,
    ORDER_LOTS_MAX,
    POSITION_LOTS_MAX,
    SELL,
    Config,
    Leg,
    MarketStatus,
    OrderOptions,
    Reason,
    Tif,
    Trigger,
    TriggerKind,
)

STOP = Trigger(TriggerKind.STOP, 4_000)
LEGS = (Leg("leg", STOP),)

# 6. Post-only.


def test_post_only_is_refused_against_liquidity_it_would_take(play: Play) -> None:
    play("""
        bob sells 5 YES @ 0.50
        alice buys 5 YES @ 0.50 post-only -> refused: post_only_would_cross
        alice sells 5 NO @ 0.50 post-only -> refused: post_only_would_cross
        alice buys 5 YES @ 0.49 post-only -> alice3 bids 5 @ 0.49
    """)


def test_post_only_is_refused_even_where_it_would_only_meet_itself(play: Play) -> None:
    play("""
        alice sells 5 YES @ 0.50
        alice buys 5 YES @ 0.50 post-only cancel-oldest -> refused: post_only_would_cross
        book YES: - | alice1 5 @ 0.50
    """)


@pytest.mark.parametrize("words", ["ioc", "fok", "market"])
def test_post_only_contradicts_immediate_orders(play: Play, words: str) -> None:
    play(f"alice buys 5 YES @ 0.50 post-only {words} -> refused: post_only_invalid")


# 7. Cancels and amends that find nothing; order ids.


def test_cancel_and_amend_of_what_is_not_there_are_refused_by_name(play: Play) -> None:
    play("""
        alice buys 5 YES @ 0.50
        bob cancels alice1        -> refused: order_unknown
        alice/2 cancels alice1    -> refused: order_unknown
        bob amends alice1 to 3    -> refused: order_unknown
        alice cancels nothing1    -> refused: order_unknown
        bob sells 5 YES @ 0.50
            -> bob1 sells 5 @ 0.50 to alice1, minted; alice1 filled; bob1 filled
        alice cancels alice1      -> refused: order_unknown
        alice amends alice1 to 9  -> refused: order_unknown
        alice buys 5 YES @ 0.50
        alice cancels alice2      -> alice2 cancelled with 5 left: cancelled_by_owner
        alice cancels alice2      -> refused: order_unknown
    """)


def test_an_open_order_id_is_refused_a_second_time(play: Play) -> None:
    play("""
        alice buys 5 YES @ 0.50 id=x        -> x bids 5 @ 0.50
        alice buys 5 YES @ 0.50 id=x        -> refused: duplicate_order_id
        bob sells 500 YES @ 0.30 id=x       -> refused: duplicate_order_id
        book YES: x 5 @ 0.50 | -
    """)


def test_cancel_all_takes_one_account_s_orders_in_order_of_id(play: Play) -> None:
    play("""
        alice buys 5 YES @ 0.50 id=b
        alice sells 5 YES @ 0.60 id=a
        alice/2 buys 5 YES @ 0.50
        bob buys 5 YES @ 0.50
        alice cancels all
            -> a cancelled with 5 left: cancelled_by_owner
             ; b cancelled with 5 left: cancelled_by_owner
        alice has 1000.00 free, 0.00 held, nothing
        book YES: alice/21 5 @ 0.50, bob1 5 @ 0.50 | -
    """)


# 8. Time.


def test_an_order_that_expires_at_the_instant_of_a_command_does_not_trade_with_it(
    play: Play,
) -> None:
    play("""
        at 10: alice buys 5 YES @ 0.50 until=20
        at 19: bob sells 1 YES @ 0.50
            -> bob1 sells 1 @ 0.50 to alice1, minted; bob1 filled
        at 20: bob sells 1 YES @ 0.50 -> alice1 expired with 4 left; bob2 asks 1 @ 0.50
        alice has 999.50 free, 0.00 held, 1 YES
    """)


def test_expiries_come_in_order_of_time_then_id(play: Play) -> None:
    play("""
        at 10: alice buys 1 YES @ 0.50 until=30 id=a
        at 10: alice buys 1 YES @ 0.50 until=20 id=c
        at 10: alice buys 1 YES @ 0.50 until=20 id=b
        at 10: alice buys 1 YES @ 0.50 until=41 id=d
        at 40: time passes -> b expired with 1 left; c expired with 1 left; a expired with 1 left
    """)


def test_money_of_an_order_that_expires_now_is_free_for_the_command(play: Play) -> None:
    play("""
        alice starts with 5
        at 10: alice buys 10 YES @ 0.50 until=20
        at 20: alice buys 10 YES @ 0.50 -> alice1 expired with 10 left; alice2 bids 10 @ 0.50
    """)


def test_expiry_must_lie_ahead_and_belong_to_a_gtd_order(play: Play) -> None:
    play("""
        at 10: alice buys 1 YES @ 0.50 until=10        -> refused: expiry_invalid
        at 10: alice buys 1 YES @ 0.50 gtd             -> refused: expiry_invalid
        at 10: alice buys 1 YES @ 0.50 market until=20 -> refused: expiry_invalid
    """)


def test_a_late_command_is_refused(play: Play) -> None:
    play("""
        at 9: alice buys 1 YES @ 0.50 valid=0   -> refused: too_late
        at 10: alice buys 1 YES @ 0.50 valid=10 -> alice2 bids 1 @ 0.50
        at 11: alice buys 1 YES @ 0.50 valid=10 -> refused: too_late
    """)


def test_the_close_time_binds_by_itself(play: Play) -> None:
    play("""
        market binary, closes 20
        at 19: alice buys 1 YES @ 0.50 -> alice1 bids 1 @ 0.50
        at 20: bob sells 1 YES @ 0.50  -> refused: market_closed
        alice buys 1 YES @ 0.40        -> refused: market_closed
        alice amends alice1 @ 0.40     -> refused: market_closed
        alice cancels alice1           -> alice1 cancelled with 1 left: cancelled_by_owner
    """)


def test_time_never_goes_back(play: Play) -> None:
    play("""
        market binary, closes 20
        at 20: alice buys 1 YES @ 0.50 -> refused: market_closed
        at 10: alice buys 1 YES @ 0.50 -> refused: market_closed
    """)


# 9. Market orders and budgets.


def test_a_budget_buys_what_it_pays_for_and_no_more(play: Play) -> None:
    play("""
        bob sells 10 YES @ 0.50
        bob sells 10 YES @ 0.52
        alice spends 6.05 on YES
            -> alice1 buys 10 @ 0.50 from bob1, minted; bob1 filled
             ; alice1 buys 2 @ 0.52 from bob2, minted; alice1 filled: budget_spent
        alice has 993.96 free, 0.00 held, 12 YES
    """)


def test_a_spent_budget_is_the_reason_whatever_rests_behind(play: Play) -> None:
    play("""
        bob sells 1 YES @ 0.30
        alice spends 0.30 on YES
            -> alice1 buys 1 @ 0.30 from bob1, minted; bob1 filled; alice1 filled: budget_spent
        bob sells 1 YES @ 0.30
        alice spends 0.35 on YES
            -> alice2 buys 1 @ 0.30 from bob2, minted; bob2 filled; alice2 filled: budget_spent
        bob sells 2 YES @ 0.30
        alice spends 0.35 on YES
            -> alice3 buys 1 @ 0.30 from bob3, minted; alice3 filled: budget_spent
        alice sells 1 YES @ 0.40
        alice spends 0.30 on YES
            -> alice5 buys 1 @ 0.30 from bob3, minted; bob3 filled; alice5 filled: budget_spent
        bob sells 1 YES @ 0.30
        alice spends 0.70 on YES up to 0.30
            -> alice6 buys 1 @ 0.30 from bob4, minted; bob4 filled
             ; alice6 cancelled: immediate_remainder
    """)


def test_a_budget_is_spent_at_the_position_limit_too(play: Play) -> None:
    play("""
        market binary, limit 2
        bob sells 2 YES @ 0.30
        alice spends 0.60 on YES
            -> alice1 buys 2 @ 0.30 from bob1, minted; bob1 filled; alice1 filled: budget_spent
    """)


def test_a_budget_binds_however_rich_the_account_is(play: Play) -> None:
    play("""
        alice starts with 1,000,000,000
        bob sells 10 YES @ 0.50
        alice spends 1.20 on YES
            -> alice1 buys 2 @ 0.50 from bob1, minted; alice1 filled: budget_spent
    """)


def test_a_budget_includes_the_fee(play: Play) -> None:
    play("""
        market binary, fees flat 0.00 0.02
        bob sells 20 YES @ 0.50
        alice spends 5.19 on YES
            -> alice1 buys 9 @ 0.50 from bob1, minted, 0.18 taker fee; alice1 filled: budget_spent
        alice spends 0.52 on YES
            -> alice2 buys 1 @ 0.50 from bob1, minted, 0.02 taker fee; alice2 filled: budget_spent
    """)


def test_a_budget_on_no_spends_the_mirrored_price(play: Play) -> None:
    play("""
        bob buys 10 YES @ 0.60
        bob buys 10 YES @ 0.58
        alice spends 4.90 on NO
            -> alice1 sells 10 @ 0.60 to bob1, minted; bob1 filled
             ; alice1 sells 2 @ 0.58 to bob2, minted; alice1 filled: budget_spent
        alice has 995.16 free, 0.00 held, -12 YES
    """)


def test_a_budget_too_small_for_one_step_ends_without_a_trade(play: Play) -> None:
    play("""
        bob sells 10 YES @ 0.50
        alice spends 0.49 on YES -> alice1 cancelled: budget_spent
        alice has 1000.00 free, 0.00 held, nothing
    """)


def test_a_budget_stops_at_its_collar(play: Play) -> None:
    play("""
        bob sells 10 YES @ 0.50
        bob sells 10 YES @ 0.60
        bob sells 10 YES @ 0.61
        alice spends 100 on YES up to 0.50
            -> alice1 buys 10 @ 0.50 from bob1, minted; bob1 filled
             ; alice1 cancelled: immediate_remainder
        bob sells 10 YES @ 0.51
        alice spends 100 on YES
            -> alice2 buys 10 @ 0.51 from bob4, minted; bob4 filled
             ; alice2 buys 10 @ 0.60 from bob2, minted; bob2 filled
             ; alice2 buys 10 @ 0.61 from bob3, minted; bob3 filled
             ; alice2 cancelled: immediate_remainder
    """)


def test_a_market_order_reaches_ten_cents_from_the_best_price_and_never_rests(play: Play) -> None:
    play("""
        bob sells 1 YES @ 0.50
        bob sells 1 YES @ 0.60
        bob sells 1 YES @ 0.61
        alice buys 9 YES market
            -> alice1 buys 1 @ 0.50 from bob1, minted; bob1 filled
             ; alice1 buys 1 @ 0.60 from bob2, minted; bob2 filled
             ; alice1 cancelled with 7 left: immediate_remainder
        alice sells 9 YES market -> alice2 cancelled with 9 left: no_liquidity
        book YES: - | bob3 1 @ 0.61
    """)


def test_a_budget_stops_at_the_account_s_funds(play: Play) -> None:
    play("""
        alice starts with 7
        bob sells 10 YES @ 0.50
        bob sells 10 YES @ 0.52
        alice spends 20 on YES
            -> alice1 buys 10 @ 0.50 from bob1, minted; bob1 filled
             ; alice1 cancelled: insufficient_funds
        alice has 2.00 free, 0.00 held, 10 YES
    """)


def test_a_budget_stops_at_the_position_limit(play: Play) -> None:
    play("""
        market binary, limit 12
        bob sells 10 YES @ 0.50
        carol sells 10 YES @ 0.52
        alice spends 20 on YES
            -> alice1 buys 10 @ 0.50 from bob1, minted; bob1 filled
             ; alice1 buys 2 @ 0.52 from carol1, minted; alice1 cancelled: position_limit
        alice spends 20 on YES  -> refused: position_limit
    """)


def test_budgets_and_quantities_that_make_no_sense_are_refused(play: Play) -> None:
    play("""
        alice spends 0 on YES                -> refused: budget_invalid
        alice spends -1 on YES               -> refused: budget_invalid
        alice spends 5 on YES fok            -> refused: budget_invalid
        alice spends 5 on YES decrement      -> refused: budget_invalid
        alice spends 10000000.000001 on YES  -> refused: budget_invalid
        alice buys YES @ 0.50                -> refused: quantity_not_positive
        alice buys 0 YES @ 0.50              -> refused: quantity_not_positive
        alice buys 0.5 YES @ 0.50            -> refused: quantity_off_step
        alice buys 10000001 YES @ 0.50       -> refused: quantity_too_large
        alice buys 1 YES                     -> refused: price_missing
        alice buys 1 YES @ 1.00              -> refused: price_out_of_range
        alice buys 1 YES @ 0.00              -> refused: price_out_of_range
        alice buys 1 YES @ 0.005             -> refused: price_off_tick
    """)


# 11. The ends of the ladder.


@pytest.mark.parametrize(
    ("tick", "first", "last"),
    [("0.01", "0.01", "0.99"), ("0.001", "0.001", "0.999"), ("0.5", "0.50", "0.50")],
)
def test_the_first_and_the_last_tick_trade(play: Play, tick: str, first: str, last: str) -> None:
    play(f"""
        market binary, tick {tick}
        bob sells 1 YES @ {last}
        alice buys 1 YES @ {last}
            -> alice1 buys 1 @ {last} from bob1, minted; bob1 filled; alice1 filled
        alice buys 1 YES @ {first}
        bob sells 1 YES @ {first}
            -> bob2 sells 1 @ {first} to alice2, minted; alice2 filled; bob2 filled
        book YES: - | -
    """)


def test_a_market_order_s_collar_ends_at_the_ladder_s_ends(play: Play) -> None:
    play("""
        bob sells 1 YES @ 0.98
        bob sells 1 YES @ 0.99
        alice buys 2 YES market
            -> alice1 buys 1 @ 0.98 from bob1, minted; bob1 filled
             ; alice1 buys 1 @ 0.99 from bob2, minted; bob2 filled; alice1 filled
        alice buys 1 YES @ 0.02
        alice buys 1 YES @ 0.01
        bob sells 2 YES market
            -> bob3 sells 1 @ 0.02 to alice2, minted; alice2 filled
             ; bob3 sells 1 @ 0.01 to alice3, minted; alice3 filled; bob3 filled
    """)


def test_a_fine_ladder_keeps_its_order_past_64_ticks(play: Play) -> None:
    play("""
        market binary, tick 0.001
        bob sells 1 YES @ 0.937
        bob sells 1 YES @ 0.064
        bob sells 1 YES @ 0.065
        bob sells 1 YES @ 0.063
        alice buys 4 YES @ 0.999
            -> alice1 buys 1 @ 0.063 from bob4, minted; bob4 filled
             ; alice1 buys 1 @ 0.064 from bob2, minted; bob2 filled
             ; alice1 buys 1 @ 0.065 from bob3, minted; bob3 filled
             ; alice1 buys 1 @ 0.937 from bob1, minted; bob1 filled; alice1 filled
    """)


# The limit of a sweep.


def test_a_taker_meets_a_bounded_number_of_makers(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in MODULES_THAT_COUNT_MAKERS:
        monkeypatch.setattr(module, "MAKERS_MET_MAX", 2)
    play("""
        bob sells 1 YES @ 0.50
        bob sells 1 YES @ 0.51
        bob sells 1 YES @ 0.52
        alice buys 9 YES @ 0.60
            -> alice1 buys 1 @ 0.50 from bob1, minted; bob1 filled
             ; alice1 buys 1 @ 0.51 from bob2, minted; bob2 filled
             ; alice1 cancelled with 7 left: match_limit
        alice buys 1 YES @ 0.60 fok
            -> alice2 buys 1 @ 0.52 from bob3, minted; bob3 filled; alice2 filled
    """)


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("expires_at_us", Reason.EXPIRY_INVALID),
        ("valid_until_us", Reason.TOO_LATE),
        ("budget_micros", Reason.BUDGET_INVALID),
        ("quantity_lots", Reason.QUANTITY_NOT_POSITIVE),
        ("price_pips", Reason.PRICE_OUT_OF_RANGE),
    ],
)
def test_zero_is_a_value_like_any_other_and_not_an_absence(
    engine: Any, field: str, reason: Reason
) -> None:
    funds = {1: 10**9}
    engine.execute(Configure(MarketStatus.OPEN, Config(True, 2, 100, 100)), 1, funds)
    plain = Place("first", 1, 1, 0, BUY, 5_000, 100)
    engine.execute(plain, 2, funds)
    if field in OrderOptions.__struct_fields__:
        odd = msgspec.structs.replace(plain, order_id="second", options=OrderOptions(**{field: 0}))
    else:
        odd = msgspec.structs.replace(plain, order_id="second", **{field: 0})
    assert engine.execute(odd, 3, funds) == [Rejected("second", reason)]


@pytest.mark.parametrize("binary", [True, False])
def test_no_position_with_its_open_orders_exceeds_what_64_bits_take(binary: bool) -> None:
    engine, funds = Engine(1), {1: 10**17, 2: 10**17}
    engine.execute(Configure(MarketStatus.OPEN, Config(binary, 2, 10, 1)), 0, funds)
    half = POSITION_LOTS_MAX // ORDER_LOTS_MAX // 2
    for number in range(half):
        engine.execute(Place(f"bid{number}", 1, 1, 0, BUY, 10, ORDER_LOTS_MAX), 0, funds)
        engine.execute(Place(f"hit{number}", 2, 2, 0, SELL, 10, ORDER_LOTS_MAX), 0, funds)
        engine.execute(Place(f"open{number}", 1, 1, 0, BUY, 10, ORDER_LOTS_MAX), 0, funds)
        engine.execute(Place(f"keep{number}", 2, 2, 0, SELL, 9_990, ORDER_LOTS_MAX), 0, funds)
        engine.execute(Cancel(f"open{number}", 1), 0, funds)
    for number in range(half):
        bid = Place(f"last{number}", 1, 1, 0, BUY, 10, ORDER_LOTS_MAX)
        assert isinstance(engine.execute(bid, 0, funds)[-1], Rested)
    refused = [Rejected("over", Reason.POSITION_LIMIT)]
    assert engine.execute(Place("over", 1, 1, 0, BUY, 10, 1), 0, funds) == refused
    assert engine.execute(Place("over", 2, 2, 0, SELL, 9_990, 1), 0, funds) == refused


@pytest.mark.parametrize(
    ("command", "reasons"),
    [
        (Place("a", 1, 1, 0, BUY, 5_000, 100), [Reason.MARKET_NOT_OPEN]),
        (Place("a", 1, 1, 0, BUY, 5_000, 100, Tif.FOK), [Reason.MARKET_NOT_OPEN]),
        (Place("a", 1, 1, 0, BUY, options=OrderOptions(is_market=True, budget_micros=100)),
         [Reason.MARKET_NOT_OPEN]),
        (Place("a", 1, 1, 0, BUY, 5_000, 100, options=OrderOptions(trigger=STOP)),
         [Reason.MARKET_NOT_OPEN]),
        (Place("a", 1, 1, 0, BUY, 5_000, 100, options=OrderOptions(legs=LEGS)),
         [Reason.MARKET_NOT_OPEN]),
        (Attach("a", 1, 1, 0, LEGS), [Reason.MARKET_NOT_OPEN]),
        (Fire("a", 1), [Reason.ORDER_UNKNOWN]),
        (Amend("a", 1, price_pips=5_000), [Reason.MARKET_NOT_OPEN]),
        (Cancel("a", 1), [Reason.ORDER_UNKNOWN]),
        (CancelAll(1), []),
        (CancelGroup("g", 1), []),
        (Tick(), []),
    ],
)  # fmt: skip
def test_a_market_that_was_never_configured_refuses_every_command(
    engine: Any, command: AnyCommand, reasons: list[Reason]
) -> None:
    events = engine.execute(command, 1, {1: 10**9})
    assert [(type(event), event.reason) for event in events] == [
        (Rejected, reason) for reason in reasons
    ]


def test_a_market_that_was_never_configured_has_no_maker() -> None:
    [event] = Engine(1).execute(ChangeLiquidity(1, 100), 1, {1: 10**9})
    assert event == Rejected("", Reason.MARKET_NOT_OPEN)
