"""A client of the live feed with automatic resync: books and any other subscriptions.

    async with FeedConnection("ws://127.0.0.1:8000/ws/v1", books=["some-market"]) as feed:
        async for frame in feed:
            book = feed.books["some-market"]
            print(book.best_bid("YES"), book.best_ask("YES"))

Frames come in order. When the connection is lost or a sequence number is missing, the feed
reconnects or resubscribes by itself, from the last number that it has of each book.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from decimal import Decimal
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

RECONNECT_SECONDS = 0.5
FRAME_BYTES_MAX = 16 * 1024 * 1024
MARKETS_A_MESSAGE_MAX = 100

Frame = dict[str, Any]
Side = dict[Decimal, Decimal]


BEFORE_ANY = -1


class LocalBook:
    """One market's price levels as of `seq`; BEFORE_ANY until the first snapshot."""

    def __init__(self) -> None:
        self.seq = BEFORE_ANY
        self.bids: dict[str, Side] = {}
        self.asks: dict[str, Side] = {}

    def apply(self, frame: Frame) -> bool:
        """Apply a frame of the channel `book`. False: an earlier one is missing."""
        if frame["type"] == "book_snapshot":
            self.bids, self.asks = {}, {}
        elif frame["prev_seq"] != self.seq:
            return frame["seq"] <= self.seq  # an old frame is no gap
        for book in frame["books"]:
            _set(self.bids.setdefault(book["outcome"], {}), book["bids"])
            _set(self.asks.setdefault(book["outcome"], {}), book["asks"])
        self.seq = frame["seq"]
        return True

    def best_bid(self, outcome: str) -> Decimal | None:
        return max(self.bids.get(outcome, ()), default=None)

    def best_ask(self, outcome: str) -> Decimal | None:
        return min(self.asks.get(outcome, ()), default=None)


class FeedConnection:
    """A connection that reconnects. It maintains `books`; `subscriptions` are further messages."""

    def __init__(
        self,
        url: str,
        *,
        books: Iterable[str] = (),
        subscriptions: Iterable[Frame] = (),
        key: str | None = None,
    ) -> None:
        self.books = {slug: LocalBook() for slug in books}
        self.resyncs = 0
        self._url = url
        self._subscriptions = list(subscriptions)
        self._key = key
        self._connection: ClientConnection | None = None

    async def __aenter__(self) -> "FeedConnection":
        await self._connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def __aiter__(self) -> AsyncIterator[Frame]:
        while True:
            try:
                frame = json.loads(await self.connection.recv())
                if await self._handle_frame(frame):
                    yield frame
            except (WebSocketException, OSError):
                await self._reconnect()

    @property
    def connection(self) -> ClientConnection:
        if self._connection is None:
            raise RuntimeError("enter the feed first: async with FeedConnection(...) as feed")
        return self._connection

    async def send(self, message: Frame) -> None:
        await self.connection.send(json.dumps(message))

    async def _connect(self) -> None:
        self._connection = await connect(self._url, max_size=FRAME_BYTES_MAX, compression=None)
        if self._key is not None:
            await self.send({"op": "auth", "key": self._key})
        for message in self._subscriptions:
            await self.send({"op": "subscribe", **message})
        known = [slug for slug, book in self.books.items() if book.seq != BEFORE_ANY]
        new = [slug for slug, book in self.books.items() if book.seq == BEFORE_ANY]
        for slug in known:
            await self._subscribe(slug)
        for start in range(0, len(new), MARKETS_A_MESSAGE_MAX):
            markets = new[start : start + MARKETS_A_MESSAGE_MAX]
            await self.send({"op": "subscribe", "channels": ["book"], "markets": markets})

    async def _reconnect(self) -> None:
        self.resyncs += 1
        while True:
            await asyncio.sleep(RECONNECT_SECONDS)
            with contextlib.suppress(WebSocketException, OSError):
                await self._connect()
                return

    async def _subscribe(self, slug: str) -> None:
        message: Frame = {"op": "subscribe", "channels": ["book"], "markets": [slug]}
        if self.books[slug].seq != BEFORE_ANY:
            message["since_seq"] = self.books[slug].seq
        await self.send(message)

    async def _handle_frame(self, frame: Frame) -> bool:
        """Update the books; False for a frame that follows a missing one."""
        if frame["type"] in ("book", "book_snapshot") and frame["market"] in self.books:
            if self.books[frame["market"]].apply(frame):
                return True
            await self._resync(frame["market"])
            return False
        if frame["type"] == "heartbeat":
            for slug, seqs in frame["markets"].items():
                book = self.books.get(slug)
                if book is not None and seqs.get("book", BEFORE_ANY) > book.seq:
                    await self._resync(slug)
        return True

    async def _resync(self, slug: str) -> None:
        self.resyncs += 1
        await self._subscribe(slug)


def _set(side: Side, levels: Iterable[tuple[str, str]]) -> None:
    for price, quantity in levels:
        if Decimal(quantity):
            side[Decimal(price)] = Decimal(quantity)
        else:
            side.pop(Decimal(price), None)
