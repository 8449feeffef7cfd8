"""The schema of the feed's frames, for the AsyncAPI document: a struct for each type.

`frames` and `account` make them; the tests hold every frame that they receive against these.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from trading.wire.fields import Amount, Average, Id, Price, Quantity, Time
from trading.wire.schema import BookLevel, OrderState, OwnFill, PublicTrade

RequestName = Annotated[str, Meta(max_length=64)] | int | None
Seq = Annotated[int, Meta(ge=0)]
SentAt = Annotated[str, Meta(description="When it left the server.")]


class AnyFrame(Struct, kw_only=True, tag_field="type"):
    v: Literal[1]
    ts: Annotated[str, Meta(description="When what it tells happened.")]
    sent_at: SentAt


class MarketFrame(AnyFrame, kw_only=True):
    """Of one market's channel; `prev_seq` is the `seq` of the frame before."""

    market: str
    seq: Seq
    prev_seq: Seq


class SnapshotFrame(AnyFrame, kw_only=True):
    """The state of one market's channel at `seq`."""

    market: str
    seq: Seq
    prev_seq: None


class SocketFrame(AnyFrame, kw_only=True):
    """Of no market and no sequence."""

    market: None
    seq: None
    prev_seq: None


# --- market data ------------------------------------------------------------------------------


class OutcomeLevels(Struct, kw_only=True):
    """Levels of one outcome as [price, quantity]; a quantity of 0.00 removes the level."""

    outcome: str
    bids: list[BookLevel]
    asks: list[BookLevel]


class BookSnapshotFrame(SnapshotFrame, tag="book_snapshot"):
    """All price levels of a market."""

    books: list[OutcomeLevels]


class BookFrame(MarketFrame, tag="book"):
    """The levels whose total changed."""

    books: list[OutcomeLevels]


class TradesSnapshotFrame(SnapshotFrame, tag="trades_snapshot"):
    """The last trades, oldest first."""

    trades: list[PublicTrade]


class TradesFrame(MarketFrame, tag="trades"):
    """Every trade since the frame before."""

    trades: list[PublicTrade]


class BestPrices(Struct, kw_only=True):
    """Best prices and last price of one outcome; null where there is none.

    The implied ones are of markets that are matched across outcomes, the maker's of those that
    have an automated maker.
    """

    outcome: str
    last: Price | None
    bid: Price | None
    bid_quantity: Quantity
    ask: Price | None
    ask_quantity: Quantity
    implied_bid: Price | UnsetType | None = UNSET
    implied_bid_quantity: Quantity | UnsetType = UNSET
    implied_ask: Price | UnsetType | None = UNSET
    implied_ask_quantity: Quantity | UnsetType = UNSET
    maker_bid: Price | UnsetType | None = UNSET
    maker_ask: Price | UnsetType | None = UNSET


class TickerSnapshotFrame(SnapshotFrame, tag="ticker_snapshot"):
    """Every outcome of a market."""

    tickers: list[BestPrices]


class TickerFrame(MarketFrame, tag="ticker"):
    """The outcomes that changed."""

    tickers: list[BestPrices]


class LifecycleSnapshotFrame(SnapshotFrame, tag="lifecycle_snapshot"):
    """Status and terms of a market."""

    status: str
    close_at: Time
    tick: Price
    lot_step: Quantity
    payouts: dict[str, Price] | None
    withdrawn: dict[str, Price]


class LifecycleFrame(MarketFrame, tag="lifecycle"):
    """A change of status, or of terms in the same status."""

    status: str
    from_status: str | None
    reason: str
    close_at: Time
    tick: Price
    lot_step: Quantity
    payouts: dict[str, Price] | None
    withdrawn: dict[str, Price]


class ExchangeFrame(SocketFrame, tag="exchange"):
    """The state of the whole exchange, for followers of all markets."""

    trading_halted: bool
    maintenance: bool
    announcement: str


# --- the account ------------------------------------------------------------------------------


class ShownBalance(Struct, kw_only=True):
    cash: Amount
    held: Amount
    withdrawing: Amount
    available: Amount


class HeldOutcome(Struct, kw_only=True):
    outcome: str
    position: Quantity
    average_price: Average | None
    cost: Amount
    realised_profit: Amount


class HeldMarket(Struct, kw_only=True):
    """Positions in one market, without what depends on prices."""

    market: str
    seq: Seq
    outcomes: list[HeldOutcome]


class MissedSince(Struct, kw_only=True):
    """What ended and what was filled since the place that was resumed from, oldest first."""

    orders: list[OrderState]
    fills: list[OwnFill]
    has_more: bool


class AccountSnapshotFrame(AnyFrame, kw_only=True, tag="me_snapshot"):
    """The account's balance, open orders and positions; `missed` where it was resumed."""

    market: None
    seq: Seq
    prev_seq: None
    balance: ShownBalance
    unread: int
    orders: list[OrderState]
    has_more_orders: bool
    positions: list[HeldMarket]
    resume: str
    missed: MissedSince | UnsetType = UNSET


class AccountFrame(AnyFrame, kw_only=True, tag="me"):
    """What one commit changed of the account."""

    market: None
    seq: Seq
    prev_seq: Seq
    orders: list[OrderState] | UnsetType = UNSET
    fills: list[OwnFill] | UnsetType = UNSET
    positions: list[HeldMarket] | UnsetType = UNSET
    balance: ShownBalance | UnsetType = UNSET
    unread: int | UnsetType = UNSET
    resume: str


# --- the socket's own -------------------------------------------------------------------------


class ExchangeNow(Struct, kw_only=True):
    trading_halted: bool
    maintenance: bool
    announcement: str


class HeartbeatFrame(SocketFrame, tag="heartbeat"):
    """Every 2 seconds: the sequence numbers of the connection's streams, by market and channel."""

    markets: dict[str, dict[str, Seq]]
    me: Seq | None
    engine: Literal["up", "away"]
    exchange: ExchangeNow | None


class AuthenticatedFrame(SocketFrame, tag="authenticated"):
    id: RequestName
    credential: str
    scopes: list[str]


class SubscribedFrame(SocketFrame, tag="subscribed"):
    """The subscription is live: everything after it is sent exactly once."""

    id: RequestName
    channels: list[str]
    markets: list[str] | Literal["all"] | None


class UnsubscribedFrame(SocketFrame, tag="unsubscribed"):
    """Also sent, with a null `id`, when the account may no longer see a market."""

    id: RequestName
    channels: list[str]
    markets: list[str] | Literal["all"] | None


class PongFrame(SocketFrame, tag="pong"):
    id: RequestName


class CancelOnDisconnectFrame(SocketFrame, tag="cancel_on_disconnect"):
    id: RequestName
    enabled: bool


class ErrorFrame(SocketFrame, tag="error"):
    """A message was refused and changed nothing, but for the codes of an unknown outcome."""

    id: RequestName
    status: int
    code: str
    message: str
    field: str | None
    request_id: Id
    retry_after: Annotated[int, Meta(description="In seconds.")] | None


FRAMES: Final[tuple[type[AnyFrame], ...]] = (
    BookSnapshotFrame, BookFrame, TradesSnapshotFrame, TradesFrame, TickerSnapshotFrame,
    TickerFrame, LifecycleSnapshotFrame, LifecycleFrame, ExchangeFrame, AccountSnapshotFrame,
    AccountFrame, HeartbeatFrame, AuthenticatedFrame, SubscribedFrame, UnsubscribedFrame,
    PongFrame, CancelOnDisconnectFrame, ErrorFrame,
)  # fmt: skip


def build_answer_frame(operation: str, body: type[Struct]) -> type[AnyFrame]:
    """Return the struct of the answer to one operation on orders."""
    fields = [
        ("id", str | int),
        ("op", Literal[operation]),
        ("status", int),
        ("repeated", bool),
        ("body", body),
    ]
    return msgspec.defstruct(  # type: ignore[return-value]
        f"Answer_{operation}", fields, bases=(SocketFrame,), tag="answer", kw_only=True
    )
