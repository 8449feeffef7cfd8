"""`manage.py replay_recording FILE...`: replays recorded sessions and compares every figure.

Each FILE is a `<window>.ops.csv.gz` with its `<window>.expect.json` beside it. It is traded
through the real order path with dedicated accounts in a new market, which is then closed, resolved
with the recorded result and paid out. Prints one JSON line per file; exits 1 on any difference.
"""

import asyncio
import sys
from argparse import ArgumentParser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from markets.lifecycle import binary_payout
from markets.models import Market
from simulator.recordings.crowd import Crowd, QueueModel
from simulator.recordings.recording import Recording
from simulator.recordings.replay import (
    ReplayResult,
    read_committed_book,
    replay_engine_only,
    replay_real_path,
)
from simulator.recordings.stage import do_end_session, do_stage_market, get_members
from trading.engine.types import PAYOUT_PIPS
from trading.pipeline.filelock import EngineAlreadyRunningError, engine_file_lock
from trading.pipeline.gateway import Gateway, get_gateway
from trading.pipeline.worker import run_worker

ENGINE_START_SECONDS: Final = 30
PROGRESS_STEPS: Final = 20_000


class Session(NamedTuple):
    """A recording's setup on the exchange: market and accounts."""

    market: Market
    crowd: Crowd


class Command(BaseCommand):
    help = "Trade recorded market sessions again and compare fills and books with the recording."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument(
            "--engine-only", action="store_true", help="the bare engine, without database"
        )

    def handle(self, *, files: list[Path], engine_only: bool, **options: Any) -> None:
        recordings = [self.read(path) for path in files]
        if engine_only:
            equal = [
                self.report(replay_engine_only(recording, self.show_progress))
                for recording in recordings
            ]
        else:
            try:
                equal = asyncio.run(self.replay_all(recordings))
            except EngineAlreadyRunningError as fault:
                raise CommandError(f"cannot trade here: {fault}") from None
        if not all(equal):
            sys.exit(1)

    def read(self, path: Path) -> Recording:
        try:
            return Recording(path)
        except (OSError, msgspec.MsgspecError) as fault:
            raise CommandError(f"{path} is no recorded session: {fault}") from None

    async def replay_all(self, recordings: list[Recording]) -> list[bool]:
        async with engine_at_hand() as gateway:
            return [self.report(await self.replay(recording, gateway)) for recording in recordings]

    async def replay(self, recording: Recording, gateway: Gateway) -> ReplayResult:
        session = await sync_to_async(prepare)(recording)
        outcome = await replay_real_path(
            recording,
            gateway,
            session.market.pk,
            session.crowd,
            sync_to_async(read_committed_book),
            self.show_progress,
        )
        await sync_to_async(settle)(recording, session)
        return outcome

    def show_progress(self, operations: int) -> None:
        if operations % PROGRESS_STEPS == 0 or self.stderr.isatty():
            self.stderr.write(f"\r{operations:,} operations", ending="")

    def report(self, outcome: ReplayResult) -> bool:
        equal = outcome.is_equal()
        self.stderr.write("\r", ending="")
        line = {**msgspec.to_builtins(outcome), "equal": equal}
        self.stdout.write(msgspec.json.encode(line).decode())
        return equal


@asynccontextmanager
async def engine_at_hand() -> AsyncIterator[Gateway]:
    """Return the gateway to running engines; if there are none, run them here meanwhile."""
    gateway = get_gateway()
    shards = list(range(settings.ENGINE_SHARDS))
    await gateway.start()
    if not any(gateway.is_away(shard) for shard in shards):
        try:
            yield gateway
        finally:
            await gateway.close()
        return
    stop = asyncio.Event()
    with engine_file_lock():
        worker = asyncio.create_task(run_worker(shards, stop=stop))
        try:
            await _wait_until_alive(gateway, shards)
            yield gateway
        finally:
            stop.set()
            await worker
            await gateway.close()


async def _wait_until_alive(gateway: Gateway, shards: list[int]) -> None:
    try:
        async with asyncio.timeout(ENGINE_START_SECONDS):
            while any(gateway.is_away(shard) for shard in shards):  # noqa: ASYNC110 - heartbeats
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise CommandError("the engine did not start; another one may own the shard") from None


def prepare(recording: Recording) -> Session:
    """Create the session's open market and three funded accounts."""
    recorded = recording.metadata()
    market = do_stage_market(
        name=recording.expectation.window,
        title=recorded["title"],
        description=recorded["yes_sub_title"],
        rules=recorded["rules_primary"],
    )
    return Session(market, Crowd(get_members(), QueueModel.CONSERVATIVE))


def settle(recording: Recording, session: Session) -> None:
    """Close the market and pay out the recorded result."""
    result = recording.metadata()["result"]
    payout_pips = binary_payout(PAYOUT_PIPS if result == "yes" else 0)
    if not do_end_session(session.market, payout_pips):
        raise CommandError(f"{session.market.slug} was not settled")
