"""What Kalshi's sockets are sent where readers are slow and messages are lost, in one process."""

import asyncio
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection
from websockets.frames import Frame, Opcode

from compat.kalshi import own_relay
from compat.kalshi import socket as kalshi_socket
from compat.kalshi.socket import kalshi_application
from compat.kalshi.streams import (
    BUFFER_OVERFLOW,
    CHANNELS,
    ORDERBOOK,
    TRADE,
    BookStream,
    Subscription,
    seal,
)
from kernel.clock import now_us
from tests.exchange import ROOT
from tests.feed.conftest import Client, Floor, Site, serve
from tests.feed.conftest import floor as floor
from tests.feed.conftest import make_key as make_key
from tests.patience import PATIENCE_SECONDS
from tests.trading.world import buy, cancel, sell
from trading.feed.relays import ShownBook
from trading.feed.replica import TapeTrade
from trading.feed.socket import CLOSE_NOT_AUTHENTICATED, SUBSCRIPTIONS_MAX
from trading.feed.tasks import in_thread
from trading.feed.watcher import QUEUE_FRAMES_MAX, Watcher
from trading.pipeline.instruments import build_instrument
from web.connections import HEARTBEAT

pytestmark = pytest.mark.django_db(transaction=True)


@pytest_asyncio.fixture
async def site(transactional_db: None) -> AsyncIterator[Site]:
    async with serve(kalshi_application) as site:
        yield site


class Program:
    """A connection of one account, with a key of ours."""

    def __init__(self, client: Client) -> None:
        self.connection = client.connection

    async def subscribe(self, *channels: str, **params: Any) -> None:
        command = {"id": 1, "cmd": "subscribe", "params": {"channels": channels, **params}}
        await self.connection.send(json.dumps(command))
        for _ in channels:
            assert (await self.receive())["type"] == "subscribed"

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            frame: dict[str, Any] = json.loads(await self.connection.recv())
        return frame

    async def get(self, type_: str) -> dict[str, Any]:
        while (frame := await self.receive())["type"] != type_:
            assert frame["type"] != "error", frame
        msg: dict[str, Any] = frame["msg"]
        return msg


@pytest.fixture
def connect_as(site: Site, make_key):
    async def connect(account: Any) -> Program:
        _, secret = await make_key(account)
        return Program(
            await site.connect("/trade-api/ws/v2", additional_headers={"X-API-Key": secret})
        )

    return connect


async def test_what_was_lost_of_an_account_is_sent_all_the_same(
    site: Site, floor: Floor, connect_as
):
    await floor.open()
    [resting] = await floor.run(sell(floor.market, floor.alice, 50, 1_000))
    assert resting.order is not None
    program = await connect_as(floor.alice)
    await program.subscribe("user_orders", "fill", "market_positions")
    await floor.beat()
    await floor.run(buy(floor.market, floor.bob, 50, 100), is_lost=True)
    await floor.run(buy(floor.market, floor.bob, 50, 200))
    fills = [await program.get("fill") for _ in range(2)]
    assert {fill["count_fp"] for fill in fills} == {"1.00", "2.00"}
    assert fills[-1]["post_position_fp"] == "-3.00"
    assert (await program.get("market_position"))["position_fp"] == "-3.00"
    await floor.run(cancel(floor.market, floor.alice, resting.order.order_id), is_lost=True)
    await floor.run(buy(floor.market, floor.bob, 40, 100))
    while (order := await program.get("user_order"))["status"] != "canceled":
        pass
    assert (order["fill_count_fp"], order["initial_count_fp"]) == ("3.00", "10.00")


async def test_the_trades_and_levels_of_a_lost_publication_come_with_the_next(
    site: Site, floor: Floor, connect_as
):
    await floor.open()
    await floor.run(sell(floor.market, floor.bob, 50, 1_000))
    program, ticker = await connect_as(floor.alice), floor.market.slug.upper()
    await program.subscribe("trade", market_ticker=ticker)
    await program.subscribe("orderbook_delta", market_ticker=ticker)
    levels = dict((await program.get("orderbook_snapshot"))["no_dollars_fp"])
    await floor.run(buy(floor.market, floor.alice, 50, 100), is_lost=True)
    await floor.run(buy(floor.market, floor.alice, 50, 200))
    counts, left = [], float(levels["0.5000"])
    while len(counts) < 2 or left != 7:
        frame = await program.receive()
        if frame["type"] == "trade":
            counts.append((frame["seq"], frame["msg"]["count_fp"]))
        elif frame["type"] == "orderbook_delta":
            left += float(frame["msg"]["delta_fp"])
    assert counts == [(1, "1.00"), (2, "2.00")]


async def test_every_ten_seconds_there_is_a_heartbeat(site: Site, connect_as, floor, monkeypatch):
    assert kalshi_socket.BEAT_SECONDS == 10
    monkeypatch.setattr(kalshi_socket, "BEAT_SECONDS", 0.05)
    pings: asyncio.Queue[bytes] = asyncio.Queue()

    class Pinged(ClientConnection):
        def process_event(self, event: Any) -> None:
            if isinstance(event, Frame) and event.opcode is Opcode.PING:
                pings.put_nowait(bytes(event.data))
            super().process_event(event)

    client = await site.connect("/trade-api/ws/v2", create_connection=Pinged)
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert [await pings.get() for _ in range(2)] == [b"heartbeat"] * 2
    await (await client.connection.ping())


def test_the_document_names_every_channel_and_limit() -> None:
    text = (ROOT / "docs" / "kalshi.md").read_text()
    for phrase in (
        *(f"`{channel}`" for channel in CHANNELS),
        f"all markets, up to {SUBSCRIPTIONS_MAX}",
        f"{SUBSCRIPTIONS_MAX} subscriptions (each ticker counts)",
        f"Every {kalshi_socket.BEAT_SECONDS:.0f} seconds there is a\n"
        f"  ping, `{HEARTBEAT.decode()}`",
        f"ends with error {BUFFER_OVERFLOW}",
        f"closes the socket with {CLOSE_NOT_AUTHENTICATED}",
    ):
        assert phrase in text, phrase


def subscribe(watcher: Watcher, channel: str, stream: BookStream) -> Subscription:
    subscription = Subscription(1, channel, watcher, as_yes=False, end=Subscription.end)
    subscription.books = {stream.name.ticker: stream}
    stream.named[channel].add(subscription)
    return subscription


def read_all(watcher: Watcher) -> list[dict[str, Any]]:
    frames = []
    while (frame := watcher.next()) is not None:
        frames.append(json.loads(seal(frame.message, 0)))
    return frames


async def test_a_slow_reader_gets_the_book_again_and_no_hole_in_the_numbers(floor: Floor):
    instrument = await in_thread(build_instrument, floor.market)
    stream, watcher = BookStream(instrument, 0, 0), Watcher()
    subscription = subscribe(watcher, ORDERBOOK, stream)
    subscription.follow(stream).owe()
    assert read_all(watcher) == []  # the book is being read
    waiting = asyncio.create_task(watcher.wait())
    await asyncio.sleep(0)
    stream.publish_book(ShownBook(1, now_us(), [(4_000, 100)], [], None))
    await waiting
    assert [frame["seq"] for frame in read_all(watcher)] == [1]
    for lots in range(2, QUEUE_FRAMES_MAX + 5):
        stream.publish_book(ShownBook(lots, now_us(), [(4_000, 100 * lots)], [], None))
    [again] = read_all(watcher)
    assert (again["type"], again["seq"]) == ("orderbook_snapshot", 2)
    assert again["msg"]["yes_dollars_fp"] == [["0.4000", f"{QUEUE_FRAMES_MAX + 4}.00"]]


async def test_a_slow_reader_of_trades_is_told_that_some_are_lost(floor: Floor):
    instrument = await in_thread(build_instrument, floor.market)
    stream, watcher = BookStream(instrument, 0, 0), Watcher()
    subscription = subscribe(watcher, TRADE, stream)
    trades = [
        TapeTrade(f"{number:032x}", number, now_us(), 0, 1, 4_000, 100, "")
        for number in range(QUEUE_FRAMES_MAX + 1)
    ]
    stream.publish_trades(trades, [subscription])
    [error] = read_all(watcher)
    assert (error["type"], error["sid"], error["msg"]["code"]) == ("error", 1, 25)
    assert subscription.is_over
    stream.publish_trades(trades[:1], [subscription])


async def test_an_account_that_can_t_be_read_ends_its_subscriptions(monkeypatch):
    def fail(*_: object) -> None:
        raise KeyError("a trade")

    monkeypatch.setattr(own_relay, "read_news", fail)
    hub: Any = SimpleNamespace()
    relay, ended = own_relay.AccountRelay(hub, 1), []
    follower: Any = SimpleNamespace(fail=lambda number, text: ended.append((number, text)))
    relay.subscriptions = [follower]  # type: ignore[assignment]
    relay._news = [follower]
    with pytest.raises(KeyError):
        await relay._read()
    assert ended == [(own_relay.CHANNEL_ERROR, "something was lost: subscribe again")]
