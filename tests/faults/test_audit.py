"""The audit behind these tests sees what it is there to see."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.audit import audit
from tests.faults.conftest import Setter
from tests.faults.rows import Database

pytestmark = pytest.mark.paired

# Filled at once, and answered so: one that had rested may have been answered as open.
ONE = (
    "(SELECT max(id) FROM trading_order WHERE status = 2"
    " AND id NOT IN (SELECT maker_order_id FROM trading_trade))"
)
TAMPERINGS = {
    f"DELETE FROM trading_order WHERE id = {ONE}": "lost",
    f"UPDATE trading_order SET status = 3 WHERE id = {ONE}": "lost",
    "DELETE FROM trading_receipt WHERE key LIKE 'order:%'": "lost",
    "DELETE FROM trading_trade": "lost",
    f"UPDATE trading_order SET client_order_id = 'x' WHERE id = {ONE}": "duplicated",
    "UPDATE accounts_account SET cash_micros = cash_micros + 1 WHERE kind = 'system'": "breaches",
    "UPDATE trading_position SET net_lots = net_lots + 1": "breaches",
    "DELETE FROM trading_journalrow WHERE seq_first = 1": "breaches",
}


async def test_the_audit_sees_what_is_lost_doubled_or_broken(set_stage: Setter, tmp_path: Path):
    stage = set_stage("sqlite")
    async with stage.load(seed=7) as load:
        await load.run(1)
        await stage.check(load)
    stage.exchange.stop()
    for statement, name in TAMPERINGS.items():
        copy = shutil.copy(stage.database.url.removeprefix("sqlite:///"), tmp_path / "copy.sqlite3")
        with closing(sqlite3.connect(copy)) as connection, connection:
            assert connection.execute(statement).rowcount > 0, statement
        assert getattr(audit(load, Database(f"sqlite:///{copy}")), name), statement
