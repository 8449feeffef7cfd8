"""Commands, events and constants of the matching engine.

Units: price in pips (1/10,000 credit), quantity in lots (1/100 contract), money in micros
(1/1,000,000 credit), time in microseconds UTC. pips x lots = micros, exactly.

Commands and events are msgspec structs laid out as arrays: they are created as fast as tuples,
compare by value and are written to the journal in one call. Their field order is part of the
journal's format: append fields, never move them, and raise `RULES_VERSION` or `SCHEMA_VERSION`.
"""

from enum import IntEnum, StrEnum
from typing import ClassVar, Final, Self

import msgspec

PAYOUT_PIPS: Final = 10_000
"""What one winning contract pays: D in the formulas."""
RULES_VERSION: Final = 2
"""Raised when equal commands may give other events than before."""
SCHEMA_VERSION: Final = 1
"""Raised when the layout of journalled commands or events changes."""

ORDER_LOTS_MAX: Final = 10**9
POSITION_LOTS_MAX: Final = 10**12
OUTCOMES_MAX: Final = 50
MAKERS_MET_MAX: Final = 10_000
"""Resting orders that one taker may meet; what is left of it then is cancelled."""
TRIGGERS_MAX: Final = 200
"""Orders of one account that may wait for their triggers in a market at a time."""
COLLAR_PIPS: Final = 1_000
"""A market order without a collar of its own reaches 10 cents from the best price."""

NO_ACCOUNT: Final = 0
"""Used for commands of the exchange itself, and for anonymous previews."""

BUY: Final = 1
SELL: Final = -1


class Tif(IntEnum):
    """Time in force."""

    GTC = 0
    GTD = 1
    IOC = 2
    FOK = 3


class Stp(IntEnum):
    """Self-trade prevention: what happens when an order meets one of the same owner."""

    CANCEL_NEWEST = 0
    CANCEL_OLDEST = 1
    CANCEL_BOTH = 2
    DECREMENT = 3


class OrderStatus(IntEnum):
    """State of an order; FILLED to REJECTED are final. UNTRIGGERED: it waits for its trigger."""

    OPEN = 0
    PARTIALLY_FILLED = 1
    FILLED = 2
    CANCELLED = 3
    EXPIRED = 4
    REJECTED = 5
    UNTRIGGERED = 6


class TriggerKind(IntEnum):
    """What a trigger waits for: a price that is worse for the order, better, or worse by a distance
    than the best one since."""

    STOP = 0
    TAKE_PROFIT = 1
    TRAILING_STOP = 2


class TriggerOn(IntEnum):
    """The price that a trigger looks at: that of each trade, or the best one that the order could
    trade at."""

    LAST = 0
    BEST = 1


class MarketStatus(IntEnum):
    """What the engine needs to know of a market's status."""

    OPEN = 0
    HALTED = 1
    CLOSED = 2


class FeeKind(IntEnum):
    """How fees grow with a fill: not at all, per contract, or with price x (1 - price)."""

    NONE = 0
    FLAT = 1
    QUADRATIC = 2


class TradeKind(IntEnum):
    """What a trade did to the number of contracts in being: kept, created or redeemed them.

    The legs of a match across books all have the kind of the match. MAKER: with the market's
    automated maker, whatever it did to that number.
    """

    DIRECT = 0
    MINT = 1
    MERGE = 2
    MAKER = 3


class Reason(StrEnum):
    """Why an order was rejected or ended. Stable: these are the codes that the API shows."""

    # Rejections: nothing changed.
    MARKET_NOT_OPEN = "market_not_open"
    MARKET_CLOSED = "market_closed"
    TOO_LATE = "too_late"
    OUTCOME_UNKNOWN = "outcome_unknown"
    PRICE_OFF_TICK = "price_off_tick"
    PRICE_OUT_OF_RANGE = "price_out_of_range"
    QUANTITY_NOT_POSITIVE = "quantity_not_positive"
    QUANTITY_OFF_STEP = "quantity_off_step"
    QUANTITY_TOO_LARGE = "quantity_too_large"
    BUDGET_INVALID = "budget_invalid"
    PRICE_MISSING = "price_missing"
    POST_ONLY_INVALID = "post_only_invalid"
    POST_ONLY_WOULD_CROSS = "post_only_would_cross"
    EXPIRY_INVALID = "expiry_invalid"
    REDUCE_ONLY_NO_POSITION = "reduce_only_no_position"
    POSITION_LIMIT = "position_limit"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    DUPLICATE_ORDER_ID = "duplicate_order_id"
    ORDER_UNKNOWN = "order_unknown"
    NOTHING_TO_AMEND = "nothing_to_amend"
    CONFIGURATION_INVALID = "configuration_invalid"
    CONFIGURATION_STALE = "configuration_stale"
    RESTING_REFUSED = "resting_refused"
    LIQUIDITY_INVALID = "liquidity_invalid"
    TRIGGER_INVALID = "trigger_invalid"
    TOO_MANY_TRIGGERS = "too_many_triggers"
    # Ends.
    FILLED = "filled"
    CANCELLED_BY_OWNER = "cancelled_by_owner"
    CANCELLED_BY_OPERATOR = "cancelled_by_operator"
    AMENDED_TO_FILLED = "amended_to_filled"
    IMMEDIATE_REMAINDER = "immediate_remainder"
    FOK_NOT_FILLABLE = "fok_not_fillable"
    NO_LIQUIDITY = "no_liquidity"
    BUDGET_SPENT = "budget_spent"
    SELF_TRADE = "self_trade"
    REDUCE_ONLY = "reduce_only"
    MATCH_LIMIT = "match_limit"
    EXPIRED = "expired"


class Fees(msgspec.Struct, frozen=True, array_like=True):
    """A fee schedule. Rates are ppm of a credit: quadratic 0.07 is 70,000; flat is micros
    a contract.

    `unit_micros` is what fees are rounded up to: 1 (micro) or 10,000 (cent).
    """

    kind: FeeKind = FeeKind.NONE
    maker_rate_ppm: int = 0
    taker_rate_ppm: int = 0
    unit_micros: int = 1


class MakerTerms(msgspec.Struct, frozen=True, array_like=True):
    """The automated maker that a market opens with (see `lmsr` and `blend`).

    `priors` are weights of the outcomes, of any scale. The funder pays for its worst loss when the
    market opens. `rests_refused`: no order may rest, all trade with the maker.
    """

    account_id: int
    funder_account_id: int
    b_lots: int
    priors: tuple[int, ...]
    rests_refused: bool = False


class Config(msgspec.Struct, frozen=True, array_like=True):
    """What the engine knows of its market.

    Binary: outcomes == 2 with one book, for outcome 0 (YES). Categorical: a book per outcome.
    `close_at_us`, when given, binds by itself: at that instant and
    after it orders are refused. `position_limit_lots` bounds position and open orders per outcome.
    `house_account_id` stands between the books of a categorical market that are matched with one
    another (see `cross`), and enters no orders there; None: each book is matched by itself. So are
    those of a market with a `maker`, which has one price for a complete set already.
    """

    binary: bool
    outcomes: int
    tick_pips: int
    lot_step_lots: int
    fees: Fees = Fees()
    close_at_us: int | None = None
    position_limit_lots: int | None = None
    strict_refund: bool = False
    house_account_id: int | None = None
    maker: MakerTerms | None = None


class Command(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Base of the commands."""


class Trigger(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What an order waits for before it trades or rests (see `triggers`).

    A trailing stop has its distance, and may leave its first price to the market.
    """

    kind: TriggerKind
    price_pips: int | None = None
    on: TriggerOn = TriggerOn.LAST
    trail_pips: int | None = None


class OrderOptions(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What most orders do not ask for. With `is_market` the price is a collar, or None.

    A budget is what may be spent in place of a quantity, fees included, at p a lot when buying and
    10,000 - p when selling (that is, buying NO). With a `trigger` the order waits outside the book.
    """

    is_market: bool = False
    budget_micros: int | None = None
    post_only: bool = False
    reduce_only: bool = False
    expires_at_us: int | None = None
    valid_until_us: int | None = None
    trigger: Trigger | None = None

    def or_none(self) -> Self | None:
        """Return None for the options of a plain order."""
        return None if self == type(self)() else self


class Place(Command, tag=1, frozen=True):
    """Enter an order, as booked: `side` is BUY or SELL of `outcome`'s book.

    A limit order has a price and a quantity; a market order, which never rests, one of quantity
    and budget. `options` is None for a plain order, for speed. `as_no` only records that it
    was entered as its mirror (NO). `fee_free`: house and automated makers.
    """

    order_id: str
    account_id: int
    owner_id: int
    outcome: int
    side: int
    price_pips: int | None = None
    quantity_lots: int | None = None
    tif: Tif = Tif.GTC
    stp: Stp = Stp.CANCEL_NEWEST
    as_no: bool = False
    fee_free: bool = False
    client_order_id: str | None = None
    options: OrderOptions | None = None

    @property
    def is_market(self) -> bool:
        return self.options is not None and self.options.is_market

    @property
    def budget_micros(self) -> int | None:
        return None if self.options is None else self.options.budget_micros

    @property
    def post_only(self) -> bool:
        return self.options is not None and self.options.post_only

    @property
    def reduce_only(self) -> bool:
        return self.options is not None and self.options.reduce_only

    @property
    def expires_at_us(self) -> int | None:
        return None if self.options is None else self.options.expires_at_us

    @property
    def valid_until_us(self) -> int | None:
        return None if self.options is None else self.options.valid_until_us

    @property
    def trigger(self) -> Trigger | None:
        return None if self.options is None else self.options.trigger


class Amend(Command, tag=2, frozen=True):
    """Change price and/or total quantity (filled part included) of a resting order.

    Of one that waits for its trigger the price of that too.
    """

    order_id: str
    account_id: int
    price_pips: int | None = None
    quantity_lots: int | None = None
    valid_until_us: int | None = None
    trigger_pips: int | None = None


class Cancel(Command, tag=3, frozen=True):
    """Cancel one order of `account_id`."""

    order_id: str
    account_id: int


class CancelAll(Command, tag=4, frozen=True):
    """Cancel every open order of `account_id` in this market. `by_operator` names the reason."""

    account_id: int
    by_operator: bool = False


class Configure(Command, tag=5, frozen=True):
    """Set the market's status and configuration; closing cancels every resting order.

    A finer tick is taken only while halted, and must divide the old one. `by_user_id` (None: the
    exchange itself), `why` and `request_id` are for the record. `seen` is the status and
    configuration (None, None: none yet) that the sender decided upon: of two who decide at once
    the later is refused. The first one of a market with a maker is paid for by its funder.
    """

    status: MarketStatus
    config: Config
    by_user_id: int | None = None
    why: str = ""
    seen: tuple[MarketStatus | None, Config | None] | None = None
    request_id: str = ""

    @property
    def account_id(self) -> int:
        maker = self.config.maker
        return NO_ACCOUNT if maker is None else maker.funder_account_id


class Tick(Command, tag=6, frozen=True):
    """Nothing but the passing of time: orders that are due expire."""

    account_id: ClassVar[int] = NO_ACCOUNT


class ChangeLiquidity(Command, tag=7, frozen=True):
    """Let the market's maker have `by_lots` more liquidity, or less; prices stay.

    The account pays for the greater worst loss, or has back, of what it paid, what is free then.
    """

    account_id: int
    by_lots: int


class Fire(Command, tag=8, frozen=True):
    """Carry out an order of the account whose trigger price was reached.

    The exchange sends it, soon after the command that reached the price.
    """

    order_id: str
    account_id: int


AnyCommand = Place | Amend | Cancel | CancelAll | Configure | Tick | ChangeLiquidity | Fire


class EngineEvent(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Base of the events."""


class Rejected(EngineEvent, tag=1, frozen=True):
    """The command changed nothing. `missing_micros` says how much is lacking when it is funds."""

    order_id: str
    reason: Reason
    missing_micros: int = 0


class Traded(EngineEvent, tag=2, frozen=True):
    """One fill. `*_cash_micros` is what the account's cash changes by, fee not included.

    `index` counts the trades of one command from 0. `taker_side` is of `outcome`'s book. In a leg
    of a match across books one side is the house, in a trade of kind MAKER it is the automated
    maker: its order id is "" and it pays no fee. `amount_micros` is 0 where it is price x quantity;
    else the price is its average, rounded to the pip against the taker.
    """

    index: int
    outcome: int
    taker_side: int
    price_pips: int
    quantity_lots: int
    kind: TradeKind
    taker_order_id: str
    maker_order_id: str
    taker_account_id: int
    maker_account_id: int
    taker_cash_micros: int
    maker_cash_micros: int
    taker_fee_micros: int
    maker_fee_micros: int
    amount_micros: int = 0

    @property
    def paid_micros(self) -> int:
        """What the buyer pays the seller."""
        return self.amount_micros or self.price_pips * self.quantity_lots


class Rested(EngineEvent, tag=3, frozen=True):
    """What is left of an order now rests in the book, last at its price."""

    order_id: str
    outcome: int
    side: int
    price_pips: int
    remaining_lots: int


class Amended(EngineEvent, tag=4, frozen=True):
    """An amend was accepted; when it lost its place a Rested or an Ended follows.

    Of an order that waits for its trigger the price is 0 if it has none; `trigger_pips` is as it is
    from here on.
    """

    order_id: str
    price_pips: int
    quantity_lots: int
    remaining_lots: int
    kept_priority: bool
    trigger_pips: int | None = None


class Decremented(EngineEvent, tag=5, frozen=True):
    """Self-trade prevention took `by_lots` from the order without a trade."""

    order_id: str
    by_lots: int
    remaining_lots: int


class Ended(EngineEvent, tag=6, frozen=True):
    """The order left the exchange with `remaining_lots` unfilled."""

    order_id: str
    status: OrderStatus
    reason: Reason
    remaining_lots: int


class Configured(EngineEvent, tag=7, frozen=True):
    """The market has this status and configuration from here on."""

    status: MarketStatus
    config: Config


class CrossMatched(EngineEvent, tag=8, frozen=True):
    """One match across the books of a market, all of it at once.

    A taker of one outcome traded `quantity_lots` with the best orders of the other outcomes, which
    together made (MINT) or redeemed (MERGE) complete sets. `trades` are its legs: the taker's at
    the implied price, then the makers' by outcome, each with the house on its other side. The
    house pays for sets with the first leg or is paid for them with the last: in all its cash is 0.
    """

    kind: TradeKind
    quantity_lots: int
    trades: tuple[Traded, ...]


class LiquidityChanged(EngineEvent, tag=9, frozen=True):
    """The maker has liquidity `b_lots` from here on; the account paid it `amount_micros`.

    The amount is negative for what the account has back.
    """

    account_id: int
    maker_account_id: int
    b_lots: int
    amount_micros: int


class Waited(EngineEvent, tag=10, frozen=True):
    """The order waits for its trigger from here on, outside the book."""

    order_id: str
    trigger_pips: int | None
    remaining_lots: int


class TriggerMoved(EngineEvent, tag=11, frozen=True):
    """A trailing stop's price has followed the market."""

    order_id: str
    trigger_pips: int


class Triggered(EngineEvent, tag=12, frozen=True):
    """The order's trigger price was reached: it will be fired, whatever prices do until then."""

    order_id: str


class Fired(EngineEvent, tag=13, frozen=True):
    """The order waits no more and trades as any other, with this limit."""

    order_id: str
    price_pips: int


AnyEvent = (
    Rejected
    | Traded
    | Rested
    | Amended
    | Decremented
    | Ended
    | Configured
    | CrossMatched
    | LiquidityChanged
    | Waited
    | TriggerMoved
    | Triggered
    | Fired
)


def list_trades(event: AnyEvent) -> tuple[Traded, ...]:
    """Return the trades that an event is made of."""
    if isinstance(event, Traded):
        return (event,)
    return event.trades if isinstance(event, CrossMatched) else ()
