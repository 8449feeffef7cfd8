"""How transactional tests leave the database: as migrations made it, in a twentieth of the time.

Django would empty every table and make all content types and permissions again, which takes longer
than most tests. Here only tables with rows are emptied, content types and permissions stay (no test
changes them), and what our apps found after `migrate` is founded again. Append-only tables refuse
to be emptied: SQLite loses their triggers meanwhile, PostgreSQL is told not to call them, which
only a superuser may.
"""

from functools import cache
from typing import Any

from django.core.management.commands import flush
from django.db import connections

KEPT = frozenset({"django_content_type", "auth_permission", "django_migrations"})


def let_flush_pass() -> None:
    """Call once, before the first test."""
    flush.sql_flush = _list_statements
    flush.emit_post_migrate_signal = _found_again


def _list_statements(_style: Any, connection: Any, **_options: Any) -> list[str]:
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        cursor.execute(_ask_for_rows(connection.alias))
        filled = [name for (name,) in cursor.fetchall()]
        triggers: list[tuple[str, str]] = []
        if connection.vendor == "sqlite":
            cursor.execute("SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'trigger'")
            triggers = [(name, text) for table, name, text in cursor.fetchall() if table in filled]
    deletes = [f"DELETE FROM {quote(name)}" for name in filled]
    if connection.vendor == "postgresql":
        return ["SET LOCAL session_replication_role = replica", *deletes]
    drops = [f"DROP TRIGGER {quote(name)}" for name, _ in triggers]
    return [*drops, *deletes, *(text for _, text in triggers)]


@cache
def _ask_for_rows(alias: str) -> str:
    """Return the query for the names of all tables that have any row."""
    connection = connections[alias]
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return " UNION ALL ".join(
        f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {connection.ops.quote_name(name)})"
        for name in sorted(set(names) - KEPT)
    )


def _found_again(_verbosity: int, _interactive: bool, db: str, **_options: Any) -> None:
    from accounts.apps import create_founding_rows
    from markets.apps import create_exchange
    from trading.roles import create_roles

    for found in (create_founding_rows, create_exchange, create_roles):
        found(using=db)
