"""Acknowledged means live: what happens after `subscribed` is sent once, on every channel."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.exchange import Exchange
from tests.faults.seed import Trader, World, seed
from tests.feed.conftest import Client, Floor, Site
from tests.patience import PATIENCE_SECONDS
from tests.trading.world import buy, sell
from trading.engine.types import MarketStatus
from trading.feed import reads

ROUNDS = 40


async def test_what_happens_after_subscribed_is_sent_once_on_the_real_servers(
    make_exchange: Callable[..., Exchange], database_kind: str
) -> None:
    worlds: list[World] = []
    exchange = make_exchange(
        database_kind,
        prepare=lambda exchange: worlds.append(seed(exchange, traders=9, markets=1)),
    )
    [world] = worlds
    maker, *takers = world.traders
    async with httpx.AsyncClient(
        base_url=f"{exchange.base_url}/api/v1/", timeout=PATIENCE_SECONDS
    ) as http:
        for number in range(ROUNDS):
            await place(http, maker, world.markets[0].slug, "sell", "gtc")
            await try_round(exchange, http, takers[number % len(takers)], world.markets[0].slug)


async def try_round(exchange: Exchange, http: httpx.AsyncClient, taker: Trader, slug: str) -> None:
    """Send an order as soon as the subscription is acknowledged; look for it in what follows."""
    channels = ["me", "trades", "ticker", "book"]
    message = {"op": "subscribe", "channels": channels, "markets": [slug]}
    headers = {"X-API-Key": taker.key}
    async with connect(exchange.ws_url, additional_headers=headers, compression=None) as socket:
        await socket.send(json.dumps(message))
        frames: list[dict[str, Any]] = []
        while not frames or frames[-1]["type"] != "subscribed":
            frames.append(json.loads(await socket.recv()))
        assert all(frame["type"] in ("subscribed", "heartbeat") for frame in frames)
        order = await place(http, taker, slug, "buy", "ioc")
        assert order["status"] == "filled"
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not ({"me", "trades"} <= {frame["type"] for frame in frames}):
                frames.append(json.loads(await socket.recv()))
        trade_id = order["trades"][0]["id"]
        assert [fill["id"] for fill in items(frames, "me", "fills")] == [trade_id]
        assert [one["seq"] for one in items(frames, "me", "orders")] == [order["seq"]]
        trades = items(frames, "trades", "trades")
        assert [trade["id"] for trade in trades] == [trade_id]
        before = items(frames, "trades_snapshot", "trades")
        assert trade_id not in {trade["id"] for trade in before}


def items(frames: list[dict[str, Any]], kind: str, name: str) -> list[dict[str, Any]]:
    return [item for frame in frames if frame["type"] == kind for item in frame.get(name, [])]


async def place(
    http: httpx.AsyncClient, trader: Trader, slug: str, side: str, time_in_force: str
) -> dict[str, Any]:
    body = {"market": slug, "side": side, "price": "0.50", "quantity": 1,
            "time_in_force": time_in_force}  # fmt: skip
    answer = await http.post("orders", json=body, headers={"X-API-Key": trader.key})
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.fixture
def slow_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow reads of the feed, during which anything may happen."""
    for name in ("read_account", "read_market", "read_markets"):
        monkeypatch.setattr(reads, name, slowly(getattr(reads, name)))


def slowly(read: Callable[..., Any]) -> Callable[..., Any]:
    def wait_and_read(*arguments: Any) -> Any:
        time.sleep(0.2)
        return read(*arguments)

    return wait_and_read


@pytest.mark.django_db(transaction=True)
async def test_an_order_that_fills_at_once_on_subscribed_is_sent(
    floor: Floor, site: Site, make_key, slow_reads: None
) -> None:
    await floor.open()
    await floor.run(sell(floor.market, floor.bob, 60, 100))
    client = await follow_me(site, floor, make_key)
    [filled] = await floor.run(buy(floor.market, floor.alice, 60, 100))
    assert (await client.get("me_snapshot"))["seq"] == 0
    frame = await client.get("me")
    assert [order["id"] for order in frame["orders"]] == [filled.order.order_id]
    assert [fill["id"] for fill in frame["fills"]] == [filled.fills[0].trade_id]
    assert await client.hears_nothing()


@pytest.mark.django_db(transaction=True)
async def test_what_was_done_before_subscribed_is_not_sent_again(
    floor: Floor, site: Site, make_key, slow_reads: None
) -> None:
    await floor.open()
    before = await floor.run(sell(floor.market, floor.bob, 60, 100))
    client = await site.connect()
    await client.subscribe("book", "trades", "ticker", "lifecycle", markets=[floor.market.slug])
    kinds = {f"{name}_snapshot" for name in ("book", "trades", "ticker", "lifecycle")}
    snapshots = [await client.receive() for _ in kinds]
    assert {frame["type"] for frame in snapshots} == kinds
    assert {frame["seq"] for frame in snapshots} == {before[0].seq}
    assert await client.hears_nothing()


@pytest.mark.django_db(transaction=True)
async def test_a_change_of_status_after_subscribed_is_sent_as_a_frame(
    floor: Floor, site: Site, slow_reads: None
) -> None:
    await floor.open()
    named, of_all = await site.connect(), await site.connect()
    await named.subscribe("lifecycle", markets=[floor.market.slug])
    await of_all.subscribe("lifecycle", markets="all")
    await floor.configure(MarketStatus.HALTED)
    for client in (named, of_all):
        assert (await client.get("lifecycle_snapshot"))["status"] == "open"
        frame = await client.get("lifecycle")
        assert (frame["from_status"], frame["status"]) == ("open", "halted")
        assert await client.hears_nothing()


@pytest.mark.django_db(transaction=True)
async def test_what_cannot_be_read_is_refused_and_not_followed(
    floor: Floor, site: Site, make_key, slow_reads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trading.feed.hub.LIVE_SECONDS", 0.1)
    await floor.open()
    client = await connect_as_alice(site, floor, make_key)
    for wish in ({"channels": ["me"]}, {"channels": ["book"], "markets": [floor.market.slug]}):
        await client.send("subscribe", id=7, **wish)
        error = await client.get_error()
        assert (error["code"], error["id"]) == ("unavailable", 7)
    await floor.run(buy(floor.market, floor.alice, 40, 100))
    assert await client.hears_nothing()
    assert site.hub.accounts.feeds == {}


async def follow_me(site: Site, floor: Floor, make_key) -> Client:
    client = await connect_as_alice(site, floor, make_key)
    await client.subscribe("me")
    return client


async def connect_as_alice(site: Site, floor: Floor, make_key) -> Client:
    _, secret = await make_key(floor.alice)
    client = await site.connect()
    await client.send("auth", key=secret)
    await client.get("authenticated")
    return client
