"""Inside one process: scheduler, gateway and engine, over the in-memory layer."""

import asyncio
import contextlib
import time
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.utils import timezone

from markets.models import Market
from tests.patience import PATIENCE_SECONDS
from tests.trading import world
from trading import tasks
from trading.actions import do_resolve_market
from trading.management.scheduler import run_scheduler
from trading.models import OutcomeStats
from trading.pipeline.gateway import get_gateway
from trading.pipeline.worker import run_worker
from trading.settlement import schedule

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def quick(monkeypatch):
    """Every task many times a second."""
    monkeypatch.setattr(schedule, "SECONDS", dict.fromkeys(schedule.SECONDS, 0.05))


@contextlib.asynccontextmanager
async def running():
    stop = asyncio.Event()
    parts = [
        asyncio.create_task(run_worker([0], stop=stop)),
        asyncio.create_task(run_scheduler(stop)),
    ]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*parts)
        await get_gateway().close()
        await get_channel_layer().flush()


async def until(condition, seconds=PATIENCE_SECONDS):
    give_up_at = time.monotonic() + seconds
    while not await sync_to_async(condition)():
        assert time.monotonic() < give_up_at, "it did not come to that"
        await asyncio.sleep(0.05)


def status_of(market):
    return Market.objects.get(pk=market.pk).status


async def test_a_market_lives_from_its_open_time_to_its_payment_by_itself(quick):
    market = await sync_to_async(world.make_market)(dispute_seconds=0)
    operator = await sync_to_async(world.make_user)(staff=True)
    async with running():
        opened = Market.objects.filter(pk=market.pk)
        await sync_to_async(opened.update)(open_at=timezone.now() - timedelta(seconds=1))
        await until(lambda: status_of(market) == "open")
        await until(lambda: OutcomeStats.objects.filter(market=market, seq=1).exists())
        await sync_to_async(opened.update)(
            open_at=None, close_at=timezone.now() - timedelta(seconds=1)
        )
        await until(lambda: status_of(market) == "closed")
        await sync_to_async(_resolve)(market, operator)
        await until(lambda: status_of(market) == "settled")


def _resolve(market, operator):
    do_resolve_market(market, by=operator, payout_pips=[10_000, 0], evidence_text="seen")


async def test_a_task_that_fails_comes_again_and_stops_no_other(quick, monkeypatch):
    calls = []

    def fail():
        calls.append("fail")
        raise ValueError("broken")

    monkeypatch.setattr(tasks, "open_due", fail)
    monkeypatch.setattr(tasks, "close_due", lambda: calls.append("close"))
    stop = asyncio.Event()
    scheduler = asyncio.create_task(run_scheduler(stop))
    while calls.count("fail") < 3 or calls.count("close") < 3:  # noqa: ASYNC110 - threads fill it
        await asyncio.sleep(0.01)
    stop.set()
    await asyncio.wait_for(scheduler, PATIENCE_SECONDS)


async def test_stopping_signals_long_work_to_stop_and_waits_for_it(quick, monkeypatch):
    ended = []

    def work_long():
        tasks.stopping.wait(20)
        ended.append(True)

    for name in schedule.SECONDS:
        monkeypatch.setattr(tasks, name, lambda: None)
    monkeypatch.setattr(tasks, "verify_nightly", work_long)
    stop = asyncio.Event()
    scheduler = asyncio.create_task(run_scheduler(stop))
    await asyncio.sleep(0.2)
    stop.set()
    await asyncio.wait_for(scheduler, PATIENCE_SECONDS)
    assert ended == [True]
