"""What the exchange answers about markets; `own` has orders and the account.

Prices, quantities and money are exact decimals, times are UTC. New values of texts such as `status`
and `reason` may appear; `docs/api.md` describes every field.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple


class Level(NamedTuple):
    """A price, and all that is offered there."""

    price: Decimal
    quantity: Decimal


# --- markets --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcome:
    index: int
    code: str
    name: str
    payout: Decimal | None
    withdrawn_payout: Decimal | None
    withdrawn_at: datetime | None


@dataclass(frozen=True, slots=True)
class Market:
    """A market as lists show it."""

    slug: str
    title: str
    kind: str
    status: str
    approved: bool
    visibility: str
    group: str | None
    category: str | None
    tags: tuple[str, ...]
    event: str | None
    series: str | None
    creator: str
    resolver: str | None
    outcomes: tuple[Outcome, ...]
    open_at: datetime | None
    close_at: datetime
    expected_settle_at: datetime | None
    settled_at: datetime | None
    dispute_seconds: int
    dispute_bond: Decimal
    low: Decimal | None
    high: Decimal | None
    unit: str
    tick: Decimal
    lot_step: Decimal
    fee_kind: str
    fee_maker_rate: Decimal
    fee_taker_rate: Decimal
    fee_unit: Decimal
    position_limit: Decimal | None
    strict_refund: bool
    matches_across_outcomes: bool
    maker_liquidity: Decimal | None
    maker_subsidy: Decimal | None
    maker_priors: tuple[int, ...] | None
    maker_alone: bool
    maker_funded_by_house: bool
    currency: str
    featured: bool
    volume: Decimal
    volume_24h: Decimal
    last_price: Decimal | None
    last_number: Decimal | None
    settled_number: Decimal | None
    traders: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Discount:
    maker_percent: int
    taker_percent: int
    starts_at: datetime
    ends_at: datetime | None
    is_applied: bool


@dataclass(frozen=True, slots=True)
class Clarification:
    text: str
    by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Resolver:
    kind: str
    url: str
    value_path: str
    comparison: str
    threshold: str
    threshold_path: str
    time_path: str
    source: str | None
    delay_seconds: int
    patience_seconds: int
    set_by: str
    approved_by: str | None
    state: str
    because: str


@dataclass(frozen=True, slots=True)
class Panel:
    judges: tuple[str, ...]
    verdicts_needed: int


@dataclass(frozen=True, slots=True)
class Reading:
    value: str | None
    threshold: str | None
    url: str | None
    sha256: str | None
    market: str | None
    at: str


@dataclass(frozen=True, slots=True)
class Result:
    payout: tuple[Decimal, ...] | None
    number: Decimal | None
    evidence_text: str
    evidence_url: str
    reading: Reading | None
    proposed_by: str
    proposed_at: datetime
    final_at: datetime
    disputes: int


@dataclass(frozen=True, slots=True)
class MarketDetails(Market):
    """A market with its texts, and how it is resolved."""

    description: str
    rules: str
    resolution_source: str
    fee_discount: Discount | None
    clarifications: tuple[Clarification, ...]
    automatic_resolver: Resolver | None
    panel: Panel | None
    result: Result | None


@dataclass(frozen=True, slots=True)
class StatusChange:
    from_status: str | None
    to_status: str
    by: str | None
    reason: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ExchangeState:
    trading_halted: bool
    maintenance: bool
    announcement: str
    updated_at: datetime


# --- market data ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OutcomeBook:
    """One outcome's levels, best first. Implied ones come of the books of the other outcomes."""

    outcome: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    implied_bids: tuple[Level, ...] | None = None
    implied_asks: tuple[Level, ...] | None = None
    maker_bids: tuple[Level, ...] | None = None
    maker_asks: tuple[Level, ...] | None = None


@dataclass(frozen=True, slots=True)
class Book:
    market: str
    seq: int
    ts: datetime
    books: tuple[OutcomeBook, ...]

    def __getitem__(self, outcome: str) -> OutcomeBook:
        return {book.outcome: book for book in self.books}[outcome]


@dataclass(frozen=True, slots=True)
class Trade:
    """A trade in a book; `taker_side` is what the later order did. Names nobody."""

    id: str
    outcome: str
    price: Decimal
    quantity: Decimal
    taker_side: str
    seq: int
    created_at: datetime
    match_id: str


@dataclass(frozen=True, slots=True)
class Candle:
    start: datetime
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    close: Decimal | None
    bid: Decimal | None
    ask: Decimal | None
    volume: Decimal
    trades: int
    open_interest: Decimal
    seq: int
    carried: bool


@dataclass(frozen=True, slots=True)
class OutcomePrice:
    outcome: str
    price: Decimal | None
    source: str | None
    spread_is_wide: bool
    bid: Decimal | None
    ask: Decimal | None
    last: Decimal | None


@dataclass(frozen=True, slots=True)
class Prices:
    market: str
    seq: int
    ts: datetime
    prices: tuple[OutcomePrice, ...]


@dataclass(frozen=True, slots=True)
class Ticker:
    market: str
    outcome: str
    last: Decimal | None
    bid: Decimal | None
    bid_quantity: Decimal
    ask: Decimal | None
    ask_quantity: Decimal
    implied_bid: Decimal | None
    implied_bid_quantity: Decimal
    implied_ask: Decimal | None
    implied_ask_quantity: Decimal
    maker_bid: Decimal | None
    maker_ask: Decimal | None
    volume_24h: Decimal
    change_24h: Decimal | None
    open_interest: Decimal
    seq: int
