"""Equal commands give equal bytes; quotes change nothing; what was cancelled is forgotten."""

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.engine.generate import ACCOUNTS, CREDIT, HOUSE_ACCOUNT
from tests.engine.pair import JournalEntry, check_book, run_random_market
from tests.engine.replay import MARKET_ID, decode_journal, encode_journal, run_journal
from trading.engine.book import DEAD_MIN, OrderBook
from trading.engine.commands import Amend, Cancel, Configure, Place, Tick
from trading.engine.dry_run import find_touched_accounts
from trading.engine.engine import Engine
from trading.engine.events import Ended, Traded, Triggered, TriggerMoved, list_trades
from trading.engine.types import (
    BUY,
    MAKERS_MET_MAX,
    SELL,
    Config,
    MarketStatus,
    OrderOptions,
    OrderStatus,
    Reason,
    Tif,
)

SEEDS = range(3_000, 3_004)
QUEUE = 50_000
PLENTY = 10**15


@pytest.fixture(scope="module", params=SEEDS)
def journal(request: pytest.FixtureRequest) -> list[JournalEntry]:
    """A few hundred random commands with the funds they came with."""
    return run_random_market(request.param, 300).journal


def replay_elsewhere(path: Path, hash_seed: str) -> str:
    """What `tests.engine.replay` prints in a process whose hashing differs."""
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-m", "tests.engine.replay", str(path)]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        command, env=environment, cwd=root, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def test_a_replay_gives_the_same_bytes_whatever_the_hash_seed(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(encode_journal(run_random_market(3_100, 600).journal))
    first, second = (replay_elsewhere(path, seed) for seed in ("1", "2024"))
    assert first == second
    engine = Engine(MARKET_ID)
    run_journal(engine, decode_journal(path.read_bytes()))
    assert engine.state_hash() in first


def test_a_journal_survives_its_encoding(journal: list[JournalEntry]) -> None:
    assert decode_journal(encode_journal(journal)) == journal


@pytest.mark.parametrize("fraction", [0, 1, 3, 5, 9, 10])
def test_a_restored_snapshot_goes_on_as_if_never_interrupted(
    journal: list[JournalEntry], fraction: int
) -> None:
    cut = len(journal) * fraction // 10
    straight = Engine(MARKET_ID)
    expected = run_journal(straight, journal)
    interrupted = Engine(MARKET_ID)
    written = run_journal(interrupted, journal[:cut])
    restored = Engine.restore(interrupted.snapshot())
    assert restored.snapshot() == interrupted.snapshot()
    assert restored.state_hash() == interrupted.state_hash()
    written += run_journal(restored, journal[cut:])
    assert written == expected
    assert restored.dump() == straight.dump()
    assert restored.state_hash() == straight.state_hash()
    assert restored.snapshot() == straight.snapshot()


def test_the_state_hash_distinguishes_states(journal: list[JournalEntry]) -> None:
    engine, hashes = Engine(MARKET_ID), set()
    for entry in journal:
        run_journal(engine, [entry])
        hashes.add(engine.state_hash())
    assert len(hashes) == len(journal)


def everything(engine: Engine) -> tuple[Any, ...]:
    """All that a caller could see change in an engine."""
    marks = tuple(tuple(sorted(book.changed)) for book in engine.books)
    dirty = (tuple(engine.dirty_orders), engine.list_dirty_accounts())
    return engine.snapshot(), engine.dump(), marks, dirty, tuple(engine.expiries)


def test_a_quote_returns_what_execute_will_do_and_changes_nothing(
    journal: list[JournalEntry],
) -> None:
    engine = Engine(MARKET_ID)
    for command, ts_us, funds, headroom, elsewhere in journal:
        engine.dirty_orders.clear()
        before, offered, offered_headroom = everything(engine), dict(funds), dict(headroom)
        quoted = engine.quote(command, ts_us, offered, offered_headroom, elsewhere)
        assert (offered, offered_headroom) == (funds, headroom)
        assert everything(engine) == before
        events = engine.execute(command, ts_us, dict(funds), dict(headroom), elsewhere)
        assert quoted == [e for e in events if not isinstance(e, (Triggered, TriggerMoved))]


def test_touched_accounts_are_every_account_that_a_command_changes(
    journal: list[JournalEntry],
) -> None:
    engine = Engine(MARKET_ID)
    for command, ts_us, funds, headroom, elsewhere in journal:
        engine.dirty_orders.clear()
        touchable, rows, after = (
            find_touched_accounts(engine, command, ts_us),
            rows_of(engine),
            dict(funds),
        )
        events = engine.execute(command, ts_us, after, dict(headroom), elsewhere)
        traders = {
            account_id
            for event in events
            for trade in list_trades(event)
            for account_id in (trade.taker_account_id, trade.maker_account_id)
        }
        moved = {account_id for account_id in ACCOUNTS if after[account_id] != funds[account_id]}
        touched = {account_id for account_id, _ in rows ^ rows_of(engine)}
        changed = traders | moved | touched | set(engine.list_dirty_accounts())
        # The house needs no funds: it only passes on what the others make or redeem.
        assert changed - {HOUSE_ACCOUNT} <= touchable


def rows_of(engine: Engine) -> set[tuple[int, tuple[Any, ...]]]:
    return {(row[0], row) for row in engine.dump()[5]}


def test_touched_accounts_leave_out_makers_behind_what_an_order_can_take() -> None:
    engine = open_market()
    for account_id in range(1, 100):
        place(engine, f"ask{account_id}", account_id, SELL, 50 + account_id // 25, lots=200)
    buy = Place("buy", 500, 500, 0, BUY, 9_000, 300)
    assert find_touched_accounts(engine, buy, 0) == {1, 2, 500}
    assert find_touched_accounts(engine, msgspec.structs.replace(buy, price_pips=4_000), 0) == {500}
    assert find_touched_accounts(engine, Tick(), 0) == set()


# Long queues.


def open_market(tick_pips: int = 100) -> Engine:
    engine = Engine(MARKET_ID)
    config = Config(binary=True, outcomes=2, tick_pips=tick_pips, lot_step_lots=100)
    engine.execute(Configure(MarketStatus.OPEN, config), 0, {})
    return engine


def place(
    engine: Engine,
    order_id: str,
    account_id: int,
    side: int,
    cents: int,
    lots: int = 100,
    **options: Any,
) -> list[Any]:
    command = Place(order_id, account_id, account_id, 0, side, cents * 100, lots, **options)
    return engine.execute(command, 0, {account_id: PLENTY})


def cancel(engine: Engine, order_id: str, account_id: int) -> None:
    events = engine.execute(Cancel(order_id, account_id), 0, {account_id: 0})
    assert isinstance(events[0], Ended)


def queued(book: OrderBook) -> int:
    """Orders that the book holds on to, live or dead."""
    return sum(len(level.queue) for level in book.levels.values())


def from_front(count: int) -> Iterator[int]:
    yield from range(count)


def from_back(count: int) -> Iterator[int]:
    yield from reversed(range(count))


def shuffled(count: int) -> Iterator[int]:
    numbers = list(range(count))
    random.Random(1).shuffle(numbers)
    yield from numbers


@pytest.mark.parametrize("order", [from_front, from_back, shuffled])
def test_50_000_cancelled_orders_leave_no_more_than_the_live_ones_again(
    order: Callable[[int], Iterator[int]],
) -> None:
    engine = open_market()
    book = engine.books[0]
    for number in range(QUEUE):
        place(engine, f"old{number}", 1, SELL, 60)
    place(engine, "live", 2, SELL, 60)
    for number, old in enumerate(order(QUEUE), start=1):
        cancel(engine, f"old{old}", 1)
        live = QUEUE + 1 - number
        assert queued(book) <= 2 * live + DEAD_MIN
    check_book(book)
    # So the first take looks at no more than DEAD_MIN dead orders before it meets the live one.
    events = place(engine, "take", 3, BUY, 60)
    assert [type(event) for event in events] == [Traded, Ended, Ended]
    assert events[0].maker_order_id == "live"
    assert len(engine.orders) == 0
    assert queued(book) == 0


@pytest.mark.parametrize("end", ["cancelled", "filled"])
def test_orders_that_come_and_go_before_they_expire_are_forgotten(end: str) -> None:
    engine = open_market()
    place(engine, "live", 2, SELL, 60, tif=Tif.GTD, options=OrderOptions(expires_at_us=10**9))
    for number in range(QUEUE):
        place(
            engine,
            "old",
            1,
            SELL,
            59,
            tif=Tif.GTD,
            options=OrderOptions(expires_at_us=10**6 + number),
        )
        if end == "cancelled":
            cancel(engine, "old", 1)
        else:
            place(engine, "take", 3, BUY, 59)
    assert len(engine.expiries) <= 2 * len(engine.orders) + DEAD_MIN + 1
    assert queued(engine.books[0]) <= 2 * len(engine.orders) + DEAD_MIN
    expired = Ended("live", OrderStatus.EXPIRED, Reason.EXPIRED, 100)
    assert engine.execute(Tick(), 10**9, {}) == [expired]


def test_amends_that_move_an_order_about_leave_nothing_behind() -> None:
    engine = open_market()
    place(engine, "mine", 1, SELL, 60, tif=Tif.GTD, options=OrderOptions(expires_at_us=10**9))
    place(engine, "other", 2, SELL, 60)
    for number in range(2_000):
        price_pips = 6_000 + 100 * (number % 2)
        engine.execute(Amend("mine", 1, price_pips, 200 + number % 3 * 100), 0, {1: PLENTY})
    assert queued(engine.books[0]) <= 2 * len(engine.orders) + DEAD_MIN
    assert len(engine.expiries) <= 2 * len(engine.orders) + DEAD_MIN


def test_a_taker_meets_ten_thousand_makers_and_no_more() -> None:
    engine = open_market()
    for number in range(MAKERS_MET_MAX + 5):
        place(engine, f"ask{number}", 1, SELL, 60)
    events = place(engine, "take", 2, BUY, 60, lots=100 * (MAKERS_MET_MAX + 5))
    assert sum(isinstance(event, Traded) for event in events) == MAKERS_MET_MAX
    assert events[-1].reason == Reason.MATCH_LIMIT
    assert events[-1].remaining_lots == 500
    assert len(engine.orders) == 5


@pytest.mark.parametrize("tick_pips", [10, 50, 100])
def test_a_book_with_an_order_on_every_tick_is_swept_in_order(tick_pips: int) -> None:
    engine = open_market(tick_pips)
    prices = list(range(tick_pips, 10_000, tick_pips))
    mixed = prices[:]
    random.Random(tick_pips).shuffle(mixed)
    for price_pips in mixed:
        command = Place(f"p{price_pips}", 1, 1, 0, SELL, price_pips, 100)
        engine.execute(command, 0, {1: PLENTY})
    assert [row[4] for row in engine.dump()[4]] == prices
    command = Place("all", 2, 2, 0, BUY, prices[-1], 100 * len(prices))
    trades = [e for e in engine.execute(command, 0, {2: PLENTY}) if isinstance(e, Traded)]
    assert [trade.price_pips for trade in trades] == prices


def test_funds_of_accounts_that_are_not_given_are_left_to_the_caller() -> None:
    engine = open_market()
    place(engine, "ask", 1, SELL, 60)
    funds = {2: 100 * CREDIT}
    engine.execute(Place("buy", 2, 2, 0, BUY, 6_000, 100), 0, funds)
    assert funds == {2: 100 * CREDIT - 600_000}
