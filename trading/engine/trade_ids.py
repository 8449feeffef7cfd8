"""Ids of trades: a function of when, where and which, so that a replay gives the same ones.

Layout (a version 8 UUID, RFC 9562): 48 bits of Unix milliseconds, version, then 74 bits of which
34 are the sequence number, 16 the index inside the command and 24 the market. They sort by time,
then by sequence: inside a market they sort exactly as its trades happened.
"""

from typing import Final

_VERSION: Final = 8 << 76
_VARIANT: Final = 0b10 << 62
_LOW: Final = (1 << 62) - 1
SEQ_MAX: Final = (1 << 34) - 1
INDEX_MAX: Final = (1 << 16) - 1
MARKET_MAX: Final = (1 << 24) - 1


def trade_id(market_id: int, ts_us: int, seq: int, index: int) -> str:
    """Return the id as 32 hex digits."""
    assert 0 <= seq <= SEQ_MAX
    assert 0 <= index <= INDEX_MAX
    assert 0 < market_id <= MARKET_MAX
    which = seq << 40 | index << 24 | market_id
    number = (ts_us // 1000) << 80 | _VERSION | (which >> 62) << 64 | _VARIANT | which & _LOW
    return f"{number:032x}"
