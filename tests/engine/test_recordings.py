"""Seven recorded sessions of a real venue, through the pure engine: every fill and every book."""

import pytest

from simulator.recordings.crowd import Crowd, QueueModel
from simulator.recordings.recording import Recording, Sweeps, level_of
from simulator.recordings.replay import ENGINE_ONLY_MEMBERS
from trading.engine.commands import Configure
from trading.engine.engine import Engine
from trading.engine.events import Traded
from trading.engine.types import BUY, SELL, Config, MarketStatus

RICH_MICROS = 10**15
WINDOWS = [
    "KXGOLD15M-26AUG050800-00",
    "KXGOLD15M-26AUG051300-00",
    "KXGOLD15M-26AUG070000-00",
    "KXGOLD15M-26AUG101830-30",
    "KXGOLD15M-26AUG101900-00",
    "KXGOLD15M-26AUG102030-30",
    "KXGOLD15M-26AUG102130-30",
]


def book_of(engine):
    book = engine.books[0]
    bids = {level_of(pips, "yes"): lots for pips, lots in book.depth(BUY)}
    return bids | {level_of(pips, "no"): lots for pips, lots in book.depth(SELL)}


@pytest.mark.parametrize("window", WINDOWS)
def test_a_recorded_session_comes_out_exactly(data_dir, window):
    recording = Recording(data_dir / f"kalshi_gold15m/derived/{window}.ops.csv.gz")
    engine, sweeps = Engine(1), Sweeps()
    engine.execute(Configure(MarketStatus.OPEN, Config(True, 2, 100, 1)), 0, {})
    crowd = Crowd(ENGINE_ONLY_MEMBERS, QueueModel.CONSERVATIVE)
    funds = dict.fromkeys((1, 2, 3), RICH_MICROS)
    compared = 0
    closing_book: dict[str, int] = {}
    for operation in recording.operations():
        if operation.kind == "reset":  # a session ends with some
            closing_book = book_of(engine) or closing_book
        for command in crowd.begin(operation):
            events = engine.execute(command, operation.number, funds)
            trades = [event for event in events if isinstance(event, Traded)]
            for trade in trades:
                assert crowd.resting[crowd._levels[trade.maker_order_id]][0].order_id == (
                    trade.maker_order_id
                ), "the oldest of a level is hit first"
                crowd.lose(trade.maker_order_id, trade.quantity_lots)
        if operation.kind == "take":
            sweeps.add(operation, [(trade.price_pips, trade.quantity_lots) for trade in trades])
        if operation.number in recording.checkpoints:
            assert book_of(engine) == recording.checkpoints[operation.number]
            compared += 1
    assert sweeps.sha256() == recording.expectation.sweep_sha256
    assert sweeps.volume_lots == recording.expectation.volume_hundredths
    assert compared == len(recording.checkpoints) > 0
    assert closing_book == recording.expectation.closing_book
