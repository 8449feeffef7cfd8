"""The obvious slow engine, against which the fast one is checked.

It stores only what cannot be computed: the open orders and the two legs of every fill. Queues are
lists sorted on each use; positions, collateral, fees, cost and holds are recomputed from the legs
(see `naive_ledger`); a fill is tried by adding it and removed when it is unaffordable; fill-or-kill
is tried on a copy. Its running time is proportional to everything that ever traded, so keep its
markets small.
"""

from collections.abc import Callable
from copy import copy
from typing import Any

import msgspec

from tests.engine.naive_brackets import NaiveBrackets
from tests.engine.naive_ledger import HOUSE, Ledger, Leg
from tests.engine.naive_state import Order, is_valid, make_leg
from tests.engine.naive_triggers import NaiveTriggers, implied_pips
from trading.engine.commands import (
    Amend,
    AnyCommand,
    Attach,
    Cancel,
    CancelAll,
    CancelGroup,
    Command,
    Configure,
    Fire,
    Place,
    Tick,
)
from trading.engine.events import (
    Amended,
    AnyEvent,
    Configured,
    CrossMatched,
    Decremented,
    Fired,
    Rested,
    Traded,
    Waited,
    list_trades,
)
from trading.engine.types import (
    BUY,
    COLLAR_PIPS,
    MAKERS_MET_MAX,
    ORDER_LOTS_MAX,
    PAYOUT_PIPS,
    MarketStatus,
    OrderStatus,
    Reason,
    Stp,
    Tif,
    TradeKind,
)

Change = tuple[int, int, int]
"""Sets formed, cash gained (the fee aside), fee paid."""


class NaiveEngine(NaiveBrackets, NaiveTriggers):
    """Same commands, events, funds and `dump()` as `Engine`; nothing of its code."""

    def execute(
        self,
        command: AnyCommand,
        ts_us: int,
        funds: dict[int, int],
        headroom: dict[str, int] | None = None,
        elsewhere: dict[int, int] | None = None,
    ) -> list[AnyEvent]:
        self.seq += 1
        self.ts_us = max(self.ts_us, ts_us)
        self.events = []
        self.funds = funds
        self.headroom = {} if headroom is None else headroom
        self.elsewhere = elsewhere or {}
        self.worth_before = {account_id: self._worth(account_id) for account_id in funds}
        self._expire()
        handlers: dict[type[Command], Callable[[Any], None]] = {
            Place: self._place,
            Amend: self._amend,
            Cancel: self._cancel,
            CancelAll: self._cancel_all,
            Configure: self._configure,
            Tick: lambda _: None,
            Fire: self._fire,
            Attach: self._attach,
            CancelGroup: lambda command: self._stop_group(command.order_group),
        }
        handlers[type(command)](command)
        self._watch(self._follow() if self.config else {})
        for account_id in funds:
            funds[account_id] = self._available(account_id)
        return self.events

    # Commands.

    def _place(self, place: Place) -> None:
        if place.legs:
            assert place.options is not None
            options = msgspec.structs.replace(place.options, legs=())
            return self._place_bracket(place, msgspec.structs.replace(place, options=options))
        reason = self._place_refusal(place)
        if reason:
            return self._reject(place.order_id, reason)
        self.bracket_of.pop(place.order_id, None)
        trigger = place.options.trigger if place.options else None
        if trigger is not None:
            lots, pips = place.quantity_lots, trigger.price_pips
            assert lots is not None
            order = Order(place, self.seq, place.price_pips or 0, lots, lots, 0, pips, self.ts_us)
            self.waiting.append(order)
            return self.events.append(Waited(place.order_id, pips, lots))
        order = self._order(place)
        reason = self._position_refusal(order, self.orders)
        if reason:
            return self._reject(place.order_id, reason)
        missing_micros = self._missing_micros(order, self.orders)
        if missing_micros:
            return self._reject(place.order_id, Reason.INSUFFICIENT_FUNDS, missing_micros)
        if place.tif == Tif.FOK and not self._fills_entirely(order):
            return self._end(order, OrderStatus.CANCELLED, Reason.FOK_NOT_FILLABLE)
        return self._take(order)

    def _place_refusal(self, place: Place) -> Reason | None:
        if self._is_taken(place.order_id):
            return Reason.DUPLICATE_ORDER_ID
        reason = self._entry_refusal(place.valid_until_us)
        if reason:
            return reason
        if place.outcome not in range(self._books()):
            return Reason.OUTCOME_UNKNOWN
        if place.outcome in self._gone():
            return Reason.OUTCOME_WITHDRAWN
        if place.price_pips is None and not place.is_market:
            return Reason.PRICE_MISSING
        return (
            self._price_refusal(place.price_pips)
            or self._size_refusal(place)
            or self._flags_refusal(place)
            or self._group_refusal(place)
            or self._trigger_refusal(place)
        )

    # Triggers.

    def _fire(self, fire: Fire) -> None:
        order = self._waiting_order(fire.order_id)
        is_mine = order is not None and order.place.account_id == fire.account_id
        if order is None or not is_mine or not order.triggered:
            return self._reject(fire.order_id, Reason.ORDER_UNKNOWN)
        reason = self._entry_refusal(None)
        if reason:
            return self._reject(fire.order_id, reason)
        if fire.gives_up:
            return self._end(order, OrderStatus.REJECTED, Reason.ENGINE_FAULT)
        self.waiting.remove(order)
        entry = self._find(order.place.bracket_id or "")
        if entry:
            self._end(entry, OrderStatus.CANCELLED, Reason.LEG_FIRED)
        # From here on it is as if it came now.
        limit = order.price_pips or None
        place = msgspec.structs.replace(
            order.place, price_pips=limit, quantity_lots=order.quantity_lots
        )
        order = self._order(place)
        self.events.append(Fired(fire.order_id, order.price_pips))
        reason = self._group_refusal(place) or self._position_refusal(order, self.orders)
        if not reason and self._missing_micros(order, self.orders):
            reason = Reason.INSUFFICIENT_FUNDS
        if reason:
            return self._end(order, OrderStatus.REJECTED, reason)
        if place.tif == Tif.FOK and not self._fills_entirely(order):
            return self._end(order, OrderStatus.CANCELLED, Reason.FOK_NOT_FILLABLE)
        return self._take(order)

    # Orders.

    def _order(self, place: Place) -> Order:
        lots = place.quantity_lots
        if lots is None:
            lots = min(ORDER_LOTS_MAX, self._room(place, self.orders))
            lots -= lots % self._rules().lot_step_lots
        return Order(place, self.seq, self._limit_pips(place), lots, lots)

    def _limit_pips(self, place: Place) -> int:
        """The limit, else the collar from the best opposite price (without one: any limit does)."""
        if place.price_pips is not None:
            return place.price_pips
        tick = self._rules().tick_pips
        offers = [maker.price_pips for maker in self._opposite(place)[:1]]
        offers += map(implied_pips, self._firsts_of_others(place))
        worst_pips = PAYOUT_PIPS if place.side == BUY else 0
        best_pips = min(offers, key=lambda pips: place.side * pips, default=worst_pips)
        reach_pips = best_pips + place.side * COLLAR_PIPS
        on_tick = reach_pips // tick * tick if place.side == BUY else -(-reach_pips // tick) * tick
        return max(tick, min(PAYOUT_PIPS - tick, on_tick))

    def _amend(self, amend: Amend) -> None:
        if amend.legs or amend.removed:
            return self._amend_bracket(amend, msgspec.structs.replace(amend, legs=(), removed=()))
        waiting = self._waiting_order(amend.order_id)
        order = waiting or self._open_order(amend.order_id)
        reason = self._entry_refusal(amend.valid_until_us)
        if reason:
            return self._reject(amend.order_id, reason)
        if order is None or order.place.account_id != amend.account_id:
            return self._reject(amend.order_id, Reason.ORDER_UNKNOWN)
        if order.place.bracket_id and amend.quantity_lots is not None:
            return self._reject(amend.order_id, Reason.BRACKET_INVALID)
        if amend.trigger_pips is not None and (
            waiting is None or waiting.triggered or self._price_refusal(amend.trigger_pips)
        ):
            return self._reject(amend.order_id, Reason.TRIGGER_INVALID)
        reason = self._price_refusal(amend.price_pips)
        if not reason and amend.quantity_lots is not None:
            reason = self._lots_refusal(amend.quantity_lots)
        if reason:
            return self._reject(amend.order_id, reason)
        price_pips = order.price_pips if amend.price_pips is None else amend.price_pips
        total_lots = order.quantity_lots if amend.quantity_lots is None else amend.quantity_lots
        if waiting is None:
            return self._amend_to(order, price_pips, total_lots)
        trigger_pips = amend.trigger_pips or order.trigger_pips
        wanted = (price_pips, total_lots, trigger_pips)
        if wanted == (order.price_pips, order.quantity_lots, order.trigger_pips):
            return self._reject(amend.order_id, Reason.NOTHING_TO_AMEND)
        order.price_pips, order.quantity_lots, order.trigger_pips = wanted
        order.remaining_lots = total_lots
        return self.events.append(
            Amended(amend.order_id, price_pips, total_lots, total_lots, True, trigger_pips)
        )

    def _amend_to(self, order: Order, price_pips: int, total_lots: int) -> None:
        order_id = order.place.order_id
        remaining_lots = order.remaining_lots + total_lots - order.quantity_lots
        if (price_pips, total_lots) == (order.price_pips, order.quantity_lots):
            return self._reject(order_id, Reason.NOTHING_TO_AMEND)
        if remaining_lots <= 0:
            return self._end(order, OrderStatus.CANCELLED, Reason.AMENDED_TO_FILLED)
        if price_pips == order.price_pips and total_lots < order.quantity_lots:
            order.quantity_lots, order.remaining_lots = total_lots, remaining_lots
            self.events.append(Amended(order_id, price_pips, total_lots, remaining_lots, True))
            return None
        return self._requeue(
            order, Order(order.place, order.entry, price_pips, total_lots, remaining_lots)
        )

    def _requeue(self, old: Order, new: Order) -> None:
        order_id, others = old.place.order_id, [o for o in self.orders if o is not old]
        reason = self._group_refusal(new.place) or self._position_refusal(new, others)
        if reason:
            return self._reject(order_id, reason)
        missing_micros = self._missing_micros(new, others)
        if missing_micros:
            return self._reject(order_id, Reason.INSUFFICIENT_FUNDS, missing_micros)
        self.orders = others
        self.events.append(
            Amended(order_id, new.price_pips, new.quantity_lots, new.remaining_lots, False)
        )
        return self._take(new)

    def _cancel(self, cancel: Cancel) -> None:
        order = self._open_order(cancel.order_id) or self._waiting_order(cancel.order_id)
        if order is None or order.place.account_id != cancel.account_id:
            return self._reject(cancel.order_id, Reason.ORDER_UNKNOWN)
        return self._end(order, OrderStatus.CANCELLED, Reason.CANCELLED_BY_OWNER)

    def _cancel_all(self, command: CancelAll) -> None:
        by_operator, by_owner = Reason.CANCELLED_BY_OPERATOR, Reason.CANCELLED_BY_OWNER
        everyone = [*self.orders, *self.waiting]
        mine = [o for o in everyone if o.place.account_id == command.account_id]
        self._end_all(mine, by_operator if command.by_operator else by_owner)

    def _configure(self, command: Configure) -> None:
        if command.seen is not None and command.seen != (self.status, self.config):
            return self._reject("", Reason.CONFIGURATION_STALE)
        if not is_valid(command.config) or not self._may_become(command.config):
            return self._reject("", Reason.CONFIGURATION_INVALID)
        before = self._gone() if self.config else []
        self.status, self.config = command.status, command.config
        self._folded = None
        self.events.append(Configured(command.status, command.config))
        if command.status == MarketStatus.CLOSED:
            self._end_all([*self.orders, *self.waiting], Reason.MARKET_CLOSED)
            return None
        new = set(self._gone()) - set(before)
        everyone = [*self.orders, *self.waiting]
        out = [order for order in everyone if order.place.outcome in new]
        self._end_all(out, Reason.OUTCOME_WITHDRAWN)
        if command.status == MarketStatus.HALTED:
            everyone = [*self.orders, *self.waiting]
            hasty = [o for o in everyone if o.place.options and o.place.options.cancel_on_halt]
            self._end_all(hasty, Reason.MARKET_HALTED)
        return None

    # Trading.

    def _fills_entirely(self, order: Order) -> bool:
        twin, taker = copy(self), copy(order)
        twin.orders, twin.events = [copy(other) for other in self.orders], []
        twin.headroom = dict(self.headroom)
        twin._sweep(taker)
        return taker.quantity_lots - taker.remaining_lots == order.quantity_lots

    def _take(self, taker: Order) -> None:
        """Sweep, then rest or end what is left: the last part of placing and of amending."""
        legs_before = self.legs
        met, stop = self._sweep(taker)
        filled = self.legs is not legs_before
        leftover = Reason.IMMEDIATE_REMAINDER if met else Reason.NO_LIQUIDITY
        if taker.place.quantity_lots is None:
            leftover = leftover if taker.remaining_lots else Reason.POSITION_LIMIT
            done = filled and stop == Reason.BUDGET_SPENT
            status = OrderStatus.FILLED if done else OrderStatus.CANCELLED
            return self._end(taker, status, stop or leftover)
        if taker.remaining_lots == 0:
            return self._end(taker, OrderStatus.FILLED, Reason.FILLED)
        if taker.place.reduce_only and filled and not self._allowance(taker.place):
            stop = stop or Reason.REDUCE_ONLY
        if not taker.rests:
            stop = stop or leftover
        return self._end(taker, OrderStatus.CANCELLED, stop) if stop else self._rest(taker)

    def _rest(self, order: Order) -> None:
        place, order.rested = order.place, self.seq
        self.orders.append(order)
        lots = order.remaining_lots
        self.events.append(
            Rested(place.order_id, place.outcome, place.side, order.price_pips, lots)
        )

    def _sweep(self, taker: Order) -> tuple[int, Reason | None]:
        """Meet the other side, best first: how many were met, and what stopped it, if anything."""
        met = 0
        while makers := self._next_makers(taker):
            if met >= MAKERS_MET_MAX:
                return met, Reason.MATCH_LIMIT
            met += len(makers)
            stop = self._meet(taker, makers)
            if stop:
                return met, stop
        return met, None

    def _next_makers(self, taker: Order) -> list[Order]:
        """The next order in its own book, or the first of each other book if that is better."""
        if taker.remaining_lots == 0:
            return []
        place, limit_pips = taker.place, taker.price_pips
        offers = [([maker], maker.price_pips) for maker in self._opposite(place)[:1]]
        offers += [(makers, implied_pips(makers)) for makers in self._firsts_of_others(place)]
        within = [offer for offer in offers if (limit_pips - offer[1]) * place.side >= 0]
        makers, _ = min(within, key=lambda offer: place.side * offer[1], default=([], 0))
        return makers

    def _meet(self, taker: Order, makers: list[Order]) -> Reason | None:
        """One step of a sweep; the reason when the taker goes no further."""
        if all(maker.place.owner_id == taker.place.owner_id for maker in makers):
            return self._meet_own(taker, makers)
        for maker in makers:
            if maker.place.reduce_only and not self._allowance(maker.place):
                self._end(maker, OrderStatus.CANCELLED, Reason.REDUCE_ONLY)
                return None
        if taker.place.reduce_only and not self._allowance(taker.place):
            return Reason.REDUCE_ONLY
        everyone = [taker, *makers]
        reducing = [o.place for o in everyone if o.place.reduce_only]
        lots = min([o.remaining_lots for o in everyone] + [*map(self._allowance, reducing)])
        is_direct = makers[0].place.outcome == taker.place.outcome
        price_pips = makers[0].price_pips if is_direct else implied_pips(makers)
        if taker.place.budget_micros is None:
            return self._fill(taker, makers, price_pips, lots)
        lots = self._affordable(taker, price_pips, lots)
        stop = self._fill(taker, makers, price_pips, lots) if lots else Reason.BUDGET_SPENT
        if stop or self._affordable(taker, price_pips, self._rules().lot_step_lots):
            return stop
        return Reason.BUDGET_SPENT

    def _meet_own(self, taker: Order, makers: list[Order]) -> Reason | None:
        stp = taker.place.stp
        if stp == Stp.CANCEL_NEWEST:
            return Reason.SELF_TRADE
        if stp == Stp.DECREMENT:
            return self._decrement(taker, makers)
        for maker in makers:
            self._end(maker, OrderStatus.CANCELLED, Reason.SELF_TRADE)
        return Reason.SELF_TRADE if stp == Stp.CANCEL_BOTH else None

    def _decrement(self, taker: Order, makers: list[Order]) -> Reason | None:
        lots = min(order.remaining_lots for order in (taker, *makers))
        for maker in makers:
            if lots == maker.remaining_lots:
                self._end(maker, OrderStatus.CANCELLED, Reason.SELF_TRADE)
            else:
                self._shrink(maker, lots)
        if lots == taker.remaining_lots:
            return Reason.SELF_TRADE
        self._shrink(taker, lots)
        return None

    def _shrink(self, order: Order, lots: int) -> None:
        order.quantity_lots -= lots
        order.remaining_lots -= lots
        self.events.append(Decremented(order.place.order_id, lots, order.remaining_lots))

    def _affordable(self, taker: Order, price_pips: int, lots_max: int) -> int:
        """The most lots, in steps, that the rest of the budget pays for."""
        ledger, step = self._ledger(), self._rules().lot_step_lots
        assert taker.place.budget_micros is not None
        left_micros = taker.place.budget_micros - ledger.charge(taker.entry).spent_micros
        enough, too_many = 0, lots_max // step + 1
        while too_many - enough > 1:
            middle = (enough + too_many) // 2
            leg = make_leg(self._rules(), taker, price_pips, middle * step, is_maker=False)
            if ledger.cost(leg) <= left_micros:
                enough = middle
            else:
                too_many = middle
        return enough * step

    def _fill(self, taker: Order, makers: list[Order], price_pips: int, lots: int) -> Reason | None:
        """Add the taker's leg, then the makers' one by one, each with what it changed."""
        legs_before, changes = self.legs, []
        for order in (taker, *makers):
            before = self._ledger()
            its_pips = price_pips if order is taker else order.price_pips
            leg = make_leg(self._rules(), order, its_pips, lots, is_maker=order is not taker)
            self.legs = (*self.legs, leg)
            is_short = order is taker and self._available(taker.place.account_id) < 0
            if is_short and not taker.rests:  # what rests holds enough for its own legs
                self.legs = legs_before
                return Reason.INSUFFICIENT_FUNDS
            changes.append(self._change(order.place.account_id, before))
        for order in (taker, *makers):
            order.remaining_lots -= lots
        if makers[0].place.outcome == taker.place.outcome:
            self.events.append(self._traded(taker, makers[0], lots, changes))
        else:
            self._match_across(taker, makers, price_pips, lots, changes)
        for maker in makers:
            if maker.remaining_lots == 0:
                self._end(maker, OrderStatus.FILLED, Reason.FILLED)
            elif maker.place.reduce_only and not self._allowance(maker.place):
                self._end(maker, OrderStatus.CANCELLED, Reason.REDUCE_ONLY)
        return self._count_for_groups(taker, makers, lots)

    def _traded(self, taker: Order, maker: Order, lots: int, changes: list[Change]) -> Traded:
        (taker_sets, taker_cash, taker_fee), (maker_sets, maker_cash, maker_fee) = changes
        sets = taker_sets + maker_sets
        kind = TradeKind.MINT if sets > 0 else TradeKind.MERGE if sets < 0 else TradeKind.DIRECT
        return Traded(
            self._next_index(),
            *(taker.place.outcome, taker.place.side, maker.price_pips, lots, kind),
            *(taker.place.order_id, maker.place.order_id),
            *(taker.place.account_id, maker.place.account_id),
            *(taker_cash, maker_cash, taker_fee, maker_fee),
        )

    def _match_across(
        self,
        taker: Order,
        makers: list[Order],
        price_pips: int,
        lots: int,
        changes: list[Change],
    ) -> None:
        """Add the house's legs, and the event of all of them."""
        kind = TradeKind.MINT if taker.place.side == BUY else TradeKind.MERGE
        house, index, trades = self._rules().house_account_id, self._next_index(), []
        assert house is not None
        for order, (_, cash, fee) in zip((taker, *makers), changes, strict=True):
            place, is_taker = order.place, order is taker
            its_pips = price_pips if is_taker else order.price_pips
            leg = Leg(house, HOUSE, not is_taker, True, place.outcome, -place.side, its_pips, lots)
            self.legs = (*self.legs, leg)
            ids, mine = (place.order_id, ""), (place.account_id, house)
            sets = is_taker if kind == TradeKind.MINT else -(order is makers[-1])
            house_cash = place.side * its_pips * lots - PAYOUT_PIPS * sets * lots
            numbers = (cash, house_cash, fee, 0)
            if not is_taker:
                ids, mine, numbers = ids[::-1], mine[::-1], (house_cash, cash, 0, fee)
            side = place.side if is_taker else -place.side
            start = (index + len(trades), place.outcome, side, its_pips, lots, kind)
            trades.append(Traded(*start, *ids, *mine, *numbers))
        self.events.append(CrossMatched(kind, lots, tuple(trades)))

    def _next_index(self) -> int:
        return sum(len(list_trades(event)) for event in self.events)

    def _change(self, account_id: int, before: Ledger) -> Change:
        """Sets formed, cash gained (the fee aside) and fee paid by an account since `before`."""
        old, new = before.account(account_id), self._ledger().account(account_id)
        fee_micros = new.fees_micros - old.fees_micros
        cash_micros = old.paid_micros - new.paid_micros + fee_micros
        return new.sets_lots - old.sets_lots, cash_micros, fee_micros
