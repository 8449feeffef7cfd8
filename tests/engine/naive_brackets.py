"""The naive engine's brackets: every leg is looked at after every command, whoever traded."""

from collections.abc import Sequence

from tests.engine.naive_state import NaiveState, Order
from trading.engine.commands import Amend, Attach, Place
from trading.engine.events import Amended, LegAttached, LegResized, Rejected, list_trades
from trading.engine.types import (
    BUY,
    SELL,
    TRIGGERS_MAX,
    Leg,
    OrderOptions,
    OrderStatus,
    Reason,
    Stp,
    Tif,
    Trigger,
    TriggerKind,
)


def trigger_of(order: Order) -> Trigger:
    assert order.place.options is not None
    assert order.place.options.trigger is not None
    return order.place.options.trigger


def kind_of(trigger: Trigger) -> str:
    return "profit" if trigger.kind == TriggerKind.TAKE_PROFIT else "loss"


class NaiveBrackets(NaiveState):
    """What legs need of the naive engine, which has the rest of it."""

    def _place(self, place: Place) -> None:
        raise NotImplementedError

    def _amend(self, amend: Amend) -> None:
        raise NotImplementedError

    def _follow(self) -> dict[str, int]:
        """Give every leg what it has to close; from which trade on those that wake up look."""
        trades = [trade for event in self.events for trade in list_trades(event)]
        look_from = {
            event.order_id: len(trades)
            for event in self.events
            if isinstance(event, LegAttached) and event.remaining_lots
        }
        for leg in sorted(self._all_legs(), key=lambda order: order.place.order_id):
            name, bracket = leg.place.order_id, leg.place.bracket_id
            assert bracket is not None
            lots, entered_until = leg.remaining_lots, 0
            for trade in trades:
                for order_id in (trade.taker_order_id, trade.maker_order_id):
                    if order_id == bracket:
                        lots, entered_until = lots + trade.quantity_lots, trade.index + 1
            for trade in trades:
                for order_id in (trade.taker_order_id, trade.maker_order_id):
                    if self.bracket_of.get(order_id) == bracket and order_id != name:
                        lots -= trade.quantity_lots
            lots = min(max(0, lots), self._allowance(leg.place))
            is_due = leg in self.waiting and leg.triggered
            if not lots and (is_due or self._find(bracket) is None):
                self._end(leg, OrderStatus.CANCELLED, Reason.REDUCE_ONLY)
            elif lots != leg.remaining_lots:
                if not leg.remaining_lots:
                    look_from[name] = entered_until
                leg.quantity_lots += lots - leg.remaining_lots
                leg.remaining_lots = lots
                self.events.append(LegResized(name, lots))
        return look_from

    def check_legs(self) -> None:
        """No leg has more to close than its position."""
        for leg in self._all_legs():
            assert leg.remaining_lots <= self._allowance(leg.place)

    def list_brackets(self) -> list[tuple[str, int, int]]:
        """Bracket, account and quantity of each leg."""
        legs = self._all_legs()
        return [(o.place.bracket_id or "", o.place.account_id, o.quantity_lots) for o in legs]

    def _all_legs(self, bracket: str | None = None) -> list[Order]:
        everyone = [*self.orders, *self.waiting]
        legs = [order for order in everyone if order.place.bracket_id is not None]
        return [leg for leg in legs if bracket in (None, leg.place.bracket_id)]

    def _find(self, order_id: str) -> Order | None:
        return self._open_order(order_id) or self._waiting_order(order_id)

    def _is_taken(self, order_id: str) -> bool:
        return self._find(order_id) is not None or bool(self._all_legs(order_id))

    def _place_bracket(self, place: Place, plain: Place) -> None:
        """`plain` is the order without its legs."""
        reason = self._place_refusal(place)
        if not reason and plain.trigger is None:
            reason = self._position_refusal(self._order(place), self.orders)
        reason = reason or self._legs_refusal(place, place.legs, [], is_new=True)
        if reason:
            return self._reject(place.order_id, reason)
        self._place(plain)
        if isinstance(self.events[-1], Rejected):
            return None
        trades = [trade for event in self.events for trade in list_trades(event)]
        if self._find(place.order_id) or any(t.taker_order_id == place.order_id for t in trades):
            for leg in place.legs:
                self._attach_leg(place, leg, place.order_id, 0)
        return None

    def _attach_leg(self, entry: Place, leg: Leg, bracket: str, lots: int) -> None:
        options = OrderOptions(
            leg.price_pips is None, reduce_only=True, trigger=leg.trigger, bracket_id=bracket
        )
        place = Place(
            *(leg.order_id, entry.account_id, entry.owner_id, entry.outcome, -entry.side),
            *(leg.price_pips, 0, Tif.GTC if leg.price_pips else Tif.IOC, Stp.CANCEL_OLDEST),
            as_no=entry.as_no,
            fee_free=entry.fee_free,
            options=options,
        )
        pips = leg.trigger.price_pips
        order = Order(place, self.seq, leg.price_pips or 0, lots, lots, 0, pips, self.ts_us)
        self.bracket_of[leg.order_id] = bracket
        self.waiting.append(order)
        self.events.append(LegAttached(place, lots))

    def _legs_refusal(
        self, entry: Place, legs: Sequence[Leg], others: list[Order], *, is_new: bool = False
    ) -> Reason | None:
        names = [entry.order_id, *(leg.order_id for leg in legs)]
        kinds = [kind_of(leg.trigger) for leg in legs]
        if not legs or len(set(names)) < len(names) or len(set(kinds)) < len(kinds):
            return Reason.BRACKET_INVALID
        if entry.reduce_only:
            return Reason.BRACKET_INVALID
        for leg in legs:
            if self._is_taken(leg.order_id):
                return Reason.DUPLICATE_ORDER_ID
            if self._is_odd(leg.trigger):
                return Reason.TRIGGER_INVALID
            reason = self._price_refusal(leg.price_pips)
            if reason:
                return reason
        pips = {kind_of(leg.trigger): leg.trigger.price_pips for leg in legs}
        pips |= {kind_of(trigger_of(other)): other.trigger_pips for other in others}
        high, low = pips.get("profit"), pips.get("loss")
        if entry.side == SELL:
            high, low = low, high
        if high is not None and low is not None and high <= low:
            return Reason.BRACKET_INVALID
        mine = [o for o in self.waiting if o.place.account_id == entry.account_id]
        wanted = len(mine) + len(legs) + (is_new and entry.trigger is not None)
        return Reason.TOO_MANY_TRIGGERS if wanted > TRIGGERS_MAX else None

    def _attach(self, attach: Attach) -> None:
        reason = self._entry_refusal(attach.valid_until_us)
        if not reason and attach.outcome not in range(self._books()):
            reason = Reason.OUTCOME_UNKNOWN
        if not reason and attach.outcome in self._gone():
            reason = Reason.OUTCOME_WITHDRAWN
        if not reason and self._is_taken(attach.bracket_id):
            reason = Reason.DUPLICATE_ORDER_ID
        if not reason and attach.quantity_lots is not None:
            reason = self._lots_refusal(attach.quantity_lots)
        if reason:
            return self._reject(attach.bracket_id, reason)
        position = self._ledger().position(attach.account_id, attach.outcome)
        if position == 0 or (self._rules().binary and attach.as_no != (position < 0)):
            return self._reject(attach.bracket_id, Reason.REDUCE_ONLY_NO_POSITION)
        lots = abs(position)
        if attach.quantity_lots is not None:
            lots = min(lots, attach.quantity_lots)
        entry = Place(
            *(attach.bracket_id, attach.account_id, attach.owner_id, attach.outcome),
            BUY if position > 0 else SELL,
            as_no=attach.as_no,
            fee_free=attach.fee_free,
        )
        reason = self._legs_refusal(entry, attach.legs, [])
        if reason:
            return self._reject(attach.bracket_id, reason)
        for leg in attach.legs:
            self._attach_leg(entry, leg, attach.bracket_id, lots)
        return None

    def _amend_bracket(self, amend: Amend, plain: Amend) -> None:
        named = self._find(amend.order_id)
        bracket = (named and named.place.bracket_id) or amend.order_id
        entry = self._find(bracket)
        reason = self._entry_refusal(amend.valid_until_us)
        legs = {kind_of(trigger_of(leg)): leg for leg in self._all_legs(bracket)}
        if reason:
            return self._reject(amend.order_id, reason)
        like = entry.place if entry else self._entry_like(bracket, [*legs.values()])
        if like is None or like.account_id != amend.account_id:
            return self._reject(amend.order_id, Reason.ORDER_UNKNOWN)
        gone = {kind_of(Trigger(kind)) for kind in amend.removed}
        new = {kind_of(leg.trigger) for leg in amend.legs}
        touched = [legs[kind] for kind in gone | new if kind in legs]
        if any(leg.triggered for leg in touched):
            return self._reject(amend.order_id, Reason.TRIGGER_INVALID)
        changes_order = any(
            number is not None
            for number in (amend.price_pips, amend.quantity_lots, amend.trigger_pips)
        )
        if amend.legs:
            others = [leg for kind, leg in legs.items() if kind not in gone | new]
            reason = self._legs_refusal(like, amend.legs, others)
        elif not touched and not changes_order:
            reason = Reason.NOTHING_TO_AMEND
        if reason:
            return self._reject(amend.order_id, reason)
        entered = self._filled(entry) if entry else 0
        if changes_order:
            self._amend(plain)
            if isinstance(self.events[-1], Rejected):
                return None
        return self._change_legs(bracket, amend, like, entered)

    def _change_legs(self, bracket: str, amend: Amend, like: Place, entered: int) -> None:
        legs = {kind_of(trigger_of(leg)): leg for leg in self._all_legs(bracket)}
        if not legs and self._find(bracket) is None:
            return
        lots = max([leg.remaining_lots for leg in legs.values()], default=entered)
        opposite = Place("", like.account_id, like.owner_id, like.outcome, -like.side)
        lots = min(lots, self._allowance(opposite))
        for kind in sorted({kind_of(Trigger(kind)) for kind in amend.removed}):
            if kind in legs:
                self._end(legs.pop(kind), OrderStatus.CANCELLED, Reason.CANCELLED_BY_OWNER)
        for leg in amend.legs:
            old = legs.pop(kind_of(leg.trigger), None)
            if old and old in self.waiting and self._is_same_but_prices(old, leg):
                old.price_pips, old.trigger_pips = leg.price_pips or 0, leg.trigger.price_pips
                self.events.append(
                    Amended(
                        *(old.place.order_id, old.price_pips, old.quantity_lots),
                        *(old.remaining_lots, True, old.trigger_pips),
                    )
                )
                continue
            if old:
                self._end(old, OrderStatus.CANCELLED, Reason.CANCELLED_BY_OWNER)
            self._attach_leg(like, leg, bracket, lots)

    def _is_same_but_prices(self, old: Order, leg: Leg) -> bool:
        was, now = trigger_of(old), leg.trigger
        if old.place.is_market != (leg.price_pips is None) or now.price_pips is None:
            return False
        return (was.kind, was.on, was.trail_pips) == (now.kind, now.on, now.trail_pips)

    def _entry_like(self, bracket: str, legs: list[Order]) -> Place | None:
        if not legs:
            return None
        place = legs[0].place
        return Place(
            *(bracket, place.account_id, place.owner_id, place.outcome, -place.side),
            as_no=place.as_no,
            fee_free=place.fee_free,
        )

    def _filled(self, order: Order) -> int:
        return order.quantity_lots - order.remaining_lots
