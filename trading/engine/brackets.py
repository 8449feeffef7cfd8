"""Brackets: an entry with a take-profit and a stop-loss that close what it has opened.

Each of these legs is an order with a trigger that only reduces. It comes with its entry and waits
with nothing to close; from then on it follows: what the entry fills it may close too, what the
other leg closes it need not close any more, and it is never more than the position. A leg with
nothing to close sees no prices. It is cancelled if nothing will come either, because the entry has
ended, or if it was reached already. So one leg cancels the other, in the measure in which it closes
the position.

When a leg is fired, what is left of the entry is cancelled first: the way out has begun, and the
leg must not meet its own entry in the book. Legs can be attached to a position as well; then there
is no entry. Either way a bracket has an id, the entry's or one of its own, and at most one leg that
takes profit and one that stops the loss. After each command `follow` says what has changed.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from trading.engine.book import EngineOrder
from trading.engine.checks import check_leg, check_outcome, check_quantity, check_time
from trading.engine.commands import Amend, Attach, Place
from trading.engine.events import Amended, Ended, LegAttached, LegResized, Traded, list_trades
from trading.engine.margin import compute_allowance_lots, compute_position_lots
from trading.engine.resting import cancel, compute_allowance
from trading.engine.state import MarketState
from trading.engine.types import (
    ORDER_LOTS_MAX,
    SELL,
    TRIGGERS_MAX,
    Leg,
    OrderOptions,
    OrderStatus,
    Reason,
    Stp,
    Tif,
    TriggerKind,
)

UNTRIGGERED: Final = OrderStatus.UNTRIGGERED


# What they follow


def follow(market: MarketState) -> dict[str, int]:
    """Let legs follow their entries, each other and their positions after a command.

    Returns from which of its trades on those legs see prices that had nothing to close before.
    """
    trades = [trade for event in market.events for trade in list_trades(event)]
    seen_from = {
        event.order_id: len(trades)
        for event in market.events
        if isinstance(event, LegAttached) and event.remaining_lots
    }
    flows = _Flows(market, trades)
    for leg in _find_concerned(market, trades):
        lots = flows.compute_remaining(leg)
        if not lots and (_is_over(market, leg) or market.due.get(leg.order_id) is leg):
            cancel(market, leg, Reason.REDUCE_ONLY)
        elif lots != leg.remaining_lots:
            if not leg.remaining_lots:
                seen_from[leg.order_id] = flows.entered_until[leg.place.bracket_id or ""]
            market.emit(LegResized(leg.order_id, lots))
    return seen_from


def _find_concerned(market: MarketState, trades: Sequence[Traded]) -> list[EngineOrder]:
    """Return the legs of accounts that traded or had an order ended, by id."""
    account_ids = {trade.taker_account_id for trade in trades}
    account_ids |= {trade.maker_account_id for trade in trades}
    for event in market.events:
        if isinstance(event, Ended):
            account_ids.add(market.dirty_orders[event.order_id].account_id)
    legs = [
        leg
        for account_id in account_ids & market.bracket_ids.keys()
        for bracket_id in market.bracket_ids[account_id]
        for leg in market.list_legs(bracket_id)
    ]
    return sorted(legs, key=lambda leg: leg.order_id)


class _Flows:
    """What the entries and legs of a command have traded."""

    def __init__(self, market: MarketState, trades: Sequence[Traded]) -> None:
        self.market = market
        self.entered: dict[str, int] = defaultdict(int)
        self.entered_until: dict[str, int] = defaultdict(int)
        """By entry the number of its last trade, and one."""
        self.closed: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        """By bracket and leg."""
        for trade in trades:
            for order_id in filter(None, (trade.taker_order_id, trade.maker_order_id)):
                self._add(order_id, trade)

    def _add(self, order_id: str, trade: Traded) -> None:
        bracket_id = self.market.dirty_orders[order_id].place.bracket_id
        if bracket_id is not None:
            self.closed[bracket_id][order_id] += trade.quantity_lots
        else:
            self.entered[order_id] += trade.quantity_lots
            self.entered_until[order_id] = trade.index + 1

    def compute_remaining(self, leg: EngineOrder) -> int:
        """Return how much a leg has to close from here on."""
        bracket_id = leg.place.bracket_id or ""
        closed = self.closed[bracket_id]
        by_others_lots = sum(closed.values()) - closed[leg.order_id]
        lots = leg.remaining_lots + self.entered[bracket_id] - by_others_lots
        return min(max(lots, 0), compute_allowance(self.market, leg))


def _is_over(market: MarketState, leg: EngineOrder) -> bool:
    """Return whether there is no entry that may give a leg more to close."""
    return market.find_order(leg.place.bracket_id or "") is None


# How they come


def build_leg(entry: Place, leg: Leg, bracket_id: str) -> Place:
    """Return a leg as the order that it is. It cancels orders of its owner that are in its way."""
    is_market = leg.price_pips is None
    return Place(
        leg.order_id,
        entry.account_id,
        entry.owner_id,
        entry.outcome,
        -entry.side,
        leg.price_pips,
        0,
        Tif.IOC if is_market else Tif.GTC,
        Stp.CANCEL_OLDEST,
        entry.as_no,
        entry.fee_free,
        options=OrderOptions(
            is_market, reduce_only=True, trigger=leg.trigger, bracket_id=bracket_id
        ),
    )


def attach_to_position(market: MarketState, attach: Attach) -> Reason | None:
    """Attach legs to a position, or return why not."""
    reason = check_time(market, attach.valid_until_us) or check_outcome(market, attach.outcome)
    if reason is not None:
        return reason
    is_taken = attach.bracket_id in market.brackets
    if is_taken or market.find_order(attach.bracket_id) is not None:
        return Reason.DUPLICATE_ORDER_ID
    if attach.quantity_lots is not None:
        reason = check_quantity(market, attach.quantity_lots)
        if reason is not None:
            return reason
    binary, account = market.rules.binary, market.account(attach.account_id)
    position_lots = compute_position_lots(account, attach.outcome, binary=binary)
    if not position_lots or (binary and attach.as_no != (position_lots < 0)):
        return Reason.REDUCE_ONLY_NO_POSITION
    lots = min(attach.quantity_lots or ORDER_LOTS_MAX, abs(position_lots))
    opened_by = Place(
        attach.bracket_id,
        attach.account_id,
        attach.owner_id,
        attach.outcome,
        -SELL if position_lots > 0 else SELL,
        as_no=attach.as_no,
        fee_free=attach.fee_free,
    )
    reason = check_legs(market, opened_by, attach.legs)
    if reason is None:
        _attach(market, opened_by, attach.legs, lots)
    return reason


def attach_to_entry(market: MarketState, entry: Place, legs: Sequence[Leg]) -> None:
    """Attach the legs of an entry that was accepted, unless it has ended without a fill."""
    order = market.incoming
    assert order is not None
    if order.filled_lots or market.find_order(entry.order_id) is not None:
        _attach(market, entry, legs, 0)


def _attach(market: MarketState, entry: Place, legs: Sequence[Leg], lots: int) -> None:
    for leg in legs:
        market.emit(LegAttached(build_leg(entry, leg, entry.order_id), lots))


def check_legs(
    market: MarketState, entry: Place, legs: Sequence[Leg], others: Sequence[EngineOrder] = ()
) -> Reason | None:
    """Refuse legs that can't be, together with the `others` that stay in their bracket."""
    ids = {entry.order_id, *(leg.order_id for leg in legs)}
    kinds = [is_profit(leg.trigger.kind) for leg in legs]
    if not legs or len(ids) != 1 + len(legs) or len(set(kinds)) != len(kinds):
        return Reason.BRACKET_INVALID
    if entry.reduce_only:
        return Reason.BRACKET_INVALID
    for leg in legs:
        if market.find_order(leg.order_id) is not None or leg.order_id in market.brackets:
            return Reason.DUPLICATE_ORDER_ID
        reason = check_leg(market, leg)
        if reason is not None:
            return reason
    at_pips = {is_profit(leg.trigger.kind): leg.trigger.price_pips for leg in legs}
    for other in others:
        assert other.place.trigger is not None
        at_pips[is_profit(other.place.trigger.kind)] = other.trigger_pips
    profit_pips, loss_pips = at_pips.get(True), at_pips.get(False)
    if profit_pips is not None and loss_pips is not None:
        # The profit is taken at a better price than the loss: a higher one of what was bought.
        better_pips = entry.side * (profit_pips - loss_pips)
        if better_pips <= 0:
            return Reason.BRACKET_INVALID
    waiting = len(market.list_untriggered(entry.account_id)) + len(legs)
    if entry.trigger is not None and market.find_order(entry.order_id) is None:
        waiting += 1
    return Reason.TOO_MANY_TRIGGERS if waiting > TRIGGERS_MAX else None


def is_profit(kind: TriggerKind) -> bool:
    """Return whether a leg takes profit; the others stop the loss."""
    return kind is TriggerKind.TAKE_PROFIT


# How they are amended


class Bracket:
    """A bracket that an amend names, by its entry or by one of its legs.

    `entered_lots` is what a live entry had filled.
    """

    def __init__(self, market: MarketState, order_id: str) -> None:
        self.market = market
        order = market.find_order(order_id)
        named_id = None if order is None else order.place.bracket_id
        self.bracket_id = named_id or order_id
        entry = self.entry
        self.entered_lots = 0 if entry is None else entry.filled_lots

    @property
    def entry(self) -> EngineOrder | None:
        return self.market.find_order(self.bracket_id)

    @property
    def legs(self) -> dict[bool, EngineOrder]:
        """The legs that wait or rest; True: the one that takes profit."""
        return {
            is_profit(leg.place.trigger.kind): leg
            for leg in self.market.list_legs(self.bracket_id)
            if leg.place.trigger is not None
        }

    @property
    def opened_by(self) -> Place | None:
        """The entry as it was asked for, or what its legs say of it; None if there are neither."""
        if (entry := self.entry) is not None:
            return entry.place
        for leg in self.legs.values():
            place = leg.place
            return Place(
                self.bracket_id,
                place.account_id,
                place.owner_id,
                place.outcome,
                -place.side,
                as_no=place.as_no,
                fee_free=place.fee_free,
            )
        return None

    def check(self, amend: Amend) -> Reason | None:
        """Refuse legs that this bracket can't have or be without."""
        market, opened_by = self.market, self.opened_by
        reason = check_time(market, amend.valid_until_us)
        if reason is not None:
            return reason
        if opened_by is None or opened_by.account_id != amend.account_id:
            return Reason.ORDER_UNKNOWN
        removed = {is_profit(kind) for kind in amend.removed}
        replaced = {is_profit(leg.trigger.kind) for leg in amend.legs}
        if any(
            leg.priority and leg.status is UNTRIGGERED for leg in self._pick(removed | replaced)
        ):
            return Reason.TRIGGER_INVALID  # it was reached already and will be fired
        if not amend.legs:
            changes = self._pick(removed) or amend.names_numbers
            return None if changes else Reason.NOTHING_TO_AMEND
        others = [leg for kind, leg in self.legs.items() if kind not in removed | replaced]
        return check_legs(market, opened_by, amend.legs, others)

    def _pick(self, kinds: set[bool]) -> list[EngineOrder]:
        return [self.legs[kind] for kind in sorted(kinds) if kind in self.legs]

    def change(self, amend: Amend) -> None:
        """Give it the legs of an amend that was checked, and take from it what it removes."""
        market, opened_by = self.market, self.opened_by
        if opened_by is None:
            return  # it has ended, and no leg is left
        lots = max((leg.remaining_lots for leg in self.legs.values()), default=self.entered_lots)
        account, binary = market.account(opened_by.account_id), market.rules.binary
        outcome, side = opened_by.outcome, -opened_by.side
        lots = min(lots, compute_allowance_lots(account, outcome, side, binary=binary))
        for leg in self._pick({is_profit(kind) for kind in amend.removed}):
            cancel(market, leg, Reason.CANCELLED_BY_OWNER)
        for wanted in amend.legs:
            self._replace(self.legs.get(is_profit(wanted.trigger.kind)), wanted, opened_by, lots)

    def _replace(self, old: EngineOrder | None, leg: Leg, opened_by: Place, lots: int) -> None:
        """Amend a leg to what is wanted, or have a new one in its place."""
        if old is not None and _has_form(old, leg):
            price_pips, old_lots = leg.price_pips or 0, old.remaining_lots
            at_pips = leg.trigger.price_pips
            amended = Amended(old.order_id, price_pips, old_lots, old_lots, True, at_pips)
            self.market.emit(amended)
            return
        if old is not None:
            cancel(self.market, old, Reason.CANCELLED_BY_OWNER)
        self.market.emit(LegAttached(build_leg(opened_by, leg, self.bracket_id), lots))


def _has_form(old: EngineOrder, leg: Leg) -> bool:
    """Return whether a leg that waits differs in prices alone, so that it can be amended to it."""
    trigger = old.place.trigger
    assert trigger is not None
    return (
        old.status is UNTRIGGERED
        and old.place.is_market == (leg.price_pips is None)
        and (trigger.kind, trigger.on, trigger.trail_pips)
        == (leg.trigger.kind, leg.trigger.on, leg.trigger.trail_pips)
        and leg.trigger.price_pips is not None
    )
