"""What applications on plain ASGI share: they bypass Django, and keep to its request pipeline."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from kernel.errors import ApiError
from web import request_context
from web.errors import error_body, find_error
from web.request_context import RequestContext

log = structlog.get_logger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[..., Awaitable[None]]

ShowError = Callable[[ApiError, str], Mapping[str, Any]]
"""The body of an error, from it and the request's id."""

JSON: Final = "application/json"
encode_json: Final = msgspec.json.Encoder().encode


class Response(NamedTuple):
    """A response with its whole body."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}
    content_type: str = JSON


def start_request(scope: Scope, headers: Mapping[str, str]) -> RequestContext:
    client = scope.get("client")
    return request_context.start_request(
        scope["method"], scope["path"], headers, client[0] if client else ""
    )


def find_target(scope: Mapping[str, Any]) -> str:
    """Return a request's path with its query, as they were sent."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    path = raw.decode("latin-1").partition("?")[0]
    query = scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


async def serve(
    scope: Scope,
    send: Send,
    answer: Callable[[dict[str, str], RequestContext], Awaitable[Response]],
    show_error: ShowError = error_body,
) -> None:
    """Answer a request with what `answer` returns or the error that it raises."""
    headers = request_context.read_headers(scope["headers"])
    context = start_request(scope, headers)
    # Never unbound: the server runs each request in its own task, which has its own context.
    structlog.contextvars.bind_contextvars(request_id=context.request_id)
    try:
        response = await answer(headers, context)
    except Exception as exception:  # the caller always gets a JSON error
        response = refuse(exception, context, show_error)
    await send_response(response, context, send)


def refuse(
    exception: Exception, context: RequestContext, show_error: ShowError = error_body
) -> Response:
    """Return the error of any exception; an unexpected one is logged."""
    error = find_error(exception)
    if error is None:
        log.exception("request_failed", path=context.path)
        error = ApiError("internal_error")
    context.code = error.code
    body = encode_json(show_error(error, context.request_id))
    return Response(error.status, body, error.headers)


async def send_response(response: Response, context: RequestContext, send: Send) -> None:
    """Send it with the headers of every response, and write the log line.

    The server takes it whole, unless what is between has a `send` of its own.
    """
    headers = [
        ("content-type", response.content_type),
        ("content-length", str(len(response.body))),
        *request_context.finish_request(context, response.status),
        *response.headers.items(),
    ]
    cycle = getattr(send, "__self__", None)
    connection = getattr(cycle, "connection", None)
    if connection is not None:
        await connection.send_whole(cycle, response.status, headers, response.body)
        return
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": response.status, "headers": encoded})
    await send({"type": "http.response.body", "body": response.body})


def repeat_body(body: bytes) -> Receive:
    """Return an ASGI `receive` of this body that never reports a disconnect.

    On a disconnect Django would drop the request but not the thread that works on it, and its turn
    would end before the work does.
    """
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> MutableMapping[str, Any]:
        if not messages:
            await asyncio.get_running_loop().create_future()
        return messages.pop()

    return receive


async def call(app: App, scope: Scope, body: bytes) -> Response:
    """Return the response of another application in this process."""
    started: MutableMapping[str, Any] = {}
    chunks: list[bytes] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            started.update(message)
        elif message["type"] == "http.response.body":
            chunks.append(message.get("body", b""))

    await app(scope, repeat_body(body), send)
    headers = request_context.read_headers(started.get("headers", ()))
    content_type = headers.pop("content-type", JSON)
    headers.pop("content-length", None)
    return Response(started["status"], b"".join(chunks), headers, content_type)
