"""The database's clock, and this machine's deviation from it.

Hosts need not agree on the time: the database's counts. SQLite has only this machine's clock,
which is compared with the monotonic time since the process started: a jump is accepted only after
it has lasted BELIEVED_AFTER_SECONDS, as it does when the clock was corrected.
"""

import time
from typing import Final

from kernel import bulk
from kernel.clock import now_us

AHEAD_US_MAX: Final = 5_000_000
"""The maximum deviation of a clock from the database's, in either direction."""
BELIEVED_AFTER_SECONDS: Final = 60
NOW_SQL: Final = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

# The monotonic clock that runs on during suspend, where available.
_STEADY: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class JumpGuard:
    """Time that does not follow sudden changes of the system clock; `read_us` never jumps."""

    def __init__(self) -> None:
        self.offset_us = now_us() - steady_us()
        self.other_us: int | None = None
        self.other_since_us = 0

    def read_us(self) -> int:
        steady = steady_us()
        offset_us = now_us() - steady
        if abs(offset_us - self.offset_us) <= AHEAD_US_MAX:
            self.offset_us, self.other_us = offset_us, None  # follow small corrections (NTP)
        elif self.other_us is None or abs(offset_us - self.other_us) > AHEAD_US_MAX:
            self.other_us, self.other_since_us = offset_us, steady
        elif steady - self.other_since_us >= BELIEVED_AFTER_SECONDS * 1_000_000:
            self.offset_us, self.other_us = offset_us, None
        return self.offset_us + steady


def steady_us() -> int:
    return time.clock_gettime_ns(_STEADY) // 1_000


def database_now_us() -> int:
    """Return the authoritative time."""
    if not bulk.is_postgresql():
        return _guard.read_us()
    cursor = bulk.open_cursor()
    cursor.execute(f"SELECT {NOW_SQL}")
    return int(cursor.fetchone()[0])


def compute_ahead_us() -> int:
    """Return by how much this machine's clock is ahead of the database's."""
    before_us = now_us()
    database_us = database_now_us()
    return compute_least_ahead_us(before_us, database_us, now_us())


def compute_least_ahead_us(before_us: int, database_us: int, after_us: int) -> int:
    """Return the smallest difference consistent with three times read one after the other.

    So the database's response time does not count as a deviation.
    """
    if before_us > database_us:
        return before_us - database_us
    return min(0, after_us - database_us)


def is_wrong(ahead_us: int) -> bool:
    return abs(ahead_us) > AHEAD_US_MAX


_guard = JumpGuard()
