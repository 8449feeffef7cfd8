"""Recorded markets of Betfair's Exchange Stream, as markets of ours.

A file has one message a line (`{"op": "mcm", "pt": ..., "mc": [...]}`), compressed with gzip or
bzip2; each change of a market names its whole definition: status, runners, number of winners.

| theirs | ours |
|---|---|
| ODDS, one winner | a categorical market: an outcome for each runner |
| ODDS, k winners | the same; the winners share the payout, 1/k each |
| ASIAN_HANDICAP_DOUBLE_LINE | a binary market for each line: does the first side cover it? |
| SUSPENDED, OPEN again | halted, resumed |
| a runner REMOVED | its outcome withdrawn at 0, while the others go on |
| CLOSED with WINNER and LOSER | closed, with this result |

Prices and quantities are not read: theirs are odds and stakes of another exchange.
"""

import bz2
import gzip
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from markets.actions import OutcomePair
from markets.lifecycle import equal_payout

HANDICAP: Final = "ASIAN_HANDICAP_DOUBLE_LINE"
OPEN, SUSPENDED, CLOSED = "OPEN", "SUSPENDED", "CLOSED"


class RecordedStep(NamedTuple):
    """What happens next: `halt`, `resume`, `close`, or `withdraw` of the outcome of this index."""

    kind: str
    outcome: int | None = None


class RecordedMarket(NamedTuple):
    """A recorded market: its outcomes, what happened to it, and its result, None if it has none."""

    market_id: str
    kind: str
    outcomes: list[OutcomePair]
    lines: list[str]
    """Of a handicap: what each of its binary markets asks, in place of outcomes."""
    steps: list[RecordedStep]
    payout_pips: list[int] | None


def read_file(path: Path) -> list[RecordedMarket]:
    """Return the markets of a file, in the order in which they first appear."""
    found: dict[str, list[dict[str, Any]]] = {}
    for market_id, definition in _read_definitions(path):
        found.setdefault(market_id, []).append(definition)
    return [build_market(market_id, definitions) for market_id, definitions in found.items()]


def build_market(market_id: str, definitions: list[dict[str, Any]]) -> RecordedMarket:
    """Return a market from all its definitions, oldest first."""
    runners = [_name_runner(runner) for runner in definitions[0]["runners"]]
    if definitions[0]["bettingType"] == HANDICAP:
        # Lines are pairs: the first side at a handicap, the second at its opposite.
        return RecordedMarket(market_id, "binary", [], runners[::2], [], None)
    places = {runner["id"]: index for index, runner in enumerate(definitions[0]["runners"])}
    steps: list[RecordedStep] = []
    for before, after in itertools.pairwise(definitions):
        steps += _find_steps(before, after, places)
    outcomes = [(name, f"Runner {name}") for name in runners]
    payout_pips = _find_payout(definitions[-1], places)
    return RecordedMarket(market_id, "categorical", outcomes, [], steps, payout_pips)


def _find_steps(
    before: dict[str, Any], after: dict[str, Any], places: dict[int, int]
) -> Iterator[RecordedStep]:
    gone = _list_removed(after) - _list_removed(before)
    for index in sorted(places[runner_id] for runner_id in gone):
        yield RecordedStep("withdraw", index)
    if before["status"] == after["status"]:
        return
    if after["status"] == SUSPENDED:
        yield RecordedStep("halt")
    elif after["status"] == OPEN:
        yield RecordedStep("resume")
    elif after["status"] == CLOSED:
        yield RecordedStep("close")


def _list_removed(definition: dict[str, Any]) -> set[int]:
    return {runner["id"] for runner in definition["runners"] if runner["status"] == "REMOVED"}


def _find_payout(definition: dict[str, Any], places: dict[int, int]) -> list[int] | None:
    won = {runner["id"] for runner in definition["runners"] if runner["status"] == "WINNER"}
    if definition["status"] != CLOSED:
        return None
    return equal_payout([places[runner_id] for runner_id in won], outcome_count=len(places))


def _name_runner(runner: dict[str, Any]) -> str:
    handicap = runner.get("hc")
    return str(runner["id"]) if handicap is None else f"{runner['id']} {handicap:+}"


def _read_definitions(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    opener = bz2.open if path.suffix == ".bz2" else gzip.open
    with opener(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            for change in json.loads(line).get("mc", ()) if line.strip() else ():
                if "marketDefinition" in change:
                    yield change["id"], change["marketDefinition"]
