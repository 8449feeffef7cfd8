"""Replays a recorded journal and prints what came of it, for comparison between processes.

`python -m tests.engine.replay FILE` where FILE is what `encode_journal` returned.
"""

import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from tests.engine.pair import JournalEntry
from trading.engine.engine import Engine

MARKET_ID = 7


def encode_journal(journal: Iterable[JournalEntry]) -> bytes:
    return msgspec.msgpack.encode(list(journal))


def decode_journal(data: bytes) -> list[JournalEntry]:
    return msgspec.msgpack.decode(data, type=list[JournalEntry])


def run_journal(engine: Engine, journal: Iterable[JournalEntry]) -> bytes:
    """Return the encoded events, and the funds after each command, as one string of bytes."""
    written = bytearray()
    for command, ts_us, funds, headroom, elsewhere in journal:
        after, headroom_after = dict(funds), dict(headroom)
        events = engine.execute(command, ts_us, after, headroom_after, elsewhere)
        written += msgspec.msgpack.encode(events)
        written += msgspec.msgpack.encode((after, headroom_after))
    return bytes(written)


def main(path: str) -> None:
    engine = Engine(MARKET_ID)
    written = run_journal(engine, decode_journal(Path(path).read_bytes()))
    print(hashlib.sha256(written).hexdigest(), engine.state_hash())
    print(hashlib.sha256(engine.snapshot()).hexdigest())


if __name__ == "__main__":
    main(sys.argv[1])
