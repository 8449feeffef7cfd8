"""The journal: the commands of every market, their inputs and their events, hash-chained.

A row holds the commands that one commit executed in one market. Each command is stored with the
available funds of its account, what order groups may fill and what its owner's other accounts have,
its only inputs besides the row's time, and with its events. So a market can be replayed alone, from
an empty state, to the same events and the same state.
"""

import hashlib
from collections.abc import Iterator
from typing import Final

import msgspec

from trading.engine.commands import AnyCommand
from trading.engine.engine import Engine
from trading.engine.events import AnyEvent
from trading.engine.types import SCHEMA_VERSION
from trading.models import JournalRow
from trading.pipeline.messages import Top

GENESIS: Final = b"\0" * 32
ROWS_A_TIME: Final = 500


class JournalEntry(msgspec.Struct, array_like=True, gc=False):
    """One command with its inputs and its events.

    `headroom` is what order groups could fill before it, of those that have orders here or come
    now; `elsewhere` what counts of other accounts of its owner (`trading.engine.state`).
    """

    command: AnyCommand
    funds_micros: int
    events: list[AnyEvent]
    headroom: dict[str, int] = {}
    elsewhere: dict[int, int] = {}


class JournalBody(msgspec.Struct, array_like=True, gc=False):
    """A row's commands in order, and the best prices of the changed books after them."""

    entries: list[JournalEntry]
    tops: list[Top]


encode_body = msgspec.msgpack.Encoder().encode
decode_body = msgspec.msgpack.Decoder(JournalBody).decode


class JournalError(Exception):
    """The journal is inconsistent or contradicts the engine: market, seq and the difference."""


def chain_hash(previous: bytes, body: bytes) -> bytes:
    """Return the hash of a row: SHA-256 over the previous hash and its body."""
    return hashlib.sha256(previous + body).digest()


def read_rows(market_id: int, after_seq: int = 0) -> Iterator[tuple[JournalRow, JournalBody]]:
    """Yield a market's rows with their decoded bodies, in order, a few hundred at a time."""
    while True:
        rows = list(
            JournalRow.objects.filter(market_id=market_id, seq_first__gt=after_seq).order_by(
                "seq_first"
            )[:ROWS_A_TIME]
        )
        for row in rows:
            yield row, decode_body(bytes(row.body))
        if len(rows) < ROWS_A_TIME:
            return
        after_seq = rows[-1].seq_last


def check_row(engine: Engine, row: JournalRow, previous: bytes) -> None:
    """Raise JournalError unless the row is next, unaltered, and of a known layout."""
    where = f"market {engine.market_id}, sequence {row.seq_first}"
    if row.seq_first != engine.seq + 1:
        raise JournalError(f"{where}: the row before ends at {engine.seq}")
    if bytes(row.hash) != chain_hash(previous, bytes(row.body)):
        raise JournalError(f"{where}: the hash does not follow from the row before and the body")
    if row.schema_version != SCHEMA_VERSION:
        raise JournalError(f"{where}: unknown schema version {row.schema_version}")


def replay_entry(engine: Engine, entry: JournalEntry, ts_us: int) -> None:
    """Execute a command again; raise JournalError unless the events are equal."""
    funds = {entry.command.account_id: entry.funds_micros}
    events = engine.execute(entry.command, ts_us, funds, dict(entry.headroom), entry.elsewhere)
    if events != entry.events:
        raise JournalError(
            f"market {engine.market_id}, sequence {engine.seq}: replay gives {events},"
            f" the journal has {entry.events}"
        )
