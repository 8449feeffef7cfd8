"""What a program may ask for in an order."""

from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from enum import Enum
from typing import Literal

from predex_client.values import Number

Side = Literal["buy", "sell"]
OrderType = Literal["limit", "market"]
TimeInForce = Literal["gtc", "gtd", "ioc", "fok"]
SelfTradePrevention = Literal["cancel_newest", "cancel_oldest", "cancel_both", "decrement"]
TriggerOn = Literal["last", "best"]
Scope = Literal["read", "trade", "operate"]
WebhookEvent = Literal["fill", "order_ended", "market_status", "settlement"]
DeliveryState = Literal["due", "delivered", "failed"]


class Keep(Enum):
    """`KEEP` leaves a leg of an amended order as it is; None removes it."""

    KEEP = "keep"


KEEP = Keep.KEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """What an order waits for outside the book."""

    kind: Literal["stop", "take_profit", "trailing_stop"]
    price: Number | None = None
    on: TriggerOn | None = None
    trail: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeProfit:
    """An order that closes what its entry has opened, when `price` is reached."""

    price: Number
    limit: Number | None = None
    on: TriggerOn | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopLoss:
    """As `TakeProfit`, at a worse price; with `trail` it follows the best price seen."""

    price: Number | None = None
    limit: Number | None = None
    on: TriggerOn | None = None
    trail: Number | None = None


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order to place. Limit orders have `quantity` and `price`, market ones one of `quantity`
    and `budget`. Give it a `client_order_id`, and it is one order however often it is sent.
    """

    market: str
    side: Side
    quantity: Number | None = None
    price: Number | None = None
    _: KW_ONLY
    outcome: str | None = None
    type: OrderType | None = None
    budget: Number | None = None
    time_in_force: TimeInForce | None = None
    post_only: bool | None = None
    reduce_only: bool | None = None
    self_trade_prevention: SelfTradePrevention | None = None
    client_order_id: str | None = None
    expires_at: datetime | None = None
    valid_until: datetime | None = None
    trigger: Trigger | None = None
    take_profit: TakeProfit | None = None
    stop_loss: StopLoss | None = None
    order_group: str | None = None
    cancel_on_halt: bool | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRequest:
    """A first API key, made with the account; `networks` are from where it may be used."""

    name: str
    scopes: tuple[str, ...] = ("read", "trade")
    networks: tuple[str, ...] | None = None
    public_key: str | None = None
    expires_at: datetime | None = None
