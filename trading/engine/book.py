"""The order book of one outcome: price-time priority on one ladder.

Layout: `levels` maps a price to its level, a FIFO with its total quantity; bids and asks share the
ladder. One int per side has bit i set when the level at tick i (price = i x tick) has live orders;
`best_bid_pips` and `best_ask_pips` are 0 and a pay-out when that side is empty.
Ordering invariant: inside a level the order of arrival; best bid < best ask, always.
Books of one market that are matched with one another share their `Tops`, from which the price
follows that a taker can have from all other books at once (see `cross`).
Removal is lazy: a dead order stays in its queue until it comes to the front or until more than half
of the queue (and more than 64) is dead, so a cancel costs O(1) and memory stays <= 2x of live.
An amend that loses its place enters as a new `EngineOrder` object; the old object is dead.
"""

from collections import defaultdict, deque
from collections.abc import Iterator
from typing import Final, TypeVar

import msgspec

from trading.engine.commands import Place
from trading.engine.events import Rested
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


def build_rested(order: EngineOrder) -> Rested:
    """Return the event that what is left of an order rests."""
    price_pips, lots = order.price_pips, order.remaining_lots
    return Rested(order.order_id, order.outcome, order.side, price_pips, lots)


class PriceLevel:
    """The queue of one price: live orders in order of arrival, with dead ones among them."""

    __slots__ = ("changed", "dead", "queue", "total_lots")

    def __init__(self) -> None:
        self.queue: deque[EngineOrder] = deque()
        self.total_lots = 0
        self.dead = 0
        self.changed = False
        """Whether the book's list of changed prices has it already."""

    def compact(self) -> None:
        """Forget the dead orders."""
        self.queue = deque(order for order in self.queue if order.live)
        self.dead = 0


class Tops:
    """The sums of the best prices of several books: 0 for a missing bid, a pay-out for an ask."""

    __slots__ = ("ask_pips", "bid_pips")

    def __init__(self, books: int) -> None:
        self.bid_pips = 0
        self.ask_pips = books * PAYOUT_PIPS


class OrderBook:
    """Both sides of one outcome. Knows prices and quantities, nothing of money."""

    __slots__ = (
        "asks", "best_ask_pips", "best_bid_pips", "bids", "changed", "levels", "tick_pips", "tops",
    )  # fmt: skip

    def __init__(self, tick_pips: int, tops: Tops | None = None) -> None:
        self.tick_pips = tick_pips
        self.tops = tops
        self.levels: defaultdict[int, PriceLevel] = defaultdict(PriceLevel)
        """By price those that have, or have had, orders."""
        self.bids = 0
        self.asks = 0
        self.best_bid_pips = 0
        self.best_ask_pips = PAYOUT_PIPS
        self.changed: list[int] = []
        """Prices whose total may differ from what was last published."""

    def note(self, price_pips: int) -> None:
        """Note that a level has changed, or will."""
        level = self.levels[price_pips]
        if not level.changed:
            level.changed = True
            self.changed.append(price_pips)

    def forget_changes(self) -> None:
        """What changed so far has been published."""
        for price_pips in self.changed:
            self.levels[price_pips].changed = False
        self.changed.clear()

    def total_lots(self, price_pips: int) -> int:
        """Return the quantity that rests at a price."""
        level = self.levels.get(price_pips)
        return 0 if level is None else level.total_lots

    def add(self, order: EngineOrder) -> None:
        """Put `order` last at its price; the caller has made sure that it does not cross."""
        price_pips = order.price_pips
        assert not order.live
        level = self.levels[price_pips]
        if not level.changed:
            self.note(price_pips)
        if not level.total_lots:
            self._show(price_pips, order.side)
        level.queue.append(order)
        level.total_lots += order.remaining_lots
        order.live = True

    def _show(self, price_pips: int, side: int) -> None:
        """A level has orders from here on."""
        tick = price_pips // self.tick_pips
        if side == BUY:
            assert price_pips < self.best_ask_pips
            self.bids |= BIT[tick]
            if price_pips > self.best_bid_pips:
                if self.tops is not None:
                    self.tops.bid_pips += price_pips - self.best_bid_pips
                self.best_bid_pips = price_pips
        else:
            assert price_pips > self.best_bid_pips
            self.asks |= BIT[tick]
            if price_pips < self.best_ask_pips:
                if self.tops is not None:
                    self.tops.ask_pips += price_pips - self.best_ask_pips
                self.best_ask_pips = price_pips

    def remove(self, order: EngineOrder) -> None:
        """Take a live order with all that remains of it out of the book."""
        price_pips = order.price_pips
        assert order.live
        order.live = False
        level = self.levels[price_pips]
        if not level.changed:
            self.note(price_pips)
        level.total_lots = total_lots = level.total_lots - order.remaining_lots
        if not total_lots:
            level.queue.clear()
            level.dead = 0
            self._hide(price_pips, order.side)
            return
        level.dead = dead = level.dead + 1
        if dead > DEAD_MIN and dead * 2 > len(level.queue):
            level.compact()

    def _hide(self, price_pips: int, side: int) -> None:
        """A level has no orders any more."""
        tick = price_pips // self.tick_pips
        if side == BUY:
            self.bids = bids = self.bids ^ BIT[tick]
            if price_pips == self.best_bid_pips:
                self.best_bid_pips = (bids.bit_length() - 1) * self.tick_pips if bids else 0
                if self.tops is not None:
                    self.tops.bid_pips += self.best_bid_pips - price_pips
        else:
            self.asks = asks = self.asks ^ BIT[tick]
            if price_pips == self.best_ask_pips:
                best_tick = (asks & -asks).bit_length() - 1
                self.best_ask_pips = best_tick * self.tick_pips if asks else PAYOUT_PIPS
                if self.tops is not None:
                    self.tops.ask_pips += self.best_ask_pips - price_pips

    def reduce(self, order: EngineOrder, lots: int) -> None:
        """Lower the remaining quantity of a live order, which keeps its place."""
        level = self.levels[order.price_pips]
        if not level.changed:
            self.note(order.price_pips)
        level.total_lots = total_lots = level.total_lots - lots
        order.remaining_lots = remaining_lots = order.remaining_lots - lots
        assert 0 <= remaining_lots <= total_lots

    def best_maker(self, taker_side: int, limit_pips: int) -> EngineOrder | None:
        """Return the first order that a taker with this limit meets."""
        if taker_side == BUY:
            price_pips = self.best_ask_pips  # A pay-out when there is none,
            if price_pips > limit_pips:
                return None
        else:
            price_pips = self.best_bid_pips  # or 0, and no limit is as low.
            if price_pips < limit_pips:
                return None
        level = self.levels[price_pips]
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

    def best_pips(self, side: int) -> int:
        """Return the best price of a side: 0 for a missing bid, a pay-out for a missing ask."""
        return self.best_bid_pips if side == BUY else self.best_ask_pips

    def crosses(self, side: int, price_pips: int) -> bool:
        """Return whether an order at this price would trade, in this book or across books."""
        if side == BUY:
            if price_pips >= self.best_ask_pips:
                return True
            return self.tops is not None and price_pips >= self.implied_pips(BUY)
        if price_pips <= self.best_bid_pips:
            return True
        return self.tops is not None and price_pips <= self.implied_pips(SELL)

    def implied_pips(self, side: int) -> int:
        """Return the price at which a taker trades across books: outside the ladder if it can't."""
        if self.tops is None:
            return PAYOUT_PIPS if side == BUY else 0
        if side == BUY:
            return PAYOUT_PIPS - self.tops.bid_pips + self.best_bid_pips
        return PAYOUT_PIPS - self.tops.ask_pips + self.best_ask_pips

    def is_implied_better(self, side: int, limit_pips: int) -> bool:
        """Return whether a taker with this limit trades across books first. The book wins ties."""
        price_pips = self.implied_pips(side)
        if side == BUY:
            return price_pips < self.best_ask_pips and price_pips <= limit_pips
        return price_pips > self.best_bid_pips and price_pips >= limit_pips

    def find_taking_pips(self, side: int) -> int:
        """Return the best price for a taker: a pay-out for a buyer, 0 for a seller without any."""
        if side == BUY:
            return min(self.best_ask_pips, self.implied_pips(BUY))
        return max(self.best_bid_pips, self.implied_pips(SELL))

    def front(self, side: int) -> EngineOrder | None:
        """Return the order of this side that is first in line."""
        return self.best_maker(-side, 1 if side == BUY else PAYOUT_PIPS - 1)

    def orders(self, side: int) -> Iterator[EngineOrder]:
        """Yield the live orders of a side, best first, in order of priority."""
        for price_pips in self.prices_of(side):
            for order in self.levels[price_pips].queue:
                if order.live:
                    yield order

    def prices_of(self, side: int) -> Iterator[int]:
        """Yield the prices with orders of a side, best first."""
        mask = self.bids if side == BUY else self.asks
        while mask:
            tick = mask.bit_length() - 1 if side == BUY else (mask & -mask).bit_length() - 1
            yield tick * self.tick_pips
            mask ^= BIT[tick]

    def top(self, side: int) -> tuple[int | None, int]:
        """Return the best price of a side and the quantity there; (None, 0) when it is empty."""
        if not self.has(side):
            return None, 0
        price_pips = self.best_pips(side)
        return price_pips, self.total_lots(price_pips)

    def depth(self, side: int) -> list[tuple[int, int]]:
        """Return [(price_pips, total_lots)] of a side, best first."""
        return [(price_pips, self.total_lots(price_pips)) for price_pips in self.prices_of(side)]
