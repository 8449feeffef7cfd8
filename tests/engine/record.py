"""Records a market's journal for `tests/engine/journals`: `python -m tests.engine.record FOLDER`.

A journal is a random session in which every command, option of an order, event and kind of trade
is met, on binary and on categorical markets; with the state hash that the engine of the day
came to. The files are never written again: what they hold must stay readable for ever.
"""

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.engine.generate import BYTES_PER_STEP, HOUSE_ACCOUNT, Choices, make_config
from tests.engine.pair import STEPS, Pair
from trading.engine.commands import AnyCommand, CancelAll, Place
from trading.engine.events import Amended, AnyEvent, CrossMatched, Traded
from trading.engine.types import RULES_VERSION, Config, FeeKind, OrderOptions, Stp, Tif, TradeKind

STEPS_MAX: Final = 1_500


class Recorded(msgspec.Struct):
    """One market's journal. An entry: time, command, its account's available micros, events.

    `headroom` has, for each entry, what order groups may fill, `elsewhere` what its owner has in
    other accounts; older journals have none.
    """

    rules_version: int
    entries: list[tuple[int, AnyCommand, int, list[AnyEvent]]]
    state_hash: str
    headroom: list[dict[str, int]] = []
    elsewhere: list[dict[int, int]] = []


def find_features(command: AnyCommand, events: list[AnyEvent]) -> Iterator[Any]:
    """Yield what this command and its events show of all that there is."""
    yield type(command).__name__
    if isinstance(command, CancelAll):
        yield "by_operator", command.by_operator
    if isinstance(command, Place) and events and type(events[0]).__name__ != "Rejected":
        yield from (command.tif, command.stp)
        yield from ((name, getattr(command, name)) for name in ("as_no", "fee_free"))
        yield "client_order_id", command.client_order_id is not None
        options = command.options or OrderOptions()
        for name in OrderOptions.__struct_fields__:
            yield name, getattr(options, name) not in (None, False, ())
    for event in events:
        yield type(event).__name__
        if isinstance(event, Traded):
            yield event.kind
        if isinstance(event, CrossMatched):
            yield "across", event.kind
        if isinstance(event, Amended):
            yield "kept_priority", event.kept_priority


OF_TRIGGERS: Final = {"Fire", "Waited", "TriggerMoved", "Triggered", "Fired", ("trigger", True)}
OF_BRACKETS: Final = {
    *("Attach", "LegAttached", "LegResized"),
    *(("legs", True), ("bracket_id", True)),
}
OF_GROUPS: Final = {"CancelGroup", ("order_group", True)}
OF_HALTS: Final = {("cancel_on_halt", True)}
OF_MAKERS: Final = {"ChangeLiquidity", "LiquidityChanged", TradeKind.MAKER}


def list_features(
    config: Config,
    *,
    has_triggers: bool = False,
    has_brackets: bool = False,
    has_groups: bool = False,
    has_halts: bool = False,
) -> set[Any]:
    """All that a journal of such a market should show: older ones were made without triggers.

    A leg comes with its bracket: no Place has the id of one.
    """
    names = ("as_no", "fee_free", "client_order_id", "by_operator", "kept_priority")
    flags = {
        (name, value)
        for name in (*names, *OrderOptions.__struct_fields__)
        for value in (True, False)
    }
    commands = {kind.__name__ for kind in AnyCommand.__args__}
    events = {kind.__name__ for kind in AnyEvent.__args__}
    across = {("across", TradeKind.MINT), ("across", TradeKind.MERGE)}
    if config.house_account_id is None:
        events, across = events - {CrossMatched.__name__}, set()
    absent = {("bracket_id", True)} if has_brackets else set(OF_BRACKETS)
    absent |= set() if has_triggers or has_brackets else OF_TRIGGERS
    absent |= set() if has_groups else OF_GROUPS
    absent |= set() if has_halts else OF_HALTS
    absent |= OF_MAKERS if config.maker is None else set()
    return (flags | commands | events | across | set(Tif) | set(Stp) | set(TradeKind)) - absent


def record(config: Config, seed: int) -> Recorded:
    """Run random steps until everything was met."""
    randomness = random.Random(seed)
    pair = RecordingPair(config, randomness)
    missing = list_features(config, has_brackets=True, has_groups=True, has_halts=True)
    for entry in pair.entries:
        missing -= set(find_features(entry[1], entry[3]))
    while missing:
        assert len(pair.entries) < STEPS_MAX, f"seed {seed} never shows {missing}"
        randomness.choice(STEPS)(pair, randomness.randbytes(BYTES_PER_STEP))
        missing -= set(find_features(pair.entries[-1][1], pair.entries[-1][3]))
    pair.check_dumps()
    return Recorded(
        RULES_VERSION,
        pair.entries,
        pair.fast.state_hash(),
        pair.headroom_before,
        pair.elsewhere_before,
    )


class RecordingPair(Pair):
    """A pair whose orders also carry what the engine only remembers."""

    def __init__(self, config: Config, randomness: random.Random) -> None:
        self.randomness = randomness
        self.entries: list[tuple[int, AnyCommand, int, list[AnyEvent]]] = []
        self.headroom_before: list[dict[str, int]] = []
        self.elsewhere_before: list[dict[int, int]] = []
        super().__init__(config)

    def apply(self, command: AnyCommand, elapsed_us: int = 0) -> list[AnyEvent]:
        if isinstance(command, Place):
            remembered = {
                "as_no": self.randomness.random() < 0.3,
                "client_order_id": "mine" if self.randomness.random() < 0.3 else None,
            }
            command = msgspec.structs.replace(command, **remembered)
        self.headroom_before.append(dict(self.headroom))
        self.elsewhere_before.append(self.elsewhere.get(command.account_id, {}))
        funds_micros = self.funds.get(command.account_id, 0)
        events = super().apply(command, elapsed_us)
        self.entries.append((self.ts_us, command, funds_micros, events))
        return events


def find_config(*, binary: bool, kind: FeeKind, across: bool = False) -> Config:
    """Return a generated configuration of this kind whose fees are for makers and takers."""
    house_account_id = HOUSE_ACCOUNT if across else None
    for seed in range(10_000):
        config = make_config(Choices(random.Random(seed).randbytes(BYTES_PER_STEP)))
        config = msgspec.structs.replace(config, house_account_id=house_account_id)
        fees = config.fees
        is_wanted = config.binary is binary and fees.kind is kind
        if is_wanted and (kind is FeeKind.NONE or (fees.maker_rate_ppm and fees.taker_rate_ppm)):
            return config
    raise AssertionError("no such configuration")


def main(folder: str) -> None:
    wanted = {
        "binary-free": find_config(binary=True, kind=FeeKind.NONE),
        "binary-quadratic": find_config(binary=True, kind=FeeKind.QUADRATIC),
        "categorical-flat": find_config(binary=False, kind=FeeKind.FLAT),
        "categorical-quadratic": find_config(binary=False, kind=FeeKind.QUADRATIC),
        "categorical-across": find_config(binary=False, kind=FeeKind.QUADRATIC, across=True),
        "categorical-groups": find_config(binary=False, kind=FeeKind.QUADRATIC, across=True),
        "categorical-halts": find_config(binary=False, kind=FeeKind.QUADRATIC, across=True),
    }
    for name, config in wanted.items():
        for seed in range(200):
            try:
                recorded = record(config, seed)
            except AssertionError as reason:
                print(name, str(reason)[:200])
                continue
            path = Path(folder, f"rules-{RULES_VERSION}-{name}.msgpack")
            path.write_bytes(msgspec.msgpack.encode(recorded))
            print(path.name, len(recorded.entries), path.stat().st_size, config)
            break


if __name__ == "__main__":
    main(sys.argv[1])
