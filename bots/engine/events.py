"""What venues' feeds are made into: the events that the router takes to the cache.

An event of a book is emitted only where nothing is missing between it and the one before; a feed
that misses something says `BookStale`, and asks its venue again.
"""

from typing import Final, NamedTuple, TypeAlias

from msgspec import Struct

BUY: Final = 1
SELL: Final = -1


class Key(NamedTuple):
    """One book: that of a token at a venue."""

    venue: str
    token: str


class Level(NamedTuple):
    price_pips: int
    lots: int


Levels: TypeAlias = tuple[Level, ...]


class LevelDelta(NamedTuple):
    """`lots` is the level's new total; in a change that is relative, what is added to it."""

    side: int
    price_pips: int
    lots: int


class Best(NamedTuple):
    """The best prices after a change, as the venue says; None: that side is empty."""

    bid_pips: int | None
    ask_pips: int | None


class BookSnapshot(Struct, frozen=True, gc=False):
    key: Key
    bids: Levels
    asks: Levels
    received_ns: int


class BookChange(Struct, frozen=True, gc=False):
    key: Key
    changes: tuple[LevelDelta, ...]
    received_ns: int
    is_relative: bool = False
    best: Best | None = None


class BookStale(Struct, frozen=True, gc=False):
    """What is known of this book may be outdated, until its next event."""

    key: Key
    received_ns: int


class TradePrint(Struct, frozen=True, gc=False):
    """A trade; `taker_side` is what the later order did."""

    key: Key
    taker_side: int
    price_pips: int
    lots: int
    received_ns: int


Event: TypeAlias = BookSnapshot | BookChange | BookStale | TradePrint
