"""The engine of one market: `execute(command, ts_us, funds) -> events`.

Pure and deterministic: time, ids and funds come in with the command; equal commands give equal
events and the same state hash on every machine. `funds` maps account ids to available micros; the
command's own account must be in it. It is kept up to date in place: after a command each account
in it has changed by exactly its cash, fees and hold. Commands that are refused give one `Rejected`.

The functions here read the state and decide; what they decide they emit as an event, which
`MarketState.apply` has applied before they continue.
"""

from collections.abc import Callable, Container
from heapq import heappop
from typing import Any, Final

import msgspec

from trading.engine.blend import sweep_both
from trading.engine.book import EngineOrder, build_rested
from trading.engine.brackets import (
    Bracket,
    attach_to_entry,
    attach_to_position,
    check_legs,
    follow,
)
from trading.engine.checks import (
    RESTING,
    check_amend,
    check_change_liquidity,
    check_configure,
    check_fired,
    check_place,
    check_position,
    check_time,
    find_numbers,
)
from trading.engine.commands import (
    Amend,
    AnyCommand,
    Attach,
    Cancel,
    CancelAll,
    CancelGroup,
    ChangeLiquidity,
    Configure,
    Fire,
    Place,
    Tick,
)
from trading.engine.dry_run import build_attempt, copy_touched
from trading.engine.events import (
    Amended,
    AnyEvent,
    Configured,
    Ended,
    Fired,
    LiquidityChanged,
    Rejected,
    Rested,
    Waited,
    list_trades,
)
from trading.engine.lmsr import compute_worst_loss_micros
from trading.engine.matcher import match, name_remainder
from trading.engine.order_groups import cancel_group, check_group
from trading.engine.resting import compute_allowance, has_closed_position, is_cancelled_on_halt
from trading.engine.state import NO_ELSEWHERE, NO_HEADROOM, Elsewhere, Headroom, MarketState
from trading.engine.triggers import watch
from trading.engine.types import (
    BUY,
    ORDER_LOTS_MAX,
    MarketStatus,
    OrderOptions,
    OrderStatus,
    Reason,
    Tif,
)

# A member of an enum is an attribute of a class, which costs as much as a call.
GTC: Final = Tif.GTC
GTD: Final = Tif.GTD
FOK: Final = Tif.FOK
FILLED: Final = OrderStatus.FILLED
CANCELLED: Final = OrderStatus.CANCELLED
UNTRIGGERED: Final = OrderStatus.UNTRIGGERED
IS_FILLED: Final = Reason.FILLED
BY_OWNER: Final = Reason.CANCELLED_BY_OWNER


class Engine(MarketState):
    """A market that takes commands."""

    def execute(
        self,
        command: AnyCommand,
        ts_us: int,
        funds: dict[int, int],
        headroom: Headroom = NO_HEADROOM,
        elsewhere: Elsewhere = NO_ELSEWHERE,
    ) -> list[AnyEvent]:
        """Execute one command at `ts_us` (or the latest time seen) and return its events."""
        if ts_us > self.ts_us:
            self.ts_us = ts_us
        self.seq += 1
        self.funds = funds
        self.headroom = headroom
        self.elsewhere = elsewhere
        self.incoming = None
        self.events = []
        if self.is_watched:
            self._expire()
        _DECISIONS[type(command)](self, command)
        if self.is_watched:
            self._watch()
        return self.events

    def quote(
        self,
        command: AnyCommand,
        ts_us: int,
        funds: dict[int, int],
        headroom: Headroom = NO_HEADROOM,
        elsewhere: Elsewhere = NO_ELSEWHERE,
    ) -> list[AnyEvent]:
        """Return what `execute` would return now, changing nothing; but not what triggers see."""
        trial = copy_touched(self, command, ts_us)
        return trial.execute(command, ts_us, dict(funds), dict(headroom), elsewhere)

    def find_next_fire(self, skipped: Container[str] = ()) -> Fire | None:
        """Return the command that carries out the first triggered order, if it can be sent now."""
        if not self.due or self.status is not MarketStatus.OPEN or self.past_close():
            return None
        for order in self.due.values():
            if order.order_id not in skipped:
                return Fire(order.order_id, order.account_id)
        return None

    def _watch(self) -> None:
        """Look after legs and triggers at a command's end, while there is anything to watch."""
        if self.brackets:
            watch(self, follow(self))
        elif self.untriggered:
            watch(self)
        self.is_watched = bool(self.expiries or self.untriggered or self.brackets)

    def _expire(self) -> None:
        while self.expiries and self.expiries[0][0] <= self.ts_us:
            expires_at_us, order_id = self.expiries[0]
            order = self.find_order(order_id)
            if order is not None and order.place.expires_at_us == expires_at_us:
                self._end(order, OrderStatus.EXPIRED, Reason.EXPIRED)
            if self.expiries and self.expiries[0] == (expires_at_us, order_id):
                heappop(self.expiries)

    def _end(self, order: EngineOrder, status: OrderStatus, reason: Reason) -> None:
        ended = Ended(order.order_id, status, reason, order.remaining_lots)
        self.events.append(ended)
        self.apply_ended(ended)

    # Place

    def _place(self, place: Place) -> None:
        """Enter an order; what is unusual about it has a ladder of its own, `check_place`."""
        order_id, account_id, outcome = place.order_id, place.account_id, place.outcome
        book = self.open_books.get(outcome)
        side, lots, rules = place.side, place.quantity_lots, self.rules
        options, tif, price_pips = place.options, place.tif, rules.prices.get(place.price_pips)
        if (
            options is not None
            or tif is GTD
            or book is None
            or (self.is_timed and self.past_close())
            or price_pips is None
            or lots is None
            or lots <= 0
            or lots > ORDER_LOTS_MAX
            or lots % rules.lot_step_lots
            or order_id in self.orders
            or (self.is_watched and self.knows(order_id))
        ):
            reason = check_place(self, place)
            if reason is not None:
                self.emit(Rejected(order_id, reason))
                return
            book, (price_pips, lots) = self.books[outcome], find_numbers(self, place)
        else:
            account = self.accounts.get(account_id) or self.account(account_id)
            open_lots = (account.buy_lots if side == BUY else account.sell_lots)[outcome]
            owned_lots = side * account.net_lots[outcome] + open_lots + lots
            if owned_lots > rules.safe_owned_lots or self.elsewhere:
                reason = check_position(self, account, place, lots)
                if reason is not None:
                    self.emit(Rejected(order_id, reason))
                    return
        self.incoming = order = EngineOrder(
            place, order_id, account_id, place.owner_id, outcome, side, price_pips, lots, lots,
            self.ts_us,
        )  # fmt: skip
        if options is not None and self._place_apart(order, options):
            return
        if (tif is not GTC and tif is not GTD) or (options is not None and options.is_market):
            self._match(order, False)
            return
        safe_micros = rules.safe_hold_pips * lots
        if self.funds[account_id] < safe_micros and not self._check_funds(order, lots, 0):
            return
        if (
            (price_pips >= book.best_ask_pips if side == BUY else price_pips <= book.best_bid_pips)
            or (rules.trades_elsewhere and self.crosses(outcome, side, price_pips))
        ):  # fmt: skip
            self._match(order, True)
        else:
            rested = Rested(order_id, outcome, side, price_pips, lots)
            self.events.append(rested)
            self.apply_rested(rested)

    def _place_apart(self, order: EngineOrder, options: OrderOptions) -> bool:
        """Carry out an order with legs, a trigger or a budget; return whether it has one."""
        if options.legs:
            self._place_bracket(order.place, options)
        elif options.trigger is not None:
            self.emit(Waited(order.order_id, options.trigger.price_pips, order.quantity_lots))
        elif options.budget_micros is not None:
            self._match_budget(order, options.budget_micros)
        else:
            return False
        return True

    def _check_funds(self, order: EngineOrder, more_lots: int, old_hold_micros: int) -> bool:
        """Reject an order that may rest unless its account can hold all that it could cost."""
        missing_micros = self.find_missing(order, more_lots, old_hold_micros)
        if missing_micros > 0:
            self.emit(Rejected(order.order_id, Reason.INSUFFICIENT_FUNDS, missing_micros))
        return missing_micros <= 0

    def _match(self, order: EngineOrder, rests: bool) -> None:
        """Trade what crosses; what is left then rests, or ends with the order."""
        if order.place.tif is FOK and not self._would_fill(order):
            self._end(order, CANCELLED, Reason.FOK_NOT_FILLABLE)
            return
        reason, makers, trades = match(self, order, not rests)
        lots = order.remaining_lots
        if not lots:
            ended = Ended(order.order_id, FILLED, IS_FILLED, 0)
        else:
            if reason is None and has_closed_position(self, order, trades):
                reason = Reason.REDUCE_ONLY
            if reason is None and rests:
                self.emit(build_rested(order))
                return
            ended = Ended(order.order_id, CANCELLED, reason or name_remainder(makers), lots)
        self.events.append(ended)
        self.apply_ended(ended)

    def _match_budget(self, order: EngineOrder, budget_micros: int) -> None:
        """Spend at most the budget; an order by budget ends with the quantity that it filled."""
        stopped, makers, _ = match(self, order, True, budget_micros)
        reason = stopped or name_remainder(makers)
        if not order.remaining_lots and stopped is None:
            reason = Reason.POSITION_LIMIT
        is_spent = reason is Reason.BUDGET_SPENT and order.filled_lots > 0
        status = OrderStatus.FILLED if is_spent else OrderStatus.CANCELLED
        self.emit(Ended(order.order_id, status, reason, 0))

    def _would_fill(self, order: EngineOrder) -> bool:
        """Try a fill-or-kill order as IOC on a copy of what it can touch."""
        attempt = build_attempt(order)
        events = self.quote(attempt, self.ts_us, self.funds, self.headroom, self.elsewhere)
        # Not by how it ends: self-trade prevention may have decremented it on the way.
        traded_lots = sum(
            trade.quantity_lots
            for event in events
            for trade in list_trades(event)
            if trade.taker_order_id == attempt.order_id
        )
        return traded_lots == order.quantity_lots

    # Triggers

    def _fire(self, fire: Fire) -> None:
        """Carry out a triggered order: what would refuse it as a new one ends it."""
        order, reason = self.due.get(fire.order_id), check_time(self, None)
        if order is None or order.account_id != fire.account_id:
            reason = Reason.ORDER_UNKNOWN
        if order is None or reason is not None:
            assert reason is not None
            self.emit(Rejected(fire.order_id, reason))
            return
        if fire.gives_up:
            self._end(order, OrderStatus.REJECTED, Reason.ENGINE_FAULT)
            return
        if order.place.bracket_id is not None:
            self._end_entry(order.place.bracket_id)
        collar_pips = order.price_pips or self.compute_collar(order.outcome, order.side)
        self.emit(Fired(order.order_id, collar_pips))
        place, lots = order.place, order.remaining_lots
        rests = place.tif in RESTING and not place.is_market
        reason = check_fired(self, order)
        if reason is None and rests and self.find_missing(order, lots, 0) > 0:
            reason = Reason.INSUFFICIENT_FUNDS
        if reason is not None:
            self._end(order, OrderStatus.REJECTED, reason)
        else:
            self._match(order, rests)

    def _end_entry(self, bracket_id: str) -> None:
        """Cancel what is left of an entry of which a leg is fired."""
        entry = self.find_order(bracket_id)
        if entry is not None:
            self._end(entry, OrderStatus.CANCELLED, Reason.LEG_FIRED)

    def _amend_untriggered(self, amend: Amend, order: EngineOrder) -> None:
        price_pips = order.price_pips if amend.price_pips is None else amend.price_pips
        lots = order.quantity_lots if amend.quantity_lots is None else amend.quantity_lots
        trigger_pips = order.trigger_pips if amend.trigger_pips is None else amend.trigger_pips
        self.emit(Amended(order.order_id, price_pips, lots, lots, True, trigger_pips))

    # Brackets

    def _place_bracket(self, place: Place, options: OrderOptions) -> None:
        """Enter an order as it would be without its legs, and attach them."""
        reason = check_legs(self, place, options.legs)
        if reason is not None:
            self.emit(Rejected(place.order_id, reason))
            return
        alone = msgspec.structs.replace(options, legs=()).or_none()
        self._place(msgspec.structs.replace(place, options=alone))
        if not isinstance(self.events[-1], Rejected):
            attach_to_entry(self, place, options.legs)

    def _attach(self, command: Attach) -> None:
        reason = attach_to_position(self, command)
        if reason is not None:
            self.emit(Rejected(command.bracket_id, reason))

    def _amend_bracket(self, amend: Amend) -> None:
        """Amend the order as without its legs, and then these; neither if one can't be."""
        bracket = Bracket(self, amend.order_id)
        reason = bracket.check(amend)
        if reason is not None:
            self.emit(Rejected(amend.order_id, reason))
            return
        if amend.names_numbers:
            self._amend(msgspec.structs.replace(amend, legs=(), removed=()))
            if isinstance(self.events[-1], Rejected):
                return
        bracket.change(amend)

    # Amend

    def _amend(self, amend: Amend) -> None:
        if amend.legs or amend.removed:
            self._amend_bracket(amend)
            return
        reason = check_amend(self, amend)
        if reason is not None:
            self.emit(Rejected(amend.order_id, reason))
            return
        order = self.find_order(amend.order_id)
        assert order is not None
        if order.status is UNTRIGGERED:
            self._amend_untriggered(amend, order)
            return
        price_pips = order.price_pips if amend.price_pips is None else amend.price_pips
        total_lots = order.quantity_lots if amend.quantity_lots is None else amend.quantity_lots
        remaining_lots = total_lots - order.filled_lots
        if remaining_lots <= 0:
            self._end(order, OrderStatus.CANCELLED, Reason.AMENDED_TO_FILLED)
        elif price_pips == order.price_pips and total_lots < order.quantity_lots:
            self.emit(Amended(order.order_id, price_pips, total_lots, remaining_lots, True))
        else:
            self._reenter(order, price_pips, total_lots, remaining_lots)

    def _reenter(
        self, old: EngineOrder, price_pips: int, total_lots: int, remaining_lots: int
    ) -> None:
        """Replace a resting order by its amended self, which loses its place and may trade."""
        new = msgspec.structs.replace(
            old, price_pips=price_pips, quantity_lots=total_lots, remaining_lots=remaining_lots
        )
        more_lots = remaining_lots - old.remaining_lots
        reason = self._check_reenter(new, more_lots)
        if reason is not None:
            self.emit(Rejected(new.order_id, reason))
        elif self._check_funds(new, more_lots, old.hold_micros):
            self.emit(Amended(new.order_id, price_pips, total_lots, remaining_lots, False))
            assert self.incoming is not None
            self._match(self.incoming, True)

    def _check_reenter(self, new: EngineOrder, more_lots: int) -> Reason | None:
        account, reason = self.account(new.account_id), check_group(self, new.place)
        if reason is not None:
            return reason
        if new.place.reduce_only:
            if not compute_allowance(self, new):
                return Reason.REDUCE_ONLY_NO_POSITION
        elif more_lots > self.compute_headroom(account, new.outcome, new.side):
            return Reason.POSITION_LIMIT
        if new.place.post_only and self.crosses(new.outcome, new.side, new.price_pips):
            return Reason.POST_ONLY_WOULD_CROSS
        return None

    # The others

    def _cancel(self, cancel: Cancel) -> None:
        order_id = cancel.order_id
        order = self.orders.get(order_id)
        if order is None and self.untriggered:
            order = self.untriggered.get(order_id)
        if order is None or order.account_id != cancel.account_id:
            self.emit(Rejected(cancel.order_id, Reason.ORDER_UNKNOWN))
            return
        ended = Ended(order_id, CANCELLED, BY_OWNER, order.remaining_lots)
        self.events.append(ended)
        self.apply_ended(ended)

    def _cancel_all(self, command: CancelAll) -> None:
        account = self.accounts.get(command.account_id)
        if account is None:
            return
        reason = Reason.CANCELLED_BY_OPERATOR if command.by_operator else Reason.CANCELLED_BY_OWNER
        orders = self.list_orders(account) + self.list_untriggered(command.account_id)
        for order in sorted(orders, key=lambda order: order.order_id):
            self._end(order, OrderStatus.CANCELLED, reason)

    def _configure(self, command: Configure) -> None:
        reason = check_configure(self, command)
        if reason is not None:
            self.emit(Rejected("", reason))
            return
        terms, is_new = command.config.maker, self.config is None
        remaining = frozenset() if self.config is None else self.rules.outcomes
        if terms is not None and is_new:
            worst_loss_micros = compute_worst_loss_micros(terms.b_lots, terms.priors)
            if not self._check_payment(terms.funder_account_id, worst_loss_micros):
                return
        self.emit(Configured(command.status, command.config))
        if terms is not None and is_new:
            self.emit(
                LiquidityChanged(
                    terms.funder_account_id, terms.account_id, terms.b_lots, worst_loss_micros
                )
            )
        if command.status is MarketStatus.CLOSED:
            self._end_all(Reason.MARKET_CLOSED, lambda order: True)
            return
        withdrawn = remaining - self.rules.outcomes
        if withdrawn:
            self._end_all(Reason.OUTCOME_WITHDRAWN, lambda order: order.outcome in withdrawn)
        if command.status is MarketStatus.HALTED:
            self._end_all(Reason.MARKET_HALTED, is_cancelled_on_halt)

    def _end_all(self, reason: Reason, ends: Callable[[EngineOrder], bool]) -> None:
        """Cancel the orders that something ends, whether they rest or wait, by id."""
        for _, order in sorted({**self.orders, **self.untriggered}.items()):
            if ends(order):
                self._end(order, CANCELLED, reason)

    def _check_payment(self, account_id: int, amount_micros: int) -> bool:
        """Reject the command unless the account has what it is to pay."""
        missing_micros = amount_micros - self.funds[account_id]
        if missing_micros > 0:
            self.emit(Rejected("", Reason.INSUFFICIENT_FUNDS, missing_micros))
        return missing_micros <= 0

    def _change_liquidity(self, command: ChangeLiquidity) -> None:
        reason = check_change_liquidity(self, command)
        if reason is not None:
            self.emit(Rejected("", reason))
            return
        assert self.maker is not None
        assert self.config is not None
        assert self.config.maker is not None
        amount_micros = self.maker.compute_change(command.by_lots)
        assert amount_micros is not None
        if self._check_payment(command.account_id, amount_micros):
            b_lots = self.maker.lmsr.state.b_lots + command.by_lots
            maker_id = self.config.maker.account_id
            self.emit(LiquidityChanged(command.account_id, maker_id, b_lots, amount_micros))
            sweep_both(self)

    def _tick(self, command: Tick) -> None:
        """Time has passed; what was due has expired already."""


# By function, not by bound method: an engine has no reference cycles and goes when it is dropped.
_DECISIONS: Final[dict[type[Any], Callable[..., None]]] = {
    Place: Engine._place,
    Amend: Engine._amend,
    Cancel: Engine._cancel,
    CancelAll: Engine._cancel_all,
    Configure: Engine._configure,
    Tick: Engine._tick,
    ChangeLiquidity: Engine._change_liquidity,
    Fire: Engine._fire,
    CancelGroup: lambda market, command: cancel_group(market, command.order_group),
    Attach: Engine._attach,
}
