"""The cases that must come out right, over the fast engine and the naive one.

The language of the stories is explained in `scenario`. Cases about replay, snapshots and long
queues are in `test_determinism`; client order ids are the business of order entry.
"""

from pathlib import Path

import pytest

from tests.engine.conftest import Play

SCENARIOS = sorted((Path(__file__).parent / "scenarios").glob("*.txt"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_golden_scenarios(play: Play, path: Path) -> None:
    play(path.read_text(encoding="utf-8"))


# 1. A trade happens at the resting order's price; YES and NO are one book.


def test_a_buyer_at_70_takes_an_ask_at_60_for_60(play: Play) -> None:
    play("""
        bob sells 10 YES @ 0.60
        alice buys 10 YES @ 0.70
            -> alice1 buys 10 @ 0.60 from bob1, minted; bob1 filled; alice1 filled
        alice has 994.00 free, 0.00 held, 10 YES
        bob has 996.00 free, 0.00 held, -10 YES
    """)


def test_buying_no_at_40_takes_a_yes_bid_at_60(play: Play) -> None:
    play("""
        bob buys 10 YES @ 0.60
        alice buys 10 NO @ 0.40
            -> alice1 sells 10 @ 0.60 to bob1, minted; bob1 filled; alice1 filled
        alice has 996.00 free, 0.00 held, -10 YES
    """)


def test_buying_no_at_39_rests_as_an_ask_at_61(play: Play) -> None:
    play("""
        bob buys 10 YES @ 0.60   -> bob1 bids 10 @ 0.60
        alice buys 10 NO @ 0.39  -> alice1 asks 10 @ 0.61
        alice has 996.10 free, 3.90 held, nothing
    """)


def test_at_one_price_the_first_to_come_is_the_first_to_trade(play: Play) -> None:
    play("""
        alice buys 3 YES @ 0.50
        bob buys 3 YES @ 0.50
        carol buys 3 YES @ 0.51
        dave sells 7 YES @ 0.50
            -> dave1 sells 3 @ 0.51 to carol1, minted; carol1 filled
             ; dave1 sells 3 @ 0.50 to alice1, minted; alice1 filled
             ; dave1 sells 1 @ 0.50 to bob1, minted; dave1 filled
        book YES: bob1 2 @ 0.50 | -
    """)


# 2. Amends.


def test_amending_to_less_keeps_the_place_in_the_queue(play: Play) -> None:
    play("""
        alice buys 10 YES @ 0.50
        bob buys 10 YES @ 0.50
        alice amends alice1 to 4 -> alice1 amended to 4 @ 0.50, keeps its place
        alice has 998.00 free, 2.00 held
        book YES: alice1 4 @ 0.50, bob1 10 @ 0.50 | -
    """)


def test_amending_to_more_loses_the_place_in_the_queue(play: Play) -> None:
    play("""
        alice buys 4 YES @ 0.50
        bob buys 10 YES @ 0.50
        alice amends alice1 to 5
            -> alice1 amended to 5 @ 0.50, loses its place; alice1 bids 5 @ 0.50
        book YES: bob1 10 @ 0.50, alice1 5 @ 0.50 | -
    """)


def test_amending_the_price_loses_the_place_even_there_and_back(play: Play) -> None:
    play("""
        alice buys 4 YES @ 0.50
        bob buys 10 YES @ 0.50
        alice amends alice1 @ 0.49
            -> alice1 amended to 4 @ 0.49, loses its place; alice1 bids 4 @ 0.49
        alice amends alice1 to 3 @ 0.50
            -> alice1 amended to 3 @ 0.50, loses its place; alice1 bids 3 @ 0.50
        book YES: bob1 10 @ 0.50, alice1 3 @ 0.50 | -
    """)


def test_an_amend_that_crosses_trades_as_taker_at_the_resting_price(play: Play) -> None:
    play("""
        market binary, fees flat 0.01 0.02
        bob sells 4 YES @ 0.55
        alice buys 10 YES @ 0.50
        alice amends alice1 @ 0.60
            -> alice1 amended to 10 @ 0.60, loses its place
             ; alice1 buys 4 @ 0.55 from bob1, minted, 0.08 taker fee, 0.04 maker fee
             ; bob1 filled; alice1 bids 6 @ 0.60
    """)


def test_amending_to_no_more_than_what_is_filled_cancels_the_rest(play: Play) -> None:
    play("""
        alice buys 10 YES @ 0.50
        bob sells 4 YES @ 0.50
        alice amends alice1 to 4
            -> alice1 cancelled with 6 left: amended_to_filled
        alice has 998.00 free, 0.00 held, 4 YES
    """)


def test_an_amended_total_counts_what_was_filled_before(play: Play) -> None:
    play("""
        alice buys 10 YES @ 0.50
        bob sells 4 YES @ 0.50
        alice amends alice1 to 6 -> alice1 amended to 6 @ 0.50, keeps its place
        book YES: alice1 2 @ 0.50 | -
        alice amends alice1 to 9
            -> alice1 amended to 9 @ 0.50, loses its place; alice1 bids 5 @ 0.50
    """)


def test_a_post_only_amend_that_would_cross_leaves_the_order_as_it_was(play: Play) -> None:
    play("""
        bob sells 5 YES @ 0.55
        alice buys 5 YES @ 0.50 post-only
        carol buys 5 YES @ 0.50
        alice amends alice1 to 9 @ 0.55 -> refused: post_only_would_cross
        alice has 997.50 free, 2.50 held, nothing
        book YES: alice1 5 @ 0.50, carol1 5 @ 0.50 | bob1 5 @ 0.55
    """)


def test_an_amend_that_the_account_cannot_afford_leaves_the_order_as_it_was(play: Play) -> None:
    play("""
        alice starts with 5
        alice buys 10 YES @ 0.50
        alice amends alice1 @ 0.53 -> refused: insufficient_funds, 0.30 missing
        alice has 0.00 free, 5.00 held, nothing
        book YES: alice1 10 @ 0.50 | -
    """)


def test_an_amend_that_changes_nothing_is_refused(play: Play) -> None:
    play("""
        alice buys 10 YES @ 0.50
        alice amends alice1              -> refused: nothing_to_amend
        alice amends alice1 to 10 @ 0.50 -> refused: nothing_to_amend
        alice amends alice1 @ 0.505      -> refused: price_off_tick
        alice amends alice1 @ 1.00       -> refused: price_out_of_range
        alice amends alice1 to 0         -> refused: quantity_not_positive
        alice amends alice1 to 1.5       -> refused: quantity_off_step
    """)


# 3. Fill or kill.


def test_a_killed_fok_leaves_no_trace(play: Play) -> None:
    play("""
        alice sells 4 YES @ 0.50
        bob sells 4 YES @ 0.51
        alice/2 buys 9 YES @ 0.55 fok cancel-oldest
            -> alice/21 cancelled with 9 left: fok_not_fillable
        alice/2 buys 8 YES @ 0.55 fok decrement
            -> alice/22 cancelled with 8 left: fok_not_fillable
        book YES: - | alice1 4 @ 0.50, bob1 4 @ 0.51
        alice/2 has 1000.00 free, 0.00 held, nothing
    """)


def test_a_fok_counts_only_the_orders_of_others(play: Play) -> None:
    play("""
        alice sells 4 YES @ 0.50
        bob sells 4 YES @ 0.51
        alice/2 buys 4 YES @ 0.55 fok   -> alice/21 cancelled with 4 left: fok_not_fillable
        alice/2 buys 4 YES @ 0.55 fok cancel-oldest
            -> alice1 cancelled with 4 left: self_trade
             ; alice/22 buys 4 @ 0.51 from bob1, minted; bob1 filled; alice/22 filled
    """)


def test_a_fok_that_self_trade_prevention_would_shrink_is_killed(play: Play) -> None:
    play("""
        alice sells 4 YES @ 0.50
        bob sells 9 YES @ 0.51
        alice/2 buys 9 YES @ 0.55 fok decrement
            -> alice/21 cancelled with 9 left: fok_not_fillable
        book YES: - | alice1 4 @ 0.50, bob1 9 @ 0.51
    """)


def test_a_fok_counts_a_position_that_reduce_only_orders_share_once(play: Play) -> None:
    play("""
        alice buys 5 YES @ 0.50
        bob sells 5 YES @ 0.50
        alice sells 5 YES @ 0.55 reduce-only
        alice sells 5 YES @ 0.56 reduce-only
        carol buys 10 YES @ 0.60 fok -> carol1 cancelled with 10 left: fok_not_fillable
        carol buys 5 YES @ 0.60 fok
            -> carol2 buys 5 @ 0.55 from alice2; alice2 filled; carol2 filled
        dave buys 1 YES @ 0.60 fok   -> dave1 cancelled with 1 left: fok_not_fillable
        book YES: - | alice3 5 @ 0.56
        dave buys 1 YES @ 0.60 ioc
            -> alice3 cancelled with 5 left: reduce_only
             ; dave2 cancelled with 1 left: immediate_remainder
    """)


def test_a_fok_that_its_account_cannot_pay_in_full_is_killed(play: Play) -> None:
    play("""
        alice starts with 5
        bob sells 5 YES @ 0.50
        bob sells 5 YES @ 0.51
        alice buys 10 YES @ 0.60 fok -> alice1 cancelled with 10 left: fok_not_fillable
        alice has 5.00 free, 0.00 held, nothing
        alice starts with 5.05
        alice buys 10 YES @ 0.60 fok
            -> alice2 buys 5 @ 0.50 from bob1, minted; bob1 filled
             ; alice2 buys 5 @ 0.51 from bob2, minted; bob2 filled; alice2 filled
        alice has 0.00 free, 0.00 held, 10 YES
    """)


# 4. Self-trade prevention.


def test_fills_before_a_self_trade_stand_and_the_newest_never_rests(play: Play) -> None:
    play("""
        bob sells 3 YES @ 0.50
        alice sells 3 YES @ 0.51
        carol sells 3 YES @ 0.52
        alice/2 buys 9 YES @ 0.55
            -> alice/21 buys 3 @ 0.50 from bob1, minted; bob1 filled
             ; alice/21 cancelled with 6 left: self_trade
        book YES: - | alice1 3 @ 0.51, carol1 3 @ 0.52
        alice/2 has 998.50 free, 0.00 held, 3 YES
    """)


def test_cancel_oldest_clears_own_orders_out_of_the_way(play: Play) -> None:
    play("""
        alice sells 3 YES @ 0.50
        alice/2 sells 2 YES @ 0.50
        bob sells 3 YES @ 0.51
        alice buys 9 YES @ 0.55 cancel-oldest
            -> alice1 cancelled with 3 left: self_trade
             ; alice/21 cancelled with 2 left: self_trade
             ; alice2 buys 3 @ 0.51 from bob1, minted; bob1 filled; alice2 bids 6 @ 0.55
    """)


def test_cancel_both_cancels_exactly_one_resting_order(play: Play) -> None:
    play("""
        bob sells 1 YES @ 0.49
        alice sells 3 YES @ 0.50
        alice sells 2 YES @ 0.50
        alice/2 buys 9 YES @ 0.55 cancel-both
            -> alice/21 buys 1 @ 0.49 from bob1, minted; bob1 filled
             ; alice1 cancelled with 3 left: self_trade
             ; alice/21 cancelled with 8 left: self_trade
        book YES: - | alice2 2 @ 0.50
    """)


def test_decrement_shrinks_both_and_the_smaller_dies(play: Play) -> None:
    play("""
        alice sells 3 YES @ 0.50
        alice/2 buys 9 YES @ 0.55 decrement
            -> alice1 cancelled with 3 left: self_trade; alice/21 shrinks by 3 to 6
             ; alice/21 bids 6 @ 0.55
        alice sells 4 YES @ 0.55 decrement
            -> alice/21 shrinks by 4 to 2; alice2 cancelled with 4 left: self_trade
        alice has 1000.00 free, 0.00 held, nothing
        alice/2 has 998.90 free, 1.10 held, nothing
    """)


def test_decrement_of_equal_sizes_kills_both(play: Play) -> None:
    play("""
        alice sells 3 YES @ 0.50
        bob sells 3 YES @ 0.50
        alice/2 buys 3 YES @ 0.55 decrement
            -> alice1 cancelled with 3 left: self_trade
             ; alice/21 cancelled with 3 left: self_trade
        book YES: - | bob1 3 @ 0.50
    """)


def test_a_shrunk_maker_keeps_its_place(play: Play) -> None:
    play("""
        alice sells 5 YES @ 0.50
        bob sells 5 YES @ 0.50
        alice/2 buys 3 YES @ 0.50 decrement
            -> alice1 shrinks by 3 to 2; alice/21 cancelled with 3 left: self_trade
        book YES: - | alice1 2 @ 0.50, bob1 5 @ 0.50
    """)


# 5. Reduce-only.


def test_reduce_only_is_clipped_at_the_position_and_the_rest_cancelled(play: Play) -> None:
    play("""
        alice buys 5 YES @ 0.50
        bob sells 5 YES @ 0.50
        carol buys 3 YES @ 0.48
        carol buys 9 YES @ 0.47
        alice sells 20 YES @ 0.40 reduce-only
            -> alice2 sells 3 @ 0.48 to carol1; carol1 filled
             ; alice2 sells 2 @ 0.47 to carol2; alice2 cancelled with 15 left: reduce_only
        alice has 999.88 free, 0.00 held, nothing
    """)


def test_a_resting_reduce_only_order_never_flips_the_position(play: Play) -> None:
    play("""
        alice buys 5 YES @ 0.50
        bob sells 5 YES @ 0.50
        alice sells 8 YES @ 0.60 reduce-only -> alice2 asks 8 @ 0.60
        carol buys 8 YES @ 0.60
            -> carol1 buys 5 @ 0.60 from alice2; alice2 cancelled with 3 left: reduce_only
             ; carol1 bids 3 @ 0.60
        alice has 1000.50 free, 0.00 held, nothing
    """)


def test_reduce_only_needs_a_position_on_the_other_side(play: Play) -> None:
    play("""
        alice sells 1 YES @ 0.50 reduce-only -> refused: reduce_only_no_position
        alice buys 5 YES @ 0.50
        bob sells 5 YES @ 0.50
        alice buys 1 YES @ 0.50 reduce-only  -> refused: reduce_only_no_position
        bob sells 1 YES @ 0.50 reduce-only   -> refused: reduce_only_no_position
        bob buys 1 YES @ 0.40 reduce-only    -> bob3 bids 1 @ 0.40
    """)


def test_an_immediate_reduce_only_order_names_why_it_stopped(play: Play) -> None:
    play("""
        alice buys 2 YES @ 0.50
        bob sells 2 YES @ 0.50
        carol buys 2 YES @ 0.48
        alice sells 3 YES @ 0.40 reduce-only ioc
            -> alice2 sells 2 @ 0.48 to carol1; carol1 filled
             ; alice2 cancelled with 1 left: reduce_only
    """)


def test_a_complete_set_is_no_position_to_reduce(play: Play) -> None:
    play("""
        market of A B C
        house sells 5 A @ 0.30
        house sells 5 B @ 0.30
        house sells 9 C @ 0.30
        alice buys 5 A @ 0.30
        alice buys 5 B @ 0.30
        alice buys 9 C @ 0.30
        alice sells 5 A @ 0.20 reduce-only -> refused: reduce_only_no_position
        alice sells 9 C @ 0.40 reduce-only -> alice5 asks 9 @ 0.40
        bob buys 9 C @ 0.40
            -> bob1 buys 4 @ 0.40 from alice5; alice5 cancelled with 5 left: reduce_only
             ; bob1 bids 5 @ 0.40
    """)


def test_a_halt_cancels_the_orders_that_asked_for_it(play: Play) -> None:
    play("""
        market of YES NO
        alice buys 5 YES @ 0.40
        alice buys 4 YES @ 0.45 cancel-on-halt
        bob sells 3 YES @ 0.45 -> bob1 sells 3 @ 0.45 to alice2, minted; bob1 filled
        market halts           -> market halted; alice2 cancelled with 1 left: market_halted
        market opens           -> market open
        bob sells 5 YES @ 0.40 -> bob2 sells 5 @ 0.40 to alice1, minted; alice1 filled; bob2 filled
    """)
