"""The handshake of WebSockets. `trading.feed.socket` implements the protocol.

A plain ASGI application under Channels' routing, not a stock consumer: those make a thread hop per
message, which costs ten times the delivery itself. docs/feed.md is the protocol.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import structlog
from django.conf import settings

from kernel.errors import ApiError, not_found
from trading.feed.guard import get_guard
from trading.feed.hub import get_hub
from trading.feed.socket import CLOSING_SECONDS, Receive, Send, Socket
from web import request_context
from web.asgi import find_target
from web.connections import HttpConnection, SocketConnection
from web.errors import error_body, find_error

log = structlog.get_logger(__name__)

SERVER_MESSAGE_BYTES_MAX: Final = 128 * 1024
"""Too long a message up to this size gets an error; above it the server closes the socket."""
SERVER_OPTIONS: Final[dict[str, Any]] = {
    "http": HttpConnection,
    "ws": SocketConnection,
    "ws_max_size": SERVER_MESSAGE_BYTES_MAX,
    # A compression window per socket would cost more memory than the frames, and delay each.
    "ws_per_message_deflate": False,
}
"""uvicorn's options for these sockets, and for the HTTP connections that they begin as."""

Scope = Mapping[str, Any]


async def serve_socket(
    socket_type: type[Socket], scope: Scope, receive: Receive, send: Send
) -> None:
    """Serve one connection, of a feed that speaks as this type of socket does."""
    message = await receive()
    if message["type"] != "websocket.connect":
        return
    headers = request_context.read_headers(scope["headers"])
    context = _start_request(scope, headers)
    context.route = scope["path"].rstrip("/")  # of a few: this serves no other path
    hub = get_hub()
    guard = get_guard(hub)
    socket = socket_type(hub, guard, context.address, context.request_id, receive, send)
    try:
        request_context.check_request(headers)
        socket.target = find_target(scope)
        await socket.recognise(headers, takes_cookies=check_origin(headers))
        guard.enter(socket)
    except Exception as exception:
        await _refuse(scope, receive, send, context, exception)
        return
    answer_headers = request_context.finish_request(context, 101)
    try:
        await send({"type": "websocket.accept", "headers": _encode_headers(answer_headers)})
        await socket.run()
    finally:
        guard.leave(socket)


async def unknown_path(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a WebSocket to any other path."""
    await receive()
    context = _start_request(scope, request_context.read_headers(scope["headers"]))
    await _refuse(scope, receive, send, context, not_found())


def check_origin(headers: Mapping[str, str]) -> bool:
    """Return whether the session cookie counts; ApiError (403) for a page of a foreign site.

    Browsers name the page's origin; programs name none. Pages of other sites that CORS_ALLOWED_
    ORIGINS lets read the API must log in with a key or token: the cookie is not theirs to use.
    """
    origin, host = headers.get("origin"), headers.get("host")
    if origin is None or origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    # Either scheme: behind a proxy that terminates TLS the page's scheme is unknown here.
    if origin in (f"http://{host}", f"https://{host}"):
        return True
    allowed = settings.CORS_ALLOWED_ORIGINS
    if "*" in allowed or origin in allowed:
        return False
    raise ApiError("origin_not_allowed")


def _start_request(scope: Scope, headers: Mapping[str, str]) -> request_context.RequestContext:
    client = scope.get("client")
    return request_context.start_request("GET", scope["path"], headers, client[0] if client else "")


async def _refuse(
    scope: Scope,
    receive: Receive,
    send: Send,
    context: request_context.RequestContext,
    exception: Exception,
) -> None:
    """Answer the handshake with an error as HTTP, where the server can; else with a bare 403."""
    fault = find_error(exception)
    if fault is None:
        log.error("handshake_failed", request_id=context.request_id, exc_info=exception)
        fault = ApiError("internal_error")
    context.code = fault.code
    headers = [*fault.headers.items(), *request_context.finish_request(context, fault.status)]
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close"})
        return
    headers.append(("Content-Type", "application/json"))
    await send(
        {
            "type": "websocket.http.response.start",
            "status": fault.status,
            "headers": _encode_headers(headers),
        }
    )
    body = msgspec.json.encode(error_body(fault, context.request_id))
    await send({"type": "websocket.http.response.body", "body": body})
    # uvicorn treats a return before the disconnect as an error, which is the second message.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSING_SECONDS):
            await receive()
            await receive()


def _encode_headers(headers: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
