"""The order app: order operations and hot reads of programs as plain ASGI, bypassing Django.

It serves a request if and only if that has a credential in its headers and is an operation of
`trading.order_entry`; everything else is passed to Django, whose views call the same handler.
It makes no decisions: it authenticates, admits, calls `handle` and encodes the response.
"""

import re
from functools import partial
from typing import Final

from django.conf import settings

from accounts.api.admission import admit
from accounts.api.principal import authenticate
from accounts.api.signatures import KEY_HEADER, SentRequest, authenticate_request, is_signed
from kernel.errors import ApiError
from predex.turns import Turns, releasing
from trading.order_entry.handler import handle
from trading.order_entry.operations import OPERATIONS, Operation, compile_path, read_request
from trading.wire.reading import check_content_type, read_query
from web import limits, request_context
from web.asgi import (
    App,
    Receive,
    Response,
    Scope,
    Send,
    encode_json,
    find_target,
    refuse,
    repeat_body,
    send_response,
    serve,
    start_request,
)

PREFIX: Final = "/api/v1/"
CREDENTIALS: Final = frozenset({b"authorization", b"x-api-key", KEY_HEADER.encode()})
BODY_HEADERS: Final = frozenset({b"content-length", b"transfer-encoding"})

_EXACT: Final = {
    (operation.method, PREFIX + operation.path): operation
    for operation in OPERATIONS
    if "{" not in operation.path
}
_EXACT_PATHS: Final = frozenset(path for _, path in _EXACT)
_PATTERNS: Final = [
    (operation.method, compile_path(operation, re.escape(PREFIX)), operation)
    for operation in OPERATIONS
    if "{" in operation.path
]


class OrderApp:
    """An ASGI application for HTTP that passes all other requests to Django."""

    def __init__(self, django: App) -> None:
        self.django = django
        self._turns = Turns(settings.DJANGO_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = find_operation(scope)
        if found is not None:
            await serve(scope, send, partial(_answer, *found, scope, receive))
        elif scope["path"] in request_context.PROBES:
            await self.django(scope, receive, send)
        else:
            await self._pass_on(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call Django once the body has arrived and it is this address's turn."""
        try:
            body = await request_context.read_body(receive) if _has_body(scope) else b""
            give_back = await self._turns.acquire(_find_address(scope))
        except ApiError as error:
            await _refuse_early(error, scope, send)
            return
        try:
            await self.django(scope, repeat_body(body), releasing(send, give_back))
        finally:
            give_back()


def find_operation(scope: Scope) -> tuple[Operation, dict[str, str]] | None:
    """Return the operation and its path parameters if this app serves the request, else None."""
    path: str = scope["path"]
    if not path.startswith(PREFIX) or not _has_credential(scope):
        return None
    method = scope["method"]
    operation = _EXACT.get((method, path))
    if operation is not None:
        return operation, {}
    if path in _EXACT_PATHS:  # "orders/batch" is not an order's id
        return None
    for own_method, pattern, operation in _PATTERNS:
        match = pattern.fullmatch(path) if method == own_method else None
        if match is not None:
            return operation, match.groupdict()
    return None


async def _answer(
    operation: Operation,
    params: dict[str, str],
    scope: Scope,
    receive: Receive,
    headers: dict[str, str],
    context: request_context.RequestContext,
) -> Response:
    context.route = PREFIX + operation.path
    request_context.check_request(headers)
    body = None
    if is_signed(headers):  # and the body with it; otherwise it is read once it may be sent
        body = await request_context.read_body(receive)
        target = find_target(scope)
        sent = SentRequest(scope["method"], target, headers, body, context.address)
        principal = await authenticate_request(sent)
    else:
        principal = await authenticate(headers, context.address)
    context.account_id = principal.account_id
    await admit(principal, operation.bucket, *operation.scopes)
    params |= read_query(scope["query_string"].decode("latin-1"), operation.query)
    if operation.request is not None:
        check_content_type(headers.get("content-type", ""))
    if body is None:
        body = await request_context.read_body(receive)
    request = read_request(operation, body)
    key = headers.get("idempotency-key")
    reply = await handle(principal, operation.name, request, params, idempotency_key=key)
    return Response(reply.status, encode_json(reply.answer), reply.headers)


async def _refuse_early(error: ApiError, scope: Scope, send: Send) -> None:
    headers = request_context.read_headers(scope["headers"])
    context = start_request(scope, headers)
    await send_response(refuse(error, context), context, send)


def _find_address(scope: Scope) -> str:
    client = scope.get("client")
    forwarded_for = request_context.read_headers(scope["headers"]).get("x-forwarded-for", "")
    address = request_context.find_address(client[0] if client else "", forwarded_for)
    return limits.find_network(address)


def _has_body(scope: Scope) -> bool:
    return any(name in BODY_HEADERS for name, _ in scope["headers"])


def _has_credential(scope: Scope) -> bool:
    return any(name in CREDENTIALS for name, _ in scope["headers"])
