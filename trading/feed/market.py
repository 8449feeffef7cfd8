"""One market that somebody watches: its mirror, its streams, and when the next frame is due."""

import asyncio
from typing import Final

from trading.cards import MarketCard
from trading.feed import frames
from trading.feed.mirror import Mirror, Shown, TapeTrade
from trading.feed.reads import Standing
from trading.feed.resume import Key
from trading.feed.stream import BOOK, CHANNELS, LIFECYCLE, TICKER, TRADES, Stream
from trading.feed.watcher import Frame, Watcher
from trading.messages import MarketChange

CHANGES_KEPT_MAX: Final = 10_000
"""Publications kept while an image is being read; more of them are a gap."""


class Collector:
    """What was shown while somebody reads what was before it."""

    def __init__(self) -> None:
        self.keys: set[Key] = set()
        self.trades: list[TapeTrade] = []
        self.is_broken = False
        """The market began anew meanwhile, so what was collected is not all."""


class MarketFeed:
    def __init__(self, market_id: int) -> None:
        self.market_id = market_id
        self.card: MarketCard | None = None
        self.standing: Standing | None = None
        self.mirror = Mirror()
        self.is_full = False
        """Somebody follows it by name, so the whole book and the tape are needed."""
        self.is_loading = False
        self.is_stale = False
        self.changes: list[MarketChange] = []
        self.collectors: set[Collector] = set()
        self.timer: asyncio.TimerHandle | None = None
        self.was_read = asyncio.Event()
        self.shown_at = 0.0
        self.unwatched_since: float | None = None
        self.streams = {
            BOOK: Stream(self._render_book),
            TRADES: Stream(self._render_trades),
            TICKER: Stream(self._render_ticker),
            LIFECYCLE: Stream(self._render_lifecycle),
        }

    @property
    def is_ready(self) -> bool:
        """Return whether all that its watchers asked for has been read."""
        return self.mirror.is_loaded and (not self.is_full or self.mirror.levels is not None)

    @property
    def is_named(self) -> bool:
        return any(stream.watchers for stream in self.streams.values())

    def keep(self, change: MarketChange) -> None:
        """Keep a publication for when the image is there."""
        if len(self.changes) < CHANGES_KEPT_MAX:
            self.changes.append(change)

    def show(self, tickers: list[Watcher]) -> None:
        """Send what is ahead as one frame per stream; `tickers` follow all markets' tickers."""
        shown = self.mirror.take()
        if shown is None or self.card is None:
            return
        book, trades, ticker = (self.streams[name] for name in (BOOK, TRADES, TICKER))
        if book.watchers:
            book.publish(frames.book(self.card, shown, book.seq), shown.seq)
        else:
            book.move(shown.seq)
        if shown.trades:
            self._show_trades(trades, shown)
        if shown.outcomes and (ticker.watchers or tickers):
            frame = frames.ticker(self.card, self.mirror, shown, ticker.seq)
            ticker.publish(frame, shown.seq, tickers)
        elif shown.outcomes:
            ticker.move(shown.seq)
        for collector in self.collectors:
            collector.keys.update((level.outcome, level.price_pips) for level in shown.levels)
            collector.trades.extend(shown.trades)

    def tell_terms(self, others: list[Watcher]) -> None:
        """Send what the market's terms are now, its status being as before."""
        assert self.card is not None
        assert self.standing is not None
        stream = self.streams[LIFECYCLE]
        seq = max(stream.seq, self.mirror.seq)
        frame = frames.terms(self.card, self.standing, prev_seq=stream.seq, seq=seq)
        stream.publish(frame, seq, others)

    def restart(self, others: dict[str, list[Watcher]]) -> None:
        """Begin every stream anew from what the mirror shows now."""
        for collector in self.collectors:
            collector.is_broken = True
        for name in CHANNELS:
            self.streams[name].restart(self.mirror.shown_seq, others.get(name, ()))

    def book_since(self, keys: set[Key], since_seq: int, collector: Collector) -> Frame:
        """Return the frame that leads from `since_seq` to now, by the prices that changed."""
        assert self.card is not None
        assert self.mirror.levels is not None
        levels = self.mirror.changes_at(keys | collector.keys)
        mirror = self.mirror
        shown = Shown(since_seq, mirror.shown_seq, mirror.shown_ts_us, levels, [], [])
        return frames.book(self.card, shown, since_seq)

    def trades_since(self, tape: list[TapeTrade], since_seq: int, collector: Collector) -> Frame:
        assert self.card is not None
        seq = self.streams[TRADES].seq
        trades = [*tape, *collector.trades]
        new = {trade.trade_id: trade for trade in trades if since_seq < trade.seq <= seq}
        return frames.trades(
            self.card,
            [new[trade_id] for trade_id in sorted(new)],
            prev_seq=since_seq,
            seq=seq,
            ts_us=self.mirror.shown_ts_us,
        )

    def _show_trades(self, trades: Stream, shown: Shown) -> None:
        if not trades.watchers or self.card is None:
            trades.move(shown.seq)
            return
        frame = frames.trades(
            self.card, shown.trades, prev_seq=trades.seq, seq=shown.seq, ts_us=shown.ts_us
        )
        trades.publish(frame, shown.seq)

    def _render_book(self, seq: int) -> Frame | None:
        if self.card is None or self.mirror.levels is None:
            return None
        return frames.book_snapshot(self.card, self.mirror, seq)

    def _render_trades(self, seq: int) -> Frame | None:
        if self.card is None or self.mirror.levels is None:
            return None
        return frames.trades_snapshot(self.card, self.mirror, seq)

    def _render_ticker(self, seq: int) -> Frame | None:
        if self.card is None or not self.mirror.is_loaded:
            return None
        return frames.ticker_snapshot(self.card, self.mirror, seq)

    def _render_lifecycle(self, seq: int) -> Frame | None:
        if self.card is None or self.standing is None:
            return None
        return frames.lifecycle_snapshot(self.card, self.standing, seq)
