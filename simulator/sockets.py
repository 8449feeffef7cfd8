"""Delays and faults of a socket, from the moment that a key with conditions is known on it."""

import asyncio
import contextlib
import heapq
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from simulator.conditions import (
    ANSWER_OUT,
    CANCEL_IN,
    MARKET_DATA,
    ORDER_IN,
    PRIVATE_FEED,
    KeyConditions,
    Registry,
    find_name,
)
from web.asgi import App, Receive, Scope, Send

CUT: Final = {"type": "websocket.close", "code": 1012}
GONE: Final = {"type": "websocket.disconnect", "code": 1006}
ORDERS: Final = frozenset(
    {"place", "place_batch", "amend", "close_positions", "protect", "preview"}
)
MARKET: Final = frozenset(
    f"{channel}{suffix}"
    for channel in ("book", "trades", "ticker", "lifecycle")
    for suffix in ("", "_snapshot")
) | {"orderbook_snapshot", "orderbook_delta", "trade", "market_lifecycle_v2", "event_lifecycle"}
PRIVATE: Final = frozenset({"me", "me_snapshot", "user_order", "fill", "market_position"})
"""By the types of our feed and of Kalshi's."""
FEED: Final = MARKET | PRIVATE
"""What may be lost, doubled or reordered: frames of streams, not answers."""
_TYPE: Final = re.compile(r'"type":"([a-z_]+)"')


class _Request(msgspec.Struct):
    op: str = ""
    key: str = ""


_decoder: Final = msgspec.json.Decoder(_Request)


async def serve_socket(
    app: App,
    registry: Registry,
    entry: KeyConditions | None,
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    socket = SimulatedSocket(registry, entry, receive, send)
    try:
        await app(scope, socket.receive, socket.send)
    finally:
        await socket.close()


class Line:
    """Passes messages on, each after its delay, without delaying those who bring them.

    Those of one kind keep their order; others may overtake them.
    """

    def __init__(self, deliver: Callable[[Any], Awaitable[None]]) -> None:
        self._deliver = deliver
        self._due: dict[str, float] = {}
        self._waiting: list[tuple[float, int, Any]] = []
        self._count = 0
        self._brought = asyncio.Event()
        self.task = asyncio.create_task(self._run())

    def bring(self, kind: str, message: Any, delay_seconds: float) -> None:
        due = asyncio.get_running_loop().time() + delay_seconds
        self._due[kind] = due = max(due, self._due.get(kind, due))
        self._count += 1
        heapq.heappush(self._waiting, (due, self._count, message))
        self._brought.set()

    def bring_last(self, message: Any) -> None:
        """Pass it on after all that was brought before."""
        last = max(self._due.values(), default=0.0)
        self._count += 1
        heapq.heappush(self._waiting, (last, self._count, message))
        self._brought.set()

    async def _run(self) -> None:
        while True:
            while self._waiting:
                left_seconds = self._waiting[0][0] - asyncio.get_running_loop().time()
                if left_seconds > 0:
                    await self._wait(left_seconds)
                else:
                    await self._deliver(heapq.heappop(self._waiting)[2])
            await self._wait(None)

    async def _wait(self, seconds: float | None) -> None:
        self._brought.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._brought.wait()


class SimulatedSocket:
    def __init__(
        self, registry: Registry, entry: KeyConditions | None, receive: Receive, send: Send
    ) -> None:
        self.entry = entry
        self._registry = registry
        self._receive = receive
        self._send = send
        self._out = Line(self._deliver)
        self._heard: asyncio.Queue[Any] = asyncio.Queue()
        self._in = Line(self._heard.put)
        self._reading: asyncio.Task[None] | None = None
        self._frames = 0
        self._lost = 0
        self._held: Any = None
        self._has_begun = False
        self._is_cut = False

    # In

    async def receive(self) -> Any:
        if self.entry is None or not self._has_begun:
            message = await self._receive()
            self._has_begun = True
            if self.entry is None:
                self._recognise(message)
            return message
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        return await self._heard.get()

    def _recognise(self, message: Any) -> None:
        """Find the key in an `auth` message, of whatever it is in the registry."""
        request = _read_request(message)
        if request.op == "auth" and request.key:
            self.entry = self._registry.entries.get(find_name(request.key))

    async def _read(self) -> None:
        while True:
            message = await self._receive()
            self._in.bring("in", message, self._find_delay_in(message))
            if message["type"] == "websocket.disconnect":
                return

    def _find_delay_in(self, message: Any) -> float:
        assert self.entry is not None
        operation = _read_request(message).op
        if operation in ORDERS:
            return self.entry.delay_seconds(ORDER_IN)
        is_cancel = operation.startswith("cancel") and operation != "cancel_on_disconnect"
        return self.entry.delay_seconds(CANCEL_IN) if is_cancel else 0

    # Out

    async def send(self, message: Any) -> None:
        if self._is_cut:
            return
        if self.entry is None or message["type"] != "websocket.send":
            await self._send(message)
            return
        self._frames += 1
        after = self.entry.faults.disconnect_after
        if (after is not None and self._frames > after) or self.entry.happens("cut"):
            self._is_cut = True
            self._out.bring_last(CUT)
            return
        frames = self._choose(message) if _find_type(message) in FEED else [message]
        for frame in frames:
            kind = _name_delay_out(frame)
            self._out.bring(kind, frame, self.entry.delay_seconds(kind))

    def _choose(self, message: Any) -> list[Any]:
        """Return what is sent in place of a frame: nothing, it, it twice, it and the one before."""
        entry = self.entry
        assert entry is not None
        if self._lost > 0 or entry.happens("gap"):
            self._lost = (self._lost or entry.faults.gap_frames) - 1
            return []
        if entry.happens("lose"):
            return []
        held, self._held = self._held, None
        if held is None and entry.happens("reorder"):
            self._held = message
            return []
        frames = [message, message] if entry.happens("double") else [message]
        return frames if held is None else [*frames, held]

    async def _deliver(self, message: Any) -> None:
        await self._send(message)
        if message is CUT:
            self._heard.put_nowait(GONE)

    async def close(self) -> None:
        tasks = [self._in.task, self._out.task]
        tasks += [self._reading] if self._reading is not None else []
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)


def _read_request(message: Any) -> _Request:
    try:
        return _decoder.decode(message.get("text") or "{}")
    except msgspec.MsgspecError:
        return _Request()


def _find_type(message: Any) -> str:
    found = _TYPE.search(message.get("text") or "", 0, 200)
    return found[1] if found else ""


def _name_delay_out(message: Any) -> str:
    kind = _find_type(message)
    if kind in PRIVATE:
        return PRIVATE_FEED
    return MARKET_DATA if kind in MARKET else ANSWER_OUT
