"""Matches across books against a plain model, lot by lot, and against a linear program."""

from collections import Counter

import pytest

from tests.engine.generate import HOUSE_ACCOUNT
from tests.engine.pair import check_tops
from tests.engine.units import Fills, UnitBooks, make_commands
from trading.engine.commands import Cancel, Configure
from trading.engine.engine import Engine
from trading.engine.events import AnyEvent, CrossMatched, Rejected, list_trades
from trading.engine.types import BUY, PAYOUT_PIPS, SELL, Config, MarketStatus, TradeKind

OUTCOMES = (2, 3, 4, 6, 10)
TICKS = (100, 500, 10, 1_000, 50, 2_000)
MARKETS, COMMANDS = 18, 600  # for each number of outcomes: 54,000 commands in all
EVERY = 50
"""A state in so many is given to the linear program."""


def open_market(outcomes: int, seed: int, *, across: bool = True) -> Engine:
    tick_pips, house = TICKS[seed % len(TICKS)], HOUSE_ACCOUNT if across else None
    config = Config(False, outcomes, tick_pips, 1, house_account_id=house)
    engine = Engine(1)
    engine.execute(Configure(MarketStatus.OPEN, config), 1, {})
    return engine


def count_fills(events: list[AnyEvent]) -> Fills:
    fills: Fills = Counter()
    for trade in (trade for event in events for trade in list_trades(event)):
        for order_id in (trade.taker_order_id, trade.maker_order_id):
            if order_id:  # the house has no orders
                fills[order_id, trade.price_pips] += trade.quantity_lots
    return fills


def list_orders(engine: Engine) -> list[tuple[int, int, str, int, int]]:
    return [
        (outcome, side, order.order_id, order.price_pips, order.remaining_lots)
        for outcome, book in enumerate(engine.books)
        for side in (BUY, SELL)
        for order in book.orders(side)
    ]


@pytest.mark.parametrize("outcomes", OUTCOMES)
def test_matches_across_books_are_those_of_a_plain_model_lot_by_lot(outcomes: int) -> None:
    kinds: set[object] = set()
    for seed in range(MARKETS):
        engine, model = open_market(outcomes, seed), UnitBooks(outcomes)
        assert engine.config is not None
        for command in make_commands(engine.config, seed, COMMANDS):
            funds = dict.fromkeys(range(1, 13), 10**12)
            events = engine.execute(command, 1, funds)
            assert isinstance(command, Cancel) or not isinstance(events[0], Rejected)
            assert count_fills(events) == model.execute(command)
            assert list_orders(engine) == model.list_orders()
            check_tops(engine)
            kinds |= {event.kind for event in events if isinstance(event, CrossMatched)}
    assert kinds == {TradeKind.MINT, TradeKind.MERGE}


def find_riskless_lots(engine: Engine) -> float:
    """Return the most that could be taken of what rests without a loss, whichever outcome wins."""
    from scipy.optimize import linprog  # slow, and read by every worker

    orders = list_orders(engine)
    if not orders:
        return 0.0
    # What a lot taken of each order costs if each outcome wins, in credits.
    costs = [
        [
            side * ((outcome == winner) - price_pips / PAYOUT_PIPS)
            for outcome, side, _, price_pips, _ in orders
        ]
        for winner in range(len(engine.books))
    ]
    bounds = [(0, lots) for *_, lots in orders]
    solved = linprog([-1] * len(orders), A_ub=costs, b_ub=[0] * len(costs), bounds=bounds)
    assert solved.status == 0, solved.message
    return float(-solved.fun)


def find_riskless_lots_of_random_states(outcomes: int, *, across: bool) -> list[float]:
    found = []
    for seed in range(9):
        engine = open_market(outcomes, seed, across=across)
        assert engine.config is not None
        for number, command in enumerate(make_commands(engine.config, 100 + seed, COMMANDS)):
            engine.execute(command, 1, dict.fromkeys(range(1, 13), 10**12))
            if number % EVERY == EVERY - 1:
                found.append(find_riskless_lots(engine))
    return found


@pytest.mark.parametrize("outcomes", OUTCOMES)
def test_a_linear_program_finds_nothing_left_to_match_without_risk(outcomes: int) -> None:
    found = find_riskless_lots_of_random_states(outcomes, across=True)
    assert len(found) * len(OUTCOMES) >= 500
    assert max(found) < 0.01  # of a lot: floats


@pytest.mark.parametrize("outcomes", OUTCOMES)
def test_the_linear_program_does_find_what_books_by_themselves_leave(outcomes: int) -> None:
    found = find_riskless_lots_of_random_states(outcomes, across=False)
    assert sum(lots >= 1 for lots in found) > len(found) / 5
