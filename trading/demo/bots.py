"""Programs of `bots` beside the server, each in its own process: the demo's traders, the maker.

They use HTTP like any client, so they cannot stop the server; they end with it, even when it is
killed (they watch their parent).
"""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any, Final

import structlog
from django.conf import settings

from trading.demo.secrets_file import DemoTrader
from web.request_context import RequestLine

log = structlog.get_logger(__name__)

STOP_SECONDS: Final = 5
ANY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - not bound, called
KEPT_VARIABLES: Final = ("PATH", "HOME", "LANG", "TZ")


@contextlib.asynccontextmanager
async def programs(
    traders: Collection[DemoTrader], *, host: str, port: int, arguments: Sequence[str]
) -> AsyncIterator[None]:
    """Run a program for each of the traders while the block runs, with these arguments."""
    leave_out_of_log({trader.account_id for trader in traders})
    url = f"http://{ANY_ADDRESS.get(host, host)}:{port}"
    processes = [await _start(trader, url, arguments) for trader in traders]
    watching = [asyncio.create_task(_watch(*pair)) for pair in zip(traders, processes, strict=True)]
    try:
        yield
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*map(_stop, processes))


async def _start(
    trader: DemoTrader, url: str, arguments: Sequence[str]
) -> asyncio.subprocess.Process:
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    own = {"PREDEX_URL": url, "PREDEX_KEY": trader.key, "PREDEX_FOLLOW": str(os.getpid())}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"bots.{trader.program}", *arguments,
        cwd=settings.BASE_DIR,
        env={**kept, **own},
        stdin=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # the server handles Ctrl-C
    )  # fmt: skip


async def _watch(trader: DemoTrader, process: asyncio.subprocess.Process) -> None:
    """Report a program that ended by itself, such as one whose key was revoked."""
    code = await process.wait()
    log.warning("program_ended", handle=trader.handle, code=code)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def leave_out_of_log(account_ids: set[int]) -> None:
    """Log these accounts' requests only on server errors, to keep the log readable."""

    def is_of_interest(record: logging.LogRecord) -> bool:
        line: Any = record.msg
        return not (
            isinstance(line, RequestLine) and line.account_id in account_ids and line.status < 500
        )

    logging.getLogger("predex.request").addFilter(is_of_interest)
