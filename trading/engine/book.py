"""The order book of one outcome: price-time priority on one ladder.

Layout: `levels[i]` holds the orders at tick i (price = i x tick); bids and asks share the ladder.
One int per side has bit i set when level i has live orders; `best_bid` and `best_ask` are ticks,
0 and `ticks` when that side is empty. A level is a FIFO with its total quantity.
Ordering invariant: inside a level the order of arrival; best_bid < best_ask, always.
Books of one market that are matched with one another share their `Tops`, from which the price
follows that a taker can have from all other books at once (see `cross`).
Removal is lazy: a dead order stays in its queue until it comes to the front or until more than half
of the queue (and more than 64) is dead, so a cancel costs O(1) and memory stays <= 2x of live.
An amend that loses its place enters as a new `EngineOrder` object; the old object is dead.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final, TypeVar

import msgspec

from trading.engine.commands import Place
from trading.engine.types import BUY, PAYOUT_PIPS, SELL, OrderStatus, Reason

DEAD_MIN: Final = 64
StructT = TypeVar("StructT", bound=msgspec.Struct)
BIT: Final = tuple(1 << i for i in range(PAYOUT_PIPS // 10 + 1))


def mutable(struct: type[StructT]) -> type[StructT]:
    """Let a struct that the garbage collector does not track be set as plain objects are.

    msgspec's own way, which looks after the collector, takes five times as long, and most of what
    the engine does is setting attributes.
    """
    struct.__setattr__ = object.__setattr__  # type: ignore[method-assign]
    struct.__delattr__ = object.__delattr__  # type: ignore[method-assign]
    return struct


@mutable
class EngineOrder(msgspec.Struct, gc=False):
    """One order while the engine knows it: what was asked, `place`, and what became of it.

    `quantity_lots` and `price_pips` are as last amended. `priority` is the sequence number it got
    its place at. `hold_micros` is its share of its account's sums; 0 while it does not rest.
    `trigger_pips` is where its trigger is while it waits; its `priority` then is 0, or the number
    of the command that reached it. `fee_micros` is what it was charged; the bases are in `fees`.
    Refers to its account by id, so that a book has no reference cycles to collect.
    """

    place: Place
    order_id: str
    account_id: int
    owner_id: int
    outcome: int
    side: int
    price_pips: int
    quantity_lots: int
    remaining_lots: int
    created_at_us: int
    hold_micros: int = 0
    live: bool = False
    priority: int = 0
    status: OrderStatus = OrderStatus.OPEN
    reason: Reason | None = None
    filled_micros: int = 0
    fee_micros: int = 0
    maker_basis: int = 0
    taker_basis: int = 0
    trigger_pips: int | None = None

    @property
    def filled_lots(self) -> int:
        """What it has traded: all that neither remains nor was taken from its quantity."""
        return self.quantity_lots - self.remaining_lots


def enter_order(place: Place, ts_us: int, price_pips: int, lots: int) -> EngineOrder:
    """Return the order that a Place asks for, as it enters at `ts_us`."""
    return EngineOrder(
        place,
        place.order_id,
        place.account_id,
        place.owner_id,
        place.outcome,
        place.side,
        price_pips,
        lots,
        lots,
        ts_us,
    )


class PriceLevel:
    """The queue of one price: live orders in order of arrival, with dead ones among them."""

    __slots__ = ("changed", "dead", "queue", "total_lots")

    def __init__(self) -> None:
        self.queue: deque[EngineOrder] = deque()
        self.total_lots = 0
        self.dead = 0
        self.changed = False
        """Whether the book's list of changed ticks has it already."""

    def compact(self) -> None:
        """Forget the dead orders."""
        self.queue = deque(order for order in self.queue if order.live)
        self.dead = 0


class Tops:
    """The sums of the best ticks of several books: 0 for a missing bid, all ticks for an ask."""

    __slots__ = ("ask_ticks", "bid_ticks")

    def __init__(self, books: int, tick_pips: int) -> None:
        self.bid_ticks = 0
        self.ask_ticks = books * (PAYOUT_PIPS // tick_pips)


class OrderBook:
    """Both sides of one outcome. Knows prices and quantities, nothing of money."""

    __slots__ = (
        "asks", "best_ask", "best_bid", "bids", "changed", "levels", "tick_pips", "ticks", "tops",
    )  # fmt: skip

    def __init__(self, tick_pips: int, tops: Tops | None = None) -> None:
        self.tick_pips = tick_pips
        self.ticks = PAYOUT_PIPS // tick_pips
        # A single book implies nothing: treat the others as always empty.
        self.tops = Tops(2, tick_pips) if tops is None else tops
        self.levels: list[PriceLevel | None] = [None] * self.ticks
        self.bids = 0
        self.asks = 0
        self.best_bid = 0
        self.best_ask = self.ticks
        self.changed: list[int] = []
        """Ticks whose total may differ from what was last published."""

    def note(self, tick: int) -> PriceLevel:
        """Note that a level has changed, or will, and return it."""
        level = self.levels[tick]
        if level is None:
            level = self.levels[tick] = PriceLevel()
        if not level.changed:
            level.changed = True
            self.changed.append(tick)
        return level

    def forget_changes(self) -> None:
        """What changed so far has been published."""
        for tick in self.changed:
            self.level(tick).changed = False
        self.changed.clear()

    def level(self, tick: int) -> PriceLevel:
        """Return the level of a tick that has, or has had, orders."""
        level = self.levels[tick]
        assert level is not None
        return level

    def total_lots(self, tick: int) -> int:
        """Return the quantity that rests at a tick."""
        level = self.levels[tick]
        return 0 if level is None else level.total_lots

    def add(self, order: EngineOrder) -> None:
        """Put `order` last at its price; the caller has made sure that it does not cross."""
        tick = order.price_pips // self.tick_pips
        assert not order.live
        level = self.levels[tick]
        if level is None or not level.changed:
            level = self.note(tick)
        if not level.total_lots:
            if order.side == BUY:
                assert tick < self.best_ask
                self.bids |= BIT[tick]
                if tick > self.best_bid:
                    self.tops.bid_ticks += tick - self.best_bid
                    self.best_bid = tick
            else:
                assert tick > self.best_bid
                self.asks |= BIT[tick]
                if tick < self.best_ask:
                    self.tops.ask_ticks += tick - self.best_ask
                    self.best_ask = tick
        level.queue.append(order)
        level.total_lots += order.remaining_lots
        order.live = True

    def remove(self, order: EngineOrder) -> None:
        """Take a live order with all that remains of it out of the book."""
        tick = order.price_pips // self.tick_pips
        assert order.live
        order.live = False
        level = self.levels[tick]
        assert level is not None
        if not level.changed:
            self.note(tick)
        level.total_lots -= order.remaining_lots
        if level.total_lots:
            level.dead += 1
            if level.dead > DEAD_MIN and level.dead * 2 > len(level.queue):
                level.compact()
            return
        level.queue.clear()
        level.dead = 0
        if order.side == BUY:
            self.bids ^= BIT[tick]
            if tick == self.best_bid:
                self.best_bid = self.bids.bit_length() - 1 if self.bids else 0
                self.tops.bid_ticks += self.best_bid - tick
        else:
            self.asks = asks = self.asks ^ BIT[tick]
            if tick == self.best_ask:
                self.best_ask = (asks & -asks).bit_length() - 1 if asks else self.ticks
                self.tops.ask_ticks += self.best_ask - tick

    def reduce(self, order: EngineOrder, lots: int) -> None:
        """Lower the remaining quantity of a live order, which keeps its place."""
        tick = order.price_pips // self.tick_pips
        level = self.levels[tick]
        assert level is not None
        if not level.changed:
            self.note(tick)
        level.total_lots -= lots
        order.remaining_lots -= lots
        assert 0 <= order.remaining_lots <= level.total_lots

    def best_maker(self, taker_side: int, limit_tick: int) -> EngineOrder | None:
        """Return the first order that a taker with this limit meets."""
        if taker_side == BUY:
            tick = self.best_ask  # Beyond the last tick when there is none,
            if tick > limit_tick:
                return None
        else:
            tick = self.best_bid  # or 0, and no limit is as low.
            if tick < limit_tick:
                return None
        level = self.levels[tick]
        assert level is not None
        queue = level.queue
        maker = queue[0]
        while not maker.live:
            queue.popleft()
            level.dead -= 1
            maker = queue[0]
        return maker

    def has(self, side: int) -> bool:
        """Return whether that side has any order."""
        return bool(self.bids if side == BUY else self.asks)

    def crosses(self, side: int, price_pips: int) -> bool:
        """Return whether an order at this price would trade, in this book or across books."""
        tick = price_pips // self.tick_pips
        if side == BUY:
            return tick >= self.best_ask or tick >= self.ticks - self.tops.bid_ticks + self.best_bid
        return 0 < self.best_bid >= tick or self.ticks - self.tops.ask_ticks + self.best_ask >= tick

    def implied_tick(self, side: int) -> int:
        """Return the price at which a taker trades across books: outside the ladder if it can't."""
        if side == BUY:
            return self.ticks - self.tops.bid_ticks + self.best_bid
        return self.ticks - self.tops.ask_ticks + self.best_ask

    def is_implied_better(self, side: int, limit_tick: int) -> bool:
        """Return whether a taker with this limit trades across books first. The book wins ties."""
        if side == BUY:
            tick = self.ticks - self.tops.bid_ticks + self.best_bid
            return tick < self.best_ask and tick <= limit_tick
        tick = self.ticks - self.tops.ask_ticks + self.best_ask
        return tick > self.best_bid and tick >= limit_tick

    def find_taking_tick(self, side: int) -> int:
        """Return the best price for a taker: all ticks for a buyer, 0 for a seller without any."""
        if side == BUY:
            return min(self.best_ask, self.implied_tick(BUY))
        return max(self.best_bid, self.implied_tick(SELL))

    def front(self, side: int) -> EngineOrder | None:
        """Return the order of this side that is first in line."""
        return self.best_maker(-side, 1 if side == BUY else self.ticks - 1)

    def orders(self, side: int) -> Iterator[EngineOrder]:
        """Yield the live orders of a side, best first, in order of priority."""
        for tick in self.ticks_of(side):
            for order in self.level(tick).queue:
                if order.live:
                    yield order

    def ticks_of(self, side: int) -> Iterator[int]:
        """Yield the ticks with orders of a side, best first."""
        mask = self.bids if side == BUY else self.asks
        while mask:
            tick = mask.bit_length() - 1 if side == BUY else (mask & -mask).bit_length() - 1
            yield tick
            mask ^= BIT[tick]

    def top(self, side: int) -> tuple[int | None, int]:
        """Return the best price of a side and the quantity there; (None, 0) when it is empty."""
        if not self.has(side):
            return None, 0
        tick = self.best_bid if side == BUY else self.best_ask
        return tick * self.tick_pips, self.level(tick).total_lots

    def depth(self, side: int) -> list[tuple[int, int]]:
        """Return [(price_pips, total_lots)] of a side, best first."""
        return [
            (tick * self.tick_pips, self.level(tick).total_lots) for tick in self.ticks_of(side)
        ]
