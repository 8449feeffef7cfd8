"""Backups under load, and what comes back from them, on both databases."""

import asyncio
import os
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.exchange import Exchange, run_manage
from tests.faults.conftest import Setter, Stage
from tests.faults.load import Load
from tests.faults.rows import Database
from tests.faults.wire import Connection
from tests.servers import find_postgres_bin

pytestmark = [pytest.mark.paired, pytest.mark.timeout(300)]

SQLITE_FIRST = pytest.mark.parametrize(
    "kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.soak)]
)
POSTGRES_FIRST = pytest.mark.parametrize(
    "kind", [pytest.param("sqlite", marks=pytest.mark.soak), "postgres"]
)
LOAD_SECONDS = 1.5
CONTINUE = ("backup", "--journal")
STATE = (
    "id, account_id, client_order_id, status, filled_lots, remaining_lots, fee_micros, updated_seq,"
    " priority FROM trading_order",
    "id, seq, price_pips, quantity_lots, taker_account_id, maker_account_id FROM trading_trade",
    "market_id, account_id, outcome_index, net_lots, cost_micros FROM trading_position",
    "id, cash_micros, held_micros FROM accounts_account",
    "debit_account_id, credit_account_id, amount_micros, kind FROM accounts_transfer",
    "market_id, seq_first, seq_last, ts_us FROM trading_journalrow",
    "market_id, seq, ts_us, status FROM trading_bookstate",
    "account_id, key, created_at_us FROM trading_receipt WHERE key LIKE 'order:%'",
)


@pytest.fixture
def programs() -> dict[str, str]:
    """The environment in which pg_dump and pg_restore are those of the server's version."""
    return {"PATH": f"{find_postgres_bin()}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


@POSTGRES_FIRST
async def test_a_backup_under_load_has_all_that_was_acknowledged_before_it_and_goes_on(
    set_stage: Setter, kind: str, programs: dict[str, str], tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    roles = ("web",) if kind == "sqlite" else ("web", "engine")
    stage = set_stage(kind, roles=roles, environment=programs)
    async with stage.load(seed=7) as load:
        await load.run(LOAD_SECONDS)
        before = list_acknowledged(load)
        taking = asyncio.create_task(asyncio.to_thread(back_up, stage, tmp_path / "backups"))
        while not taking.done():
            await load.run(0.2)
        await load.run(LOAD_SECONDS / 2)
        await stage.check(load)
    assert len(before) > 20
    copy = taking.result()
    assert copy.stat().st_mode & 0o077 == 0
    restored = restore(stage, copy, request.getfixturevalue(f"{kind}_databases"), tmp_path)
    with restored:
        database = Database(restored.environment["DATABASE_URL"])
        kept = {name for (name,) in database.rows("SELECT client_order_id FROM trading_order")}
        assert before - kept == set()
        assert len(list_acknowledged(load) - kept) > 0  # what came after the moment is not there
        restored.start()
        assert await places_an_order(restored, stage)
    restored.manage("verify")


@SQLITE_FIRST
async def test_the_journal_brings_back_what_came_after_a_backup_up_to_any_time(
    set_stage: Setter, kind: str, programs: dict[str, str], tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    roles = ("web",) if kind == "sqlite" else ("web", "engine")
    stage = set_stage(kind, roles=roles, environment=programs, wishes={"markets": 2})
    folder = tmp_path / "backups"
    async with stage.load(seed=9) as load:
        await load.run(LOAD_SECONDS / 2)
        copy = await asyncio.to_thread(back_up, stage, folder)
        await load.run(LOAD_SECONDS / 2)
        said = await asyncio.to_thread(stage.exchange.manage, *CONTINUE, str(folder))
        journal = Path(said.strip())
        middle_us = time.time_ns() // 1_000
        await load.run(LOAD_SECONDS / 2)
        await stage.check(load)
    for _ in range(2):  # crashes while it was written
        tear(journal)
        stage.exchange.manage(*CONTINUE, str(folder))
    databases = request.getfixturevalue(f"{kind}_databases")
    whole = restore(stage, copy, databases, tmp_path, "--journal", str(journal))
    assert read_state(whole) == read_state(stage.exchange)
    until = datetime.fromtimestamp(middle_us / 1_000_000, UTC).isoformat()
    part = restore(stage, copy, databases, tmp_path, "--journal", str(journal), "--until", until)
    last_us = part_of(part, "SELECT MAX(ts_us) FROM trading_journalrow")
    assert last_us <= middle_us
    assert part_of(part, "SELECT COUNT(*) FROM trading_journalrow WHERE ts_us > ?", middle_us) == 0
    expected = stage.database.value(
        "SELECT SUM(seq_last - seq_first + 1) FROM trading_journalrow WHERE ts_us <= ?", middle_us
    )
    assert part_of(part, "SELECT SUM(seq) FROM trading_bookstate") == expected


@SQLITE_FIRST
async def test_a_restore_refuses_what_it_would_overwrite_and_what_is_no_backup(
    set_stage: Setter, kind: str, programs: dict[str, str], tmp_path: Path
) -> None:
    roles = ("web",) if kind == "sqlite" else ("web", "engine")
    stage = set_stage(kind, roles=roles, environment=programs)
    async with stage.load(seed=8) as load:
        await load.run(0.5)
        copy = back_up(stage, tmp_path / "backups")
        await load.run(0.5)
        await stage.check(load)
    orders = count_orders(stage)
    cut = tmp_path / f"cut{copy.suffix}"
    cut.write_bytes(copy.read_bytes()[: copy.stat().st_size // 2])
    with pytest.raises(RuntimeError, match="the database has tables already: --replace"):
        stage.exchange.manage("restore", str(copy))
    with pytest.raises(RuntimeError, match=r"stop it first|stop every process"):
        stage.exchange.manage("restore", str(copy), "--replace")
    stage.exchange.stop()
    with pytest.raises(RuntimeError, match=r"not a complete backup|pg_restore failed"):
        stage.exchange.manage("restore", str(cut), "--replace")
    assert count_orders(stage) == orders
    assert "0 breaches" in stage.exchange.manage("restore", str(copy), "--replace")
    assert 0 < count_orders(stage) < orders
    stage.exchange.start()
    assert await places_an_order(stage.exchange, stage)


def test_only_the_newest_backups_are_kept(sqlite_databases: Any, tmp_path: Path) -> None:
    exchange = Exchange(tmp_path, database_url=sqlite_databases.make(tmp_path))
    folder = tmp_path / "backups"
    folder.mkdir()
    for day in (1, 2, 3):
        (folder / f"predex-2026010{day}T000000Z.sqlite3").write_text("old")
    (folder / "notes.txt").write_text("mine")
    newest = Path(exchange.manage("backup", str(folder), "--keep", "2").strip())
    assert sorted(path.name for path in folder.iterdir()) == [
        "notes.txt", "predex-20260103T000000Z.sqlite3", newest.with_suffix(".journal").name,
        newest.name,
    ]  # fmt: skip
    with sqlite3.connect(newest) as copy:
        assert copy.execute("SELECT COUNT(*) FROM django_migrations").fetchone()[0] > 10


def back_up(stage: Stage, folder: Path) -> Path:
    return Path(stage.exchange.manage("backup", str(folder)).strip())


def tear(journal: Path) -> None:
    """Leave the file as a crash amid its last line does."""
    whole = journal.read_text().rpartition('{"heads"')[0]
    journal.write_text(whole + '{"heads":{"1":')


def part_of(exchange: Exchange, statement: str, *values: Any) -> Any:
    return Database(exchange.environment["DATABASE_URL"]).value(statement, *values)


def read_state(exchange: Exchange) -> list[list[Any]]:
    """Return all that trading has made: orders, trades, positions, money, journals, answers."""
    database = Database(exchange.environment["DATABASE_URL"])
    return [sorted(database.rows(f"SELECT {columns}"), key=str) for columns in STATE]


def restore(stage: Stage, copy: Path, databases: Any, folder: Path, *options: str) -> Exchange:
    """Put a copy back into an empty database; return an exchange on it, not started."""
    home = folder / f"restored-{len(list(folder.iterdir()))}"
    home.mkdir()
    environment = {**stage.exchange.environment, "DATABASE_URL": databases.make_empty(home)}
    said = run_manage("restore", str(copy), *options, environment=environment)
    assert "0 breaches" in said
    environment["REDIS_PREFIX"] += "-restored"
    return Exchange(
        home,
        database_url=environment["DATABASE_URL"],
        redis_url=environment["REDIS_URL"],
        roles=stage.exchange.roles,
        environment=environment,
    )


def list_acknowledged(load: Load) -> set[str]:
    return {name for name, placed in load.placed.items() if placed.status == 201}


def count_orders(stage: Stage) -> int:
    return int(stage.database.value("SELECT COUNT(*) FROM trading_order"))


async def places_an_order(exchange: Exchange, stage: Stage) -> bool:
    trader, market = stage.world.traders[0], stage.world.markets[0]
    order = {"market": market.slug, "outcome": "YES", "side": "buy", "price": "0.02", "quantity": 1}
    connection = Connection(exchange.port)
    connection.headers = {"x-api-key": trader.key}
    reply = await connection.request("POST", "orders", order)
    connection.close()
    return bool(reply.status == 201)
