"""Time as UTC microseconds since 1970, and its ISO 8601 text with 'Z' and 6 decimals."""

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def now_us() -> int:
    return time.time_ns() // 1_000


def to_datetime(us: int) -> datetime:
    """Return an aware UTC datetime, exact to the microsecond."""
    return _EPOCH + timedelta(microseconds=us)


def from_datetime(moment: datetime) -> int:
    """Return UTC microseconds of an aware datetime, exact."""
    return (moment - _EPOCH) // _MICROSECOND


def format_time(us: int) -> str:
    """Return "2026-07-01T12:00:00.000000Z"."""
    second, fraction = divmod(us, 1_000_000)
    return f"{_format_second(second)}.{fraction:06}Z"


@lru_cache(maxsize=1_024)  # most times that are shown are of now
def _format_second(second: int) -> str:
    return to_datetime(second * 1_000_000).replace(tzinfo=None).isoformat(timespec="seconds")
