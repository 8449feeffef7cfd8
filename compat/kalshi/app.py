"""The ASGI application of `/trade-api/v2`: it authenticates, admits, answers, and shows errors.

Order writes are awaited; what only reads runs in a thread, a few at a time, so that reads never
take the threads that orders need.
"""

import asyncio
import re
from collections.abc import Awaitable
from functools import partial
from typing import Any, Final
from urllib.parse import unquote

from channels.db import database_sync_to_async

from accounts.api.admission import admit, admit_sync
from accounts.api.principal import Principal, authenticate, find_credential
from accounts.api.signatures import authenticate_signature
from compat.kalshi.errors import show_error
from compat.kalshi.operations import NOT_HERE, OPERATIONS, KalshiOperation
from compat.kalshi.requests import KalshiCall, read_query, read_signature
from kernel.errors import ApiError, not_found
from web import request_context
from web.asgi import (
    App,
    Receive,
    Response,
    Scope,
    Send,
    encode_json,
    find_target,
    serve,
)
from web.request_context import RequestContext

PREFIX: Final = "/trade-api/v2/"
READS_AT_ONCE: Final = 4
OLD_PROGRAM: Final = re.compile(r"OpenAPI-Generator/(?:2\.|3\.[0-2]\.)")
FIRST_PROGRAM: Final = "OpenAPI-Generator/2."
"""It knows the answer to a batch by another status."""

_PARAMETER: Final = re.compile(r"{(\w+)}")
_PATTERNS: Final = [
    (re.compile(_PARAMETER.sub(r"(?P<\1>[^/]+)", operation.path)), operation)
    for operation in OPERATIONS
]
_EXACT_PATHS: Final = frozenset(
    operation.path for operation in OPERATIONS if "{" not in operation.path
)


class KalshiApp:
    """Serves `/trade-api/v2` and passes all other requests to `next_app`."""

    def __init__(self, next_app: App) -> None:
        self._next_app = next_app
        self._reads: asyncio.Semaphore | None = None

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if not scope["path"].startswith(PREFIX):
            return self._next_app(scope, receive, send)
        return serve(scope, send, partial(self._answer, scope, receive), _show_in_both_shapes)

    async def _answer(
        self, scope: Scope, receive: Receive, headers: dict[str, str], context: RequestContext
    ) -> Response:
        preflight = request_context.answer_preflight(context, headers)
        if preflight is not None:
            return Response(204, b"", dict(preflight))
        request_context.check_request(headers)
        operation, names = find_operation(scope["method"], scope["path"])
        context.route = PREFIX + operation.path
        principal = await _authenticate(scope, headers, context.address, once=bool(operation.scope))
        context.account_id = None if principal is None else principal.account_id
        await _admit(principal, operation, context.address)
        call = KalshiCall(
            principal=principal,
            names=names,
            query=read_query(scope["query_string"].decode("latin-1")),
            body=await request_context.read_body(receive),
            is_old=OLD_PROGRAM.match(headers.get("user-agent", "")) is not None,
        )
        if principal is not None and call.query.subaccount is not None:
            call = await call.act_for(call.query.subaccount)
        answer = await self._respond(operation, call)
        if operation.status == 204:
            return Response(204, b"")
        is_first = headers.get("user-agent", "").startswith(FIRST_PROGRAM)
        status = operation.first_status if is_first else None
        return Response(status or operation.status, encode_json(answer))

    async def _respond(self, operation: KalshiOperation, call: KalshiCall) -> Any:
        if asyncio.iscoroutinefunction(operation.respond):
            return await operation.respond(call)
        if self._reads is None:
            self._reads = asyncio.Semaphore(READS_AT_ONCE)
        async with self._reads:
            read = database_sync_to_async(operation.respond, thread_sensitive=False)
            return await read(call)


def find_operation(method: str, path: str) -> tuple[KalshiOperation, dict[str, str]]:
    """Return the operation and the names in its path, or raise ApiError (404, 405)."""
    rest = path.removeprefix(PREFIX).rstrip("/")
    methods: set[str] = set()
    is_exact = rest in _EXACT_PATHS  # "markets/trades" is no market's
    for pattern, operation in _PATTERNS:
        match = pattern.fullmatch(rest)
        if match is None or (is_exact and "{" in operation.path):
            continue
        if operation.method == method:
            return operation, match.groupdict()
        methods.add(operation.method)
    if not methods:
        raise not_found(NOT_HERE)
    error = ApiError("method_not_allowed")
    error.headers["Allow"] = ", ".join(sorted(methods))
    raise error


async def _authenticate(
    scope: Scope, headers: dict[str, str], address: str, *, once: bool
) -> Principal | None:
    """Return who asks; credentials that are sent must be valid, also where none is needed."""
    sent = read_signature(headers)
    if sent is None:
        return None if find_credential(headers) is None else await authenticate(headers, address)
    raw, method = find_target(scope).partition("?")[0], scope["method"]
    signed = [method + raw, method + unquote(raw)]
    return await authenticate_signature(sent, signed, address=address, once=once)


async def _admit(principal: Principal | None, operation: KalshiOperation, address: str) -> None:
    scopes = () if operation.scope is None else (operation.scope,)
    if principal is not None:
        await admit(principal, operation.bucket, *scopes)
        return
    # In a thread, as the limit of callers without an account may have to be read.
    admit_anyone = database_sync_to_async(admit_sync, thread_sensitive=False)
    await admit_anyone(None, operation.bucket, *scopes, address=address)


def _show_in_both_shapes(error: ApiError, _request_id: str) -> dict[str, Any]:
    """Show an error flat, and under `error` for programs of 2025."""
    body = show_error(error)
    return {**body, "error": body}
