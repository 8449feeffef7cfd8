"""One taker against the book: price-time priority, self-trade prevention, clipping, budgets.

A `Sweep` lives for one command. It takes makers best first until the order is filled, its limit
is reached, or something stops it; `stopped` then names what.
"""

from trading.engine.book import Order
from trading.engine.fees import compute_fee_micros
from trading.engine.margin import (
    AccountState,
    add_fill,
    compute_allowance_lots,
    copy_account,
)
from trading.engine.state import MarketState
from trading.engine.types import (
    BUY,
    MAKERS_MET_MAX,
    PAYOUT_PIPS,
    AnyEvent,
    Decremented,
    Ended,
    OrderStatus,
    Reason,
    Stp,
    Traded,
    TradeKind,
)


class Sweep:
    """A taker order on its way through the other side of its book.

    `budget_micros`: what a budget order may spend in all, fees included. `pays_at_once`: the order
    holds nothing, so each fill must leave its account's available funds at or above zero.
    `met`: makers that it has traded with already.
    """

    __slots__ = (
        "account",
        "budget_micros",
        "engine",
        "events",
        "filled_lots",
        "funds",
        "met",
        "order",
        "pays_at_once",
        "stopped",
        "trades",
    )

    def __init__(
        self,
        engine: MarketState,
        order: Order,
        funds: dict[int, int],
        events: list[AnyEvent],
        *,
        pays_at_once: bool = False,
        budget_micros: int | None = None,
        met: int = 0,
    ) -> None:
        self.engine = engine
        self.order = order
        self.account = engine.account(order.account_id)
        self.funds = funds
        self.events = events
        self.pays_at_once = pays_at_once
        self.budget_micros = budget_micros
        self.filled_lots = 0
        self.trades = met
        self.met = met
        self.stopped: Reason | None = None

    def run(self) -> None:
        """Meet makers until there is nothing more to take."""
        order = self.order
        book = self.engine.books[order.outcome]
        limit_tick = order.price_pips // book.tick_pips
        while order.remaining_lots and self.stopped is None:
            maker = book.best_maker(order.side, limit_tick)
            if maker is None:
                return
            if self.met == MAKERS_MET_MAX:
                self.stopped = Reason.MATCH_LIMIT
                return
            self.met += 1
            self._meet(maker)

    def _meet(self, maker: Order) -> None:
        order = self.order
        if maker.owner_id == order.owner_id:
            self._prevent_self_trade(maker)
            return
        lots = min(order.remaining_lots, maker.remaining_lots)
        maker_account = self.engine.account(maker.account_id)
        if maker.place.reduce_only:
            lots = min(lots, self._allowance(maker_account, maker))
            if not lots:
                self._end_maker(maker, Reason.REDUCE_ONLY)
                return
        if order.place.reduce_only:
            lots = min(lots, self._allowance(self.account, order))
            if not lots:
                self.stopped = Reason.REDUCE_ONLY
                return
        if self.budget_micros is not None:
            lots = self._affordable_lots(maker.price_pips, lots)
            if not lots:
                self.stopped = Reason.BUDGET_SPENT
                return
        price_pips = maker.price_pips
        fee_micros = compute_fee_micros(order, self.engine.fees, price_pips, lots, taker=True)
        if self.pays_at_once and not self._can_pay(price_pips, lots, fee_micros):
            self.stopped = Reason.INSUFFICIENT_FUNDS
            return
        self._trade(maker, maker_account, lots, fee_micros)
        # Whoever comes next asks no less: a budget is spent by what it has bought, whether or not
        # somebody else stands behind.
        step_lots = self.engine.lot_step_lots
        if self.budget_micros is not None and not self._affordable_lots(price_pips, step_lots):
            self.stopped = Reason.BUDGET_SPENT

    def _allowance(self, account: AccountState, order: Order) -> int:
        return compute_allowance_lots(account, order.outcome, order.side, binary=self.engine.binary)

    def _end_maker(self, maker: Order, reason: Reason) -> None:
        self.engine.end(maker, OrderStatus.CANCELLED, reason, self.funds, self.events)

    def _prevent_self_trade(self, maker: Order) -> None:
        mode = self.order.place.stp
        if mode is Stp.DECREMENT:
            self._decrement(maker)
            return
        if mode is not Stp.CANCEL_NEWEST:
            self._end_maker(maker, Reason.SELF_TRADE)
        if mode is not Stp.CANCEL_OLDEST:
            self.stopped = Reason.SELF_TRADE

    def _decrement(self, maker: Order) -> None:
        """Take the smaller quantity from both without a trade; the smaller one dies."""
        order = self.order
        lots = min(order.remaining_lots, maker.remaining_lots)
        if lots == maker.remaining_lots:
            self._end_maker(maker, Reason.SELF_TRADE)
        else:
            self.engine.shrink(maker, lots, self.funds)
            self.events.append(Decremented(maker.order_id, lots, maker.remaining_lots))
        if lots == order.remaining_lots:
            self.stopped = Reason.SELF_TRADE
            return
        order.remaining_lots -= lots
        order.quantity_lots -= lots
        self.events.append(Decremented(order.order_id, lots, order.remaining_lots))

    def _affordable_lots(self, price_pips: int, lots: int) -> int:
        """Return the most of `lots`, in whole steps, that the rest of the budget pays for."""
        assert self.budget_micros is not None
        order = self.order
        step = self.engine.lot_step_lots
        unit_pips = price_pips if order.side == BUY else PAYOUT_PIPS - price_pips
        left_micros = self.budget_micros - self._spent_micros()
        low, high = 0, min(lots, left_micros // unit_pips) // step
        while low < high:
            steps = (low + high + 1) // 2
            fee_micros = compute_fee_micros(
                order, self.engine.fees, price_pips, steps * step, taker=True
            )
            if unit_pips * steps * step + fee_micros <= left_micros:
                low = steps
            else:
                high = steps - 1
        return low * step

    def _spent_micros(self) -> int:
        order = self.order
        if order.side == BUY:
            return order.filled_micros + order.fee_micros
        return PAYOUT_PIPS * order.filled_lots - order.filled_micros + order.fee_micros

    def _can_pay(self, price_pips: int, lots: int, fee_micros: int) -> bool:
        """Return whether the fill leaves available funds at or above zero."""
        available_micros = self.funds[self.account.account_id]
        if available_micros >= 2 * PAYOUT_PIPS * lots + fee_micros:
            return True  # A fill never costs more than its price and one pay-out held.
        trial = copy_account(self.account)
        order = self.order
        cash_micros = add_fill(
            trial,
            order.outcome,
            order.side * lots,
            price_pips,
            fee_micros,
            binary=self.engine.binary,
        )
        more_held_micros = self.engine.compute_held(trial) - self.account.held_micros
        return available_micros + cash_micros - fee_micros - more_held_micros >= 0

    def _trade(
        self, maker: Order, maker_account: AccountState, lots: int, taker_fee_micros: int
    ) -> None:
        order, account, engine = self.order, self.account, self.engine
        price_pips = maker.price_pips
        maker_fee_micros = compute_fee_micros(maker, engine.fees, price_pips, lots, taker=False)
        sets_lots = account.collateral_lots + maker_account.collateral_lots
        taker_cash_micros = add_fill(
            account,
            order.outcome,
            order.side * lots,
            price_pips,
            taker_fee_micros,
            binary=engine.binary,
        )
        maker_cash_micros = add_fill(
            maker_account,
            maker.outcome,
            maker.side * lots,
            price_pips,
            maker_fee_micros,
            binary=engine.binary,
        )
        sets_lots = account.collateral_lots + maker_account.collateral_lots - sets_lots
        engine.add_to_order(order, price_pips, lots, taker_fee_micros, taker=True)
        order.remaining_lots -= lots
        engine.settle(account, taker_cash_micros - taker_fee_micros, self.funds)
        engine.add_to_order(maker, price_pips, lots, maker_fee_micros, taker=False)
        kind = (
            TradeKind.MINT
            if sets_lots > 0
            else TradeKind.MERGE
            if sets_lots < 0
            else TradeKind.DIRECT
        )
        self.events.append(
            Traded(
                self.trades,
                order.outcome,
                order.side,
                price_pips,
                lots,
                kind,
                order.order_id,
                maker.order_id,
                account.account_id,
                maker_account.account_id,
                taker_cash_micros,
                maker_cash_micros,
                taker_fee_micros,
                maker_fee_micros,
            )
        )
        self.trades += 1
        self.filled_lots += lots
        self._after_maker_fill(maker, maker_account, lots, maker_cash_micros - maker_fee_micros)

    def _after_maker_fill(
        self, maker: Order, account: AccountState, lots: int, cash_micros: int
    ) -> None:
        engine = self.engine
        if maker.remaining_lots == lots:
            engine.remove(maker)
            maker.remaining_lots = 0
            maker.status = OrderStatus.FILLED
            maker.reason = Reason.FILLED
            engine.settle(account, cash_micros, self.funds)
            self.events.append(Ended(maker.order_id, OrderStatus.FILLED, Reason.FILLED, 0))
            return
        maker.status = OrderStatus.PARTIALLY_FILLED
        engine.books[maker.outcome].reduce(maker, lots)
        engine.rehold(account, maker, -lots)
        engine.settle(account, cash_micros, self.funds)
        if maker.place.reduce_only and not self._allowance(account, maker):
            self._end_maker(maker, Reason.REDUCE_ONLY)
