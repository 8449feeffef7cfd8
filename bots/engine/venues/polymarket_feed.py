"""Polymarket's market channel: books, their changes, trades. Texts in, events out.

The venue numbers nothing. Three things find what is missing: each change says the best prices
after it, which the cache compares with its own; times that go back; and a book that was quiet is
asked for again now and then. predex's own messages have `seq` and `prev_seq` besides, by which each
gap is found at once.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

import msgspec
import structlog
from msgspec import Struct

from bots.engine.events import (
    BUY,
    SELL,
    Best,
    BookChange,
    BookSnapshot,
    BookStale,
    Event,
    Key,
    Level,
    LevelDelta,
    TradePrint,
)
from bots.engine.units import PAYOUT_PIPS, read_lots, read_pips
from bots.engine.venues.base import NOTHING, Received, SilentError, VenueFeed

log = structlog.get_logger(__name__)

PING_SECONDS: Final = 10.0
SILENT_SECONDS: Final = 30.0
RETRY_SECONDS: Final = 3.0
AUDIT_SECONDS: Final = 60.0
SIDES: Final = {"BUY": BUY, "SELL": SELL}


class WireLevel(Struct):
    price: str
    size: str


class PriceChange(Struct):
    asset_id: str
    price: str
    size: str
    side: str
    best_bid: str | None = None
    best_ask: str | None = None


class PolymarketMessage(Struct):
    """Every kind of message, by its `event_type`."""

    event_type: str = ""
    asset_id: str = ""
    bids: list[WireLevel] = []
    asks: list[WireLevel] = []
    price_changes: list[PriceChange] = []
    price: str = ""
    size: str = ""
    side: str = ""
    timestamp: str = "0"
    seq: int | None = None
    prev_seq: int | None = None
    error: str = ""


_decode: Final = msgspec.json.Decoder(PolymarketMessage | list[PolymarketMessage]).decode
_encode: Final = msgspec.json.encode


class FollowedToken:
    """One token's stream. `place` is the number of its last message, or the time of it."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.place = -1
        self.is_broken = True
        self.has_dust = False
        """It has a level of less than a lot, so its best prices may not be the cache's."""
        self.asked_at = 0.0
        self.heard_at = 0.0


class PolymarketFeed(VenueFeed):
    def __init__(self, keys: Sequence[Key]) -> None:
        self._tokens = {key.token: FollowedToken(key) for key in keys}
        self._pinged_at = self._heard_at = 0.0

    def connect(self, now: float) -> list[str]:
        self._pinged_at = self._heard_at = now
        for token in self._tokens.values():
            token.is_broken, token.place = True, -1
            token.asked_at = token.heard_at = now
        ids = list(self._tokens)
        return [_write({"type": "market", "assets_ids": ids, "initial_dump": True})]

    def lose(self, received_ns: int) -> list[Event]:
        for token in self._tokens.values():
            token.is_broken = True
        return [BookStale(token.key, received_ns) for token in self._tokens.values()]

    def receive(self, text: str | bytes, received_ns: int) -> Received:
        self._heard_at = received_ns / 1e9
        if text in ("PONG", b"PONG"):
            return NOTHING
        decoded = _decode(text)
        events: list[Event] = []
        missed: list[FollowedToken] = []
        for message in decoded if isinstance(decoded, list) else (decoded,):
            if message.event_type == "price_change":
                events += self._change(message, received_ns, missed)
            elif message.event_type == "book":
                events += self._replace(message, received_ns)
            elif message.event_type == "last_trade_price":
                events += self._read_trade(message, received_ns)
            elif message.error:
                log.warning("polymarket_refuses", because=message.error)
        return Received(events, self._ask(missed)) if events or missed else NOTHING

    def beat(self, now: float) -> list[str]:
        if now - self._heard_at > SILENT_SECONDS:
            raise SilentError(f"nothing came for {SILENT_SECONDS:.0f} s")
        messages: list[str] = []
        if now - self._pinged_at >= PING_SECONDS:
            self._pinged_at = now
            messages.append("PING")
        due = [
            token
            for token in self._tokens.values()
            if now - (token.asked_at if token.is_broken else max(token.heard_at, token.asked_at))
            > (RETRY_SECONDS if token.is_broken else AUDIT_SECONDS)
        ]
        return messages + self._ask(due, now)

    def resync(self, key: Key) -> list[str]:
        token = self._tokens[key.token]
        token.is_broken = True
        return self._ask([token])

    def _ask(self, tokens: Sequence[FollowedToken], now: float | None = None) -> list[str]:
        """Subscribe again: a subscription begins with the book."""
        if not tokens:
            return []
        for token in tokens:
            token.asked_at = self._heard_at if now is None else now
        ids = [token.key.token for token in tokens]
        return [
            _write({"operation": operation, "assets_ids": ids})
            for operation in ("unsubscribe", "subscribe")
        ]

    def _replace(self, message: PolymarketMessage, received_ns: int) -> Iterator[Event]:
        token = self._tokens.get(message.asset_id)
        place = _find_place(message)
        if token is None or place < token.place:
            return
        token.place, token.is_broken, token.heard_at = place, False, received_ns / 1e9
        bids, asks = _read_levels(message.bids), _read_levels(message.asks)
        token.has_dust = not all(level.lots for level in (*bids, *asks))
        yield BookSnapshot(token.key, bids, asks, received_ns)

    def _change(
        self, message: PolymarketMessage, received_ns: int, missed: list[FollowedToken]
    ) -> Iterator[Event]:
        by_token: dict[str, list[PriceChange]] = {}
        for change in message.price_changes:
            by_token.setdefault(change.asset_id, []).append(change)
        place, now = _find_place(message), received_ns / 1e9
        for name, changes in by_token.items():
            token = self._tokens.get(name)
            if token is None:
                continue
            token.heard_at = now
            if self._is_missing(token, message, place):
                token.place = max(token.place, place)
                token.is_broken = True
                missed.append(token)
                yield BookStale(token.key, received_ns)
            elif not token.is_broken and (message.seq is None or place > token.place):
                token.place = place
                yield _read_change(token, changes, received_ns)

    def _is_missing(self, token: FollowedToken, message: PolymarketMessage, place: int) -> bool:
        """Whether something before this message is missing that is not asked for already."""
        if token.is_broken:
            token.place = max(token.place, place)  # an older book than this is outdated
            return False
        if message.seq is None:
            return place < token.place
        return message.prev_seq is not None and message.prev_seq > token.place

    def _read_trade(self, message: PolymarketMessage, received_ns: int) -> Iterator[Event]:
        token = self._tokens.get(message.asset_id)
        if token is not None and message.side in SIDES:
            pips, lots = read_pips(message.price), read_lots(message.size)
            yield TradePrint(token.key, SIDES[message.side], pips, lots, received_ns)


def _find_place(message: PolymarketMessage) -> int:
    return int(message.timestamp or 0) if message.seq is None else message.seq


def _read_change(
    token: FollowedToken, changes: Sequence[PriceChange], received_ns: int
) -> BookChange:
    levels = tuple(
        LevelDelta(SIDES[one.side], read_pips(one.price), read_lots(one.size)) for one in changes
    )
    if any(change.lots == 0 for change in levels):
        token.has_dust |= any(Decimal(one.size) != 0 for one in changes if not read_lots(one.size))
    best = None if token.has_dust else _read_best(changes[-1])
    return BookChange(token.key, levels, received_ns, best=best)


def _read_best(change: PriceChange) -> Best | None:
    """Return the best prices; "0" and "1" stand for an empty side, nothing for not said."""
    if not change.best_bid or not change.best_ask:
        return None
    bid, ask = read_pips(change.best_bid), read_pips(change.best_ask)
    return Best(bid or None, None if ask == PAYOUT_PIPS else ask)


def _read_levels(levels: Sequence[WireLevel]) -> tuple[Level, ...]:
    return tuple(Level(read_pips(one.price), read_lots(one.size)) for one in levels)


def _write(message: object) -> str:
    return _encode(message).decode()
