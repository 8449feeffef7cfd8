"""One book as the cache has it, and what strategies see of it."""

from msgspec import Struct

from bots.engine.events import BUY, Best, BookChange, BookSnapshot, Level, Levels
from bots.engine.units import PAYOUT_PIPS


class BookLadder(Struct, frozen=True):
    """A book at one moment, best levels first. `version` grows with each change of the book."""

    bids: Levels
    asks: Levels
    version: int
    received_ns: int

    def mirror(self) -> "BookLadder":
        """Return it as the other token sees it."""
        bids, asks = (
            tuple(Level(PAYOUT_PIPS - pips, lots) for pips, lots in levels)
            for levels in (self.asks, self.bids)
        )
        return BookLadder(bids, asks, self.version, self.received_ns)


class CachedBook:
    """Levels by price. `is_current` is False before the first snapshot and while one is awaited.

    After `lose` only a snapshot makes it current again.
    """

    __slots__ = (
        "_ladder",
        "_mirrored",
        "asks",
        "bids",
        "is_current",
        "is_lost",
        "received_ns",
        "version",
    )

    def __init__(self) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.is_current = False
        self.is_lost = True
        self.version = 0
        self.received_ns = 0
        self._ladder: BookLadder | None = None
        self._mirrored: BookLadder | None = None

    def replace(self, snapshot: BookSnapshot) -> None:
        self.bids = {pips: lots for pips, lots in snapshot.bids if lots > 0}
        self.asks = {pips: lots for pips, lots in snapshot.asks if lots > 0}
        self.is_lost = False
        self._touch(snapshot.received_ns)

    def change(self, event: BookChange) -> bool:
        """Apply a change. False: the book can't be right any more, and is lost."""
        if self.is_lost:
            return True
        for side, pips, lots in event.changes:
            levels = self.bids if side == BUY else self.asks
            total = levels.get(pips, 0) + lots if event.is_relative else lots
            if total > 0:
                levels[pips] = total
            elif total == 0:
                levels.pop(pips, None)
            else:
                self.lose()
                return False
        if event.best is not None and event.best != self.best:
            self.lose()
            return False
        self._touch(event.received_ns)
        return True

    def suspect(self) -> None:
        self.is_current = False

    def lose(self) -> None:
        self.is_current, self.is_lost = False, True

    @property
    def best(self) -> Best:
        return Best(max(self.bids, default=None), min(self.asks, default=None))

    @property
    def ladder(self) -> BookLadder:
        if self._ladder is None:
            bids = tuple(Level(pips, self.bids[pips]) for pips in sorted(self.bids, reverse=True))
            asks = tuple(Level(pips, self.asks[pips]) for pips in sorted(self.asks))
            self._ladder = BookLadder(bids, asks, self.version, self.received_ns)
        return self._ladder

    @property
    def mirrored(self) -> BookLadder:
        if self._mirrored is None:
            self._mirrored = self.ladder.mirror()
        return self._mirrored

    def _touch(self, received_ns: int) -> None:
        self.version += 1
        self.received_ns = received_ns
        self.is_current = True
        self._ladder = self._mirrored = None
