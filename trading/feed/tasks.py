"""The hub's background tasks, which end with it, and database reads in threads."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

import structlog
from channels.db import database_sync_to_async

from kernel.database import DATABASE_FAULTS

log = structlog.get_logger(__name__)

Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")


async def in_thread(
    function: Callable[Parameters, Returned], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Returned:
    """Call a function that reads the database in a thread."""
    call = database_sync_to_async(function, thread_sensitive=False)
    returned: Returned = await call(*args, **kwargs)
    return returned


class Tasks:
    """Tasks of one owner, whose failures are logged."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._end)
        return task

    def every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        """Repeat a function; an error is logged and does not end the loop."""
        self.spawn(self._repeat(seconds, work))

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _repeat(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
            except DATABASE_FAULTS as fault:
                log.warning("feed_waits_for_database", work=work.__name__, because=str(fault))
            except Exception:
                log.exception("feed_fault", work=work.__name__)

    def _end(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("feed_task_died", exc_info=fault)
