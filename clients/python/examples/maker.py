"""A maker on the socket: PREDEX_KEY=pdx_... python maker.py MARKET"""

import asyncio
import sys
from decimal import Decimal

from predex_client import AsyncFeed, NewOrder

CENT = Decimal("0.01")


async def make(slug: str) -> None:
    async with AsyncFeed() as feed:
        await feed.cancel_on_disconnect()
        await feed.subscribe("book", markets=[slug])
        quoted, book = None, feed.books[slug]
        async for _ in feed:
            fair = ((book.best_bid() or Decimal(0)) + (book.best_ask() or Decimal(1))) / 2
            bid, ask = (fair - CENT).quantize(CENT), (fair + CENT).quantize(CENT)
            if (bid, ask) != quoted and 0 < bid < ask < 1:
                quoted = bid, ask
                await feed.cancel_all(market=slug)
                quotes = NewOrder(slug, "buy", 10, bid), NewOrder(slug, "sell", 10, ask)
                await feed.place_batch(quotes)


asyncio.run(make(sys.argv[1]))
