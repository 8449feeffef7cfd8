"""Venues in a few lines, which speak the real frames: their books change, and faults happen to what
they send. Each has the same interface, so that one test is about all of them.
"""

import hashlib
import json
import random
from collections.abc import Iterator
from typing import Any

from bots.engine.events import BUY, SELL, Key
from bots.engine.markets import BinaryMarket, MarketEvent
from bots.engine.units import PAYOUT_PIPS, show_price, show_quantity
from bots.engine.venues.base import VenueFeed
from bots.engine.venues.kalshi_feed import KalshiFeed
from bots.engine.venues.polymarket_feed import PolymarketFeed
from bots.engine.venues.predex_feed import PredexFeed

TIME = "2026-07-01T12:00:00.000000Z"
PRICES = range(300, 10_000, 300)
Books = dict[str, dict[int, dict[int, int]]]
"""Market -> side -> price in pips -> lots."""


class Source:
    """A venue with a few one-book markets. `changes` makes one change and returns its frames;
    `answer` returns the frames that answer what the feed sends.
    """

    venue = "venue"

    def __init__(self, dice: random.Random, names: tuple[str, ...] = ("A", "B", "C")) -> None:
        self.dice = dice
        self.names = names
        self.books: Books = {name: {BUY: {}, SELL: {}} for name in names}
        self.seq = dict.fromkeys(names, 0)

    def pick(self) -> tuple[str, int, int, int]:
        """Return a change: market, side, price, its new lots; the book never crosses."""
        name, side = self.dice.choice(self.names), self.dice.choice((BUY, SELL))
        book = self.books[name]
        if book[side] and self.dice.random() < 0.4:
            return name, side, self.dice.choice(list(book[side])), 0
        best = max(book[BUY], default=0), min(book[SELL], default=PAYOUT_PIPS)
        room = [p for p in PRICES if (p < best[1] if side == BUY else p > best[0])]
        if not room:
            return name, -side, self.dice.choice(list(book[-side])), 0
        return name, side, self.dice.choice(room), self.dice.randint(1, 5_000)

    def set(self, name: str, side: int, pips: int, lots: int) -> int:
        """Change a level and return by how much."""
        levels = self.books[name][side]
        more = lots - levels.get(pips, 0)
        if lots:
            levels[pips] = lots
        else:
            levels.pop(pips, None)
        self.seq[name] += 1
        return more

    def build_events(self) -> list[MarketEvent]:
        return [MarketEvent(id=name, markets=(self.build_market(name),)) for name in self.names]

    def build_market(self, name: str) -> BinaryMarket:
        yes, no = Key(self.venue, name), Key(self.venue, f"{name}:no")
        return BinaryMarket(id=name, yes=yes, no=no, has_one_book=True)

    def build_feed(self) -> VenueFeed:
        raise NotImplementedError

    def connect(self) -> None:
        """A new connection has begun."""

    def change(self) -> list[str]:
        raise NotImplementedError

    def beat(self) -> list[str]:
        """What comes by itself now and then."""
        return []

    def answer(self, text: str) -> list[str]:
        raise NotImplementedError

    def expect(self) -> dict[Key, tuple[dict[int, int], dict[int, int]]]:
        return {
            market.yes: (self.books[market.id][BUY], self.books[market.id][SELL])
            for event in self.build_events()
            for market in event.markets
        }


class KalshiSource(Source):
    def build_feed(self) -> VenueFeed:
        return KalshiFeed({name: Key(self.venue, name) for name in self.names})

    def connect(self) -> None:
        self.sid, self.number = 0, 0

    def send(self, type_: str, **body: Any) -> str:
        self.number += 1
        return json.dumps({"type": type_, "sid": self.sid, "seq": self.number, "msg": body})

    def change(self) -> list[str]:
        name, side, pips, lots = self.pick()
        more = self.set(name, side, pips, lots)
        shown = pips if side == BUY else PAYOUT_PIPS - pips
        body = {"market_ticker": name, "price_dollars": show_price(shown)}
        body |= {"delta_fp": show_quantity(more), "side": "yes" if side == BUY else "no"}
        return [self.send("orderbook_delta", **body)] if self.sid else []

    def snapshot(self, name: str) -> str:
        yes = [[show_price(p), show_quantity(n)] for p, n in self.books[name][BUY].items()]
        no = [
            [show_price(PAYOUT_PIPS - p), show_quantity(n)]
            for p, n in self.books[name][SELL].items()
        ]
        body: dict[str, Any] = {"market_ticker": name}
        body |= ({"yes_dollars_fp": yes} if yes else {}) | ({"no_dollars_fp": no} if no else {})
        return self.send("orderbook_snapshot", **body)

    def answer(self, text: str) -> list[str]:
        message = json.loads(text)
        params = message["params"]
        if message["cmd"] == "subscribe":
            if params["channels"] != ["orderbook_delta"]:
                return []
            self.sid, self.number = self.sid + 1, 0
            body = {"channel": "orderbook_delta", "sid": self.sid}
            begun = json.dumps({"id": message["id"], "type": "subscribed", "msg": body})
            return [begun, *map(self.snapshot, params["market_tickers"])]
        assert params["action"] == "get_snapshot"
        if params["sids"] != [self.sid]:
            return []
        ok = {"id": message["id"], "type": "ok", "sid": self.sid, "seq": self.number, "msg": {}}
        return [json.dumps(ok), *map(self.snapshot, params["market_tickers"])]


class PolymarketSource(Source):
    """Two tokens a market, NO mirrored. `has_seq`: as predex sends them."""

    has_seq = True

    def __init__(self, dice: random.Random) -> None:
        super().__init__(dice)
        self.clock_ms = 1_700_000_000_000

    def build_market(self, name: str) -> BinaryMarket:
        yes, no = (Key(self.venue, self.token(name, is_no=is_no)) for is_no in (False, True))
        return BinaryMarket(id=name, yes=yes, no=no, has_one_book=False)

    def token(self, name: str, *, is_no: bool) -> str:
        return str(int(hashlib.sha256(f"{name}{is_no}".encode()).hexdigest(), 16))

    def build_feed(self) -> VenueFeed:
        keys = [key for event in self.build_events() for key in event.markets[0].books]
        return PolymarketFeed(keys)

    def connect(self) -> None:
        self.is_followed = False

    def levels(self, name: str, side: int, *, is_no: bool) -> dict[int, int]:
        levels = self.books[name][-side if is_no else side]
        return {PAYOUT_PIPS - p if is_no else p: n for p, n in levels.items()}

    def number(self, name: str, **more: int) -> dict[str, Any]:
        self.clock_ms += self.dice.randint(1, 3)
        place = {"seq": self.seq[name], **more} if self.has_seq else {}
        return {"market": name, "timestamp": str(self.clock_ms), **place}

    def change(self) -> list[str]:
        name, side, pips, lots = self.pick()
        before = self.seq[name]
        self.set(name, side, pips, lots)
        changes = []
        for is_no in (False, True):
            bids, asks = (self.levels(name, one, is_no=is_no) for one in (BUY, SELL))
            changes.append(
                {
                    "asset_id": self.token(name, is_no=is_no),
                    "price": show_price(PAYOUT_PIPS - pips if is_no else pips),
                    "size": show_quantity(lots),
                    "side": "BUY" if (side == BUY) is not is_no else "SELL",
                    "best_bid": show_price(max(bids, default=0)),
                    "best_ask": show_price(min(asks, default=PAYOUT_PIPS)),
                }
            )
        body = {"price_changes": changes, **self.number(name, prev_seq=before)}
        return [json.dumps({"event_type": "price_change", **body})] if self.is_followed else []

    def answer(self, text: str) -> list[str]:
        if text == "PING":
            return ["PONG"]
        message = json.loads(text)
        if message.get("operation") == "unsubscribe":
            return []
        self.is_followed = True
        return [self.show(token) for token in message["assets_ids"]]

    def show(self, token: str) -> str:
        for name in self.names:
            for is_no in (False, True):
                if token == self.token(name, is_no=is_no):
                    sides = {
                        field: [
                            {"price": show_price(p), "size": show_quantity(n)}
                            for p, n in self.levels(name, side, is_no=is_no).items()
                        ]
                        for field, side in (("bids", BUY), ("asks", SELL))
                    }
                    return json.dumps(
                        {"event_type": "book", "asset_id": token, **sides, **self.number(name)}
                    )
        raise LookupError(token)

    def expect(self) -> dict[Key, tuple[dict[int, int], dict[int, int]]]:
        return {
            Key(self.venue, self.token(name, is_no=is_no)): (
                self.levels(name, BUY, is_no=is_no),
                self.levels(name, SELL, is_no=is_no),
            )
            for name in self.names
            for is_no in (False, True)
        }


class RealPolymarketSource(PolymarketSource):
    """Without numbers, as on the venue itself."""

    has_seq = False


class PredexSource(Source):
    def build_market(self, name: str) -> BinaryMarket:
        yes, no = Key(self.venue, f"{name}:YES"), Key(self.venue, f"{name}:NO")
        return BinaryMarket(id=name, yes=yes, no=no, has_one_book=True)

    def build_feed(self) -> VenueFeed:
        return PredexFeed(self.build_events())

    def connect(self) -> None:
        self.followed: set[str] = set()

    def frame(self, type_: str, **fields: Any) -> str:
        nothing = {"market": None, "seq": None, "prev_seq": None}
        return json.dumps({"v": 1, "type": type_, "ts": TIME, "sent_at": TIME, **nothing, **fields})

    def change(self) -> list[str]:
        name, side, pips, lots = self.pick()
        before = self.seq[name]
        self.set(name, side, pips, lots)
        field, other = ("bids", "asks") if side == BUY else ("asks", "bids")
        book = {"outcome": "YES", field: [[show_price(pips), show_quantity(lots)]], other: []}
        body = {"market": name, "seq": self.seq[name], "prev_seq": before, "books": [book]}
        return [self.frame("book", **body)] if name in self.followed else []

    def beat(self) -> list[str]:
        markets = {name: {"seq": self.seq[name], "book": self.seq[name]} for name in self.followed}
        return [self.frame("heartbeat", markets=markets, me=None, engine="up", exchange=None)]

    def answer(self, text: str) -> list[str]:
        message = json.loads(text)
        if message["op"] != "subscribe" or message["channels"] == ["trades"]:
            return [self.frame("subscribed", id=message["id"], channels=["trades"], markets=[])]
        self.followed |= set(message["markets"])
        frames = [self.frame("subscribed", id=message["id"], channels=["book"], markets=[])]
        return [*frames, *self.snapshots(message["markets"])]

    def snapshots(self, names: list[str]) -> Iterator[str]:
        for name in names:
            bids, asks = (
                [[show_price(p), show_quantity(n)] for p, n in self.books[name][side].items()]
                for side in (BUY, SELL)
            )
            books = [{"outcome": "YES", "bids": bids, "asks": asks}]
            yield self.frame("book_snapshot", market=name, seq=self.seq[name], books=books)


SOURCES = {
    "predex": PredexSource,
    "kalshi": KalshiSource,
    "polymarket": RealPolymarketSource,
    "polymarket-at-predex": PolymarketSource,
}
