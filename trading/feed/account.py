"""One account's private stream: balance, open orders, fills and positions as they change.

Its frames are not conflated: one per commit that touched the account. They are numbered by the
stream itself, from its snapshot on, because an account has no sequence of its own; data
of a market carries that market's `seq`.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from kernel.clock import format_time
from kernel.units import format_amount, format_price, format_quantity
from trading.engine.book import EngineOrder
from trading.engine.margin import compute_position_lots, new_account
from trading.engine.types import OrderStatus
from trading.feed import frames
from trading.feed.missed import LATE_US, StreamPlace, encode_place
from trading.feed.reads import OPEN_ORDERS_MAX, AccountRead, Balance
from trading.feed.watcher import Frame, Watcher
from trading.pipeline.instruments import Instrument
from trading.pipeline.messages import AccountChange, Fill, OrderChange, PositionChange
from trading.pipeline.order_rows import read_order
from trading.wire.commands import NO
from trading.wire.options import mirror_pips
from trading.wire.render import SIDE_NAMES, find_fee_micros, show_average, show_order
from trading.wire.schema import OrderState, OwnFill

CHANGES_KEPT_MAX: Final = 10_000
OPEN: Final = (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED, OrderStatus.UNTRIGGERED)

Cards = Mapping[int, Instrument]
JsonDict = dict[str, Any]
Holdings = dict[int, PositionChange]
"""An account's positions in one market, by book."""


class AccountNews(NamedTuple):
    """What one commit changed of an account, for feeds of other forms.

    `missed`: the account was read anew, for instance because a message was lost, and what happened
    from one place to the other has to be read.
    """

    orders: Sequence[OrderChange] = ()
    fills: Sequence[tuple[int, int, int, Fill]] = ()
    positions: Sequence[PositionChange] = ()
    missed: tuple[StreamPlace, StreamPlace] | None = None


class AccountFeed:
    def __init__(self, account_id: int) -> None:
        self.account_id = account_id
        self.watchers: set[Watcher] = set()
        self.listeners: set[Callable[[AccountNews], None]] = set()
        self.seq = 0
        self.was_read = asyncio.Event()
        self.waiting = 0
        """The number of watchers about to follow it."""
        self.is_loading = False
        self.is_stale = False
        self.changes: list[AccountChange] = []
        self.balance = Balance(0, 0, 0)
        self.unread = 0
        self.applied = 0
        """The number of applied changes, by which a slow read notices that it is outdated."""
        self._seqs: dict[int, int] = {}
        self._at_us = 0
        """The latest time of a change that is known."""
        self._recent: dict[int, int] = {}
        """When markets changed, those of which that was at most LATE_US before."""
        self._orders: dict[str, OrderState] = {}
        self._has_more_orders = False
        self._holdings: dict[int, Holdings] = {}
        self._cards: Cards = {}
        self._gaps: dict[int, StreamPlace] = {}
        """How far it had come when a market's publication was missing, by market."""

    @property
    def is_loaded(self) -> bool:
        return self.was_read.is_set()

    def snapshot(self) -> Frame | None:
        return frames.me_snapshot(self.seq, **self.show()) if self.is_loaded else None

    def show(self) -> JsonDict:
        """Return what a snapshot has."""
        orders = list(self._orders.values())[-OPEN_ORDERS_MAX:]
        return {
            "balance": frames.balance(self.balance),
            "unread": self.unread,
            "orders": orders,
            "has_more_orders": self._has_more_orders or len(orders) < len(self._orders),
            "positions": [
                show_holdings(holdings, self._cards[market_id])
                for market_id, holdings in self._holdings.items()
            ],
            "resume": self._show_place(),
        }

    def get_place(self) -> StreamPlace:
        """Return how far the stream has come, in all markets."""
        return StreamPlace(self.account_id, self._at_us, dict(self._seqs))

    def _show_place(self) -> str:
        since_us = self._at_us - LATE_US
        self._recent = {key: at_us for key, at_us in self._recent.items() if at_us >= since_us}
        seqs = {market_id: self._seqs.get(market_id, 0) for market_id in self._recent}
        return encode_place(StreamPlace(self.account_id, self._at_us, seqs))

    def keep(self, change: AccountChange) -> None:
        """Buffer a publication until the database has been read."""
        if len(self.changes) < CHANGES_KEPT_MAX:
            self.changes.append(change)
        else:
            self.is_stale = True

    def load(self, read: AccountRead, instruments: Cards) -> None:
        """Restart from the database: every watcher gets a snapshot."""
        before = self.get_place() if self.is_loaded else None
        before = next(iter(self._gaps.values()), before)
        self._gaps.clear()
        self.was_read.set()
        self._seqs = dict(read.seqs)
        self._at_us, self._recent = read.read_at_us, dict(read.recent)
        self.balance = read.balance
        self.unread = read.unread
        self._has_more_orders = read.has_more_orders
        self._cards = instruments
        self._orders = {
            row.id.hex: show_order(
                read_order(row, row.id.hex),
                instruments[row.market_id],
                seq=row.updated_seq,
                updated_at_us=row.updated_at_us,
            )
            for row in read.orders
        }
        self._holdings = {}
        for position in read.positions:
            self._holdings.setdefault(position.market_id, {})[position.outcome] = position
        for watcher in self.watchers:
            watcher.owe(self)
        if before is not None:
            self._notify(AccountNews(missed=(before, self.get_place())))

    def note_gap(self, market_id: int) -> None:
        if self.is_loaded:
            self._gaps.setdefault(market_id, self.get_place())

    def forget_gap(self, market_id: int) -> None:
        self._gaps.pop(market_id, None)

    def _notify(self, news: AccountNews) -> None:
        for listener in tuple(self.listeners):
            listener(news)

    def publish(self, change: AccountChange, instruments: Cards) -> None:
        """Apply one commit's changes and send them to the watchers, unless already known."""
        self.applied += 1
        known, self._cards = self._seqs, instruments
        orders = [item for item in change.orders if item.seq > known.get(item.market_id, 0)]
        positions = [item for item in change.positions if item.seq > known.get(item.market_id, 0)]
        fills = [item for item in change.fills if item[1] > known.get(item[0], 0)]
        if markets_of(change) and not (orders or positions or fills):
            return  # older than the read: its balance is outdated as well
        parts: dict[str, list[Any]] = {
            "orders": [self._keep_order(item) for item in orders],
            "fills": self._show_fills(fills, orders),
            "positions": self._keep_positions(positions),
        }
        seqs = [(item.market_id, item.seq) for item in orders]
        seqs += [(item.market_id, item.seq) for item in positions]
        for market_id, seq in seqs:
            known[market_id] = max(seq, known.get(market_id, 0))
        for item in orders:
            self._recent[item.market_id] = item.ts_us
            self._at_us = max(self._at_us, item.ts_us)
        self._notify(AccountNews(orders, fills, positions))
        balance = Balance(change.cash_micros, change.held_micros, change.withdrawing_micros)
        self.announce(balance, {name: items for name, items in parts.items() if items})

    def announce(
        self, balance: Balance, parts: Mapping[str, list[Any]], *, unread: int | None = None
    ) -> None:
        """Send one frame with the changes, if any."""
        body: JsonDict = dict(parts)
        if unread is not None and unread != self.unread:
            self.unread = body["unread"] = unread
        if balance != self.balance:
            self.balance = balance
            body["balance"] = frames.balance(balance)
        if not body:
            return
        self.seq += 1
        if not self.watchers:
            return
        frame = frames.me(self.seq, **body, resume=self._show_place())
        for watcher in self.watchers:
            watcher.push(self, frame)

    def _keep_order(self, change: OrderChange) -> OrderState:
        order: EngineOrder = change.order
        instrument = self._cards[change.market_id]
        shown = show_order(order, instrument, seq=change.seq, updated_at_us=change.ts_us)
        if order.status in OPEN:
            self._orders[order.order_id] = shown
        else:
            self._orders.pop(order.order_id, None)
        return shown

    def _keep_positions(self, positions: list[PositionChange]) -> list[JsonDict]:
        for position in positions:
            self._holdings.setdefault(position.market_id, {})[position.outcome] = position
        return [
            show_holdings(self._holdings[market_id], self._cards[market_id])
            for market_id in dict.fromkeys(position.market_id for position in positions)
        ]

    def _show_fills(
        self, fills: list[tuple[int, int, int, Fill]], orders: list[OrderChange]
    ) -> list[OwnFill]:
        """Render fills of own orders, which the same commit changed as well."""
        own = {item.order.order_id: item.order for item in orders}
        return [
            show_fill(fill, own[order_id], self._cards[market_id], seq=seq, ts_us=ts_us)
            for market_id, seq, ts_us, fill in fills
            for order_id in (fill.trade.taker_order_id, fill.trade.maker_order_id)
            if order_id in own
        ]


def markets_of(change: AccountChange) -> set[int]:
    """Return the markets of a change."""
    return (
        {item.market_id for item in change.orders}
        | {position.market_id for position in change.positions}
        | {market_id for market_id, _, _, _ in change.fills}
    )


def show_holdings(holdings: Holdings, instrument: Instrument) -> JsonDict:
    """Render positions in a market like GET /positions, without price-dependent values."""
    state = new_account(0, instrument.book_count)
    for outcome, position in holdings.items():
        state.net_lots[outcome] = position.net_lots
    return {
        "market": instrument.slug,
        "seq": max(position.seq for position in holdings.values()),
        "outcomes": [
            {
                "outcome": instrument.codes[outcome],
                "position": format_quantity(
                    compute_position_lots(state, outcome, binary=instrument.binary)
                ),
                "average_price": show_average(abs(position.cost_micros), abs(position.net_lots)),
                "cost": format_amount(position.cost_micros),
                "realised_profit": format_amount(position.realised_micros),
            }
            for outcome, position in sorted(holdings.items())
            if position.net_lots or position.realised_micros
        ],
    }


def show_fill(
    fill: Fill, order: EngineOrder, instrument: Instrument, *, seq: int, ts_us: int
) -> OwnFill:
    """Render a fill like GET /fills: side, outcome and price as the order was entered."""
    trade, as_no = fill.trade, instrument.names_no(as_no=order.place.as_no)
    return OwnFill(
        id=fill.trade_id,
        order_id=order.order_id,
        client_order_id=order.place.client_order_id,
        market=instrument.slug,
        outcome=instrument.codes[NO if as_no else order.outcome],
        side=SIDE_NAMES[-order.side if as_no else order.side],
        price=format_price(mirror_pips(trade.price_pips, as_no=as_no) or 0),
        quantity=format_quantity(trade.quantity_lots),
        fee=format_amount(find_fee_micros(trade, order.order_id)),
        role="taker" if trade.taker_order_id == order.order_id else "maker",
        seq=seq,
        created_at=format_time(ts_us),
    )
