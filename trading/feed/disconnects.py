"""Sockets whose account's orders are cancelled when they end: while they are open, and then.

The deadline in the database (`pipeline.cancel_timers`) is put off for as long as this process
serves the socket; what happens here when one ends only saves waiting for that deadline.
"""

from collections.abc import Iterable
from typing import Final, Protocol
from uuid import UUID

import structlog

from kernel.database import DATABASE_FAULTS
from trading.feed.tasks import in_thread
from trading.pipeline import cancel_timers
from trading.pipeline.gateway import EngineAway, Overloaded, TimedOut

log = structlog.get_logger(__name__)

RENEW_SECONDS: Final = cancel_timers.SOCKET_SECONDS / 5


class Cancelling(Protocol):
    cancel_timer: UUID | None

    def stop_cancelled(self) -> None:
        """Close it: its orders were cancelled though it was open, as this process was too slow."""


async def renew(sockets: Iterable[Cancelling]) -> None:
    """Put off the deadlines of open sockets; close those for which it is too late."""
    open_ones = {one.cancel_timer: one for one in sockets if one.cancel_timer is not None}
    missed = await in_thread(cancel_timers.renew, open_ones.keys()) if open_ones else set()
    for timer_id in missed:
        open_ones[timer_id].stop_cancelled()


async def cancel_orders(timer_id: UUID) -> None:
    """Cancel the orders of a socket that has ended; a scheduled task goes on where that fails."""
    try:
        await in_thread(cancel_timers.fire_now, timer_id)
    except (EngineAway, Overloaded, TimedOut, *DATABASE_FAULTS) as fault:
        log.warning("orders_cancelled_later", timer=timer_id.hex, because=str(fault))
