"""Events alone lead to the engine's state: so rows of an older rules version can be read."""

import msgspec
import pytest

from tests.engine.generate import CREDIT
from tests.engine.pair import run_random_market
from trading.engine.engine import Engine
from trading.engine.types import BUY, SELL, Config, Configure, MarketStatus, Place, Tif, Traded
from trading.fold import FoldingEngine
from trading.journal import JournalEntry

STEPS = 500


@pytest.mark.parametrize("seed", range(12))
def test_folding_events_gives_the_engines_state_after_every_command(seed):
    pair = run_random_market(seed, STEPS)
    engine, folded = Engine(7), FoldingEngine(7)
    trades = 0
    for command, ts_us, funds in pair.journal:
        events = engine.apply(command, ts_us, dict(funds))
        folded.fold(JournalEntry(command, 0, events), ts_us)
        assert folded.dump() == engine.dump()
        trades += sum(isinstance(event, Traded) for event in events)
    assert folded.breaches == []
    assert trades > 0


def test_folding_names_a_fill_that_is_worse_than_its_orders_limit():
    opening = Configure(MarketStatus.OPEN, Config(True, 2, 100, 100))
    maker = Place("0" * 32, 1, 1, 0, SELL, 4_000, 100)
    taker = Place("1" * 32, 2, 2, 0, BUY, 4_000, 100, tif=Tif.IOC)
    engine, folded = Engine(7), FoldingEngine(7)
    happened = [(c, engine.apply(c, 1, {1: CREDIT, 2: CREDIT})) for c in (opening, maker, taker)]
    (_, opened), (_, rested), (_, traded) = happened
    folded.fold(JournalEntry(opening, 0, opened), 1)
    folded.fold(JournalEntry(maker, 0, rested), 1)
    folded.fold(JournalEntry(msgspec.structs.replace(taker, price_pips=3_900), 0, traded), 1)
    assert len(folded.breaches) == 1
    assert "worse than its taker's limit" in folded.breaches[0]
