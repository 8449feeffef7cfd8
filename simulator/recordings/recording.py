"""Recorded sessions of a real venue: operations to replay, and expected results.

A session is a CSV of operations (`i,ts_ms,op,side,price_cents,qty_hundredths`), with a JSON file of
expectations beside it. `side` is the side of the resting bids: a bid for YES at p is our buy at p,
one for NO at p our sell at 1 - p. Operations: `reset` empties the book, `init` and `place` rest a
bid, `cancel` takes quantity from a level, newest first, `take` lets a taker hit a side best first
down to a price. Quantities are lots (1/100 contract).
"""

import csv
import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from trading.engine.types import PAYOUT_PIPS

PIPS_PER_CENT: Final = 100
Book = dict[str, int]
"""Quantity by level: {"yes41": 32573, "no57": 100}, as checkpoints have it."""


class RecordedOperation(NamedTuple):
    """One row of a session. `bid_pips`, the price of the side's bid, and `lots` may be 0: none.

    `ts_ms` is 0 before the first message that has a time.
    """

    number: int
    ts_ms: int
    kind: str
    side: str
    bid_pips: int
    lots: int


class Checkpoint(msgspec.Struct):
    """The whole book after operation `i`."""

    i: int
    book: Book


class Expectation(msgspec.Struct):
    """The expected results of a session's replay."""

    window: str
    volume_hundredths: int
    sweep_sha256: str
    checkpoints: list[Checkpoint]
    closing_book: Book


class Recording:
    """One session: `<window>.ops.csv.gz` with `<window>.expect.json` beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        expected = path.with_name(path.name.removesuffix(".ops.csv.gz") + ".expect.json")
        self.expectation = msgspec.json.decode(expected.read_bytes(), type=Expectation)
        self.checkpoints = {point.i: point.book for point in self.expectation.checkpoints}

    def operations(self) -> Iterator[RecordedOperation]:
        with gzip.open(self.path, "rt", newline="") as rows:
            reader = csv.reader(rows)
            next(reader)
            for index, ts_ms, kind, side, cents, lots in reader:
                bid_pips = int(cents or 0) * PIPS_PER_CENT
                numbers = bid_pips, int(lots or 0)
                yield RecordedOperation(int(index), int(ts_ms or 0), kind, side, *numbers)

    def metadata(self) -> dict[str, Any]:
        """Return the recorded market's title, rules and result, as described by its venue."""
        return read_metadata(self.path.parent.parent / "metadata", self.expectation.window)


def read_metadata(folder: Path, ticker: str) -> dict[str, Any]:
    """Return a market's record from `<event>.json` in this folder."""
    text = (folder / f"{ticker.rsplit('-', 1)[0]}.json").read_text()
    markets = json.loads(text)["response"]["markets"]
    found: dict[str, Any] = next(market for market in markets if market["ticker"] == ticker)
    return found


def price_of(side: str, bid_pips: int) -> int:
    """Return the price in our YES book of a bid for this side."""
    return bid_pips if side == "yes" else PAYOUT_PIPS - bid_pips


def level_of(price_pips: int, side: str) -> str:
    """Return a level's name for a price in our YES book."""
    pips = price_pips if side == "yes" else PAYOUT_PIPS - price_pips
    return f"{side}{pips // PIPS_PER_CENT}"


class Sweeps:
    """A hash of the takers' fills: quantity per operation and level, in order."""

    def __init__(self) -> None:
        self.volume_lots = 0
        self._hash = hashlib.sha256()

    def add(self, operation: RecordedOperation, fills: list[tuple[int, int]]) -> None:
        """Add a taker's fills, [(price_pips, lots)] best first."""
        by_level: dict[int, int] = {}
        for price_pips, lots in fills:
            pips = price_pips if operation.side == "yes" else PAYOUT_PIPS - price_pips
            by_level[pips] = by_level.get(pips, 0) + lots
        for pips, lots in by_level.items():
            cents = pips // PIPS_PER_CENT
            self._hash.update(f"{operation.number},{operation.side},{cents},{lots};".encode())
            self.volume_lots += lots

    def sha256(self) -> str:
        return self._hash.hexdigest()
