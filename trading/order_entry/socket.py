"""The socket `/ws/v1`: the feed's, with order entry.

An order message is admitted and handled as an HTTP request is, in a task of its own, so that the
feed and other messages go on while it waits for its commit. At most IN_FLIGHT_MAX wait at once;
then no further message is read until one is answered, so a slow engine slows its clients down.
"""

import asyncio
import time
from typing import Any, Final
from uuid import UUID

import structlog
from channels.routing import URLRouter
from django.urls import re_path

from accounts.api.admission import admit
from accounts.api.principal import Principal, authenticate, get_signer
from kernel.errors import ApiError, AuthError
from kernel.ids import new_id
from trading.feed import frames
from trading.feed.consumers import Scope, serve_socket, unknown_path
from trading.feed.requests import AnyRequest
from trading.feed.socket import Receive, Send, Socket
from trading.order_entry.handler import REPEATED, Reply, handle
from trading.order_entry.messages import (
    OPERATION_OF,
    OrderMessage,
    decode_message,
    read_body,
    read_params,
)
from trading.order_entry.operations import Operation, read_request
from web.request_context import RequestContext, finish_request

IN_FLIGHT_MAX: Final = 32
HELD_SECONDS: Final = 1.0
"""A message over the account's limit keeps its place in flight for so long after its answer."""


class TradingSocket(Socket):
    says_when_sent = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._places = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._in_flight: set[asyncio.Task[None]] = set()

    async def _handle_text(self, text: str) -> None:
        await self._dispatch(decode_message(text))

    async def _dispatch(self, request: AnyRequest | OrderMessage) -> None:
        if not isinstance(request, OrderMessage):
            await super()._dispatch(request)
            return
        self._pace.give_back()  # the account's own tokens limit these
        await self._places.acquire()
        task = self._hub.tasks.spawn(self._carry_out(request, OPERATION_OF[type(request)]))
        self._in_flight.add(task)
        task.add_done_callback(self._end_task)

    def _end_task(self, task: "asyncio.Task[None]") -> None:
        self._in_flight.discard(task)
        self._places.release()

    async def _carry_out(self, message: OrderMessage, operation: Operation) -> None:
        """Answer one message; counted and logged as an HTTP request is."""
        context = RequestContext(
            method=operation.method,
            path=f"/ws/v1 {operation.name}",
            request_id=new_id(),
            address=self.address,
            origin="",
            started=time.perf_counter(),
            route=f"/ws/v1 {operation.name}",
        )
        structlog.contextvars.bind_contextvars(request_id=context.request_id)  # of this task only
        try:
            reply = await self._handle(message, operation, context)
        except Exception as exception:
            fault = self._find_fault(exception)
            context.code = fault.code
            finish_request(context, fault.status)
            await self._answer_fault(fault, message, context)
            return
        finish_request(context, reply.status)
        self.watcher.reply(
            frames.reply(
                "answer",
                message.id,
                op=operation.name,
                status=reply.status,
                repeated=reply.headers == REPEATED,
                body=reply.answer,
            )
        )

    async def _handle(
        self, message: OrderMessage, operation: Operation, context: RequestContext
    ) -> Reply:
        principal = await self._find_principal()
        context.account_id = None if principal is None else principal.account_id
        await admit(principal, operation.bucket, *operation.scopes)
        request = read_request(operation, read_body(message))
        params = read_params(message, operation)
        key = message.idempotency_key
        return await handle(principal, operation.name, request, params, idempotency_key=key)

    async def _find_principal(self) -> Principal | None:
        """Return who sends it, with the scopes and limits that the credential has now."""
        if self.is_signed and self.principal is not None:
            return (await get_signer(self.principal.credential_id)).principal
        if self.credential is None:
            return self.principal
        headers = {"authorization": f"Bearer {self.credential}"}
        return await authenticate(headers, self.address)

    async def _answer_fault(
        self, fault: ApiError, message: OrderMessage, context: RequestContext
    ) -> None:
        self.watcher.reply(frames.error(fault, message.id, request_id=context.request_id))
        if isinstance(fault, AuthError):
            self._count_strike(fault)
        elif fault.code == "too_many_requests":
            await asyncio.sleep(HELD_SECONDS)

    async def _cancel_orders(self, timer: UUID) -> None:
        """Cancel them after what was sent before the end, which would otherwise rest after it."""
        if self._in_flight:
            await asyncio.wait(self._in_flight)
        await super()._cancel_orders(timer)


async def feed_application(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one connection of `/ws/v1`."""
    await serve_socket(TradingSocket, scope, receive, send)


_ROUTES: Final[list[tuple[str, Any]]] = [(r"^ws/v1/?$", feed_application), (r"", unknown_path)]
websocket_application = URLRouter([re_path(pattern, app) for pattern, app in _ROUTES])
