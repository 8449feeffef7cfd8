"""The pure engine: a mixed stream of commands on a book that keeps its size.

60% limit orders that rest, 30% cancels of live orders, 10% orders that cross. Such a stream lets a
book grow, so it comes in segments as long as the book is deep, each on a fresh book: what is
measured at 1,000 resting orders never meets more than about 1,300. Commands come as the shard
gets them: up to 512 are decoded from their bytes, then carried out, then what is dirty is cleared.
Time is that of the processor while commands are carried out and while dirty sets are cleared.
"""

import gc
import random
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from bench.figures import IN_MEMORY, Figure, Sizes, build_figure
from trading.engine.engine import Engine
from trading.engine.types import (
    BUY,
    SELL,
    AnyCommand,
    Cancel,
    Config,
    Configure,
    Ended,
    MarketStatus,
    Place,
    Rejected,
    Tif,
    Traded,
)

BATCH_COMMANDS: Final = 512
"""As many as a shard carries out before it clears what is dirty."""
MAKERS: Final = 200
TAKERS: Final = 200
FUNDS_MICROS: Final = 10**15
LIMIT_SHARE: Final = 0.6
CANCEL_SHARE: Final = 0.3
CONFIG: Final = Config(binary=True, outcomes=2, tick_pips=100, lot_step_lots=100)
_decode = msgspec.msgpack.Decoder(list[AnyCommand]).decode


class Segment(NamedTuple):
    """Commands that fill a book, and those that are measured on it, with the trades they make.

    Both are encoded, `BATCH_COMMANDS` together.
    """

    filling: list[bytes]
    stream: list[bytes]
    commands: int
    trades: int


class Timing(NamedTuple):
    commands: int
    processor_seconds: float
    seconds: float


def measure(sizes: Sizes) -> Iterator[Figure]:
    at_1_000 = build_segments(1_000, commands=sizes.choose(200_000, 10_000))
    deep = sizes.choose(100_000, 10_000)
    at_100_000 = build_segments(deep, commands=sizes.choose(200_000, 10_000))
    gc.collect()
    gc.freeze()
    shallow_runs, deep_runs = [], []
    for _ in range(sizes.runs):
        shallow_runs.append(_time(at_1_000))
        deep_runs.append(_time(at_100_000))
    gc.unfreeze()
    trades = sum(segment.trades for segment in at_1_000)
    yield _build_rate("engine_1000_resting", 1_000, shallow_runs, trades, target=600_000)
    trades = sum(segment.trades for segment in at_100_000)
    yield _build_rate("engine_100000_resting", deep, deep_runs, trades)
    yield build_figure(
        "engine_slowdown_100000_to_1000",
        [_rate(few) / _rate(many) for few, many in zip(shallow_runs, deep_runs, strict=True)],
        unit="times",
        durable=IN_MEMORY,
        at_most=1.6,
        details={"resting_orders": [1_000, deep]},
    )


def build_segments(resting: int, *, commands: int) -> list[Segment]:
    count = max(1, commands // resting)
    return [_build_segment(resting, commands // count, seed=seed) for seed in range(count)]


def _build_segment(resting: int, commands: int, *, seed: int) -> Segment:
    """Make the commands by running them, so that each cancel is of an order that is live then."""
    rng = random.Random(seed)
    ids = (f"{number:032x}" for number in range(1, 10**9))
    engine, funds = _open_engine()
    live: list[tuple[str, int]] = []
    places: dict[tuple[str, int], int] = {}
    trades = 0

    def carry_out(command: AnyCommand) -> AnyCommand:
        nonlocal trades
        for event in engine.apply(command, 1, funds):
            assert not isinstance(event, Rejected), event
            if isinstance(event, Ended):
                _forget(event.order_id, engine, live, places)
            trades += isinstance(event, Traded)
        if isinstance(command, Place) and command.order_id in engine.orders:
            places[command.order_id, command.account_id] = len(live)
            live.append((command.order_id, command.account_id))
        return command

    filling = [carry_out(_build_limit(rng, next(ids))) for _ in range(resting)]
    stream = []
    for _ in range(commands):
        kind = rng.random()
        if kind < LIMIT_SHARE:
            command: AnyCommand = _build_limit(rng, next(ids))
        elif kind < LIMIT_SHARE + CANCEL_SHARE:
            command = Cancel(*rng.choice(live))
        else:
            command = _build_crossing(rng, next(ids))
        stream.append(carry_out(command))
    return Segment(_encode(filling), _encode(stream), commands, trades)


def _encode(commands: list[AnyCommand]) -> list[bytes]:
    starts = range(0, len(commands), BATCH_COMMANDS)
    return [msgspec.msgpack.encode(commands[start : start + BATCH_COMMANDS]) for start in starts]


def _forget(
    order_id: str,
    engine: Engine,
    live: list[tuple[str, int]],
    places: dict[tuple[str, int], int],
) -> None:
    key = (order_id, engine.dirty_orders[order_id].account_id)
    place = places.pop(key, None)
    if place is None:
        return
    last = live.pop()
    if last != key:
        live[place] = last
        places[last] = place


def _build_limit(rng: random.Random, order_id: str) -> Place:
    side = rng.choice((BUY, SELL))
    cents = rng.randint(1, 48) if side == BUY else rng.randint(52, 99)
    account_id = rng.randint(1, MAKERS)
    lots = rng.randint(1, 20) * 100
    return Place(order_id, account_id, account_id, 0, side, cents * 100, lots)


def _build_crossing(rng: random.Random, order_id: str) -> Place:
    side = rng.choice((BUY, SELL))
    account_id = MAKERS + rng.randint(1, TAKERS)
    cents = 99 if side == BUY else 1
    lots = rng.randint(1, 10) * 100
    return Place(order_id, account_id, account_id, 0, side, cents * 100, lots, tif=Tif.IOC)


def _open_engine() -> tuple[Engine, dict[int, int]]:
    engine = Engine(1)
    engine.apply(Configure(MarketStatus.OPEN, CONFIG), 1, {})
    return engine, dict.fromkeys(range(1, MAKERS + TAKERS + 1), FUNDS_MICROS)


def _time(segments: list[Segment]) -> Timing:
    processor_seconds = seconds = 0.0
    commands = 0
    for segment in segments:
        engine, funds = _open_engine()
        for batch in segment.filling:
            _run(engine, _decode(batch), funds)
        for batch in segment.stream:
            decoded = _decode(batch)
            started, processor_started = time.perf_counter(), time.thread_time()
            _run(engine, decoded, funds)
            processor_seconds += time.thread_time() - processor_started
            seconds += time.perf_counter() - started
        commands += segment.commands
    return Timing(commands, processor_seconds, seconds)


def _run(engine: Engine, commands: list[AnyCommand], funds: dict[int, int]) -> None:
    apply = engine.apply
    for command in commands:
        apply(command, 2, funds)
    _clear(engine)


def _clear(engine: Engine) -> None:
    engine.dirty_orders.clear()
    engine.books[0].forget_changes()


def _rate(timing: Timing) -> float:
    return timing.commands / timing.processor_seconds


def _build_rate(
    name: str, resting: int, timings: list[Timing], trades: int, *, target: float | None = None
) -> Figure:
    return build_figure(
        name,
        [_rate(timing) for timing in timings],
        unit="commands/s of processor time",
        durable=IN_MEMORY,
        at_least=target,
        details={
            "resting_orders": resting,
            "commands": timings[0].commands,
            "trades": trades,
            "commands_per_second_by_the_clock": [
                round(timing.commands / timing.seconds) for timing in timings
            ],
        },
    )
