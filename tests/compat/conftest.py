"""One running program for the tests of a file, with an operator, traders and a market."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.databases import SqliteDatabases
from tests.e2e.people import Person
from tests.exchange import Exchange
from tests.faults.seed import World, seed


class Site(NamedTuple):
    exchange: Exchange
    world: World
    operator: Person

    @property
    def market(self) -> str:
        return self.world.markets[0].slug

    def trader(self, number: int) -> Person:
        trader = self.world.traders[number]
        person = Person(self.exchange, trader.handle)
        person.key = trader.key
        person.http.headers["X-API-Key"] = trader.key
        return person


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, sqlite_databases: SqliteDatabases
) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("compat")
    with Exchange(folder, database_url=sqlite_databases.make(folder)) as exchange:
        world = seed(exchange, traders=3, markets=1)
        exchange.start()
        operator = Person(exchange, world.operator.handle)
        tokens = operator.call(
            "POST", "auth/login", {"email": operator.email, "password": "tests-only-password"}
        )
        operator.http.headers["Authorization"] = f"Bearer {tokens['access']}"
        yield Site(exchange, world, operator)
        print(exchange.log()[-4_000:])
