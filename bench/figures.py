"""A measurement's figures, with target, median, spread and environment."""

import os
import platform
import statistics
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Any, Final

import msgspec

PACKAGES: Final = ("django", "channels", "uvicorn", "uvloop", "httptools", "psycopg", "redis",
                   "hiredis", "msgspec")  # fmt: skip
IN_MEMORY: Final = "nothing: it is all in memory"


class Sizes(msgspec.Struct, frozen=True):
    """How much to measure: `is_quick` only shows that everything works."""

    is_quick: bool
    runs: int

    def choose(self, full: Any, quick: Any) -> Any:
        return quick if self.is_quick else full


class Figure(msgspec.Struct, kw_only=True):
    """One measured number. `is_met` compares the median with the target; null without one.

    `durable` has the database's actual durability settings. `load` is the machine's load average
    (1, 5, 15 minutes) when the figure was complete.
    """

    name: str
    target: str | None
    unit: str
    median: float
    min: float
    max: float
    runs: list[float]
    is_met: bool | None
    durable: str
    load: list[float]
    details: dict[str, Any]


def build_figure(
    name: str,
    runs: Sequence[float],
    *,
    unit: str,
    durable: str,
    at_least: float | None = None,
    at_most: float | None = None,
    details: dict[str, Any] | None = None,
) -> Figure:
    median = statistics.median(runs)
    return Figure(
        name=name,
        target=_show_target(at_least, at_most),
        unit=unit,
        median=_round(median),
        min=_round(min(runs)),
        max=_round(max(runs)),
        runs=[_round(run) for run in runs],
        is_met=_is_met(median, at_least, at_most),
        durable=durable,
        load=read_load(),
        details=details or {},
    )


def compute_percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of the sorted values do not exceed."""
    rank = -(-len(values) * share // 1)
    return values[max(0, int(rank) - 1)]


def read_load() -> list[float]:
    return [round(part, 2) for part in os.getloadavg()]


def describe_machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "processor": _read_processor(),
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "packages": {name: metadata.version(name) for name in PACKAGES},
    }


def _show_target(at_least: float | None, at_most: float | None) -> str | None:
    if at_least is not None:
        return f">= {at_least:g}" if at_least < 1_000 else f">= {at_least:,.0f}"
    return None if at_most is None else f"<= {at_most:g}"


def _is_met(median: float, at_least: float | None, at_most: float | None) -> bool | None:
    if at_least is not None:
        return median >= at_least
    return None if at_most is None else median <= at_most


def _round(value: float) -> float:
    """Keep four significant digits or all integer digits: more would be noise."""
    return round(value) if abs(value) >= 1_000 else float(f"{value:.4g}")


def _read_processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.partition(":")[2].strip() for line in file if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else platform.processor()
