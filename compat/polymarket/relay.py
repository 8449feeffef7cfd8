"""The feed's markets, relayed to this protocol's sockets: one relay per hub.

Each event is made once. A token is a stream: a socket that falls behind gets its book again.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final
from weakref import WeakKeyDictionary

from compat.polymarket import frames, listing, rows
from compat.polymarket.books import list_tokens, of_token
from compat.polymarket.listing import ShownLeg
from compat.polymarket.names import BinaryLeg, OutcomeToken
from kernel.errors import not_found
from markets.models import FINAL_STATUSES, HIDDEN_STATUSES, Market
from markets.queries import with_details
from trading.feed import reads
from trading.feed.hub import Hub
from trading.feed.market import MarketFeed
from trading.feed.reads import StatusRow
from trading.feed.relays import Change, MarketRelay, ShownBook, compare
from trading.feed.replica import TapeTrade
from trading.feed.tasks import in_thread
from trading.feed.watcher import Frame, Watcher
from trading.pipeline.instruments import Instrument

REVIEW_SECONDS: Final = 2.0


class TokenStream:
    """One token's book and its watchers: a source that can always be read again."""

    def __init__(self, token: OutcomeToken) -> None:
        self.token = token
        self.watchers: set[Watcher] = set()
        self._snapshot: Frame | None = None

    def snapshot(self) -> Frame | None:
        return self._snapshot

    def set_book(self, instrument: Instrument, book: ShownBook) -> None:
        self._snapshot = frames.book(self.token, instrument, book)

    def publish(self, frame: Frame, only: Iterable[Watcher] | None = None) -> None:
        watchers = self.watchers if only is None else self.watchers.intersection(only)
        for watcher in watchers:
            watcher.push(self, frame)


class LegStream:
    """One book: the streams of its two tokens, and what they have shown."""

    def __init__(self, leg: BinaryLeg) -> None:
        self.streams = [TokenStream(token) for token in list_tokens(leg)]
        self.book: ShownBook | None = None
        """As last shown, of YES."""

    @property
    def watchers(self) -> set[Watcher]:
        return self.streams[0].watchers | self.streams[1].watchers

    def show(
        self,
        instrument: Instrument,
        book: ShownBook,
        trades: Sequence[TapeTrade],
        custom: set[Watcher],
        fee_rate_bps: int,
    ) -> None:
        """Send what has changed; nothing the first time, when the streams have no watchers."""
        before = self.book
        changes = [] if before is None else compare(before, book)
        if before is not None and not changes and not trades:
            return
        self.book = book
        for stream in self.streams:
            stream.set_book(instrument, of_token(book, stream.token))
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
                stream.set_book(instrument, of_token(self.book, stream.token))

    def _show_changes(
        self, instrument: Instrument, book: ShownBook, changes: list[Change], *, prev_seq: int
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
        before: ShownBook,
        book: ShownBook,
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
            stream.publish(frames.best_bid_ask(stream.token, of_token(book, stream.token)), custom)


class LegStreams(MarketRelay):
    """The streams of one market's books."""

    def __init__(self, relay: "Relay", feed: MarketFeed, legs: list[ShownLeg]) -> None:
        super().__init__(feed, relay.hub.tasks)
        self.legs = {shown.leg.book: LegStream(shown.leg) for shown in legs}
        self.fee_rate_bps = legs[0].market.fee_taker_rate // rows.PPM_PER_BPS
        self._relay = relay

    @property
    def streams(self) -> list[TokenStream]:
        return [stream for leg in self.legs.values() for stream in leg.streams]

    def change_tick(self, old_pips: int) -> None:
        for leg in self.legs.values():
            leg.change_tick(self.instrument, old_pips, self.feed.replica.published_seq)

    def show(self, books: list[ShownBook], trades: Sequence[TapeTrade]) -> None:
        custom = self._relay.custom
        for index, leg in self.legs.items():
            own = [trade for trade in trades if trade.outcome == index]
            leg.show(self.instrument, books[index], own, custom, self.fee_rate_bps)


class Relay:
    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.custom: set[Watcher] = set()
        """Watchers that asked for best prices, new markets and results."""
        self._markets: dict[int, asyncio.Task[LegStreams]] = {}
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

    async def _get_market(self, market_id: int) -> LegStreams:
        """Return a market, loaded once for all who ask; a failed load is forgotten."""
        task = self._markets.get(market_id)
        if task is None or (task.done() and not _is_loaded(task)):
            task = self._markets[market_id] = asyncio.create_task(self._load(market_id))
        return await asyncio.shield(task)

    async def _load(self, market_id: int) -> LegStreams:
        legs = await in_thread(_read_legs, [market_id])
        await self.hub.markets.wait_until_read([market_id], is_named=True)
        market = LegStreams(self, self.hub.markets.feeds[market_id], legs)
        await market.load()
        return market

    def _list_markets(self) -> list[LegStreams]:
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

    def _take_away(self, market: LegStreams) -> None:
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


def _is_loaded(task: "asyncio.Task[LegStreams]") -> bool:
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


_relays: WeakKeyDictionary[Hub, Relay] = WeakKeyDictionary()


def get_relay(hub: Hub) -> Relay:
    relay = _relays.get(hub)
    if relay is None:
        relay = _relays[hub] = Relay(hub)
    return relay
