"""Every kind of order against books that are matched with one another.

Stories for the fast engine and the naive one, in the language of `scenario`; what a match across
books is defined in `scenarios/across_*.txt`, its invariants in `test_across_laws`.
"""

import pytest

from tests.engine.conftest import Play
from tests.engine.pair import MODULES_THAT_COUNT_MAKERS
from tests.engine.scenario import HOUSE
from trading.engine.commands import Configure, Place
from trading.engine.dry_run import find_touched_accounts
from trading.engine.engine import Engine
from trading.engine.events import Ended
from trading.engine.types import BUY, SELL, Config, MarketStatus, OrderOptions, Reason

# Fill or kill, immediate or cancel.


def test_a_fok_counts_what_it_can_have_across_books(play: Play) -> None:
    play("""
        market of A B C, matched across
        alice buys 10 A @ 0.30
        bob buys 6 B @ 0.45
        carol sells 4 C @ 0.26
        dave buys 11 C @ 0.26 fok -> dave1 cancelled with 11 left: fok_not_fillable
        dave buys 10 C @ 0.26 fok
            -> dave2 buys 6 @ 0.25, minted with alice1 @ 0.30 and bob1 @ 0.45; bob1 filled
             ; dave2 buys 4 @ 0.26 from carol1, minted; carol1 filled; dave2 filled
    """)


def test_a_killed_fok_leaves_no_trace_in_any_book(play: Play) -> None:
    play("""
        market of A B C, matched across
        alice sells 3 A @ 0.30
        bob sells 6 B @ 0.45
        dave sells 4 C @ 0.25 fok -> dave1 cancelled with 4 left: fok_not_fillable
        book A: - | alice1 3 @ 0.30
        book B: - | bob1 6 @ 0.45
        book C: - | -
        dave has 1000.00 free, 0.00 held, nothing
        house has 1000.00 free, 0.00 held, nothing
        dave sells 3 C @ 0.25 fok
            -> dave2 sells 3 @ 0.25, merged with alice1 @ 0.30 and bob1 @ 0.45
             ; alice1 filled; dave2 filled
    """)


def test_an_ioc_takes_what_there_is_across_books_and_ends(play: Play) -> None:
    play("""
        market of A B C, matched across
        alice buys 2 A @ 0.30
        bob buys 6 B @ 0.45
        dave buys 4 C @ 0.50 ioc
            -> dave1 buys 2 @ 0.25, minted with alice1 @ 0.30 and bob1 @ 0.45; alice1 filled
             ; dave1 cancelled with 2 left: immediate_remainder
        # What is left would pay 0.55 to a lone bid of 0.45.
        book B: bob1 4 @ 0.45 | -
    """)


def test_an_ioc_is_stopped_where_its_money_does_not_reach(play: Play) -> None:
    play("""
        market of A B C, matched across
        alice buys 9 A @ 0.30
        bob buys 4 B @ 0.45
        bob buys 5 B @ 0.20
        dave starts with 2.99
        dave buys 9 C @ 0.60 ioc
            -> dave1 buys 4 @ 0.25, minted with alice1 @ 0.30 and bob1 @ 0.45; bob1 filled
             ; dave1 cancelled with 5 left: insufficient_funds
        dave has 1.99 free, 0.00 held, 4 C
        dave starts with 2.50
        dave buys 5 C @ 0.50 ioc
            -> dave2 buys 5 @ 0.50, minted with alice1 @ 0.30 and bob2 @ 0.20
             ; alice1 filled; bob2 filled; dave2 filled
        dave has 0.00 free, 0.00 held, 9 C
    """)


def test_a_seller_of_the_last_outcome_of_a_set_needs_no_money_to_merge(play: Play) -> None:
    play("""
        market of A B C, matched across
        alice sells 5 A @ 0.30
        bob sells 5 B @ 0.45
        dave starts with 3.74
        dave sells 5 C @ 0.20 ioc -> dave1 cancelled with 5 left: insufficient_funds
        dave starts with 3.75
        dave sells 5 C @ 0.20 ioc
            -> dave2 sells 5 @ 0.25, merged with alice1 @ 0.30 and bob1 @ 0.45
             ; alice1 filled; bob1 filled; dave2 filled
        dave has 0.00 free, 0.00 held, -5 C
        alice has 996.50 free, 0.00 held, -5 A
        house has 1000.00 free, 0.00 held, 5 A, 5 B, 5 C
    """)


def test_what_an_ioc_s_own_leg_costs_is_held_already(play: Play) -> None:
    play("""
        market of A B C, matched across
        alice buys 10 A @ 0.30
        bob buys 10 B @ 0.45
        alice starts with 2.49
        alice buys 10 C @ 0.30 ioc -> alice2 cancelled with 10 left: insufficient_funds
        alice starts with 2.50
        alice buys 10 C @ 0.30 ioc
            -> alice3 buys 10 @ 0.25, minted with alice1 @ 0.30 and bob1 @ 0.45
             ; alice1 filled; bob1 filled; alice3 filled
        alice has 0.00 free, 0.00 held, 10 A, 10 C
    """)


# Post-only, market orders, budgets.


def test_post_only_is_refused_against_what_it_would_take_across_books(play: Play) -> None:
    play("""
        market of A B C, matched across
        alice buys 5 A @ 0.30
        bob buys 5 B @ 0.45
        carol buys 1 C @ 0.25 post-only -> refused: post_only_would_cross
        carol buys 1 C @ 0.24 post-only -> carol2 bids 1 @ 0.24
        dave sells 5 A @ 0.31
        erin sells 5 B @ 0.46
        carol sells 1 C @ 0.23 post-only -> refused: post_only_would_cross
        carol sells 1 C @ 0.25 post-only -> carol4 asks 1 @ 0.25
    """)


def test_a_market_order_s_collar_is_from_the_implied_price(play: Play) -> None:
    play("""
        market of A B C, matched across
        alice buys 2 A @ 0.30
        alice buys 2 A @ 0.20
        alice buys 2 A @ 0.19
        bob buys 9 B @ 0.45
        carol sells 1 C @ 0.36
        dave buys 9 C market
            -> dave1 buys 2 @ 0.25, minted with alice1 @ 0.30 and bob1 @ 0.45; alice1 filled
             ; dave1 buys 2 @ 0.35, minted with alice2 @ 0.20 and bob1 @ 0.45; alice2 filled
             ; dave1 cancelled with 5 left: immediate_remainder
    """)


def test_a_market_sale_s_collar_is_from_the_implied_price(play: Play) -> None:
    play("""
        market of A B C, matched across
        alice sells 2 A @ 0.30
        alice sells 2 A @ 0.40
        alice sells 2 A @ 0.41
        bob sells 9 B @ 0.35
        carol buys 1 C @ 0.24
        dave sells 9 C market
            -> dave1 sells 2 @ 0.35, merged with alice1 @ 0.30 and bob1 @ 0.35; alice1 filled
             ; dave1 sells 2 @ 0.25, merged with alice2 @ 0.40 and bob1 @ 0.35; alice2 filled
             ; dave1 cancelled with 5 left: immediate_remainder
    """)


def test_a_budget_is_spent_in_the_book_and_across_fees_included(play: Play) -> None:
    play("""
        market of A B C, matched across, fees flat 0.00 0.01
        alice buys 4 A @ 0.30
        bob buys 9 B @ 0.45
        carol sells 2 C @ 0.24
        dave spends 1.29 on C up to 0.50
            -> dave1 buys 2 @ 0.24 from carol1, minted, 0.02 taker fee; carol1 filled
             ; dave1 buys 3 @ 0.25 (0.03 fee), minted with alice1 @ 0.30 and bob1 @ 0.45
             ; dave1 filled: budget_spent
        dave has 998.72 free, 0.00 held, 5 C
    """)


def test_an_order_by_budget_touches_no_more_than_its_budget_can_buy() -> None:
    """The accounts are locked in the database, and a budget is what most people name."""
    engine, funds = Engine(1), dict.fromkeys(range(1, 40), 10**9)
    config = Config(False, 3, 100, 100, house_account_id=HOUSE)
    engine.execute(Configure(MarketStatus.OPEN, config), 1, funds)
    for k in range(1, 31):  # ten each: bids for A and B, at 0.30 and 0.45; asks for C, from 0.40 on
        outcome, side, price_pips = ((0, BUY, 3_000), (1, BUY, 4_500), (2, SELL, 4_000 + 100 * k))[
            k % 3
        ]
        engine.execute(Place(f"order{k:02}", k, k, outcome, side, price_pips, 100), 1, funds)
    options = OrderOptions(is_market=True, budget_micros=500_000)  # two at 0.25
    place = Place("budget", 39, 39, 2, BUY, options=options)
    assert find_touched_accounts(engine, place, 1) == {39, 2, 5, 3, 6, 1, 4}
    quoted = engine.quote(place, 1, {39: 10**9})
    assert engine.execute(place, 1, {39: 10**9}) == quoted
    assert isinstance(quoted[-1], Ended)
    assert quoted[-1].reason is Reason.BUDGET_SPENT


def test_an_amend_may_cross_books(play: Play) -> None:
    play("""
        market of A B C, matched across
        alice buys 5 A @ 0.30
        bob buys 5 B @ 0.45
        carol buys 8 C @ 0.20
        carol amends carol1 @ 0.26
            -> carol1 amended to 8 @ 0.26, loses its place
             ; carol1 buys 5 @ 0.25, minted with alice1 @ 0.30 and bob1 @ 0.45
             ; alice1 filled; bob1 filled; carol1 bids 3 @ 0.26
        carol has 997.97 free, 0.78 held, 5 C
    """)


def test_a_post_only_amend_that_would_cross_books_leaves_the_order_as_it_was(play: Play) -> None:
    play("""
        market of A B C, matched across
        alice buys 5 A @ 0.30
        bob buys 5 B @ 0.45
        carol buys 8 C @ 0.20 post-only
        carol amends carol1 @ 0.25 -> refused: post_only_would_cross
        book C: carol1 8 @ 0.20 | -
    """)


def test_a_leg_that_expires_at_the_instant_of_a_taker_is_no_longer_there(play: Play) -> None:
    play("""
        market of A B C, matched across
        at 10: alice buys 5 A @ 0.30 until=20
        at 11: alice buys 5 A @ 0.26
        at 12: bob buys 5 B @ 0.45
        at 12: carol buys 1 C @ 0.01
        at 20: carol buys 1 C @ 0.28 -> alice1 expired with 5 left; carol2 bids 1 @ 0.28
        at 21: dave buys 1 C @ 0.29
            -> dave1 buys 1 @ 0.29, minted with alice2 @ 0.26 and bob1 @ 0.45; dave1 filled
    """)


# Reduce-only.


def test_a_reduce_only_taker_is_clipped_across_books(play: Play) -> None:
    play("""
        market of A B C, matched across
        carol buys 3 C @ 0.40
        dave sells 3 C @ 0.40
        alice sells 9 A @ 0.30
        bob sells 9 B @ 0.30
        carol sells 5 C @ 0.10 reduce-only
            -> carol2 sells 3 @ 0.40, merged with alice1 @ 0.30 and bob1 @ 0.30
             ; carol2 cancelled with 2 left: reduce_only
        carol has 1000.00 free, 0.00 held, nothing
    """)


def test_a_reduce_only_leg_gives_no_more_than_its_position(play: Play) -> None:
    play("""
        market of A B C, matched across
        alice buys 3 A @ 0.40
        dave sells 3 A @ 0.40
        alice sells 8 A @ 0.30 reduce-only
        bob sells 9 B @ 0.30
        carol sells 9 C @ 0.10
            -> carol1 sells 3 @ 0.40, merged with alice2 @ 0.30 and bob1 @ 0.30
             ; alice2 cancelled with 5 left: reduce_only
             ; carol1 asks 6 @ 0.10
        alice has 999.70 free, 0.00 held, nothing
    """)


def test_a_reduce_only_leg_with_nothing_left_to_reduce_ends_and_the_next_is_met(
    play: Play,
) -> None:
    play("""
        market of A B C, matched across
        alice buys 3 A @ 0.40
        dave sells 3 A @ 0.40
        alice sells 3 A @ 0.30 reduce-only
        dave buys 3 A @ 0.20
        alice sells 3 A @ 0.20
        erin sells 9 A @ 0.35
        bob sells 9 B @ 0.30
        carol sells 2 C @ 0.10
            -> alice2 cancelled with 3 left: reduce_only
             ; carol1 sells 2 @ 0.35, merged with erin1 @ 0.35 and bob1 @ 0.30; carol1 filled
    """)


# Self-trade prevention: only where an owner would be alone with itself.


def test_with_some_legs_of_its_own_an_order_trades(play: Play) -> None:
    play("""
        market of A B C, matched across
        alice buys 5 A @ 0.30
        bob buys 5 B @ 0.45
        alice buys 5 C @ 0.30
            -> alice2 buys 5 @ 0.25, minted with alice1 @ 0.30 and bob1 @ 0.45
             ; alice1 filled; bob1 filled; alice2 filled
        alice has 997.25 free, 0.00 held, 5 A, 5 C
    """)


def test_an_account_with_several_legs_pays_for_a_set_once(play: Play) -> None:
    play("""
        market of A B C, matched across
        alice sells 5 A @ 0.30
        alice sells 5 B @ 0.30
        carol sells 5 C @ 0.40
            -> carol1 sells 5 @ 0.40, merged with alice1 @ 0.30 and alice2 @ 0.30
             ; alice1 filled; alice2 filled; carol1 filled
        # Short of A and of B: at most one of them pays, so five credits are locked, three came in.
        alice has 998.00 free, 0.00 held, -5 A, -5 B
        alice buys 5 A @ 0.20
        alice buys 5 B @ 0.20
        carol buys 5 C @ 0.60
            -> carol2 buys 5 @ 0.60, minted with alice3 @ 0.20 and alice4 @ 0.20
             ; alice3 filled; alice4 filled; carol2 filled
        alice has 1001.00 free, 0.00 held, nothing
        carol has 999.00 free, 0.00 held, nothing
    """)


OWN_BIDS = """
    market of A B C, matched across
    alice buys 5 A @ 0.30
    alice/2 buys 3 B @ 0.45
    bob buys 9 B @ 0.44
"""


@pytest.mark.parametrize(
    ("mode", "events"),
    [
        ("cancel-newest", "alice2 cancelled with 4 left: self_trade"),
        (
            "cancel-oldest",
            """alice1 cancelled with 5 left: self_trade
             ; alice/21 cancelled with 3 left: self_trade; alice2 bids 4 @ 0.30""",
        ),
        (
            "cancel-both",
            """alice1 cancelled with 5 left: self_trade
             ; alice/21 cancelled with 3 left: self_trade
             ; alice2 cancelled with 4 left: self_trade""",
        ),
        (
            "decrement",
            """alice1 shrinks by 3 to 2; alice/21 cancelled with 3 left: self_trade
             ; alice2 shrinks by 3 to 1
             ; alice2 buys 1 @ 0.26, minted with alice1 @ 0.30 and bob1 @ 0.44; alice2 filled""",
        ),
    ],
)
def test_an_owner_does_not_mint_with_its_own_bids_alone(play: Play, mode: str, events: str) -> None:
    play(f"{OWN_BIDS}\nalice buys 4 C @ 0.30 {mode}\n-> {events}")


@pytest.mark.parametrize(
    ("mode", "events"),
    [
        ("cancel-newest", "alice2 cancelled with 4 left: self_trade"),
        (
            "cancel-both",
            "alice1 cancelled with 5 left: self_trade; alice2 cancelled with 4 left: self_trade",
        ),
        ("cancel-oldest", "alice1 cancelled with 5 left: self_trade; alice2 bids 4 @ 0.50"),
        ("decrement", "alice1 shrinks by 4 to 1; alice2 cancelled with 4 left: self_trade"),
    ],
)
def test_what_nobody_bids_for_does_not_make_a_self_trade_one_with_others(
    play: Play, mode: str, events: str
) -> None:
    play(f"""
        market of A B C, matched across
        alice/2 buys 5 A @ 0.60 id=alice1
        alice buys 4 B @ 0.50 {mode} id=alice2
            -> {events}
    """)


def test_a_fok_does_not_count_a_match_with_its_own_orders_alone(play: Play) -> None:
    play(f"""
        {OWN_BIDS}
        alice buys 4 C @ 0.30 fok -> alice2 cancelled with 4 left: fok_not_fillable
        alice buys 4 C @ 0.30 fok decrement -> alice3 cancelled with 4 left: fok_not_fillable
        book A: alice1 5 @ 0.30 | -
    """)


# Limits, fees, refunds.


def test_each_leg_counts_as_an_order_that_a_taker_met(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in MODULES_THAT_COUNT_MAKERS:
        monkeypatch.setattr(module, "MAKERS_MET_MAX", 3)
    play("""
        market of A B C, matched across
        alice buys 1 A @ 0.30
        alice buys 1 A @ 0.29
        alice buys 1 A @ 0.28
        bob buys 9 B @ 0.45
        carol buys 9 C @ 0.30
            -> carol1 buys 1 @ 0.25, minted with alice1 @ 0.30 and bob1 @ 0.45; alice1 filled
             ; carol1 buys 1 @ 0.26, minted with alice2 @ 0.29 and bob1 @ 0.45; alice2 filled
             ; carol1 cancelled with 7 left: match_limit
    """)


def test_each_leg_pays_its_fee_at_its_own_price(play: Play) -> None:
    play("""
        market of A B C, matched across, fees quadratic 0.02 0.08
        alice buys 10 A @ 0.50
        bob buys 10 B @ 0.20
        carol buys 10 C @ 0.40
            -> carol1 buys 10 @ 0.30 (0.168 fee), minted
            with alice1 @ 0.50 (0.05 fee) and bob1 @ 0.20 (0.032 fee)
             ; alice1 filled; bob1 filled; carol1 filled
        alice has 994.95 free, 0.00 held, 10 A
        bob has 997.968 free, 0.00 held, 10 B
        carol has 996.832 free, 0.00 held, 10 C
        house has 1000.00 free, 0.00 held, -10 A, -10 B, -10 C
    """)


def test_with_strict_refund_what_a_merge_brings_stays_until_the_result(play: Play) -> None:
    play("""
        market of A B C, matched across, strict refund
        alice buys 10 A @ 0.30
        bob buys 10 B @ 0.30
        carol buys 10 C @ 0.40
        alice sells 10 A @ 0.25
        bob sells 10 B @ 0.25
        carol sells 10 C @ 0.40
            -> carol2 sells 10 @ 0.50, merged with alice2 @ 0.25 and bob2 @ 0.25
             ; alice2 filled; bob2 filled; carol2 filled
        # One credit of gain is held, and nothing of what a loser got back.
        carol has 1000.00 free, 1.00 held, nothing
        alice has 999.50 free, 0.00 held, nothing
    """)


def test_a_position_limit_counts_what_was_matched_across(play: Play) -> None:
    play("""
        market of A B C, matched across, limit 10
        alice buys 8 A @ 0.60
        bob buys 8 B @ 0.60
            -> bob1 buys 8 @ 0.40, minted with alice1 @ 0.60; alice1 filled; bob1 filled
        bob buys 3 B @ 0.10 -> refused: position_limit
        bob buys 2 B @ 0.10 -> bob3 bids 2 @ 0.10
        # The house is short of eight each and has no limit.
        house has 1000.00 free, 0.00 held, -8 A, -8 B
    """)


def test_a_finer_tick_keeps_books_matched_with_one_another(play: Play) -> None:
    play("""
        market of A B C, matched across
        alice buys 5 A @ 0.30
        bob buys 5 B @ 0.45
        market halts                 -> market halted
        market opens with tick 0.001 -> market open
        carol buys 5 C @ 0.249       -> carol1 bids 5 @ 0.249
        bob buys 5 B @ 0.451
            -> bob2 buys 5 @ 0.451, minted with alice1 @ 0.30 and carol1 @ 0.249
             ; alice1 filled; carol1 filled; bob2 filled
    """)


def test_books_of_a_market_that_does_not_say_so_are_matched_by_themselves(play: Play) -> None:
    play("""
        market of A B C
        alice buys 5 A @ 0.90 -> alice1 bids 5 @ 0.90
        bob buys 5 B @ 0.90   -> bob1 bids 5 @ 0.90
    """)
