"""Token buckets: request rates per account, and attempts per log-in.

A bucket is one number, the "theoretical arrival time" of GCRA (equal to a token bucket that starts
full): taking `cost` tokens moves it forward by cost / per_second, and is allowed while it stays
within burst / per_second of now. With REDIS_URL the numbers live in Redis and are updated by one
Lua script on Redis' clock, so they are exact across processes and hosts; the takes of one
event-loop tick are sent together. Without it, or while Redis is unreachable, they live in process.
"""

import asyncio
import hashlib
import ipaddress
import math
import threading
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import msgspec
import redis
import redis.asyncio
import structlog
from django.conf import settings

from kernel.breaker import REDIS_AWAY, REDIS_TIMEOUT_SECONDS, Breaker
from kernel.errors import too_many_requests

LOCAL_BUCKETS_MAX = 100_000
IPV6_PREFIX = 64
KNOWN_US = 30 * 24 * 3600 * 1_000_000  # how long a log-in's address stays known

log = structlog.get_logger(__name__)


class Rate(NamedTuple):
    per_second: float
    burst: int


class Take(NamedTuple):
    key: str
    cost_us: int  # how far the bucket's time moves
    burst_us: int  # how far it may be ahead of now


class Taken(NamedTuple):
    wait_us: int  # 0: allowed
    ahead_us: int  # how far the bucket is ahead of now, after the take


async def take(subject: int | str, bucket: str, rate: Rate, cost: int = 1) -> float | None:
    """Take `cost` tokens; None when allowed, else the seconds to wait."""
    return _seconds(await _take_one(_build_take(subject, bucket, rate, cost)))


def take_sync(subject: int | str, bucket: str, rate: Rate, cost: int = 1) -> float | None:
    """`take` for sync code."""
    return _seconds(_take_all_sync([_build_take(subject, bucket, rate, cost)])[0])


def count_remaining(subject: int | str, bucket: str, rate: Rate) -> int:
    """Return the number of whole tokens left in a bucket."""
    request = _build_take(subject, bucket, rate, 0)
    ahead_us = _take_all_sync([request])[0].ahead_us
    return max(0, math.floor((request.burst_us - ahead_us) * rate.per_second / 1_000_000))


def check_attempt(action: str, *, address: str, account: str = "") -> None:
    """Count an attempt at `action` (ATTEMPT_LIMITS) by address and account; 429 over the limit."""
    attempt = Attempt(action, address, account)
    is_known = attempt.counts_elsewhere and _take_all_sync([attempt.look_up()])[0].ahead_us > 0
    for take_ in attempt.build_takes(is_known=is_known):
        _refuse_when_over(_take_all_sync([take_])[0])


async def acheck_attempt(action: str, *, address: str, account: str = "") -> None:
    """`check_attempt` for async code."""
    attempt = Attempt(action, address, account)
    is_known = attempt.counts_elsewhere and (await _take_one(attempt.look_up())).ahead_us > 0
    for take_ in attempt.build_takes(is_known=is_known):
        _refuse_when_over(await _take_one(take_))


def forgive_attempt(action: str, *, address: str, account: str) -> None:
    """Refund the account's attempt after a success, and remember the address as a known one."""
    attempt = Attempt(action, address, account)
    is_known = attempt.counts_elsewhere and _take_all_sync([attempt.look_up()])[0].ahead_us > 0
    takes = attempt.build_takes(is_known=is_known, but="address")
    given_back = [take_._replace(cost_us=-take_.cost_us) for take_ in takes]
    _take_all_sync([*given_back, *([attempt.remember()] if attempt.counts_elsewhere else [])])


@lru_cache(maxsize=4096)
def find_network(address: str) -> str:
    """Return what limits by address count: for IPv6 the /64, which a single client controls."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if ip.version == 4:
        return address
    return str(ipaddress.ip_network((ip, IPV6_PREFIX), strict=False))


def reset() -> None:
    """Make every bucket full again, here and in Redis (tests)."""
    _breaker.note_answer()
    _local.clear()
    if settings.REDIS_URL:
        client = _sync_client(settings.REDIS_URL)
        for key in client.scan_iter(f"{settings.REDIS_PREFIX}:limit:*"):
            client.delete(key)


class Attempt:
    """One attempt by an address on an account, and the buckets that it takes from.

    A past log-in from the address is a bucket too: it is remembered until that is full again.
    """

    def __init__(self, action: str, address: str, account: str) -> None:
        self.action, self.limits = action, settings.ATTEMPT_LIMITS[action]
        network, account = find_network(address), account.strip().lower()
        both = f"{network} {account}" if network and account else ""
        self.subjects = {
            "address": network,
            "account": account,
            "address_and_account": both,
            "account_elsewhere": account,
        }

    @property
    def counts_elsewhere(self) -> bool:
        return "account_elsewhere" in self.limits and bool(self.subjects["address_and_account"])

    def build_takes(self, *, is_known: bool, but: str = "") -> list[Take]:
        without = {but, "account_elsewhere" if is_known else ""}
        return [
            self._build(kind, *bound)
            for kind, bound in self.limits.items()
            if self.subjects[kind] and kind not in without
        ]

    def look_up(self) -> Take:
        return self.remember()._replace(cost_us=0)

    def remember(self) -> Take:
        both = self.subjects["address_and_account"]
        # A second log-in extends the time, to twice as long at most.
        return Take(f"{self.action}:known:{both}", KNOWN_US, 2 * KNOWN_US)

    def _build(self, kind: str, count: int, seconds: int) -> Take:
        rate = Rate(count / seconds, count)
        return _build_take(f"{kind}:{self.subjects[kind]}", self.action, rate, 1)


def _build_take(subject: int | str, bucket: str, rate: Rate, cost: int) -> Take:
    token_us = 1_000_000 / rate.per_second
    # A cost above the bucket's size could never be allowed: such a request empties it instead.
    cost_us = math.ceil(min(cost, rate.burst) * token_us)
    return Take(f"{bucket}:{subject}", cost_us, math.ceil(rate.burst * token_us))


async def _take_one(take_: Take) -> Taken:
    return await _tick_batch().take(take_) if _redis_is_used() else _local.take([take_])[0]


def _seconds(taken: Taken) -> float | None:
    return taken.wait_us / 1_000_000 if taken.wait_us > 0 else None


def _refuse_when_over(taken: Taken) -> None:
    if taken.wait_us > 0:
        raise too_many_requests(taken.wait_us / 1_000_000)


class _LocalBuckets:
    """The buckets of one process, shared by its threads under a lock."""

    def __init__(self) -> None:
        self._spent_until: dict[str, int] = {}
        self._lock = threading.Lock()

    def take(self, takes: Sequence[Take]) -> list[Taken]:
        now = time.monotonic_ns() // 1_000
        with self._lock:
            return [self._take_one(take, now) for take in takes]

    def clear(self) -> None:
        with self._lock:
            self._spent_until.clear()

    def _take_one(self, take: Take, now: int) -> Taken:
        ahead_us = max(0, self._spent_until.get(take.key, 0) - now)
        wait_us = ahead_us + take.cost_us - take.burst_us
        if take.cost_us > 0 and wait_us > 0:
            return Taken(wait_us, ahead_us)
        if len(self._spent_until) >= LOCAL_BUCKETS_MAX:
            self._drop_full_buckets(now)
        self._spent_until[take.key] = now + ahead_us + take.cost_us
        return Taken(0, max(0, ahead_us + take.cost_us))

    def _drop_full_buckets(self, now: int) -> None:
        kept = {key: until for key, until in self._spent_until.items() if until > now}
        self._spent_until = kept if len(kept) < LOCAL_BUCKETS_MAX else {}


_local = _LocalBuckets()

# ARGV[1], msgpack: each bucket's key, cost and burst in microseconds. Returns a list of
# {wait, ahead}. A single argument, because the client spends microseconds on each.
_SCRIPT = """
local takes = cmsgpack.unpack(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answers = {}
for i = 1, #takes / 3 do
  local key, cost, burst = takes[3 * i - 2], takes[3 * i - 1], takes[3 * i]
  local ahead = math.max(0, tonumber(redis.call('GET', key) or 0) - now)
  local wait = ahead + cost - burst
  if cost > 0 and wait > 0 then
    answers[2 * i - 1], answers[2 * i] = wait, ahead
  else
    ahead = math.max(0, ahead + cost)
    if cost ~= 0 then
      local expires = math.floor(ahead / 1000) + 1
      redis.call('SET', key, string.format('%.0f', now + ahead), 'PX', expires)
    end
    answers[2 * i - 1], answers[2 * i] = 0, ahead
  end
end
return answers
"""


_SCRIPT_SHA = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()


def _encode_takes(takes: Sequence[Take]) -> bytes:
    prefix = f"{settings.REDIS_PREFIX}:limit:"
    flat: list[str | int] = []
    for take_ in takes:
        flat += (prefix + take_.key, take_.cost_us, take_.burst_us)
    return msgspec.msgpack.encode(flat)


def _read_answers(answers: list[int]) -> list[Taken]:
    return [Taken(*answers[i : i + 2]) for i in range(0, len(answers), 2)]


_breaker = Breaker()


def _redis_is_used() -> bool:
    return bool(settings.REDIS_URL) and _breaker.allows()


def _note_redis_away(fault: Exception) -> None:
    """Log the fallback: limits are counted per process, less strict but never off or an error."""
    _breaker.note_fault()
    log.warning("limits_counted_in_process", fault=str(fault))


@lru_cache(maxsize=1)
def _sync_client(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url,
        socket_timeout=REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
    )


def _take_all_sync(takes: Sequence[Take]) -> list[Taken]:
    if not _redis_is_used():
        return _local.take(takes)
    try:
        client = _sync_client(settings.REDIS_URL)
        answers: Any = client.eval(_SCRIPT, 0, _encode_takes(takes))
    except redis.RedisError as fault:
        _note_redis_away(fault)
        return _local.take(takes)
    _breaker.note_answer()
    return _read_answers(answers)


class _TickBatch:
    """Batches the takes of one event-loop tick into one script call."""

    def __init__(self, url: str) -> None:
        self._client: Any = redis.asyncio.Redis.from_url(
            url,
            socket_timeout=REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
        )
        self._waiting: list[tuple[Take, asyncio.Future[Taken]]] = []
        self._flushes: set[asyncio.Task[None]] = set()

    async def take(self, take: Take) -> Taken:
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._start_flush)
        self._waiting.append((take, answer))
        return await answer

    def _start_flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        flush = asyncio.get_running_loop().create_task(self._flush(waiting))
        self._flushes.add(flush)
        flush.add_done_callback(self._flushes.discard)

    async def _flush(self, waiting: list[tuple[Take, "asyncio.Future[Taken]"]]) -> None:
        takes = [take for take, _ in waiting]
        try:
            taken = _read_answers(await self._run(_encode_takes(takes)))
            _breaker.note_answer()
        except REDIS_AWAY as fault:
            _note_redis_away(fault)
            taken = _local.take(takes)
        for (_, answer), result in zip(waiting, taken, strict=True):
            if not answer.done():
                answer.set_result(result)

    async def _run(self, encoded: bytes) -> Any:
        try:
            return await self._client.evalsha(_SCRIPT_SHA, 0, encoded)
        except redis.exceptions.NoScriptError:
            return await self._client.eval(_SCRIPT, 0, encoded)


_tick_batches: "WeakKeyDictionary[asyncio.AbstractEventLoop, _TickBatch]" = WeakKeyDictionary()


def _tick_batch() -> _TickBatch:
    loop = asyncio.get_running_loop()
    batch = _tick_batches.get(loop)
    if batch is None:
        batch = _tick_batches[loop] = _TickBatch(settings.REDIS_URL)
    return batch


def refuse_over_limit(retry_after_seconds: float | None) -> None:
    """Raise the 429 for a take that was not allowed."""
    if retry_after_seconds is not None:
        raise too_many_requests(retry_after_seconds)
