"""A bot's own copy of the books, kept by the feed alone, against the server's."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

from predex_client import AsyncFeed
from tests.faults.conftest import Stage
from tests.faults.wire import LOST, Connection

CATCH_UP_SECONDS_MAX = 5.0


class Follower:
    """Follows the book of every market. Use `follow`."""

    def __init__(self, stage: Stage) -> None:
        self.slugs = [market.slug for market in stage.world.markets]
        self.feed = AsyncFeed(stage.exchange.base_url, "")
        self.http = Connection(
            stage.exchange.port, headers={"X-API-Key": stage.world.traders[0].key}
        )

    async def read(self) -> None:
        async for _ in self.feed:
            pass

    async def catch_up(self) -> float:
        """Wait until the feed has what the API shows now: seconds it took."""
        began_at = time.monotonic()
        for slug in self.slugs:
            shown = await self._get_book(slug)
            while (self.feed.books[slug].seq or 0) < shown["seq"]:
                seconds = time.monotonic() - began_at
                assert seconds < CATCH_UP_SECONDS_MAX, f"the feed of {slug} is behind {shown}"
                await asyncio.sleep(0.01)
        return time.monotonic() - began_at

    async def check(self) -> None:
        """While nothing trades: the copy is the server's book, at the same sequence number."""
        await self.catch_up()
        for slug in self.slugs:
            shown, copy = await self._get_book(slug), self.feed.books[slug]
            assert copy.seq == shown["seq"], slug
            for outcome in copy.bids:
                [book] = [book for book in shown["books"] if book["outcome"] == outcome]
                assert copy.bids[outcome] == _side(book["bids"]), (slug, outcome, copy.seq)
                assert copy.asks[outcome] == _side(book["asks"]), (slug, outcome, copy.seq)

    async def _get_book(self, slug: str) -> dict[str, Any]:
        path = f"markets/{slug}/book"
        try:
            reply = await self.http.request("GET", path)
        except LOST:  # the web process that this connection led to was killed
            reply = await self.http.request("GET", path)
        assert reply.status == 200, reply
        return reply.json()


@contextlib.asynccontextmanager
async def follow(stage: Stage) -> AsyncIterator[Follower]:
    follower = Follower(stage)
    async with follower.feed:
        await follower.feed.subscribe("book", markets=follower.slugs)
        reading = asyncio.create_task(follower.read())
        try:
            yield follower
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            follower.http.close()


def _side(levels: list[list[str]]) -> dict[Decimal, Decimal]:
    return {Decimal(price): Decimal(quantity) for price, quantity in levels}
