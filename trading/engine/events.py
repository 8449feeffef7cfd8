"""Events of the matching engine: what a command did to its market.

Msgspec structs laid out as arrays, as commands are; the same holds for their fields.
"""

import msgspec

from trading.engine.commands import Place
from trading.engine.types import Config, MarketStatus, OrderStatus, Reason, TradeKind


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


class LegAttached(EngineEvent, tag=14, frozen=True):
    """A leg waits from here on, to close `remaining_lots`: 0 until its entry is filled."""

    leg: Place
    remaining_lots: int

    @property
    def order_id(self) -> str:
        return self.leg.order_id


class LegResized(EngineEvent, tag=15, frozen=True):
    """A leg now has this much to close: its entry was filled, or the other leg, or the position."""

    order_id: str
    remaining_lots: int


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
    | LegAttached
    | LegResized
)


def list_trades(event: AnyEvent) -> tuple[Traded, ...]:
    """Return the trades that an event is made of."""
    if isinstance(event, Traded):
        return (event,)
    return event.trades if isinstance(event, CrossMatched) else ()
