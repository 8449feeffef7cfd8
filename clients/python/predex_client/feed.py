"""The socket `/ws/v1`: `Feed`, and `AsyncFeed` for asyncio.

Both keep books and the own account, recover gaps, reconnect, and take orders. Iterating yields
events in order; `Session` has the protocol.
"""

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from math import inf
from typing import Any, Self, TypeVar

from websockets.asyncio import client as async_client
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync import client as sync_client

from predex_client import session
from predex_client.client import PATIENCE_SECONDS, build_headers, find_url, read_error
from predex_client.endpoints import OrderEndpoints
from predex_client.errors import (
    ConnectionLostError,
    NotAuthenticatedError,
    PredexError,
    TooManyRequestsError,
)
from predex_client.events import Event, HeartbeatEvent
from predex_client.local import LocalAccount, LocalBook
from predex_client.requests import AsyncSender, Attempts, Endpoint, Request, Sender
from predex_client.session import Session, lost
from predex_client.signing import Signer

T = TypeVar("T")
FRAME_BYTES_MAX = 16 * 1024 * 1024
EVENTS_MAX = 10_000
CLOSE_SECONDS = 2
PAUSE_SECONDS = 0.5
PAUSE_SECONDS_MAX = 2.0
NO_LONGER_VALID = 4401
TOO_MANY = 4429
OPTIONS: dict[str, Any] = {
    "max_size": FRAME_BYTES_MAX,
    "compression": None,
    "close_timeout": CLOSE_SECONDS,
}


class FeedEndpoints(OrderEndpoints):
    """What can be asked for on the socket."""

    subscribe = Endpoint(session.subscribe)
    unsubscribe = Endpoint(session.unsubscribe)
    cancel_on_disconnect = Endpoint(session.cancel_on_disconnect)


class FeedState:
    """What both feeds know."""

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        signer: Signer | None = None,
        resume: str | None = None,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._url = find_url(url).replace("http", "ws", 1) + "/ws/v1"
        self._headers = build_headers(key, signer)
        self._signer = signer
        self._patience = patience
        self._session = Session(resume)

    def _build_options(self) -> dict[str, Any]:
        """Return the options of a new connection, whose handshake is signed anew."""
        signed = {} if self._signer is None else self._signer.sign_handshake(self._url)
        return {"additional_headers": {**self._headers, **signed}, **OPTIONS}

    @property
    def books(self) -> dict[str, LocalBook]:
        """The books of markets whose `book` is followed, as of the last frame."""
        return self._session.books

    @property
    def account(self) -> LocalAccount:
        """The own account, once `me` is followed."""
        return self._session.account

    @property
    def heartbeat(self) -> HeartbeatEvent | None:
        """The last one: every 2 seconds it says whether engine and exchange are there."""
        return self._session.heartbeat

    @property
    def resyncs(self) -> int:
        """How often something was missing and was asked for again."""
        return self._session.resyncs


class Feed(Sender, FeedEndpoints, FeedState):
    """The feed, read while one iterates or waits for an answer.

    with Feed() as feed:
        feed.subscribe("book", markets=["some-market"])
        for event in feed:
            print(feed.books["some-market"].best_bid())
    """

    def __enter__(self) -> Self:
        self._events: deque[Event] = deque()
        self._answers: dict[int, Any] = {}
        self._open = contextlib.ExitStack()
        self._connect(self._patience)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def __iter__(self) -> Iterator[Event]:
        while True:
            while self._events:
                yield self._events.popleft()
            self._read()

    def send(self, request: Request[T]) -> T:
        attempts = Attempts(request, self._patience)
        while True:
            answer: T | Exception = self._exchange(request, attempts)
            if not isinstance(answer, Exception):
                return answer
            time.sleep(attempts.find_pause(answer))

    def _exchange(self, request: Request[Any], attempts: Attempts) -> Any:
        number, message = self._session.begin(request)
        self._write([message])
        while number not in self._answers:
            try:
                self._read(max(0, attempts.seconds_left()))
            except TimeoutError:
                self._session.give_up(number)
                return lost()
        return self._answers.pop(number)

    def _read(self, seconds: float | None = None) -> None:
        try:
            text = self._connection.recv(timeout=seconds)
        except (ConnectionClosed, OSError) as fault:
            if isinstance(fault, TimeoutError):
                raise
            check_closed(fault)
            self._answers |= {number: lost() for number in self._session.lose()}
            self._connect(inf if seconds is None else seconds)
            return
        received = self._session.receive(text)
        if received.event is not None:
            self._events.append(received.event)
        if received.answered is not None:
            number, answer = received.answered
            self._answers[number] = answer
        self._write(received.messages)

    def _write(self, messages: Sequence[str]) -> None:
        with contextlib.suppress(ConnectionClosed, OSError):  # reading finds the end, and connects
            for message in messages:
                self._connection.send(message)

    def _connect(self, patience: float = inf) -> None:
        pauses = Pauses(patience)
        while True:
            self._open.close()
            try:
                self._connection = self._open.enter_context(
                    sync_client.connect(self._url, **self._build_options())
                )
                break
            except (OSError, WebSocketException) as fault:
                time.sleep(pauses.find_next(fault))
        self._write(self._session.connect())


class AsyncFeed(AsyncSender, FeedEndpoints, FeedState):
    """`Feed` for asyncio. It is read in a task of its own, so that books stay current meanwhile.

    Up to EVENTS_MAX events wait to be iterated over; then nothing more is read until one is.
    """

    async def __aenter__(self) -> Self:
        self._events: asyncio.Queue[Event | Exception] = asyncio.Queue(EVENTS_MAX)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._is_open = asyncio.Event()
        self._ended: Exception | None = None
        await self._connect(self._patience)
        self._reading = asyncio.create_task(self._read_on())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._connection.close()

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            if self._ended is not None and self._events.empty():
                raise self._ended
            event = await self._events.get()
            if isinstance(event, Exception):
                raise event
            yield event

    async def send(self, request: Request[T]) -> T:
        attempts = Attempts(request, self._patience)
        while True:
            answer: T | Exception = await self._exchange(request, attempts)
            if not isinstance(answer, Exception):
                return answer
            await asyncio.sleep(attempts.find_pause(answer))

    async def _exchange(self, request: Request[Any], attempts: Attempts) -> Any:
        if self._ended is not None:
            return self._ended
        try:
            async with asyncio.timeout(max(0, attempts.seconds_left())):
                await self._is_open.wait()
                return await self._ask(request)
        except TimeoutError:
            return lost()

    async def _ask(self, request: Request[Any]) -> Any:
        number, message = self._session.begin(request)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            await self._write([message])
            return await answer
        finally:
            del self._answers[number]
            self._session.give_up(number)

    async def _read_on(self) -> None:
        """Read until the exchange ends it for good; that is raised where events are read."""
        try:
            while True:
                await self._read()
        except Exception as fault:
            self._ended = fault
            self._fail(list(self._answers), fault)
            await self._events.put(fault)

    async def _read(self) -> None:
        try:
            text = await self._connection.recv()
        except (ConnectionClosed, OSError) as fault:
            check_closed(fault)
            self._is_open.clear()
            self._fail(self._session.lose(), lost())
            await self._connect()
            return
        received = self._session.receive(text)
        if received.event is not None:
            await self._events.put(received.event)
        if received.answered is not None:
            number, answer = received.answered
            self._answer(number, answer)
        await self._write(received.messages)

    def _fail(self, numbers: Sequence[int], fault: Exception) -> None:
        for number in numbers:
            self._answer(number, fault)

    def _answer(self, number: int, answer: Any) -> None:
        waiting = self._answers.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    async def _write(self, messages: Sequence[str]) -> None:
        with contextlib.suppress(ConnectionClosed, OSError):  # reading finds the end, and connects
            for message in messages:
                await self._connection.send(message)

    async def _connect(self, patience: float = inf) -> None:
        pauses = Pauses(patience)
        while True:
            try:
                self._connection = await async_client.connect(self._url, **self._build_options())
                break
            except (OSError, WebSocketException) as fault:
                await asyncio.sleep(pauses.find_next(fault))
        await self._write(self._session.connect())
        self._is_open.set()


class Pauses:
    """How long to wait before the next attempt to connect, for so many seconds altogether."""

    def __init__(self, patience: float) -> None:
        self._deadline = time.monotonic() + patience
        self._next = PAUSE_SECONDS

    def find_next(self, fault: Exception) -> float:
        """Return the seconds to wait; raise a refusal that another attempt would meet again."""
        refusal = read_refusal(fault)
        pause = self._next * random.uniform(0.5, 1)
        self._next = min(2 * self._next, PAUSE_SECONDS_MAX)
        if refusal is not None and refusal.retry_after is not None:
            pause = refusal.retry_after
        if time.monotonic() + pause > self._deadline:
            raise refusal or ConnectionLostError(str(fault)) from fault
        return pause


def read_refusal(fault: Exception) -> PredexError | None:
    """Return the exchange's refusal of a connection for a while; raise one that lasts."""
    if not isinstance(fault, InvalidStatus):
        return None
    response = fault.response
    text = (response.body or b"").decode(errors="replace")
    refusal = read_error(response.status_code, response.headers.get("Retry-After"), text)
    if response.status_code < 500 and not isinstance(refusal, TooManyRequestsError):
        raise refusal from fault
    return refusal


def check_closed(fault: Exception) -> None:
    """Raise what ends the feed for good; after anything else it connects again."""
    received = fault.rcvd if isinstance(fault, ConnectionClosed) else None
    if received is not None and received.code == NO_LONGER_VALID:
        raise NotAuthenticatedError(401, "invalid_credentials", "the key is no longer valid")
    if received is not None and received.code == TOO_MANY:
        raise TooManyRequestsError(429, received.reason or "too_many_requests", "too many messages")
