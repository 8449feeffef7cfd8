"""The map of markets: what the engine follows, and what belongs together.

Everything is a contract that pays 1 or 0, as on Kalshi and Polymarket: a market of several outcomes
is an event with one market for each. Where a venue has one book for YES and NO, the NO token's book
is the YES book mirrored at 1 - price.
"""

import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from bots.engine.events import BUY, SELL, Key
from bots.engine.fees import FREE, FeeSchedule
from bots.engine.units import PAYOUT_PIPS


class BinaryMarket(Struct, frozen=True, kw_only=True):
    """`lot_step_lots` is the least quantity; `has_one_book`: that of `yes`."""

    id: str
    yes: Key
    no: Key
    has_one_book: bool
    tick_pips: int = 100
    lot_step_lots: int = 100
    fees: FeeSchedule = FREE
    title: str = ""

    @property
    def venue(self) -> str:
        return self.yes.venue

    @property
    def books(self) -> tuple[Key, ...]:
        return (self.yes,) if self.has_one_book else (self.yes, self.no)


class MarketEvent(Struct, frozen=True, kw_only=True):
    """Markets of which at most one pays; `is_exhaustive`: exactly one does."""

    id: str
    markets: tuple[BinaryMarket, ...]
    is_exhaustive: bool = False


class UnknownMarketError(LookupError):
    """The mapping file or the configuration names a market that no venue has."""


class MarketMap:
    def __init__(self, events: Iterable[MarketEvent]) -> None:
        self.events = tuple(events)
        self.markets = tuple(market for event in self.events for market in event.markets)
        self.by_token = {key: market for market in self.markets for key in (market.yes, market.no)}
        self._sets = {
            market.yes: tuple(one.yes for one in event.markets)
            for event in self.events
            for market in event.markets
            if event.is_exhaustive
        }
        self._by_name = {(market.venue, market.id): market for market in self.markets}
        self.same: list[tuple[BinaryMarket, ...]] = []
        """Groups of markets at several venues that are about the same."""

    def find(self, venue: str, market_id: str) -> BinaryMarket:
        market = self._by_name.get((venue, market_id))
        if market is None:
            raise UnknownMarketError(f"{venue} has no market {market_id!r} that is followed")
        return market

    def load_mapping(self, path: Path) -> None:
        """Read groups of the same market, `[[same]]` tables of venue = "market"."""
        with path.open("rb") as file:
            self.add_same(tomllib.load(file).get("same", []))

    def add_same(self, groups: Iterable[dict[str, Any]]) -> None:
        for group in groups:
            self.same.append(tuple(self.find(*pair) for pair in group.items()))

    def find_set(self, yes: Key) -> tuple[Key, ...]:
        """Return the tokens of which exactly one pays, this one among them; () if that is open."""
        return self._sets.get(yes, ())

    def find_book(self, key: Key) -> tuple[Key, bool]:
        """Return the book that a token is traded in, and whether it is seen mirrored there."""
        market = self.by_token.get(key)
        is_mirrored = market is not None and market.has_one_book and key == market.no
        return (market.yes, True) if market is not None and is_mirrored else (key, False)

    def express_as_yes(self, key: Key, side: int, price_pips: int) -> tuple[Key, int, int]:
        """Return a trade as one of YES, which has the same result: NO at p is YES at 1 - p."""
        market = self.by_token.get(key)
        if market is None or key == market.yes:
            return key, side, price_pips
        return market.yes, SELL if side == BUY else BUY, PAYOUT_PIPS - price_pips


def list_books(events: Sequence[MarketEvent]) -> list[Key]:
    return [key for event in events for market in event.markets for key in market.books]
