"""One socket's queue of frames, and the streams it follows. No I/O and no clock.

A socket that does not read costs a bounded queue. When that is full the queue is thrown away and
every stream in it is *due*: its frames are withheld until the socket has taken a fresh snapshot,
which is built when it is taken and never queued. So for any client the queued data is at
most QUEUE_BYTES_MAX. A new subscription begins with the snapshots of the moment in which it is
acknowledged, as far as they fit.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, Protocol

from kernel.metrics import FRAMES_DROPPED

QUEUE_BYTES_MAX: Final = 256 * 1024
QUEUE_FRAMES_MAX: Final = 1_000
OPENING_BYTES_MAX: Final = QUEUE_BYTES_MAX // 2
"""Bytes of snapshots that a subscription queues; the other half is for the frames after them."""
REPLIES_MAX: Final = 32
"""Above this a socket's messages are not read until it has read the replies to earlier ones."""


class Frame(NamedTuple):
    """A frame, serialised once: the ASGI message for every socket, and its length."""

    message: dict[str, Any]
    size: int


class Source(Protocol):
    """A source of frames that can always produce a current snapshot."""

    def snapshot(self) -> Frame | None:
        """Return everything up to the last frame; None while that is being loaded."""


class Watcher:
    """One socket's side of the feed. `user_id` decides what it may see; None is anonymous."""

    def __init__(self) -> None:
        self.user_id: int | None = None
        self.account_id: int | None = None
        self.named: dict[int, set[str]] = {}
        """Channels by market, as subscribed by name."""
        self.all_channels: set[str] = set()
        self.also_listed: frozenset[int] = frozenset()
        """Markets listed for this user but not publicly."""
        self.ended = False
        self._replies: deque[Frame] = deque()
        self._queue: deque[tuple[Source | None, Frame]] = deque()
        self._queue_bytes = 0
        self._due: dict[Source, None] = {}
        self._waiter: asyncio.Future[None] | None = None
        self._taken = asyncio.Event()

    # The feed's side

    def push(self, source: Source | None, frame: Frame) -> None:
        """Queue a frame of a stream, or withhold it until the stream's snapshot was taken."""
        if self.ended or source in self._due:
            return
        if self._queue and (
            len(self._queue) >= QUEUE_FRAMES_MAX or self._queue_bytes + frame.size > QUEUE_BYTES_MAX
        ):
            self._overflow()
            if source is not None:
                self._due[source] = None
            return
        self._queue.append((source, frame))
        self._queue_bytes += frame.size
        self.wake()

    def owe(self, source: Source) -> None:
        """(Re)start a stream: a snapshot, then its frames."""
        if self.ended:
            return
        self._drop(source)
        self._due[source] = None
        self.wake()

    def begin(
        self, answer: Frame, sources: Iterable[Source], resumed: Mapping[Source, Frame]
    ) -> None:
        """Acknowledge a subscription: everything from now on is in a frame of its streams.

        So their snapshots are made now. One that is made later would swallow what frames tell and
        snapshots don't: fills, and orders that have ended. `resumed` streams begin with a frame.
        """
        self.reply(answer)
        for source in sources:
            self.owe(source)
            frame = resumed.get(source) or source.snapshot()
            if frame is not None and self._has_room_for_opening(frame):
                del self._due[source]
                self.push(source, frame)

    def _has_room_for_opening(self, frame: Frame) -> bool:
        return not self._queue or (
            len(self._queue) < QUEUE_FRAMES_MAX // 2
            and self._queue_bytes + frame.size <= OPENING_BYTES_MAX
        )

    def forget(self, source: Source) -> None:
        """End a stream: none of its frames is sent any more."""
        self._drop(source)
        self._due.pop(source, None)

    def reply(self, frame: Frame) -> None:
        """Answer the client; answers overtake frames."""
        self._replies.append(frame)
        self.wake()

    def end(self) -> None:
        """Let the writer send pending replies, and stop."""
        self.ended = True
        self._queue.clear()
        self._due.clear()
        self.wake()

    def is_due(self, source: Source) -> bool:
        return source in self._due

    def wake(self) -> None:
        """Wake the writer, as there may be something to send."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    @property
    def subscriptions(self) -> int:
        return (
            sum(len(channels) for channels in self.named.values())
            + len(self.all_channels)
            + (self.account_id is not None)
        )

    # The writer's side

    def next(self) -> Frame | None:
        """Return what to send next; None if there is nothing."""
        if self._replies:
            self._taken.set()
            return self._replies.popleft()
        if self._queue:
            _, frame = self._queue.popleft()
            self._queue_bytes -= frame.size
            return frame
        for source in self._due:
            frame_now = source.snapshot()
            if frame_now is not None:
                self._due.pop(source, None)  # one that ends is not there any more
                return frame_now
        return None

    async def wait(self) -> None:
        """Return once there may be something to send."""
        if self.ended or self._replies or self._queue:
            return
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    async def wait_for_room(self) -> None:
        """Return once the client has read enough of the replies to its messages."""
        while len(self._replies) >= REPLIES_MAX:
            self._taken.clear()
            await self._taken.wait()

    def _overflow(self) -> None:
        FRAMES_DROPPED.add(by=len(self._queue) + 1)
        for source, _ in self._queue:
            if source is not None:
                self._due[source] = None
        self._queue.clear()
        self._queue_bytes = 0

    def _drop(self, source: Source) -> None:
        if not self._queue:
            return
        kept = [entry for entry in self._queue if entry[0] is not source]
        self._queue = deque(kept)
        self._queue_bytes = sum(frame.size for _, frame in kept)
