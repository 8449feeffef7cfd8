"""Ids: UUID version 7, unique across processes, hosts and restarts without coordination.

Layout (RFC 9562): 48 bits of Unix milliseconds, version 7, 12 bits of the millisecond's fraction,
variant, 62 random bits. So ids sort by time to a quarter of a microsecond, and a clock that steps
back can repeat the time but not the randomness. Everywhere, in JSON and in the engine, an id is a
string of 32 lower-case hex digits; both databases accept that text for a UUID column.
"""

import os
import re
import struct
import time
import uuid

BLOCK_COUNT = 512
_VERSION = 7 << 76
_VARIANT = 0b10 << 62
_RANDOM_MASK = (1 << 62) - 1
_UNPACK = struct.Struct(f"{BLOCK_COUNT}Q").unpack
_WRITTEN = re.compile(r"[0-9a-fA-F]{8}(-?)(?:[0-9a-fA-F]{4}\1){3}[0-9a-fA-F]{12}", re.ASCII)

_block: list[int] = []
# A forked child must not hand out its parent's random numbers again.
os.register_at_fork(after_in_child=_block.clear)


def new_id() -> str:
    """Return a new id as 32 lower-case hex digits."""
    return f"{_new_number():032x}"


def new_uuid() -> uuid.UUID:
    """Return a new id as a UUID, for model fields."""
    return uuid.UUID(int=_new_number())


def check_id(text: str) -> str:
    """Return the id as 32 lower-case hex digits; it may contain dashes. ValueError otherwise."""
    if not _WRITTEN.fullmatch(text):
        raise ValueError("not an id")
    return text.replace("-", "").lower()


def _new_number() -> int:
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    return (
        milliseconds << 80
        | _VERSION
        | ((nanoseconds << 12) // 1_000_000) << 64
        | _VARIANT
        | (_random() & _RANDOM_MASK)
    )


def _random() -> int:
    try:
        return _block.pop()  # atomic: no two threads get the same number
    except IndexError:
        _block.extend(_UNPACK(os.urandom(8 * BLOCK_COUNT)))
        return _random()
