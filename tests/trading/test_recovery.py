"""Repeating journal rows: only what follows exactly, else the market stops with a sentence."""

import msgspec
import pytest

from kernel.ids import new_id
from tests.trading import world
from trading.engine.types import RULES_VERSION, SCHEMA_VERSION
from trading.models import JournalRow
from trading.pipeline.journal import JournalBody, chain_hash, decode_body, encode_body
from trading.pipeline.recovery import TailRow, recover

pytestmark = pytest.mark.django_db
EMPTY = encode_body(JournalBody([], []))


@pytest.fixture
def traded():
    """A market with a few commands in its journal, and no engine."""
    market = world.make_market()
    shard = world.own_shard(market.shard)
    world.open_market(shard, market)
    world.lease.release(shard.number, shard.epoch)
    return market


def read_tail(market):
    return [
        TailRow(row.market_id, row.seq_first, row.seq_last, row.ts_us, row.rules_version,
                row.schema_version, bytes(row.body), bytes(row.hash))
        for row in JournalRow.objects.filter(market=market).order_by("seq_first")
    ]  # fmt: skip


def build_next(market, **changes):
    """Return a row that would follow the last one."""
    last = read_tail(market)[-1]
    row = TailRow(market.pk, last.seq_last + 1, last.seq_last + 1, last.ts_us + 1, RULES_VERSION,
                  SCHEMA_VERSION, EMPTY, chain_hash(last.hash, EMPTY))  # fmt: skip
    return row._replace(**changes)


def test_rows_that_the_backup_has_are_not_repeated(traded, all_holds):
    found = recover(read_tail(traded))
    assert (found.commands, found.stopped) == (0, {})


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"market_id": 4_711}, "the market was made after the backup"),
        ({"seq_first": 99, "seq_last": 99}, "the journal lacks what follows command"),
        ({"hash": b"?" * 32}, "its hash does not follow from the row before"),
        ({"rules_version": 0}, "another version of the engine wrote it"),
    ],
)
def test_a_row_that_does_not_follow_stops_its_market_and_changes_nothing(
    traded, all_holds, changes, why
):
    count = JournalRow.objects.count()
    row = build_next(traded, **changes)
    found = recover([row, row])
    assert found.commands == 0
    [sentence] = found.stopped.values()
    assert why in sentence
    assert JournalRow.objects.count() == count


def test_a_command_that_would_end_otherwise_stops_its_market(traded, all_holds):
    """The journal says that an account had funds for an order; here it has none."""
    from tests.trading import world

    account = world.make_account(credits=100)
    shard = world.own_shard(traded.shard)
    world.run(shard, world.buy(traded, account, 40, 1_000))
    world.lease.release(shard.number, shard.epoch)
    row = read_tail(traded)[-1]
    [entry] = decode_body(row.body).entries
    poor = world.make_account(credits=1)
    entry.command = msgspec.structs.replace(
        entry.command, account_id=poor.pk, order_id=new_id(), client_order_id=None
    )
    body = encode_body(JournalBody([entry], []))
    found = recover([build_next(traded, body=body, hash=chain_hash(row.hash, body))])
    [sentence] = found.stopped.values()
    assert "Place now gives" in sentence


def test_nothing_is_repeated_after_the_time_that_was_asked_for(traded, all_holds):
    row = build_next(traded)
    found = recover([row], until_us=row.ts_us - 1)
    assert (found.commands, found.stopped) == (0, {})
