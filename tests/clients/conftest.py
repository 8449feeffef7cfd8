"""One running program for the tests of the client: traders and open markets."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from predex_client import AsyncFeed, Client, Event
from tests.clients.receiver import Receiver
from tests.databases import SqliteDatabases
from tests.exchange import Exchange
from tests.faults.seed import World, seed
from tests.patience import PATIENCE_SECONDS

PASSWORD = "four words that nobody guesses"


class Town:
    """The exchange, and who trades there: `client(0)` is the first trader's."""

    def __init__(self, exchange: Exchange, world: World, receiver: Receiver) -> None:
        self.receiver = receiver
        self.exchange = exchange
        self.url = exchange.base_url
        self.slugs = [market.slug for market in world.markets]
        self.keys = [trader.key for trader in world.traders]
        self._clients: list[Client] = []

    def client(self, number: int = 0, **options: float) -> Client:
        self._clients.append(Client(self.url, self.keys[number], **options))
        return self._clients[-1]

    def member(self) -> Client:
        """Return a new user's client, who has just logged in."""
        name = f"a{new_name()[:20]}"
        with Client(self.url, "") as stranger:
            stranger.register(f"{name}@example.org", name, PASSWORD)
            tokens = stranger.log_in(f"{name}@example.org", PASSWORD)
        self._clients.append(Client(self.url, tokens.access))
        return self._clients[-1]

    def clear(self) -> None:
        """Cancel whatever the traders have in the books."""
        for key in self.keys:
            with Client(self.url, key) as client:
                client.cancel_all()

    def close(self) -> None:
        for client in self._clients:
            client.close()


@pytest.fixture(scope="package")
def running(
    tmp_path_factory: pytest.TempPathFactory, sqlite_databases: SqliteDatabases
) -> Iterator[Town]:
    folder: Path = tmp_path_factory.mktemp("clients")
    environment = {"WEBHOOK_TRUSTED_HOSTS": "127.0.0.1"}
    url = sqlite_databases.make(folder)
    with (
        Receiver() as receiver,
        Exchange(folder, database_url=url, environment=environment) as exchange,
    ):
        world = seed(exchange, traders=3, markets=3, kind="user")
        exchange.start()
        yield Town(exchange, world, receiver)
        print(exchange.log()[-4_000:])


@pytest.fixture
def town(running: Town) -> Iterator[Town]:
    """With empty books."""
    running.clear()
    yield running
    running.close()


def new_name() -> str:
    return uuid.uuid4().hex


class Events:
    """Reads a feed's events in the background, as a program does."""

    def __init__(self, feed: AsyncFeed) -> None:
        self.seen: list[Event] = []
        self.reading = asyncio.create_task(self._read(feed))

    async def _read(self, feed: AsyncFeed) -> None:
        async for event in feed:
            self.seen.append(event)


@contextlib.asynccontextmanager
async def read(feed: AsyncFeed) -> AsyncIterator[list[Event]]:
    """Yield the list to which the feed's events are added."""
    events = Events(feed)
    try:
        yield events.seen
    finally:
        events.reading.cancel()
        await asyncio.gather(events.reading, return_exceptions=True)


async def until(is_so: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    give_up_at = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < give_up_at, "it did not happen in time"
        await asyncio.sleep(0.02)
