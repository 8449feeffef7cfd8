"""The schema of order operations, requests and replies, for all entry points.

OpenAPI is made from these structs, and those imported by name, which they refer to (see
`openapi.py`). Requests refuse unknown fields. Numbers are
kept as the text that was sent (`Raw`) and read exactly, as a JSON number or a decimal in a string;
answers carry decimal strings. Prices are of the outcome named beside them.
"""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from trading.wire.fields import (
    Amount,
    Average,
    ClientOrderId,
    Id,
    OrderType,
    OutcomeIn,
    Price,
    PriceIn,
    PriceSource,
    Quantity,
    QuantityIn,
    RequestBody,
    Role,
    SelfTradePrevention,
    ShownName,
    ShownSide,
    ShownStatus,
    ShownType,
    Side,
    Slug,
    Time,
    TimeIn,
    TimeInForce,
    absent,
)
from trading.wire.options import LegIn as LegIn
from trading.wire.options import OptionsIn, OptionsOut
from trading.wire.options import StopLossIn as StopLossIn
from trading.wire.options import TriggerIn as TriggerIn
from trading.wire.options import TriggerOut as TriggerOut

BATCH_ORDERS_MAX = 100
PLACE_ORDER = "#/components/schemas/PlaceOrderRequest"


# --- requests ---------------------------------------------------------------------------------


class PlaceOrder(OptionsIn, kw_only=True):
    """An order. Limit orders need price and quantity; market orders quantity or budget.

    `take_profit` and `stop_loss` close what it has filled; one cancels the other.
    """

    market: Slug
    outcome: OutcomeIn | None = None
    side: Side
    type: OrderType = "limit"
    price: PriceIn = msgspec.field(default_factory=absent)
    quantity: QuantityIn = msgspec.field(default_factory=absent)
    time_in_force: TimeInForce | None = None
    self_trade_prevention: SelfTradePrevention = "cancel_newest"
    client_order_id: ClientOrderId | None = None
    currency: str | None = None


class PlaceBatch(RequestBody, kw_only=True):
    """Up to 100 orders, carried out in this order, each accepted or refused by itself."""

    orders: Annotated[
        list[Annotated[Raw, Meta(extra_json_schema={"$ref": PLACE_ORDER})]],
        Meta(min_length=1, max_length=BATCH_ORDERS_MAX),
    ]


class AmendOrder(RequestBody, kw_only=True):
    """A new price, a new total quantity (its filled part included), or both.

    While the order waits for its trigger, also where that is. `take_profit` and `stop_loss` of the
    order, or of the bracket that it is part of, are replaced, or with null removed.
    """

    price: PriceIn = msgspec.field(default_factory=absent)
    quantity: QuantityIn = msgspec.field(default_factory=absent)
    valid_until: TimeIn | None = None
    trigger_price: PriceIn = msgspec.field(default_factory=absent)
    take_profit: LegIn | UnsetType | None = UNSET
    stop_loss: StopLossIn | UnsetType | None = UNSET


class ClosePositions(RequestBody, kw_only=True):
    """What to close: one position, all of a market, or without a market everything."""

    market: Slug | None = None
    outcome: OutcomeIn | None = None


class ProtectPosition(RequestBody, kw_only=True):
    """A take-profit, a stop-loss or both for a position: all of it, or a `quantity`."""

    market: Slug
    outcome: OutcomeIn | None = None
    quantity: QuantityIn = msgspec.field(default_factory=absent)
    take_profit: LegIn | None = None
    stop_loss: StopLossIn | None = None
    valid_until: TimeIn | None = None


# --- replies ----------------------------------------------------------------------------------


class Booked(Struct):
    """The order as it stands in the book: NO at p is YES at 1 - p from the other side."""

    outcome: str
    side: ShownSide
    price: Price | None


class OrderState(OptionsOut, kw_only=True):
    """An order as it is after `seq`. Price, quantity and averages are of `outcome`, as entered.

    `price` of a market order is the worst price it could have traded at.
    """

    id: Id
    client_order_id: str | None
    market: str
    outcome: str
    side: ShownSide
    type: ShownType
    price: Price | None
    quantity: Quantity
    time_in_force: ShownName
    self_trade_prevention: ShownName
    booked: Booked
    status: ShownStatus
    reason: Annotated[str, Meta(description="Why it ended; null before.")] | None
    filled: Quantity
    remaining: Annotated[str, Meta(description="What is unfilled, or was when it ended.")]
    average_price: Average | None
    fees: Amount
    seq: Annotated[int, Meta(description="The market's sequence number of this state.")]
    created_at: Time
    updated_at: Time


class OrderTrade(Struct, kw_only=True):
    """One fill of the order just sent."""

    id: Id
    price: Price
    quantity: Quantity
    fee: Amount


class OrderAnswer(OrderState, kw_only=True):
    """An order right after matching, with the trades it made in this step.

    `hold` is what available credits were lowered by for what rests (below 0: raised). `legs` are
    the take-profit and stop-loss of its bracket, each an order of its own.
    """

    trades: list[OrderTrade]
    hold: Amount
    legs: list[OrderState]


class Protection(Struct, kw_only=True):
    """The take-profit and stop-loss of a position, each an order of its own."""

    bracket: Id
    legs: list[OrderState]


class OrderQueuePosition(Struct, kw_only=True):
    """What trades before a resting order: `ahead` in all, `ahead_at_price` at its own price."""

    order_id: Id
    ahead: Quantity
    ahead_at_price: Quantity


class QueuePositions(Struct, kw_only=True):
    results: list[OrderQueuePosition]


class Fault(Struct, kw_only=True):
    code: str
    message: str
    field: str | None


class BatchItem(Struct, kw_only=True):
    """What became of one order of a batch: `order`, or `error` with the status it would have."""

    status: int
    order: OrderAnswer | None = None
    error: Fault | None = None


class BatchAnswer(Struct, kw_only=True):
    results: list[BatchItem]


class CancelledOrders(Struct, kw_only=True):
    cancelled: list[Id]
    count: int


class Warned(Struct, kw_only=True):
    code: str
    message: str


class PreviewAnswer(Struct, kw_only=True):
    """What the order would do if it came now. Nothing is changed and nothing reserved.

    `cost` is what the fills would take from cash, fees included (below 0: they would bring money);
    `hold` what the rest would hold; `pays_if_right` what the bought contracts pay if the outcome
    (for a sale of what is not owned: if it doesn't) happens; `best_bid` and `best_ask` are of the
    outcome, afterwards.
    """

    market: str
    outcome: str
    side: ShownSide
    status: ShownStatus
    reason: str | None
    filled: Quantity
    remaining: Quantity
    average_price: Average | None
    cost: Amount
    fees: Amount
    hold: Amount
    pays_if_right: Amount
    best_bid: Price | None
    best_ask: Price | None
    filled_across: Annotated[
        str, Meta(description="What of `filled` would trade with all other outcomes at once.")
    ]
    warnings: list[Warned]
    seq: int


class BookLevel(Struct, array_like=True):
    """[price, quantity]."""

    price: Price
    quantity: Quantity


class OutcomeBook(Struct, kw_only=True, omit_defaults=True):
    """One outcome's levels, best first. NO of a binary market is YES seen from the other side.

    The implied levels, at most 10 of a side, are what a taker of this outcome gets from the books
    of all others at once, where the market is matched across outcomes; they are in no book.
    `maker_bids` and `maker_asks`, in a market that has one, are its automated maker's beside those
    of orders, 50 at most: an order trades with the cheaper of both.
    """

    outcome: str
    bids: list[BookLevel]
    asks: list[BookLevel]
    implied_bids: list[BookLevel] | None = None
    implied_asks: list[BookLevel] | None = None
    maker_bids: list[BookLevel] | None = None
    maker_asks: list[BookLevel] | None = None


class BookAnswer(Struct, kw_only=True):
    market: str
    seq: int
    ts: Time
    books: list[OutcomeBook]


class Ticker(Struct, kw_only=True):
    """One outcome at a glance. `change_24h` is of the last price; null where nothing is known.

    The implied prices are what a taker gets from the books of all other outcomes at once, the
    maker's those of the market's automated maker.
    """

    market: str
    outcome: str
    last: Price | None
    bid: Price | None
    bid_quantity: Quantity
    ask: Price | None
    ask_quantity: Quantity
    implied_bid: Price | None
    implied_bid_quantity: Quantity
    implied_ask: Price | None
    implied_ask_quantity: Quantity
    maker_bid: Price | None
    maker_ask: Price | None
    volume_24h: Quantity
    change_24h: Price | None
    open_interest: Quantity
    seq: int


class TickerPage(Struct, kw_only=True):
    results: list[Ticker]
    next_cursor: str | None


# --- rows of lists ----------------------------------------------------------------------------


class OrderPage(Struct, kw_only=True):
    results: list[OrderState]
    next_cursor: str | None


class OwnFill(Struct, kw_only=True):
    """One fill of an own order; side, outcome and price as the order was entered."""

    id: Id
    order_id: Id
    client_order_id: str | None
    market: str
    outcome: str
    side: ShownSide
    price: Price
    quantity: Quantity
    fee: Amount
    role: Role
    seq: int
    created_at: Time


class OwnFillPage(Struct, kw_only=True):
    results: list[OwnFill]
    next_cursor: str | None


class OutcomePosition(Struct, kw_only=True):
    """Contracts of an outcome. Below 0: sold without owning them (in a binary market: NO owned).

    `average_price`, `cost` and profits are without fees.
    """

    outcome: str
    position: Quantity
    average_price: Average | None
    cost: Amount
    realised_profit: Amount
    unrealised_profit: Amount | None
    price: Annotated[str, Meta(description="What it is valued at, 6 decimals.")] | None
    price_source: PriceSource | None


class MarketPosition(Struct, kw_only=True):
    """What the account has in one market. `value` is null where a price it needs is unknown."""

    market: str
    held: Amount
    locked_collateral: Amount
    value: Amount | None
    unrealised_profit: Amount | None
    fees: Amount
    net_paid: Annotated[str, Meta(description="Paid in less received, fees included.")]
    payout: Annotated[str, Meta(description="What the result paid; null before.")] | None
    outcomes: list[OutcomePosition]


class MarketPositionPage(Struct, kw_only=True):
    results: list[MarketPosition]
    next_cursor: str | None


class Portfolio(Struct, kw_only=True):
    """Money and its use. Equity is cash plus what the positions are worth, null if unknown."""

    currency: str
    cash: Amount
    held: Amount
    withdrawing: Amount
    available: Amount
    locked_collateral: Amount
    positions_value: Amount | None
    equity: Amount | None
    unrealised_profit: Amount | None
    open_orders: int
    markets: Annotated[int, Meta(description="Markets with a position that is not paid yet.")]


class PublicTrade(Struct, kw_only=True):
    """A trade in a book; `taker_side` is what the later order did there. Names nobody."""

    id: Id
    outcome: str
    price: Price
    quantity: Quantity
    taker_side: ShownSide
    seq: int
    created_at: Time
    match_id: Annotated[
        str, Meta(description="Shared by the legs of a match across outcomes; else its own id.")
    ]


class PublicTradePage(Struct, kw_only=True):
    results: list[PublicTrade]
    next_cursor: str | None


class CandleBar(Struct, kw_only=True):
    """Prices of trades, best prices and open interest at the end, volume.

    Where nothing was traded the prices are `carried`: the last one before, null without any.
    """

    start: Time
    open: Price | None
    high: Price | None
    low: Price | None
    close: Price | None
    bid: Price | None
    ask: Price | None
    volume: Quantity
    trades: int
    open_interest: Quantity
    seq: int
    carried: bool


class CandlePage(Struct, kw_only=True):
    results: list[CandleBar]
    next_cursor: str | None


class OutcomePrice(Struct, kw_only=True):
    """`price`: the middle of bid and ask; while they are more than 10 cents apart, or one is
    missing, the last price; null where nothing is known. `source` says which it is.
    """

    outcome: str
    price: Average | None
    source: PriceSource | None
    spread_is_wide: bool
    bid: Price | None
    ask: Price | None
    last: Price | None


class MarketPrices(Struct, kw_only=True):
    market: str
    seq: int
    ts: Time
    prices: list[OutcomePrice]
