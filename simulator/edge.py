"""Delays and faults around the whole exchange: nothing behind it knows of them.

An ASGI application in front of the others, which requests of keys without conditions pass at once.
"""

import asyncio
from typing import Any, Final

from kernel.errors import too_many_requests
from simulator.bench import Bench
from simulator.conditions import ANSWER_OUT, CANCEL_IN, ORDER_IN, KeyConditions, find_name
from simulator.control import PREFIX, answer_control
from simulator.sockets import serve_socket
from web.asgi import App, Receive, Scope, Send, refuse, send_response, start_request
from web.request_context import read_headers

PIECES: Final = 8
BAD_GATEWAY: Final = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Edge:
    def __init__(self, app: App, bench: Bench) -> None:
        self.app = app
        self.bench = bench

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            await answer_control(self.bench, scope, receive, send)
            return
        entries = self.bench.conditions.entries
        entry = entries.get(find_caller(scope)) if entries else None
        if scope["type"] == "websocket":
            await serve_socket(self.app, self.bench.conditions, entry, scope, receive, send)
        elif entry is None:
            await self.app(scope, receive, send)
        else:
            await _serve(self.app, entry, scope, receive, send)


def find_caller(scope: Scope) -> str:
    """Return the name of the key in a request's headers, "" without one."""
    headers = read_headers(scope["headers"])
    _, _, bearer = headers.get("authorization", "").partition(" ")
    key = headers.get("x-api-key") or bearer.strip() or headers.get("kalshi-access-key", "")
    return find_name(key)


def name_delay(method: str, path: str) -> str | None:
    """Return which delay a request has on its way in; reads have none."""
    if method not in WRITES:
        return None
    return CANCEL_IN if method == "DELETE" or "cancel" in path else ORDER_IN


async def _serve(
    app: App, entry: KeyConditions, scope: Scope, receive: Receive, send: Send
) -> None:
    delay = name_delay(scope["method"], scope["path"])
    wait_seconds = 1 if entry.is_one_too_many() else entry.take_tokens(delay)
    if wait_seconds:
        context = start_request(scope, read_headers(scope["headers"]))
        await send_response(refuse(too_many_requests(wait_seconds), context), context, send)
        return
    if delay is not None:
        await asyncio.sleep(entry.delay_seconds(delay))
    messages: list[Any] = []

    async def keep(message: Any) -> None:
        messages.append(message)

    await app(scope, receive, keep)
    await asyncio.sleep(entry.delay_seconds(ANSWER_OUT))
    await _answer(entry, messages, send, is_write=delay is not None)


async def _answer(entry: KeyConditions, messages: list[Any], send: Send, *, is_write: bool) -> None:
    start, body = messages[0], b"".join(message.get("body", b"") for message in messages[1:])
    if is_write and entry.happens("fail_after_commit"):
        start = {**start, "status": 502, "headers": [(b"content-type", b"text/html")]}
        body = BAD_GATEWAY
    if entry.happens("malform"):
        body = body[: len(body) // 2]
    headers = [pair for pair in start.get("headers", ()) if pair[0].lower() != b"content-length"]
    length = (b"content-length", str(len(body)).encode())
    await send({**start, "headers": [*headers, length]})
    if not entry.happens("slow"):
        await send({"type": "http.response.body", "body": body})
        return
    size = max(1, -(-len(body) // PIECES))
    for at in range(0, len(body), size):
        await asyncio.sleep(entry.faults.slow_ms / 1_000 / PIECES)
        piece = body[at : at + size]
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
