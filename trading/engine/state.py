"""The state of one market, and `apply`, the only thing that changes it.

What happened is an event; `apply` carries it into books, orders, accounts and funds, whether it
was decided a moment ago (`engine`) or is read from a journal (`replay_events`). The caller reads
what to persist from `dirty_orders` and `list_dirty_accounts`, and clears the former.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, Self

import msgspec

from trading.engine.book import build_rested, enter_order
from trading.engine.commands import AnyCommand, Place
from trading.engine.events import (
    Amended,
    AnyEvent,
    Configured,
    CrossMatched,
    Decremented,
    Ended,
    Fired,
    LegAttached,
    LegResized,
    LiquidityChanged,
    Rejected,
    Rested,
    Traded,
    Triggered,
    TriggerMoved,
    Waited,
)
from trading.engine.maker import AutomatedMaker
from trading.engine.margin import add_fill
from trading.engine.market_books import MarketBooks, move_orders, order_of_arrival
from trading.engine.rules import Rules
from trading.engine.snapshot import Snapshot, compute_hash, dump, save
from trading.engine.types import ORDER_LOTS_MAX, PAYOUT_PIPS, MarketStatus, OrderStatus, TradeKind

# A member of an enum is an attribute of a class, which costs as much as a call.
OPEN: Final = OrderStatus.OPEN
PARTIALLY_FILLED: Final = OrderStatus.PARTIALLY_FILLED
UNTRIGGERED: Final = OrderStatus.UNTRIGGERED
MAKER: Final = TradeKind.MAKER
NO_HEADROOM: Final[dict[str, int]] = {}
NO_ELSEWHERE: Final[dict[int, int]] = {}
Headroom = dict[str, int]
"""What order groups may still fill, in lots."""
Elsewhere = dict[int, int]
"""What other accounts of a command's owner would hold on a side here if their orders were filled,
in lots, as the position limit counts it; by side x (outcome + 1).
"""


class MarketState(MarketBooks):
    """Books, orders and accounts of one market, and the events that change them."""

    def emit(self, event: AnyEvent) -> None:
        """Let something happen now. (Where speed counts most, this is done without the look-up.)"""
        self.events.append(event)
        _APPLIERS[type(event)](self, event)

    def apply(self, event: AnyEvent) -> None:
        """Apply an event to the state."""
        _APPLIERS[type(event)](self, event)

    def replay_events(self, command: AnyCommand, ts_us: int, events: Iterable[AnyEvent]) -> None:
        """Apply a command's known events, without deciding anything."""
        self.ts_us = max(self.ts_us, ts_us)
        self.seq += 1
        self.funds, self.headroom, self.incoming = {}, NO_HEADROOM, None
        if isinstance(command, Place):
            self.account(command.account_id)
            lots = ORDER_LOTS_MAX if command.quantity_lots is None else command.quantity_lots
            self.incoming = enter_order(command, self.ts_us, command.price_pips or 0, lots)
        for event in events:
            self.apply(event)

    def _apply_rejected(self, rejected: Rejected) -> None:
        """Nothing changed."""

    def apply_traded(self, trade: Traded) -> None:
        """Carry out a fill. A side without an order is the automated maker or the house."""
        rules, outcome, lots = self.rules, trade.outcome, trade.quantity_lots
        side, price_pips, has_fees = trade.taker_side, trade.price_pips, rules.has_fees
        amount_micros = trade.amount_micros or price_pips * lots
        signed_lots, paid_micros = side * lots, side * amount_micros
        if has_fees:
            compute_basis = rules.compute_taker_basis
            maker_basis = taker_basis = compute_basis(price_pips, lots)
            if rules.is_discounted:
                maker_basis = rules.compute_maker_basis(price_pips, lots)
        account, settle = self.accounts[trade.taker_account_id], rules.settle
        cash_micros, fee_micros = trade.taker_cash_micros, trade.taker_fee_micros
        add_fill(account, outcome, signed_lots, paid_micros, cash_micros, fee_micros)
        if trade.taker_order_id:
            order = self.incoming
            assert order is not None
            order.remaining_lots = remaining_lots = order.remaining_lots - lots
            assert remaining_lots >= 0
            order.status = PARTIALLY_FILLED
            order.filled_micros += amount_micros
            if has_fees:
                order.fee_micros += fee_micros
                if not order.place.fee_free:
                    order.taker_basis += taker_basis
            settle(account, cash_micros - fee_micros, self.funds)
            if self.headroom:
                self._use_headroom(order, lots)
        account, maker_id = self.accounts[trade.maker_account_id], trade.maker_order_id
        cash_micros, fee_micros = trade.maker_cash_micros, trade.maker_fee_micros
        add_fill(account, outcome, -signed_lots, -paid_micros, cash_micros, fee_micros)
        if maker_id:
            self.dirty_orders[maker_id] = order = self.orders[maker_id]
            self.books[outcome].reduce(order, lots)
            order.status = PARTIALLY_FILLED
            order.filled_micros += amount_micros
            if has_fees:
                order.fee_micros += fee_micros
                if not order.place.fee_free:
                    order.maker_basis += maker_basis
            compute_hold = rules.compute_hold
            hold_micros = compute_hold(order) if order.remaining_lots else 0
            more_micros, order.hold_micros = hold_micros - order.hold_micros, hold_micros
            settle(account, cash_micros - fee_micros, self.funds, order, more_micros, -lots)
            if self.headroom:
                self._use_headroom(order, lots)
        if trade.kind is MAKER:
            self._move_maker(trade)

    def _move_maker(self, trade: Traded) -> None:
        """Carry a fill into the automated maker, which is the side without an order."""
        maker, sold_lots = self.maker, trade.taker_side * trade.quantity_lots
        account_id, cash_micros = trade.maker_account_id, trade.maker_cash_micros
        if trade.maker_order_id:
            account_id, cash_micros = trade.taker_account_id, trade.taker_cash_micros
            sold_lots = -sold_lots
        assert maker is not None
        account = self.accounts[account_id]
        self.rules.settle(account, cash_micros, self.funds)
        maker.sell(trade.outcome, sold_lots)
        maker.check_cash(account.net_paid_micros, account.collateral_lots)

    def _apply_liquidity_changed(self, change: LiquidityChanged) -> None:
        maker, amount_micros = self.maker, change.amount_micros
        assert maker is not None
        maker.fund(change.account_id, amount_micros, change.b_lots)
        account = self.account(change.maker_account_id)
        maker.check_cash(account.net_paid_micros, account.collateral_lots)
        if change.account_id in self.funds:
            self.funds[change.account_id] -= amount_micros
        if change.maker_account_id in self.funds:
            self.funds[change.maker_account_id] += amount_micros

    def _apply_cross_matched(self, match: CrossMatched) -> None:
        """Carry out all legs; the house, which holds nothing, is the other side of each."""
        for trade in match.trades:
            self.apply_traded(trade)

    def apply_rested(self, rested: Rested) -> None:
        order, order_id, lots = self.incoming, rested.order_id, rested.remaining_lots
        assert order is not None
        assert order.remaining_lots == lots
        order.priority = self.seq
        account, rules = self.accounts[order.account_id], self.rules
        compute_hold, settle = rules.compute_hold, rules.settle
        order.hold_micros = hold_micros = compute_hold(order)
        settle(account, 0, self.funds, order, hold_micros, lots)
        self.books[rested.outcome].add(order)
        self.orders[order_id] = self.dirty_orders[order_id] = order
        if account.orders is not None:
            account.orders[order_id] = order
        if order.place.options is not None:
            self.note_options(order)

    def apply_ended(self, ended: Ended) -> None:
        order_id = ended.order_id
        order = self.orders.pop(order_id, None)
        if order is None:
            is_waiting = self.untriggered and order_id in self.untriggered
            order = self._pop_untriggered(order_id) if is_waiting else self.incoming
            assert order is not None
            assert order.order_id == order_id
            # An order by budget ends with the quantity that it filled.
            order.quantity_lots += ended.remaining_lots - order.remaining_lots
            order.remaining_lots = ended.remaining_lots
        else:
            lots, account = order.remaining_lots, self.accounts[order.account_id]
            assert lots == ended.remaining_lots
            self.books[order.outcome].remove(order)
            if lots:  # An order that was filled holds nothing any more.
                settle = self.rules.settle
                settle(account, 0, self.funds, order, -order.hold_micros, -lots)
                order.hold_micros = 0
            base_micros = account.base_micros
            assert base_micros >= 0 or base_micros >= -PAYOUT_PIPS * account.collateral_lots
            if account.orders is not None or order.place.options is not None:
                self._forget(order)
        order.status = ended.status
        order.reason = ended.reason
        self.dirty_orders[order_id] = order
        if self.is_watched:
            self._forget_leg(order)

    def _apply_waited(self, waited: Waited) -> None:
        order = self.incoming
        assert order is not None
        assert order.remaining_lots == waited.remaining_lots
        order.status, order.trigger_pips = UNTRIGGERED, waited.trigger_pips
        self.wait(order)
        self.dirty_orders[order.order_id] = order

    def _apply_trigger_moved(self, moved: TriggerMoved) -> None:
        order = self.untriggered[moved.order_id]
        order.trigger_pips = moved.trigger_pips
        self.dirty_orders[order.order_id] = order

    def _apply_triggered(self, triggered: Triggered) -> None:
        order = self.untriggered[triggered.order_id]
        assert not order.priority
        order.priority = self.seq
        self.due[order.order_id] = self.dirty_orders[order.order_id] = order

    def _apply_fired(self, fired: Fired) -> None:
        order = self.incoming = self._pop_untriggered(fired.order_id)
        order.status, order.price_pips = OPEN, fired.price_pips
        self.dirty_orders[order.order_id] = order

    def _apply_leg_attached(self, attached: LegAttached) -> None:
        leg, lots = attached.leg, attached.remaining_lots
        order = enter_order(leg, self.ts_us, leg.price_pips or 0, lots)
        assert leg.trigger is not None
        order.status, order.trigger_pips = UNTRIGGERED, leg.trigger.price_pips
        self.wait(order)
        self.dirty_orders[order.order_id] = order

    def _apply_leg_resized(self, resized: LegResized) -> None:
        order = self.orders.get(resized.order_id)
        if order is not None:
            self._shrink(order, order.remaining_lots - resized.remaining_lots)
            return
        order = self.untriggered[resized.order_id]
        order.quantity_lots = order.remaining_lots = resized.remaining_lots
        self.dirty_orders[order.order_id] = order

    def _apply_amended(self, amended: Amended) -> None:
        if amended.order_id in self.untriggered:
            order = self.untriggered[amended.order_id]
            order.price_pips, order.trigger_pips = amended.price_pips, amended.trigger_pips
            order.quantity_lots = order.remaining_lots = amended.quantity_lots
            self.dirty_orders[order.order_id] = order
            return
        order = self.orders[amended.order_id]
        if amended.kept_priority:
            self._shrink(order, order.remaining_lots - amended.remaining_lots)
            return
        del self.orders[order.order_id]
        self.books[order.outcome].remove(order)
        account, hold_micros = self.accounts[order.account_id], order.hold_micros
        self.rules.settle(account, 0, self.funds, order, -hold_micros, -order.remaining_lots)
        self._forget(order)
        self.incoming = msgspec.structs.replace(
            order,
            price_pips=amended.price_pips,
            quantity_lots=amended.quantity_lots,
            remaining_lots=amended.remaining_lots,
            hold_micros=0,
        )
        self.dirty_orders[order.order_id] = self.incoming

    def _apply_decremented(self, decremented: Decremented) -> None:
        order = self.orders.get(decremented.order_id)
        if order is not None:
            self._shrink(order, decremented.by_lots)
            return
        order = self.incoming
        assert order is not None
        assert order.order_id == decremented.order_id
        order.quantity_lots -= decremented.by_lots
        order.remaining_lots -= decremented.by_lots
        assert order.remaining_lots == decremented.remaining_lots

    def _apply_configured(self, configured: Configured) -> None:
        """Set status and configuration; a finer tick rebuilds the books."""
        old, config = self.config, configured.config
        self.status = configured.status
        self.config = config
        self.rules = Rules(config)
        if old is None:
            self.books = self._build_books(config.tick_pips)
            if config.house_account_id is not None:
                self.account(config.house_account_id)
            if config.maker is not None and self.maker is None:
                self.maker = AutomatedMaker.start(config.maker, config.lot_step_lots)
        elif old.tick_pips != config.tick_pips:
            finer = self._build_books(config.tick_pips)
            for book, finer_book in zip(self.books, finer, strict=True):
                move_orders(book, finer_book)
            self.books = finer
        self.is_timed = config.close_at_us is not None
        is_open = configured.status is MarketStatus.OPEN and not self.rules.rests_refused
        outcomes = self.rules.outcomes if is_open else ()
        self.open_books = {outcome: self.books[outcome] for outcome in outcomes}

    # The whole of it

    @classmethod
    def load(cls, snapshot: Snapshot) -> Self:
        """Build a market from its parts; holds and sums are recomputed from the orders."""
        state = cls(snapshot.market_id)
        state.seq = snapshot.seq
        state.ts_us = snapshot.ts_us
        if snapshot.status is None or snapshot.config is None:
            return state
        state.apply(Configured(snapshot.status, snapshot.config))
        if snapshot.maker is not None:
            state.maker = AutomatedMaker.load(snapshot.maker, snapshot.config.lot_step_lots)
        for account in snapshot.accounts:
            state.accounts[account.account_id] = account
        for order in snapshot.orders:
            state.account(order.account_id)
            state.incoming, state.seq = order, order.priority
            state.apply(build_rested(order))
        state.incoming, state.seq = None, snapshot.seq
        state.dirty_orders.clear()
        for order in sorted(snapshot.untriggered, key=order_of_arrival):
            state.wait(order)
        state.due = dict(sorted(state.due.items(), key=lambda item: item[1].priority))
        for account in state.accounts.values():
            state.rules.settle(account, 0, {})
        return state

    @classmethod
    def restore(cls, data: bytes) -> Self:
        """Build a market from what `snapshot` returned."""
        return cls.load(msgspec.msgpack.decode(data, type=Snapshot))

    def snapshot(self) -> bytes:
        """Return all of the state as bytes, for `restore`."""
        return save(self)

    def dump(self) -> tuple[Any, ...]:
        """Return the state in a canonical form: equal markets give equal dumps."""
        return dump(self)

    def state_hash(self) -> str:
        """Return the SHA-256 of the canonical form, as hex."""
        return compute_hash(self)


# By function, not by bound method: a market has no reference cycles and goes when it is dropped.
_APPLIERS: Final[dict[type[Any], Callable[..., None]]] = {
    Rejected: MarketState._apply_rejected,
    Traded: MarketState.apply_traded,
    Rested: MarketState.apply_rested,
    Amended: MarketState._apply_amended,
    Decremented: MarketState._apply_decremented,
    Ended: MarketState.apply_ended,
    Configured: MarketState._apply_configured,
    CrossMatched: MarketState._apply_cross_matched,
    LiquidityChanged: MarketState._apply_liquidity_changed,
    Waited: MarketState._apply_waited,
    TriggerMoved: MarketState._apply_trigger_moved,
    Triggered: MarketState._apply_triggered,
    Fired: MarketState._apply_fired,
    LegAttached: MarketState._apply_leg_attached,
    LegResized: MarketState._apply_leg_resized,
}
