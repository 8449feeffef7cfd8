"""The feed of predex: the client's own protocol, which finds and recovers gaps."""

from collections.abc import Sequence
from typing import Final

from bots.engine.events import (
    BUY,
    SELL,
    BookChange,
    BookSnapshot,
    BookStale,
    Event,
    Key,
    Level,
    LevelDelta,
    TradePrint,
)
from bots.engine.markets import MarketEvent
from bots.engine.units import read_lots, read_pips
from bots.engine.venues.base import NOTHING, Received, SilentError, VenueFeed
from predex_client.events import BookEvent, LevelChanges, TradesEvent
from predex_client.models import Level as ClientLevel
from predex_client.session import Session, subscribe

SILENT_SECONDS: Final = 15.0
MARKETS_A_MESSAGE_MAX: Final = 100
SIDES: Final = {"buy": BUY, "sell": SELL}


class PredexFeed(VenueFeed):
    """`slugs` are those of the markets, `keys` the books by slug and outcome."""

    def __init__(self, events: Sequence[MarketEvent]) -> None:
        self._keys = {read_name(m.yes): m.yes for event in events for m in event.markets}
        self._slugs = list(dict.fromkeys(slug for slug, _ in self._keys))
        self._session = Session()
        self._stale: set[str] = set()
        self._heard_ns = 0
        self._connected_at = 0.0
        for start in range(0, len(self._slugs), MARKETS_A_MESSAGE_MAX):
            slugs = self._slugs[start : start + MARKETS_A_MESSAGE_MAX]
            self._session.begin(subscribe("book", "trades", markets=slugs))

    def connect(self, now: float) -> list[str]:
        self._connected_at = now
        self._session.lose()  # before the first connection too: whatever is wanted is asked for
        return self._session.connect()

    def lose(self, received_ns: int) -> list[Event]:
        self._session.lose()
        return [BookStale(key, received_ns) for key in self._keys.values()]

    def receive(self, text: str | bytes, received_ns: int) -> Received:
        self._heard_ns = received_ns
        event, _, messages = self._session.receive(text)
        events: list[Event] = []
        if event is None:
            events += self._find_stale(received_ns)
        if isinstance(event, BookEvent) and event.market is not None:
            self._stale.discard(event.market)
            events += self._read_book(event, received_ns)
        elif isinstance(event, TradesEvent) and not event.is_snapshot:
            events += self._read_trades(event, received_ns)
        return Received(events, messages) if events or messages else NOTHING

    def beat(self, now: float) -> list[str]:
        """A heartbeat comes every 2 seconds, so silence is a dead connection."""
        if now - max(self._heard_ns / 1e9, self._connected_at) > SILENT_SECONDS:
            raise SilentError(f"nothing came for {SILENT_SECONDS:.0f} s")
        return []

    def resync(self, key: Key) -> list[str]:
        slug, _ = read_name(key)
        return [self._session.begin(subscribe("book", markets=[slug]))[1]]

    def _find_stale(self, received_ns: int) -> list[Event]:
        books = self._session.books
        stale = {slug for slug in self._slugs if slug in books and not books[slug].is_current}
        new, self._stale = stale - self._stale, stale
        return [BookStale(key, received_ns) for (slug, _), key in self._keys.items() if slug in new]

    def _read_book(self, event: BookEvent, received_ns: int) -> list[Event]:
        by_outcome = {changes.outcome: changes for changes in event.books}
        found: list[Event] = []
        for (slug, outcome), key in self._keys.items() if event.is_snapshot else ():
            if slug == event.market:
                book = by_outcome.get(outcome, LevelChanges(outcome, (), ()))
                bids, asks = _read_levels(book.bids), _read_levels(book.asks)
                found.append(BookSnapshot(key, bids, asks, received_ns))
        for outcome, book in by_outcome.items() if not event.is_snapshot else ():
            key_of = self._keys.get((str(event.market), outcome))
            if key_of is not None:
                changes = (*_read_changes(BUY, book.bids), *_read_changes(SELL, book.asks))
                found.append(BookChange(key_of, changes, received_ns))
        return found

    def _read_trades(self, event: TradesEvent, received_ns: int) -> list[Event]:
        found: list[Event] = []
        for trade in event.trades:
            key = self._keys.get((str(event.market), trade.outcome))
            if key is not None:
                side = SIDES[trade.taker_side]
                pips, lots = read_pips(trade.price), read_lots(trade.quantity)
                found.append(TradePrint(key, side, pips, lots, received_ns))
        return found


def name_token(slug: str, outcome: str) -> str:
    return f"{slug}:{outcome}"


def read_name(key: Key) -> tuple[str, str]:
    """Return slug and outcome of a token."""
    slug, _, outcome = key.token.partition(":")
    return slug, outcome


def _read_levels(levels: Sequence[ClientLevel]) -> tuple[Level, ...]:
    return tuple(Level(read_pips(price), read_lots(quantity)) for price, quantity in levels)


def _read_changes(side: int, levels: Sequence[ClientLevel]) -> list[LevelDelta]:
    return [LevelDelta(side, read_pips(price), read_lots(quantity)) for price, quantity in levels]
