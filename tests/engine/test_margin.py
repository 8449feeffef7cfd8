"""The hold of an account equals the worst case over every subset of its open orders' fills."""

import random
from collections.abc import Iterable, Sequence
from itertools import compress, product
from typing import Any

import pytest

from tests.engine.laws import compute_fee_to_come, unit_pips
from tests.engine.naive import NaiveEngine
from trading.engine.commands import Configure, Place
from trading.engine.engine import Engine
from trading.engine.events import AnyEvent, Rejected, Traded
from trading.engine.types import BUY, PAYOUT_PIPS, SELL, Config, FeeKind, Fees, MarketStatus, Tif

ACCOUNT, COUNTERPARTY = 1, 2
PLENTY = 10**15
FEE_SCHEDULES = (
    Fees(),
    Fees(),
    Fees(FeeKind.FLAT, 10_000, 30_000, 1),
    Fees(FeeKind.QUADRATIC, 70_000, 0, 1),
    Fees(FeeKind.QUADRATIC, 0, 70_000, 10_000),
)

OpenOrder = tuple[int, int, int, int, int]
"""outcome, side, price in pips, remaining lots, micros of fee."""


class Desk:
    """One account with a random position and random resting orders, against a bottomless other."""

    def __init__(self, engine: Any, seed: int, *, binary: bool, outcomes: int) -> None:
        self.engine = engine
        self.randomness = random.Random(seed)
        self.binary, self.outcomes = binary, outcomes
        self.fees = self.randomness.choice(FEE_SCHEDULES)
        self.books = 1 if binary else outcomes
        self.lots = [0] * outcomes
        self.funds = {ACCOUNT: PLENTY, COUNTERPARTY: PLENTY}
        self.placed = 0
        config = Config(binary, outcomes, 100, 100, self.fees)
        engine.execute(Configure(MarketStatus.OPEN, config), 0, self.funds)
        for outcome in range(self.books):
            self.take_position(outcome, self.randomness.choice((0, 0, 1, 2, 5, -1, -2, -5)))
        for _ in range(self.randomness.randrange(1, 7)):
            self.rest_something()

    def place(
        self, account_id: int, outcome: int, side: int, cents: int, lots: int, tif: Tif
    ) -> list[AnyEvent]:
        self.placed += 1
        command = Place(
            *(f"o{self.placed}", account_id, account_id, outcome, side, cents * 100, lots),
            tif=tif,
            fee_free=account_id == COUNTERPARTY,
        )
        events: list[AnyEvent] = self.engine.execute(command, 0, self.funds)
        return events

    def take_position(self, outcome: int, contracts: int) -> None:
        if not contracts:
            return
        side, cents = (BUY if contracts > 0 else SELL), self.randomness.randrange(1, 100)
        self.place(COUNTERPARTY, outcome, -side, cents, abs(contracts) * 100, Tif.GTC)
        self.place(ACCOUNT, outcome, side, cents, abs(contracts) * 100, Tif.IOC)
        self.lots[outcome] += contracts * 100

    def rest_something(self) -> None:
        """Rest an order, a part of which may trade at once."""
        outcome, side = self.randomness.randrange(self.books), self.randomness.choice((BUY, SELL))
        cents, lots = self.randomness.randrange(1, 100), self.randomness.randrange(1, 6) * 100
        events = self.place(ACCOUNT, outcome, side, cents, lots, Tif.GTC)
        if isinstance(events[0], Rejected) or len(events) > 1:
            return
        if self.randomness.random() < 0.3:
            taken = self.place(COUNTERPARTY, outcome, -side, cents, 100, Tif.IOC)
            filled = sum(e.quantity_lots * -e.taker_side for e in taken if isinstance(e, Traded))
            self.lots[outcome] += filled

    def open_orders(self) -> list[OpenOrder]:
        """(outcome, side, price, remaining, most fee still to come) of the account's orders."""
        rows = [row for row in self.engine.dump()[4] if row[1] == ACCOUNT]
        return [
            (outcome, side, price, lots, compute_fee_to_come(self.fees, price, lots, *charged))
            for _, _, outcome, side, price, _, lots, *charged in rows
        ]

    def held_micros(self) -> int:
        rows = {row[0]: row[2] for row in self.engine.dump()[5]}
        held_micros: int = rows.get(ACCOUNT, 0)
        return held_micros


def worst_case_micros(desk: Desk, orders: Sequence[OpenOrder]) -> int:
    """Try every subset of the orders; what would each take out of the account at once?"""
    worst_micros = 0
    for chosen in product((False, True), repeat=len(orders)):
        lots, cost_micros = desk.lots[:], 0
        for outcome, side, price_pips, remaining_lots, fee_micros in compress(orders, chosen):
            lots[outcome] += side * remaining_lots
            cost_micros += side * price_pips * remaining_lots + fee_micros
        cost_micros += PAYOUT_PIPS * (min(desk.lots) - min(lots))
        worst_micros = max(worst_micros, cost_micros)
    return worst_micros


def with_capped_fees(orders: Iterable[OpenOrder]) -> list[OpenOrder]:
    """A fee never exceeds the cheaper side of a fill, and a resting order fills at its price."""
    return [
        (outcome, side, price, lots, min(fee_micros, min(price, PAYOUT_PIPS - price) * lots))
        for outcome, side, price, lots, fee_micros in orders
    ]


KINDS = [(True, 2), (False, 2), (False, 3), (False, 4), (False, 5)]


@pytest.mark.parametrize(("binary", "outcomes"), KINDS)
@pytest.mark.parametrize(("make", "states"), [(Engine, 400), (NaiveEngine, 60)])
def test_hold_equals_the_worst_case_over_all_subsets_of_fills(
    make: Any, states: int, binary: bool, outcomes: int
) -> None:
    for seed in range(states):
        desk = Desk(make(1), seed, binary=binary, outcomes=outcomes)
        orders, held_micros = desk.open_orders(), desk.held_micros()
        possible = with_capped_fees(orders)
        assert held_micros >= worst_case_micros(desk, possible), f"seed {seed}"
        if possible == orders:
            assert held_micros == worst_case_micros(desk, orders), f"seed {seed}"


@pytest.mark.parametrize(("binary", "outcomes"), KINDS)
def test_no_fill_is_unaffordable_after_everything_available_was_withdrawn(
    binary: bool, outcomes: int
) -> None:
    for seed in range(300):
        desk = Desk(Engine(1), seed, binary=binary, outcomes=outcomes)
        desk.funds[ACCOUNT] = 0
        for _ in range(20):
            orders = desk.open_orders()
            if not orders:
                break
            outcome, side, price_pips, _, _ = desk.randomness.choice(orders)
            lots = desk.randomness.choice((100, 200, 300))
            desk.place(COUNTERPARTY, outcome, -side, price_pips // 100, lots, Tif.IOC)
            assert desk.funds[ACCOUNT] >= 0, f"seed {seed}"


def test_the_hold_of_an_order_is_its_marginal_difference() -> None:
    engine = Engine(1)
    funds = {ACCOUNT: 48_000_000}
    engine.execute(Configure(MarketStatus.OPEN, Config(True, 2, 100, 100)), 0, funds)
    engine.execute(Place("bid", ACCOUNT, ACCOUNT, 0, BUY, 4_800, 10_000), 0, funds)
    assert funds[ACCOUNT] == 0
    assert unit_pips(SELL, 5_200) * 10_000 == 48_000_000
    engine.execute(Place("ask", ACCOUNT, ACCOUNT, 0, SELL, 5_200, 10_000), 0, funds)
    assert funds[ACCOUNT] == 0
    refused = engine.execute(Place("more", ACCOUNT, ACCOUNT, 0, SELL, 5_300, 100), 0, funds)
    assert refused[0].missing_micros == 470_000
