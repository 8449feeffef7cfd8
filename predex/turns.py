"""Fair queueing before Django: a few requests at once, addresses in round-robin order.

A page takes tens of milliseconds of a thread, which shares the interpreter with the event loop that
handles orders. So only DJANGO_AT_ONCE requests run at a time; the others wait without a thread or a
database connection, and an address with many waiting requests delays the others by one at most.
Embedded the limit is one: with two, orders beside 32 readers of a page take half as long again, and
the readers hardly gain.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from kernel.errors import ApiError

WAIT_SECONDS_MAX: Final = 10
WAITING_MAX: Final = 100
"""Waiting requests per address, including those whose client has left."""


class Turns:
    """The turns of one event loop."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}  # the next first

    async def acquire(self, address: str) -> Callable[[], None]:
        """Wait for a turn; return the function that ends it. ApiError (503) after a long wait."""
        if self._free:
            self._free -= 1
        else:
            await self._wait(address)
        is_taken = True

        def give_back() -> None:
            nonlocal is_taken
            if is_taken:
                is_taken = False
                self._hand_on()

        return give_back

    async def _wait(self, address: str) -> None:
        queue = self._waiting.setdefault(address, deque())
        if len(queue) >= WAITING_MAX:
            raise _too_busy()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                await turn
        except TimeoutError:
            self._give_up(address, turn)
            raise _too_busy() from None
        except asyncio.CancelledError:
            self._give_up(address, turn)
            raise

    def _give_up(self, address: str, turn: asyncio.Future[None]) -> None:
        if turn.done() and not turn.cancelled():
            self._hand_on()  # it was granted at the same moment
            return
        queue = self._waiting[address]
        queue.remove(turn)
        if not queue:
            del self._waiting[address]

    def _hand_on(self) -> None:
        while self._waiting:
            address, queue = next(iter(self._waiting.items()))
            del self._waiting[address]
            turn = queue.popleft()
            if queue:
                self._waiting[address] = queue
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


def _too_busy() -> ApiError:
    detail = "too busy to answer now: try again"
    return ApiError("unavailable", detail=detail, retry_after_seconds=1)


def releasing(send: Any, give_back: Callable[[], None]) -> Any:
    """Wrap ASGI's `send`: the turn ends with the work, not once a slow client has read it all."""

    async def send_and_release(message: Any) -> None:
        give_back()
        await send(message)

    return send_and_release
