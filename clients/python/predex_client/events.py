"""What comes over the feed, as typed events: `read_event` makes them of frames."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from predex_client.models import Level, Trade
from predex_client.own import Fill, Order
from predex_client.values import decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`ts` is when it happened, `sent_at` when it left the exchange. `seq` follows `prev_seq`
    within a channel of a market; a snapshot has none before it.
    """

    market: str | None
    seq: int | None
    prev_seq: int | None
    ts: datetime
    sent_at: datetime

    @property
    def is_snapshot(self) -> bool:
        return self.prev_seq is None


@dataclass(frozen=True, slots=True)
class LevelChanges:
    """Levels of one outcome with their new totals; a quantity of 0 removes the level."""

    outcome: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BookEvent(Event):
    books: tuple[LevelChanges, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TradesEvent(Event):
    trades: tuple[Trade, ...]


@dataclass(frozen=True, slots=True)
class BestPrices:
    outcome: str
    last: Decimal | None
    bid: Decimal | None
    bid_quantity: Decimal
    ask: Decimal | None
    ask_quantity: Decimal
    implied_bid: Decimal | None = None
    implied_bid_quantity: Decimal | None = None
    implied_ask: Decimal | None = None
    implied_ask_quantity: Decimal | None = None
    maker_bid: Decimal | None = None
    maker_ask: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TickerEvent(Event):
    tickers: tuple[BestPrices, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleEvent(Event):
    status: str
    close_at: datetime
    tick: Decimal
    lot_step: Decimal
    payouts: dict[str, Decimal] | None
    withdrawn: dict[str, Decimal]
    from_status: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ExchangeNow:
    trading_halted: bool
    maintenance: bool
    announcement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeEvent(Event):
    trading_halted: bool
    maintenance: bool
    announcement: str


@dataclass(frozen=True, slots=True)
class Balance:
    cash: Decimal
    held: Decimal
    withdrawing: Decimal
    available: Decimal


@dataclass(frozen=True, slots=True)
class HeldOutcome:
    outcome: str
    position: Decimal
    average_price: Decimal | None
    cost: Decimal
    realised_profit: Decimal


@dataclass(frozen=True, slots=True)
class Holding:
    """Positions in one market after `seq`, without what depends on prices."""

    market: str
    seq: int
    outcomes: tuple[HeldOutcome, ...]


@dataclass(frozen=True, slots=True)
class Missed:
    """Own orders that ended and fills since the place from which `me` was resumed."""

    orders: tuple[Order, ...]
    fills: tuple[Fill, ...]
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountEvent(Event):
    """What one commit changed. After a lost connection the next one has all that was missed."""

    resume: str
    orders: tuple[Order, ...] = ()
    fills: tuple[Fill, ...] = ()
    positions: tuple[Holding, ...] = ()
    balance: Balance | None = None
    unread: int | None = None
    has_more_orders: bool = False
    missed: Missed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatEvent(Event):
    """Sequence numbers of the streams that the connection follows, and the exchange's state."""

    markets: dict[str, dict[str, int]]
    me: int | None
    engine: str
    exchange: ExchangeNow | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsubscribedEvent(Event):
    """You may no longer see these markets."""

    channels: tuple[str, ...]
    markets: tuple[str, ...] | None


EVENTS: Mapping[str, type[Event]] = {
    "book_snapshot": BookEvent,
    "book": BookEvent,
    "trades_snapshot": TradesEvent,
    "trades": TradesEvent,
    "ticker_snapshot": TickerEvent,
    "ticker": TickerEvent,
    "lifecycle_snapshot": LifecycleEvent,
    "lifecycle": LifecycleEvent,
    "exchange": ExchangeEvent,
    "me_snapshot": AccountEvent,
    "me": AccountEvent,
    "heartbeat": HeartbeatEvent,
    "unsubscribed": UnsubscribedEvent,
}


def read_event(frame: Mapping[str, Any]) -> Event | None:
    """Return a frame as an event; None for an answer, and for a type that is not known yet."""
    kind = EVENTS.get(frame["type"])
    return None if kind is None else decode(kind, frame)
