"""A consistent snapshot of the database for several reads, while others keep writing."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def consistent_read() -> Iterator[None]:
    """All reads inside see the same snapshot, and writes inside are impossible.

    On SQLite a plain BEGIN: Django's would take the write lock and stop the exchange. Inside a
    transaction (as in tests) it is that transaction's snapshot.
    """
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            # A snapshot locks no rows, so it may idle between reads.
            cursor.execute(
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;"
                " SET LOCAL idle_in_transaction_session_timeout = 0"
            )
            yield
    else:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")
