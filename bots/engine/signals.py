"""What strategies ask for: legs to take at once, or quotes to rest."""

from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from bots.engine.events import BUY, Key, Level, Levels
from bots.engine.fees import FREE, FeeSchedule


class SignalLeg(Struct, frozen=True, kw_only=True):
    """An order to fill or kill. `takes` are the levels that it is planned on, best first;
    `version` is that of the book which it was planned on.
    """

    key: Key
    side: int
    limit_pips: int
    takes: Levels
    version: int = 0
    fees: FeeSchedule = FREE
    lot_step_lots: int = 100

    @property
    def lots(self) -> int:
        return sum(lots for _, lots in self.takes)

    @property
    def money_micros(self) -> int:
        """What it brings, below 0 what it costs, without fees."""
        return -self.side * sum(pips * lots for pips, lots in self.takes)

    @property
    def fee_micros(self) -> int:
        return self.fees.compute_micros(self.takes)

    def resize(self, lots: int) -> "SignalLeg":
        takes = cut_levels(self.takes, lots)
        return replace(self, takes=takes, limit_pips=takes[-1].price_pips if takes else 0)


class Signal(Struct, frozen=True, kw_only=True):
    """Legs that belong together. A set of one lot of each is worth `payout_pips` when it is paid
    (below 0: it owes that), whatever the result; `edge_micros` is the profit, net of fees.
    `received_ns` is when the message that caused it came, by the monotonic clock.
    """

    strategy: str
    legs: tuple[SignalLeg, ...]
    payout_pips: int
    edge_micros: int
    received_ns: int
    venue: str
    """That of the message."""

    @property
    def lots(self) -> int:
        return self.legs[0].lots

    def resize(self, lots: int) -> "Signal":
        """Return it for fewer lots, with the profit of those."""
        legs = tuple(leg.resize(lots) for leg in self.legs)
        edge_micros = compute_edge_micros(legs, self.payout_pips)
        return replace(self, legs=legs, edge_micros=edge_micros)


class WantedQuote(Struct, frozen=True):
    side: int
    price_pips: int
    lots: int


class QuoteSet(Struct, frozen=True, kw_only=True):
    """All orders that a strategy wants to rest in a book, instead of those that do."""

    strategy: str
    key: Key
    quotes: tuple[WantedQuote, ...]
    received_ns: int


Wish: TypeAlias = Signal | QuoteSet


def cut_levels(levels: Levels, lots: int) -> Levels:
    """Return the first so many lots of levels."""
    kept: list[Level] = []
    for pips, there in levels:
        if lots <= 0:
            break
        kept.append(Level(pips, min(lots, there)))
        lots -= there
    return tuple(kept)


def compute_edge_micros(legs: tuple[SignalLeg, ...], payout_pips: int) -> int:
    lots = legs[0].lots
    return payout_pips * lots + sum(leg.money_micros - leg.fee_micros for leg in legs)


def levels_for(side: int, bids: Levels, asks: Levels) -> Levels:
    """Return the levels that an order of this side takes."""
    return asks if side == BUY else bids
