"""From the gateway through the worker's loop and back, in one event loop."""

import asyncio
import contextlib
import time

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.db import connection

from accounts.models import Account
from tests.trading import world
from tests.trading.world import CREDIT, buy, sell
from trading.engine.commands import CancelAll, Configure
from trading.engine.types import MarketStatus, OrderStatus
from trading.models import Order
from trading.pipeline import lease
from trading.pipeline.config import config_of
from trading.pipeline.gateway import EngineAway, Gateway, MarketUnknown, Overloaded
from trading.pipeline.messages import FEED_GROUP, Publication, Task, decode_publication
from trading.pipeline.shard import Shard
from trading.pipeline.worker import run_worker

pytestmark = pytest.mark.django_db(transaction=True)


@contextlib.asynccontextmanager
async def engine(*shards):
    stop = asyncio.Event()
    worker = asyncio.create_task(run_worker(list(shards) or [0], stop=stop))
    try:
        yield worker
    finally:
        stop.set()
        await worker


@pytest.fixture
async def gateway():
    gateway = Gateway()
    yield gateway
    await gateway.close()


@pytest.fixture
async def layer():
    layer = get_channel_layer()
    yield layer
    await layer.flush()


@sync_to_async
def make_world(accounts: int, *, credits: int = 10_000):
    return world.make_market(), [world.make_account(credits) for _ in range(accounts)]


async def open_market(gateway, market):
    config = await sync_to_async(config_of)(market)
    [answer] = await gateway.send([Task(0, market.id, Configure(MarketStatus.OPEN, config))])
    assert answer.status == "done"
    assert answer.result.reason is None


async def test_an_order_is_answered_after_its_commit(layer, gateway):
    market, [alice] = await make_world(1)
    async with engine():
        await open_market(gateway, market)
        [answer] = await gateway.send([buy(market, alice, 60, 1000)])
        row = await Order.objects.aget(id=answer.result.order.order_id)
        assert row.status == answer.result.order.status == OrderStatus.OPEN


async def test_32_concurrent_retries_of_one_client_order_id_make_one_order(layer, gateway):
    market, [alice] = await make_world(1)
    async with engine():
        await open_market(gateway, market)
        answers = await asyncio.gather(
            *(gateway.send([buy(market, alice, 60, 1000, key="order:a")]) for _ in range(32))
        )
    ids = {answer.result.order.order_id for [answer] in answers}
    assert len(ids) == 1
    assert sum(answer.result.repeated for [answer] in answers) == 31
    assert await Order.objects.acount() == 1


async def test_parallel_orders_on_one_balance_never_overdraw_it(layer, gateway):
    market, [alice, bob] = await make_world(2, credits=10_000)
    async with engine():
        await open_market(gateway, market)
        await gateway.send([sell(market, bob, 50, 1_000_000)])
        answers = await asyncio.gather(
            *(gateway.send([buy(market, alice, 50, 30_000)]) for _ in range(80))
        )
        taken = [answer for [answer] in answers if answer.result.reason is None]
        refused = [answer for [answer] in answers if answer.result.reason == "insufficient_funds"]
    account = await Account.objects.aget(id=alice.id)
    assert (len(taken), len(refused)) == (66, 14)
    assert account.available_micros == 10_000 * CREDIT - 66 * 150 * CREDIT


async def test_an_engine_that_is_not_there_is_named_at_once(layer, gateway):
    market, [alice] = await make_world(1)
    with pytest.raises(EngineAway):
        await gateway.send([buy(market, alice, 60, 1000)])


async def test_an_unknown_market_is_named(layer, gateway):
    _, [alice] = await make_world(1)
    async with engine():
        with pytest.raises(MarketUnknown):
            await gateway.send([Task(0, 999_999, CancelAll(alice.id))])


async def test_an_engine_that_stopped_is_followed_by_the_next_one(layer, gateway):
    market, [alice, bob] = await make_world(2)
    async with engine():
        await open_market(gateway, market)
        await gateway.send([sell(market, alice, 60, 1000)])
    async with engine():
        for _ in range(50):
            with contextlib.suppress(EngineAway):
                [answer] = await gateway.send([buy(market, bob, 60, 1000)])
                break
            await asyncio.sleep(0.1)
    assert answer.result.order.filled_lots == 1000
    assert answer.result.seq == 3


async def test_an_engine_that_is_long_at_work_keeps_its_lease(layer, gateway, monkeypatch):
    """A standby takes a lease that is not renewed; a slow load must not lose it."""
    load = Shard.load

    def slow_load(shard):
        time.sleep(lease.LEASE_SECONDS + 1.5)
        load(shard)

    monkeypatch.setattr(Shard, "load", slow_load)
    await make_world(0)
    async with engine():
        await asyncio.sleep(lease.LEASE_SECONDS + 1)
        acquire = sync_to_async(lease.acquire)
        is_sqlite = connection.vendor == "sqlite"  # where the file lock keeps the second one out
        assert is_sqlite or await acquire(0, owner="standby", channel="none") is None


async def test_too_much_under_way_is_refused(layer, gateway, monkeypatch):
    monkeypatch.setattr("trading.pipeline.gateway.TASKS_MAX", 1)
    market, [alice] = await make_world(1)
    async with engine():
        with pytest.raises(Overloaded):
            await gateway.send([buy(market, alice, 60, 1000), buy(market, alice, 60, 1000)])


async def test_every_commit_is_published_with_the_sequence_it_started_from(layer, gateway):
    market, [alice, bob] = await make_world(2)
    channel = await layer.new_channel()
    await layer.group_add(FEED_GROUP, channel)
    async with engine():
        await open_market(gateway, market)
        await gateway.send([sell(market, alice, 60, 1000)])
        await gateway.send([buy(market, bob, 60, 400)])
        changes: list[Publication] = []
        while not changes or changes[-1].markets[0].seq < 3:
            message = await layer.receive(channel)
            changes.append(decode_publication(message["data"]))
    assert [(c.markets[0].prev_seq, c.markets[0].seq) for c in changes] == [(0, 1), (1, 2), (2, 3)]
    last = changes[-1]
    [level] = last.markets[0].levels
    assert (level.price_pips, level.bid_lots, level.ask_lots) == (6000, 0, 600)
    by_account = {change.account_id: change for change in last.accounts}
    assert by_account[bob.id].cash_micros == 10_000 * CREDIT - 240 * 10_000
    assert len(by_account[alice.id].fills) == len(by_account[bob.id].fills) == 1


async def test_cancel_all_asks_every_shard(layer, gateway):
    market, [alice] = await make_world(1)
    async with engine():
        await open_market(gateway, market)
        await gateway.send([buy(market, alice, 10, 100) for _ in range(5)])
        [answer] = await gateway.send([Task(0, None, CancelAll(alice.id), key="request:x")])
    assert len(answer.result.order_ids) == 5
