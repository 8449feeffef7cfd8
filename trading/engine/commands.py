"""Commands of the matching engine: what is asked of a market, by whomever.

Msgspec structs laid out as arrays: they are created as fast as tuples, compare by value and are
written to the journal in one call. Their field order is part of the journal's format: append
fields, never move them, and raise `RULES_VERSION` or `SCHEMA_VERSION`.
"""

from typing import ClassVar

import msgspec

from trading.engine.types import (
    NO_ACCOUNT,
    Config,
    Leg,
    MarketStatus,
    OrderOptions,
    Stp,
    Tif,
    Trigger,
    TriggerKind,
)


class Command(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Base of the commands."""


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

    @property
    def legs(self) -> tuple[Leg, ...]:
        return () if self.options is None else self.options.legs

    @property
    def bracket_id(self) -> str | None:
        return None if self.options is None else self.options.bracket_id

    @property
    def order_group(self) -> str | None:
        return None if self.options is None else self.options.order_group


class Amend(Command, tag=2, frozen=True):
    """Change price and/or total quantity (filled part included) of a resting order.

    Of one that waits for its trigger the price of that too. `legs` are given to its bracket in
    place of those of their kind, and `removed` are taken from it: TAKE_PROFIT, and STOP for any
    stop. For these the order may be a leg, or have been filled.
    """

    order_id: str
    account_id: int
    price_pips: int | None = None
    quantity_lots: int | None = None
    valid_until_us: int | None = None
    trigger_pips: int | None = None
    legs: tuple[Leg, ...] = ()
    removed: tuple[TriggerKind, ...] = ()

    @property
    def names_numbers(self) -> bool:
        """Whether it changes the order itself."""
        return (self.price_pips, self.quantity_lots, self.trigger_pips) != (None, None, None)


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

    The exchange sends it, soon after the command that reached the price. `gives_up`: this failed
    through a fault of the engine; the order is ended instead.
    """

    order_id: str
    account_id: int
    gives_up: bool = False


class Attach(Command, tag=9, frozen=True):
    """Attach a take-profit, a stop-loss or both to a position, of which one cancels the other.

    The position decides their side. `as_no`: it is of NO of a binary market. Without a quantity
    they close all that it is now.
    """

    bracket_id: str
    account_id: int
    owner_id: int
    outcome: int
    legs: tuple[Leg, ...]
    quantity_lots: int | None = None
    as_no: bool = False
    fee_free: bool = False
    valid_until_us: int | None = None


class CancelGroup(Command, tag=11, frozen=True):
    """Cancel all orders of a group of the account, which was stopped in another market or by hand.

    Which orders the group takes, and how much, comes with each command (see `order_groups`).
    """

    order_group: str
    account_id: int


AnyCommand = (
    Place
    | Amend
    | Cancel
    | CancelAll
    | Configure
    | Tick
    | ChangeLiquidity
    | Fire
    | Attach
    | CancelGroup
)
