"""Lets transactional tests empty append-only tables: SQLite's flush is DELETE, which they refuse.

On PostgreSQL it is TRUNCATE, which the triggers (for each row) do not see.
"""

from typing import Any

from django.db.backends.sqlite3.base import DatabaseOperations

_plain_sql_flush = DatabaseOperations.sql_flush


def _sql_flush(self: DatabaseOperations, *args: Any, **kwargs: Any) -> list[str]:
    with self.connection.cursor() as cursor:
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        triggers = cursor.fetchall()
    drops = [f'DROP TRIGGER "{name}"' for name, _ in triggers]
    return [*drops, *_plain_sql_flush(self, *args, **kwargs), *(sql for _, sql in triggers)]


def let_flush_pass() -> None:
    """Call once, before the first test."""
    DatabaseOperations.sql_flush = _sql_flush  # type: ignore[method-assign,assignment]
