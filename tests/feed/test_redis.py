"""The feed over a real Redis that is flushed, killed and started again: clients re-sync by 5 s."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import redis
from channels.layers import get_channel_layer

from predex.stores import configure_channel_layers
from tests.feed.conftest import Floor, Site, read_no_more
from tests.feed.test_books import as_numbers, book_of, read_until
from tests.servers import RedisServer
from tests.trading.world import buy

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.alone]

RESYNC_SECONDS = 5.0


@pytest.fixture
async def layer(settings, redis_server: RedisServer) -> AsyncIterator[RedisServer]:
    """Ask for it before `site`, so that the hub listens on this Redis."""
    settings.CHANNEL_LAYERS = configure_channel_layers(redis_server.url, prefix="feed-test")
    yield redis_server
    await get_channel_layer().flush()


@pytest.fixture
async def beats(layer: RedisServer, floor: Floor) -> AsyncIterator[None]:
    """The engine's heartbeat, lost while Redis is away."""

    async def beat() -> None:
        while True:
            with contextlib.suppress(OSError, redis.RedisError):
                await floor.beat()
            await asyncio.sleep(0.25)

    beating = asyncio.create_task(beat())
    yield
    beating.cancel()


async def test_publications_travel_over_redis(
    layer: RedisServer, site: Site, floor: Floor, monkeypatch
) -> None:
    read_no_more(monkeypatch)
    await floor.open()
    client = await site.connect()
    book = await book_of(client, floor.market.slug)
    await floor.run(buy(floor.market, floor.alice, 40, 100))
    await read_until(client, book, 2)


async def test_a_flushed_redis_loses_nothing(
    layer: RedisServer, site: Site, floor: Floor, beats: None
) -> None:
    await floor.open()
    client = await site.connect()
    book = await book_of(client, floor.market.slug)
    redis.Redis.from_url(layer.url).flushall()
    await floor.run(buy(floor.market, floor.alice, 40, 100))
    async with asyncio.timeout(RESYNC_SECONDS):
        await read_until(client, book, 2)


async def test_a_redis_that_dies_and_comes_back_is_joined_again(
    layer: RedisServer, site: Site, floor: Floor, beats: None, monkeypatch
) -> None:
    await floor.open()
    client = await site.connect()
    book = await book_of(client, floor.market.slug)
    await floor.run(buy(floor.market, floor.alice, 40, 100))
    await read_until(client, book, 2)
    layer.kill()
    await floor.run(buy(floor.market, floor.alice, 41, 100), is_lost=True)
    async with asyncio.timeout(RESYNC_SECONDS):  # from the database, while Redis is away
        await read_until(client, book, 3)
    layer.start()
    await floor.run(buy(floor.market, floor.alice, 42, 100), is_lost=True)
    async with asyncio.timeout(RESYNC_SECONDS):
        await read_until(client, book, 4)
    await wait_until_heard(site)
    read_no_more(monkeypatch)
    await floor.run(buy(floor.market, floor.alice, 43, 100))
    await read_until(client, book, 5)
    assert as_numbers(book.bids["YES"]) == {4_000: 100, 4_100: 100, 4_200: 100, 4_300: 100}


async def wait_until_heard(site: Site) -> None:
    async with asyncio.timeout(RESYNC_SECONDS):
        while not site.hub.is_engine_up():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.05)


async def test_a_hub_that_starts_without_redis_serves_the_database_and_joins_later(
    layer: RedisServer, site: Site, floor: Floor, beats: None, monkeypatch
) -> None:
    monkeypatch.setattr("trading.feed.hub.JOIN_SECONDS", 0.3)
    await floor.open()
    layer.kill()
    client = await site.connect()
    await client.send("subscribe", channels=["book"], markets=[floor.market.slug])
    assert (await client.get("book_snapshot"))["seq"] == 1
    await floor.run(buy(floor.market, floor.alice, 40, 100), is_lost=True)
    async with asyncio.timeout(RESYNC_SECONDS):
        assert (await client.get("book"))["seq"] == 2
    layer.start()
    await wait_until_heard(site)
    read_no_more(monkeypatch)
    await floor.run(buy(floor.market, floor.alice, 41, 100))
    assert (await client.get("book"))["seq"] == 3
