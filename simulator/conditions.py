"""Delays and faults that a key asked for: what they are, and the dice that decide on each.

Every kind of draw has a generator of its own, seeded with the seed and its name: so what one kind
decides depends on how often it was asked, not on the others.
"""

import random
import re
import time
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

DELAY_MS_MAX: Final = 60_000
SAMPLES_MAX: Final = 10_000
ENTRIES_MAX: Final = 1_000
SECOND_US: Final = 1_000_000
ORDER_IN, CANCEL_IN, ANSWER_OUT = "order_in", "cancel_in", "answer_out"
PRIVATE_FEED, MARKET_DATA = "private_feed", "market_data"

Milliseconds = Annotated[float, Meta(ge=0, le=DELAY_MS_MAX)]
Probability = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1)]


class Fixed(Struct, frozen=True, tag_field="kind", tag="fixed", forbid_unknown_fields=True):
    ms: Milliseconds

    def draw(self, dice: random.Random) -> float:
        return self.ms


class LogNormal(Struct, frozen=True, tag_field="kind", tag="lognormal", forbid_unknown_fields=True):
    median_ms: Annotated[float, Meta(gt=0, le=DELAY_MS_MAX)]
    sigma: Annotated[float, Meta(ge=0, le=5)]

    def draw(self, dice: random.Random) -> float:
        return min(self.median_ms * dice.lognormvariate(0, self.sigma), DELAY_MS_MAX)


class Sampled(Struct, frozen=True, tag_field="kind", tag="sampled", forbid_unknown_fields=True):
    """One of these, each as likely: what was measured elsewhere."""

    values_ms: Annotated[list[Milliseconds], Meta(min_length=1, max_length=SAMPLES_MAX)]

    def draw(self, dice: random.Random) -> float:
        return dice.choice(self.values_ms)


Delay = Fixed | LogNormal | Sampled


class Delays(Struct, frozen=True, forbid_unknown_fields=True):
    """Before a request is read, before its answer leaves, before a frame of the feed leaves."""

    order_in: Delay | None = None
    cancel_in: Delay | None = None
    answer_out: Delay | None = None
    private_feed: Delay | None = None
    market_data: Delay | None = None


class Faults(Struct, frozen=True, forbid_unknown_fields=True):
    """Probabilities, of each frame or each answer; counts, since the conditions were set."""

    cut: Probability = 0
    """The socket is cut in place of this frame."""
    double: Probability = 0
    lose: Probability = 0
    reorder: Probability = 0
    """The frame comes after the next one."""
    gap: Probability = 0
    """This frame and the next ones, `gap_frames` in all, are lost."""
    gap_frames: Count = 5
    disconnect_after: Count | None = None
    """A connection is cut after so many frames."""
    too_many_after: Count | None = None
    """After so many requests the next is refused with 429, then the count begins again."""
    slow: Probability = 0
    """The answer comes in pieces over `slow_ms`."""
    slow_ms: Milliseconds = 3_000
    malform: Probability = 0
    """The answer ends in the middle."""
    fail_after_commit: Probability = 0
    """What was asked is done, and the answer is 502."""


class Tokens(Struct, frozen=True, forbid_unknown_fields=True):
    """A venue's limits: two buckets, full at first, that hold as much as they gain in a second.

    The defaults are Kalshi's of November 2026 for the tier Basic: 20 reads and 10 orders a second.
    """

    read_per_second: Count = 200
    write_per_second: Count = 100
    request_cost: Count = 10
    cancel_cost: Count = 2


class Conditions(Struct, frozen=True, forbid_unknown_fields=True):
    """`seed` None: the bench's. `tokens` None: no limits but those of the exchange."""

    delays: Delays = Delays()
    faults: Faults = Faults()
    tokens: Tokens | None = None
    seed: int | None = None


class KeyConditions:
    """The conditions of one key, and where its dice are; open sockets keep it."""

    def __init__(self, conditions: Conditions, seed: int) -> None:
        self.change(conditions, seed)

    def change(self, conditions: Conditions, seed: int) -> None:
        self.conditions = conditions
        self.faults = conditions.faults
        self._spent_until_us: dict[str, int] = {}
        self.seed(seed)

    def seed(self, seed: int) -> None:
        """Begin again with this seed, unless the conditions have one."""
        self._seed = seed if self.conditions.seed is None else self.conditions.seed
        self._dice: dict[str, random.Random] = {}
        self._requests = 0

    def delay_seconds(self, name: str) -> float:
        delay: Delay | None = getattr(self.conditions.delays, name)
        return 0 if delay is None else delay.draw(self._find_dice(name)) / 1_000

    def happens(self, name: str) -> bool:
        """Whether the fault of this name does, this time."""
        probability: float = getattr(self.faults, name)
        return probability > 0 and self._find_dice(name).random() < probability

    def is_one_too_many(self) -> bool:
        """Count a request."""
        if self.faults.too_many_after is None:
            return False
        self._requests += 1
        if self._requests <= self.faults.too_many_after:
            return False
        self._requests = 0
        return True

    def take_tokens(self, delay: str | None) -> float:
        """Take what a request with this delay on its way in costs; return the seconds to wait."""
        tokens = self.conditions.tokens
        if tokens is None:
            return 0
        bucket = "read" if delay is None else "write"
        cost = tokens.cancel_cost if delay == CANCEL_IN else tokens.request_cost
        per_second = tokens.read_per_second if delay is None else tokens.write_per_second
        cost_us = min(cost * SECOND_US // per_second, SECOND_US)  # one above all takes all
        now_us = time.monotonic_ns() // 1_000
        until_us = max(now_us, self._spent_until_us.get(bucket, 0)) + cost_us
        if until_us > now_us + SECOND_US:
            return (until_us - now_us) / SECOND_US - 1
        self._spent_until_us[bucket] = until_us
        return 0

    def _find_dice(self, name: str) -> random.Random:
        if name not in self._dice:
            self._dice[name] = random.Random(f"{self._seed}/{name}")  # noqa: S311 - to be repeated
        return self._dice[name]


class Registry:
    """The keys that asked, by the part of a key that is no secret, or by its id."""

    def __init__(self) -> None:
        self.entries: dict[str, KeyConditions] = {}
        self.default_seed = 0

    def set(self, name: str, conditions: Conditions) -> None:
        if name in self.entries:
            self.entries[name].change(conditions, self.default_seed)
            return
        if len(self.entries) >= ENTRIES_MAX:
            self.forget(next(iter(self.entries)))
        self.entries[name] = KeyConditions(conditions, self.default_seed)

    def get(self, name: str) -> Conditions:
        entry = self.entries.get(name)
        return Conditions() if entry is None else entry.conditions

    def forget(self, name: str) -> None:
        entry = self.entries.pop(name, None)
        if entry is not None:
            entry.change(Conditions(), self.default_seed)

    def seed(self, seed: int) -> None:
        self.default_seed = seed
        for entry in self.entries.values():
            entry.seed(seed)

    def dump(self) -> dict[str, Any]:
        return {name: msgspec.to_builtins(entry.conditions) for name, entry in self.entries.items()}

    def load(self, dumped: dict[str, Any]) -> None:
        for name, conditions in dumped.items():
            self.set(name, msgspec.convert(conditions, Conditions))


_PREFIX: Final = re.compile(r"pdx_([0-9a-f]{12})_")


def find_name(credential: str) -> str:
    """Return a key's name in the registry; a key's id is its own."""
    match = _PREFIX.match(credential)
    return match[1] if match else credential
