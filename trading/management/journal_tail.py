"""The journal's tail since a backup, in a file that grows: what a restore repeats.

Line by line JSON. The first names the last command of each market that is not in the file; the
others are journal rows, and receipts, which answer a client that asks again. A line that was cut
off by a crash is left out, and written again by the next export.
"""

import base64
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from django.core.management.base import CommandError

from accounts.models import Account
from trading.models import BookState, JournalRow, Receipt
from trading.pipeline.messages import decode_result
from trading.pipeline.recovery import TailRow
from trading.pipeline.snapshot import consistent_read

SUFFIX: Final = ".journal"
OVERLAP_US: Final = 60_000_000
"""Receipts of another shard may have been committed late; they are exported twice."""
ROWS_A_TIME: Final = 1_000


def begin(path: Path) -> None:
    """Begin a tail with what is committed from now on."""
    with consistent_read():
        heads = _read_heads()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        _write(file, {"heads": heads})


def extend(path: Path) -> int:
    """Append what was committed since the last call; return how many rows of the journal."""
    heads, receipts_us = _read_end(path)
    count = 0
    with consistent_read(), path.open("a") as file:
        for market_id, seq in _read_heads().items():
            rows = JournalRow.objects.filter(
                market_id=market_id, seq_first__gt=heads.get(market_id, 0)
            )
            if seq <= heads.get(market_id, 0):
                continue
            for row in rows.order_by("seq_first").iterator(ROWS_A_TIME):
                _write(file, {"row": _show_row(row)})
                count += 1
        receipts = Receipt.objects.filter(created_at_us__gt=receipts_us - OVERLAP_US)
        for receipt in receipts.order_by("pk").iterator(ROWS_A_TIME) if count else ():
            _write(file, {"receipt": _show_receipt(receipt)})
        file.flush()
        os.fsync(file.fileno())
    return count


def find_newest(folder: Path) -> Path:
    found = sorted(folder.glob(f"predex-*{SUFFIX}"))
    if not found:
        raise CommandError(f"there is no backup in {folder} that a journal could continue.")
    return found[-1]


def read_rows(paths: Iterable[Path]) -> Iterator[TailRow]:
    for kind, value in _read_all(paths):
        if kind == "row":
            *numbers, body, row_hash = value
            yield TailRow._make([*numbers, base64.b64decode(body), base64.b64decode(row_hash)])


def restore_receipts(paths: Iterable[Path], seqs: dict[int, int]) -> int:
    """Put back receipts of commands that were repeated: `seqs` are the markets' last ones."""
    known = set(Account.objects.values_list("pk", flat=True))
    receipts = []
    for kind, value in _read_all(paths):
        if kind != "receipt" or value[0] not in known:
            continue
        account_id, key, created_at_us, body_hash, answer = value
        encoded = base64.b64decode(answer)
        result = decode_result(encoded)
        if 0 < result.seq <= seqs.get(result.market_id, 0):
            receipts.append(
                Receipt(
                    account_id=account_id, key=key, created_at_us=created_at_us,
                    body_hash=base64.b64decode(body_hash), answer=encoded,
                )
            )  # fmt: skip
    before = Receipt.objects.count()
    Receipt.objects.bulk_create(receipts, batch_size=ROWS_A_TIME, ignore_conflicts=True)
    return Receipt.objects.count() - before


def _read_heads() -> dict[int, int]:
    return dict(BookState.objects.values_list("market_id", "seq"))


def _read_end(path: Path) -> tuple[dict[int, int], int]:
    """Return where a tail ends: the last command of each market, and the last receipt's time."""
    text = path.read_bytes()
    complete = text.rfind(b"\n") + 1
    if complete < len(text):
        os.truncate(path, complete)
    heads: dict[int, int] = {}
    receipts_us = 0
    for kind, value in _read_all([path]):
        if kind == "heads":
            heads = {int(market_id): seq for market_id, seq in value.items()}
        elif kind == "row":
            heads[value[0]] = max(heads.get(value[0], 0), value[2])
            receipts_us = max(receipts_us, value[3])
    if not receipts_us:
        receipts_us = int(path.stat().st_ctime * 1_000_000)
    return heads, receipts_us


def _read_all(paths: Iterable[Path]) -> Iterator[tuple[str, Any]]:
    for path in paths:
        with path.open() as file:
            for line in file:
                if line.endswith("\n"):
                    yield from json.loads(line).items()


def _show_row(row: JournalRow) -> list[Any]:
    return [
        row.market_id, row.seq_first, row.seq_last, row.ts_us, row.rules_version,
        row.schema_version, _show_bytes(row.body), _show_bytes(row.hash),
    ]  # fmt: skip


def _show_receipt(receipt: Receipt) -> list[Any]:
    return [
        receipt.account_id, receipt.key, receipt.created_at_us, _show_bytes(receipt.body_hash),
        _show_bytes(receipt.answer),
    ]  # fmt: skip


def _show_bytes(value: Any) -> str:
    return base64.b64encode(bytes(value)).decode()


def _write(file: Any, value: Any) -> None:
    file.write(json.dumps(value, separators=(",", ":")) + "\n")
