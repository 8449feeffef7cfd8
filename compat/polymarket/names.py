"""The names of books and tokens: derived from slugs and outcome codes, so they never change.

A market's slug and codes are fixed once it has opened. Ids are hashes of them, which reveal neither
the internal id nor how many markets there are. `Directory` leads back from a name to its book.
"""

import hashlib
import threading
from math import inf
from typing import Final, NamedTuple

from kernel.cache import FreshCache
from kernel.errors import not_found
from markets.models import PUBLIC_STATUSES, Market, Outcome

NUMBER_BITS: Final = 52
"""Numeric ids are exact in every language's floats."""
MARKETS_A_READ: Final = 500
ORDER_BOOK: Final = "an order book of this token"


class BinaryLeg(NamedTuple):
    """One book of a market: what Polymarket calls a market."""

    market_id: int
    book: int
    number: int
    slug: str
    condition_id: str
    token_ids: tuple[str, str]
    """YES and NO."""


class OutcomeToken(NamedTuple):
    leg: BinaryLeg
    is_no: bool

    @property
    def id(self) -> str:
        return self.leg.token_ids[self.is_no]


def build_leg(market: Market, outcome: Outcome) -> BinaryLeg:
    is_alone = market.has_one_book
    return _build_leg(market.pk, market.slug, outcome.index, outcome.code, is_alone=is_alone)


def compute_number(kind: str, name: str) -> int:
    """Return the numeric id of an event, market, tag or series."""
    return int.from_bytes(_hash(kind, name)) >> 256 - NUMBER_BITS


def compute_hash(kind: str, name: str) -> str:
    return f"0x{_hash(kind, name).hex()}"


def _build_leg(market_id: int, slug: str, book: int, code: str, *, is_alone: bool) -> BinaryLeg:
    # An underscore is never part of a market's slug, so this is no other market's.
    own_slug = slug if is_alone else f"{slug}_{code.lower()}"
    condition_id = compute_hash("condition", own_slug)
    yes, no = (str(int.from_bytes(_hash(side, condition_id))) for side in ("yes", "no"))
    number = compute_number("market", own_slug)
    return BinaryLeg(market_id, book, number, own_slug, condition_id, (yes, no))


def _hash(kind: str, name: str) -> bytes:
    return hashlib.sha256(f"predex {kind} {name}".encode()).digest()


class Directory:
    """All books that were ever open, by their names. Who may see them is not decided here."""

    def __init__(self) -> None:
        self.legs: dict[tuple[str, str | int], BinaryLeg] = {}
        """By (condition | slug | market | event, name); an event leads to its first book."""
        self.tokens: dict[str, OutcomeToken] = {}
        self._market_ids: set[int] = set()
        self._reading = threading.Lock()

    def read_new(self) -> None:
        with self._reading:
            public = Market.objects.filter(status__in=PUBLIC_STATUSES)
            new = sorted(set(public.values_list("pk", flat=True)) - self._market_ids)
            for start in range(0, len(new), MARKETS_A_READ):
                self._read(new[start : start + MARKETS_A_READ])

    def _read(self, market_ids: list[int]) -> None:
        outcomes = Outcome.objects.filter(market__in=market_ids).order_by("market", "index")
        rows = outcomes.values_list("market_id", "market__slug", "market__kind", "index", "code")
        for market_id, slug, kind, index, code in rows:
            is_alone = kind != Market.Kind.CATEGORICAL
            if index == 0 or not is_alone:
                self._keep(_build_leg(market_id, slug, index, code, is_alone=is_alone), slug)
        self._market_ids.update(market_ids)

    def _keep(self, leg: BinaryLeg, event_slug: str) -> None:
        self.legs["condition", leg.condition_id] = leg
        self.legs["slug", leg.slug] = leg
        self.legs["market", leg.number] = leg
        self.legs.setdefault(("event", compute_number("event", event_slug)), leg)
        for is_no, token_id in enumerate(leg.token_ids):
            self.tokens[token_id] = OutcomeToken(leg, bool(is_no))


_directories: FreshCache[str, Directory] = FreshCache(lambda _: Directory(), seconds=inf)


def get_directory() -> Directory:
    directory = _directories.get_sync("")
    assert directory is not None, "it is always made"
    return directory


def find_token(token_id: str) -> OutcomeToken | None:
    directory = get_directory()
    if token_id not in directory.tokens:
        directory.read_new()
    return directory.tokens.get(token_id)


def find_leg(kind: str, name: str | int) -> BinaryLeg | None:
    """Return the book with this condition, slug or market number, or the first of an event."""
    directory = get_directory()
    if (kind, name) not in directory.legs:
        directory.read_new()
    return directory.legs.get((kind, name))


def get_token(token_id: str) -> OutcomeToken:
    token = find_token(token_id)
    if token is None:
        raise not_found(ORDER_BOOK)
    return token
