"""The engine of one market: `apply(command, ts_us, funds) -> events`.

Pure and deterministic: time, ids and funds come in with the command; equal commands give equal
events and the same state hash on every machine. `funds` maps account ids to available micros; the
command's own account must be in it. It is kept up to date in place: after a command each account
in it has changed by exactly its cash, fees and hold. Commands that are refused give one `Rejected`.
"""

from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from typing import Any, Final, Self

import msgspec

from trading.engine.book import Book, Order, enter_order
from trading.engine.checks import (
    check_amend,
    check_configure,
    check_form,
    check_position,
    check_time,
    compute_room_lots,
)
from trading.engine.margin import (
    AccountState,
    add_hold,
    compute_allowance_lots,
    copy_account,
)
from trading.engine.plain import take_plain
from trading.engine.state import MarketState
from trading.engine.sweep import Sweep
from trading.engine.types import (
    BUY,
    COLLAR_PIPS,
    MAKERS_MET_MAX,
    ORDER_LOTS_MAX,
    PAYOUT_PIPS,
    Amend,
    Amended,
    AnyCommand,
    AnyEvent,
    Cancel,
    CancelAll,
    Configure,
    Configured,
    MarketStatus,
    OrderStatus,
    Place,
    Reason,
    Rejected,
    Rested,
    Tick,
    Tif,
    Traded,
)


class Engine(MarketState):
    """A market that takes commands."""

    def apply(self, command: AnyCommand, ts_us: int, funds: dict[int, int]) -> list[AnyEvent]:
        """Carry out one command at `ts_us` (or the latest time seen) and return what happened."""
        if ts_us > self.ts_us:
            self.ts_us = ts_us
        self.seq += 1
        expiries = self.expiries
        if not expiries or expiries[0][0] > self.ts_us:
            kind = command.__class__
            if kind is Place:
                shortcut = self.plain_place
            elif kind is Cancel:
                shortcut = self.plain_cancel
            else:
                shortcut = None
            if shortcut is not None:
                done = shortcut(self, command, funds)
                if done is not None:
                    return done
        events: list[AnyEvent] = []
        self._expire(funds, events)
        _HANDLERS[type(command)](self, command, funds, events)
        return events

    def quote(self, command: AnyCommand, ts_us: int, funds: dict[int, int]) -> list[AnyEvent]:
        """Return what `apply` would return now, changing nothing."""
        return self.trial(command, ts_us).apply(command, ts_us, dict(funds))

    def _place(self, place: Place, funds: dict[int, int], events: list[AnyEvent]) -> None:
        reason = self._check_place(place)
        if reason is not None:
            events.append(Rejected(place.order_id, reason))
            return
        order = enter_order(place, self.ts_us)
        if place.is_market or place.tif is Tif.IOC or place.tif is Tif.FOK:
            self._take(order, place, funds, events)
        else:
            self.enter(order, funds, events)

    def _check_place(self, place: Place) -> Reason | None:
        if place.order_id in self.orders:
            return Reason.DUPLICATE_ORDER_ID
        reason = check_time(self, place.valid_until_us) or check_form(self, place)
        if reason is not None:
            return reason
        reason = check_position(self, self.account(place.account_id), place)
        if reason is not None:
            return reason
        if place.post_only and place.price_pips is not None:
            crosses = self.books[place.outcome].crosses(place.side, place.price_pips)
            return Reason.POST_ONLY_WOULD_CROSS if crosses else None
        return None

    def enter(self, order: Order, funds: dict[int, int], events: list[AnyEvent]) -> None:
        """Let a limit order in that may rest: what it could cost is checked once, here."""
        account = self.account(order.account_id)
        hold_micros = self.compute_hold_micros(order)
        missing_micros = self._missing_micros(
            account, order, hold_micros, order.remaining_lots, funds
        )
        if missing_micros > 0:
            events.append(Rejected(order.order_id, Reason.INSUFFICIENT_FUNDS, missing_micros))
            return
        self._take_and_rest(order, account, hold_micros, funds, events)

    def _take_and_rest(
        self,
        order: Order,
        account: AccountState,
        hold_micros: int,
        funds: dict[int, int],
        events: list[AnyEvent],
    ) -> None:
        """Trade what crosses, then rest or end what is left of an order that may rest."""
        if not self.books[order.outcome].crosses(order.side, order.price_pips):
            self._rest(order, account, hold_micros, funds, events)
            return
        met = 0
        if self.plain_take is not None and not order.place.reduce_only:
            met = take_plain(self, self.plain_take, order, account, funds, events)
            if not order.remaining_lots:
                return
        sweep = Sweep(self, order, funds, events, met=met)
        sweep.run()
        if not order.remaining_lots or sweep.stopped is not None:
            self._finish(order, sweep.stopped, events)
        elif self._closed_position(order, sweep):
            self._finish(order, Reason.REDUCE_ONLY, events)
        else:
            self._rest(order, account, self.compute_hold_micros(order), funds, events)

    def _take(
        self, order: Order, place: Place, funds: dict[int, int], events: list[AnyEvent]
    ) -> None:
        """Carry out an order that never rests: market, IOC, FOK."""
        if place.is_market and place.price_pips is None:
            self._set_collar(order)
        if place.budget_micros is not None:
            self._take_budget(order, place.budget_micros, funds, events)
            return
        if order.place.tif is Tif.FOK and not self._would_fill(place, funds):
            self._finish(order, Reason.FOK_NOT_FILLABLE, events)
            return
        met = 0
        # A fill never costs more than its price and one pay-out held.
        can_pay = funds[order.account_id] >= 2 * PAYOUT_PIPS * order.remaining_lots
        if self.plain_take is not None and can_pay and not order.place.reduce_only:
            account = self.account(order.account_id)
            met = take_plain(self, self.plain_take, order, account, funds, events)
            if not order.remaining_lots:
                return
        self.go_on_taking(order, met, funds, events)

    def go_on_taking(
        self, order: Order, met: int, funds: dict[int, int], events: list[AnyEvent]
    ) -> None:
        """Carry on with an order that never rests, after `met` makers, and end what is left."""
        sweep = Sweep(self, order, funds, events, pays_at_once=True, met=met)
        sweep.run()
        reason = sweep.stopped or self._left_over(sweep)
        if sweep.stopped is None and self._closed_position(order, sweep):
            reason = Reason.REDUCE_ONLY
        self._finish(order, reason, events)

    def _take_budget(
        self, order: Order, budget_micros: int, funds: dict[int, int], events: list[AnyEvent]
    ) -> None:
        """Spend at most the budget; an order by budget ends with the quantity that it filled."""
        room_lots = ORDER_LOTS_MAX
        if not order.place.reduce_only:
            account = self.account(order.account_id)
            room_lots = min(room_lots, compute_room_lots(self, account, order.outcome, order.side))
        order.quantity_lots = order.remaining_lots = room_lots - room_lots % self.lot_step_lots
        sweep = Sweep(self, order, funds, events, pays_at_once=True, budget_micros=budget_micros)
        sweep.run()
        reason = sweep.stopped or self._left_over(sweep)
        if not order.remaining_lots and sweep.stopped is None:
            reason = Reason.POSITION_LIMIT
        spent = reason is Reason.BUDGET_SPENT and order.filled_lots > 0
        order.quantity_lots = order.filled_lots
        order.remaining_lots = 0
        status = OrderStatus.FILLED if spent else OrderStatus.CANCELLED
        self.close(order, status, reason, events)

    def _closed_position(self, order: Order, sweep: Sweep) -> bool:
        """Return whether a reduce-only order traded until there was nothing left to reduce."""
        return (
            order.place.reduce_only
            and sweep.filled_lots > 0
            and not self._allowance_lots(sweep.account, order)
        )

    @staticmethod
    def _left_over(sweep: Sweep) -> Reason:
        return Reason.IMMEDIATE_REMAINDER if sweep.met else Reason.NO_LIQUIDITY

    def _set_collar(self, order: Order) -> None:
        """Give a market order its worst price: COLLAR_PIPS from the best one."""
        book = self.books[order.outcome]
        best_tick = book.best_ask if order.side == BUY else book.best_bid
        worst_pips = best_tick * self.tick_pips + order.side * COLLAR_PIPS
        # To the tick on the best price's side of it: down for a buyer, up for a seller.
        worst_tick = order.side * (order.side * worst_pips // self.tick_pips)
        order.price_pips = min(max(worst_tick, 1), book.ticks - 1) * self.tick_pips

    def _would_fill(self, place: Place, funds: dict[int, int]) -> bool:
        """Try a fill-or-kill order as IOC on a copy of what it can reach."""
        attempt = msgspec.structs.replace(place, tif=Tif.IOC)
        events = self.quote(attempt, self.ts_us, funds)
        # Not by how it ends: self-trade prevention may have decremented it on the way.
        traded_lots = sum(event.quantity_lots for event in events if isinstance(event, Traded))
        return traded_lots == place.quantity_lots

    def _finish(self, order: Order, reason: Reason | None, events: list[AnyEvent]) -> None:
        """End a taker that does not rest: filled, or cancelled for `reason`."""
        if not order.remaining_lots:
            self.close(order, OrderStatus.FILLED, Reason.FILLED, events)
        else:
            assert reason is not None
            self.close(order, OrderStatus.CANCELLED, reason, events)

    def _amend(self, amend: Amend, funds: dict[int, int], events: list[AnyEvent]) -> None:
        reason = check_amend(self, amend)
        if reason is not None:
            events.append(Rejected(amend.order_id, reason))
            return
        order = self.orders[amend.order_id]
        price_pips = order.price_pips if amend.price_pips is None else amend.price_pips
        total_lots = order.quantity_lots if amend.quantity_lots is None else amend.quantity_lots
        remaining_lots = total_lots - (order.quantity_lots - order.remaining_lots)
        if remaining_lots <= 0:
            self.end(order, OrderStatus.CANCELLED, Reason.AMENDED_TO_FILLED, funds, events)
        elif price_pips == order.price_pips and total_lots < order.quantity_lots:
            self.shrink(order, order.remaining_lots - remaining_lots, funds)
            events.append(
                Amended(order.order_id, price_pips, total_lots, remaining_lots, kept_priority=True)
            )
        else:
            self._reenter(order, price_pips, total_lots, remaining_lots, funds, events)

    def _reenter(
        self,
        old: Order,
        price_pips: int,
        total_lots: int,
        remaining_lots: int,
        funds: dict[int, int],
        events: list[AnyEvent],
    ) -> None:
        """Replace a resting order by its amended self, which loses its place and may trade."""
        account = self.account(old.account_id)
        new = msgspec.structs.replace(
            old,
            price_pips=price_pips,
            quantity_lots=total_lots,
            remaining_lots=remaining_lots,
            hold_micros=0,
            live=False,
        )
        hold_micros = self.compute_hold_micros(new)
        refusal = self._check_reenter(old, new, account, hold_micros, funds)
        if refusal is not None:
            events.append(refusal)
            return
        self.remove(old)
        self.settle(account, 0, funds)
        events.append(
            Amended(new.order_id, price_pips, total_lots, remaining_lots, kept_priority=False)
        )
        self.dirty_orders[new.order_id] = new
        self._take_and_rest(new, account, hold_micros, funds, events)

    def _check_reenter(
        self,
        old: Order,
        new: Order,
        account: AccountState,
        hold_micros: int,
        funds: dict[int, int],
    ) -> Rejected | None:
        more_lots = new.remaining_lots - old.remaining_lots
        if new.place.reduce_only:
            if not self._allowance_lots(account, new):
                return Rejected(new.order_id, Reason.REDUCE_ONLY_NO_POSITION)
        elif more_lots > compute_room_lots(self, account, new.outcome, new.side):
            return Rejected(new.order_id, Reason.POSITION_LIMIT)
        if new.place.post_only and self.books[new.outcome].crosses(new.side, new.price_pips):
            return Rejected(new.order_id, Reason.POST_ONLY_WOULD_CROSS)
        missing_micros = self._missing_micros(
            account, new, hold_micros - old.hold_micros, more_lots, funds
        )
        if missing_micros > 0:
            return Rejected(new.order_id, Reason.INSUFFICIENT_FUNDS, missing_micros)
        return None

    def _cancel(self, cancel: Cancel, funds: dict[int, int], events: list[AnyEvent]) -> None:
        order = self.orders.get(cancel.order_id)
        if order is None or order.account_id != cancel.account_id:
            events.append(Rejected(cancel.order_id, Reason.ORDER_UNKNOWN))
            return
        self.end(order, OrderStatus.CANCELLED, Reason.CANCELLED_BY_OWNER, funds, events)

    def _cancel_all(
        self, command: CancelAll, funds: dict[int, int], events: list[AnyEvent]
    ) -> None:
        account = self.accounts.get(command.account_id)
        if account is None:
            return
        reason = Reason.CANCELLED_BY_OPERATOR if command.by_operator else Reason.CANCELLED_BY_OWNER
        for order in self.list_orders(account):
            self.end(order, OrderStatus.CANCELLED, reason, funds, events)

    def _configure(self, command: Configure, funds: dict[int, int], events: list[AnyEvent]) -> None:
        reason = check_configure(self, command)
        if reason is not None:
            events.append(Rejected("", reason))
            return
        self.configure(command.status, command.config)
        events.append(Configured(command.status, command.config))
        if command.status is MarketStatus.CLOSED:
            for order_id in sorted(self.orders):
                self.end(
                    self.orders[order_id],
                    OrderStatus.CANCELLED,
                    Reason.MARKET_CLOSED,
                    funds,
                    events,
                )

    def _tick(self, command: Tick, funds: dict[int, int], events: list[AnyEvent]) -> None:
        """Time has passed; what was due has expired already."""

    def _expire(self, funds: dict[int, int], events: list[AnyEvent]) -> None:
        while self.expiries and self.expiries[0][0] <= self.ts_us:
            expires_at_us, order_id = heappop(self.expiries)
            order = self.orders.get(order_id)
            if order is not None and order.place.expires_at_us == expires_at_us:
                self.end(order, OrderStatus.EXPIRED, Reason.EXPIRED, funds, events)

    def _rest(
        self,
        order: Order,
        account: AccountState,
        hold_micros: int,
        funds: dict[int, int],
        events: list[AnyEvent],
    ) -> None:
        order.priority = self.seq
        if order.filled_lots:
            order.status = OrderStatus.PARTIALLY_FILLED
        self.insert(order, account, hold_micros)
        self.settle(account, 0, funds)
        self.dirty_orders[order.order_id] = order
        events.append(
            Rested(
                order.order_id, order.outcome, order.side, order.price_pips, order.remaining_lots
            )
        )

    def _missing_micros(
        self,
        account: AccountState,
        order: Order,
        hold_micros: int,
        lots: int,
        funds: dict[int, int],
    ) -> int:
        """Return how much available funds lack for `order` adding this to its account's sums."""
        add_hold(account, order, hold_micros, lots)
        held_micros = self.compute_held(account)
        add_hold(account, order, -hold_micros, -lots)
        return held_micros - account.held_micros - funds[account.account_id]

    def _allowance_lots(self, account: AccountState, order: Order) -> int:
        return compute_allowance_lots(account, order.outcome, order.side, binary=self.binary)

    # What a command can touch

    def reach(self, command: AnyCommand, ts_us: int) -> set[int]:
        """Return a superset of the accounts that `apply` would touch now."""
        if isinstance(command, Configure):
            return {order.account_id for order in self.orders.values()}
        if type(command) is Place and self._meets_nothing(command, ts_us):
            return {command.account_id}
        reached = {order.account_id for order in self._orders_reached(command, ts_us)}
        if not isinstance(command, Tick):
            reached.add(command.account_id)
        return reached

    def _meets_nothing(self, place: Place, ts_us: int) -> bool:
        """Return whether it is certain at a glance that the order meets no other; most do."""
        price_pips = place.price_pips
        if price_pips is None or not 0 <= place.outcome < len(self.books):
            return False
        due = self.expiries and self.expiries[0][0] <= max(ts_us, self.ts_us)
        return not (due or self.books[place.outcome].crosses(place.side, price_pips))

    def trial(self, command: AnyCommand, ts_us: int) -> Self:
        """Return a copy of as much of this market as `command` can reach, to try it on.

        Books that the command can't reach are shared; nothing it does changes them.
        """
        trial = type(self)(self.market_id)
        trial.seq, trial.ts_us = self.seq, self.ts_us
        if self.status is None or self.config is None:
            return trial
        trial.configure(self.status, self.config)
        orders = {order.order_id: order for order in self._orders_reached(command, ts_us)}
        if isinstance(command, (Place, Amend, Cancel)) and command.order_id in self.orders:
            orders[command.order_id] = self.orders[command.order_id]
        if isinstance(command, CancelAll) and command.account_id in self.accounts:
            own = self.list_orders(self.accounts[command.account_id])
            orders.update((order.order_id, order) for order in own)
        if isinstance(command, Configure):
            orders = self.orders
        self._copy_into(trial, orders, command)
        return trial

    def _copy_into(self, trial: Self, orders: dict[str, Order], command: AnyCommand) -> None:
        account_ids = {order.account_id for order in orders.values()}
        if not isinstance(command, (Configure, Tick)):
            account_ids.add(command.account_id)
        for account_id in account_ids & self.accounts.keys():
            trial.accounts[account_id] = copy_account(self.accounts[account_id])
        for order in sorted(orders.values(), key=lambda order: order.priority):
            copied = msgspec.structs.replace(order)
            trial.books[order.outcome].add(copied)
            trial.orders[order.order_id] = copied
            if order.place.expires_at_us is not None:
                heappush(trial.expiries, (order.place.expires_at_us, order.order_id))

    def _orders_reached(self, command: AnyCommand, ts_us: int) -> Iterator[Order]:
        """Yield every order that `command` may meet, and those that expire before it."""
        ts_us = max(ts_us, self.ts_us)
        if self.expiries and self.expiries[0][0] <= ts_us:
            for expires_at_us, order_id in self.expiries:
                if expires_at_us <= ts_us and order_id in self.orders:
                    yield self.orders[order_id]
        if isinstance(command, Place):
            yield from self._makers_for_place(command, ts_us)
        elif isinstance(command, Amend):
            yield from self._makers_for_amend(command, ts_us)

    def _makers_for_place(self, place: Place, ts_us: int) -> Iterator[Order]:
        if not 0 <= place.outcome < len(self.books):
            return
        price_pips = place.price_pips
        if price_pips is None or not 0 < price_pips < PAYOUT_PIPS:
            price_pips = PAYOUT_PIPS - 1 if place.side == BUY else 1
        book = self.books[place.outcome]
        if book.crosses(place.side, price_pips):
            lots = ORDER_LOTS_MAX if place.quantity_lots is None else place.quantity_lots
            yield from _makers(book, place.side, price_pips, lots, place.owner_id, ts_us)

    def _makers_for_amend(self, amend: Amend, ts_us: int) -> Iterator[Order]:
        order = self.orders.get(amend.order_id)
        if order is None or amend.price_pips is None or not 0 < amend.price_pips < PAYOUT_PIPS:
            return
        book = self.books[order.outcome]
        if book.crosses(order.side, amend.price_pips):
            lots = amend.quantity_lots or order.quantity_lots
            yield from _makers(book, order.side, amend.price_pips, lots, order.owner_id, ts_us)


def _makers(
    book: Book, side: int, price_pips: int, lots: int, owner_id: int, ts_us: int
) -> Iterator[Order]:
    """Yield makers best first until their certain quantity covers `lots`.

    Own orders, reduce-only ones and those that expire now may give less than they show.
    """
    met = 0
    for maker in book.orders(-side):
        beyond = maker.price_pips > price_pips if side == BUY else maker.price_pips < price_pips
        if beyond or lots <= 0 or met > MAKERS_MET_MAX:
            return
        yield maker
        if maker.place.expires_at_us is not None and maker.place.expires_at_us <= ts_us:
            continue
        met += 1
        if not (maker.owner_id == owner_id or maker.place.reduce_only):
            lots -= maker.remaining_lots


# By function, not by bound method: an engine has no reference cycles and goes when it is dropped.
_HANDLERS: Final[dict[type[Any], Callable[..., None]]] = {
    Place: Engine._place,
    Amend: Engine._amend,
    Cancel: Engine._cancel,
    CancelAll: Engine._cancel_all,
    Configure: Engine._configure,
    Tick: Engine._tick,
}
