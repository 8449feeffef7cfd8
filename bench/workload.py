"""One trader's load: orders that mostly rest and sometimes cross, then cancels.

Request bytes are built before the measurement; only the number inside a client order id is filled
in. Every order has such an id, as from a bot that can retry. After every `CANCEL_EVERY` orders a
trader cancels all of its own, so that books keep their depth.
"""

import random
from base64 import b64encode
from typing import Any, Final, NamedTuple

CANCEL_EVERY: Final = 50
VARIANTS: Final = 200
CROSSING_SHARE: Final = 0.15
CREATED: Final = b'"status":201,'
TEXT_FRAME: Final = 0x81
NO_MASK: Final = b"\0\0\0\0"
"""Clients must mask what they send; with this key the bytes stay as they are."""


class LoadRequest(NamedTuple):
    """Bytes to send; `orders` of them are placed (0: a cancel-all)."""

    data: bytes
    orders: int


class OrderTemplate(NamedTuple):
    """An order's JSON around the number in its client order id."""

    before: bytes
    after: bytes


class LoadTrader:
    """Generates the requests of one HTTP connection, endlessly."""

    opening = b""
    """What is sent first, if anything."""

    def __init__(self, *, host: str, market: str, key: str, name: str, batch: int) -> None:
        rng = random.Random(name)
        self._batch = batch
        self._market = market
        self._orders = [_build_order(rng, market, name) for _ in range(VARIANTS)]
        self._headers = f"Host: {host}\r\nX-API-Key: {key}\r\n".encode()
        self._singles = [self._build_single(order) for order in self._orders]
        self._cancel = LoadRequest(self._build_cancel(), 0)
        self._sent = 0
        self._uncancelled = 0

    def make_request(self) -> LoadRequest:
        if self._uncancelled >= max(CANCEL_EVERY, 2 * self._batch):
            self._uncancelled = 0
            return self._cancel
        self._uncancelled += self._batch
        if self._batch > 1:
            return self._make_batch()
        self._sent += 1
        single = self._singles[self._sent % VARIANTS]
        return LoadRequest(b"%b%010d%b" % (single.before, self._sent, single.after), 1)

    def _make_batch(self) -> LoadRequest:
        parts = []
        for number in range(self._sent, self._sent + self._batch):
            order = self._orders[number % VARIANTS]
            parts.append(b"%b%010d%b" % (order.before, number, order.after))
        self._sent += self._batch
        body = b'{"orders":[%b]}' % b",".join(parts)
        return LoadRequest(self._build_head("orders/batch", len(body)) + body, self._batch)

    def _build_cancel(self) -> bytes:
        market = self._market.encode()
        return b"DELETE /api/v1/orders?market=%b HTTP/1.1\r\n%b\r\n" % (market, self._headers)

    def _build_single(self, order: OrderTemplate) -> OrderTemplate:
        head = self._build_head("orders", len(order.before) + 10 + len(order.after))
        return OrderTemplate(head + order.before, order.after)

    def _build_head(self, path: str, length: int) -> bytes:
        return (
            b"POST /api/v1/%b HTTP/1.1\r\n%bContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % (path.encode(), self._headers, length)
        )


class SocketTrader(LoadTrader):
    """Generates the messages of one connection to `/ws/v1`, orders one by one."""

    def __init__(self, **plan: Any) -> None:
        super().__init__(**plan)
        self.opening = (
            b"GET /ws/v1 HTTP/1.1\r\n%bUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n"
            % (self._headers, b64encode(bytes(16)))
        )

    def _build_cancel(self) -> bytes:
        return _build_frame(b'{"op":"cancel_all","id":0,"market":"%b"}' % self._market.encode())

    def _build_single(self, order: OrderTemplate) -> OrderTemplate:
        message = b'{"op":"place","id":0,"body":%b0000000000%b}' % (order.before, order.after)
        frame = _build_frame(message)
        end = frame.index(order.before) + len(order.before)
        return OrderTemplate(frame[:end], frame[end + 10 :])


def _build_frame(text: bytes) -> bytes:
    """Return a text frame, masked with zeros."""
    assert len(text) < 2**16
    length = bytes([0x80 | 126]) + len(text).to_bytes(2, "big")
    if len(text) < 126:
        length = bytes([0x80 | len(text)])
    return bytes([TEXT_FRAME]) + length + NO_MASK + text


def find_fault(request: LoadRequest, status: int, body: bytes) -> str | None:
    """Return the fault of a response, if any: every order must have been accepted."""
    if request.orders == 1 and status == 201:
        return None
    if request.orders == 0 and status == 200:
        return None
    if request.orders > 1 and status == 200 and body.count(CREATED) == request.orders:
        return None
    return f"{status} {body[:300].decode(errors='replace')}"


def _build_order(rng: random.Random, market: str, name: str) -> OrderTemplate:
    side = rng.choice(("buy", "sell"))
    rests = rng.random() >= CROSSING_SHARE
    cents = rng.randint(35, 49) if (side == "buy") == rests else rng.randint(51, 65)
    rest = (
        f'","market":"{market}","side":"{side}","price":"0.{cents}",'
        f'"quantity":"{rng.randint(1, 10)}"}}'
    )
    return OrderTemplate(f'{{"client_order_id":"{name}-'.encode(), rest.encode())
