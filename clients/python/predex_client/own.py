"""What the exchange answers about the own orders, positions and money. See `models`."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

OPEN_STATUSES = ("open", "partially_filled", "untriggered")


# --- orders ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BookedOrder:
    """The order as it is in the book: NO at p is YES at 1 - p from the other side."""

    outcome: str
    side: str
    price: Decimal | None


@dataclass(frozen=True, slots=True)
class OrderTrigger:
    kind: str
    price: Decimal | None
    on: str
    trail: Decimal | None


@dataclass(frozen=True, slots=True)
class Order:
    """An order after `seq`. Prices and quantities are of `outcome`, as it was entered."""

    id: str
    client_order_id: str | None
    market: str
    outcome: str
    side: str
    type: str
    price: Decimal | None
    quantity: Decimal
    budget: Decimal | None
    time_in_force: str
    post_only: bool
    reduce_only: bool
    self_trade_prevention: str
    expires_at: datetime | None
    trigger: OrderTrigger | None
    bracket: str | None
    order_group: str | None
    cancel_on_halt: bool
    booked: BookedOrder
    status: str
    reason: str | None
    filled: Decimal
    remaining: Decimal
    average_price: Decimal | None
    fees: Decimal
    seq: int
    created_at: datetime
    updated_at: datetime

    @property
    def is_open(self) -> bool:
        """Whether it rests in a book or waits for its trigger."""
        return self.status in OPEN_STATUSES


@dataclass(frozen=True, slots=True)
class OrderTrade:
    id: str
    price: Decimal
    quantity: Decimal
    fee: Decimal


@dataclass(frozen=True, slots=True)
class OrderAnswer(Order):
    """An order right after matching: its trades in this step, what it holds, and its legs."""

    trades: tuple[OrderTrade, ...]
    hold: Decimal
    legs: tuple[Order, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    code: str
    message: str
    field: str | None


@dataclass(frozen=True, slots=True)
class BatchItem:
    """What became of one order: `order`, or `error` with the status that it would have."""

    status: int
    order: OrderAnswer | None = None
    error: Fault | None = None


@dataclass(frozen=True, slots=True)
class CancelledOrders:
    cancelled: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Warned:
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What an order would do if it came now."""

    market: str
    outcome: str
    side: str
    status: str
    reason: str | None
    filled: Decimal
    remaining: Decimal
    average_price: Decimal | None
    cost: Decimal
    fees: Decimal
    hold: Decimal
    pays_if_right: Decimal
    best_bid: Decimal | None
    best_ask: Decimal | None
    filled_across: Decimal
    warnings: tuple[Warned, ...]
    seq: int


@dataclass(frozen=True, slots=True)
class Protection:
    bracket: str
    legs: tuple[Order, ...]


@dataclass(frozen=True, slots=True)
class QueuePosition:
    order_id: str
    ahead: Decimal
    ahead_at_price: Decimal


@dataclass(frozen=True, slots=True)
class CancelTimer:
    cancels_at: datetime | None
    was_missed: bool


@dataclass(frozen=True, slots=True)
class OrderGroup:
    id: str
    limit: Decimal
    filled: Decimal
    status: str
    stopped_at: datetime | None
    created_at: datetime
    orders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StandingOrder:
    id: str
    market: str
    outcome: str
    side: str
    price: Decimal
    quantity: Decimal | None
    daily_budget: Decimal | None
    until: datetime | None
    status: str
    reason: str | None
    created_at: datetime
    stopped_at: datetime | None


@dataclass(frozen=True, slots=True)
class Fill:
    """One fill of an own order; side, outcome and price as the order was entered."""

    id: str
    order_id: str
    client_order_id: str | None
    market: str
    outcome: str
    side: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    role: str
    seq: int
    created_at: datetime


# --- the account ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Account:
    account: int
    subaccount: int
    kind: str
    currency: str
    cash: Decimal
    held: Decimal
    withdrawing: Decimal
    available: Decimal
    locked_collateral: Decimal
    equity: Decimal | None


@dataclass(frozen=True, slots=True)
class OutcomePosition:
    """Contracts of an outcome; below 0 they were sold without being owned."""

    outcome: str
    position: Decimal
    average_price: Decimal | None
    cost: Decimal
    realised_profit: Decimal
    unrealised_profit: Decimal | None
    price: Decimal | None
    price_source: str | None


@dataclass(frozen=True, slots=True)
class Position:
    """What the account has in one market."""

    market: str
    held: Decimal
    locked_collateral: Decimal
    value: Decimal | None
    unrealised_profit: Decimal | None
    fees: Decimal
    net_paid: Decimal
    payout: Decimal | None
    outcomes: tuple[OutcomePosition, ...]


@dataclass(frozen=True, slots=True)
class Portfolio:
    currency: str
    cash: Decimal
    held: Decimal
    withdrawing: Decimal
    available: Decimal
    locked_collateral: Decimal
    positions_value: Decimal | None
    equity: Decimal | None
    unrealised_profit: Decimal | None
    open_orders: int
    markets: int


@dataclass(frozen=True, slots=True)
class Transfer:
    id: str
    kind: str
    amount: Decimal
    counterparty: str
    market: str | None
    reference: str | None
    reason: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Bucket:
    per_second: int
    burst: int
    remaining: int


@dataclass(frozen=True, slots=True)
class Limits:
    read: Bucket
    write: Bucket


@dataclass(frozen=True, slots=True)
class User:
    handle: str
    display_name: str
    email: str
    email_verified: bool
    is_operator: bool
    two_factor: bool
    credential: str
    scopes: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Tokens:
    """A log-in: `access` is sent as a key is, and ends after `expires_in` seconds."""

    access: str
    refresh: str
    token_type: str
    expires_in: int


@dataclass(frozen=True, slots=True)
class Key:
    """An API key; one that `signs` has no secret, its `id` and a signature take its place."""

    id: str
    prefix: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    networks: tuple[str, ...]
    signs: bool
    subaccount: int


@dataclass(frozen=True, slots=True)
class NewKey(Key):
    """Its `secret` is shown this once, and is None for a key that signs."""

    secret: str | None


@dataclass(frozen=True, slots=True)
class Registration:
    handle: str
    email_verified: bool
    key: NewKey | None


# --- sub-accounts ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Subaccount:
    """An own account; `subaccount` is 0 for the main one."""

    subaccount: int
    cash: Decimal
    held: Decimal
    withdrawing: Decimal
    available: Decimal
    created_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class SubaccountTransfer:
    id: str
    from_subaccount: int
    to_subaccount: int
    amount: Decimal
    created_at: datetime


# --- webhooks -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Webhook:
    """`failures` are attempts that failed since the last that did not."""

    id: str
    url: str
    events: tuple[str, ...]
    is_on: bool
    failures: int
    created_at: datetime
    switched_off_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewWebhook(Webhook):
    """Its `secret` signs what is sent; it is shown this once."""

    secret: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """What was sent, or is to be while it is `due`: `body`, byte for byte."""

    id: str
    event: str
    state: str
    attempts: int
    last_status: int | None
    last_error: str
    last_at: datetime | None
    next_at: datetime | None
    body: str
    created_at: datetime
