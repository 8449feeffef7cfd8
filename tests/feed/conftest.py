"""A real uvicorn with the feed's sockets inside the test's own event loop, and a market to trade.

Trades go through a real shard (engine, database); what it publishes is sent through the channel
layer, or lost where a test says so.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from accounts.actions import do_create_api_key
from accounts.models import Account, User
from kernel.clock import now_us
from markets.models import Market
from tests.patience import PATIENCE_SECONDS
from tests.trading.world import make_account, make_market, own_shard
from trading.engine.commands import Configure
from trading.engine.types import MarketStatus
from trading.feed.consumers import SERVER_OPTIONS
from trading.feed.hub import Hub, get_hub
from trading.feed.tasks import in_thread
from trading.management.commands.serve import Server
from trading.order_entry.socket import websocket_application
from trading.pipeline.config import config_of
from trading.pipeline.messages import (
    FEED_GROUP,
    HEARTBEAT_GROUP,
    Heartbeat,
    Result,
    Task,
    decode_result,
    encode,
)
from trading.pipeline.shard import Shard

NAMES = ("alice", "bob")
QUIET_SECONDS = 0.3


class Client:
    """A WebSocket client that checks what every frame must have."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, op: str, **message: Any) -> None:
        await self.connection.send(json.dumps({"op": op, **message}))

    async def send_raw(self, message: str | bytes) -> None:
        await self.connection.send(message)

    async def subscribe(self, *channels: str, **message: Any) -> None:
        await self.send("subscribe", channels=list(channels), **message)
        await self.get("subscribed")

    async def receive(self) -> dict[str, Any]:
        """Return the next frame without its `sent_at`, which differs from socket to socket."""
        frame = await self.receive_whole()
        del frame["sent_at"]
        return frame

    async def receive_whole(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            frame = json.loads(await self.connection.recv())
        assert frame.keys() >= {"v", "type", "market", "seq", "prev_seq", "ts", "sent_at"}
        assert frame["v"] == 1
        return frame

    async def get(self, type_: str) -> dict[str, Any]:
        """Return the next frame of this type; others before it are passed over."""
        while True:
            frame = await self.receive()
            if frame["type"] == type_:
                return frame
            assert frame["type"] != "error", frame

    async def get_error(self) -> dict[str, Any]:
        while True:
            frame = await self.receive()
            if frame["type"] == "error":
                return frame

    async def hears_nothing(self, *, but: tuple[str, ...] = ("heartbeat",)) -> bool:
        """Return whether nothing comes for a while."""
        try:
            async with asyncio.timeout(QUIET_SECONDS):
                while True:
                    frame = json.loads(await self.connection.recv())
                    if frame["type"] not in but:
                        return False
        except TimeoutError:
            return True

    async def wait_closed(self) -> tuple[int | None, str]:
        """Return the code and reason with which the server closes."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                while True:
                    await self.connection.recv()
            except ConnectionClosed as closed:
                return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (None, "")


class Site:
    """The server's address, and its hub to look into."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.hub: Hub = get_hub()
        self._connections: list[ClientConnection] = []

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/v1"

    async def connect(self, path: str = "", **options: Any) -> Client:
        url = f"ws://127.0.0.1:{self.port}{path}" if path else self.url
        options = {"compression": None, "max_size": None, **options}
        connection = await connect(url, **options)
        self._connections.append(connection)
        return Client(connection)

    async def close(self) -> None:
        for connection in self._connections:
            await connection.close()


class Floor:
    """A shard with one open market, and two accounts with money."""

    def __init__(self) -> None:
        self.market: Market = make_market()
        self.alice, self.bob = (make_account(name=name) for name in NAMES)
        self.users = {user.handle: user for user in User.objects.filter(handle__in=NAMES)}
        self.shard: Shard = own_shard()
        self.publications: list[bytes] = []

    async def open(self, market: Market | None = None) -> None:
        market = market or self.market
        config = await in_thread(config_of, market)
        [result] = await self.run(Task(0, market.id, Configure(MarketStatus.OPEN, config)))
        assert result.reason is None

    async def run(self, *tasks: Task, is_lost: bool = False) -> list[Result]:
        """Carry out tasks in one commit each time, and publish what they did."""
        results, publications = await in_thread(self._run, list(tasks))
        self.publications += publications
        for publication in () if is_lost else publications:
            await publish(publication)
        return results

    async def configure(self, status: MarketStatus, *, is_lost: bool = False) -> None:
        config = await in_thread(config_of, self.market)
        await self.run(Task(0, self.market.id, Configure(status, config)), is_lost=is_lost)

    async def beat(self, *, epoch: int | None = None, seqs: dict[int, int] | None = None) -> None:
        """Send the heartbeat that the worker would send."""
        markets = self.shard.markets.items()
        live = {market_id: live.engine.seq for market_id, live in markets}
        heartbeat = Heartbeat(0, epoch or self.shard.epoch, "", now_us(), 0, seqs or live)
        message = {"type": "engine.heartbeat", "data": encode(heartbeat)}
        await get_channel_layer().group_send(HEARTBEAT_GROUP, message)

    def _run(self, tasks: list[Task]) -> tuple[list[Result], list[bytes]]:
        results, publications = [], []
        while tasks:
            committed = self.shard.run(tasks)
            for reply in committed.replies:
                assert reply.status in ("done", "repeated"), reply.status
                results.append(decode_result(reply.result))
            if committed.publication is not None:
                publications.append(committed.publication)
            tasks = tasks[len(committed.replies) :]
        return results, publications


def read_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on what is missed is not read from the database: what comes was published."""
    monkeypatch.setattr("trading.feed.progress.LATE_SECONDS", 600.0)


async def publish(publication: bytes) -> None:
    message = {"type": "feed.publication", "data": publication}
    await get_channel_layer().group_send(FEED_GROUP, message)


@pytest.fixture
def floor(transactional_db: None) -> Floor:
    return Floor()


@pytest.fixture
def make_key() -> Callable[..., Awaitable[tuple[Any, str]]]:
    """`await make_key(account, scopes=...)` -> (row, secret)."""

    async def make(account: Account, scopes: tuple[str, ...] = ("read", "trade")) -> Any:
        return await in_thread(
            do_create_api_key, account, name="test", scopes=list(scopes), by=None
        )

    return make


@pytest_asyncio.fixture
async def site(transactional_db: None) -> AsyncIterator[Site]:
    async with serve(websocket_application) as site:
        yield site


@asynccontextmanager
async def serve(application: Any) -> AsyncIterator[Site]:
    """Serve sockets in this event loop."""
    await get_channel_layer().flush()
    config = uvicorn.Config(
        ProtocolTypeRouter({"websocket": application}),
        lifespan="off",
        log_config=None,
        **SERVER_OPTIONS,
    )
    server = Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    site = Site(listener.getsockname()[1])
    yield site
    await site.close()
    server.should_exit = True
    await serving
    await site.hub.close()
