"""The engine's process: a Channels worker that receives, commits, answers and publishes.

One `ShardWorker` per shard. Its event loop only moves messages; a dedicated thread executes the
batches, so tasks that arrive while a batch commits form the next one (group commit). The books live
in that thread's `Shard`, not in a consumer. An engine without the lease waits as a standby.
"""

import asyncio
import os
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, TypeVar

import structlog
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from channels.worker import Worker
from django.db import connection
from psycopg.errors import LockNotAvailable

from kernel import bulk
from kernel.breaker import REDIS_AWAY
from kernel.clock import now_us
from kernel.database import DATABASE_AWAY, DATABASE_FAULTS
from kernel.ids import new_id
from kernel.metrics import COMMANDS, LEASE_CHANGES, LEASE_HELD
from trading.pipeline import lease
from trading.pipeline.counting import name_command
from trading.pipeline.messages import (
    FEED_GROUP,
    HEARTBEAT_GROUP,
    HEARTBEAT_SECONDS,
    Heartbeat,
    Task,
    decode_tasks,
    encode,
)
from trading.pipeline.shard import BATCH_TASKS_MAX, Committed, EncodedAnswer, Shard
from trading.pipeline.writer import FIRES_MAX, LeaseLostError

log = structlog.get_logger(__name__)

STANDBY_SECONDS: Final = 0.4
RENEW_SECONDS: Final = 1.0
LATE_SECONDS: Final = 1.2
"""A lease not renewed for so long is renewed outside the engine's thread."""
FIRE_AGAIN_SECONDS: Final = 0.25
"""How long triggered orders wait that could not be fired: their accounts are locked elsewhere."""
STALLED_SECONDS: Final = 3.0
"""An engine thread silent for so long is not announced as alive."""
QUEUE_TASKS_MAX: Final = 50_000
OUTBOX_MAX: Final = 1_000
"""With more unsent commits than this the engine waits."""

SESSION_FAULTS: Final = (LeaseLostError, *DATABASE_AWAY)
"""Failures that end an engine's ownership: it drops its memory and waits for the lease."""

Done = tuple[list[tuple[str, EncodedAnswer]], bytes | None]
"""Channels with replies to their tasks, and the publication, of one commit."""
Returned = TypeVar("Returned")


class ShardWorker(Worker):
    """Serves one shard while it owns its lease, and waits for the lease while it does not."""

    def __init__(self, shard: int, channel_layer: Any) -> None:
        super().__init__(application=None, channels=[], channel_layer=channel_layer)
        self.number = shard
        self.owner = f"{socket.gethostname()}/{os.getpid()}/{new_id()[-8:]}"
        self.thread = ThreadPoolExecutor(1, thread_name_prefix=f"engine-{shard}")
        self.shard: Shard | None = None
        self.queue: deque[tuple[str, Task]] = deque()
        self.arrived = asyncio.Event()
        self.outbox: asyncio.Queue[Done] = asyncio.Queue()
        self.is_serving = False
        self.committed_at_us = 0
        self.active_at = 0.0
        self.renewed_at = 0.0
        self.channel = ""

    async def handle(self) -> None:
        """Wait for the lease and serve the shard, repeatedly, until cancelled."""
        try:
            while True:
                await self._stand_by()
                await self._own()
        finally:
            await asyncio.shield(self._leave())

    async def _stand_by(self) -> None:
        """Wait for the lease, then load the books."""
        LEASE_HELD.set(0, self.number)
        for change in ("taken", "lost"):
            LEASE_CHANGES.add(self.number, change, by=0)
        self.channel = await self._open_channel()
        while True:
            try:
                epoch = await self._in_thread(self._acquire)
                if epoch is not None:
                    self.shard = Shard(self.number, epoch)
                    async with self._lease_kept():
                        await self._in_thread(self._load)
                    LEASE_HELD.set(1, self.number)
                    LEASE_CHANGES.add(self.number, "taken")
                    log.info("engine_started", shard=self.number, epoch=epoch)
                    return
            except DATABASE_FAULTS as fault:
                log.warning("engine_waits_for_database", shard=self.number, because=str(fault))
                await self._in_thread(_close_connection)
            await asyncio.sleep(STANDBY_SECONDS)

    async def _open_channel(self) -> str:
        while True:
            try:
                name: str = await self.channel_layer.new_channel(f"engine{self.number}.")
                return name
            except REDIS_AWAY as fault:
                log.warning("engine_waits_for_redis", shard=self.number, because=str(fault))
                await asyncio.sleep(STANDBY_SECONDS)

    def _acquire(self) -> int | None:
        return lease.acquire(self.number, owner=self.owner, channel=self.channel)

    def _load(self) -> None:
        assert self.shard is not None
        self.shard.load()
        lease.note_loaded(self.number, self.shard.epoch)

    async def _own(self) -> None:
        """Serve until the lease or the database session is lost."""
        self.active_at = time.monotonic()
        self.is_serving = True
        parts = [
            asyncio.create_task(part)
            for part in (self._serve(), self._listen(), self._send(), self._beat())
        ]
        try:
            async with self._lease_kept():
                ended, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in ended:  # an engine that cannot listen or answer must not appear alive
                part.result()
        except SESSION_FAULTS as fault:
            LEASE_CHANGES.add(self.number, "lost")
            log.warning("engine_stops", shard=self.number, because=str(fault))
            await self._in_thread(_close_connection)
        finally:
            self.is_serving = False
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
            await self._in_thread(self.queue.clear)

    async def _serve(self) -> None:
        run_batches = partial(self._run_batches, asyncio.get_running_loop())
        while True:
            if not self.queue:
                self.arrived.clear()
                due_at = self.renewed_at + RENEW_SECONDS
                await _wait(self.arrived, min(due_at - time.monotonic(), self._find_pause()))
            if time.monotonic() - self.renewed_at >= RENEW_SECONDS:
                await self._in_thread(self._renew)
                self.renewed_at = self.active_at = time.monotonic()
            if self.outbox.qsize() > OUTBOX_MAX:
                await self.outbox.join()
            if self.queue or self._has_due():
                await self._in_thread(run_batches)

    def _has_due(self) -> bool:
        """Return whether triggered orders are to be fired, tasks or no tasks."""
        return self.shard is not None and bool(self.shard.due)

    def _find_pause(self) -> float:
        """Return how long to wait for tasks at most: what can't be fired is tried again later."""
        if not self._has_due():
            return RENEW_SECONDS
        assert self.shard is not None
        return FIRE_AGAIN_SECONDS if self.shard.is_stuck else 0

    def _run_batches(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run batches until the queue is empty or the lease is due for renewal.

        The thread loops by itself, because waking it for each batch costs a fifth of the batch's
        time. Only it takes from the queue's front, and only the event loop appends.
        """
        until = self.renewed_at + RENEW_SECONDS
        is_first = True
        while self.is_serving and time.monotonic() < until:
            # Without tasks what is due is fired once: if it can't be, others have its accounts.
            if not self.queue and not (is_first and self._has_due()):
                return
            is_first = False
            if self.outbox.qsize() > OUTBOX_MAX:
                return
            count = min(len(self.queue), BATCH_TASKS_MAX)
            taken = [self.queue.popleft() for _ in range(count)]
            done, left = self._run_batch(taken)
            self.queue.extendleft(reversed(left))
            self.active_at = time.monotonic()
            for one in done:
                loop.call_soon_threadsafe(self.outbox.put_nowait, one)

    def _run_batch(
        self, taken: list[tuple[str, Task]]
    ) -> tuple[list[Done], list[tuple[str, Task]]]:
        """Run a batch; when it fails, run its tasks one by one, so that one can't fail them all.

        What is due is then fired one by one too.
        """
        try:
            committed = self._run([task for _, task in taken])
        except Exception as fault:
            if _ends_ownership(fault):
                raise
            log.exception("batch_failed", shard=self.number, tasks=len(taken))
            return [*(self._run_alone(*one) for one in taken), *self._fire_alone()], []
        count = len(committed.replies)
        channels = [channel for channel, _ in taken[:count]]
        replies = list(zip(channels, committed.replies, strict=True))
        return [(replies, committed.publication)], taken[count:]

    def _run_alone(self, channel: str, task: Task) -> Done:
        try:
            committed = self._run([task], fires_max=0)
        except Exception as fault:
            if _ends_ownership(fault):
                raise
            log.exception("task_failed", shard=self.number, command=type(task.command).__name__)
            COMMANDS.add(name_command(task), "retry")
            return [(channel, EncodedAnswer(task.ticket, "retry"))], None
        # Without a reply it only cancelled orders of a group that was stopped elsewhere.
        replies = committed.replies or [EncodedAnswer(task.ticket, "retry")]
        return [(channel, replies[0])], committed.publication

    def _fire_alone(self) -> list[Done]:
        """Fire what is due order by order: one that fails is ended instead, and stops no other."""
        assert self.shard is not None
        done: list[Done] = []
        for _ in range(FIRES_MAX):
            if not self._has_due():
                break
            try:
                committed = self._run([], fires_max=1)
            except Exception as fault:
                if _ends_ownership(fault):
                    raise
                log.exception("fire_failed", shard=self.number, order=self.shard.firing)
                if not self.shard.give_up_firing():
                    break
                continue
            done.append(([], committed.publication))
            if self.shard.is_stuck:
                break
        return done

    def _run(self, tasks: list[Task], *, fires_max: int = FIRES_MAX) -> Committed:
        assert self.shard is not None
        committed = self.shard.run(tasks, fires_max=fires_max)
        self.committed_at_us = now_us()
        return committed

    def _renew(self) -> None:
        assert self.shard is not None
        epoch = self.shard.epoch
        alive = lease.renew(
            self.number,
            epoch,
            books_us=self.shard.find_latest_us(),
            committed_at_us=self.committed_at_us,
            queue_depth=len(self.queue),
        )
        if not alive:
            raise LeaseLostError(f"shard {self.number}: epoch {epoch} is over")

    @asynccontextmanager
    async def _lease_kept(self) -> AsyncIterator[None]:
        """Renew the lease through another session while the engine's thread is busy for long.

        Loading a million orders or closing their market takes longer than the lease's duration.
        """
        keeping = asyncio.create_task(self._keep_lease())
        try:
            yield
        finally:
            keeping.cancel()

    async def _keep_lease(self) -> None:
        if not bulk.is_postgresql():
            return  # there the engine's file lock decides
        while True:
            await asyncio.sleep(RENEW_SECONDS / 2)
            if time.monotonic() - self.renewed_at > LATE_SECONDS:
                await sync_to_async(self._renew_in_own_session, thread_sensitive=False)()

    def _renew_in_own_session(self) -> None:
        """Try to renew; a failure is noticed by the engine's own thread."""
        try:
            self._renew()
        except SESSION_FAULTS as fault:
            log.warning("lease_not_renewed", shard=self.number, because=str(fault))
        finally:
            connection.close()

    async def _listen(self) -> None:
        while True:
            message = await self.channel_layer.receive(self.channel)
            channel = message["reply_channel"]
            for task in decode_tasks(message["data"]):
                if len(self.queue) >= QUEUE_TASKS_MAX:
                    COMMANDS.add(name_command(task), "overloaded")
                    await self.outbox.put(
                        ([(channel, EncodedAnswer(task.ticket, "overloaded"))], None)
                    )
                else:
                    self.queue.append((channel, task))
            self.arrived.set()

    async def _send(self) -> None:
        """Answer, then publish, commit by commit. Clients recover what Redis loses."""
        while True:
            done = await self.outbox.get()
            try:
                await self._deliver(*done)
            finally:
                self.outbox.task_done()

    async def _deliver(
        self, replies: list[tuple[str, EncodedAnswer]], publication: bytes | None
    ) -> None:
        by_channel: dict[str, list[EncodedAnswer]] = {}
        for channel, reply in replies:
            by_channel.setdefault(channel, []).append(reply)
        for channel, mine in by_channel.items():
            message = {"type": "gateway.answers", "data": encode(mine)}
            await self._try(self.channel_layer.send(channel, message))
        if publication is not None:
            message = {"type": "feed.publication", "data": publication}
            await self._try(self.channel_layer.group_send(FEED_GROUP, message))

    async def _beat(self) -> None:
        """Send heartbeats while the engine's thread is alive."""
        while True:
            if time.monotonic() - self.active_at < STALLED_SECONDS:
                await self._announce(self.channel)
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _announce(self, channel: str) -> None:
        """Send a heartbeat with this engine's channel; an empty channel: it has stopped reading."""
        assert self.shard is not None
        seqs = {key: live.engine.seq for key, live in list(self.shard.markets.items())}
        beat = Heartbeat(self.number, self.shard.epoch, channel, now_us(), len(self.queue), seqs)
        message = {"type": "engine.heartbeat", "data": encode(beat)}
        await self._try(self.channel_layer.group_send(HEARTBEAT_GROUP, message))

    async def _try(self, sending: Any) -> None:
        try:
            await sending
        except REDIS_AWAY as fault:
            log.warning("message_lost", shard=self.number, because=str(fault))

    async def _in_thread(self, work: Callable[[], Returned]) -> Returned:
        return await asyncio.get_running_loop().run_in_executor(self.thread, work)

    async def _leave(self) -> None:
        """Release the lease, so that the next engine starts at once."""
        LEASE_HELD.set(0, self.number)
        if self.shard is not None:
            shard = self.shard
            await self._in_thread(lambda: lease.release(shard.number, shard.epoch))
            await self._announce("")
        await self._in_thread(_close_connection)
        self.thread.shutdown(wait=False)


def _close_connection() -> None:
    """Close the current thread's connection."""
    connection.close()


def _ends_ownership(fault: Exception) -> bool:
    """Return whether the lease or the session is lost; a lock timeout loses neither."""
    locked = isinstance(fault, LockNotAvailable) or isinstance(fault.__cause__, LockNotAvailable)
    return isinstance(fault, SESSION_FAULTS) and not locked


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass


async def run_worker(shards: list[int], *, stop: asyncio.Event) -> None:
    """Run the engines of these shards until `stop`; raise the first engine's failure."""
    layer = get_channel_layer()
    workers = [
        asyncio.create_task(ShardWorker(shard, layer).handle(), name=f"engine-{shard}")
        for shard in shards
    ]
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([stopping, *workers], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    for worker in workers:
        worker.cancel()
    results = await asyncio.gather(*workers, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result
