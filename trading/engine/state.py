"""The state of one market, and `apply`, the only thing that changes it.

What happened is an event; `apply` carries it into books, orders, accounts and funds, whether it
was decided a moment ago (`engine`) or is read from a journal (`replay_events`). An order that
rests is in its book, in `orders`, in its account's `orders` if those are known, and in its
account's sums, or in none. The caller reads what to persist from `dirty_orders` and
`list_dirty_accounts`, and clears the former.
"""

import hashlib
from collections.abc import Callable, Iterable
from heapq import heapify, heappush
from typing import Any, Final, Self

import msgspec

from trading.engine.book import DEAD_MIN, EngineOrder, OrderBook, Tops, enter_order
from trading.engine.maker import AutomatedMaker, MakerState
from trading.engine.margin import (
    AccountState,
    add_fill,
    add_hold,
    copy_account,
    new_account,
)
from trading.engine.rules import Rules
from trading.engine.types import (
    BUY,
    ORDER_LOTS_MAX,
    Amended,
    AnyCommand,
    AnyEvent,
    Config,
    Configured,
    CrossMatched,
    Decremented,
    Ended,
    LiquidityChanged,
    MarketStatus,
    OrderStatus,
    Place,
    Rejected,
    Rested,
    Traded,
    TradeKind,
)

# A member of an enum is an attribute of a class, which costs as much as a call.
PARTIALLY_FILLED: Final = OrderStatus.PARTIALLY_FILLED
MAKER: Final = TradeKind.MAKER


class Snapshot(msgspec.Struct, array_like=True):
    """All of a market's state, orders in order of priority."""

    market_id: int
    seq: int
    ts_us: int
    status: MarketStatus | None
    config: Config | None
    orders: list[EngineOrder]
    accounts: list[AccountState]
    maker: MakerState | None = None


class MarketState:
    """Books, orders and accounts of one market, as of command number `seq`.

    `incoming` is the order that the current command sends through the book. `funds` maps accounts
    to available micros, as the current command was given them, and is kept up to date in place.
    `events` are those that the current command has had so far.
    """

    rules: Rules

    def __init__(self, market_id: int) -> None:
        self.market_id = market_id
        self.seq = 0
        self.ts_us = 0
        self.status: MarketStatus | None = None
        self.config: Config | None = None
        self.books: list[OrderBook] = []
        self.maker: AutomatedMaker | None = None
        self.orders: dict[str, EngineOrder] = {}
        self.accounts: dict[int, AccountState] = {}
        self.expiries: list[tuple[int, str]] = []
        """Heap of (expires_at_us, order_id); entries of orders that are gone are skipped, and
        forgotten when they are most of it."""
        self.dirty_orders: dict[str, EngineOrder] = {}
        self.is_timed = True
        """Whether its status or a close time may refuse what comes."""
        self.incoming: EngineOrder | None = None
        self.funds: dict[int, int] = {}
        self.events: list[AnyEvent] = []

    def past_close(self) -> bool:
        """Return whether the close time has come; it binds whatever the status says."""
        if self.config is None or self.config.close_at_us is None:
            return False
        return self.ts_us >= self.config.close_at_us

    def account(self, account_id: int) -> AccountState:
        """Return the state of an account, made when it is new here."""
        account = self.accounts.get(account_id)
        if account is None:
            account = self.accounts[account_id] = new_account(account_id, len(self.books))
        return account

    def list_orders(self, account: AccountState) -> list[EngineOrder]:
        """Return the account's orders that rest, by id.

        The first time it goes through all of the market's: most accounts never ask, and to keep
        a list for each would cost every command more than a twentieth of its time.
        """
        if not account.open_orders:
            return []
        if account.orders is None:
            account.orders = {
                order.order_id: order
                for order in self.orders.values()
                if order.account_id == account.account_id
            }
        return [order for _, order in sorted(account.orders.items())]

    def crosses(self, outcome: int, side: int, price_pips: int) -> bool:
        """Return whether an order at this price would trade, with whomever."""
        maker = self.maker
        return self.books[outcome].crosses(side, price_pips) or (
            maker is not None and maker.count_lots(outcome, side, price_pips) > 0
        )

    def list_dirty_accounts(self) -> list[int]:
        """Return the accounts that changed, by id: those of dirty orders that rested or traded."""
        return sorted(
            {
                order.account_id
                for order in self.dirty_orders.values()
                if order.priority or order.filled_lots
            }
        )

    # What changes it

    def begin(self, ts_us: int, funds: dict[int, int]) -> None:
        """Begin the next command, at `ts_us` or the latest time seen."""
        if ts_us > self.ts_us:
            self.ts_us = ts_us
        self.seq += 1
        self.funds = funds
        self.incoming = None
        self.events = []

    def enter(self, place: Place, price_pips: int, lots: int) -> EngineOrder:
        """Make a new order the one that the current command sends through the book."""
        self.incoming = order = enter_order(place, self.ts_us, price_pips, lots)
        return order

    def emit(self, event: AnyEvent) -> None:
        """Let something happen now."""
        self.events.append(event)
        _APPLIERS[type(event)](self, event)

    def apply(self, event: AnyEvent) -> None:
        """Carry what happened into the state."""
        _APPLIERS[type(event)](self, event)

    def replay_events(self, command: AnyCommand, ts_us: int, events: Iterable[AnyEvent]) -> None:
        """Carry out a command whose events are known, without deciding anything."""
        self.begin(ts_us, {})
        if isinstance(command, Place):
            self.account(command.account_id)
            lots = ORDER_LOTS_MAX if command.quantity_lots is None else command.quantity_lots
            self.enter(command, command.price_pips or 0, lots)
        for event in events:
            self.apply(event)

    def _apply_rejected(self, rejected: Rejected) -> None:
        """Nothing changed."""

    def _apply_traded(self, trade: Traded) -> None:
        if trade.kind is MAKER:
            self._apply_traded_with_maker(trade)
            return
        taker = self.incoming
        assert taker is not None
        self._fill_taker(taker, trade)
        self._fill_maker(self.orders[trade.maker_order_id], trade)

    def _apply_traded_with_maker(self, trade: Traded) -> None:
        """Carry out a trade of which one side, without an order, is the automated maker."""
        maker, taker = self.maker, self.incoming
        assert maker is not None
        bought_lots, paid_micros = -trade.taker_side * trade.quantity_lots, trade.paid_micros
        account_id, cash_micros = trade.maker_account_id, trade.maker_cash_micros
        if trade.taker_order_id:
            assert taker is not None
            self._fill_taker(taker, trade)
        else:
            self._fill_maker(self.orders[trade.maker_order_id], trade)
            account_id, cash_micros = trade.taker_account_id, trade.taker_cash_micros
            bought_lots = -bought_lots
        account = self.account(account_id)
        signed_micros = paid_micros if bought_lots > 0 else -paid_micros
        add_fill(account, trade.outcome, bought_lots, signed_micros, cash_micros, 0)
        self._settle(account, cash_micros)
        maker.sell(trade.outcome, -bought_lots)
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
        """Carry out all legs; the house is the other side of each."""
        assert self.config is not None
        assert self.config.house_account_id is not None
        house, taker = self.account(self.config.house_account_id), self.incoming
        for trade in match.trades:
            signed_lots = trade.taker_side * trade.quantity_lots
            if trade.maker_order_id:
                self._fill_maker(self.orders[trade.maker_order_id], trade)
                cash_micros = trade.taker_cash_micros
            else:
                assert taker is not None
                self._fill_taker(taker, trade)
                signed_lots, cash_micros = -signed_lots, trade.maker_cash_micros
            paid_micros = trade.price_pips * signed_lots
            add_fill(house, trade.outcome, signed_lots, paid_micros, cash_micros, 0)

    def _fill_taker(self, order: EngineOrder, trade: Traded) -> None:
        account = self.accounts[order.account_id]
        price_pips, lots, fee_micros = trade.price_pips, trade.quantity_lots, trade.taker_fee_micros
        cash_micros = trade.taker_cash_micros
        amount_micros = trade.amount_micros or price_pips * lots
        if trade.taker_side == BUY:
            add_fill(account, trade.outcome, lots, amount_micros, cash_micros, fee_micros)
        else:
            add_fill(account, trade.outcome, -lots, -amount_micros, cash_micros, fee_micros)
        order.remaining_lots -= lots
        assert order.remaining_lots >= 0
        order.filled_micros += amount_micros
        rules = self.rules
        if rules.has_fees:
            compute_basis = rules.compute_basis
            order.fee_micros += fee_micros
            if not order.place.fee_free:
                order.taker_basis += compute_basis(price_pips, lots)
        self._settle(account, cash_micros - fee_micros)
        self.dirty_orders[order.order_id] = order

    def _fill_maker(self, order: EngineOrder, trade: Traded) -> None:
        account = self.accounts[order.account_id]
        price_pips, lots, fee_micros = trade.price_pips, trade.quantity_lots, trade.maker_fee_micros
        outcome, cash_micros = trade.outcome, trade.maker_cash_micros
        signed_lots = -lots if trade.taker_side == BUY else lots
        add_fill(account, outcome, signed_lots, price_pips * signed_lots, cash_micros, fee_micros)
        self.books[outcome].reduce(order, lots)
        order.filled_micros += price_pips * lots
        rules = self.rules
        if rules.has_fees:
            compute_basis = rules.compute_basis
            order.fee_micros += fee_micros
            if not order.place.fee_free:
                order.maker_basis += compute_basis(price_pips, lots)
        order.status = PARTIALLY_FILLED
        self._rehold(account, order, -lots)
        self._settle(account, cash_micros - fee_micros)
        self.dirty_orders[order.order_id] = order

    def _apply_rested(self, rested: Rested) -> None:
        order = self.incoming
        assert order is not None
        assert order.remaining_lots == rested.remaining_lots
        order.priority = self.seq
        if order.remaining_lots != order.quantity_lots:
            order.status = PARTIALLY_FILLED
        self._insert(order, self.accounts[order.account_id])
        self.dirty_orders[order.order_id] = order

    def _apply_ended(self, ended: Ended) -> None:
        order_id = ended.order_id
        order = self.orders.get(order_id)
        if order is None:
            order = self.incoming
            assert order is not None
            assert order.order_id == order_id
            # An order by budget ends with the quantity that it filled.
            order.quantity_lots += ended.remaining_lots - order.remaining_lots
            order.remaining_lots = ended.remaining_lots
        else:
            assert order.remaining_lots == ended.remaining_lots
            self._take_out(order)
        order.status = ended.status
        order.reason = ended.reason
        self.dirty_orders[order_id] = order

    def _apply_amended(self, amended: Amended) -> None:
        order = self.orders[amended.order_id]
        if amended.kept_priority:
            self._shrink(order, order.remaining_lots - amended.remaining_lots)
            return
        self._take_out(order)
        self.incoming = msgspec.structs.replace(
            order,
            price_pips=amended.price_pips,
            quantity_lots=amended.quantity_lots,
            remaining_lots=amended.remaining_lots,
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
        """Set status and configuration; a finer tick lays the books out anew."""
        old, config = self.config, configured.config
        self.status = configured.status
        self.config = config
        self.rules = Rules(config)
        self.is_timed = configured.status is not MarketStatus.OPEN or config.close_at_us is not None
        if old is None:
            self.books = self._build_books(config.tick_pips)
            if config.maker is not None and self.maker is None:
                self.maker = AutomatedMaker.start(config.maker, config.lot_step_lots)
        elif old.tick_pips != config.tick_pips:
            finer = self._build_books(config.tick_pips)
            for book, finer_book in zip(self.books, finer, strict=True):
                _move_orders(book, finer_book)
            self.books = finer

    def _build_books(self, tick_pips: int) -> list[OrderBook]:
        rules = self.rules
        tops = Tops(rules.books, tick_pips) if rules.crosses_books else None
        return [OrderBook(tick_pips, tops) for _ in range(rules.books)]

    def _insert(self, order: EngineOrder, account: AccountState) -> None:
        """Put an order into the book and into its account's sums."""
        order_id = order.order_id
        compute_hold, compute_held = self.rules.compute_hold, self.rules.compute_held
        order.hold_micros = hold_micros = compute_hold(order)
        add_hold(account, order, hold_micros, order.remaining_lots)
        account.open_orders += 1
        self.books[order.outcome].add(order)
        self.orders[order_id] = order
        if account.orders is not None:
            account.orders[order_id] = order
        options = order.place.options
        if options is not None and options.expires_at_us is not None:
            heappush(self.expiries, (options.expires_at_us, order_id))
        held_micros = compute_held(account)
        if held_micros != account.held_micros:  # Of two sides only the larger one counts.
            self._set_held(account, held_micros)

    def _take_out(self, order: EngineOrder) -> None:
        """Take a live order and its share of its account's sums away."""
        account = self.accounts[order.account_id]
        self.books[order.outcome].remove(order)
        del self.orders[order.order_id]
        if account.orders is not None:
            del account.orders[order.order_id]
        account.open_orders -= 1
        if order.remaining_lots:  # An order that was filled holds nothing any more.
            add_hold(account, order, -order.hold_micros, -order.remaining_lots)
            order.hold_micros = 0
            self._settle(account, 0)
        assert account.buys_micros >= 0 <= account.open_orders
        options = order.place.options
        if options is not None and options.expires_at_us is not None:
            self._trim_expiries()

    def _shrink(self, order: EngineOrder, lots: int) -> None:
        """Lower a live order's quantity; it keeps its place."""
        account = self.accounts[order.account_id]
        self.books[order.outcome].reduce(order, lots)
        order.quantity_lots -= lots
        self._rehold(account, order, -lots)
        self._settle(account, 0)
        self.dirty_orders[order.order_id] = order

    def _rehold(self, account: AccountState, order: EngineOrder, lots: int) -> None:
        """Bring a live order's share of the sums up to date after it changed by `lots`."""
        compute_hold = self.rules.compute_hold
        hold_micros = compute_hold(order) if order.remaining_lots else 0
        add_hold(account, order, hold_micros - order.hold_micros, lots)
        order.hold_micros = hold_micros

    def _settle(self, account: AccountState, cash_micros: int) -> None:
        """Recompute the account's hold, and carry it and a change of cash into its funds."""
        compute_held = self.rules.compute_held
        held_micros = compute_held(account)
        if cash_micros and account.account_id in self.funds:
            self.funds[account.account_id] += cash_micros
        if held_micros != account.held_micros:
            self._set_held(account, held_micros)

    def _set_held(self, account: AccountState, held_micros: int) -> None:
        if account.account_id in self.funds:
            self.funds[account.account_id] -= held_micros - account.held_micros
        account.held_micros = held_micros

    def _trim_expiries(self) -> None:
        """Forget the entries of orders that are gone before they are most of the heap."""
        if len(self.expiries) > 2 * len(self.orders) + DEAD_MIN:
            self.expiries = [
                (order.place.expires_at_us, order.order_id)
                for order in self.orders.values()
                if order.place.expires_at_us is not None
            ]
            heapify(self.expiries)

    # The whole of it

    @classmethod
    def load(cls, snapshot: Snapshot) -> Self:
        """Build a market from its parts; holds and sums are computed anew from the orders."""
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
            state._insert(order, state.account(order.account_id))
        for account in state.accounts.values():
            account.held_micros = state.rules.compute_held(account)
        return state

    @classmethod
    def restore(cls, data: bytes) -> Self:
        """Build a market from what `snapshot` returned."""
        return cls.load(msgspec.msgpack.decode(data, type=Snapshot))

    def snapshot(self) -> bytes:
        """Return all of the state as bytes, for `restore`."""
        accounts = [copy_account(account, with_orders=False) for account in self.accounts.values()]
        orders = [
            msgspec.structs.replace(order, live=False)
            for order in sorted(self.orders.values(), key=lambda order: order.priority)
        ]
        return msgspec.msgpack.encode(
            Snapshot(
                self.market_id,
                self.seq,
                self.ts_us,
                self.status,
                self.config,
                orders,
                accounts,
                None if self.maker is None else self.maker.save(),
            )
        )

    def dump(self) -> tuple[Any, ...]:
        """Return the state in a canonical form: equal markets give equal dumps."""
        orders = tuple(
            _dump_order(order)
            for book in self.books
            for side in (BUY, -BUY)
            for order in book.orders(side)
        )
        accounts = tuple(
            _dump_account(account)
            for _, account in sorted(self.accounts.items())
            if account.touched()
        )
        dump = (self.seq, self.ts_us, self.status, self.config, orders, accounts)
        return dump if self.maker is None else (*dump, self.maker.save())

    def state_hash(self) -> str:
        """Return the SHA-256 of the canonical form, as hex."""
        seq, ts_us, status, config, *rest = self.dump()
        said = (seq, ts_us, status, _dump_config(config), *rest)
        return hashlib.sha256(msgspec.msgpack.encode(said)).hexdigest()


def _dump_config(config: Config | None) -> tuple[Any, ...] | None:
    """Return its fields up to the last that is set, so that a new one changes no old hash."""
    if config is None:
        return None
    fields = msgspec.structs.astuple(config)
    while fields[-1] is None:
        fields = fields[:-1]
    return fields


def _dump_order(order: EngineOrder) -> tuple[Any, ...]:
    return (
        order.order_id,
        order.account_id,
        order.outcome,
        order.side,
        order.price_pips,
        order.quantity_lots,
        order.remaining_lots,
        order.fee_micros,
        order.maker_basis,
        order.taker_basis,
        order.filled_micros,
    )


def _dump_account(account: AccountState) -> tuple[Any, ...]:
    return (
        account.account_id,
        tuple(account.net_lots),
        account.held_micros,
        account.net_paid_micros,
        account.fees_micros,
        tuple(account.cost_micros),
        tuple(account.realised_micros),
    )


def _move_orders(book: OrderBook, finer: OrderBook) -> None:
    """Put the orders of a book on a finer ladder."""
    steps = book.tick_pips // finer.tick_pips
    for tick in book.changed:
        finer.note(tick * steps)
    for side in (BUY, -BUY):
        for order in book.orders(side):
            order.live = False
            finer.add(order)


# By function, not by bound method: a market has no reference cycles and goes when it is dropped.
_APPLIERS: Final[dict[type[Any], Callable[..., None]]] = {
    Rejected: MarketState._apply_rejected,
    Traded: MarketState._apply_traded,
    Rested: MarketState._apply_rested,
    Amended: MarketState._apply_amended,
    Decremented: MarketState._apply_decremented,
    Ended: MarketState._apply_ended,
    Configured: MarketState._apply_configured,
    CrossMatched: MarketState._apply_cross_matched,
    LiquidityChanged: MarketState._apply_liquidity_changed,
}
