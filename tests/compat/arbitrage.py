"""A plain reader of Polymarket's socket: it keeps books, groups tokens by market, finds arbitrage.

It knows only what Polymarket documents, and `seq` and `prev_seq`, by which it notices a gap.
"""

import json
from collections.abc import Iterable
from typing import Any

from websockets.asyncio.client import connect

SIDES = {"BUY": "bids", "SELL": "asks"}
Levels = dict[str, dict[str, str]]


class Reader:
    """Books by token: side -> price -> size, as texts."""

    def __init__(self, books: Iterable[dict[str, Any]] = ()) -> None:
        self.books: dict[str, Levels] = {}
        self.seqs: dict[str, int] = {}
        """By market."""
        for book in books:
            self.apply(book)

    def apply(self, event: dict[str, Any]) -> bool:
        """Keep what an event says; False if one before it is missing."""
        if event["event_type"] == "book":
            self.books[event["asset_id"]] = {
                side: {level["price"]: level["size"] for level in event[side]}
                for side in ("bids", "asks")
            }
            self.seqs[event["market"]] = event["seq"]
        if event["event_type"] != "price_change":
            return True
        if event["prev_seq"] > self.seqs.get(event["market"], event["prev_seq"]):
            return False
        self.seqs[event["market"]] = event["seq"]
        for change in event["price_changes"]:
            side = self.books.setdefault(change["asset_id"], {"bids": {}, "asks": {}})
            levels = side[SIDES[change["side"]]]
            levels[change["price"]] = change["size"]
            if float(change["size"]) == 0:
                del levels[change["price"]]
        return True

    def levels(self, token: str) -> Levels:
        return self.books[token]

    def best(self, token: str) -> tuple[float, float]:
        book = self.books.get(token, {"bids": {}, "asks": {}})
        return max(map(float, book["bids"]), default=0), min(map(float, book["asks"]), default=1)

    def size_at_ask(self, token: str) -> float:
        price = min(self.books[token]["asks"], key=float)
        return float(self.books[token]["asks"][price])


async def find_arbitrage(url: str, markets: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the first time that one of each YES, or YES and NO of one market, cost below 1."""
    pairs = [tuple(json.loads(market["clobTokenIds"])) for market in markets]
    reader = Reader()
    async with connect(url) as socket:
        tokens = [token for pair in pairs for token in pair]
        await socket.send(json.dumps({"type": "market", "assets_ids": tokens}))
        async for message in socket:
            if not reader.apply(json.loads(message)):
                raise ValueError("an event is missing: subscribe again")
            groups = [("buy every YES", [yes for yes, _ in pairs])]
            groups += [("buy YES and NO", list(pair)) for pair in pairs]
            for kind, group in groups:
                cost = sum(reader.best(token)[1] for token in group)
                if cost < 1:
                    return {
                        "kind": kind,
                        "cost": cost,
                        "size": min(reader.size_at_ask(token) for token in group),
                    }
    raise ValueError("the socket has closed")
