"""`flush` as transactional tests need it: the database as migrations made it, twenty times faster.

Django's empties every table and makes all content types and permissions again, which takes longer
than most tests. Here only tables with rows are emptied, content types and permissions stay (no
test changes them), and what our apps found after `migrate` is founded again. Append-only tables
refuse to be emptied: SQLite loses their triggers meanwhile, PostgreSQL is told not to call them,
which only a superuser may.
"""

from functools import cache
from typing import Any

from django.core.management.commands import flush
from django.db import connections, transaction

from accounts.apps import create_founding_rows
from markets.apps import create_exchange
from trading.roles import create_roles

KEPT = frozenset({"django_content_type", "auth_permission", "django_migrations"})


class Command(flush.Command):
    def handle(self, **options: Any) -> None:
        database = options["database"]
        with transaction.atomic(using=database), connections[database].cursor() as cursor:
            _empty(cursor, database)
        for found in (create_founding_rows, create_exchange, create_roles):
            found(using=database)


def _empty(cursor: Any, alias: str) -> None:
    connection = connections[alias]
    cursor.execute(_ask_for_rows(alias))
    filled = [name for (name,) in cursor.fetchall()]
    triggers: list[tuple[str, str]] = []
    if connection.vendor == "postgresql":
        cursor.execute("SET LOCAL session_replication_role = replica")
    else:
        cursor.execute("SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'trigger'")
        triggers = [(name, text) for table, name, text in cursor.fetchall() if table in filled]
    for name, _ in triggers:
        cursor.execute(f'DROP TRIGGER "{name}"')
    for name in filled:
        cursor.execute(f'DELETE FROM "{name}"')
    for _, text in triggers:
        cursor.execute(text)


@cache
def _ask_for_rows(alias: str) -> str:
    """Return the query for the names of all tables that have any row."""
    connection = connections[alias]
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return " UNION ALL ".join(
        f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {connection.ops.quote_name(name)})"
        for name in sorted(set(names) - KEPT)
    )
