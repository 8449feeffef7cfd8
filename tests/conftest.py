"""Fixtures that every test may use: real servers, the recorded data, the running program.

`exchange` starts the real program; a test that takes `database_kind` runs on both databases.
In-process tests run on SQLite, and once more on PostgreSQL (`python -m tests.suite`), but for those
marked `one_database`.
"""

import gc
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import translation

from tests import settings as test_settings
from tests.databases import PostgresDatabases, SqliteDatabases, find_migrated
from tests.exchange import ROOT, Exchange
from tests.servers import PostgresServer, RedisServer, ServerNotFoundError
from tests.skips import (
    RECORDED_DATA_ABSENT,
    pytest_make_collect_report,
    pytest_runtest_makereport,
)

__all__ = ["pytest_make_collect_report", "pytest_runtest_makereport"]

LOG_CHARACTERS_SHOWN = 4_000
LONGEST = (
    "tests/browser/test_pages.py", "tests/test_bench.py", "tests/browser/test_scripts.py",
    "tests/browser/", "tests/deploy/", "tests/test_migrations.py",
    "tests/engine/test_state_machine.py", "tests/lifecycle/test_settlement_faults.py",
    "tests/e2e/", "tests/api/test_schema.py", "tests/simulator/test_replay_recording.py",
    "tests/test_demo.py", "tests/test_serve.py", "tests/test_static.py", "tests/compat/",
    "tests/clients/",
)  # fmt: skip

ExchangeFactory = Callable[..., Exchange]


gc.disable()  # nothing that is imported or collected becomes garbage


def pytest_collection_finish() -> None:
    """Leave all that was imported and collected out of the collections to come."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL, keep the tests whose outcome may depend on the in-process database.

    Among several workers the files that take longest begin, so that none is left to the end.
    """
    if hasattr(config, "workerinput"):
        items.sort(key=find_turn)
    if not test_settings.IS_POSTGRES_RUN:
        return
    kept = [item for item in items if touches_database(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def find_turn(item: pytest.Item) -> int:
    turns = (turn for turn, path in enumerate(LONGEST) if item.nodeid.startswith(path))
    return next(turns, len(LONGEST))


def touches_database(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    if fixtures & {"exchange", "make_exchange"}:
        return False  # the program under test chooses its database itself
    marks = {mark.name for mark in item.iter_markers()}
    if "one_database" in marks:
        return False
    return bool("django_db" in marks or {"db", "transactional_db"} & fixtures)


@pytest.fixture(autouse=True)
def forget_caches() -> None:
    """Nothing that a process or thread keeps (principals, policy, language) outlives a test."""
    from django.core.cache import cache as shared_cache

    from kernel import cache
    from web import limits

    translation.deactivate()
    limits.reset()
    cache.forget_all()
    if not test_settings.IS_POSTGRES_RUN:  # on SQLite ids come again, and allauth counts by them
        shared_cache.clear()


@pytest.fixture
def all_holds(db: None) -> Iterator[None]:
    """At the end of the test `manage.py verify` would find no breach in its database."""
    from trading.verify import check_everything

    yield
    assert [finding for finding in check_everything() if finding.breaches] == []


@pytest.fixture(scope="session")
def sqlite_template(pytestconfig: pytest.Config) -> Path:
    """A migrated file: the suite's, or one that is kept between runs."""
    if test_settings.SQLITE_TEMPLATE is not None:
        return Path(test_settings.SQLITE_TEMPLATE)
    assert pytestconfig.cache is not None
    return find_migrated(pytestconfig.cache.mkdir("databases"))


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_modify_db_settings: None, request: pytest.FixtureRequest) -> bool:
    """On SQLite, begin with a copy of the migrated file."""
    if test_settings.IS_POSTGRES_RUN:
        return False
    template: Path = request.getfixturevalue("sqlite_template")
    shutil.copy(template, connection.settings_dict["TEST"]["NAME"])
    return True


@pytest.fixture(scope="session")
def django_db_setup(
    django_db_setup: None, django_db_blocker: Any, django_db_keepdb: bool
) -> Iterator[None]:
    """End the sessions that threads left open, so that the test database can be dropped."""
    yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
    elif django_db_keepdb:  # a copy of ours, which nobody else removes
        copy = Path(connection.settings_dict["NAME"])
        for path in copy.parent.glob(f"{copy.name}*"):
            path.unlink()


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of recorded market data, kept outside the repository."""
    folder = Path(os.environ.get("PREDEX_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"{RECORDED_DATA_ABSENT}: set PREDEX_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A superuser's URL of a real PostgreSQL: DATABASE_URL's, else one started here."""
    if test_settings.GIVEN_POSTGRES_URL:
        yield test_settings.GIVEN_POSTGRES_URL
        return
    server = start_or_skip(PostgresServer)
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a real Redis: REDIS_URL's, else one started here. Never flush it."""
    if test_settings.GIVEN_REDIS_URL:
        yield test_settings.GIVEN_REDIS_URL
        return
    server = start_or_skip(RedisServer)
    yield server.url
    server.stop()


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A Redis of the test's own, to flush, kill and start again."""
    server = start_or_skip(RedisServer)
    yield server
    server.stop()


@pytest.fixture
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL of the test's own, durable, to stop and start again."""
    server = start_or_skip(lambda: PostgresServer(is_durable=True))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def sqlite_databases(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> SqliteDatabases:
    return SqliteDatabases(tmp_path_factory.mktemp("sqlite"), template=sqlite_template)


@pytest.fixture(scope="session")
def postgres_databases(
    postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PostgresDatabases]:
    folder = tmp_path_factory.mktemp("postgres")
    databases = PostgresDatabases(
        postgres_url,
        folder,
        prefix=f"predex_{uuid.uuid4().hex[:8]}",
        template=test_settings.POSTGRES_TEMPLATE,
    )
    yield databases
    databases.drop_all()


@pytest.fixture(params=["sqlite", "postgres"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """Takes a test through both databases: SQLite embedded, PostgreSQL and Redis with roles."""
    kind: str = request.param
    return kind


@pytest.fixture
def make_exchange(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ExchangeFactory]:
    """`make_exchange("sqlite" | "postgres", roles=..., environment=..., redis_url=...)`, started.

    sqlite is embedded, postgres has Redis and a process per role. All are killed at the end.
    `prepare(exchange)` runs before the start; `databases` makes them on another server.
    """
    made: list[Exchange] = []

    def make(
        kind: str = "sqlite",
        *,
        redis_url: str | None = None,
        databases: SqliteDatabases | PostgresDatabases | None = None,
        prepare: Callable[[Exchange], None] | None = None,
        **options: Any,
    ) -> Exchange:
        databases = databases or request.getfixturevalue(f"{kind}_databases")
        if redis_url is None:
            redis_url = "" if kind == "sqlite" else request.getfixturevalue("redis_url")
        folder = tmp_path / f"exchange-{len(made)}"
        folder.mkdir()
        environment = {"REDIS_PREFIX": f"t{uuid.uuid4().hex[:8]}", **options.pop("environment", {})}
        exchange = Exchange(
            folder,
            database_url=databases.make(folder),
            redis_url=redis_url,
            environment=environment,
            **options,
        )
        made.append(exchange)
        if prepare is not None:
            prepare(exchange)
        return exchange.start()

    yield make
    for exchange in made:
        exchange.end()
        for role in exchange.children:  # shown by pytest when the test has failed
            print(f"--- {role}\n{exchange.log(role)[-LOG_CHARACTERS_SHOWN:]}")


@pytest.fixture
def exchange(make_exchange: ExchangeFactory, database_kind: str) -> Exchange:
    """The running program, once on each database."""
    return make_exchange(database_kind)


def start_or_skip(start: Callable[[], Any]) -> Any:
    try:
        return start()
    except ServerNotFoundError as fault:
        pytest.skip(str(fault))
