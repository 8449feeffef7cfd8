"""Resuming `me`: after any disconnect nothing of the account is missed, and nothing comes twice."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import Account
from tests.feed.conftest import Client, Floor, Site
from tests.patience import PATIENCE_SECONDS
from tests.trading.world import buy, make_market, sell
from trading.engine.commands import CancelAll
from trading.feed import missed
from trading.feed.missed import StreamPlace, decode_place, encode_place
from trading.feed.tasks import in_thread
from trading.models import Order, Trade
from trading.pipeline.messages import Task

pytestmark = pytest.mark.django_db(transaction=True)


class Reader:
    """A client of `me` that keeps what it has been sent, over any number of connections."""

    def __init__(self, site: Site, secret: str) -> None:
        self.site = site
        self.secret = secret
        self.client: Client | None = None
        self.resume: str | None = None
        self.fills: Counter[Any] = Counter()
        self.ends: Counter[str] = Counter()
        self.has_more = False
        self.waits = False

    async def connect(self) -> None:
        self.client = await self.site.connect(additional_headers={"X-API-Key": self.secret})
        await self.subscribe()

    async def subscribe(self) -> None:
        assert self.client is not None
        place = {} if self.resume is None else {"resume": self.resume}
        await self.client.send("subscribe", channels=["me"], **place)
        self.waits = True

    async def read(self, count: int) -> None:
        """Take the next frames of the account."""
        while count:
            assert self.client is not None
            frame = await self.client.receive()
            assert frame["type"] != "error", frame
            if frame["type"] == "subscribed":
                self.waits = False
            elif frame["type"] in ("me", "me_snapshot") and not self.waits:
                count -= await self.take(frame)

    async def read_until(self, is_done: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not is_done():
                await self.read(1)

    async def read_all(self) -> None:
        """Take frames until none comes for a while."""
        while True:
            try:
                async with asyncio.timeout(0.5):
                    await self.read(1)
            except TimeoutError:
                return

    async def take(self, frame: dict[str, Any]) -> bool:
        """Take a frame as docs/feed.md says; return whether it was one to take."""
        is_snapshot = frame["type"] == "me_snapshot"
        if is_snapshot and self.resume is not None and "missed" not in frame:
            await self.subscribe()
            return False
        self.resume = frame["resume"]
        news = frame.get("missed", {}) if is_snapshot else frame
        self.has_more = self.has_more or news.get("has_more", False)
        self.fills.update((fill["id"], fill["order_id"]) for fill in news.get("fills", ()))
        ended = [order for order in news.get("orders", ()) if order["reason"] is not None]
        self.ends.update(order["id"] for order in ended)
        return True

    async def cut(self) -> None:
        """End the connection, whatever is still on its way."""
        assert self.client is not None
        self.client.connection.transport.abort()


@pytest.fixture
async def reader(site: Site, floor: Floor, make_key) -> Reader:
    _, secret = await make_key(floor.alice)
    return Reader(site, secret)


async def read_truth(account: Account) -> tuple[set[Any], set[str]]:
    def read() -> tuple[set[Any], set[str]]:
        fills = {
            (trade.id.hex, order_id.hex)
            for role in ("taker", "maker")
            for trade in Trade.objects.filter(**{f"{role}_account": account})
            for order_id in (getattr(trade, f"{role}_order_id"),)
        }
        ended = Order.objects.filter(account=account).exclude(status__in=missed.OPEN)
        return fills, {order.id.hex for order in ended}

    return await in_thread(read)


async def trade_a_little(floor: Floor, markets: list[Any], dice: random.Random) -> None:
    """Carry out a few commands of both accounts in one of the markets."""
    market = dice.choice(markets)
    tasks = []
    for _ in range(dice.randint(1, 4)):
        account = dice.choice((floor.alice, floor.alice, floor.bob))
        kind, price = dice.choice((buy, sell)), dice.choice((45, 50, 55))
        tasks.append(kind(market, account, price, 100 * dice.randint(1, 3)))
    if dice.random() < 0.2:
        tasks.append(Task(0, market.pk, CancelAll(floor.alice.pk)))
    await floor.run(*tasks, is_lost=dice.random() < 0.05)
    if dice.random() < 0.3:
        await floor.beat()


@pytest.mark.parametrize("seed", range(4))
async def test_nothing_is_missed_and_nothing_comes_twice_wherever_a_connection_is_cut(
    floor: Floor, reader: Reader, seed: int
) -> None:
    dice = random.Random(seed)
    markets = [floor.market, *[await in_thread(make_market) for _ in range(2)]]
    for market in markets:
        await floor.open(market)
    await reader.connect()
    await reader.read(1)
    for _ in range(12):
        work = [trade_a_little(floor, markets, dice) for _ in range(dice.randint(1, 5))]
        trading = asyncio.create_task(run_in_order(work))
        if dice.random() < 0.5:
            await asyncio.sleep(dice.random() * 0.05)
        await reader.cut()
        if dice.random() < 0.5:
            await trading
        await reader.connect()
        await reader.read(dice.randint(0, 2) and 1)
        await trading
    await reader.cut()
    await reader.connect()
    await reader.read(1)
    await floor.beat()
    fills, ended = await read_truth(floor.alice)
    await reader.read_until(lambda: reader.fills.keys() >= fills and reader.ends.keys() >= ended)
    await reader.read_all()
    assert fills
    assert ended
    assert set(reader.fills) == fills
    assert set(reader.ends) == ended
    assert {*reader.fills.values(), *reader.ends.values()} == {1}


async def run_in_order(work: list[Any]) -> None:
    for one in work:
        await one


async def test_what_is_missed_is_bounded(floor: Floor, reader: Reader, monkeypatch) -> None:
    monkeypatch.setattr(missed, "MISSED_MAX", 3)
    await floor.open()
    await reader.connect()
    await reader.read(1)
    await reader.cut()
    for _ in range(5):
        await floor.run(sell(floor.market, floor.bob, 50, 100))
        await floor.run(buy(floor.market, floor.alice, 50, 100))
    await reader.connect()
    await reader.read(1)
    assert (len(reader.fills), len(reader.ends), reader.has_more) == (3, 3, True)


async def test_a_place_of_another_account_or_none_at_all_is_refused(
    floor: Floor, site: Site, make_key
) -> None:
    _, secret = await make_key(floor.alice)
    client = await site.connect(additional_headers={"X-API-Key": secret})
    foreign = encode_place(StreamPlace(floor.bob.pk, missed.LATE_US, {}))
    for place in (foreign, "nonsense", "ä", encode_place(StreamPlace(floor.alice.pk, -1, {}))):
        await client.send("subscribe", channels=["me"], resume=place)
        error = await client.get_error()
        assert (error["code"], error["field"]) == ("invalid_value", "resume")
    await client.send("subscribe", channels=["ticker"], markets="all", resume=foreign)
    assert (await client.get_error())["field"] == "resume"


def test_a_place_is_read_as_it_was_written() -> None:
    place = StreamPlace(7, missed.LATE_US + 5, {3: 9, 2**40: 2**50})
    assert decode_place(encode_place(place), 7) == place
