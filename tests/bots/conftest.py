"""One running exchange for the tests of the engine: traders, keys of Kalshi's kind, markets."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bots.engine.config import EngineConfig, read_config
from bots.engine.metrics import Metrics
from bots.engine.program import TradingEngine
from predex_client import Client
from tests.databases import SqliteDatabases
from tests.e2e.people import Person
from tests.exchange import Exchange
from tests.faults.seed import PASSWORD, World, seed
from tests.patience import PATIENCE_SECONDS

MAKE_KEY = """
from accounts.actions import do_create_api_key
from accounts.models import Account
from accounts.signing import make_key_pair
private, public = make_key_pair("ed25519")
account = Account.objects.get(owner__handle={handle!r}, number=1)
key, _ = do_create_api_key(account, name="b", scopes=["read", "trade"], by=None, public_key=public)
print(key.pk, private)
"""


class Town:
    def __init__(self, exchange: Exchange, world: World) -> None:
        self.exchange = exchange
        self.url = exchange.base_url
        self.slugs = [market.slug for market in world.markets]
        self.keys = [trader.key for trader in world.traders]
        self.handles = [trader.handle for trader in world.traders]
        self.operator = world.operator.handle
        self._signed: dict[int, tuple[str, str]] = {}
        self.clients = [Client(self.url, key) for key in self.keys]

    def sign(self, number: int) -> tuple[str, str]:
        """Return the id and the private key of a trader's key of Kalshi's kind."""
        if number not in self._signed:
            code = MAKE_KEY.format(handle=self.handles[number])
            made = self.exchange.manage("shell", "-c", code)
            key_id, pem = made[made.index("-----BEGIN") - 37 :].strip().split(" ", 1)
            self._signed[number] = key_id, pem
        return self._signed[number]

    def open_three(self, title: str) -> str:
        """Open a market of three outcomes, whose books are not matched with one another."""
        outcomes = [{"code": name.upper(), "name": name} for name in ("Ann", "Bo", "Cy")]
        return self.open(
            title, kind="categorical", matches_across_outcomes=False, outcomes=outcomes
        )

    def open(self, title: str, **fields: Any) -> str:
        close_at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        body = {"title": title, "close_at": close_at, **fields}
        slug: str = self.operate("markets", body, status=201)["slug"]
        self.operate(f"markets/{slug}/open", {})
        return slug

    def operate(self, path: str, body: dict[str, Any], *, status: int = 200) -> Any:
        """Do something as the operator."""
        operator = Person(self.exchange, self.operator)
        login = {"email": operator.email, "password": PASSWORD}
        token = operator.call("POST", "auth/login", login)["access"]
        operator.http.headers["Authorization"] = f"Bearer {token}"
        return operator.call("POST", path, body, status=status)

    def clear(self) -> None:
        """Cancel all orders."""
        for client in self.clients:
            client.cancel_all()

    def venue(self, kind: str, number: int, slug: str, **more: Any) -> dict[str, Any]:
        """Return a venue's table of the configuration: this exchange by one of its doors."""
        if kind == "predex":
            table: dict[str, Any] = {"url": self.url, "key": self.keys[number], "markets": [slug]}
        elif kind == "kalshi":
            key_id, pem = self.sign(number)
            table = {"url": self.url, "key_id": key_id, "private_key": pem}
            table["markets"] = [slug.upper()]
        else:
            poly = f"{self.url}/poly"
            socket = poly.replace("http", "ws", 1) + "/ws/market"
            table = {"gamma": f"{poly}/gamma", "clob": f"{poly}/clob", "socket": socket}
            table["markets"] = [slug]
        return {"name": kind, "kind": kind, "latency_ms": 0, **table, **more}


@pytest.fixture(scope="package")
def running(
    tmp_path_factory: pytest.TempPathFactory, sqlite_databases: SqliteDatabases
) -> Iterator[Town]:
    folder: Path = tmp_path_factory.mktemp("engine")
    url = sqlite_databases.make(folder)
    with Exchange(folder, database_url=url) as exchange:
        world = seed(exchange, traders=4, markets=6)
        exchange.start()
        yield Town(exchange, world)
        print(exchange.log()[-4_000:])


@pytest.fixture
def town(running: Town) -> Iterator[Town]:
    """With empty books."""
    running.clear()
    yield running
    running.clear()


def build_config(folder: Path, venues: list[dict[str, Any]], **tables: Any) -> EngineConfig:
    engine = {"state": str(folder / "state.sqlite3"), "metrics": "", "signal_ms_max": 5_000}
    document = {"engine": engine | tables.pop("engine", {}), "venues": venues, **tables}
    return read_config(document)


@contextlib.asynccontextmanager
async def run(config: EngineConfig) -> AsyncIterator[TradingEngine]:
    """Run an engine in this process, until the block ends; every book is current at its start."""
    engine = TradingEngine(config, Metrics())
    running = asyncio.create_task(engine.run())
    try:
        await until(lambda: running.done() or is_current(engine))
        if running.done():
            await running
        yield engine
    finally:
        engine.stop.set()
        await running


def is_current(engine: TradingEngine) -> bool:
    books = engine.cache.books.values() if hasattr(engine, "cache") else []
    return bool(books) and all(book.is_current for book in books)


async def until(is_so: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> None:
    give_up_at = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < give_up_at, "it did not happen in time"
        await asyncio.sleep(0.02)
