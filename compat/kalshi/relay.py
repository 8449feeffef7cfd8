"""The feed's markets, relayed to Kalshi's sockets: one relay per hub, each event made once."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final
from weakref import WeakKeyDictionary

import structlog
from django.db.models import OuterRef, Subquery

from compat.kalshi import listing, messages
from compat.kalshi.listing import Book
from compat.kalshi.messages import BookFigures, Message
from compat.kalshi.own_relay import OwnRelay
from compat.kalshi.rows import show_price_levels
from compat.kalshi.streams import (
    LIFECYCLE,
    OF_ALL,
    OF_BOOKS,
    ORDERBOOK,
    TICKER,
    TRADE,
    BookStream,
    Subscription,
)
from compat.kalshi.tickers import KalshiTicker, name_book
from kernel.clock import from_datetime
from kernel.errors import ApiError, not_found
from markets.models import FINAL_STATUSES, HIDDEN_STATUSES, Market
from markets.queries import with_details
from trading.feed import reads
from trading.feed.audience import Audience
from trading.feed.hub import Hub
from trading.feed.market import MarketFeed
from trading.feed.reads import StatusRow
from trading.feed.relays import MarketRelay, ShownBook
from trading.feed.replica import TapeTrade
from trading.feed.tasks import in_thread
from trading.models import OutcomeStats, Trade
from trading.pipeline.instruments import Instrument
from trading.pipeline.messages import Top

log = structlog.get_logger(__name__)

REVIEW_SECONDS: Final = 2.0
FIGURES_SECONDS: Final = 0.5
"""Volumes and open interest are counted from the journal, soon after a trade."""
INVALID_PARAMETER: Final = 11

Place = tuple[int, int]
"""A market and which of its books."""


class BookStreams(MarketRelay):
    """The streams of one market's books."""

    def __init__(self, relay: "KalshiRelay", feed: MarketFeed) -> None:
        super().__init__(feed, relay.hub.tasks)
        seq = feed.replica.published_seq
        books = range(self.instrument.book_count)
        self.streams = [BookStream(self.instrument, index, seq) for index in books]
        self._relay = relay
        self._close_at_us = self.instrument.close_at_us

    @property
    def is_followed(self) -> bool:
        return any(stream.is_followed for stream in self.streams)

    def hear(self, feed: MarketFeed, trades: Sequence[TapeTrade]) -> None:
        super().hear(feed, trades)
        close_at_us = self.instrument.close_at_us
        if close_at_us != self._close_at_us:
            self._close_at_us = close_at_us
            self._announce("close_date_updated", close_ts=close_at_us // 1_000_000)

    def change_tick(self, old_pips: int) -> None:
        levels = show_price_levels(self.instrument.tick_pips)
        self._announce("price_level_structure_updated", **levels)

    def _announce(self, event_type: str, **fields: object) -> None:
        for stream in self.streams:
            message = messages.lifecycle(stream.name.ticker, event_type, **fields)
            for subscription in self._relay.find_followers(stream, LIFECYCLE):
                subscription.push(message)

    def show(self, books: list[ShownBook], trades: Sequence[TapeTrade]) -> None:
        for stream in self.streams:
            own = [trade for trade in trades if trade.outcome == stream.index]
            stream.publish_trades(own, self._relay.find_followers(stream, TRADE))
            if self.feed.is_full:
                stream.publish_book(books[stream.index])
            if own:
                self._relay.note_trades(stream)
            self.show_ticker(stream)

    def show_ticker(self, stream: BookStream) -> None:
        replica, index = self.feed.replica, stream.index
        stream.publish_ticker(
            replica.tops.get(index) or Top(index),
            replica.lasts.get(index),
            replica.published_ts_us,
            self._relay.find_followers(stream, TICKER),
        )


class KalshiRelay:
    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.own = OwnRelay(hub)
        self.audience: Audience[Subscription] = Audience(OF_ALL)
        self._markets: dict[int, asyncio.Task[BookStreams]] = {}
        self._traded: dict[Place, BookStream] = {}
        """Those whose figures are behind their trades."""
        hub.lifecycle.listeners.add(self._hear_statuses)
        hub.tasks.every(REVIEW_SECONDS, self._review)
        hub.tasks.every(FIGURES_SECONDS, self._catch_up)

    # Subscriptions

    async def find_streams(
        self, asked: Iterable[tuple[Instrument, KalshiTicker]], channel: str
    ) -> list[BookStream]:
        """Return the streams of books, loaded; the caller must attach to them without awaiting."""
        pairs = list(asked)
        is_full = channel in (ORDERBOOK, TRADE)
        markets = await self._load_all({one.id for one, _ in pairs}, is_full=is_full)
        return [
            markets[instrument.id].streams[find_book(instrument, ticker.code)]
            for instrument, ticker in pairs
        ]

    async def welcome(self, subscription: Subscription, *, most: int) -> None:
        """Load all markets for one that follows all; of trades, whose books are read, `most`."""
        await self.audience.welcome(subscription)
        listed = self.audience.public | subscription.also_listed
        if subscription.channel == TRADE and len(listed) > most:
            raise ApiError("too_many_subscriptions", count=most)
        await self._load_all(listed, is_full=subscription.channel == TRADE)

    def attach(self, subscription: Subscription, streams: Iterable[BookStream]) -> None:
        """Follow what a subscription names, or everything; its messages are sent from now on."""
        if subscription.books is None:
            if subscription.account_id is None:
                self.audience.add(subscription, subscription.channel)
            return
        for stream in streams:
            subscription.books[stream.name.ticker] = stream
            stream.named[subscription.channel].add(subscription)
            if subscription.channel == ORDERBOOK:
                subscription.follow(stream).owe()

    def show_now(self, subscription: Subscription, streams: Iterable[BookStream]) -> None:
        """Send the present state of books, once more."""
        for stream in streams:
            subscription.follow(stream).owe()

    def detach(self, subscription: Subscription, tickers: Iterable[str]) -> None:
        for ticker in tickers:
            stream = (subscription.books or {}).pop(ticker, None)
            if stream is not None:
                stream.named[subscription.channel].discard(subscription)
                subscription.leave(ticker)

    def end(self, subscription: Subscription) -> None:
        if subscription.is_over:
            return
        if subscription.account_id is not None:
            self.own.leave(subscription)
        if subscription.books is not None:
            self.detach(subscription, list(subscription.books))
        elif subscription.account_id is None:
            self.audience.remove(subscription, subscription.channel)
        subscription.end()

    def find_followers(self, stream: BookStream, channel: str) -> list[Subscription]:
        of_all = self.audience.followers(channel, stream.market_id)
        return [*stream.named[channel], *of_all]

    def list_streams(self) -> list[BookStream]:
        return [stream for market in self._list_markets() for stream in market.streams]

    # Markets

    async def _load_all(
        self, market_ids: Collection[int], *, is_full: bool
    ) -> dict[int, BookStreams]:
        """Return markets, each loaded once for all who ask; a failed load is forgotten."""
        tasks = [self._start_loading(market_id, is_full=is_full) for market_id in market_ids]
        markets = await asyncio.gather(*map(asyncio.shield, tasks))
        await self._read_figures([stream for market in markets for stream in market.streams])
        return {market.instrument.id: market for market in markets}

    def _start_loading(self, market_id: int, *, is_full: bool) -> "asyncio.Task[BookStreams]":
        task = self._markets.get(market_id)
        is_light = task is not None and _is_loaded(task) and not task.result().feed.is_full
        if task is None or (task.done() and not _is_loaded(task)) or (is_full and is_light):
            before = task.result() if task is not None and is_light else None
            task = asyncio.create_task(self._load(market_id, before, is_full=is_full))
            self._markets[market_id] = task
        return task

    async def _load(
        self, market_id: int, before: BookStreams | None, *, is_full: bool
    ) -> BookStreams:
        await self.hub.markets.wait_until_read([market_id], is_named=is_full)
        feed = self.hub.markets.feeds[market_id]
        if feed.instrument is None:
            raise not_found("this market")
        market = before or BookStreams(self, feed)
        await market.load()
        return market

    def _list_markets(self) -> list[BookStreams]:
        return [task.result() for task in self._markets.values() if _is_loaded(task)]

    async def _review(self) -> None:
        """Follow new markets, drop those that nobody follows, and take away those now hidden."""
        await self._take_away_hidden()
        await self.audience.refresh()
        wanted = self.audience.market_ids()
        loaded = self._list_markets()
        for market in loaded:
            market_id = market.instrument.id
            is_watched = market.is_followed or market_id in wanted
            was_unwatched, market.is_unwatched = market.is_unwatched, not is_watched
            if not is_watched and was_unwatched:  # who just asked is about to follow it
                market.close()
                del self._markets[market_id]
        new = wanted - {market.instrument.id for market in loaded}
        await self._load_all(new, is_full=bool(self.audience.watchers[TRADE]))

    async def _take_away_hidden(self) -> None:
        by_user: dict[int | None, list[tuple[Subscription, BookStream]]] = {}
        for stream in self.list_streams():
            for subscription in set().union(*(stream.named[channel] for channel in OF_BOOKS)):
                by_user.setdefault(subscription.user_id, []).append((subscription, stream))
        for user_id, followed in by_user.items():
            market_ids = {stream.market_id for _, stream in followed}
            visible = await in_thread(reads.read_visible, user_id, market_ids)
            for subscription, stream in followed:
                if stream.market_id not in visible:
                    self.detach(subscription, [stream.name.ticker])
                    text = "this market can't be seen any more"
                    gone = messages.error(INVALID_PARAMETER, text, [stream.name.ticker])
                    subscription.watcher.reply(subscription.wrap(gone))

    # Figures

    def note_trades(self, stream: BookStream) -> None:
        self._traded[stream.market_id, stream.index] = stream

    async def _catch_up(self) -> None:
        """Read the figures of books that have traded, until they have counted the trades."""
        streams, self._traded = list(self._traded.values()), {}
        if not streams:
            return
        await self._read_figures(streams)
        for stream in streams:
            market = self._markets.get(stream.market_id)
            if market is not None and _is_loaded(market):
                market.result().show_ticker(stream)

    async def _read_figures(self, streams: Collection[BookStream]) -> None:
        if not streams:
            return
        found = await in_thread(read_figures, {stream.market_id for stream in streams})
        for stream in streams:
            stream.set_figures(found.get((stream.market_id, stream.index), BookFigures()))
            if stream.is_ahead:
                self.note_trades(stream)

    # What happens to markets

    def _hear_statuses(self, changes: Sequence[StatusRow]) -> None:
        followed = {stream.market_id for stream in self.list_streams() if stream.named[LIFECYCLE]}
        is_all = bool(self.audience.watchers[LIFECYCLE])
        news = [row for row in changes if is_all or row.market_id in followed]
        if news:
            self.hub.tasks.spawn(self._announce(news))

    async def _announce(self, news: list[StatusRow]) -> None:
        await self.audience.refresh(is_due=True)
        books = await in_thread(read_books_of, {row.market_id for row in news})
        named = {
            (stream.market_id, stream.index): stream.named[LIFECYCLE]
            for stream in self.list_streams()
        }
        for row in news:
            of_all = self.audience.followers(LIFECYCLE, row.market_id)
            own = books.get(row.market_id, [])
            if own and is_new(row):
                for subscription in of_all:
                    subscription.push(messages.event_lifecycle(own[0].market))
            for book in own:
                followers = [*of_all, *named.get((row.market_id, book.outcome.index), ())]
                for message in show_change(row, book):
                    for subscription in followers:
                        subscription.push(message)


def find_book(instrument: Instrument, code: str | None) -> int:
    """Return which book a ticker's code means, or raise ApiError (404)."""
    if instrument.binary and code is None:
        return 0
    if instrument.binary or code not in instrument.codes:
        raise not_found("this market")
    return instrument.codes.index(code)


def is_new(row: StatusRow) -> bool:
    return row.from_status in HIDDEN_STATUSES and row.to_status == Market.Status.OPEN


def show_change(row: StatusRow, book: Book) -> list[Message]:
    """Return the events by which a change of a market's status is announced."""
    ticker, moment = name_book(book.market, book.outcome), row.created_at
    active = messages.lifecycle(ticker, "activated", is_deactivated=False)
    if is_new(row):
        return [messages.created(book), active]
    if row.to_status == Market.Status.OPEN:
        return [active]
    if row.to_status == Market.Status.HALTED:
        return [messages.lifecycle(ticker, "deactivated", is_deactivated=True)]
    if row.to_status == Market.Status.CLOSED:
        seconds = _seconds(min(moment, book.market.close_at))
        return [messages.lifecycle(ticker, "close_date_updated", close_ts=seconds)]
    if row.to_status in FINAL_STATUSES:
        return messages.settlement(book, ticker, moment)
    return []


def _seconds(moment: datetime) -> int:
    return from_datetime(moment) // 1_000_000


def read_books_of(market_ids: Collection[int]) -> dict[int, list[Book]]:
    books: dict[int, list[Book]] = {}
    markets = with_details(Market.objects.filter(pk__in=market_ids))
    for book in listing.read_books(list(markets)):
        books.setdefault(book.market.pk, []).append(book)
    return books


def read_figures(market_ids: Collection[int]) -> dict[Place, BookFigures]:
    """Return what books have traded, by market and place."""
    trades = Trade.objects.filter(
        market_id=OuterRef("market_id"), outcome_index=OuterRef("outcome_index")
    )
    last = Subquery(trades.order_by("-id").values("quantity_lots")[:1])
    rows = OutcomeStats.objects.filter(market_id__in=market_ids).values_list(
        "market_id", "outcome_index", "seq", "volume_lots", "open_interest_lots", last
    )
    return {
        (market_id, index): BookFigures(seq, volume, interest, last_lots or 0)
        for market_id, index, seq, volume, interest, last_lots in rows
    }


def _is_loaded(task: "asyncio.Task[BookStreams]") -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


_relays: WeakKeyDictionary[Hub, KalshiRelay] = WeakKeyDictionary()


def get_relay(hub: Hub) -> KalshiRelay:
    relay = _relays.get(hub)
    if relay is None:
        relay = _relays[hub] = KalshiRelay(hub)
    return relay
