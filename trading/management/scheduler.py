"""The scheduler of an embedded exchange: triggers Celery's tasks inside its one process.

Each task has its own loop, so that a long settlement does not delay closings. Tasks run in threads
and send to the engine through the gateway of this event loop.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import structlog
from asgiref.sync import sync_to_async
from django.db import close_old_connections

from kernel.metrics import TASK_SECONDS
from trading import tasks
from trading.settlement import schedule

log = structlog.get_logger(__name__)

THREADS_MAX: Final = 4


async def run_scheduler(stop: asyncio.Event) -> None:
    """Trigger every task at its interval until `stop`; then wait for running ones."""
    tasks.stopping.clear()
    threads = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="scheduler")
    loops = [
        asyncio.create_task(_repeat(getattr(tasks, name), seconds, stop, threads), name=name)
        for name, seconds in schedule.SECONDS.items()
    ]
    try:
        await stop.wait()
        tasks.stopping.set()
        await asyncio.gather(*loops)
    finally:
        for loop in loops:
            loop.cancel()
        threads.shutdown(wait=False, cancel_futures=True)


async def _repeat(
    task: Callable[[], Any], seconds: float, stop: asyncio.Event, threads: ThreadPoolExecutor
) -> None:
    run = sync_to_async(_run, thread_sensitive=False, executor=threads)
    while not stop.is_set():
        await run(task)
        try:
            async with asyncio.timeout(seconds):
                await stop.wait()
        except TimeoutError:
            continue


def _run(task: Callable[[], Any]) -> None:
    """Run a task; after any failure the next trigger runs it again."""
    close_old_connections()
    name, result = getattr(task, "__name__", str(task)), "success"
    began_at = time.monotonic()
    try:
        task()
    except Exception:
        result = "failure"
        log.exception("task_failed", task=name)
    finally:
        TASK_SECONDS.observe(time.monotonic() - began_at, name, result)
        close_old_connections()
