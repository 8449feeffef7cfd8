"""The order books, accounts and funds of one market, and the sums that tie them together.

An order that rests is in its book, in `orders`, in its account's `orders` if those are known, and
in its account's sums, or in none: what enters, shrinks or leaves does so in all of them at once.
"""

from heapq import heapify, heappush
from typing import Final

from trading.engine.book import DEAD_MIN, EngineOrder, OrderBook, Tops
from trading.engine.events import AnyEvent
from trading.engine.maker import AutomatedMaker
from trading.engine.margin import AccountState, copy_account, new_account
from trading.engine.rules import UNCONFIGURED
from trading.engine.types import (
    BUY,
    COLLAR_PIPS,
    PAYOUT_PIPS,
    Config,
    MarketStatus,
    OrderStatus,
)

# A member of an enum is an attribute of a class, which costs as much as a call.
UNTRIGGERED: Final = OrderStatus.UNTRIGGERED


class MarketBooks:
    """Books, orders and accounts of one market, as of command number `seq`.

    `incoming` is the order that the current command sends through the book. `funds` maps accounts
    to available micros, as the current command was given them, and is kept up to date in place; so
    are `headroom`, what order groups may still fill in lots.
    `events` are those that the current command has had so far.
    """

    def __init__(self, market_id: int) -> None:
        self.market_id = market_id
        self.seq = 0
        self.ts_us = 0
        self.status: MarketStatus | None = None
        self.config: Config | None = None
        self.rules = UNCONFIGURED
        self.books: list[OrderBook] = []
        self.maker: AutomatedMaker | None = None
        self.orders: dict[str, EngineOrder] = {}
        self.accounts: dict[int, AccountState] = {}
        self.untriggered: dict[str, EngineOrder] = {}
        """Orders that wait for their triggers, or to be fired."""
        self.due: dict[str, EngineOrder] = {}
        """Those to be fired, in the order in which they will be."""
        self.brackets: dict[str, set[str]] = {}
        """By bracket the ids of its legs that wait or rest."""
        self.bracket_ids: dict[int, set[str]] = {}
        """By account those of its brackets."""
        self.expiries: list[tuple[int, str]] = []
        """Heap of (expires_at_us, order_id); entries of orders that are gone are skipped, and
        forgotten when they are most of it."""
        self.is_watched = False
        """Whether any order may expire, waits for its trigger or is of a bracket."""
        self.groups: dict[str, dict[str, EngineOrder]] = {}
        """By order group its orders here, resting or waiting, by id."""
        self.dirty_orders: dict[str, EngineOrder] = {}
        self.open_books: dict[int, OrderBook] = {}
        """By outcome, those where neither the status nor a rule of the market refuses an order."""
        self.is_timed = False
        """Whether the market closes by itself."""
        self.is_trial = False
        """Whether it is a part of a market, to try a command on: no trigger sees its prices."""
        self.incoming: EngineOrder | None = None
        self.funds: dict[int, int] = {}
        self.headroom: dict[str, int] = {}
        self.elsewhere: dict[int, int] = {}
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

    def compute_headroom(self, account: AccountState, outcome: int, side: int) -> int:
        """Return how many lots more an account may order, those of its owner elsewhere counted."""
        lots = self.rules.compute_headroom(account, outcome, side)
        return lots - self.elsewhere.get(side * (outcome + 1), 0)

    def find_missing(self, order: EngineOrder, more_lots: int, old_hold_micros: int) -> int:
        """Return what its account lacks for all that an order could cost; at most 0: nothing.

        Its hold replaces an earlier one of `old_hold_micros`, and `more_lots` come with it.
        """
        account, available_micros = self.account(order.account_id), self.funds[order.account_id]
        more_micros = self.rules.compute_hold(order) - old_hold_micros
        if more_micros <= available_micros:
            return 0  # What an account holds grows by no more than its orders do.
        after = copy_account(account)
        self.rules.settle(after, 0, {}, order, more_micros, more_lots)
        return after.held_micros - account.held_micros - available_micros

    def list_orders(self, account: AccountState) -> list[EngineOrder]:
        """Return the account's orders that rest, by id.

        The first time it goes through all of the market's: most accounts never ask, and to keep
        a list for each would cost every command more than a twentieth of its time.
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

    def list_untriggered(self, account_id: int) -> list[EngineOrder]:
        """Return the account's orders that wait for their triggers, in order of arrival."""
        own = (order for order in self.untriggered.values() if order.account_id == account_id)
        return sorted(own, key=order_of_arrival)

    def find_order(self, order_id: str) -> EngineOrder | None:
        """Return an order that rests or waits for its trigger."""
        return self.orders.get(order_id) or self.untriggered.get(order_id)

    def knows(self, order_id: str) -> bool:
        """Return whether an order of this id rests or waits, or is the entry of a bracket."""
        return self.find_order(order_id) is not None or order_id in self.brackets

    def find_best_pips(self, outcome: int, side: int) -> int | None:
        """Return the best price that an order could trade at now, with whomever."""
        book = self.books[outcome]
        taking_pips = book.find_taking_pips(side)
        best_pips = taking_pips if 0 < taking_pips < PAYOUT_PIPS else None
        if self.maker is None:
            return best_pips
        maker_pips = self.maker.find_price(outcome, side, book.tick_pips)
        if best_pips is None or maker_pips is None:
            return maker_pips if best_pips is None else best_pips
        return side * min(side * best_pips, side * maker_pips)

    def compute_collar(self, outcome: int, side: int) -> int:
        """Return the worst price of a market order: COLLAR_PIPS from the best one."""
        book, best_pips = self.books[outcome], self.find_best_pips(outcome, side)
        if best_pips is None:
            best_pips = PAYOUT_PIPS if side == BUY else 0
        worst_pips = best_pips + side * COLLAR_PIPS
        # To the tick on the best price's side of it: down for a buyer, up for a seller.
        tick_pips = book.tick_pips
        worst_pips = side * (side * worst_pips // tick_pips) * tick_pips
        return min(max(worst_pips, tick_pips), PAYOUT_PIPS - tick_pips)

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
                if order.status is not UNTRIGGERED and (order.priority or order.filled_lots)
            }
        )

    def wait(self, order: EngineOrder) -> None:
        """Let an order wait outside the books; it has a heap entry for its expiry as others do."""
        self.account(order.account_id)
        self.untriggered[order.order_id] = order
        self.is_watched = True
        if order.priority:
            self.due[order.order_id] = order
        self.note_options(order)

    def _leave_group(self, order: EngineOrder) -> None:
        order_group = order.place.order_group
        if order_group is not None:
            del self.groups[order_group][order.order_id]
            if not self.groups[order_group]:
                del self.groups[order_group]

    def _use_headroom(self, order: EngineOrder, lots: int) -> None:
        """Count a fill for the order's group."""
        order_group = order.place.order_group
        if order_group in self.headroom:
            self.headroom[order_group] -= lots

    def list_legs(self, bracket_id: str) -> list[EngineOrder]:
        """Return the legs of a bracket that wait or rest, by id."""
        found = map(self.find_order, sorted(self.brackets.get(bracket_id, ())))
        return [leg for leg in found if leg is not None]

    def _forget_leg(self, order: EngineOrder) -> None:
        bracket_id = order.place.bracket_id
        if bracket_id is None:
            return
        legs, own_ids = self.brackets[bracket_id], self.bracket_ids[order.account_id]
        legs.remove(order.order_id)
        if not legs:
            del self.brackets[bracket_id]
            own_ids.remove(bracket_id)
        if not own_ids:
            del self.bracket_ids[order.account_id]

    def _pop_untriggered(self, order_id: str) -> EngineOrder:
        """Let an order wait no more."""
        self.due.pop(order_id, None)
        order = self.untriggered.pop(order_id)
        order.priority, order.trigger_pips = 0, None
        self._leave_group(order)
        return order

    def _build_books(self, tick_pips: int) -> list[OrderBook]:
        rules = self.rules
        tops = Tops(rules.books) if rules.crosses_books else None
        return [OrderBook(tick_pips, tops) for _ in range(rules.books)]

    def note_options(self, order: EngineOrder) -> None:
        """Know a new order's group, its expiry and its bracket, if it has any."""
        options = order.place.options
        if options is None:
            return
        if options.order_group is not None:
            self.groups.setdefault(options.order_group, {})[order.order_id] = order
        if options.bracket_id is not None:
            self.is_watched = True
            self.brackets.setdefault(options.bracket_id, set()).add(order.order_id)
            self.bracket_ids.setdefault(order.account_id, set()).add(options.bracket_id)
        if options.expires_at_us is not None:
            self.is_watched = True
            heappush(self.expiries, (options.expires_at_us, order.order_id))

    def _forget(self, order: EngineOrder) -> None:
        """Know an order that rests no more neither as its account's nor as its group's."""
        account, options = self.accounts[order.account_id], order.place.options
        if account.orders is not None:
            del account.orders[order.order_id]
        if options is not None:
            self._leave_group(order)
            if options.expires_at_us is not None:
                self._trim_expiries()

    def _shrink(self, order: EngineOrder, lots: int) -> None:
        """Lower a live order's quantity; it keeps its place."""
        account = self.accounts[order.account_id]
        self.books[order.outcome].reduce(order, lots)
        order.quantity_lots -= lots
        hold_micros = self.rules.compute_hold(order)
        self.rules.settle(account, 0, self.funds, order, hold_micros - order.hold_micros, -lots)
        order.hold_micros = hold_micros
        self.dirty_orders[order.order_id] = order

    def _trim_expiries(self) -> None:
        """Forget the entries of orders that are gone before they are most of the heap."""
        if len(self.expiries) > 2 * (len(self.orders) + len(self.untriggered)) + DEAD_MIN:
            self.expiries = [
                (order.place.expires_at_us, order.order_id)
                for order in (*self.orders.values(), *self.untriggered.values())
                if order.place.expires_at_us is not None
            ]
            heapify(self.expiries)


def order_of_arrival(order: EngineOrder) -> tuple[int, str]:
    """Sort orders by when they arrived; ids, which begin with the time, decide between equals."""
    return order.created_at_us, order.order_id


def move_orders(book: OrderBook, finer: OrderBook) -> None:
    """Put the orders of a book on a finer ladder."""
    for price_pips in book.changed:
        finer.note(price_pips)
    for side in (BUY, -BUY):
        for order in book.orders(side):
            order.live = False
            finer.add(order)
