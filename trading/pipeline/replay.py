"""Replays a journal to a state, and compares that with the database's.

Commands of this rules version are executed again and must produce the same events; those of older
versions are replayed from their events alone. Either way the hash chain is checked row by row.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from trading.engine.engine import Engine
from trading.engine.types import RULES_VERSION
from trading.models import BookState, JournalRow
from trading.pipeline.journal import (
    GENESIS,
    JournalBody,
    JournalError,
    check_row,
    read_rows,
    replay_entry,
)

Row = tuple[JournalRow, JournalBody]


class Replayed(NamedTuple):
    """The replayed state of a market. `folded` counts the commands of older rules versions."""

    engine: Engine
    journal_hash: bytes
    commands: int
    folded: int


def replay(market_id: int, rows: Iterator[Row] | None = None) -> Replayed:
    """Replay a market's journal from an empty state.

    Raises JournalError at the first row that is missing, altered, of an unknown layout, or whose
    events the engine does not reproduce.
    """
    engine = Engine(market_id)
    previous, folded = GENESIS, 0
    for row, body in read_rows(market_id) if rows is None else rows:
        check_row(engine, row, previous)
        previous = bytes(row.hash)
        for entry in body.entries:
            if row.rules_version == RULES_VERSION:
                replay_entry(engine, entry, row.ts_us)
            else:
                engine.replay_events(entry.command, row.ts_us, entry.events)
                folded += 1
        engine.dirty_orders.clear()
    return Replayed(engine, previous, engine.seq, folded)


def compare_with_live(replayed: Replayed, live: Engine) -> list[str]:
    """Return the differences of the loaded from the replayed state; both of one snapshot."""
    market_id = replayed.engine.market_id
    state = BookState.objects.filter(market_id=market_id).first()
    if state is None:
        return [f"market {market_id}: has a journal and no state"] if replayed.commands else []
    differences = []
    if bytes(state.journal_hash) != replayed.journal_hash:
        differences.append(f"market {market_id}: the state names another last journal row")
    if live.state_hash() != replayed.engine.state_hash():
        differences.append(f"market {market_id}: {_name_difference(replayed.engine, live)}")
    return differences


PARTS: Final = (
    "sequence number", "time", "status", "configuration", "orders", "accounts",
    "automated maker", "orders that wait",
)  # fmt: skip


def _name_difference(replayed: Engine, live: Engine) -> str:
    for part, wanted, found in zip(PARTS, replayed.dump(), live.dump(), strict=False):
        if wanted != found:
            return f"replay and database differ in {part}: {_first(wanted, found)}"
    raise JournalError("equal dumps with different hashes")


def _first(wanted: object, found: object) -> str:
    """Show the first item in which two lists differ."""
    if not (isinstance(wanted, tuple) and isinstance(found, tuple)):
        return f"{wanted} and {found}"
    for left, right in zip(wanted, found, strict=False):
        if left != right:
            return f"{left} and {right}"
    return f"{len(wanted)} and {len(found)} of them"
