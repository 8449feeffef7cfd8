"""The program's database as rows, read past the program: what is really there."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import UUID

import psycopg

Row = tuple[Any, ...]


class Database:
    """Reads, with `?` for values. Ids come out as 32 hex digits on both databases."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_postgres = url.startswith("postgres")

    def rows(self, statement: str, *values: Any) -> list[Row]:
        """Return a statement's rows as of now."""
        if self.is_postgres:
            with psycopg.connect(self.url, autocommit=True) as connection:
                found = connection.execute(statement.replace("?", "%s"), values or None).fetchall()
        else:
            path = self.url.removeprefix("sqlite:///")
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
                found = connection.execute(statement, values).fetchall()
        return list(_with_plain_ids(found))

    def value(self, statement: str, *values: Any) -> Any:
        [[value]] = self.rows(statement, *values)
        return value


def _with_plain_ids(rows: list[Row]) -> Iterator[Row]:
    for row in rows:
        yield tuple(value.hex if isinstance(value, UUID) else value for value in row)
