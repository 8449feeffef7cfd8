"""A request as plain data, and how clients make it: one description for all of them.

`predex_client.calls` describes requests, `Sender` and `AsyncSender` carry them out. An `Endpoint`
in a client's class is such a description; on an instance it is the method that sends it, and
returns what the answer holds (`Sender`) or an awaitable of it (`AsyncSender`).
"""

import functools
import random
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, ParamSpec, TypeVar, overload

from predex_client.errors import (
    ConnectionLostError,
    OutcomeUnknownError,
    PredexError,
    TooManyRequestsError,
    UnavailableError,
)

T = TypeVar("T")
P = ParamSpec("P")
NOTHING_DONE = (TooManyRequestsError, UnavailableError)
NOBODY_KNOWS = (OutcomeUnknownError, ConnectionLostError)
FIRST_PAUSE_SECONDS = 0.25
PAUSE_SECONDS_MAX = 5.0


@dataclass(frozen=True, kw_only=True)
class Request(Generic[T]):
    """`path` names `params` in braces. `operation` is its name on the socket, if it has one."""

    method: str
    path: str
    read: Callable[[Any], T]
    params: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    operation: str = ""
    idempotency_key: str | None = None
    is_repeatable: bool = False
    """Sent twice it does what it does once."""


@dataclass(frozen=True)
class Page(Generic[T]):
    results: tuple[T, ...]
    next_cursor: str | None


class Attempts:
    """Says whether and when a request that failed is sent again, for `patience` seconds.

    A request that changed nothing is; one whose outcome is unknown only if it is repeatable.
    """

    def __init__(self, request: Request[Any], patience: float) -> None:
        self._is_repeatable = request.is_repeatable
        self._deadline = time.monotonic() + patience
        self._pause = FIRST_PAUSE_SECONDS

    def find_pause(self, fault: Exception) -> float:
        """Return the seconds to wait before the next attempt; raise the fault if it is final."""
        may_repeat: tuple[type[PredexError], ...] = NOTHING_DONE + (
            NOBODY_KNOWS if self._is_repeatable else ()
        )
        if not isinstance(fault, may_repeat):
            raise fault
        pause = fault.retry_after
        if pause is None:
            pause = self._pause * random.uniform(0.5, 1)
        if pause > self.seconds_left():
            raise fault
        self._pause = min(2 * self._pause, PAUSE_SECONDS_MAX)
        return pause

    def seconds_left(self) -> float:
        return self._deadline - time.monotonic()


class Sender(ABC):
    """Carries out requests and returns what they answer."""

    @abstractmethod
    def send(self, request: Request[T]) -> T: ...

    def each(self, request: Request[Page[T]]) -> Iterator[T]:
        """Yield the rows of a list, page by page."""
        while True:
            page = self.send(request)
            yield from page.results
            if page.next_cursor is None:
                return
            request = turn(request, page.next_cursor)


class AsyncSender(ABC):
    """`Sender` for asyncio."""

    @abstractmethod
    async def send(self, request: Request[T]) -> T: ...

    async def each(self, request: Request[Page[T]]) -> AsyncIterator[T]:
        """Yield the rows of a list, page by page."""
        while True:
            page = await self.send(request)
            for row in page.results:
                yield row
            if page.next_cursor is None:
                return
            request = turn(request, page.next_cursor)


def turn(request: Request[Page[T]], cursor: str) -> Request[Page[T]]:
    """Return the request for the next page."""
    return replace(request, query={**request.query, "cursor": cursor})


class Endpoint(Generic[P, T]):
    """A request that clients have as a method."""

    def __init__(self, describe: Callable[P, Request[T]]) -> None:
        self.describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> "Endpoint[P, T]": ...
    @overload
    def __get__(self, client: Sender, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: AsyncSender, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        return self if client is None else _bind(self.describe, client.send)


class Listing(Generic[P, T]):
    """A request for a list, which clients have as a method that iterates over its rows."""

    def __init__(self, describe: Callable[P, Request[Page[T]]]) -> None:
        self.describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> "Listing[P, T]": ...
    @overload
    def __get__(self, client: Sender, owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, client: AsyncSender, owner: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        return self if client is None else _bind(self.describe, client.each)


def _bind(describe: Callable[..., Any], send: Callable[[Any], Any]) -> Callable[..., Any]:
    @functools.wraps(describe)
    def call(*args: Any, **kwargs: Any) -> Any:
        return send(describe(*args, **kwargs))

    return call
