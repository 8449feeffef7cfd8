"""One running program for the tests of a file, with an operator, traders and a market."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.compat.site import Site
from tests.compat.town import Town
from tests.databases import SqliteDatabases
from tests.e2e.people import Person
from tests.exchange import Exchange
from tests.faults.seed import PASSWORD, World, seed

READ_ALL_YOU_WANT = {"anonymous": {"read": [5000, 9000], "write": [5, 20]}}
"""The tests read faster than a stranger may; others test the limits."""


class Seeded(NamedTuple):
    """A migrated database with traders and markets."""

    path: Path
    world: World

    def copy(self, folder: Path) -> str:
        """Return the URL of a copy, with what is only in its journal so far."""
        path = folder / "predex.sqlite3"
        with (
            closing(sqlite3.connect(self.path)) as source,
            closing(sqlite3.connect(path)) as target,
        ):
            source.backup(target)
        return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory, sqlite_databases: SqliteDatabases) -> Seeded:
    """Made once; each file begins with a copy."""
    folder = tmp_path_factory.mktemp("seeded")
    url = sqlite_databases.make(folder)
    world = seed(
        Exchange(folder, database_url=url),
        traders=3, markets=1, group="friends", rate_limits=READ_ALL_YOU_WANT,
    )  # fmt: skip
    return Seeded(Path(url.removeprefix("sqlite:///")), world)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, seeded: Seeded) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("compat")
    with Exchange(folder, database_url=seeded.copy(folder)) as exchange:
        exchange.start()
        yield Site(exchange, seeded.world, log_in_operator(exchange, seeded.world))
        print(exchange.log()[-4_000:])


@pytest.fixture(scope="module")
def town(site: Site) -> Town:
    return Town(site)


def log_in_operator(exchange: Exchange, world: World) -> Person:
    operator = Person(exchange, world.operator.handle)
    tokens = operator.call("POST", "auth/login", {"email": operator.email, "password": PASSWORD})
    operator.http.headers["Authorization"] = f"Bearer {tokens['access']}"
    return operator
