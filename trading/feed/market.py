"""A watched market: its replica, its streams, and when the next frame is due."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from trading.feed import frames
from trading.feed.reads import LifecycleState
from trading.feed.replica import BookReplica, Published, TapeTrade
from trading.feed.resume import Key
from trading.feed.stream import BOOK, CHANNELS, LIFECYCLE, TICKER, TRADES, Stream
from trading.feed.watcher import Frame, Watcher
from trading.pipeline.instruments import Instrument
from trading.pipeline.messages import MarketChange

CHANGES_KEPT_MAX: Final = 10_000
"""Publications buffered while an image is being read; more of them count as a gap."""


Listener = Callable[["MarketFeed", Sequence[TapeTrade]], None]


class Collector:
    """Collects what is published while the earlier changes are being read."""

    def __init__(self) -> None:
        self.keys: set[Key] = set()
        self.trades: list[TapeTrade] = []
        self.is_broken = False
        """The market was reloaded meanwhile, so what was collected is incomplete."""


class MarketFeed:
    def __init__(self, market_id: int) -> None:
        self.market_id = market_id
        self.instrument: Instrument | None = None
        self.state: LifecycleState | None = None
        self.replica = BookReplica()
        self.is_full = False
        """It is watched by name, so the whole book and the tape are needed."""
        self.is_loading = False
        self.is_stale = False
        self.changes: list[MarketChange] = []
        self.collectors: set[Collector] = set()
        self.timer: asyncio.TimerHandle | None = None
        self.was_read = asyncio.Event()
        self.shown_at = 0.0
        self.unwatched_since: float | None = None
        self.listeners: set[Listener] = set()
        """Feeds of other forms: called after each frame with the trades in it."""
        self.streams = {
            BOOK: Stream(self._render_book),
            TRADES: Stream(self._render_trades),
            TICKER: Stream(self._render_ticker),
            LIFECYCLE: Stream(self._render_lifecycle),
        }

    @property
    def is_ready(self) -> bool:
        """Return whether everything that its watchers need has been loaded."""
        return self.replica.is_loaded and (not self.is_full or self.replica.levels is not None)

    @property
    def is_named(self) -> bool:
        return bool(self.listeners) or any(stream.watchers for stream in self.streams.values())

    def keep(self, change: MarketChange) -> None:
        """Buffer a publication until the image is loaded."""
        if len(self.changes) < CHANGES_KEPT_MAX:
            self.changes.append(change)

    def show(self, tickers: list[Watcher]) -> None:
        """Send what is pending as one frame per stream; `tickers` follow all markets' tickers."""
        shown = self.replica.publish()
        if shown is None or self.instrument is None:
            return
        book, trades, ticker = (self.streams[name] for name in (BOOK, TRADES, TICKER))
        if book.watchers:
            book.publish(frames.book(self.instrument, shown, book.seq), shown.seq)
        else:
            book.move(shown.seq)
        if shown.trades:
            self._show_trades(trades, shown)
        if shown.outcomes and (ticker.watchers or tickers):
            frame = frames.ticker(self.instrument, self.replica, shown, ticker.seq)
            ticker.publish(frame, shown.seq, tickers)
        elif shown.outcomes:
            ticker.move(shown.seq)
        for collector in self.collectors:
            collector.keys.update((level.outcome, level.price_pips) for level in shown.levels)
            collector.trades.extend(shown.trades)
        self._notify(shown.trades)

    def publish_terms(self, others: list[Watcher]) -> None:
        """Send the market's changed terms, with the same status."""
        assert self.instrument is not None
        assert self.state is not None
        stream = self.streams[LIFECYCLE]
        seq = max(stream.seq, self.replica.seq)
        frame = frames.terms(self.instrument, self.state, prev_seq=stream.seq, seq=seq)
        stream.publish(frame, seq, others)
        self._notify(())

    def restart(self, others: dict[str, list[Watcher]]) -> None:
        """Restart every stream from the replica's published state."""
        for collector in self.collectors:
            collector.is_broken = True
        for name in CHANNELS:
            self.streams[name].restart(self.replica.published_seq, others.get(name, ()))
        self._notify(())

    def _notify(self, trades: Sequence[TapeTrade]) -> None:
        for listener in tuple(self.listeners):
            listener(self, trades)

    def book_since(self, keys: set[Key], since_seq: int, collector: Collector) -> Frame:
        """Return the frame from `since_seq` to now, from the prices that changed."""
        assert self.instrument is not None
        assert self.replica.levels is not None
        shown = self.replica.show_since(since_seq, keys | collector.keys)
        return frames.book(self.instrument, shown, since_seq)

    def trades_since(self, tape: list[TapeTrade], since_seq: int, collector: Collector) -> Frame:
        assert self.instrument is not None
        seq = self.streams[TRADES].seq
        trades = [*tape, *collector.trades]
        new = {trade.trade_id: trade for trade in trades if since_seq < trade.seq <= seq}
        return frames.trades(
            self.instrument,
            [new[trade_id] for trade_id in sorted(new)],
            prev_seq=since_seq,
            seq=seq,
            ts_us=self.replica.published_ts_us,
        )

    def _show_trades(self, trades: Stream, shown: Published) -> None:
        if not trades.watchers or self.instrument is None:
            trades.move(shown.seq)
            return
        frame = frames.trades(
            self.instrument, shown.trades, prev_seq=trades.seq, seq=shown.seq, ts_us=shown.ts_us
        )
        trades.publish(frame, shown.seq)

    def _render_book(self, seq: int) -> Frame | None:
        if self.instrument is None or self.replica.levels is None:
            return None
        return frames.book_snapshot(self.instrument, self.replica, seq)

    def _render_trades(self, seq: int) -> Frame | None:
        if self.instrument is None or self.replica.levels is None:
            return None
        return frames.trades_snapshot(self.instrument, self.replica, seq)

    def _render_ticker(self, seq: int) -> Frame | None:
        if self.instrument is None or not self.replica.is_loaded:
            return None
        return frames.ticker_snapshot(self.instrument, self.replica, seq)

    def _render_lifecycle(self, seq: int) -> Frame | None:
        if self.instrument is None or self.state is None:
            return None
        return frames.lifecycle_snapshot(self.instrument, self.state, seq)
