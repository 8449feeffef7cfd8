"""One running program for the tests of a file, with an operator, traders and a market."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compat.site import Site
from tests.compat.town import Town
from tests.databases import SqliteDatabases
from tests.e2e.people import Person
from tests.exchange import Exchange
from tests.faults.seed import seed

READ_ALL_YOU_WANT = """
from accounts.models import Policy
limits = Policy.objects.get().rate_limits
Policy.objects.update(rate_limits={**limits, "anonymous": {"read": [5000, 9000], "write": [5, 20]}})
"""
"""The tests read faster than a stranger may; others test the limits."""


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, sqlite_databases: SqliteDatabases
) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("compat")
    with Exchange(folder, database_url=sqlite_databases.make(folder)) as exchange:
        world = seed(exchange, traders=3, markets=1)
        exchange.manage("shell", "-c", READ_ALL_YOU_WANT)
        exchange.start()
        operator = Person(exchange, world.operator.handle)
        tokens = operator.call(
            "POST", "auth/login", {"email": operator.email, "password": "tests-only-password"}
        )
        operator.http.headers["Authorization"] = f"Bearer {tokens['access']}"
        yield Site(exchange, world, operator)
        print(exchange.log()[-4_000:])


@pytest.fixture(scope="module")
def town(site: Site) -> Town:
    return Town(site)
