"""The web side of the order path: sends commands to their engines and awaits the answers.

One gateway per process and event loop. Tasks of one loop iteration share one message per shard.
Waiting is bounded: too many pending tasks raise Overloaded, an engine without heartbeats EngineAway
at once, a missing answer TimedOut. After that a task may still have been executed: sent again with
its key it gets its first answer and is not repeated.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

import msgspec
import structlog
from asgiref.sync import async_to_sync
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import connection

from kernel.breaker import REDIS_AWAY
from kernel.database_clock import database_now_us
from kernel.metrics import COMMAND_SECONDS
from markets.models import Market
from trading.models import Lease
from trading.pipeline.lease import LEASE_SECONDS
from trading.pipeline.messages import (
    HEARTBEAT_GROUP,
    HEARTBEAT_LOST_SECONDS,
    Answer,
    Heartbeat,
    Result,
    Task,
    decode_answers,
    decode_heartbeat,
    encode,
)

log = structlog.get_logger(__name__)

TASKS_MAX: Final = 20_000
"""Pending tasks per process."""
ANSWER_SECONDS: Final = 5.0
FIRST_HEARTBEAT_SECONDS: Final = 1.0
LISTEN_AGAIN_SECONDS: Final = 0.5


class EngineAway(Exception):  # noqa: N818 - a state of the exchange, not the caller's error
    """The shard's engine sends no heartbeats; nothing was sent."""

    def __init__(self, retry_after_seconds: int = 1) -> None:
        super().__init__("the matching engine is away")
        self.retry_after_seconds = retry_after_seconds


class Overloaded(Exception):  # noqa: N818
    """Too many tasks are pending; nothing was sent."""

    def __init__(self, retry_after_seconds: int = 1) -> None:
        super().__init__("too many commands are under way")
        self.retry_after_seconds = retry_after_seconds


class TimedOut(Exception):  # noqa: N818
    """No answer came in time: the outcome is unknown."""


class MarketUnknown(Exception):  # noqa: N818
    """There is no such market."""


class _Waiter:
    """Collects the answers to one call of `send`. `engines` are the epochs that it was sent to."""

    __slots__ = ("answers", "done", "engines", "left")

    def __init__(self, count: int, done: asyncio.Future[None], engines: dict[int, int]) -> None:
        self.engines = engines
        self.answers: list[Answer | None] = [None] * count
        self.left = count
        self.done = done


class Gateway:
    """Sends tasks of this event loop to their engines."""

    def __init__(self) -> None:
        self.layer: Any = get_channel_layer()
        self.engines: dict[int, tuple[Heartbeat, float]] = {}
        self.heard = asyncio.Event()
        self._shards: dict[int, int] = {}
        self._waiting: dict[int, tuple[_Waiter, int]] = {}
        self._outboxes: dict[int, list[Task]] = {}
        self._last_ticket = 0
        self._reply_channel = ""
        self._listeners: list[asyncio.Task[None]] = []
        self._sending: set[asyncio.Task[None]] = set()
        self._starting = asyncio.Lock()
        self._listens_again_at = 0.0

    async def send(self, tasks: Sequence[Task]) -> list[Answer]:
        """Send tasks and return their answers in the same order.

        A task for every market of an account (`market_id` None) gives one answer per shard, at
        the end. Raises EngineAway, Overloaded, TimedOut, MarketUnknown.
        """
        answers = await self.send_each(tasks)
        for answer in answers:
            raise_fault(answer)
        return answers

    async def send_each(self, tasks: Sequence[Task]) -> list[Answer]:
        """Like `send`, but one task's fault does not affect the others: see `raise_fault`."""
        if not self._listeners:
            await self.start()
        routed: list[tuple[int, Task]] = []
        for task in tasks:
            shard = self._shards.get(task.market_id or 0)
            routed += await self._route(task) if shard is None else ((shard, task),)
        if len(self._waiting) + len(routed) > TASKS_MAX:
            raise Overloaded
        epochs = {shard: self._alive_epoch(shard) for shard, _ in routed}
        loop = asyncio.get_running_loop()
        waiter = _Waiter(len(routed), loop.create_future(), epochs)
        tickets = [self._post(shard, task, waiter, i) for i, (shard, task) in enumerate(routed)]
        sent_at = time.perf_counter()
        # asyncio.timeout would cost more per order than all of the above.
        bound = loop.call_later(ANSWER_SECONDS, _give_up, (waiter,))
        try:
            await waiter.done
        finally:
            bound.cancel()
            COMMAND_SECONDS.observe(time.perf_counter() - sent_at)
            for ticket in tickets:
                self._waiting.pop(ticket, None)
        return [_checked(answer) for answer in waiter.answers if answer is not None]

    async def close(self) -> None:
        for listener in self._listeners:
            listener.cancel()
        await asyncio.gather(*self._listeners, return_exceptions=True)
        self._listeners.clear()

    @property
    def is_listening(self) -> bool:
        return bool(self._listeners)

    def is_away(self, shard: int) -> bool:
        """Return whether the shard's engine has sent no heartbeat for too long."""
        seen = self.engines.get(shard)
        if seen is None or not seen[0].channel:
            return True
        return time.monotonic() - seen[1] > HEARTBEAT_LOST_SECONDS

    # Sending

    async def _route(self, task: Task) -> list[tuple[int, Task]]:
        """Return the shards for a task; one for all shards gets a receipt in each."""
        if task.market_id is None:
            return [
                (shard, msgspec.structs.replace(task, key=task.key and f"{task.key}/{shard}"))
                for shard in range(settings.ENGINE_SHARDS)
            ]
        shard = self._shards.get(task.market_id)
        if shard is None:
            shard = await _find_shard(task.market_id)
            self._shards[task.market_id] = shard
        return [(shard, task)]

    def _post(self, shard: int, task: Task, waiter: _Waiter, index: int) -> int:
        self._last_ticket += 1
        ticket = task.ticket = self._last_ticket
        self._waiting[ticket] = (waiter, index)
        outbox = self._outboxes.get(shard)
        if outbox is None:
            self._outboxes[shard] = [task]
            asyncio.get_running_loop().call_soon(self._flush, shard)
        else:
            outbox.append(task)
        return ticket

    def _flush(self, shard: int) -> None:
        tasks = self._outboxes.pop(shard)
        channel = self.engines[shard][0].channel
        message = {
            "type": "engine.tasks",
            "reply_channel": self._reply_channel,
            "data": encode(tasks),
        }
        tickets = [task.ticket for task in tasks]
        sending = asyncio.create_task(self._send(channel, message, tickets))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)

    async def _send(self, channel: str, message: dict[str, Any], tickets: list[int]) -> None:
        try:
            await self.layer.send(channel, message)
        except REDIS_AWAY as fault:
            log.warning("tasks_lost", because=str(fault))
            found = (self._waiting.get(ticket) for ticket in tickets)
            _give_up({waiting[0] for waiting in found if waiting is not None})

    def _alive_epoch(self, shard: int) -> int:
        if self.is_away(shard):
            raise EngineAway
        return self.engines[shard][0].epoch

    # Listening

    async def start(self) -> None:
        """Start listening; `send` does so implicitly."""
        async with self._starting:
            if self._listeners:
                return
            beats = await self._open_channels()
            for heartbeat in await _read_leases():
                self._hear(heartbeat)
            self._listeners = [
                asyncio.create_task(self._listen_to_answers()),
                asyncio.create_task(self._listen_to_heartbeats(beats)),
            ]
            if len(self.engines) < settings.ENGINE_SHARDS:
                await self._wait_for_first()

    async def _open_channels(self) -> str:
        """Open the channel for answers; return the one for heartbeats. Raises EngineAway."""
        if time.monotonic() < self._listens_again_at:
            raise EngineAway
        try:
            self._reply_channel = await self.layer.new_channel("web.")
            beats: str = await self.layer.new_channel("beats.")
            await self.layer.group_add(HEARTBEAT_GROUP, beats)
        except REDIS_AWAY as fault:
            log.warning("gateway_waits_for_redis", because=str(fault))
            self._listens_again_at = time.monotonic() + LISTEN_AGAIN_SECONDS
            raise EngineAway from None
        return beats

    async def _wait_for_first(self) -> None:
        try:
            async with asyncio.timeout(FIRST_HEARTBEAT_SECONDS):
                await self.heard.wait()
        except TimeoutError:
            return

    async def _listen_to_answers(self) -> None:
        while True:
            message = await self.layer.receive(self._reply_channel)
            for answer in decode_answers(message["data"]):
                self._resolve(answer)

    def _resolve(self, answer: Answer) -> None:
        waiting = self._waiting.pop(answer.ticket, None)
        if waiting is None:
            return
        waiter, index = waiting
        waiter.answers[index] = answer
        waiter.left -= 1
        if not waiter.left and not waiter.done.done():
            waiter.done.set_result(None)

    async def _listen_to_heartbeats(self, channel: str) -> None:
        while True:
            message = await self.layer.receive(channel)
            self._hear(decode_heartbeat(message["data"]))

    def _hear(self, heartbeat: Heartbeat) -> None:
        seen = self.engines.get(heartbeat.shard)
        if seen is not None and heartbeat.epoch < seen[0].epoch:
            return
        self.engines[heartbeat.shard] = (heartbeat, time.monotonic())
        if seen is not None and heartbeat.epoch > seen[0].epoch:
            self._give_up_on_former(heartbeat)
        if len(self.engines) >= settings.ENGINE_SHARDS:
            self.heard.set()

    def _give_up_on_former(self, heartbeat: Heartbeat) -> None:
        """Fail the tasks that a superseded engine has not answered and never will."""
        waiters = {waiter for waiter, _ in self._waiting.values()}
        shard, epoch = heartbeat.shard, heartbeat.epoch
        _give_up({waiter for waiter in waiters if waiter.engines.get(shard, epoch) < epoch})


def _give_up(waiters: Iterable[_Waiter]) -> None:
    for waiter in waiters:
        if not waiter.done.done():
            waiter.done.set_exception(TimedOut())


def raise_fault(answer: Answer) -> None:
    """Raise Overloaded or EngineAway if the worker did nothing for that reason."""
    if answer.status == "overloaded":
        raise Overloaded
    if answer.status == "retry":
        raise EngineAway


def _checked(answer: Answer) -> Answer:
    """Restore the original answer from a repeated one."""
    if answer.status == "repeated":
        assert isinstance(answer.result, Result)
        answer.status = "done"
        answer.result.repeated = True
    return answer


def _find_shard_now(market_id: int) -> int:
    shard = Market.objects.filter(id=market_id).values_list("shard", flat=True).first()
    if shard is None:
        raise MarketUnknown
    return int(shard)


def _read_leases_now() -> list[Heartbeat]:
    """Return heartbeats of the engines that are alive according to the database."""
    alive_since_us = database_now_us() - LEASE_SECONDS * 1_000_000
    leases = Lease.objects.filter(renewed_at_us__gte=alive_since_us, loaded_at_us__gt=0)
    leases = leases.exclude(channel="")
    return [Heartbeat(row.shard, row.epoch, row.channel, row.renewed_at_us, 0) for row in leases]


# Not a plain sync_to_async: its thread would keep its connection open, even a dead one.
_find_shard = database_sync_to_async(_find_shard_now, thread_sensitive=False)
_read_leases = database_sync_to_async(_read_leases_now, thread_sensitive=False)


_gateways: WeakKeyDictionary[asyncio.AbstractEventLoop, Gateway] = WeakKeyDictionary()


def get_gateway() -> Gateway:
    """Return the gateway of the running event loop."""
    loop = asyncio.get_running_loop()
    gateway = _gateways.get(loop)
    if gateway is None:
        gateway = _gateways[loop] = Gateway()
    return gateway


def find_away() -> set[int]:
    """Return the shards without heartbeats in this process, if it listens to any."""
    running = [gateway for loop, gateway in list(_gateways.items()) if loop.is_running()]
    gateways = [gateway for gateway in running if gateway.is_listening]
    shards = range(settings.ENGINE_SHARDS)
    return {shard for shard in shards for gateway in gateways if gateway.is_away(shard)}


def give_back_connection() -> None:
    """Return this thread's database connection to the pool while it waits for the engine.

    Otherwise waiting requests could exhaust the pool and block the very reads that they wait for.
    """
    if not connection.in_atomic_block:
        connection.close()


def send_sync(tasks: Sequence[Task]) -> list[Answer]:
    """`Gateway.send` for code without an event loop: the admin, Celery, commands."""
    give_back_connection()
    answers: list[Answer] = async_to_sync(_send_once)(tasks)
    return answers


async def _send_once(tasks: Sequence[Task]) -> list[Answer]:
    """Use the server's gateway if there is one, else a temporary one."""
    gateway = _gateways.get(asyncio.get_running_loop())
    if gateway is not None:
        return await gateway.send(tasks)
    gateway = Gateway()
    try:
        return await gateway.send(tasks)
    finally:
        await gateway.close()
