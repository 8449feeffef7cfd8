"""Counts of this process's requests and their durations."""

from bisect import bisect_left
from typing import Final

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
LIMITS_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Durations:
    """A histogram: `counts[i]` requests took up to `LIMITS_SECONDS[i]`, the last ones longer."""

    __slots__ = ("counts", "sum_seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(LIMITS_SECONDS) + 1)
        self.sum_seconds = 0.0


answered: dict[tuple[str, int], Durations] = {}
"""(method, status) -> durations. Unknown methods count as "OTHER"."""


def count_answer(method: str, status: int, seconds: float) -> None:
    durations = answered.get((method, status))
    if durations is None:
        known = method if method in METHODS else "OTHER"
        durations = answered.setdefault((known, status), Durations())
    durations.counts[bisect_left(LIMITS_SECONDS, seconds)] += 1
    durations.sum_seconds += seconds
