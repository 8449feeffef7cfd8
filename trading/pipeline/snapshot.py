"""One consistent picture of the database for several reads, while others go on writing."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def consistent_read() -> Iterator[None]:
    """Every read inside sees the same moment, and nothing inside can write.

    On SQLite a plain BEGIN: Django's own would take the write lock and stop the exchange. Inside a
    transaction (as in tests) it is that transaction's picture.
    """
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            # A picture locks no row, so it may take its time between two reads.
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
