"""A market that sockets of other protocols follow: its books as they were last shown.

It listens to the hub's replica, which is loaded, kept complete and conflated there. For a market
with an automated maker, whose levels no replica has, the books are read after each change.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import structlog

from kernel.database import DATABASE_FAULTS
from trading.engine.types import BUY, SELL
from trading.feed.market import MarketFeed
from trading.feed.reads import book_from_database, read_lasts
from trading.feed.replica import TapeTrade
from trading.feed.tasks import Tasks, in_thread
from trading.pipeline.instruments import Instrument
from trading.pipeline.loading import read_ladders
from trading.pipeline.messages import Levels, Sides
from trading.pipeline.snapshot import consistent_read
from trading.wire.levels import mirror_levels, split_levels
from trading.wire.options import mirror_pips

log = structlog.get_logger(__name__)

LADDER_MAX: Final = 50
"""Levels of a side that are shown of an automated maker, which may have one at every tick."""

Change = tuple[int, int, int]
"""(side, price in pips, total in lots afterwards) of a level, as that of YES."""


class ShownBook(NamedTuple):
    """Levels best first, as of `seq`, with what an automated maker offers."""

    seq: int
    ts_us: int
    bids: Levels
    asks: Levels
    last_pips: int | None

    @property
    def bid_pips(self) -> int | None:
        return self.bids[0][0] if self.bids else None

    @property
    def ask_pips(self) -> int | None:
        return self.asks[0][0] if self.asks else None

    def of_side(self, *, is_no: bool) -> "ShownBook":
        """Return the book of YES as it is, or as that of NO."""
        if not is_no:
            return self
        bids, asks = mirror_levels(self.asks), mirror_levels(self.bids)
        return self._replace(
            bids=bids, asks=asks, last_pips=mirror_pips(self.last_pips, as_no=True)
        )


def read_books(instrument: Instrument) -> list[ShownBook]:
    """Return every book of a market, as those of YES, as of the last commit."""
    with consistent_read():
        seq, ts_us, levels = book_from_database(instrument.id)
        lasts = read_lasts({instrument.id: seq})[instrument.id]
        ladders = (
            read_ladders([instrument.id], levels_max=LADDER_MAX) if instrument.has_maker else {}
        )
    sides = split_levels(levels, instrument.book_count)
    of_maker = ladders.get(instrument.id) or [([], [])] * len(sides)
    return [
        ShownBook(seq, ts_us, *_add_ladder(own, ladder), lasts.get(book))
        for book, (own, ladder) in enumerate(zip(sides, of_maker, strict=True))
    ]


def _add_ladder(sides: Sides, ladder: Sides) -> Sides:
    """Return the levels of orders and of an automated maker as one book."""
    bids = _add(sides[0], ladder[0])
    return sorted(bids, reverse=True), sorted(_add(sides[1], ladder[1]))


def _add(levels: Levels, more: Levels) -> Levels:
    totals: dict[int, int] = {}
    for price_pips, lots in (*levels, *more):
        totals[price_pips] = totals.get(price_pips, 0) + lots
    return list(totals.items())


def compare(before: ShownBook, after: ShownBook) -> list[Change]:
    """Return the levels that changed, each with its new total."""
    changes: list[Change] = []
    sides = ((BUY, before.bids, after.bids), (SELL, before.asks, after.asks))
    for side, old_levels, new_levels in sides:
        old, new = dict(old_levels), dict(new_levels)
        changes += [(side, pips, 0) for pips in old if pips not in new]
        changes += [(side, pips, lots) for pips, lots in new.items() if old.get(pips) != lots]
    return changes


class MarketRelay:
    """One market that somebody follows in another protocol, which `show` speaks."""

    def __init__(self, feed: MarketFeed, tasks: Tasks) -> None:
        assert feed.instrument is not None, "it is loaded"
        self.feed = feed
        self.instrument = feed.instrument
        self.is_unwatched = False
        """Nobody followed it at the last review."""
        self._tasks = tasks
        self._trades: list[TapeTrade] = []
        self._is_stale = self._is_reading = False
        feed.listeners.add(self.hear)

    def show(self, books: list[ShownBook], trades: Sequence[TapeTrade]) -> None:
        """Send what has changed; the books have no levels where the feed has none."""
        raise NotImplementedError

    def change_tick(self, old_pips: int) -> None:
        """Send that the instrument has a new tick."""
        raise NotImplementedError

    async def load(self) -> None:
        """Read and show the books, with nothing to compare them to."""
        if not self._has_ladder():
            self.show(self._read_replica(), ())
            return
        self._is_stale = self._is_reading = True
        try:
            await self._read_while_stale()
        finally:
            self._is_reading = False

    def close(self) -> None:
        self.feed.listeners.discard(self.hear)

    def hear(self, feed: MarketFeed, trades: Sequence[TapeTrade]) -> None:
        """The feed's listener: the replica has moved, or the terms have."""
        if feed.instrument is None or not feed.is_ready:
            return
        old_pips, self.instrument = self.instrument.tick_pips, feed.instrument
        if self.instrument.tick_pips != old_pips:
            self.change_tick(old_pips)
        if not self._has_ladder():
            self.show(self._read_replica(), trades)
            return
        self._trades += trades
        self._is_stale = True
        if not self._is_reading:
            self._is_reading = True
            self._tasks.spawn(self._read_with_maker())

    def _has_ladder(self) -> bool:
        return self.instrument.has_maker and self.feed.is_full

    async def _read_with_maker(self) -> None:
        try:
            await self._read_while_stale()
        except DATABASE_FAULTS as fault:
            log.warning("books_not_read", market=self.instrument.id, because=str(fault))
        finally:
            self._is_reading = False

    async def _read_while_stale(self) -> None:
        while self._is_stale:
            self._is_stale = False
            books = await in_thread(read_books, self.instrument)
            trades, self._trades = self._trades, []
            self.show(books, trades)

    def _read_replica(self) -> list[ShownBook]:
        replica, levels = self.feed.replica, self.feed.replica.levels or {}
        books = []
        for index in range(self.instrument.book_count):
            prices = sorted(levels.get(index, {}).items())
            bids = [(pips, lots[0]) for pips, lots in reversed(prices) if lots[0]]
            asks = [(pips, lots[1]) for pips, lots in prices if lots[1]]
            moment = (replica.published_seq, replica.published_ts_us)
            books.append(ShownBook(*moment, bids, asks, replica.lasts.get(index)))
        return books
