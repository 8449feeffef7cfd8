"""`manage.py simulate`: serves the exchange as a bench for programs, with people and markets.

`play_recording` is the same with recordings. docs/simulator.md
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from simulator.bench import (
    START,
    Bench,
    PlaySource,
    get_bench,
    list_snapshots,
    restore_database,
)
from simulator.people import People, do_open_plain_markets, do_seed_people, write
from simulator.recordings.crowd import QueueModel
from simulator.recordings.messages import RecordingError
from simulator.recordings.pace import FASTEST
from simulator.recordings.session import RecordedSession
from trading.feed.tasks import in_thread
from trading.management.commands.serve import ServingCommand
from trading.pipeline.gateway import get_gateway

Recording = tuple[PlaySource, RecordedSession]
ENGINE_SECONDS: Final = 60
TAKER_RATES: Final = {
    "kalshi": 70_000,
    "polymarket-crypto": 70_000,
    "polymarket-economics": 50_000,
    "polymarket-politics": 40_000,
    "polymarket-sports": 30_000,
}
"""In ppm of contracts x p x (1 - p), both venues' formula; makers pay nothing. docs/simulator.md"""
FEES: Final[dict[str, dict[str, Any]]] = {
    "none": {},
    **{name: {"fee_kind": "quadratic", "fee_taker_rate": ppm} for name, ppm in TAKER_RATES.items()},
}


class Command(ServingCommand):
    help = "Serve a bench: people with keys, open markets, delays and faults on request."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--traders", type=int, default=3)
        parser.add_argument("--markets", type=int, default=1, help="open ones without a recording")
        parser.add_argument("--seed", type=int, default=0, help="of delays and faults")
        parser.add_argument("--snapshot", default="", help="continue from this one")

    def handle(self, *, host: str, port: int, snapshot: str, seed: int, **options: Any) -> None:
        if not settings.SIMULATOR:
            raise CommandError("set SIMULATOR=1: this command turns the exchange into a bench.")
        if snapshot and snapshot not in list_snapshots():
            raise CommandError(f"there is no snapshot {snapshot!r}.")
        wanted = [] if snapshot else self.read_recordings(options)
        bench = get_bench()
        bench.conditions.default_seed = seed
        if snapshot:
            restore_database(snapshot)
        else:
            people = do_seed_people(traders=options["traders"])
            self.show(people)
        markets = 0 if snapshot else options["markets"]
        beside = run_bench(bench, wanted, snapshot=snapshot, markets=markets)
        self.serve(host, port, [beside])
        if bench.reset_to:
            restart(bench.reset_to)

    def read_recordings(self, options: dict[str, Any]) -> list[Recording]:
        return []

    def offer_setup(self, own_url: str) -> None:
        """Its operator has a key, and is no person."""

    def show(self, people: People) -> None:
        self.stdout.write(f"operator's key: {people.operator_key}")
        for trader in people.traders:
            log_in = f"{trader.handle}@bench.invalid, {trader.password}"
            self.stdout.write(
                f"key of {trader.handle}: {trader.key} (report: /simulator/, {log_in})"
            )


class RecordingCommand(Command):
    """With files to play."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(markets=0)
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument(
            "--market", action="append", help="of a file with several: its id there (repeatable)"
        )
        parser.add_argument("--speed", default="1", help="of the recording's time, or `max`")
        parser.add_argument("--paused", action="store_true", help="wait for `step` or `resume`")
        parser.add_argument(
            "--queue", choices=[model.value for model in QueueModel], default="conservative"
        )
        parser.add_argument("--fees", choices=sorted(FEES), default="none")
        parser.add_argument("--metadata", default="", help="folder of the venue's records")
        parser.add_argument("--result", choices=("yes", "no"), default="", help="if unrecorded")

    def read_recordings(self, options: dict[str, Any]) -> list[Recording]:
        sources = [
            PlaySource(
                path=str(path.resolve()),
                market=market,
                model=QueueModel(options["queue"]),
                speed=read_speed(options["speed"]),
                is_paused=options["paused"],
                metadata=options["metadata"],
                result=options["result"],
                terms=FEES[options["fees"]],
            )
            for path in options["files"]
            for market in options["market"] or [""]
        ]
        try:
            return [(source, source.read()) for source in sources]
        except RecordingError as fault:
            raise CommandError(str(fault)) from None


def read_speed(text: str) -> float:
    if text == "max":
        return FASTEST
    try:
        speed = float(text)
    except ValueError:
        speed = 0
    if not 0 < speed < FASTEST:
        raise CommandError("--speed is a number above 0, such as 10, or max.")
    return speed


@contextlib.asynccontextmanager
async def run_bench(
    bench: Bench, wanted: list[Recording], *, snapshot: str, markets: int
) -> AsyncIterator[None]:
    """Stage what is asked for once the engine runs, and play it while the block runs."""
    await _wait_for_engine()
    if snapshot:
        await in_thread(bench.load, snapshot)
    else:
        await in_thread(_stage, bench, wanted, markets)
        await bench.take_snapshot(START)
    bench.begin()
    try:
        yield
    finally:
        await bench.end()


def _stage(bench: Bench, wanted: list[Recording], markets: int) -> None:
    bench.stage(wanted)
    people = do_seed_people(traders=0)
    do_open_plain_markets(people, markets)
    write(people)


async def _wait_for_engine() -> None:
    gateway = get_gateway()
    async with asyncio.timeout(ENGINE_SECONDS):
        await gateway.start()
        while gateway.is_away(0):  # noqa: ASYNC110 - heartbeats
            await asyncio.sleep(0.02)


def restart(name: str) -> None:
    """Become this command again, on the snapshot."""
    words = sys.orig_argv[1:]
    if "--snapshot" in words:
        at = words.index("--snapshot")
        del words[at : at + 2]
    os.execv(sys.executable, [sys.executable, *words, "--snapshot", name])  # noqa: S606
