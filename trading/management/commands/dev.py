"""`manage.py dev`: daphne's runserver, which reloads changed code, with an embedded engine.

For development only. Embedded, engine and scheduler start with the first request; with REDIS_URL
they are separate processes, as in production.
"""

import asyncio
import contextlib
from typing import Any

from daphne.management.commands.runserver import Command as RunserverCommand

from trading.management.commands.serve import embedded_parts, name_site
from trading.pipeline.filelock import engine_file_lock


class Command(RunserverCommand):
    help = "daphne's runserver with the embedded engine, for development."

    def inner_run(self, *args: Any, **options: Any) -> None:
        name_site(self.addr, int(self.port))
        super().inner_run(*args, **options)

    def get_application(self, options: dict[str, Any]) -> Any:
        return WithEngine(super().get_application(options))


class WithEngine:
    """An ASGI application that starts the embedded parts in the loop of its first request."""

    def __init__(self, application: Any) -> None:
        self.application = application
        self.parts: list[asyncio.Task[None]] = []
        self.lock = contextlib.ExitStack()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if not self.parts:
            self.start()
        await self.application(scope, receive, send)

    def start(self) -> None:
        parts = embedded_parts(asyncio.Event())
        if parts:
            self.lock.enter_context(engine_file_lock())
        self.parts = [asyncio.create_task(part, name=name) for name, part in parts]
