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

from kernel.ids import new_id
from trading.engine.commands import Amend, Cancel, CancelAll, Place
from trading.engine.types import BUY, PAYOUT_PIPS, SELL, Tif

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


class RecordedTrader:
    """Converts operations to commands of three accounts: a YES bidder, a NO bidder, a taker.

    It tracks its resting orders as any trader does, from the answers: `placed`, `took`.
    """

    def __init__(self, *, yes_account: int, no_account: int, taker_account: int) -> None:
        self.makers = {"yes": yes_account, "no": no_account}
        self.taker_account = taker_account
        self.resting: dict[str, list[list[Any]]] = {}
        """By level: [order id, total lots, remaining lots], oldest first."""

    def commands(self, operation: RecordedOperation) -> list[Any]:
        if operation.kind == "reset":
            self.resting.clear()
            return [CancelAll(account_id) for account_id in self.makers.values()]
        if operation.kind in ("init", "place"):
            return [self._place(operation)]
        if operation.kind == "cancel":
            return self._cancel(operation)
        return [self._build_taker(operation)]

    def took(self, operation: RecordedOperation, fills: list[tuple[str, int, int]]) -> None:
        """Record a taker's fills: [(maker order id, price_pips, lots)]."""
        for order_id, price_pips, lots in fills:
            level = level_of(price_pips, operation.side)
            first = self.resting[level][0]
            if first[0] != order_id:
                raise AssertionError(f"operation {operation.number}: {order_id} was not first")
            first[2] -= lots
            if not first[2]:
                self.resting[level].pop(0)

    def _place(self, operation: RecordedOperation) -> Place:
        account_id = self.makers[operation.side]
        order_id = new_id()
        level = level_of(price_of(operation.side, operation.bid_pips), operation.side)
        self.resting.setdefault(level, []).append([order_id, operation.lots, operation.lots])
        side = BUY if operation.side == "yes" else SELL
        return Place(
            order_id,
            account_id,
            account_id,
            0,
            side,
            price_of(operation.side, operation.bid_pips),
            operation.lots,
        )

    def _cancel(self, operation: RecordedOperation) -> list[Any]:
        account_id = self.makers[operation.side]
        level = level_of(price_of(operation.side, operation.bid_pips), operation.side)
        orders = self.resting.get(level, [])
        commands: list[Any] = []
        left_lots = operation.lots
        while left_lots and orders:
            order_id, total_lots, remaining_lots = orders[-1]
            if remaining_lots <= left_lots:
                orders.pop()
                commands.append(Cancel(order_id, account_id))
            else:
                orders[-1][1:] = [total_lots - left_lots, remaining_lots - left_lots]
                commands.append(Amend(order_id, account_id, None, total_lots - left_lots))
            left_lots -= min(left_lots, remaining_lots)
        return commands

    def _build_taker(self, operation: RecordedOperation) -> Place:
        side = SELL if operation.side == "yes" else BUY
        account_id = self.taker_account
        return Place(
            new_id(),
            account_id,
            account_id,
            0,
            side,
            price_of(operation.side, operation.bid_pips),
            operation.lots,
            tif=Tif.IOC,
        )
