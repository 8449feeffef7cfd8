"""Events alone lead to the engine's state: so rows of an older rules version can be read."""

from pathlib import Path

import msgspec
import pytest

from tests.engine.generate import CREDIT
from tests.engine.pair import run_random_market
from tests.engine.record import Recorded, find_features, list_features
from trading.engine.commands import Configure, Place
from trading.engine.engine import Engine
from trading.engine.events import Traded
from trading.engine.state import MarketState
from trading.engine.types import BUY, RULES_VERSION, SELL, Config, MarketStatus, Tif
from trading.pipeline.journal import JournalEntry
from trading.verify.journals import find_limit_breaches

STEPS = 500
RECORDED = sorted((Path(__file__).parents[1] / "engine" / "journals").glob("*.msgpack"))


@pytest.mark.parametrize("seed", range(12))
def test_events_alone_give_the_engines_state_after_every_command(seed):
    pair = run_random_market(seed, STEPS)
    engine, replayed = Engine(7), MarketState(7)
    trades = 0
    for command, ts_us, funds, headroom, elsewhere in pair.journal:
        events = engine.execute(command, ts_us, dict(funds), dict(headroom), elsewhere)
        assert list(find_limit_breaches(replayed, JournalEntry(command, 0, events))) == []
        replayed.replay_events(command, ts_us, events)
        assert replayed.dump() == engine.dump()
        trades += sum(isinstance(event, Traded) for event in events)
    assert trades > 0


def test_a_fill_that_is_worse_than_its_orders_limit_is_named():
    opening = Configure(MarketStatus.OPEN, Config(True, 2, 100, 100))
    maker = Place("0" * 32, 1, 1, 0, SELL, 4_000, 100)
    taker = Place("1" * 32, 2, 2, 0, BUY, 4_000, 100, tif=Tif.IOC)
    engine, replayed = Engine(7), MarketState(7)
    for command in (opening, maker):
        replayed.replay_events(command, 1, engine.execute(command, 1, {1: CREDIT, 2: CREDIT}))
    events = engine.execute(taker, 1, {1: CREDIT, 2: CREDIT})
    stricter = msgspec.structs.replace(taker, price_pips=3_900)
    [breach] = find_limit_breaches(replayed, JournalEntry(stricter, 0, events))
    assert "sequence 3: a trade worse than its taker's limit" in breach


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_journals_of_earlier_versions_lead_to_the_states_of_their_time(path):
    recorded = msgspec.msgpack.decode(path.read_bytes(), type=Recorded)
    engine, replayed, met = Engine(7), MarketState(7), set()
    headroom, elsewhere = iter(recorded.headroom), iter(recorded.elsewhere)
    for ts_us, command, funds_micros, events in recorded.entries:
        replayed.replay_events(command, ts_us, events)
        if recorded.rules_version == RULES_VERSION:
            funds = {command.account_id: funds_micros}
            inputs = next(headroom, {}), next(elsewhere, {})
            assert engine.execute(command, ts_us, funds, *inputs) == events
        met |= set(find_features(command, events))
    assert replayed.state_hash() == recorded.state_hash
    if recorded.rules_version == RULES_VERSION:
        assert engine.state_hash() == recorded.state_hash
    name = path.stem
    features = list_features(
        replayed.config,
        has_triggers=name.endswith("triggers"),
        has_brackets=name.endswith(("brackets", "groups", "halts")),
        has_groups=name.endswith(("groups", "halts")),
        has_halts=name.endswith("halts"),
    )
    assert features <= met


def test_there_is_a_journal_of_each_rules_version_and_kind_of_market():
    kinds = ("binary-free", "binary-quadratic", "categorical-flat", "categorical-quadratic")
    wanted = {f"rules-{version}-{kind}" for version in (1, 2) for kind in kinds}
    wanted |= {
        f"rules-2-categorical-{what}"
        for what in ("across", "triggers", "brackets", "groups", "halts")
    }
    assert {path.stem for path in RECORDED} == wanted
