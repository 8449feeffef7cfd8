"""The naive engine's state, and what follows from it: holds, queues, refusals."""

from typing import Any, Final

import msgspec

from tests.engine.naive_ledger import Ledger, Leg, unit_cost
from trading.engine.commands import Place
from trading.engine.events import AnyEvent, Ended, Rejected
from trading.engine.types import (
    BUY,
    ORDER_LOTS_MAX,
    OUTCOMES_MAX,
    PAYOUT_PIPS,
    POSITION_LOTS_MAX,
    SELL,
    TRIGGERS_MAX,
    Config,
    FeeDiscount,
    MarketStatus,
    OrderStatus,
    Reason,
    Stp,
    Tif,
    Trigger,
    TriggerKind,
)

RATE_MAX: Final = 1_000_000


class Order(msgspec.Struct):
    """An order, open or sweeping.

    `entry` is the sequence number that it came with, `rested` the one it got its place with:
    neither ever comes again, as order ids may.
    """

    place: Place
    entry: int
    price_pips: int
    quantity_lots: int
    remaining_lots: int
    rested: int = 0
    trigger_pips: int | None = None
    arrived_us: int = 0
    triggered: int = 0

    @property
    def rests(self) -> bool:
        return not self.place.is_market and self.place.tif in (Tif.GTC, Tif.GTD)


def make_leg(config: Config, order: Order, price_pips: int, lots: int, *, is_maker: bool) -> Leg:
    place, discount = order.place, config.discount or FeeDiscount()
    return Leg(
        place.account_id,
        order.entry,
        is_maker,
        place.fee_free,
        place.outcome,
        place.side,
        price_pips,
        lots,
        discount.maker_percent if is_maker else discount.taker_percent,
    )


class NaiveState:
    """Open orders and the legs of all fills; everything else is computed on demand."""

    def __init__(self, market_id: int) -> None:
        self.market_id = market_id
        self.seq = 0
        self.ts_us = 0
        self.status: MarketStatus | None = None
        self.config: Config | None = None
        self.orders: list[Order] = []
        self.waiting: list[Order] = []
        """Orders that wait for their triggers or, once `triggered`, to be fired."""
        self.legs: tuple[Leg, ...] = ()
        self.bracket_of: dict[str, str] = {}
        """By order the bracket of which it is a leg, or was one when its id was last given."""
        self.events: list[AnyEvent] = []
        self.headroom: dict[str, int] = {}
        self.elsewhere: dict[int, int] = {}
        """By order group the lots that it may still fill, here and elsewhere."""
        self._folded: tuple[tuple[Leg, ...], Ledger] | None = None

    def dump(self) -> tuple[Any, ...]:
        if self.config is None:
            return (self.seq, self.ts_us, None, None, (), ())
        queues = [self._queue(book, side) for book in range(self._books()) for side in (BUY, SELL)]
        orders = tuple(self._dump_order(order) for queue in queues for order in queue)
        ids = {order.place.account_id for order in self.orders} | set(self._ledger().accounts)
        accounts = (self._dump_account(account_id) for account_id in sorted(ids))
        kept = tuple(row for row in accounts if any(row[2:5]) or any(map(any, (row[1], *row[5:]))))
        waiting = tuple(map(_dump_waiting, sorted(self.waiting, key=arrival)))
        dump = (self.seq, self.ts_us, self.status, self.config, orders, kept)
        return (*dump, waiting) if waiting else dump

    def _dump_order(self, order: Order) -> tuple[Any, ...]:
        place, charge = order.place, self._ledger().charge(order.entry)
        return (
            *(place.order_id, place.account_id, place.outcome, place.side, order.price_pips),
            *(order.quantity_lots, order.remaining_lots, charge.fee_micros),
            *(charge.maker_basis, charge.taker_basis, charge.filled_micros),
        )

    def _dump_account(self, account_id: int) -> tuple[Any, ...]:
        account, books = self._ledger().account(account_id), self._books()
        return (
            *(account_id, tuple(account.lots[:books]), self._held(account_id, self.orders)),
            *(account.paid_micros, account.fees_micros),
            *(tuple(account.cost_micros[:books]), tuple(account.realised_micros[:books])),
        )

    # What follows from orders and legs.

    def _rules(self) -> Config:
        assert self.config is not None
        return self.config

    def _gone(self) -> list[int]:
        return [gone.outcome for gone in self._rules().withdrawn or ()]

    def _books(self) -> int:
        return 1 if self._rules().binary else self._rules().outcomes

    def _ledger(self) -> Ledger:
        if self._folded is None or self._folded[0] is not self.legs:
            self._folded = (self.legs, Ledger(self._rules(), self.legs))
        return self._folded[1]

    def _held(self, account_id: int, orders: list[Order]) -> int:
        account = self._ledger().account(account_id)
        buys, sells = [0] * len(account.lots), [0] * len(account.lots)
        for order in orders:
            if order.place.account_id != account_id:
                continue
            unit_micros = unit_cost(order.place.side, order.price_pips)
            sums = buys if order.place.side == BUY else sells
            sums[order.place.outcome] += unit_micros * order.remaining_lots
            if not order.place.fee_free:
                sums[order.place.outcome] += self._ledger().fee_to_come(
                    order.entry, order.price_pips, order.remaining_lots
                )
        worst_micros = max(
            sum(buys) - buy + sell - PAYOUT_PIPS * (lots + account.sets_lots)
            for buy, sell, lots in zip(buys, sells, account.lots, strict=True)
        )
        refund_micros = -account.paid_micros if self._rules().strict_refund else 0
        return max(0, worst_micros, refund_micros)

    def _worth(self, account_id: int) -> int:
        if self.config is None:
            return 0
        paid_micros = self._ledger().account(account_id).paid_micros
        return -paid_micros - self._held(account_id, self.orders)

    def _available(self, account_id: int) -> int:
        gained_micros = self._worth(account_id) - self.worth_before[account_id]
        return self.funds[account_id] + gained_micros

    def _queue(self, outcome: int, side: int) -> list[Order]:
        here = [o for o in self.orders if (o.place.outcome, o.place.side) == (outcome, side)]
        return sorted(here, key=lambda order: (-side * order.price_pips, order.rested))

    def _opposite(self, place: Place) -> list[Order]:
        return self._queue(place.outcome, -place.side)

    def _firsts_of_others(self, place: Place) -> list[list[Order]]:
        """The orders that a match across books would take: one list of them, or none.

        They make a complete set with what the taker buys or sells, at a price inside the ladder.
        """
        rules = self._rules()
        if rules.binary or rules.house_account_id is None:
            return []
        others = [book for book in range(self._books()) if book != place.outcome]
        firsts = [first for book in others for first in self._queue(book, place.side)[:1]]
        is_whole = len(firsts) == len(others) if place.side == SELL else bool(firsts)
        implied_pips = PAYOUT_PIPS - sum(first.price_pips for first in firsts)
        return [firsts] if is_whole and 0 < implied_pips < PAYOUT_PIPS else []

    def _crosses(self, place: Place, price_pips: int) -> bool:
        offers = [o.price_pips for o in self._opposite(place)]
        for firsts in self._firsts_of_others(place):
            offers += [PAYOUT_PIPS - sum(first.price_pips for first in firsts)]
        return any((price_pips - offer) * place.side >= 0 for offer in offers)

    def _allowance(self, place: Place) -> int:
        position = self._ledger().position(place.account_id, place.outcome)
        return max(0, -place.side * position)

    def _open_order(self, order_id: str) -> Order | None:
        return next((o for o in self.orders if o.place.order_id == order_id), None)

    def _waiting_order(self, order_id: str) -> Order | None:
        return next((o for o in self.waiting if o.place.order_id == order_id), None)

    def _reject(self, order_id: str, reason: Reason, missing_micros: int = 0) -> None:
        self.events.append(Rejected(order_id, reason, missing_micros))

    def _end(self, order: Order, status: OrderStatus, reason: Reason) -> None:
        self.orders = [other for other in self.orders if other is not order]
        self.waiting = [other for other in self.waiting if other is not order]
        lots = 0 if order.place.quantity_lots is None else order.remaining_lots
        self.events.append(Ended(order.place.order_id, status, reason, lots))

    def _expire(self) -> None:
        everyone = [*self.orders, *self.waiting]
        dated = [(o.place.expires_at_us, o.place.order_id, o) for o in everyone]
        due = [(at, name, o) for at, name, o in dated if at is not None and at <= self.ts_us]
        for _, _, order in sorted(due, key=lambda row: row[:2]):
            self._end(order, OrderStatus.EXPIRED, Reason.EXPIRED)

    def _end_all(self, orders: list[Order], reason: Reason) -> None:
        for order in sorted(orders, key=lambda order: order.place.order_id):
            self._end(order, OrderStatus.CANCELLED, reason)

    # Refusals.

    def _entry_refusal(self, valid_until_us: int | None) -> Reason | None:
        close_at_us = self.config.close_at_us if self.config else None
        past_close = close_at_us is not None and self.ts_us >= close_at_us
        if self.status == MarketStatus.CLOSED or past_close:
            return Reason.MARKET_CLOSED
        if self.status != MarketStatus.OPEN:
            return Reason.MARKET_NOT_OPEN
        if valid_until_us is not None and valid_until_us < self.ts_us:
            return Reason.TOO_LATE
        return None

    def _price_refusal(self, price_pips: int | None) -> Reason | None:
        if price_pips is None:
            return None
        if not 0 < price_pips < PAYOUT_PIPS:
            return Reason.PRICE_OUT_OF_RANGE
        return Reason.PRICE_OFF_TICK if price_pips % self._rules().tick_pips else None

    def _lots_refusal(self, lots: int) -> Reason | None:
        if lots <= 0:
            return Reason.QUANTITY_NOT_POSITIVE
        if lots % self._rules().lot_step_lots:
            return Reason.QUANTITY_OFF_STEP
        return Reason.QUANTITY_TOO_LARGE if lots > ORDER_LOTS_MAX else None

    def _size_refusal(self, place: Place) -> Reason | None:
        if place.quantity_lots is not None:
            if place.budget_micros is not None:
                return Reason.BUDGET_INVALID
            return self._lots_refusal(place.quantity_lots)
        if place.budget_micros is None:
            return Reason.QUANTITY_NOT_POSITIVE
        in_range = 0 < place.budget_micros <= ORDER_LOTS_MAX * PAYOUT_PIPS
        plain = place.is_market and place.tif != Tif.FOK and place.stp != Stp.DECREMENT
        return None if in_range and plain else Reason.BUDGET_INVALID

    def _flags_refusal(self, place: Place) -> Reason | None:
        if place.post_only and (place.is_market or place.tif in (Tif.IOC, Tif.FOK)):
            return Reason.POST_ONLY_INVALID
        if (place.tif == Tif.GTD) != (place.expires_at_us is not None):
            return Reason.EXPIRY_INVALID
        if place.expires_at_us is not None and (
            place.is_market or place.expires_at_us <= self.ts_us
        ):
            return Reason.EXPIRY_INVALID
        return None

    def _trigger_refusal(self, place: Place) -> Reason | None:
        trigger = place.options.trigger if place.options else None
        if trigger is None:
            return None
        if place.budget_micros is not None or self._is_odd(trigger):
            return Reason.TRIGGER_INVALID
        mine = [o for o in self.waiting if o.place.account_id == place.account_id]
        return Reason.TOO_MANY_TRIGGERS if len(mine) >= TRIGGERS_MAX else None

    def _is_odd(self, trigger: Trigger) -> bool:
        trails = trigger.kind == TriggerKind.TRAILING_STOP
        odd = (trigger.trail_pips is None) == trails
        odd = odd or (trigger.price_pips is None and not trails)
        for pips in (trigger.price_pips, trigger.trail_pips):
            odd = odd or (pips is not None and bool(self._price_refusal(pips)))
        return odd

    def _room(self, place: Place, others: list[Order]) -> int:
        """Lots that the position limits leave with `others` open; reduce-only knows no limit."""
        if place.reduce_only:
            return ORDER_LOTS_MAX
        account_id, outcome, side = place.account_id, place.outcome, place.side
        key = (account_id, outcome, side)
        mine = [o for o in others if (o.place.account_id, o.place.outcome, o.place.side) == key]
        lots = self._ledger().account(account_id).lots[outcome]
        limits = [POSITION_LOTS_MAX - side * lots]
        limit_lots = self._rules().position_limit_lots
        if limit_lots is not None:
            limits.append(limit_lots - side * self._ledger().position(account_id, outcome))
        others_lots = self.elsewhere.get(side * (outcome + 1), 0)
        return min(limits) - others_lots - sum(order.remaining_lots for order in mine)

    def _position_refusal(self, order: Order, others: list[Order]) -> Reason | None:
        """An incoming order's refusal by position or book, with the account's `others` open."""
        place, lots = order.place, order.remaining_lots
        if place.reduce_only and not self._allowance(place):
            return Reason.REDUCE_ONLY_NO_POSITION
        needed_lots = self._rules().lot_step_lots if place.quantity_lots is None else lots
        if needed_lots > self._room(place, others):
            return Reason.POSITION_LIMIT
        if place.post_only and self._crosses(place, order.price_pips):
            return Reason.POST_ONLY_WOULD_CROSS
        return None

    def _missing_micros(self, order: Order, others: list[Order]) -> int:
        account_id = order.place.account_id
        grown_micros = self._held(account_id, [*others, order])
        grown_micros -= self._held(account_id, self.orders)
        return max(0, grown_micros - self._available(account_id)) if order.rests else 0

    def _may_become(self, new: Config) -> bool:
        old = self.config
        if old is None:
            return not new.withdrawn
        gone = list(old.withdrawn or ())
        if list(new.withdrawn or ())[: len(gone)] != gone:
            return False
        if self.status == MarketStatus.CLOSED or _fixed(old) != _fixed(new):
            return False
        finer = self.status == MarketStatus.HALTED and old.tick_pips % new.tick_pips == 0
        return finer or old.tick_pips == new.tick_pips

    # Order groups.

    def _group_refusal(self, place: Place) -> Reason | None:
        if place.order_group is None:
            return None
        if place.order_group not in self.headroom:
            return Reason.ORDER_GROUP_UNKNOWN
        return Reason.ORDER_GROUP_STOPPED if self.headroom[place.order_group] <= 0 else None

    def _stop_group(self, order_group: str | None) -> None:
        everyone = [*self.orders, *self.waiting]
        group = [order for order in everyone if order.place.order_group == order_group]
        self._end_all(group, Reason.ORDER_GROUP_STOPPED)

    def _count_for_groups(self, taker: Order, makers: list[Order], lots: int) -> Reason | None:
        """Stop the groups that have filled all that they may; the reason if the taker's has."""
        groups = [order.place.order_group for order in (taker, *makers)]
        for group in groups:
            if group is not None and group in self.headroom:
                self.headroom[group] -= lots
        full = [group for group in groups if group is not None and self.headroom.get(group, 1) <= 0]
        for group in full:
            self._stop_group(group)
        return Reason.ORDER_GROUP_STOPPED if taker.place.order_group in full else None


def arrival(order: Order) -> tuple[int, str]:
    return order.arrived_us, order.place.order_id


def _dump_waiting(order: Order) -> tuple[Any, ...]:
    place = order.place
    return (
        *(place.order_id, place.account_id, place.outcome, place.side, order.price_pips),
        *(order.quantity_lots, order.trigger_pips, order.triggered),
    )


def _fixed(config: Config) -> tuple[Any, ...]:
    return (
        *(config.binary, config.outcomes, config.lot_step_lots),
        *(config.fees, config.strict_refund, config.house_account_id),
    )


def is_valid(config: Config) -> bool:
    fees, tick = config.fees, config.tick_pips
    outcomes_max = 2 if config.binary else OUTCOMES_MAX
    rates = (fees.maker_rate_ppm, fees.taker_rate_ppm)
    limit_lots = config.position_limit_lots
    off = config.discount
    gone = config.withdrawn or ()
    if gone and (config.binary or config.outcomes - len(gone) < 2):
        return False
    if len({row.outcome for row in gone} & set(range(config.outcomes))) != len(gone):
        return False
    if any(row.pays_pips < 0 for row in gone) or sum(row.pays_pips for row in gone) > PAYOUT_PIPS:
        return False
    if off and not all(0 <= part <= 100 for part in (off.maker_percent, off.taker_percent)):
        return False
    return (
        2 <= config.outcomes <= outcomes_max
        and 10 <= tick <= PAYOUT_PIPS // 2
        and PAYOUT_PIPS % tick == 0
        and config.lot_step_lots >= 1
        and all(0 <= rate <= RATE_MAX for rate in rates)
        and fees.unit_micros in (1, 10_000)
        and (limit_lots is None or limit_lots > 0)
    )
