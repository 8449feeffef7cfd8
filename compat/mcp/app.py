"""The ASGI application of `/mcp`: it authenticates, admits, and calls the API for each tool."""

import asyncio
from collections.abc import Awaitable
from functools import partial
from importlib import import_module
from typing import Final

import msgspec
from msgspec import Raw, Struct

from accounts.api.admission import admit
from accounts.api.principal import Principal, authenticate, require_scope
from compat.mcp.tools import Tool, build_call
from kernel.errors import ApiError
from web import request_context
from web.asgi import (
    App,
    Receive,
    Response,
    Scope,
    Send,
    call,
    refuse,
    serve,
)
from web.request_context import RequestContext

PATHS: Final = frozenset({"/mcp", "/mcp/"})
SCOPES: Final = ("read", "trade")
PASSED_ON: Final = frozenset(
    {b"authorization", b"x-api-key", b"host", b"x-forwarded-for", b"x-forwarded-proto"}
)
"""Headers of the caller that a call of the API gets too: who calls, and from where."""


class _Params(Struct):
    arguments: Raw = Raw(b"{}")


class _Message(Struct):
    """What is read of a message beside the SDK: a call's arguments, exactly as they were sent."""

    method: str = ""
    params: _Params = msgspec.field(default_factory=_Params)


_decoder: Final = msgspec.json.Decoder(_Message)


class McpApp:
    """Serves `/mcp` and passes all other requests to `api`, which answers the tools' calls too."""

    def __init__(self, api: App) -> None:
        self._api = api

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        # A browser's preflight has no credential; Django answers it as for the API.
        if scope["path"] not in PATHS or scope["method"] == "OPTIONS":
            return self._api(scope, receive, send)
        return serve(scope, send, partial(self._answer, scope, receive))

    async def _answer(
        self, scope: Scope, receive: Receive, headers: dict[str, str], context: RequestContext
    ) -> Response:
        context.route = "/mcp"
        request_context.check_request(headers)
        principal = await authenticate(headers, context.address)
        context.account_id = principal.account_id
        require_scope(principal, *SCOPES)
        if scope["method"] != "POST":  # there is no session to resume or to end
            error = ApiError("method_not_allowed")
            error.headers["Allow"] = "POST"
            raise error
        body = await request_context.read_body(receive)
        message = _read_message(body)
        if message.method != "tools/call":  # a tool's call is admitted by the API
            await admit(principal, "read", *SCOPES)
        return await self._serve(scope, body, message, principal, context)

    async def _serve(
        self,
        scope: Scope,
        body: bytes,
        message: _Message,
        principal: Principal,
        context: RequestContext,
    ) -> Response:
        async def call_tool(tool: Tool) -> Response:
            try:
                return await self._call(tool, message.params.arguments, scope, context.request_id)
            except Exception as exception:  # an agent gets the API's error, as from the API
                return refuse(exception, context)

        # In a thread, as it takes seconds the first time.
        server = await asyncio.to_thread(import_module, "compat.mcp.server")
        response: Response = await server.serve(scope, body, principal.scopes, call_tool)
        return response

    async def _call(self, tool: Tool, arguments: Raw, scope: Scope, request_id: str) -> Response:
        wanted = build_call(tool, arguments)
        headers = [(name, value) for name, value in scope["headers"] if name in PASSED_ON]
        headers.append((b"x-request-id", request_id.encode()))
        if wanted.body:
            headers.append((b"content-type", b"application/json"))
            headers.append((b"content-length", str(len(wanted.body)).encode()))
        own_scope = {
            **scope,
            "method": wanted.method,
            "path": wanted.path,
            "raw_path": wanted.path.encode(),
            "query_string": wanted.query.encode(),
            "headers": headers,
        }
        return await call(self._api, own_scope, wanted.body)


def _read_message(body: bytes) -> _Message:
    """Return the message; an empty one where it is none, which the SDK then refuses."""
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _Message()
