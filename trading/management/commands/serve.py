"""`manage.py serve`: the web server; embedded also the engine and the scheduler, in one process.

Embedded (no REDIS_URL) everything shares one event loop and the in-memory channel layer. With
REDIS_URL this is the web role only; `runengine` and Celery run beside it.
"""

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import structlog
import uvicorn
from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import connection
from django.urls import reverse

from accounts.actions import do_offer_setup
from trading.demo.bots import programs
from trading.demo.catalogue import TAG
from trading.demo.maker import do_prepare_maker, write_config
from trading.demo.secrets_file import load_demo
from trading.feed.consumers import SERVER_OPTIONS
from trading.management.base import MigratedCommand
from trading.pipeline.filelock import EngineAlreadyRunningError, engine_file_lock
from web.connections import CONNECTIONS_MIN, compute_connections_max, connections

GRACE_SECONDS = 10
KEEP_ALIVE_SECONDS = 75  # longer than a bot's pauses between orders
BACKLOG_MAX = 2048
WILDCARDS = ("0.0.0.0", "::", "")  # noqa: S104 - every interface's addresses, not a site's
GC_ALLOCATIONS = 20_000

log = structlog.get_logger(__name__)


class ServingCommand(MigratedCommand):
    """The server, for each command that is one."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)

    def serve(
        self, host: str, port: int, beside: Sequence[AbstractAsyncContextManager[None]] = ()
    ) -> None:
        connection.close()  # each part and thread opens its own connection
        connections.count_max = choose_connections_max()
        name_site(host, port)
        server = Server(build_config(host, port))
        try:
            with engine_file_lock() if settings.EMBEDDED else contextlib.nullcontext():
                listener = listen(host, port)
                self.stderr.write(f"predex {settings.VERSION}: http://{host}:{port} (Ctrl-C stops)")
                self.offer_setup(f"http://{host}:{port}")
                run(serve_all(server, listener, beside), config=server.config)
        except EngineAlreadyRunningError as fault:
            raise CommandError(f"predex cannot start: {fault}") from None

    def offer_setup(self, own_url: str) -> None:
        """If there is no operator yet, print the one-time setup URL, only to the console.

        It has the site's address, or this server's if the environment names none.
        """
        key = do_offer_setup()
        connection.close()
        if key is None:
            return
        site_url = settings.SITE_URL if "SITE_URL" in os.environ else own_url
        self.stderr.write(
            "\nThere is no operator yet. Who opens this address within a day becomes one:\n\n"
            f"    {site_url}{reverse('setup')}?key={key}\n"
        )


class Command(ServingCommand):
    help = "Serve the exchange: one process when embedded, the web role when REDIS_URL is set."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--demo", action="store_true", help="with the traders that seed_demo made"
        )
        parser.add_argument(
            "--with-maker", action="store_true", help="with a market maker, on one server of a site"
        )

    def handle(self, *, host: str, port: int, demo: bool, with_maker: bool, **options: Any) -> None:
        beside = [find_demo_bots(host, port)] if demo else []
        beside += [find_maker(host, port)] if with_maker else []
        self.serve(host, port, beside)


class Server(uvicorn.Server):
    """uvicorn without signal handling: it must stop before the engine that answers it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def build_config(host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        "predex.asgi:application",
        host=host,
        port=port,
        **SERVER_OPTIONS,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # web.request_context reads them
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def choose_connections_max() -> int:
    count_max = compute_connections_max()
    if count_max < CONNECTIONS_MIN:
        raise CommandError(
            f"predex cannot start: {count_max} connections fit; raise the limit of open files "
            f"(`ulimit -n`) or CONNECTIONS_MAX until {CONNECTIONS_MIN} do."
        )
    return count_max


def listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG_MAX)
    except OSError as fault:
        raise CommandError(
            f"predex cannot start: {host}:{port} is not free ({fault.strerror}); try --port."
        ) from None


def run(main: Coroutine[Any, Any, None], *, config: uvicorn.Config) -> None:
    # Imported objects stay for good, and a request makes hundreds of short-lived ones: collecting
    # every 700 allocations would take a tenth of the CPU time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, 20, 20)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(main)


async def serve_all(
    server: uvicorn.Server,
    listener: socket.socket,
    beside: Sequence[AbstractAsyncContextManager[None]],
) -> None:
    """Serve until a signal or until one part ends; then stop the web first, the engine last.

    The context managers `beside` are active while all parts serve.
    """
    stop_web, stop_engine = asyncio.Event(), asyncio.Event()
    stop_on_signals(stop_web)
    web = asyncio.create_task(server.serve(sockets=[listener]), name="web")
    parts = [asyncio.create_task(part, name=name) for name, part in embedded_parts(stop_engine)]
    signalled = asyncio.create_task(stop_web.wait(), name="signal")

    async with contextlib.AsyncExitStack() as stack:
        for program in beside:
            await stack.enter_async_context(program)
        await asyncio.wait([web, signalled, *parts], return_when=asyncio.FIRST_COMPLETED)
    log.info("stopping", because=[t.get_name() for t in (web, signalled, *parts) if t.done()])
    server.should_exit = True
    await asyncio.wait([web])
    signalled.cancel()
    stop_engine.set()
    if parts:
        await asyncio.wait(parts, timeout=GRACE_SECONDS)
    raise_first_fault([web, *parts])


def name_site(host: str, port: int) -> None:
    """Set the site's address to where this process listens, unless the environment names it."""
    if not settings.SITE_URL_IS_SET:
        reached = "127.0.0.1" if host in WILDCARDS else f"[{host}]" if ":" in host else host
        settings.SITE_URL = f"http://{reached}:{port}"


def find_demo_bots(host: str, port: int) -> AbstractAsyncContextManager[None]:
    if not (settings.DEBUG and settings.EMBEDDED):
        raise CommandError("--demo is for trying predex out: it needs DEBUG on and no REDIS_URL.")
    demo = load_demo()
    if demo is None:
        raise CommandError("--demo needs its traders: run `manage.py seed_demo` first.")
    return programs(demo.traders, host=host, port=port, arguments=["--tag", TAG])


def find_maker(host: str, port: int) -> AbstractAsyncContextManager[None]:
    maker = do_prepare_maker()
    connection.close()
    arguments = ["--config", str(write_config())]
    return programs([maker], host=host, port=port, arguments=arguments)


def embedded_parts(stop: asyncio.Event) -> list[tuple[str, Coroutine[Any, Any, None]]]:
    """Return the parts that share the web server's process; none in production."""
    if not settings.EMBEDDED:
        return []
    from trading.management.scheduler import run_scheduler
    from trading.pipeline.worker import run_worker

    shards = list(range(settings.ENGINE_SHARDS))
    return [("engine", run_worker(shards, stop=stop)), ("scheduler", run_scheduler(stop))]


def stop_on_signals(stop: asyncio.Event) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


def raise_first_fault(tasks: list[asyncio.Task[None]]) -> None:
    """Raise a part's failure; a part that does not stop in time is cancelled and named."""
    for task in tasks:
        if not task.done():
            task.cancel()
            log.error("did_not_stop_in_time", part=task.get_name())
        elif not task.cancelled() and (fault := task.exception()):
            raise fault
