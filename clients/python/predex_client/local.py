"""Copies of what the exchange has, kept by the feed: books, and the own account."""

from collections.abc import Iterable
from decimal import Decimal

from predex_client.events import AccountEvent, Balance, BookEvent, Event, Holding
from predex_client.models import Level
from predex_client.own import Order

Side = dict[Decimal, Decimal]


def fits(seq: int | None, event: Event) -> bool:
    """Whether nothing is missing between what is known up to `seq` and this event."""
    return event.is_snapshot or event.prev_seq == seq


def is_old(seq: int | None, event: Event) -> bool:
    """Whether an event that does not fit is known already."""
    return seq is not None and event.seq is not None and event.seq <= seq


class LocalBook:
    """One market's price levels by outcome as of `seq`, which is None before the first snapshot.

    A binary market has one book, of YES. `is_current` is False while a gap is being recovered.
    """

    def __init__(self) -> None:
        self.seq: int | None = None
        self.bids: dict[str, Side] = {}
        self.asks: dict[str, Side] = {}
        self.is_current = False

    def apply(self, event: BookEvent) -> bool:
        """Apply an event of the channel `book`. False: an earlier one is missing."""
        if not fits(self.seq, event):
            return is_old(self.seq, event)
        if event.is_snapshot:
            self.bids, self.asks = {}, {}
        for book in event.books:
            _set(self.bids.setdefault(book.outcome, {}), book.bids)
            _set(self.asks.setdefault(book.outcome, {}), book.asks)
        self.seq, self.is_current = event.seq, True
        return True

    def best_bid(self, outcome: str = "YES") -> Decimal | None:
        return max(self.bids.get(outcome, ()), default=None)

    def best_ask(self, outcome: str = "YES") -> Decimal | None:
        return min(self.asks.get(outcome, ()), default=None)


class LocalAccount:
    """The account that the feed follows as `me`: its balance, open orders and positions.

    `resume` is the place in its stream: a feed that is given it again, even after a restart,
    learns of every order that ended and every fill since then.
    """

    def __init__(self, resume: str | None = None) -> None:
        self.resume = resume
        self.balance: Balance | None = None
        self.unread = 0
        self.orders: dict[str, Order] = {}
        self.positions: dict[str, Holding] = {}
        self.has_more_orders = False
        """There are more open orders than a snapshot has: `Client.orders` lists all."""

    def apply(self, event: AccountEvent) -> None:
        if event.is_snapshot:
            self.orders, self.positions = {}, {}
            self.has_more_orders = event.has_more_orders
        for order in event.orders:
            if order.is_open:
                self.orders[order.id] = order
            else:
                self.orders.pop(order.id, None)
        self.positions |= {holding.market: holding for holding in event.positions}
        self.balance = event.balance or self.balance
        self.unread = self.unread if event.unread is None else event.unread
        self.resume = event.resume


def _set(side: Side, levels: Iterable[Level]) -> None:
    for price, quantity in levels:
        if quantity:
            side[price] = quantity
        else:
            side.pop(price, None)
