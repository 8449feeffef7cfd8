"""A circuit breaker: what has failed is asked by one caller in a while, and the others go on.

So a server that hangs costs one caller its timeout now and then, not everybody each time.
"""

import threading
import time
from typing import Final

import redis

REDIS_AWAY: Final = (redis.RedisError, OSError)
"""What a Redis that is away, full or too slow raises, also through the channel layer."""
REDIS_TIMEOUT_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 1.0


class Breaker:
    """Threads and event loops share it."""

    def __init__(self, *, retry_seconds: float = RETRY_SECONDS) -> None:
        self._retry_seconds = retry_seconds
        self._retry_at = 0.0  # 0: it answers
        self._lock = threading.Lock()

    def allows(self) -> bool:
        """Whether to ask now; while it is away only one caller at a time is told so."""
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
