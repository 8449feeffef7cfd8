"""Kalshi's socket: order book and trades. Texts in, events out.

Messages of a subscription are numbered, all markets together: a number that is missing makes every
book of it stale, and each is asked for by `get_snapshot`. What was lost last, before a silence, is
found by asking now and then for books that were quiet.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import structlog
from msgspec import Raw, Struct

from bots.engine.events import (
    BUY,
    SELL,
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
from bots.engine.venues.base import NOTHING, Received, VenueFeed

log = structlog.get_logger(__name__)

RETRY_SECONDS: Final = 3.0
AUDIT_SECONDS: Final = 60.0
TICKERS_A_MESSAGE_MAX: Final = 100
OVER: Final = (10, 25)
"""Numbers of errors that end a subscription."""


class Envelope(Struct):
    type: str
    sid: int | None = None
    seq: int | None = None
    id: int | None = None
    msg: Raw = Raw(b"{}")


class SnapshotBody(Struct):
    market_ticker: str
    yes_dollars_fp: list[tuple[str, str]] = []
    no_dollars_fp: list[tuple[str, str]] = []


class DeltaBody(Struct):
    market_ticker: str
    price_dollars: str
    delta_fp: str
    side: str


class TradeBody(Struct):
    market_ticker: str
    yes_price_dollars: str
    count_fp: str
    taker_side: str = ""
    taker_outcome_side: str = ""


class SubscribedBody(Struct):
    channel: str
    sid: int


class ErrorBody(Struct):
    code: int = 0


_envelope: Final = msgspec.json.Decoder(Envelope).decode
_snapshot: Final = msgspec.json.Decoder(SnapshotBody).decode
_delta: Final = msgspec.json.Decoder(DeltaBody).decode
_trade: Final = msgspec.json.Decoder(TradeBody).decode
_subscribed: Final = msgspec.json.Decoder(SubscribedBody).decode
_error: Final = msgspec.json.Decoder(ErrorBody).decode
_encode: Final = msgspec.json.encode


class KalshiFeed(VenueFeed):
    """`keys` are the YES tokens' by ticker."""

    def __init__(self, keys: dict[str, Key]) -> None:
        self._keys = keys
        self._ids = itertools.count(1)
        self._sid: int | None = None
        self._seq = 0
        self._broken: set[str] = set(keys)
        self._asked_at = self._heard_at = 0.0

    def connect(self, now: float) -> list[str]:
        self._sid, self._broken = None, set(self._keys)
        self._asked_at = self._heard_at = now
        return [self._subscribe("orderbook_delta"), self._subscribe("trade")]

    def lose(self, received_ns: int) -> list[Event]:
        return self._break(received_ns)

    def receive(self, text: str | bytes, received_ns: int) -> Received:
        envelope = _envelope(text)
        if envelope.type in ("orderbook_delta", "orderbook_snapshot"):
            return self._follow(envelope, received_ns)
        if envelope.type == "trade":
            return Received(list(self._read_trade(_trade(envelope.msg), received_ns)))
        if envelope.type == "subscribed":
            body = _subscribed(envelope.msg)
            if body.channel == "orderbook_delta" and body.sid != self._sid:
                self._sid, self._seq = body.sid, 0
                return Received(self._break(received_ns))
        elif envelope.type == "error":
            log.warning("kalshi_refuses", because=bytes(envelope.msg).decode())
            if envelope.sid in (self._sid, None):
                return self._end(_error(envelope.msg), received_ns)
        return NOTHING

    def beat(self, now: float) -> list[str]:
        if self._broken and now - self._asked_at > RETRY_SECONDS:
            return self._ask(sorted(self._broken), now)
        if now - max(self._heard_at, self._asked_at) > AUDIT_SECONDS:
            return self._ask(list(self._keys), now)
        return []

    def resync(self, key: Key) -> list[str]:
        tickers = [ticker for ticker, own in self._keys.items() if own == key]
        self._broken.update(tickers)
        return self._ask(tickers, self._heard_at)

    def _follow(self, envelope: Envelope, received_ns: int) -> Received:
        """Take a numbered message of the order book's subscription."""
        if self._sid is None:
            self._sid = envelope.sid  # its acknowledgement was lost
            self._seq = 0
        seq = envelope.seq or 0
        if envelope.sid != self._sid or seq <= self._seq:
            return NOTHING
        is_gap, self._seq = seq > self._seq + 1, seq
        self._heard_at = received_ns / 1e9
        events: list[Event] = self._break(received_ns) if is_gap else []
        is_snapshot = envelope.type == "orderbook_snapshot"
        read = self._read_snapshot if is_snapshot else self._read_delta
        events += read(envelope.msg, received_ns)
        messages = self._ask(sorted(self._broken), self._heard_at) if is_gap else []
        return Received(events, messages)

    def _break(self, received_ns: int) -> list[Event]:
        self._broken = set(self._keys)
        return [BookStale(key, received_ns) for key in self._keys.values()]

    def _end(self, body: ErrorBody, received_ns: int) -> Received:
        if body.code not in OVER:
            return NOTHING
        self._sid = None
        return Received(self._break(received_ns), [self._subscribe("orderbook_delta")])

    # Messages to send

    def _subscribe(self, channel: str) -> str:
        return self._write("subscribe", channels=[channel], market_tickers=list(self._keys))

    def _ask(self, tickers: Sequence[str], now: float) -> list[str]:
        """Ask for books as they are; without a subscription, for that."""
        self._asked_at = now
        if self._sid is None:
            return [self._subscribe("orderbook_delta")]
        return [
            self._write(
                "update_subscription",
                sids=[self._sid],
                action="get_snapshot",
                market_tickers=tickers[start : start + TICKERS_A_MESSAGE_MAX],
            )
            for start in range(0, len(tickers), TICKERS_A_MESSAGE_MAX)
        ]

    def _write(self, command: str, **params: object) -> str:
        return _encode({"id": next(self._ids), "cmd": command, "params": params}).decode()

    # Bodies

    def _read_snapshot(self, raw: Raw, received_ns: int) -> Iterator[Event]:
        body = _snapshot(raw)
        key = self._keys.get(body.market_ticker)
        if key is None:
            return
        self._broken.discard(body.market_ticker)
        bids = tuple(Level(read_pips(p), read_lots(n)) for p, n in body.yes_dollars_fp)
        asks = tuple(Level(PAYOUT_PIPS - read_pips(p), read_lots(n)) for p, n in body.no_dollars_fp)
        yield BookSnapshot(key, bids, asks, received_ns)

    def _read_delta(self, raw: Raw, received_ns: int) -> Iterator[Event]:
        body = _delta(raw)
        key = self._keys.get(body.market_ticker)
        if key is None or body.market_ticker in self._broken:
            return
        pips, lots = read_pips(body.price_dollars), read_lots(body.delta_fp)
        is_yes = body.side == "yes"
        change = LevelDelta(BUY if is_yes else SELL, pips if is_yes else PAYOUT_PIPS - pips, lots)
        yield BookChange(key, (change,), received_ns, is_relative=True)

    def _read_trade(self, body: TradeBody, received_ns: int) -> Iterator[Event]:
        key = self._keys.get(body.market_ticker)
        if key is not None:
            is_yes = (body.taker_outcome_side or body.taker_side) == "yes"
            pips, lots = read_pips(body.yes_price_dollars), read_lots(body.count_fp)
            yield TradePrint(key, BUY if is_yes else SELL, pips, lots, received_ns)
