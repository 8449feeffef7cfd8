"""What one process simulates: its plays, the conditions of keys, and named snapshots of all of it.

A snapshot is a copy of the database with a file of what the process knows beside it. A reset ends
the process and starts it again on the copy, so that nothing of before is left in memory.
"""

import asyncio
import contextlib
import os
import re
import signal
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from django.conf import settings
from django.db import connection

from kernel.errors import not_found
from kernel.ids import new_id
from markets.models import Market
from simulator.conditions import Registry
from simulator.recordings.crowd import Crowd, CrowdState, QueueModel
from simulator.recordings.pace import RecordedPace
from simulator.recordings.player import Player, read_orders, read_trades
from simulator.recordings.session import RecordedSession, read_session
from simulator.recordings.stage import do_end_session, do_stage_session, get_members
from trading.feed.tasks import in_thread
from trading.pipeline.gateway import get_gateway

log = structlog.get_logger(__name__)

NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}", re.ASCII)
START: Final = "start"


class PlaySource(msgspec.Struct, kw_only=True):
    """A recording to play, and how."""

    path: str
    market: str = ""
    model: QueueModel = QueueModel.CONSERVATIVE
    speed: float = 1
    is_paused: bool = False
    metadata: str = ""
    result: str = ""
    terms: dict[str, Any] = {}

    def read(self) -> RecordedSession:
        folder = Path(self.metadata) if self.metadata else None
        return read_session(
            Path(self.path), market=self.market, metadata=folder, result=self.result or None
        )


class PlayState(msgspec.Struct, kw_only=True):
    """Where a play was when a snapshot was taken."""

    source: PlaySource
    market_id: int
    position: int
    at_ms: float
    last_trade_id: str
    crowd: CrowdState


class BenchState(msgspec.Struct, kw_only=True):
    seed: int
    conditions: dict[str, Any]
    plays: list[PlayState]


class Play:
    """A recording in its market. `is_settled` once its recorded result was paid out; `error` is
    what has ended it before.
    """

    def __init__(
        self, source: PlaySource, session: RecordedSession, market: Market, crowd: Crowd
    ) -> None:
        self.source = source
        self.session = session
        self.market = market
        self.is_settled = False
        self.error: str | None = None
        pace = RecordedPace(
            source.speed, is_paused=source.is_paused, at_ms=-1 if source.is_paused else 0
        )
        self.player = Player(session, market.pk, crowd, pace, _send, _read_trades, _read_orders)

    async def run(self) -> None:
        try:
            await self.player.play()
            self.is_settled = await in_thread(do_end_session, self.market, self.session.payout_pips)
        except Exception as fault:
            self.error = f"{type(fault).__name__}: {fault}"
            log.exception("play_failed", market=self.market.slug)

    def dump(self) -> PlayState:
        pace, player = self.player.pace, self.player
        return PlayState(
            source=msgspec.structs.replace(self.source, speed=pace.speed, is_paused=pace.is_paused),
            market_id=self.market.pk,
            position=player.position,
            at_ms=player.reached_ms(),
            last_trade_id=player.last_trade_id,
            crowd=player.crowd.dump(),
        )


class Bench:
    def __init__(self) -> None:
        self.plays: list[Play] = []
        self.conditions = Registry()
        self.reset_to = ""
        self.instance = new_id()
        self.is_ready = False
        self._tasks: list[asyncio.Task[None]] = []

    def find_play(self, slug: str) -> Play:
        for play in self.plays:
            if play.market.slug == slug:
                return play
        raise not_found("this market's recording")

    def begin(self) -> None:
        self._tasks = [asyncio.create_task(play.run()) for play in self.plays]
        self.is_ready = True

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Time

    def pause(self) -> None:
        for play in self.plays:
            play.player.pace.pause(at_ms=play.player.reached_ms())

    def resume(self) -> None:
        for play in self.plays:
            play.player.pace.resume()

    def set_speed(self, speed: float) -> None:
        for play in self.plays:
            play.player.pace.set_speed(speed, at_ms=play.player.reached_ms())

    async def step(self, ms: float) -> None:
        """Let so much time of each recording pass; return when all of it is done and settled."""
        await asyncio.gather(*(play.player.step(ms) for play in self.plays))
        ending = [
            task for play, task in zip(self.plays, self._tasks, strict=True) if play.player.is_done
        ]
        await asyncio.gather(*ending, return_exceptions=True)

    # Snapshots

    async def take_snapshot(self, name: str) -> None:
        async with _all_busy(self.plays):
            state = self.dump()
            await in_thread(_copy_database, get_path(name, "sqlite3"))
            get_path(name, "json").write_bytes(msgspec.json.encode(state))

    def reset(self, name: str) -> None:
        """End this process; `manage.py` starts it again on the snapshot."""
        if not get_path(name, "json").exists():
            raise not_found("this snapshot")
        self.reset_to = name
        os.kill(os.getpid(), signal.SIGTERM)

    def dump(self) -> BenchState:
        return BenchState(
            seed=self.conditions.default_seed,
            conditions=self.conditions.dump(),
            plays=[play.dump() for play in self.plays],
        )

    # Plays

    def stage(self, wanted: list[tuple[PlaySource, RecordedSession]]) -> None:
        """Make and open a market for each recording."""
        for source, session in wanted:
            market = do_stage_session(session, **source.terms)
            self.plays.append(Play(source, session, market, Crowd(get_members(), source.model)))

    def load(self, name: str) -> None:
        """Continue from a snapshot, on whose database this process already is."""
        state = msgspec.json.decode(get_path(name, "json").read_bytes(), type=BenchState)
        self.conditions.default_seed = state.seed
        self.conditions.load(state.conditions)
        for kept in state.plays:
            crowd = Crowd(get_members(), kept.source.model)
            crowd.load(kept.crowd)
            market = Market.objects.get(pk=kept.market_id)
            play = Play(kept.source, kept.source.read(), market, crowd)
            play.player.position, play.player.last_trade_id = kept.position, kept.last_trade_id
            play.player.pace = RecordedPace(
                kept.source.speed, is_paused=kept.source.is_paused, at_ms=kept.at_ms
            )
            self.plays.append(play)


def get_folder() -> Path:
    folder = Path(settings.DATA_DIR) / "simulator"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def get_path(name: str, suffix: str) -> Path:
    if not NAME.fullmatch(name):
        raise not_found("a snapshot of this name")
    return _get_snapshots() / f"{name}.{suffix}"


def list_snapshots() -> list[str]:
    return sorted(path.stem for path in _get_snapshots().glob("*.json"))


def _get_snapshots() -> Path:
    folder = get_folder() / "snapshots"
    folder.mkdir(exist_ok=True)
    return folder


def restore_database(name: str) -> None:
    """Put a snapshot's copy in place of the database, while nobody has it open."""
    connection.close()
    database = Path(settings.DATABASES["default"]["NAME"])
    for suffix in ("-wal", "-shm"):
        Path(f"{database}{suffix}").unlink(missing_ok=True)
    database.write_bytes(get_path(name, "sqlite3").read_bytes())


def _copy_database(path: Path) -> None:
    connection.ensure_connection()
    copy = sqlite3.connect(path)
    try:
        connection.connection.backup(copy)
    finally:
        copy.close()


@contextlib.asynccontextmanager
async def _all_busy(plays: list[Play]) -> AsyncIterator[None]:
    """Nothing of any play is under way while the block runs."""
    async with contextlib.AsyncExitStack() as locks:
        for play in plays:
            await locks.enter_async_context(play.player.busy)
        yield


async def _send(tasks: Any) -> Any:
    return await get_gateway().send_each(tasks)


async def _read_trades(market_id: int, after_id: str) -> Any:
    return await in_thread(read_trades, market_id, after_id)


async def _read_orders(market_id: int, account_ids: list[int]) -> Any:
    return await in_thread(read_orders, market_id, account_ids)


_benches: list[Bench] = []


def get_bench() -> Bench:
    """Return this process's bench."""
    if not _benches:
        _benches.append(Bench())
    return _benches[0]
