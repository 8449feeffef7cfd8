"""Recorded time as it passes here: at a speed, paused, or step by step."""

import asyncio
import math
import time
from typing import Final

FASTEST: Final = math.inf


class RecordedPace:
    """Milliseconds of the recording. While it is paused only `step` moves it."""

    def __init__(self, speed: float, *, is_paused: bool = False, at_ms: float = 0) -> None:
        self.speed = speed
        self.is_paused = is_paused
        self._at_ms = at_ms
        self._since = time.monotonic()
        self._changed = asyncio.Event()

    def now_ms(self) -> float:
        if self.is_paused:
            return self._at_ms
        if self.speed == FASTEST:
            return FASTEST
        return self._at_ms + (time.monotonic() - self._since) * 1000 * self.speed

    async def wait_for(self, ms: float) -> None:
        while (now_ms := self.now_ms()) < ms:
            self._changed.clear()
            seconds = None if self.is_paused else (ms - now_ms) / 1000 / self.speed
            try:
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def pause(self, *, at_ms: float) -> None:
        self._set(at_ms, is_paused=True)

    def resume(self) -> None:
        self._set(self.now_ms(), is_paused=False)

    def set_speed(self, speed: float, *, at_ms: float) -> None:
        self.speed = speed
        self._set(at_ms, is_paused=self.is_paused)

    def step(self, ms: float, *, at_ms: float) -> float:
        """Pause and move on from there; return where it then is."""
        self._set(at_ms + ms, is_paused=True)
        return self._at_ms

    def _set(self, at_ms: float, *, is_paused: bool) -> None:
        self._at_ms, self.is_paused, self._since = at_ms, is_paused, time.monotonic()
        self._changed.set()
