"""Compares acknowledgements with the database: nothing is lost or duplicated."""

from decimal import Decimal
from typing import Any, NamedTuple

from tests.faults.laws import find_breaches
from tests.faults.load import ENDED, Load, Placed
from tests.faults.rows import Database
from trading.engine.types import OrderStatus

SHOWN_MAX = 5

_ORDERS = """
    SELECT o.account_id, o.client_order_id, o.id, o.status, o.filled_lots, o.remaining_lots,
        o.quantity_lots, o.price_pips, o.as_no, o.updated_seq, m.slug
    FROM trading_order o JOIN markets_market m ON m.id = o.market_id
    WHERE o.client_order_id IS NOT NULL"""


class OrderRow(NamedTuple):
    account_id: int
    client_order_id: str
    id: str
    status: int
    filled_lots: int
    remaining_lots: int
    quantity_lots: int
    price_pips: int
    as_no: bool
    updated_seq: int
    market: str


class Audit(NamedTuple):
    """Each list holds sentences; all are empty when the exchange kept its word."""

    acknowledged: int
    lost: list[str]
    duplicated: list[str]
    breaches: dict[str, str]
    faults: list[str]

    def check(self) -> None:
        for name in ("lost", "duplicated", "breaches", "faults"):
            found = getattr(self, name)
            shown = list(found.items() if isinstance(found, dict) else found)[:SHOWN_MAX]
            assert not found, f"{len(found)} {name}: {shown}"


def audit(load: Load, database: Database) -> Audit:
    """Hold a settled load against the database."""
    rows = [OrderRow(*row) for row in database.rows(_ORDERS)]
    trades = {
        (trade_id, order_id): lots
        for trade_id, order_id, lots in database.rows(
            "SELECT id, taker_order_id, quantity_lots FROM trading_trade"
        )
    }
    receipts = set(
        database.rows("SELECT account_id, key FROM trading_receipt WHERE key LIKE 'order:%'")
    )
    by_key = {(row.account_id, row.client_order_id): row for row in rows}
    lost: list[str] = []
    for client_order_id, placed in load.placed.items():
        key = (placed.account_id, client_order_id)
        if (placed.account_id, f"order:{client_order_id}") not in receipts:
            lost.append(f"{client_order_id}: no receipt of {placed.status} {placed.answer}")
        if placed.status == 201:
            lost += _compare(placed, by_key.get(key), trades)
    accepted = {
        (placed.account_id, name) for name, placed in load.placed.items() if placed.status == 201
    }
    duplicated = [f"order nobody was told of: {by_key[key]}" for key in by_key.keys() - accepted]
    if len(rows) != len(by_key):
        duplicated.append(f"{len(rows)} orders have {len(by_key)} client order ids")
    return Audit(
        load.counts["acknowledged"], lost, duplicated, find_breaches(database), load.faults
    )


def _compare(placed: Placed, row: OrderRow | None, trades: dict[tuple[str, str], int]) -> list[str]:
    """Return what contradicts the answers about an order that was accepted."""
    state = placed.state
    assert state is not None
    if row is None or row.id != state["id"]:
        return [f"answered {state}, but there is {row}"]
    wrong = [
        f"{row}: no trade {trade}"
        for trade in placed.trades
        if trades.get((trade["id"], row.id)) != _lots(trade["quantity"])
    ]
    if not _follows(row, state):
        wrong.append(f"{row} does not follow from {state}")
    return wrong


def _follows(row: OrderRow, state: dict[str, Any]) -> bool:
    """Later fills and an end are possible; the answer must still be consistent.

    A row has the number of the last command of its commit, so it may be above the answer's.
    """
    same_terms = row.market == state["market"] and row.quantity_lots == _lots(state["quantity"])
    if state["price"] is not None:
        shown_pips = int(Decimal(state["price"]) * 10_000)
        same_terms &= row.price_pips == (10_000 - shown_pips if row.as_no else shown_pips)
    if not same_terms or row.updated_seq < state["seq"]:
        return False
    if state["status"] not in ENDED:
        return row.filled_lots >= _lots(state["filled"])
    stored = (state["status"], _lots(state["filled"]), _lots(state["remaining"]))
    return stored == (OrderStatus(row.status).name.lower(), row.filled_lots, row.remaining_lots)


def _lots(text: str) -> int:
    return int(Decimal(text) * 100)
