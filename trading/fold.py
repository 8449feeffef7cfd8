"""A market's state from what happened to it alone: events in, without deciding anything anew.

This is how rows of an older rules version are read, whose engine is gone; and how it is checked
that the events, which is all that anybody outside is told, lead to the state the engine is in.
"""

import msgspec

from trading.engine.book import Order, enter_order
from trading.engine.engine import Engine
from trading.engine.margin import add_fill
from trading.engine.types import (
    Amended,
    AnyCommand,
    AnyEvent,
    Configured,
    Decremented,
    Ended,
    OrderStatus,
    Place,
    Rejected,
    Rested,
    Traded,
)
from trading.journal import JournalEntry


class FoldingEngine(Engine):
    """An engine that can be told what happened instead of what to do; both lead to one state.

    `breaches` names the fills worse than their order's limit.
    """

    def __init__(self, market_id: int) -> None:
        super().__init__(market_id)
        self.breaches: list[str] = []
        self._taker: Order | None = None
        self._limit_pips: int | None = None

    def fold(self, entry: JournalEntry, ts_us: int) -> None:
        """Take over one command's events."""
        self.ts_us = max(self.ts_us, ts_us)
        self.seq += 1
        self._taker = self._limit_pips = None
        for event in entry.events:
            self._fold_event(entry.command, event)

    def _fold_event(self, command: AnyCommand, event: AnyEvent) -> None:
        if isinstance(event, Traded):
            self._fold_trade(command, event)
        elif isinstance(event, Ended):
            self._fold_end(event)
        elif isinstance(event, Rested):
            self._fold_rest(command, event)
        elif isinstance(event, Amended):
            self._fold_amend(event)
        elif isinstance(event, Decremented):
            self._fold_decrement(command, event)
        elif isinstance(event, Configured):
            self.configure(event.status, event.config)
        else:
            assert isinstance(event, Rejected)

    def _fold_trade(self, command: AnyCommand, trade: Traded) -> None:
        taker, maker = self._incoming(command), self.orders[trade.maker_order_id]
        self._check_limits(trade, maker)
        for order, fee_micros, is_taker in (
            (taker, trade.taker_fee_micros, True),
            (maker, trade.maker_fee_micros, False),
        ):
            account = self.account(order.account_id)
            lots, price_pips = trade.quantity_lots, trade.price_pips
            add_fill(
                account, trade.outcome, order.side * lots, price_pips, fee_micros,
                binary=self.binary,
            )  # fmt: skip
            self.add_to_order(order, price_pips, lots, fee_micros, taker=is_taker)
        taker.remaining_lots -= trade.quantity_lots
        self._reduce_maker(maker, trade.quantity_lots)
        maker.status = OrderStatus.PARTIALLY_FILLED
        self.settle(self.account(taker.account_id), 0, {})
        self.settle(self.account(maker.account_id), 0, {})

    def _reduce_maker(self, maker: Order, lots: int) -> None:
        if lots == maker.remaining_lots:
            self.remove(maker)
            maker.remaining_lots = 0
            return
        self.books[maker.outcome].reduce(maker, lots)
        self.rehold(self.account(maker.account_id), maker, -lots)

    def _fold_end(self, event: Ended) -> None:
        order = self.orders.get(event.order_id)
        if order is not None:
            self.remove(order)
            self.settle(self.account(order.account_id), 0, {})

    def _fold_rest(self, command: AnyCommand, event: Rested) -> None:
        order = self._incoming(command)
        order.price_pips, order.remaining_lots = event.price_pips, event.remaining_lots
        order.priority = self.seq
        if order.filled_lots:
            order.status = OrderStatus.PARTIALLY_FILLED
        account = self.account(order.account_id)
        self.insert(order, account, self.compute_hold_micros(order))
        self.settle(account, 0, {})

    def _fold_amend(self, event: Amended) -> None:
        order = self.orders[event.order_id]
        if event.kept_priority:
            self.shrink(order, order.remaining_lots - event.remaining_lots, {})
            return
        self.remove(order)
        self.settle(self.account(order.account_id), 0, {})
        self._limit_pips = event.price_pips
        self._taker = msgspec.structs.replace(
            order,
            price_pips=event.price_pips,
            quantity_lots=event.quantity_lots,
            remaining_lots=event.remaining_lots,
            live=False,
        )

    def _fold_decrement(self, command: AnyCommand, event: Decremented) -> None:
        order = self.orders.get(event.order_id)
        if order is not None:
            self.shrink(order, event.by_lots, {})
            return
        taker = self._incoming(command)
        taker.quantity_lots -= event.by_lots
        taker.remaining_lots = event.remaining_lots

    def _incoming(self, command: AnyCommand) -> Order:
        """Return the order that the command sends through the book."""
        if self._taker is None:
            assert isinstance(command, Place), "only orders that come in trade"
            self._limit_pips = command.price_pips
            self._taker = enter_order(command, self.ts_us)
        return self._taker

    def _check_limits(self, trade: Traded, maker: Order) -> None:
        where = f"market {self.market_id}, sequence {self.seq}"
        if trade.price_pips != maker.price_pips:
            self.breaches.append(f"{where}: a trade away from its maker's price")
        limit_pips = self._limit_pips
        if limit_pips is not None and (trade.price_pips - limit_pips) * trade.taker_side > 0:
            self.breaches.append(f"{where}: a trade worse than its taker's limit")
