"""Replays recorded sessions: through the pure engine, or through the whole order path.

The whole path is that of any order: dedicated accounts, gateway, engine, database. Compared are the
fills of the answers and the books of the committed orders.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec

from kernel import bulk
from simulator.recordings.crowd import Crowd, Member, QueueModel
from simulator.recordings.recording import (
    Book,
    RecordedOperation,
    Recording,
    Sweeps,
    level_of,
)
from trading.engine.commands import Configure
from trading.engine.engine import Engine
from trading.engine.events import Traded
from trading.engine.types import BUY, SELL, Config, MarketStatus
from trading.pipeline.gateway import Gateway
from trading.pipeline.messages import Task

CHUNK_OPERATIONS: Final = 100
ENGINE_ONLY_FUNDS_MICROS: Final = 10**15
ENGINE_ONLY_MEMBERS: Final = {"yes": Member(1, 1), "no": Member(2, 2), "taker": Member(3, 3)}
LEVELS: Final = (
    "SELECT side, price_pips, SUM(remaining_lots) FROM trading_order"
    " WHERE market_id = {mark} AND status IN (0, 1) GROUP BY side, price_pips"
)

Progress = Callable[[int], None]


class ReplayResult(msgspec.Struct):
    """A session's results beside the expected ones."""

    window: str
    path: str
    operations: int
    volume_lots: int
    volume_expected_lots: int
    sweep_sha256: str
    sweep_expected_sha256: str
    checkpoints: int
    checkpoints_equal: int
    seconds: float
    operations_per_second: int

    def is_equal(self) -> bool:
        return (
            self.sweep_sha256 == self.sweep_expected_sha256
            and self.volume_lots == self.volume_expected_lots
            and self.checkpoints_equal == self.checkpoints > 0
        )


class Score:
    """Accumulates and compares results while a session runs."""

    def __init__(self, recording: Recording, progress: Progress) -> None:
        self.recording = recording
        self.progress = progress
        self.sweeps = Sweeps()
        self.operations = self.checkpoints = self.equal = 0
        self.started_at = time.perf_counter()

    def add_sweep(self, operation: RecordedOperation, trades: Iterable[Traded]) -> None:
        self.sweeps.add(operation, [(one.price_pips, one.quantity_lots) for one in trades])

    def add_book(self, operation: RecordedOperation, book: Book) -> None:
        self.checkpoints += 1
        self.equal += book == self.recording.checkpoints[operation.number]

    def count(self, operations: int) -> None:
        self.operations += operations
        self.progress(self.operations)

    def outcome(self, path: str) -> ReplayResult:
        seconds = time.perf_counter() - self.started_at
        expected = self.recording.expectation
        return ReplayResult(
            expected.window,
            path,
            self.operations,
            self.sweeps.volume_lots,
            expected.volume_hundredths,
            self.sweeps.sha256(),
            expected.sweep_sha256,
            self.checkpoints,
            self.equal,
            round(seconds, 2),
            int(self.operations / seconds),
        )


def replay_engine_only(recording: Recording, progress: Progress) -> ReplayResult:
    """Replay a session on the engine alone."""
    engine, score = Engine(1), Score(recording, progress)
    engine.execute(Configure(MarketStatus.OPEN, Config(True, 2, 100, 1)), 0, {})
    crowd = Crowd(ENGINE_ONLY_MEMBERS, QueueModel.CONSERVATIVE)
    funds = dict.fromkeys((1, 2, 3), ENGINE_ONLY_FUNDS_MICROS)
    for operation in recording.operations():
        for command in crowd.begin(operation):
            events = engine.execute(command, operation.number, funds)
            trades = [event for event in events if isinstance(event, Traded)]
            for trade in trades:
                crowd.lose(trade.maker_order_id, trade.quantity_lots)
        if operation.kind == "take":
            score.add_sweep(operation, trades)
        if operation.number in recording.checkpoints:
            score.add_book(operation, _engine_book(engine))
        score.count(1)
    return score.outcome("engine")


def _engine_book(engine: Engine) -> Book:
    book = engine.books[0]
    bids = {level_of(pips, "yes"): lots for pips, lots in book.depth(BUY)}
    return bids | {level_of(pips, "no"): lots for pips, lots in book.depth(SELL)}


def read_committed_book(market_id: int) -> Book:
    """Return a market's book from its committed open orders."""
    cursor = bulk.open_cursor()
    cursor.execute(LEVELS.format(mark=bulk.placeholder()), (market_id,))
    return {
        level_of(price_pips, "yes" if side == BUY else "no"): int(lots)
        for side, price_pips, lots in cursor.fetchall()
    }


async def replay_real_path(
    recording: Recording,
    gateway: Gateway,
    market_id: int,
    crowd: Crowd,
    read_book: Callable[[int], Any],
    progress: Progress,
) -> ReplayResult:
    """Replay a session through the gateway in an open market.

    Operations are sent a hundred at a time; each taker ends a message, because its fills determine
    the orders of later cancels. `read_book` is an awaitable `read_committed_book`.
    """
    score = Score(recording, progress)
    for chunk in _chunks(recording):
        commands = [command for operation in chunk for command in crowd.begin(operation)]
        tasks = [Task(0, market_id, command) for command in commands]
        answers = await gateway.send(tasks) if tasks else []
        results = [answer.result for answer in answers if answer.result is not None]
        for command, result in zip(commands, results, strict=True):
            crowd.hear(command, result)
        last = chunk[-1]
        if last.kind == "take":
            score.add_sweep(last, [fill.trade for fill in results[-1].fills])
        if last.number in recording.checkpoints:
            score.add_book(last, await read_book(market_id))
        score.count(len(chunk))
    return score.outcome("gateway")


def _chunks(recording: Recording) -> Iterator[list[RecordedOperation]]:
    """Yield operations in groups that end with a taker, a reset, a checkpoint, or when full."""
    chunk: list[RecordedOperation] = []
    for operation in recording.operations():
        chunk.append(operation)
        ends = operation.kind in ("take", "reset") or operation.number in recording.checkpoints
        if ends or len(chunk) >= CHUNK_OPERATIONS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
