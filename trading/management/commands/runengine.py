"""`manage.py runengine`: the engine role, a Channels worker for the given shards.

Started beside `serve` in production; a second one for the same shards waits as a standby.
"""

import asyncio
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import connection

from trading.management.base import MigratedCommand
from trading.management.commands.serve import build_config, run, stop_on_signals
from trading.pipeline.filelock import EngineAlreadyRunningError, engine_file_lock
from web import metrics_server


class Command(MigratedCommand):
    help = "Run the matching engine for some shards (production; embedded, `serve` runs it)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--shards",
            type=parse_shards,
            default=None,
            help="numbers separated by commas; all shards when left out",
        )

    def execute(self, *args: Any, **options: Any) -> str | None:
        if settings.EMBEDDED:
            raise CommandError("set REDIS_URL: without it `serve` runs the engine in its process.")
        return super().execute(*args, **options)

    def handle(self, *, shards: list[int] | None, **options: Any) -> None:
        connection.close()  # each shard opens its own connection
        shards = check_shards(shards)
        self.stderr.write(f"engine of shards {shards} (Ctrl-C stops it)")
        try:
            with engine_file_lock():
                metrics_server.start()
                run(run_engine(shards), config=build_config("127.0.0.1", 0))
        except EngineAlreadyRunningError as fault:
            raise CommandError(f"predex cannot start: {fault}") from None


async def run_engine(shards: list[int]) -> None:
    from trading.pipeline.worker import run_worker

    stop = asyncio.Event()
    stop_on_signals(stop)
    await run_worker(shards, stop=stop)


def parse_shards(text: str) -> list[int]:
    return sorted({int(part) for part in text.split(",")})


def check_shards(shards: list[int] | None) -> list[int]:
    """Return the shards to run; refuse numbers out of range."""
    known = range(settings.ENGINE_SHARDS)
    if shards is None:
        return list(known)
    if any(shard not in known for shard in shards):
        raise CommandError(f"--shards must lie in 0..{known[-1]} (ENGINE_SHARDS={len(known)}).")
    return shards
