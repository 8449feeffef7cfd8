"""A circuit breaker: after a failure only one caller now and then retries; others skip the call.

So a server that hangs costs an occasional caller its timeout instead of every caller.
"""

import threading
import time
from typing import Final

import redis

REDIS_AWAY: Final = (redis.RedisError, OSError)
"""Exceptions of a Redis that is down, full or too slow, also through the channel layer."""
REDIS_TIMEOUT_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 1.0


class Breaker:
    """Safe to share between threads and event loops."""

    def __init__(self, *, retry_seconds: float = RETRY_SECONDS) -> None:
        self._retry_seconds = retry_seconds
        self._retry_at = 0.0  # 0: closed (the server answers)
        self._lock = threading.Lock()

    def allows(self) -> bool:
        """Whether to call now; while the circuit is open, True for only one caller at a time."""
        if self._retry_at == 0.0:
            return True
        with self._lock:
            now = time.monotonic()
            if now < self._retry_at:
                return False
            self._retry_at = now + REDIS_TIMEOUT_SECONDS + self._retry_seconds
            return True

    def note_answer(self) -> None:
        self._retry_at = 0.0

    def note_fault(self) -> None:
        self._retry_at = time.monotonic() + self._retry_seconds
