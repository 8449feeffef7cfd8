"""Commands, events and constants of the matching engine.

Units: price in pips (1/10,000 credit), quantity in lots (1/100 contract), money in micros
(1/1,000,000 credit), time in microseconds UTC. pips x lots = micros, exactly.

Commands and events are msgspec structs laid out as arrays: they are created as fast as tuples,
compare by value and are written to the journal in one call. Their field order is part of the
journal's format: append fields, never move them, and raise `RULES_VERSION` or `SCHEMA_VERSION`.
"""

from enum import IntEnum, StrEnum
from typing import Final, Self

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
    OUTCOME_WITHDRAWN = "outcome_withdrawn"
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
    BRACKET_INVALID = "bracket_invalid"
    ORDER_GROUP_UNKNOWN = "order_group_unknown"
    ORDER_GROUP_STOPPED = "order_group_stopped"
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
    LEG_FIRED = "leg_fired"
    ENGINE_FAULT = "engine_fault"
    MARKET_HALTED = "market_halted"


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


class FeeDiscount(msgspec.Struct, frozen=True, array_like=True):
    """By how many per cent fees are lower for the time being; the schedule itself is fixed.

    A fill counts for so much less towards its order's fee. Orders hold the fee without it, so that
    its end takes nothing from anybody.
    """

    maker_percent: int = 0
    taker_percent: int = 0


class Withdrawal(msgspec.Struct, frozen=True, array_like=True):
    """An outcome of a categorical market that is out: its book is closed, its payout fixed."""

    outcome: int
    pays_pips: int


class Config(msgspec.Struct, frozen=True, array_like=True):
    """What the engine knows of its market.

    Binary: outcomes == 2 with one book, for outcome 0 (YES). Categorical: a book per outcome.
    `close_at_us`, when given, binds by itself: at that instant and
    after it orders are refused. `position_limit_lots` bounds position and open orders per outcome.
    `house_account_id` stands between the books of a categorical market that are matched with one
    another (see `cross`), and enters no orders there; None: each book is matched by itself. So are
    those of a market with a `maker`, which has one price for a complete set already. `withdrawn`
    outcomes, in the order in which they went, take no orders; their collateral stays as it is.
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
    discount: FeeDiscount | None = None
    withdrawn: tuple[Withdrawal, ...] | None = None


class Trigger(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What an order waits for before it trades or rests (see `triggers`).

    A trailing stop has its distance, and may leave its first price to the market.
    """

    kind: TriggerKind
    price_pips: int | None = None
    on: TriggerOn = TriggerOn.LAST
    trail_pips: int | None = None


class Leg(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A take-profit or stop-loss that closes what an entry has opened (see `brackets`).

    It is an order of its own, with this id. Without a price it trades at the market when its
    trigger is reached; with one it may rest there.
    """

    order_id: str
    trigger: Trigger
    price_pips: int | None = None


class OrderOptions(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What most orders do not ask for. With `is_market` the price is a collar, or None.

    A budget is what may be spent in place of a quantity, fees included, at p a lot when buying and
    10,000 - p when selling (that is, buying NO). With a `trigger` the order waits outside the book.
    An entry brings its `legs`, at most one that takes profit and one that stops the loss; a leg has
    the id of its bracket.
    An `order_group`, one of its account's, limits what its orders fill (see `order_groups`).
    """

    is_market: bool = False
    budget_micros: int | None = None
    post_only: bool = False
    reduce_only: bool = False
    expires_at_us: int | None = None
    valid_until_us: int | None = None
    trigger: Trigger | None = None
    legs: tuple[Leg, ...] = ()
    bracket_id: str | None = None
    order_group: str | None = None
    cancel_on_halt: bool = False

    def or_none(self) -> Self | None:
        """Return None for the options of a plain order."""
        return None if self == type(self)() else self
