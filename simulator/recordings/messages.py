"""Recordings of venues' WebSockets and archives, as operations to replay: docs/simulator.md.

A file has one JSON message a line, or is a Parquet table of PMXT's archive. What each says becomes
changes of one market's YES and NO bids; `build_operations` makes operations of these. Where a venue
publishes trades too, each belongs to a decrease of the level that it hit: together these become one
`take`, as large as all that the taker got.
"""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

from simulator.recordings.recording import RecordedOperation
from trading.engine.types import PAYOUT_PIPS

LOTS: Final = 100
SIDES: Final = ("no", "yes")
NO_PARQUET: Final = (
    "Parquet needs pyarrow: `pip install pyarrow`, or convert the file to JSON lines with the "
    "same columns."
)
PMXT_COLUMNS: Final = ("market_id", "update_type", "data")


class RecordingError(ValueError):
    """What a file is not; the message is for people."""


class RecordedChange(NamedTuple):
    """`set` gives a level's whole quantity, `add` changes it, `trade` says what a taker got of it.

    `reset` empties the book, and the `init`s that follow are a snapshot's levels. `side` is the
    side of the resting bids.
    """

    ts_ms: int
    kind: str
    side: str = ""
    bid_pips: int = 0
    lots: int = 0


MarketChanges = list[tuple[str, list[RecordedChange]]]
"""What one message says of each market that it names."""


def read_changes(path: Path, market: str = "") -> tuple[str, list[RecordedChange]]:
    """Return a market's name at its venue and its changes, in the order of the file.

    `market` names one of several; without it the file has to be of one.
    """
    rows = _read_parquet(path, market) if path.suffix == ".parquet" else _read_lines(path)
    name, changes = market, []
    for row in rows:
        for own_name, found in _read_row(row):
            name = name or own_name
            if own_name == name:
                changes += found
            elif not market:
                raise RecordingError(
                    f"it has more than one market: choose one, such as --market {name} or "
                    f"--market {own_name}"
                )
    if not changes:
        raise RecordingError(f"it has no messages of {market or 'any market'}")
    return name, changes


def _read_lines(path: Path) -> Iterator[Any]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                found = json.loads(line, parse_float=Decimal)
            except ValueError:
                raise RecordingError(f"line {number}: not JSON") from None
            yield from found if isinstance(found, list) else (found,)


def _read_parquet(path: Path, market: str) -> Iterator[Any]:
    try:
        from pyarrow import dataset
    except ImportError:
        raise RecordingError(NO_PARQUET) from None
    table = dataset.dataset(path, format="parquet")
    missing = ", ".join(sorted(set(PMXT_COLUMNS) - set(table.schema.names)))
    if missing:
        raise RecordingError(f"a table of PMXT's archive has the columns {missing} too")
    own = dataset.field("market_id") == market if market else None
    for batch in table.to_batches(columns=list(PMXT_COLUMNS), filter=own):
        yield from batch.to_pylist()


def _read_row(row: Mapping[str, Any]) -> MarketChanges:
    try:
        if "update_type" in row:
            return _read_pmxt(row)
        if "event_type" in row:
            return _read_polymarket(row)
        message = row.get("event", row)
        return _read_kalshi(message, row.get("recv_ms", 0))
    except RecordingError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError, ArithmeticError) as fault:
        raise RecordingError(f"cannot read this message: {str(row)[:200]} ({fault!r})") from None


# --- Kalshi: orderbook_snapshot, orderbook_delta, trade ---------------------------------------


def _read_kalshi(message: Mapping[str, Any], received_ms: int) -> MarketChanges:
    kind, body = message["type"], message.get("msg", {})
    ts_ms = int(body.get("ts_ms") or received_ms)
    if kind == "orderbook_snapshot":
        levels = [
            RecordedChange(ts_ms, "init", side, _pips(price), _lots(lots))
            for side in SIDES
            for price, lots in body.get(f"{side}_dollars_fp") or ()
        ]
        return [(body["market_ticker"], [RecordedChange(ts_ms, "reset"), *levels])]
    if kind == "orderbook_delta":
        lots = _lots(body["delta_fp"])
        change = RecordedChange(ts_ms, "add", body["side"], _pips(body["price_dollars"]), lots)
        return [(body["market_ticker"], [change])]
    if kind == "trade":
        side = "no" if body["taker_side"] == "yes" else "yes"
        price = _pips(body[f"{side}_price_dollars"])
        change = RecordedChange(ts_ms, "trade", side, price, _lots(body["count_fp"]))
        return [(body["market_ticker"], [change])]
    return []  # "subscribed", "ok"


# --- Polymarket's market channel, and PMXT's archive of it ------------------------------------


def _read_polymarket(message: Mapping[str, Any]) -> MarketChanges:
    """`book`, `price_change` and `last_trade_price`, by token: the recorded one is YES."""
    kind, ts_ms = message["event_type"], int(message["timestamp"])
    if kind == "book":
        bids = [(level["price"], level["size"]) for level in message["bids"]]
        asks = [(level["price"], level["size"]) for level in message["asks"]]
        return [(message["asset_id"], _read_book(ts_ms, bids, asks))]
    if kind == "price_change":
        changes = message["changes"] if "changes" in message else message["price_changes"]
        return [
            (
                change["asset_id"] if "asset_id" in change else message["asset_id"],
                [_read_level(ts_ms, change["side"], change["price"], change["size"])],
            )
            for change in changes
        ]
    if kind == "last_trade_price":
        # A taker that buys hits asks.
        taken = "SELL" if message["side"] == "BUY" else "BUY"
        change = _read_level(ts_ms, taken, message["price"], message["size"])
        return [(message["asset_id"], [change._replace(kind="trade")])]
    return []


def _read_pmxt(row: Mapping[str, Any]) -> MarketChanges:
    """A row of the archive: its column `data` is the message, of YES or of NO, its mirror."""
    body = row["data"]
    if isinstance(body, str):
        body = json.loads(body, parse_float=Decimal)
    if body["side"] != "YES":
        return []
    ts_ms = int(Decimal(str(body["timestamp"])) * 1000)
    if row["update_type"] == "book_snapshot":
        return [(row["market_id"], _read_book(ts_ms, body["bids"], body["asks"]))]
    change = body["change_side"], body["change_price"], body["change_size"]
    return [(row["market_id"], [_read_level(ts_ms, *change)])]


def _read_book(ts_ms: int, bids: Iterable[Any], asks: Iterable[Any]) -> list[RecordedChange]:
    return [
        RecordedChange(ts_ms, "reset"),
        *(_read_level(ts_ms, "SELL", *level)._replace(kind="init") for level in asks),
        *(_read_level(ts_ms, "BUY", *level)._replace(kind="init") for level in bids),
    ]


def _read_level(ts_ms: int, side: str, price: Any, size: Any) -> RecordedChange:
    """Return the whole quantity of a level of bids or asks: an ask is a bid for NO."""
    pips = _pips(price)
    if side == "BUY":
        return RecordedChange(ts_ms, "set", "yes", pips, _lots(size))
    return RecordedChange(ts_ms, "set", "no", PAYOUT_PIPS - pips, _lots(size))


def _pips(text: Any) -> int:
    pips = Decimal(str(text)) * PAYOUT_PIPS
    if pips != int(pips):
        raise RecordingError(f"{text} is no price of whole pips")
    return int(pips)


def _lots(text: Any) -> int:
    return int(Decimal(str(text)) * LOTS)  # what is less than a lot is not traded here


# --- from changes to operations ---------------------------------------------------------------


def build_operations(changes: list[RecordedChange]) -> Iterator[RecordedOperation]:
    """Yield a session's operations, numbered from 0."""
    changes = list(_find_differences(changes))
    takes = _find_takes(changes)
    number = 0
    for index, (ts_ms, kind, side, bid_pips, lots) in enumerate(changes):
        taken = takes.get(index)
        if taken is not None:
            ts_ms, kind, side, bid_pips, lots = taken
        elif kind == "add":
            kind, lots = ("place", lots) if lots > 0 else ("cancel", -lots)
        if lots or kind == "reset":
            yield RecordedOperation(number, ts_ms, kind, side, bid_pips, lots)
            number += 1


def _find_differences(changes: list[RecordedChange]) -> Iterator[RecordedChange]:
    """Yield changes with `add` in place of `set`."""
    book: dict[tuple[str, int], int] = {}
    for change in changes:
        level = change.side, change.bid_pips
        if change.kind == "reset":
            book.clear()
        elif change.kind == "init":
            book[level] = change.lots
        elif change.kind == "add":
            book[level] = book.get(level, 0) + change.lots
        elif change.kind == "set":
            before_lots, book[level] = book.get(level, 0), change.lots
            yield change._replace(kind="add", lots=change.lots - before_lots)
            continue
        yield change


def _find_takes(changes: list[RecordedChange]) -> dict[int, RecordedChange]:
    """Return by index what replaces the changes that trades made.

    Decreases by trades of one time and side that follow one another are one take, as deep as the
    deepest: it replaces the first; the others, and the trades, are left with no quantity.
    """
    decreases: dict[RecordedChange, list[int]] = {}
    for index, change in enumerate(changes):
        if change.kind == "add" and change.lots < 0:
            decreases.setdefault(change, []).append(index)
    found: dict[int, RecordedChange] = {}
    hits: list[tuple[int, RecordedChange]] = []
    for index, trade in enumerate(changes):
        if trade.kind == "trade":
            found[index] = trade._replace(lots=0)
            hit = decreases.get(trade._replace(kind="add", lots=-trade.lots))
            if hit:
                hits.append((hit.pop(0), trade))
    first, end = -1, -1
    for index, trade in sorted(hits):
        while end in found:
            end += 1
        take = found.get(first)
        if take is not None and end == index and _is_same_taker(take, trade):
            deepest = min(take.bid_pips, trade.bid_pips)
            found[first] = take._replace(bid_pips=deepest, lots=take.lots + trade.lots)
            found[index] = trade._replace(lots=0)
        else:
            first, found[index] = index, trade._replace(kind="take")
        end = index + 1
    return found


def _is_same_taker(take: RecordedChange, trade: RecordedChange) -> bool:
    return (take.ts_ms, take.side) == (trade.ts_ms, trade.side)
