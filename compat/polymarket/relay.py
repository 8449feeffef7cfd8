"""The feed's markets, relayed to this protocol's sockets: one relay per hub.

It listens to the hub's replicas, which are loaded, kept complete and conflated there, and makes
each event once. A token is a stream: a socket that falls behind gets its book again. For a market
with an automated maker, whose levels no replica has, the books are read after each change.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final
from weakref import WeakKeyDictionary

import structlog

from compat.polymarket import frames, listing, rows
from compat.polymarket.books import TokenBook, list_tokens, read_books
from compat.polymarket.frames import Change
from compat.polymarket.listing import ShownLeg
from compat.polymarket.names import BinaryLeg, OutcomeToken
from kernel.database import DATABASE_FAULTS
from kernel.errors import not_found
from markets.models import FINAL_STATUSES, HIDDEN_STATUSES, Market
from markets.queries import with_details
from trading.engine.types import BUY, SELL
from trading.feed import reads
from trading.feed.hub import Hub
from trading.feed.market import MarketFeed
from trading.feed.reads import StatusRow
from trading.feed.replica import TapeTrade
from trading.feed.tasks import in_thread
from trading.feed.watcher import Frame, Watcher
from trading.pipeline.instruments import Instrument

log = structlog.get_logger(__name__)

REVIEW_SECONDS: Final = 2.0


class TokenStream:
    """One token's book and its watchers: a source that can always be read again."""

    def __init__(self, token: OutcomeToken) -> None:
        self.token = token
        self.watchers: set[Watcher] = set()
        self._snapshot: Frame | None = None

    def snapshot(self) -> Frame | None:
        return self._snapshot

    def set_book(self, instrument: Instrument, book: TokenBook) -> None:
        self._snapshot = frames.book(self.token, instrument, book)

    def publish(self, frame: Frame, only: Iterable[Watcher] | None = None) -> None:
        watchers = self.watchers if only is None else self.watchers.intersection(only)
        for watcher in watchers:
            watcher.push(self, frame)


class LegStream:
    """One book: the streams of its two tokens, and what they have shown."""

    def __init__(self, leg: BinaryLeg) -> None:
        self.streams = [TokenStream(token) for token in list_tokens(leg)]
        self.book: TokenBook | None = None
        """As last shown, of YES."""

    @property
    def watchers(self) -> set[Watcher]:
        return self.streams[0].watchers | self.streams[1].watchers

    def show(
        self,
        instrument: Instrument,
        book: TokenBook,
        trades: Sequence[TapeTrade],
        custom: set[Watcher],
        fee_rate_bps: int,
    ) -> None:
        """Send what has changed; nothing the first time, when the streams have no watchers."""
        before, changes = self.book, _compare(self.book, book)
        if before is not None and not changes and not trades:
            return
        self.book = book
        for stream in self.streams:
            stream.set_book(instrument, book.of(stream.token))
        if before is None:
            return
        if changes:
            self._show_changes(instrument, book, changes, prev_seq=before.seq)
        for stream in self.streams:
            self._show_token(stream, before, book, trades, custom, fee_rate_bps)

    def change_tick(self, instrument: Instrument, old_pips: int, seq: int) -> None:
        for stream in self.streams:
            new_pips = instrument.tick_pips
            stream.publish(frames.tick_size_change(stream.token, old_pips, new_pips, seq))
            if self.book is not None:
                stream.set_book(instrument, self.book.of(stream.token))

    def _show_changes(
        self, instrument: Instrument, book: TokenBook, changes: list[Change], *, prev_seq: int
    ) -> None:
        watchers = self.watchers
        if not watchers:
            return
        tokens = [stream.token for stream in self.streams]
        frame = frames.price_change(tokens, instrument, book, changes, prev_seq=prev_seq)
        for watcher in watchers:  # once, also to one of both tokens
            for stream in self.streams:
                if watcher in stream.watchers and not watcher.is_due(stream):
                    watcher.push(stream, frame)
                    break

    def _show_token(
        self,
        stream: TokenStream,
        before: TokenBook,
        book: TokenBook,
        trades: Sequence[TapeTrade],
        custom: set[Watcher],
        fee_rate_bps: int,
    ) -> None:
        if not stream.watchers:
            return
        for trade in trades:
            stream.publish(frames.last_trade_price(stream.token, trade, fee_rate_bps=fee_rate_bps))
        snapshot = stream.snapshot()
        if trades and snapshot is not None:
            stream.publish(snapshot)
        if (before.bid_pips, before.ask_pips) != (book.bid_pips, book.ask_pips):
            stream.publish(frames.best_bid_ask(stream.token, book.of(stream.token)), custom)


class MarketRelay:
    """One market that somebody follows here."""

    def __init__(self, relay: "Relay", feed: MarketFeed, legs: list[ShownLeg]) -> None:
        assert feed.instrument is not None, "it is loaded"
        self.feed = feed
        self.instrument = feed.instrument
        self.legs = {shown.leg.book: LegStream(shown.leg) for shown in legs}
        self.fee_rate_bps = legs[0].market.fee_taker_rate // rows.PPM_PER_BPS
        self._relay = relay
        self._trades: list[TapeTrade] = []
        self._is_stale = self._is_reading = False
        self.is_unwatched = False
        """Nobody followed it at the last review."""
        feed.listeners.add(self.hear)

    @property
    def streams(self) -> list[TokenStream]:
        return [stream for leg in self.legs.values() for stream in leg.streams]

    async def load(self) -> None:
        if self.instrument.has_maker:
            self._show((await in_thread(read_books, self.instrument)).books, ())
        else:
            self._show(self._read_replica(), ())

    def close(self) -> None:
        self.feed.listeners.discard(self.hear)

    def hear(self, feed: MarketFeed, trades: Sequence[TapeTrade]) -> None:
        """The feed's listener: the replica has moved, or the terms have."""
        if feed.instrument is None or not feed.is_ready:
            return
        old_pips, self.instrument = self.instrument.tick_pips, feed.instrument
        if self.instrument.tick_pips != old_pips:
            for leg in self.legs.values():
                leg.change_tick(self.instrument, old_pips, feed.replica.published_seq)
        if not self.instrument.has_maker:
            self._show(self._read_replica(), trades)
            return
        self._trades += trades
        self._is_stale = True
        if not self._is_reading:
            self._is_reading = True
            self._relay.hub.tasks.spawn(self._read_with_maker())

    async def _read_with_maker(self) -> None:
        try:
            while self._is_stale:
                self._is_stale = False
                found = await in_thread(read_books, self.instrument)
                trades, self._trades = self._trades, []
                self._show(found.books, trades)
        except DATABASE_FAULTS as fault:
            log.warning("books_not_read", market=self.instrument.id, because=str(fault))
        finally:
            self._is_reading = False

    def _read_replica(self) -> list[TokenBook]:
        replica, levels = self.feed.replica, self.feed.replica.levels or {}
        books = []
        for index in self.legs:
            prices = sorted(levels.get(index, {}).items())
            bids = [(pips, lots[0]) for pips, lots in reversed(prices) if lots[0]]
            asks = [(pips, lots[1]) for pips, lots in prices if lots[1]]
            moment = (replica.published_seq, replica.published_ts_us)
            books.append(TokenBook(*moment, bids, asks, replica.lasts.get(index)))
        return books

    def _show(self, books: list[TokenBook], trades: Sequence[TapeTrade]) -> None:
        custom = self._relay.custom
        for index, leg in self.legs.items():
            own = [trade for trade in trades if trade.outcome == index]
            leg.show(self.instrument, books[index], own, custom, self.fee_rate_bps)


class Relay:
    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.custom: set[Watcher] = set()
        """Watchers that asked for best prices, new markets and results."""
        self._markets: dict[int, asyncio.Task[MarketRelay]] = {}
        hub.lifecycle.listeners.add(self._hear_statuses)
        hub.tasks.every(REVIEW_SECONDS, self._review)

    async def follow(
        self, watcher: Watcher, tokens: Sequence[OutcomeToken], *, with_books: bool
    ) -> None:
        """Subscribe to tokens of visible markets; each stream begins with its book."""
        for token in tokens:
            market = await self._get_market(token.leg.market_id)
            stream = market.legs[token.leg.book].streams[token.is_no]
            stream.watchers.add(watcher)
            if with_books:
                watcher.owe(stream)

    def unfollow(self, watcher: Watcher, token_ids: set[str]) -> None:
        for stream in self._list_streams():
            if stream.token.id in token_ids:
                stream.watchers.discard(watcher)
                watcher.forget(stream)

    def leave(self, watcher: Watcher) -> None:
        self.custom.discard(watcher)
        for stream in self._list_streams():
            stream.watchers.discard(watcher)

    def count(self, watcher: Watcher) -> int:
        return sum(watcher in stream.watchers for stream in self._list_streams())

    async def _get_market(self, market_id: int) -> MarketRelay:
        """Return a market, loaded once for all who ask; a failed load is forgotten."""
        task = self._markets.get(market_id)
        if task is None or (task.done() and not _is_loaded(task)):
            task = self._markets[market_id] = asyncio.create_task(self._load(market_id))
        return await asyncio.shield(task)

    async def _load(self, market_id: int) -> MarketRelay:
        legs = await in_thread(_read_legs, [market_id])
        await self.hub.markets.wait_until_read([market_id], is_named=True)
        market = MarketRelay(self, self.hub.markets.feeds[market_id], legs)
        await market.load()
        return market

    def _list_markets(self) -> list[MarketRelay]:
        return [task.result() for task in self._markets.values() if _is_loaded(task)]

    def _list_streams(self) -> list[TokenStream]:
        return [stream for market in self._list_markets() for stream in market.streams]

    async def _review(self) -> None:
        """Drop markets that nobody follows, or that not everybody may see any more."""
        markets = {market.instrument.id: market for market in self._list_markets()}
        if not markets:
            return
        visible = await in_thread(reads.read_visible, None, markets.keys())
        for market_id, market in markets.items():
            watchers = {watcher for stream in market.streams for watcher in stream.watchers}
            was_unwatched, market.is_unwatched = market.is_unwatched, not watchers
            if market_id not in visible:
                self._take_away(market)
            elif watchers or not was_unwatched:  # who just asked is about to follow it
                continue
            market.close()
            del self._markets[market_id]

    def _take_away(self, market: MarketRelay) -> None:
        for stream in market.streams:
            frame = frames.error(not_found("this market"), assets_ids=[stream.token.id])
            for watcher in list(stream.watchers):
                stream.watchers.discard(watcher)
                watcher.forget(stream)
                watcher.reply(frame)

    # What happens to markets

    def _hear_statuses(self, changes: Sequence[StatusRow]) -> None:
        news = [row for row in changes if _is_new(row) or row.to_status in FINAL_STATUSES]
        if news and self.custom:
            self.hub.tasks.spawn(self._announce(news))

    async def _announce(self, news: list[StatusRow]) -> None:
        legs, listed = await in_thread(_read_news, [row.market_id for row in news])
        followed = {market.instrument.id: market for market in self._list_markets()}
        for row in news:
            for shown in legs.get(row.market_id, ()):
                if _is_new(row) and row.market_id in listed:
                    self._push(frames.new_market(shown, row.created_at), self.custom)
                elif row.to_status in FINAL_STATUSES and row.market_id in followed:
                    leg = followed[row.market_id].legs[shown.leg.book]
                    frame = frames.market_resolved(shown, row.created_at)
                    self._push(frame, self.custom & leg.watchers)

    @staticmethod
    def _push(frame: Frame, watchers: Iterable[Watcher]) -> None:
        for watcher in list(watchers):
            watcher.push(None, frame)


def _is_loaded(task: "asyncio.Task[MarketRelay]") -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


def _is_new(row: StatusRow) -> bool:
    return row.from_status in HIDDEN_STATUSES and row.to_status == Market.Status.OPEN


def _read_legs(market_ids: list[int]) -> list[ShownLeg]:
    markets = with_details(listing.visible_markets()).filter(pk__in=market_ids)
    legs = listing.show_legs(list(markets))
    if not legs:
        raise not_found("this market")
    return legs


def _read_news(market_ids: list[int]) -> tuple[dict[int, list[ShownLeg]], set[int]]:
    """Return the books of those that everybody may see, and which of them lists show."""
    markets = with_details(listing.visible_markets()).filter(pk__in=market_ids)
    legs: dict[int, list[ShownLeg]] = {}
    for shown in listing.show_legs(list(markets)):
        legs.setdefault(shown.market.pk, []).append(shown)
    listed = listing.list_markets().filter(pk__in=market_ids)
    return legs, set(listed.values_list("pk", flat=True))


def _compare(before: TokenBook | None, after: TokenBook) -> list[Change]:
    if before is None:
        return []
    changes: list[Change] = []
    sides = ((BUY, before.bids, after.bids), (SELL, before.asks, after.asks))
    for side, old_levels, new_levels in sides:
        old, new = dict(old_levels), dict(new_levels)
        changes += [(side, pips, 0) for pips in old if pips not in new]
        changes += [(side, pips, lots) for pips, lots in new.items() if old.get(pips) != lots]
    return changes


_relays: WeakKeyDictionary[Hub, Relay] = WeakKeyDictionary()


def get_relay(hub: Hub) -> Relay:
    relay = _relays.get(hub)
    if relay is None:
        relay = _relays[hub] = Relay(hub)
    return relay
