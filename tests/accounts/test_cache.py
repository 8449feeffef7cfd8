"""The caches on the order path: fresh, shared, and never behind a commit."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from kernel.breaker import REDIS_TIMEOUT_SECONDS, RETRY_SECONDS
from kernel.cache import FreshCache, SharedRead
from tests.servers import freeze, thaw
from web.hint_cache import HintCache

# The reads run in threads that tidy up their database connections.
pytestmark = pytest.mark.django_db(transaction=True)


class Clock:
    """Replaces `time`; tests advance it."""

    now = 1_000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("kernel.cache.time", clock)
    return clock


async def end_reads(cache):
    await asyncio.gather(*cache._pending.values())


async def test_a_miss_is_looked_up_once_for_all_waiters():
    looked_up = []

    def look_up(key):
        looked_up.append(key)
        time.sleep(0.05)
        return key.upper()

    cache = FreshCache(look_up, seconds=60)
    assert await asyncio.gather(*(cache.get("a") for _ in range(20))) == ["A"] * 20
    assert cache.get_sync("a") == "A"
    assert looked_up == ["a"]


async def test_what_was_not_found_is_looked_up_again():
    rows: dict[str, int] = {}
    cache = FreshCache(rows.get, seconds=60)
    assert await cache.get("a") is None
    rows["a"] = 1
    assert await cache.get("a") == 1


async def test_a_value_is_kept_no_longer_than_said(clock):
    numbers = iter(range(10))
    cache: FreshCache[str, int] = FreshCache(lambda _: next(numbers) + 1, seconds=1)
    assert (await cache.get("a"), await cache.get("a")) == (1, 1)
    clock.now += 0.99
    assert cache.find_fresh("a") == 1
    clock.now += 0.01
    assert cache.find_fresh("a") is None
    assert await cache.get("a") == 2


async def test_a_value_in_use_is_renewed_before_any_caller_has_to_wait(clock):
    numbers = iter(range(10))
    cache: FreshCache[str, int] = FreshCache(lambda _: next(numbers) + 1, seconds=1)
    assert await cache.get("a") == 1
    clock.now += 0.6
    assert await cache.get("a") == 1  # and it is looked up again meanwhile
    await end_reads(cache)
    assert cache.find_fresh("a") == 2
    clock.now += 0.6
    assert cache.find_fresh("a") == 2  # the first one's time is over


async def test_what_is_gone_is_forgotten_as_soon_as_that_is_known(clock):
    rows = {"a": 1}
    cache = FreshCache(rows.get, seconds=1)
    assert await cache.get("a") == 1
    rows.clear()
    clock.now += 0.6
    assert await cache.get("a") == 1
    await end_reads(cache)
    assert cache.find_fresh("a") is None


def test_heavy_look_ups_run_in_one_thread_and_waiting_is_bounded():
    started, go_on = threading.Event(), threading.Event()

    def read(key):
        started.set()
        go_on.wait(5)
        return key

    cache = FreshCache(read, seconds=60)
    with ThreadPoolExecutor() as threads:
        first = threads.submit(cache.get_alone, "a", wait_seconds=5)
        started.wait(5)
        second = threads.submit(cache.get_alone, "b", wait_seconds=5)
        with pytest.raises(TimeoutError):
            cache.get_alone("c", wait_seconds=0.05)
        go_on.set()
        assert (first.result(5), second.result(5)) == ("a", "b")


async def test_an_error_is_everyones_and_is_not_kept():
    faults = iter([ValueError("first")])

    def look_up(key):
        for fault in faults:
            raise fault
        return key

    cache = FreshCache(look_up, seconds=60)
    answers = await asyncio.gather(cache.get("a"), cache.get("a"), return_exceptions=True)
    assert [type(answer) for answer in answers] == [ValueError, ValueError]
    assert await cache.get("a") == "a"


async def test_a_shared_read_begins_after_it_was_asked_for():
    version, started, go_on = [0], threading.Event(), threading.Event()

    def read(key):
        seen = version[0]
        started.set()
        go_on.wait(5)
        return seen

    shared = SharedRead(read)
    first = asyncio.create_task(shared.get("a"))
    await asyncio.to_thread(started.wait, 5)
    version[0] = 1  # a commit after the first read began
    later = [asyncio.create_task(shared.get("a")) for _ in range(10)]
    await asyncio.sleep(0.01)
    go_on.set()
    assert await first == 0
    assert await asyncio.gather(*later) == [1] * 10
    assert await shared.get("a") == 1
    assert not shared._running
    assert not shared._next


async def test_a_shared_read_that_fails_does_not_stop_the_next():
    faults = iter([OSError("away")])

    def read(key):
        for fault in faults:
            raise fault
        return "fine"

    shared = SharedRead(read)
    answers = await asyncio.gather(shared.get("a"), shared.get("a"), return_exceptions=True)
    assert isinstance(answers[0], OSError)
    assert answers[1] == "fine"


async def test_a_caller_who_gives_up_does_not_take_the_read_from_the_others():
    def read(key):
        time.sleep(0.05)
        return key

    shared = SharedRead(read)
    tasks = [asyncio.create_task(shared.get("a")) for _ in range(3)]
    await asyncio.sleep(0.01)
    tasks[0].cancel()
    tasks[1].cancel()
    assert await tasks[2] == "a"


def test_djangos_cache_goes_on_in_process_while_redis_is_away_or_hangs(redis_server):
    cache = HintCache(redis_server.url, {"KEY_PREFIX": "t"})
    cache.set("known", 1)
    assert (cache.get("known"), cache.add("known", 2)) == (1, False)
    freeze(redis_server.child.pid)
    began = time.monotonic()
    assert cache.get("known") is None
    for count in range(20):  # only the first one waited
        cache.set(f"new-{count}", count)
    assert time.monotonic() - began < 2 * REDIS_TIMEOUT_SECONDS
    assert (cache.get("new-3"), cache.add("new-3", 0)) == (3, False)
    thaw(redis_server.child.pid)
    time.sleep(RETRY_SECONDS)
    assert cache.get("known") == 1
    redis_server.kill()
    assert cache.get("known") is None
    assert cache.get("new-3") == 3
