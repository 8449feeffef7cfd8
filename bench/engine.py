"""The pure engine: a mixed stream of commands on books that keep their size, in five markets.

60% limit orders that rest, 30% cancels of live orders, 10% orders that cross. Such a stream lets a
book grow, so it is split into segments as long as the book is deep, each on a fresh book: a
measurement at 1,000 resting orders never has more than about 1,300. Commands arrive as in the
shard: up to 512 are decoded from bytes, then executed, then dirty sets are cleared. The time is
CPU time of executing commands and clearing dirty sets.

Where books are matched with one another, prices lie around 1 / outcomes and orders that cross stop
before they would trade across: what that costs those who never do is measured against the same
commands on books by themselves, and one match across all books against fills in one.
"""

import gc
import random
import statistics
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from bench.figures import IN_MEMORY, Figure, Sizes, build_figure
from trading.engine.commands import AnyCommand, Cancel, Configure, Place
from trading.engine.engine import Engine
from trading.engine.events import CrossMatched, Ended, Rejected, Traded
from trading.engine.types import (
    BUY,
    PAYOUT_PIPS,
    SELL,
    Config,
    FeeKind,
    Fees,
    MarketStatus,
    Tif,
)

BATCH_COMMANDS: Final = 512
"""As many as a shard executes before it clears dirty sets."""
MAKERS: Final = 200
TAKERS: Final = 200
FUNDS_MICROS: Final = 10**15
LIMIT_SHARE: Final = 0.6
CANCEL_SHARE: Final = 0.3
FEES: Final = Fees(FeeKind.QUADRATIC, 0, 70_000, 10_000)
PLAIN: Final = Config(binary=True, outcomes=2, tick_pips=100, lot_step_lots=100)
HOUSE: Final = MAKERS + TAKERS + 1
ACROSS: Final = replace(PLAIN, binary=False, house_account_id=HOUSE)
MARKETS: Final = {
    "binary": PLAIN,
    "binary_with_fees_and_limit": replace(PLAIN, fees=FEES, position_limit_lots=10**9),
    "categorical_5_with_fees": replace(PLAIN, binary=False, outcomes=5, fees=FEES),
    "binary_with_strict_refund": replace(PLAIN, strict_refund=True),
    "categorical_5_across": replace(ACROSS, outcomes=5, tick_pips=40),
}
TICKS_ACROSS: Final = {2: 100, 10: 20, 50: 10}
"""Outcomes -> tick in pips: as many prices below 1 / outcomes as the other markets have below 1/2,
but for 50."""
ACROSS_SLOWDOWN_MAX: Final = 1.25
"""How many times longer commands may take in books that could be matched with one another."""
MINT_OUTCOMES: Final = 50
MINT_MICROSECONDS_MAX: Final = 40
"""How much longer a mint of 50 outcomes may take than 50 fills in one book."""
SLOWDOWN_MAX: Final = 1.6
"""The maximum slowdown of a command at 100,000 resting orders relative to 1,000."""
_decode = msgspec.msgpack.Decoder(list[AnyCommand]).decode


class Segment(NamedTuple):
    """Commands that fill a book, and the measured ones, with the number of their trades.

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
    deep, commands = sizes.choose(100_000, 10_000), sizes.choose(200_000, 10_000)
    for name, config in MARKETS.items():
        few = build_segments(config, 1_000, commands=commands)
        many = build_segments(config, deep, commands=commands)
        gc.collect()
        gc.freeze()
        shallow_runs, deep_runs = [], []
        for _ in range(sizes.runs):
            shallow_runs.append(_time(config, few))
            deep_runs.append(_time(config, many))
        gc.unfreeze()
        yield _build_rate(f"engine_{name}_1000_resting", 1_000, shallow_runs, few)
        yield _build_rate(f"engine_{name}_100000_resting", deep, deep_runs, many)
        yield build_figure(
            f"engine_{name}_slowdown_100000_to_1000",
            [_rate(few) / _rate(many) for few, many in zip(shallow_runs, deep_runs, strict=True)],
            unit="times",
            durable=IN_MEMORY,
            at_most=SLOWDOWN_MAX,
            details={"resting_orders": [1_000, deep]},
        )
    for outcomes in TICKS_ACROSS:
        yield measure_matching_across(outcomes, sizes)
    yield measure_mint(sizes)


def measure_matching_across(outcomes: int, sizes: Sizes) -> Figure:
    """Time commands that never match across books where they could, and where they can't."""
    across = replace(ACROSS, outcomes=outcomes, tick_pips=TICKS_ACROSS[outcomes])
    alone = replace(across, house_account_id=None)
    segments = build_segments(across, 1_000, commands=sizes.choose(100_000, 5_000))
    gc.collect()
    gc.freeze()
    timings = [(_time(alone, segments), _time(across, segments)) for _ in range(sizes.runs)]
    gc.unfreeze()
    return build_figure(
        f"engine_across_slowdown_{outcomes}_outcomes",
        [_rate(one) / _rate(other) for one, other in timings],
        unit="times",
        durable=IN_MEMORY,
        at_most=ACROSS_SLOWDOWN_MAX,
        details={
            "commands": timings[0][0].commands,
            "trades": sum(segment.trades for segment in segments),
            "commands_per_second_alone": [round(_rate(alone)) for alone, _ in timings],
        },
    )


def measure_mint(sizes: Sizes) -> Figure:
    """Time an order that trades with the bids of 49 other outcomes, and one with 50 asks.

    Each maker is another account's and is filled: both are one command with 50 legs or 50 fills.
    """
    config = replace(ACROSS, outcomes=MINT_OUTCOMES, tick_pips=10)
    makers, last = range(1, MINT_OUTCOMES + 1), MINT_OUTCOMES - 1
    bids = [Place(f"bid{k}", k, k, k - 1, BUY, 100, 100) for k in makers if k <= last]
    asks = [Place(f"ask{k}", k, k, last, SELL, 5_000, 100) for k in makers]
    taker = Place("taker", MAKERS + 1, MAKERS + 1, last, BUY, 5_200, 100, tif=Tif.IOC)
    sweeper = replace(taker, quantity_lots=100 * MINT_OUTCOMES)
    rounds = sizes.choose(2_000, 100)
    mints = [_time_order(config, bids, taker, rounds) for _ in range(sizes.runs)]
    fills = [_time_order(config, asks, sweeper, rounds) for _ in range(sizes.runs)]
    return build_figure(
        f"engine_mint_{MINT_OUTCOMES}_outcomes_beside_{MINT_OUTCOMES}_fills",
        [mint - fill for mint, fill in zip(mints, fills, strict=True)],
        unit="microseconds more",
        durable=IN_MEMORY,
        at_most=MINT_MICROSECONDS_MAX,
        details={
            "mint_microseconds": [round(mint, 1) for mint in mints],
            "fills_microseconds": [round(fill, 1) for fill in fills],
        },
    )


def _time_order(config: Config, makers: list[Place], taker: Place, rounds: int) -> float:
    """Return the median microseconds that a taker's command takes, all makers filled."""
    taken = []
    for _ in range(rounds):
        engine, funds = _open_engine(config)
        for maker in makers:
            engine.execute(maker, 1, funds)
        started = time.perf_counter()
        engine.execute(taker, 2, funds)
        taken.append(time.perf_counter() - started)
        assert not engine.orders
    return statistics.median(taken) * 1e6


def build_segments(config: Config, resting: int, *, commands: int) -> list[Segment]:
    count = max(1, commands // resting)
    return [_build_segment(config, resting, commands // count, seed=seed) for seed in range(count)]


def _build_segment(config: Config, resting: int, commands: int, *, seed: int) -> Segment:
    """Generate the commands by running them, so that each cancel is of a live order."""
    rng = random.Random(seed)
    ids = (f"{number:032x}" for number in range(1, 10**9))
    engine, funds = _open_engine(config)
    live: list[tuple[str, int]] = []
    places: dict[tuple[str, int], int] = {}
    trades = 0

    def execute(command: AnyCommand) -> AnyCommand:
        nonlocal trades
        for event in engine.execute(command, 1, funds):
            assert not isinstance(event, (Rejected, CrossMatched)), event
            if isinstance(event, Ended):
                _forget(event.order_id, engine, live, places)
            trades += isinstance(event, Traded)
        if isinstance(command, Place) and command.order_id in engine.orders:
            places[command.order_id, command.account_id] = len(live)
            live.append((command.order_id, command.account_id))
        return command

    filling = [execute(_build_limit(rng, next(ids), engine)) for _ in range(resting)]
    stream = []
    for _ in range(commands):
        kind = rng.random()
        if kind < LIMIT_SHARE:
            command: AnyCommand = _build_limit(rng, next(ids), engine)
        elif kind < LIMIT_SHARE + CANCEL_SHARE:
            command = Cancel(*rng.choice(live))
        else:
            command = _build_crossing(rng, next(ids), engine)
        stream.append(execute(command))
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


def _build_limit(rng: random.Random, order_id: str, engine: Engine) -> Place:
    """An order that rests: bids together stay below a pay-out, asks above.

    Of books that are matched with one another every second is wider: equal ones would leave nothing
    that is cheaper in them than across.
    """
    side, books = rng.choice((BUY, SELL)), len(engine.books)
    tick_pips = engine.books[0].tick_pips
    ticks = PAYOUT_PIPS // tick_pips
    fair_tick = ticks // (books if engine.rules.crosses_books else 2)
    bids, asks = (1, fair_tick * 24 // 25), (-(fair_tick * 26 // -25), 2 * fair_tick - 1)
    tick, account_id = rng.randint(*(bids if side == BUY else asks)), rng.randint(1, MAKERS)
    lots, outcome = rng.randint(1, 20) * 100, rng.randrange(books)
    if engine.rules.crosses_books and outcome % 2:
        tick = min(max(1, tick - side * fair_tick // 6), ticks - 1)
    price_pips = tick * tick_pips
    return Place(order_id, account_id, account_id, outcome, side, price_pips, lots)


def _build_crossing(rng: random.Random, order_id: str, engine: Engine) -> Place:
    """An order that takes what there is in its own book, at any price that is not had across."""
    side = rng.choice((BUY, SELL))
    account_id = MAKERS + rng.randint(1, TAKERS)
    lots, outcome = rng.randint(1, 10) * 100, rng.randrange(len(engine.books))
    book = engine.books[outcome]
    price_pips, tick_pips = book.implied_pips(side) - side * book.tick_pips, book.tick_pips
    price_pips = min(max(price_pips, tick_pips), PAYOUT_PIPS - tick_pips)
    return Place(order_id, account_id, account_id, outcome, side, price_pips, lots, tif=Tif.IOC)


def _open_engine(config: Config) -> tuple[Engine, dict[int, int]]:
    engine = Engine(1)
    engine.execute(Configure(MarketStatus.OPEN, config), 1, {})
    return engine, dict.fromkeys(range(1, MAKERS + TAKERS + 1), FUNDS_MICROS)


def _time(config: Config, segments: list[Segment]) -> Timing:
    processor_seconds = seconds = 0.0
    commands = 0
    for segment in segments:
        engine, funds = _open_engine(config)
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
    execute = engine.execute
    for command in commands:
        execute(command, 2, funds)
    engine.dirty_orders.clear()
    for book in engine.books:
        book.forget_changes()


def _rate(timing: Timing) -> float:
    return timing.commands / timing.processor_seconds


def _build_rate(
    name: str,
    resting: int,
    timings: list[Timing],
    segments: list[Segment],
    *,
    target: float | None = None,
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
            "trades": sum(segment.trades for segment in segments),
            "commands_per_second_by_the_clock": [
                round(timing.commands / timing.seconds) for timing in timings
            ],
        },
    )
