"""A recorded session, whatever its file's form: operations, what was traded and how it ended."""

import math
import zlib
from itertools import accumulate
from pathlib import Path
from typing import Any, Final, NamedTuple

from markets.lifecycle import binary_payout
from simulator.recordings.messages import SIDES, RecordingError, build_operations, read_changes
from simulator.recordings.recording import (
    PIPS_PER_CENT,
    RecordedOperation,
    Recording,
    read_metadata,
)
from trading.engine.types import PAYOUT_PIPS

KINDS: Final = ("init", "place", "cancel", "take")
RESULTS: Final = {"yes": PAYOUT_PIPS, "no": 0}


class RecordedSession(NamedTuple):
    """`payout_pips` is None where nobody recorded the result. Times are from 0, and never fall."""

    name: str
    title: str
    description: str
    rules: str
    payout_pips: list[int] | None
    tick_pips: int
    operations: list[RecordedOperation]
    times_ms: list[int]


def read_session(
    path: Path, *, market: str = "", metadata: Path | None = None, result: str | None = None
) -> RecordedSession:
    """Read operations (`.ops.csv.gz`), JSON lines or Parquet; RecordingError says what is wrong.

    `market` is its name at its venue, for a file of several. The record of the venue is
    `metadata`, a folder, else one of this name above the file.
    """
    try:
        name, operations = _read_operations(path, market)
        for operation in operations:
            _check(operation)
        folder = metadata or _find_metadata(path)
        record = read_metadata(folder, name) if folder else {}
    except RecordingError as fault:
        raise RecordingError(f"{path}: {fault}") from None
    except (OSError, EOFError, zlib.error, ValueError, LookupError, StopIteration) as fault:
        what = f"{type(fault).__name__}: {fault}"
        raise RecordingError(f"{path} is no recorded session: {what}") from None
    if not operations:
        raise RecordingError(f"{path} has no operations")
    rises = accumulate((operation.ts_ms for operation in operations), max)
    first_ms = next((operation.ts_ms for operation in operations if operation.ts_ms), 0)
    return RecordedSession(
        name,
        record.get("title") or name,
        record.get("yes_sub_title") or "",
        record.get("rules_primary") or f"As recorded of {name}.",
        _find_payout(record, result),
        math.gcd(PIPS_PER_CENT, *(operation.bid_pips for operation in operations)),
        operations,
        [max(0, ts_ms - first_ms) for ts_ms in rises],
    )


def _read_operations(path: Path, market: str) -> tuple[str, list[RecordedOperation]]:
    if path.name.endswith(".ops.csv.gz"):
        recording = Recording(path)
        if market not in ("", recording.expectation.window):
            raise RecordingError(f"it is of {recording.expectation.window}, not of {market}")
        return recording.expectation.window, list(recording.operations())
    name, changes = read_changes(path, market)
    return name, list(build_operations(changes))


def _check(operation: RecordedOperation) -> None:
    if operation.kind == "reset":
        return
    is_readable = operation.kind in KINDS and operation.side in SIDES and operation.lots > 0
    if not is_readable or not 0 < operation.bid_pips < PAYOUT_PIPS:
        raise RecordingError(f"{operation} can't be played")


def _find_metadata(path: Path) -> Path | None:
    folders = (folder / "metadata" for folder in list(path.resolve().parents)[:3])
    return next((folder for folder in folders if folder.is_dir()), None)


def _find_payout(record: dict[str, Any], result: str | None) -> list[int] | None:
    result = result or record.get("result")
    return binary_payout(RESULTS[result]) if result in RESULTS else None
