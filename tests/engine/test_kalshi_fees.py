"""61 fees that a real venue charged takers: each is ours, to the cent."""

import csv

from trading.engine.commands import Configure, Place
from trading.engine.engine import Engine
from trading.engine.events import Traded
from trading.engine.types import BUY, SELL, Config, FeeKind, Fees, MarketStatus

LOTS_PER_CONTRACT = 100
MICROS_PER_CENT = 10_000
KALSHI = Fees(FeeKind.QUADRATIC, 0, 70_000, MICROS_PER_CENT)


def read_rows(data_dir):
    with (data_dir / "kalshi_fees.csv").open() as lines:
        return [
            (int(row["taker_fill_count"]), int(row["taker_fill_cost_cents"]),
             int(row["taker_fee_cents"]))
            for row in csv.DictReader(lines)
        ]  # fmt: skip


def charge(contracts, cost_cents):
    """Buy so many contracts for so much in all, at one price or two neighbouring ones."""
    low_cents, dearer = divmod(cost_cents, contracts)
    engine, funds = Engine(1), {1: 10**12, 2: 10**12}
    config = Config(True, 2, 10, 1, fees=KALSHI)
    engine.execute(Configure(MarketStatus.OPEN, config), 0, {})
    for name, cents, count in (("a", low_cents, contracts - dearer), ("b", low_cents + 1, dearer)):
        if count:
            lots = count * LOTS_PER_CONTRACT
            engine.execute(Place(name, 1, 1, 0, SELL, cents * 100, lots), 1, funds)
    taken = Place("t", 2, 2, 0, BUY, 9_990, contracts * LOTS_PER_CONTRACT)
    events = engine.execute(taken, 2, funds)
    trades = [event for event in events if isinstance(event, Traded)]
    assert sum(trade.paid_micros for trade in trades) == cost_cents * MICROS_PER_CENT
    return sum(trade.taker_fee_micros for trade in trades)


def test_all_recorded_fees_come_out_to_the_cent(data_dir):
    rows = read_rows(data_dir)
    assert len(rows) == 61
    wrong = [
        (contracts, cost, fee, charge(contracts, cost) / MICROS_PER_CENT)
        for contracts, cost, fee in rows
        if charge(contracts, cost) != fee * MICROS_PER_CENT
    ]
    assert not wrong
