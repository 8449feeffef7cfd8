"""Time as UTC microseconds since 1970, and its ISO 8601 text with 'Z' and 6 decimals."""

import time
from datetime import UTC, datetime, timedelta

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
    return f"{to_datetime(us).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
