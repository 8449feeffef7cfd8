"""The state of one market: books, orders, accounts, and the few ways in which they change.

`Engine` decides what happens; here is what it happens to. An order that rests is in its book, in
`orders`, in its account's `orders` if those are known, and in its account's sums, or in none.
The caller reads what to persist from `dirty_orders` and `list_dirty_accounts`, and clears the
former.
"""

import hashlib
from heapq import heapify, heappush
from typing import Any, Self

import msgspec

from trading.engine.book import DEAD_MIN, Book, Order
from trading.engine.fees import compute_basis, compute_fee_hold_micros
from trading.engine.margin import AccountState, add_hold, held_formula, new_account
from trading.engine.plain import Shortcut, Take, build_cancel, build_place, build_take
from trading.engine.types import (
    BUY,
    PAYOUT_PIPS,
    AnyEvent,
    Config,
    Ended,
    FeeKind,
    Fees,
    MarketStatus,
    OrderStatus,
    Reason,
)


class Snapshot(msgspec.Struct, array_like=True):
    """All of a market's state, orders in order of priority."""

    market_id: int
    seq: int
    ts_us: int
    status: MarketStatus | None
    config: Config | None
    orders: list[Order]
    accounts: list[AccountState]


class MarketState:
    """Books, orders and accounts of one market, as of command number `seq`."""

    def __init__(self, market_id: int) -> None:
        self.market_id = market_id
        self.seq = 0
        self.ts_us = 0
        self.status: MarketStatus | None = None
        self.config: Config | None = None
        self.plain_place: Shortcut | None = None
        self.plain_cancel: Shortcut | None = None
        self.plain_take: Take | None = None
        """`plain`'s short ways for this market as it is now; None where it has other rules."""
        self.books: list[Book] = []
        self.orders: dict[str, Order] = {}
        self.accounts: dict[int, AccountState] = {}
        self.expiries: list[tuple[int, str]] = []
        """Heap of (expires_at_us, order_id); entries of orders that are gone are skipped, and
        forgotten when they are most of it."""
        self.dirty_orders: dict[str, Order] = {}

    def configure(self, status: MarketStatus, config: Config) -> None:
        """Set status and configuration; a finer tick lays the books out anew."""
        old = self.config
        self.status = status
        self.config = config
        self.fees: Fees = config.fees
        self.binary = config.binary
        self.tick_pips = config.tick_pips
        self.lot_step_lots = config.lot_step_lots
        self.position_limit_lots = config.position_limit_lots
        self.compute_held = held_formula(config)
        self.close_at_us = config.close_at_us
        if old is None:
            books = 1 if config.binary else config.outcomes
            self.books = [Book(config.tick_pips) for _ in range(books)]
        elif old.tick_pips != config.tick_pips:
            self.books = [_refined(book, config.tick_pips) for book in self.books]
        self.plain_take = self.plain_place = self.plain_cancel = None
        if (
            status is MarketStatus.OPEN
            and config.binary
            and config.fees.kind is FeeKind.NONE
            and config.position_limit_lots is None
            and not config.strict_refund
        ):
            self.plain_take = build_take(self)
            self.plain_place = build_place(self, self.plain_take)
            self.plain_cancel = build_cancel(self)

    def past_close(self) -> bool:
        """Return whether the close time has come; it binds whatever the status says."""
        if self.status is None or self.close_at_us is None:
            return False
        return self.ts_us >= self.close_at_us

    def account(self, account_id: int) -> AccountState:
        """Return the state of an account, made when it is new here."""
        account = self.accounts.get(account_id)
        if account is None:
            account = self.accounts[account_id] = new_account(account_id, len(self.books))
        return account

    def list_orders(self, account: AccountState) -> list[Order]:
        """Return the account's orders that rest, by id.

        The first time it goes through all of the market's: most accounts never ask, and to keep
        count of their orders would cost each command more than a twentieth of its time.
        """
        if not account.has_orders():
            return []
        if account.orders is None:
            account.orders = {
                order.order_id: order
                for order in self.orders.values()
                if order.account_id == account.account_id
            }
        return [order for _, order in sorted(account.orders.items())]

    def list_dirty_accounts(self) -> list[int]:
        """Return the accounts that changed, by id: those of dirty orders that rested or traded."""
        return sorted(
            {
                order.account_id
                for order in self.dirty_orders.values()
                if order.priority or order.filled_lots
            }
        )

    def compute_hold_micros(self, order: Order) -> int:
        """Return the most the remaining quantity can cost at the order's limit, fees included."""
        unit_pips = order.price_pips if order.side == BUY else PAYOUT_PIPS - order.price_pips
        return unit_pips * order.remaining_lots + compute_fee_hold_micros(order, self.fees)

    def settle(self, account: AccountState, cash_micros: int, funds: dict[int, int]) -> None:
        """Recompute the account's hold and carry it and a cash change into its funds."""
        held_micros = self.compute_held(account)
        if account.account_id in funds:
            funds[account.account_id] += cash_micros - held_micros + account.held_micros
        account.held_micros = held_micros

    def rehold(self, account: AccountState, order: Order, lots: int) -> None:
        """Bring a live order's share of the sums up to date after it changed by `lots`."""
        hold_micros = self.compute_hold_micros(order)
        add_hold(account, order, hold_micros - order.hold_micros, lots)
        order.hold_micros = hold_micros

    def add_to_order(
        self, order: Order, price_pips: int, lots: int, fee_micros: int, *, taker: bool
    ) -> None:
        """Book a fill into the order; its remaining quantity is the caller's business."""
        order.filled_micros += price_pips * lots
        order.fee_micros += fee_micros
        if not order.place.fee_free:
            basis = compute_basis(self.fees, price_pips, lots)
            if taker:
                order.taker_basis += basis
            else:
                order.maker_basis += basis
        self.dirty_orders[order.order_id] = order

    def remove(self, order: Order) -> None:
        """Take a live order and its share of its account's sums away."""
        self.books[order.outcome].remove(order)
        del self.orders[order.order_id]
        account = self.accounts[order.account_id]
        if account.orders is not None:
            del account.orders[order.order_id]
        add_hold(account, order, -order.hold_micros, -order.remaining_lots)
        order.hold_micros = 0
        if order.place.expires_at_us is not None:
            self.trim_expiries()
        self.dirty_orders[order.order_id] = order

    def end(
        self,
        order: Order,
        status: OrderStatus,
        reason: Reason,
        funds: dict[int, int],
        events: list[AnyEvent],
    ) -> None:
        """Take a live order out of the market for good and release its hold."""
        self.remove(order)
        self.settle(self.accounts[order.account_id], 0, funds)
        self.close(order, status, reason, events)

    def close(
        self, order: Order, status: OrderStatus, reason: Reason, events: list[AnyEvent]
    ) -> None:
        """Give an order its final state."""
        order.status = status
        order.reason = reason
        self.dirty_orders[order.order_id] = order
        events.append(Ended(order.order_id, status, reason, order.remaining_lots))

    def shrink(self, order: Order, lots: int, funds: dict[int, int]) -> None:
        """Lower a live order's quantity; it keeps its place."""
        account = self.accounts[order.account_id]
        self.books[order.outcome].reduce(order, lots)
        order.quantity_lots -= lots
        self.rehold(account, order, -lots)
        self.settle(account, 0, funds)
        self.dirty_orders[order.order_id] = order

    def insert(self, order: Order, account: AccountState, hold_micros: int) -> None:
        """Put an order into the book and into its account's sums."""
        order.hold_micros = hold_micros
        add_hold(account, order, hold_micros, order.remaining_lots)
        self.books[order.outcome].add(order)
        self.orders[order.order_id] = order
        if account.orders is not None:
            account.orders[order.order_id] = order
        if order.place.expires_at_us is not None:
            heappush(self.expiries, (order.place.expires_at_us, order.order_id))

    def trim_expiries(self) -> None:
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
        state.configure(snapshot.status, snapshot.config)
        for account in snapshot.accounts:
            state.accounts[account.account_id] = account
        for order in snapshot.orders:
            state.insert(order, state.account(order.account_id), state.compute_hold_micros(order))
        for account in state.accounts.values():
            account.held_micros = state.compute_held(account)
        return state

    @classmethod
    def restore(cls, data: bytes) -> Self:
        """Build a market from what `snapshot` returned."""
        return cls.load(msgspec.msgpack.decode(data, type=Snapshot))

    def snapshot(self) -> bytes:
        """Return all of the state as bytes, for `restore`."""
        books = len(self.books)
        accounts = [
            msgspec.structs.replace(
                account,
                buy_micros=[0] * books,
                sell_micros=[0] * books,
                buy_lots=[0] * books,
                sell_lots=[0] * books,
                orders=None,
            )
            for account in self.accounts.values()
        ]
        orders = sorted(self.orders.values(), key=lambda order: order.priority)
        return msgspec.msgpack.encode(
            Snapshot(
                self.market_id, self.seq, self.ts_us, self.status, self.config, orders, accounts
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
        return (self.seq, self.ts_us, self.status, self.config, orders, accounts)

    def state_hash(self) -> str:
        """Return the SHA-256 of the canonical form, as hex."""
        return hashlib.sha256(msgspec.msgpack.encode(self.dump())).hexdigest()


def _dump_order(order: Order) -> tuple[Any, ...]:
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


def _refined(book: Book, tick_pips: int) -> Book:
    """Return the same book on a finer ladder."""
    finer = Book(tick_pips)
    steps = book.tick_pips // tick_pips
    for tick in book.changed:
        finer.note(tick * steps)
    for side in (BUY, -BUY):
        for order in book.orders(side):
            finer.add(order)
    return finer
