"""Bulk statements for the hot paths, on PostgreSQL and SQLite: many rows in one statement.

A `Table` names a table's columns with their PostgreSQL types; rows are tuples in that order. On
PostgreSQL a list travels as one array per column (`unnest`), with parameters bound by the server;
on SQLite it is `executemany`. The caller holds the transaction. Ids are 32-hex strings on both.
"""

# ruff: noqa: S608 - statements are built only from names in this code; every value is bound

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any

import psycopg
from django.db import connection

Row = Sequence[Any]

NEVER_BY_ITSELF = 2**31
"""Executions after which the driver would prepare a statement on its own."""
_LOCAL = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
LOOK_UP_BY_INDEX = ", ".join(
    f"set_config('{name}', '{value}', true)" for name, value in _LOCAL.items()
)
"""Columns of a SELECT: until its transaction ends, rows are found by index, by plans that are kept.

A kept plan outlives the size that its table had: one that reads a small table through would still
do so when it holds millions of rows.
"""


@cache
def is_postgresql() -> bool:
    return connection.vendor == "postgresql"


def open_cursor() -> Any:
    """Return a cursor of this thread's connection that binds parameters on the server."""
    connection.ensure_connection()
    if is_postgresql():
        return psycopg.Cursor(connection.connection)
    return connection.connection.cursor()


def pipeline() -> AbstractContextManager[Any]:
    """Send statements without waiting for each other's answers, where the database can."""
    if is_postgresql():
        connection.ensure_connection()
        return connection.connection.pipeline()
    return nullcontext()


def keep_plans() -> None:
    """Let PostgreSQL parse and plan each of `execute`'s statements once for this connection.

    For a dedicated session, in a transaction with `LOOK_UP_BY_INDEX`. Django's statements, whose
    text rarely repeats, are not prepared.
    """
    if is_postgresql():
        connection.ensure_connection()
        connection.connection.prepare_threshold = NEVER_BY_ITSELF


def owns_transaction() -> bool:
    """Return whether the innermost `atomic` block is a transaction that `begin` may open itself."""
    return is_postgresql() and len(connection.atomic_blocks) == 1


def begin() -> None:
    """Open the transaction of a new, outermost `atomic` block inside the pipeline.

    The driver would open it in a separate round trip. Does nothing when the block has already read
    something or is not the outermost.
    """
    if not owns_transaction():
        return
    driver = connection.connection
    if driver.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
        driver.autocommit = True  # Django sets it again at the end of the block
        psycopg.Cursor(driver).execute("BEGIN")


@contextmanager
def committing_pipeline() -> Iterator[None]:
    """A pipeline that ends with COMMIT; raises unless that is known to have happened.

    Django's own commit then finds nothing to do, and after a fault it rolls back. An inner `atomic`
    block and SQLite leave the commit to the outermost one.
    """
    connection.validate_no_broken_transaction()
    with pipeline():
        yield
        if owns_transaction():
            commit = psycopg.Cursor(connection.connection)
            commit.execute("COMMIT")
    if owns_transaction() and commit.statusmessage != "COMMIT":
        raise psycopg.OperationalError(f"COMMIT was answered with {commit.statusmessage}")


def execute(cursor: Any, statement: str, values: Sequence[Any]) -> None:
    """Execute a statement that is repeated often, so that it is worth preparing."""
    if is_postgresql():
        cursor.execute(statement, values, prepare=True)
    else:
        cursor.execute(statement, values)


def placeholder() -> str:
    return "%s" if is_postgresql() else "?"


class Table:
    """A table as bulk statements see it. `key` names the columns that identify a row."""

    def __init__(self, name: str, columns: dict[str, str], *, key: Sequence[str] = ("id",)) -> None:
        self.name = name
        self.columns = columns
        self.key = tuple(key)
        self._statements: dict[tuple[str, bool, tuple[str, ...]], str] = {}

    def insert(self, cursor: Any, rows: Sequence[Row]) -> None:
        self._run(cursor, "insert", tuple(self.columns), rows)

    def upsert(self, cursor: Any, rows: Sequence[Row]) -> None:
        """Insert rows; where the key already exists, overwrite all other columns."""
        self._run(cursor, "upsert", tuple(self.columns), rows)

    def update(self, cursor: Any, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Set columns; each row is the key's values, then the columns'."""
        self._run(cursor, "update", (*self.key, *columns), rows)

    def add(self, cursor: Any, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Add to number columns; each row is the key's values, then what to add."""
        self._run(cursor, "add", (*self.key, *columns), rows)

    def _run(self, cursor: Any, kind: str, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
        if not rows:
            return
        postgresql = is_postgresql()
        statement = self._statements.get((kind, postgresql, columns))
        if statement is None:
            build = getattr(self, f"_{kind}_{'postgresql' if postgresql else 'sqlite'}")
            statement = self._statements[kind, postgresql, columns] = build(columns)
        if postgresql:
            values = zip(columns, zip(*rows, strict=True), strict=True)
            execute(
                cursor,
                statement,
                [array_literal(self.columns[name], column) for name, column in values],
            )
        else:
            cursor.executemany(statement, _in_sqlite_order(kind, rows, len(self.key)))

    def _unnest(self, columns: Sequence[str]) -> str:
        return f"unnest({', '.join(f'%s::{self.columns[name]}[]' for name in columns)})"

    def _insert_postgresql(self, columns: tuple[str, ...]) -> str:
        return (
            f"INSERT INTO {self.name} ({', '.join(columns)}) SELECT * FROM {self._unnest(columns)}"
        )

    def _insert_sqlite(self, columns: tuple[str, ...]) -> str:
        marks = ", ".join("?" for _ in columns)
        return f"INSERT INTO {self.name} ({', '.join(columns)}) VALUES ({marks})"

    def _on_conflict(self, columns: tuple[str, ...]) -> str:
        sets = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in self.key)
        return f" ON CONFLICT ({', '.join(self.key)}) DO UPDATE SET {sets}"

    def _upsert_postgresql(self, columns: tuple[str, ...]) -> str:
        return self._insert_postgresql(columns) + self._on_conflict(columns)

    def _upsert_sqlite(self, columns: tuple[str, ...]) -> str:
        return self._insert_sqlite(columns) + self._on_conflict(columns)

    def _change_postgresql(self, columns: tuple[str, ...], value: str) -> str:
        sets = ", ".join(
            f"{name} = {value.format(name=name, new=f'v.{name}')}"
            for name in columns
            if name not in self.key
        )
        where = " AND ".join(f"t.{name} = v.{name}" for name in self.key)
        source = f"{self._unnest(columns)} AS v({', '.join(columns)})"
        return f"UPDATE {self.name} AS t SET {sets} FROM {source} WHERE {where}"

    def _change_sqlite(self, columns: tuple[str, ...], value: str) -> str:
        sets = ", ".join(
            f"{name} = {value.format(name=name, new='?')}"
            for name in columns
            if name not in self.key
        )
        where = " AND ".join(f"{name} = ?" for name in self.key)
        return f"UPDATE {self.name} AS t SET {sets} WHERE {where}"

    def _update_postgresql(self, columns: tuple[str, ...]) -> str:
        return self._change_postgresql(columns, "{new}")

    def _update_sqlite(self, columns: tuple[str, ...]) -> str:
        return self._change_sqlite(columns, "{new}")

    def _add_postgresql(self, columns: tuple[str, ...]) -> str:
        return self._change_postgresql(columns, "t.{name} + {new}")

    def _add_sqlite(self, columns: tuple[str, ...]) -> str:
        return self._change_sqlite(columns, "t.{name} + {new}")


def array_literal(kind: str, values: Sequence[Any]) -> str:
    """Return a PostgreSQL array of this type as text; the driver's own way costs ten times more.

    Ids are 32 hex digits and numbers digits: neither needs quotes. Text and bytes always have them.
    """
    write: Callable[[Any], str] = _LITERALS[kind]
    if values and values.count(values[0]) == len(values):  # as most columns of a batch are
        return "{" + ",".join([_one(write, values[0])] * len(values)) + "}"
    if None in values:
        return "{" + ",".join([_one(write, value) for value in values]) + "}"
    return "{" + ",".join(map(write, values)) + "}"


def _one(write: Callable[[Any], str], value: Any) -> str:
    return "NULL" if value is None else write(value)


def _boolean(value: bool) -> str:
    return "t" if value else "f"


def _bytes(value: bytes) -> str:
    return f'"\\\\x{value.hex()}"'


def _text(value: str) -> str:
    if '"' in value or "\\" in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'


_LITERALS: dict[str, Callable[[Any], str]] = {
    "bigint": str,
    "smallint": str,
    "boolean": _boolean,
    "bytea": _bytes,
    "text": _text,
    "uuid": str,
    "timestamptz": lambda moment: f'"{moment.isoformat()}"',
}


def _in_sqlite_order(kind: str, rows: Sequence[Row], keys: int) -> Iterable[Row]:
    """Put the key's values last, as SQLite's UPDATE expects them."""
    if kind in ("insert", "upsert"):
        return rows
    return [(*row[keys:], *row[:keys]) for row in rows]


def select(cursor: Any, statement: str, values: Sequence[Any], cast: str) -> None:
    """Execute a SELECT with `IN {values}`: an array on PostgreSQL, placeholders on SQLite.

    SQLite takes up to 250,000 values.
    """
    if is_postgresql():
        statement = statement.replace("IN {values}", f"= ANY(%s::{cast}[])")
        execute(cursor, statement, [array_literal(cast, values)])
    else:
        marks = ", ".join("?" for _ in values)
        cursor.execute(statement.format(values=f"({marks})"), list(values))
