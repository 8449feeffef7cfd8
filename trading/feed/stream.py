"""One channel of one market: its chain of frames, and its watchers.

Each frame's `prev_seq` is the `seq` of the frame (or snapshot) before it in the same stream. The
snapshot is serialised once as well, and kept until the next frame.
"""

from collections.abc import Callable, Iterable
from typing import Final

from trading.feed.watcher import Frame, Watcher

BOOK: Final = "book"
TRADES: Final = "trades"
TICKER: Final = "ticker"
LIFECYCLE: Final = "lifecycle"
CHANNELS: Final = (BOOK, TRADES, TICKER, LIFECYCLE)
CHANNELS_OF_ALL: Final = (TICKER, LIFECYCLE)
"""Channels available for all markets at once."""


class Stream:
    """`render(seq)` builds the snapshot's frame, None while there is no data."""

    def __init__(self, render: Callable[[int], Frame | None]) -> None:
        self.seq = 0
        self.watchers: set[Watcher] = set()
        self._render = render
        self._snapshot: Frame | None = None

    def snapshot(self) -> Frame | None:
        if self._snapshot is None:
            self._snapshot = self._render(self.seq)
        return self._snapshot

    def publish(self, frame: Frame, seq: int, others: Iterable[Watcher] = ()) -> None:
        """Send a frame to the stream's watchers, and to `others` that follow all markets."""
        self.move(seq)
        for watcher in self.watchers:
            watcher.push(self, frame)
        for watcher in others:
            if watcher not in self.watchers:
                watcher.push(self, frame)

    def move(self, seq: int) -> None:
        """Continue the chain at `seq`, after changes that nobody watched."""
        self.seq = seq
        self._snapshot = None

    def restart(self, seq: int, others: Iterable[Watcher] = ()) -> None:
        """Start a new chain: every watcher gets a snapshot."""
        self.move(seq)
        for watcher in {*self.watchers, *others}:
            watcher.owe(self)
