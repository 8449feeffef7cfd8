"""The recorded participants as three accounts of ours, in a market where others trade too.

A recording has the total of each level, not its orders. What is exact: every increase is an order
that comes last, every take an order that hits what is best and oldest, at the recorded price and
time, whoever it meets. What is a model, of two parts:

- The queue. A decrease without a trade is a cancellation of somebody's order at that level:
  OPTIMISTIC of the oldest, who were ahead of everybody; CONSERVATIVE of the newest; PRO_RATA of all
  in proportion.
- The impact. These accounts never offer more at a level than was recorded. So what another trader
  took from them is missing until the recorded total falls below what is left; and where another
  trader was hit in their place, as much of theirs leaves as in the recording.

Without other traders the book is the recorded one, under every model.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from kernel.ids import new_id
from simulator.recordings.recording import RecordedOperation, price_of
from trading.engine.commands import Amend, AnyCommand, Cancel, Place
from trading.engine.types import BUY, SELL, OrderStatus, Tif
from trading.pipeline.messages import Result

OPEN: Final = (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)
MAKERS: Final = ("yes", "no")

Level = tuple[str, int]
"""The side of the bids and their price in pips."""


class QueueModel(StrEnum):
    OPTIMISTIC = "optimistic"
    PRO_RATA = "pro_rata"
    CONSERVATIVE = "conservative"


class Member(NamedTuple):
    """An account that stands for recorded participants."""

    account_id: int
    owner_id: int


class CrowdOrder(msgspec.Struct):
    """An order of theirs, as far as the answers say."""

    order_id: str
    total_lots: int
    remaining_lots: int


class SeenOrder(NamedTuple):
    """A resting order as the database has it."""

    order_id: str
    side: int
    price_pips: int
    quantity_lots: int
    remaining_lots: int


class CrowdState(msgspec.Struct):
    """What continues a session later: levels as [side, pips, recorded lots, orders]."""

    levels: list[tuple[str, int, int, list[CrowdOrder]]]


class Crowd:
    """Makes commands of operations; `hear` takes the answers, `lose` what others traded."""

    def __init__(self, members: Mapping[str, Member], model: QueueModel) -> None:
        self.members = members
        self.model = model
        self.recorded: dict[Level, int] = {}
        self.resting: dict[Level, list[CrowdOrder]] = {}
        self._levels: dict[str, Level] = {}

    def begin(self, operation: RecordedOperation) -> list[AnyCommand]:
        """Return the commands of an operation."""
        level = operation.side, operation.bid_pips
        if operation.kind == "reset":
            return self.restore({})
        if operation.kind in ("init", "place"):
            return [self._place(level, operation.lots)]
        if operation.kind == "cancel":
            self._reduce(level, operation.lots)
            return list(self.trim(level))
        assert operation.kind == "take"
        return [self._take(operation)]

    def restore(self, book: Mapping[Level, int]) -> list[AnyCommand]:
        """Return the commands that lead from the recorded book to a snapshot of it."""
        commands: list[AnyCommand] = []
        before, self.recorded = self.recorded, dict(book)
        for level in before:
            commands += self.trim(level)
        for level, lots in book.items():
            more_lots = lots - before.get(level, 0)
            if more_lots > 0:
                self.recorded[level] -= more_lots
                commands.append(self._place(level, more_lots))
        return commands

    def settle_level(self) -> list[AnyCommand]:
        """Return the cancellations after a take that hit others in place of these accounts."""
        return [command for level in list(self.resting) for command in self.trim(level)]

    def trim(self, level: Level) -> Iterator[AnyCommand]:
        """Cancel what rests beyond the recorded total, as the queue's model says."""
        orders = self.resting.get(level, [])
        excess_lots = sum(order.remaining_lots for order in orders) - self.recorded.get(level, 0)
        if excess_lots <= 0:
            return
        account_id = self.members[level[0]].account_id
        for order, lots in list(split(orders, excess_lots, self.model)):
            order.total_lots -= lots
            order.remaining_lots -= lots
            if order.remaining_lots:
                yield Amend(order.order_id, account_id, None, order.total_lots)
            else:
                yield Cancel(order.order_id, account_id)
        self._forget_ended(level)

    def hear(self, command: AnyCommand, result: Result) -> None:
        """Take from an answer what became of an order, and what a taker met."""
        for fill in result.fills:
            self.lose(fill.trade.maker_order_id, fill.trade.quantity_lots)
        if isinstance(command, Place | Amend) and command.order_id in self._levels:
            order = result.order
            is_open = order is not None and order.status in OPEN
            self._set(command.order_id, order.remaining_lots if order and is_open else 0)

    def lose(self, order_id: str, lots: int) -> None:
        """A taker has hit this order, if it is one of these accounts'."""
        level = self._levels.get(order_id)
        for order in self.resting.get(level, ()) if level else ():
            if order.order_id == order_id:
                self._set(order_id, max(0, order.remaining_lots - lots))
                return

    def adopt(self, orders: Iterable[SeenOrder]) -> None:
        """Take these, oldest first, for all that rests: answers were lost.

        What was not placed is missing from then on, as if another trader had taken it.
        """
        self.resting.clear()
        self._levels.clear()
        for row in orders:
            side = "yes" if row.side == BUY else "no"
            level = side, price_of(side, row.price_pips)
            found = CrowdOrder(row.order_id, row.quantity_lots, row.remaining_lots)
            self.resting.setdefault(level, []).append(found)
            self._levels[row.order_id] = level

    def dump(self) -> CrowdState:
        levels = self.recorded.keys() | self.resting.keys()
        return CrowdState(
            [
                (*level, self.recorded.get(level, 0), self.resting.get(level, []))
                for level in sorted(levels)
            ]
        )

    def load(self, state: CrowdState) -> None:
        for side, bid_pips, lots, orders in state.levels:
            level = side, bid_pips
            self.recorded[level], self.resting[level] = lots, orders
            self._levels |= {order.order_id: level for order in orders}

    def _place(self, level: Level, lots: int) -> Place:
        self.recorded[level] = self.recorded.get(level, 0) + lots
        member, order_id = self.members[level[0]], new_id()
        self.resting.setdefault(level, []).append(CrowdOrder(order_id, lots, lots))
        self._levels[order_id] = level
        side, price_pips = (BUY if level[0] == "yes" else SELL), price_of(*level)
        return Place(order_id, *member, 0, side, price_pips, lots, fee_free=True)

    def _take(self, operation: RecordedOperation) -> Place:
        left_lots = operation.lots
        for level in sorted(self.recorded, key=lambda level: -level[1]):
            if level[0] == operation.side and level[1] >= operation.bid_pips:
                left_lots -= self._reduce(level, left_lots)
        member, side = self.members["taker"], SELL if operation.side == "yes" else BUY
        price_pips = price_of(operation.side, operation.bid_pips)
        return Place(
            new_id(), *member, 0, side, price_pips, operation.lots, tif=Tif.IOC, fee_free=True
        )

    def _reduce(self, level: Level, lots: int) -> int:
        lots = min(lots, self.recorded.get(level, 0))
        if lots:
            self.recorded[level] -= lots
            if not self.recorded[level]:
                del self.recorded[level]
        return lots

    def _set(self, order_id: str, remaining_lots: int) -> None:
        level = self._levels[order_id]
        for order in self.resting[level]:
            if order.order_id == order_id:
                order.remaining_lots = min(order.remaining_lots, remaining_lots)
        self._forget_ended(level)

    def _forget_ended(self, level: Level) -> None:
        orders = self.resting[level]
        for order in orders:
            if not order.remaining_lots:
                self._levels.pop(order.order_id, None)
        self.resting[level] = [order for order in orders if order.remaining_lots]
        if not self.resting[level]:
            del self.resting[level]


def split(
    orders: list[CrowdOrder], excess_lots: int, model: QueueModel
) -> Iterator[tuple[CrowdOrder, int]]:
    """Yield which of the orders, oldest first, are cancelled, and how much of each."""
    if model is QueueModel.PRO_RATA:
        total_lots = sum(order.remaining_lots for order in orders)
        before_lots = done_lots = 0
        for order in orders:  # the sums are rounded, so that the parts add up
            before_lots += order.remaining_lots
            lots = before_lots * excess_lots // total_lots - done_lots
            done_lots += lots
            if lots:
                yield order, lots
        return
    for order in orders if model is QueueModel.OPTIMISTIC else reversed(orders):
        lots = min(excess_lots, order.remaining_lots)
        if lots:
            yield order, lots
            excess_lots -= lots
