"""What must survive: intents, orders, positions. SQLite; every write is on disk before it returns.

An intent is a signal that is being carried out. Its orders are planned with it, each is marked as
`sending` before it is sent, and what became of it is written together with the position.
"""

import json
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from bots.engine.events import Key
from bots.engine.execution.orders import OPEN, OrderOutcome, OrderReport, OrderTicket, Terms
from bots.engine.execution.portfolio import Place, StrategyHolding

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS intents (
    id TEXT PRIMARY KEY, strategy TEXT NOT NULL, state TEXT NOT NULL, payout_pips INTEGER NOT NULL,
    edge_micros INTEGER NOT NULL, profit_micros INTEGER, created_at TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY, intent TEXT NOT NULL, role TEXT NOT NULL, strategy TEXT NOT NULL,
    venue TEXT NOT NULL, token TEXT NOT NULL, side INTEGER NOT NULL, limit_pips INTEGER NOT NULL,
    lots INTEGER NOT NULL, terms TEXT NOT NULL,
    created_s INTEGER NOT NULL, outcome TEXT NOT NULL, filled_lots INTEGER NOT NULL,
    money_micros INTEGER NOT NULL, fee_micros INTEGER NOT NULL, reason TEXT NOT NULL,
    venue_id TEXT NOT NULL, created_at TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS orders_of_an_intent ON orders (intent);
CREATE TABLE IF NOT EXISTS holdings (
    strategy TEXT NOT NULL, venue TEXT NOT NULL, token TEXT NOT NULL, lots INTEGER NOT NULL,
    open_micros INTEGER NOT NULL, realised_micros INTEGER NOT NULL, fees_micros INTEGER NOT NULL,
    PRIMARY KEY (strategy, venue, token)
) STRICT;
CREATE TABLE IF NOT EXISTS days (
    day TEXT PRIMARY KEY, turnover_micros INTEGER NOT NULL, realised_micros INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS notes (at TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL) STRICT;
"""

OPEN_INTENT: Final = "open"
DONE: Final = "done"
UNWOUND: Final = "unwound"
HELD: Final = "held"


class Intent(Struct, frozen=True):
    id: str
    strategy: str
    payout_pips: int
    edge_micros: int
    state: str = OPEN_INTENT


class StoredOrder(Struct, frozen=True):
    ticket: OrderTicket
    report: OrderReport


class TradedDay(Struct):
    """What was traded and won today (UTC), fees included."""

    turnover_micros: int = 0
    realised_micros: int = 0


class State:
    """One connection, used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")  # a second engine is refused
        self._db.executescript(SCHEMA)
        self._db.execute("BEGIN EXCLUSIVE")
        self._db.execute("COMMIT")

    def close(self) -> None:
        self._db.close()

    # Intents

    def begin(self, intent: Intent, tickets: list[OrderTicket]) -> None:
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute(
                "INSERT INTO intents VALUES (?, ?, ?, ?, ?, NULL, ?)",
                (intent.id, intent.strategy, intent.state, intent.payout_pips, intent.edge_micros,
                 _now()),
            )  # fmt: skip
            for ticket in tickets:
                self._insert(ticket, OrderOutcome.PLANNED)

    def finish(self, intent_id: str, state: str, profit_micros: int | None) -> None:
        """End an intent; what was planned and never sent is `not_attempted` from now on."""
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute(
                "UPDATE intents SET state = ?, profit_micros = ? WHERE id = ?",
                (state, profit_micros, intent_id),
            )
            self._db.execute(
                "UPDATE orders SET outcome = ? WHERE intent = ? AND outcome = ?",
                (OrderOutcome.NOT_ATTEMPTED, intent_id, OrderOutcome.PLANNED),
            )

    def list_open_intents(self) -> list[Intent]:
        rows = self._db.execute(
            "SELECT id, strategy, payout_pips, edge_micros, state FROM intents"
            " WHERE state = ? ORDER BY rowid",
            (OPEN_INTENT,),
        )
        return [Intent(*row) for row in rows]

    def get_intent(self, intent_id: str) -> tuple[str, int | None]:
        """Return an intent's state and profit."""
        [row] = self._db.execute(
            "SELECT state, profit_micros FROM intents WHERE id = ?", (intent_id,)
        )
        return row[0], row[1]

    # Orders

    def send(self, ticket: OrderTicket) -> None:
        """Write that an order is about to be sent. One that is new is added."""
        with self._db:
            self._db.execute("BEGIN")
            changed = self._db.execute(
                "UPDATE orders SET outcome = ?, limit_pips = ?, lots = ? WHERE id = ?",
                (OrderOutcome.SENDING, ticket.limit_pips, ticket.lots, ticket.id),
            )
            if not changed.rowcount:
                self._insert(ticket, OrderOutcome.SENDING)

    def record(
        self,
        ticket: OrderTicket,
        report: OrderReport,
        holdings: Mapping[Place, StrategyHolding],
        day: TradedDay,
    ) -> None:
        """Write what became of an order, with the positions after it."""
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute(
                "UPDATE orders SET outcome = ?, filled_lots = ?, money_micros = ?, fee_micros = ?,"
                " reason = ?, venue_id = ?, limit_pips = ?, lots = ? WHERE id = ?",
                (report.outcome, report.lots, report.money_micros, report.fee_micros,
                 report.reason, report.venue_id, ticket.limit_pips, ticket.lots, ticket.id),
            )  # fmt: skip
            self._write_holdings(holdings, day)

    def find_order(self, order_id: str) -> StoredOrder | None:
        return next(iter(self._read_orders("id = ?", order_id)), None)

    def list_orders(self, intent_id: str) -> list[StoredOrder]:
        return self._read_orders("intent = ?", intent_id)

    def list_open_orders(self) -> list[StoredOrder]:
        """Return the orders that may be in a book, or on their way."""
        marks = ", ".join("?" * len(OPEN))
        return self._read_orders(f"outcome IN ({marks})", *OPEN)

    def _read_orders(self, where: str, *values: Any) -> list[StoredOrder]:
        rows = self._db.execute(
            "SELECT id, intent, role, strategy, venue, token, side, limit_pips, lots, terms,"  # noqa: S608 - `where` is ours
            " created_s, outcome, filled_lots, money_micros, fee_micros, reason, venue_id"
            f" FROM orders WHERE {where} ORDER BY rowid",
            values,
        )
        return [_read_order(row) for row in rows]

    def _insert(self, ticket: OrderTicket, outcome: OrderOutcome) -> None:
        self._db.execute(
            "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, '', '', ?)",
            (ticket.id, ticket.intent, ticket.role, ticket.strategy, *ticket.key, ticket.side,
             ticket.limit_pips, ticket.lots, ticket.terms, ticket.created_s, outcome, _now()),
        )  # fmt: skip

    # Positions

    def load_holdings(self) -> dict[Place, StrategyHolding]:
        rows = self._db.execute("SELECT * FROM holdings")
        return {(row[0], Key(row[1], row[2])): StrategyHolding(*row[3:]) for row in rows}

    def load_day(self) -> TradedDay:
        rows = self._db.execute(
            "SELECT turnover_micros, realised_micros FROM days WHERE day = ?", (_today(),)
        )
        return next((TradedDay(*row) for row in rows), TradedDay())

    def write_holdings(self, holdings: Mapping[Place, StrategyHolding], day: TradedDay) -> None:
        """Write positions that no order has changed."""
        with self._db:
            self._db.execute("BEGIN")
            self._write_holdings(holdings, day)

    def note(self, kind: str, **body: Any) -> None:
        """Keep what an operator should be able to read later."""
        self._db.execute("INSERT INTO notes VALUES (?, ?, ?)", (_now(), kind, json.dumps(body)))

    def _write_holdings(self, holdings: Mapping[Place, StrategyHolding], day: TradedDay) -> None:
        for (strategy, key), holding in holdings.items():
            self._db.execute(
                "INSERT OR REPLACE INTO holdings VALUES (?, ?, ?, ?, ?, ?, ?)",
                (strategy, *key, holding.lots, holding.open_micros, holding.realised_micros,
                 holding.fees_micros),
            )  # fmt: skip
        self._db.execute(
            "INSERT OR REPLACE INTO days VALUES (?, ?, ?)",
            (_today(), day.turnover_micros, day.realised_micros),
        )


def _read_order(row: tuple[Any, ...]) -> StoredOrder:
    ticket = OrderTicket(
        id=row[0],
        intent=row[1],
        role=row[2],
        strategy=row[3],
        key=Key(row[4], row[5]),
        side=row[6],
        limit_pips=row[7],
        lots=row[8],
        terms=Terms(row[9]),
        created_s=row[10],
    )
    report = OrderReport(
        outcome=OrderOutcome(row[11]),
        lots=row[12],
        money_micros=row[13],
        fee_micros=row[14],
        reason=row[15],
        venue_id=row[16],
    )
    return StoredOrder(ticket, report)


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
