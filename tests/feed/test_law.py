"""The invariant of the feed: snapshot(n) + frames(n..m) == snapshot(m), for all kinds of event.

Random commands go through the real engine in batches; what the shard would publish of them goes
into a replica, whose frames, as JSON, go into the client that bots use.
"""

import json
import random
from collections import Counter
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.generate import (
    ACCOUNTS,
    BYTES_PER_STEP,
    CREDIT,
    OWNER_OF,
    Choices,
    make_amend,
    make_cancel,
    make_cancel_all,
    make_config,
    make_configure,
    make_place,
)
from tests.feed.books import LocalBook
from trading.engine.commands import AnyCommand, Configure, Tick
from trading.engine.engine import Engine
from trading.engine.events import (
    Amended,
    Configured,
    CrossMatched,
    Decremented,
    Ended,
    Rejected,
    Rested,
    Traded,
    list_trades,
)
from trading.engine.types import BUY, SELL, MarketStatus, Reason
from trading.feed import frames
from trading.feed.replica import BookReplica, Fit, Image, TapeTrade, find_tops, tape_trade
from trading.feed.resume import fold_entries
from trading.pipeline.instruments import Instrument
from trading.pipeline.journal import JournalEntry
from trading.pipeline.messages import DepthLevel, MarketChange
from trading.pipeline.publication import build_market_change, find_changed_tops
from trading.pipeline.writer import LiveMarket, MarketPart

KINDS = {Amended, Configured, CrossMatched, Decremented, Ended, Rejected, Rested, Traded}


class Market:
    """A real engine, and what its shard would publish and journal of each batch."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.config = make_config(self._choices())
        self.engine = Engine(7)
        self.funds = dict.fromkeys(ACCOUNTS, 20 * CREDIT)
        self.ts_us = 1_000_000
        self.orders = 0
        self.seen: Counter[Any] = Counter()
        self.rows: list[tuple[int, list[JournalEntry]]] = []
        self.tape: list[TapeTrade] = []
        self.lasts: dict[int, int] = {}
        self.commit([Configure(MarketStatus.OPEN, self.config)])
        codes = (
            ("YES", "NO")
            if self.config.binary
            else tuple(f"O{index}" for index in range(self.config.outcomes))
        )
        self.instrument = Instrument(
            7, "market", self.config.binary, codes, "open", "CREDIT", 100, 1, 0
        )

    def commit(self, commands: list[AnyCommand]) -> MarketChange:
        part = MarketPart(LiveMarket(self.engine, 1, 2, b""))
        entries = []
        for command in commands:
            events = self.engine.execute(command, self.ts_us, self.funds)
            entries.append(JournalEntry(command, 0, events))
            for event in events:
                self.seen[type(event)] += 1
                if trades := list_trades(event):
                    part.add_match(trades)
                if isinstance(event, Ended | Rejected):
                    self.seen[event.reason] += 1
            if isinstance(command, Configure) and not isinstance(events[-1], Rejected):
                part.status = command.status
        part.tops = find_changed_tops(part)
        change = build_market_change(part)
        for book in self.engine.books:
            book.forget_changes()
        self.rows.append((part.seq_before, entries))
        for fill in change.fills:
            self.lasts[fill.trade.outcome] = fill.trade.price_pips
            self.tape.append(tape_trade(fill, change.ts_us))
        return change

    def batch(self) -> MarketChange:
        self.ts_us += self.random.choice((0, 1, 1, 20))
        return self.commit([self._command() for _ in range(self.random.choice((1, 1, 2, 5, 12)))])

    def image(self) -> Image:
        """The image that the database would have."""
        levels: dict[tuple[int, int], list[int]] = {}
        for outcome, book in enumerate(self.engine.books):
            for index, side in enumerate((BUY, SELL)):
                for price_pips, lots in book.depth(side):
                    levels.setdefault((outcome, price_pips), [0, 0])[index] = lots
        listed = [DepthLevel(*key, *lots) for key, lots in levels.items()]
        return Image(
            self.engine.seq,
            self.engine.ts_us,
            listed,
            find_tops(listed),
            dict(self.lasts),
            self.tape[-500:],
        )

    def _choices(self) -> Choices:
        return Choices(self.random.randbytes(BYTES_PER_STEP * 4))

    def _command(self) -> AnyCommand:
        c, engine = self._choices(), self.engine
        targets = [(o.order_id, o.account_id, o.quantity_lots) for o in engine.orders.values()]
        position_of = self._position
        config = engine.config or self.config
        kind = self.random.randrange(40)
        if kind < 24:
            place = make_place(c, config, self.ts_us, position_of)
            self.orders += 1  # outside of tests no id is ever used twice
            return msgspec.structs.replace(place, order_id=f"order{self.orders}")
        if kind < 31:
            return make_amend(c, config, self.ts_us, targets)
        if kind < 36:
            return make_cancel(c, targets)
        if kind < 37:
            return make_cancel_all(c)
        if kind < 39:
            return Tick()
        return self._configure(c)

    def _configure(self, c: Choices) -> AnyCommand:
        command = make_configure(c, self.engine.config, self.engine.status, self.ts_us)
        # A market closed for good would make a dull test; the one for closing closes at its end.
        return Tick() if command.status is MarketStatus.CLOSED else command

    def _position(self, account_id: int, outcome: int) -> int:
        account = self.engine.accounts.get(account_id)
        return account.net_lots[outcome] if account and outcome < len(account.net_lots) else 0


def follow(replica: BookReplica, market: Market, change: MarketChange) -> Fit:
    """Do what the hub does: other terms are read from the database, with the book."""
    fit = replica.apply(change)
    if change.config is not None:
        replica.load(market.image())
    return fit


def snapshot_of(market: Market) -> dict[str, Any]:
    replica = BookReplica()
    replica.load(market.image())
    return read(frames.book_snapshot(market.instrument, replica, replica.published_seq))


def read(frame: frames.Frame) -> dict[str, Any]:
    return json.loads(frame.message["text"])


def levels_of(book: LocalBook) -> list[Any]:
    sides = (book.bids, book.asks)
    return [{code: side for code, side in sorted(books.items()) if side} for books in sides]


def test_owners_of_the_generated_accounts_are_known() -> None:
    assert set(ACCOUNTS) == set(OWNER_OF)


@pytest.mark.parametrize("seed", range(12))
def test_a_snapshot_and_the_frames_after_it_are_the_later_snapshot(seed: int) -> None:
    market = Market(seed)
    replica = BookReplica()
    replica.load(market.image())
    clients: list[LocalBook] = []
    for _ in range(150):
        if market.random.random() < 0.2:  # a client joins at what is shown, whatever is ahead
            clients.append(LocalBook())
            clients[-1].apply(
                read(frames.book_snapshot(market.instrument, replica, replica.published_seq))
            )
        assert follow(replica, market, market.batch()) is Fit.NEXT
        shown = replica.publish() if market.random.random() < 0.6 else None
        if shown is not None:
            frame = read(frames.book(market.instrument, shown, shown.prev_seq))
            assert all(client.apply(frame) for client in clients)
            expected = LocalBook()
            expected.apply(snapshot_of(market))
            assert {client.seq for client in clients} <= {expected.seq}
            assert all(levels_of(client) == levels_of(expected) for client in clients)


def test_the_law_was_tried_on_every_kind_of_event() -> None:
    seen: Counter[Any] = Counter()
    for seed in range(12):
        market = Market(seed)
        for _ in range(150):
            market.batch()
        seen += market.seen
    assert seen.keys() >= KINDS
    assert seen.keys() >= {
        Reason.EXPIRED, Reason.SELF_TRADE, Reason.REDUCE_ONLY, Reason.FOK_NOT_FILLABLE,
        Reason.CANCELLED_BY_OPERATOR, Reason.AMENDED_TO_FILLED, Reason.IMMEDIATE_REMAINDER,
    }  # fmt: skip


def test_closing_empties_the_book_of_every_client() -> None:
    market, replica, client = Market(3), BookReplica(), LocalBook()
    while not any(market.engine.books[0].depth(BUY)):
        market.batch()
    replica.load(market.image())
    client.apply(snapshot_of(market))
    assert any(client.bids.values())
    change = market.commit([Configure(MarketStatus.CLOSED, market.engine.config)])
    assert replica.apply(change) is Fit.NEXT
    shown = replica.publish()
    assert client.apply(read(frames.book(market.instrument, shown, shown.prev_seq)))
    assert not any(client.bids.values())
    assert not any(client.asks.values())


@pytest.mark.parametrize("seed", range(8))
def test_tickers_and_the_tape_follow_the_same_law(seed: int) -> None:
    market, replica = Market(seed), BookReplica()
    replica.load(market.image())
    tickers = {row["outcome"]: row for row in ticker_snapshot(market.instrument, replica)}
    tape = list(replica.tape)
    for _ in range(120):
        follow(replica, market, market.batch())
        if market.random.random() < 0.5 and (shown := replica.publish()):
            if shown.outcomes:
                frame = read(frames.ticker(market.instrument, replica, shown, 0))
                tickers.update({row["outcome"]: row for row in frame["tickers"]})
            tape += shown.trades
            fresh = BookReplica()
            fresh.load(market.image())
            assert list(tickers.values()) == ticker_snapshot(market.instrument, fresh)
            assert [trade[:1] + trade[3:] for trade in tape] == [
                trade[:1] + trade[3:] for trade in market.tape
            ]


def ticker_snapshot(instrument: Instrument, replica: BookReplica) -> list[dict[str, Any]]:
    return read(frames.ticker_snapshot(instrument, replica, replica.published_seq))["tickers"]


@pytest.mark.parametrize("seed", range(8))
def test_a_gap_is_found_and_healed_by_an_image_in_one_ordinary_frame(seed: int) -> None:
    market, replica, client = Market(seed), BookReplica(), LocalBook()
    replica.load(market.image())
    client.apply(snapshot_of(market))
    trades: list[TapeTrade] = []
    for _ in range(80):
        change = market.batch()
        if market.random.random() < 0.3:
            continue  # this publication is lost
        if follow(replica, market, change) is Fit.GAP:
            assert replica.load(market.image())
        if shown := replica.publish():
            trades += shown.trades
            assert client.apply(read(frames.book(market.instrument, shown, shown.prev_seq)))
    replica.load(market.image())
    if shown := replica.publish():
        trades += shown.trades
        assert client.apply(read(frames.book(market.instrument, shown, shown.prev_seq)))
    expected = LocalBook()
    expected.apply(snapshot_of(market))
    assert levels_of(client) == levels_of(expected)
    assert [trade.trade_id for trade in trades] == [trade.trade_id for trade in market.tape]


@pytest.mark.parametrize("seed", range(10))
def test_resuming_from_any_number_leads_to_the_same_book(seed: int) -> None:
    market, clients = Market(seed), []
    resumed = 0
    for _ in range(60):
        client = LocalBook()
        client.apply(snapshot_of(market))
        clients.append(client)
        market.batch()
    replica = BookReplica()
    replica.load(market.image())
    expected = LocalBook()
    expected.apply(snapshot_of(market))
    places = {order_id: (o.outcome, o.price_pips) for order_id, o in every_order(market).items()}
    for client in clients:
        fold = fold_entries(
            entry for prev_seq, row in market.rows if prev_seq >= client.seq for entry in row
        )
        if fold is None:
            continue
        resumed += 1
        keys = fold.keys | {places[order_id] for order_id in fold.orders}
        shown = replica.show_since(client.seq, keys)
        assert client.apply(read(frames.book(market.instrument, shown, client.seq)))
        assert levels_of(client) == levels_of(expected)
    assert resumed > 5


def every_order(market: Market) -> dict[str, Any]:
    """Orders as their rows have them at the end: those that are gone too."""
    return {**market.engine.dirty_orders, **market.engine.orders}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_interleaving_of_loss_images_and_frames_keeps_the_chain(data: st.DataObject) -> None:
    market, replica, client = Market(data.draw(st.integers(0, 10_000))), BookReplica(), LocalBook()
    replica.load(market.image())
    client.apply(snapshot_of(market))
    waiting: list[MarketChange] = []
    for _ in range(data.draw(st.integers(1, 25))):
        act = data.draw(st.sampled_from(["publish", "lose", "repeat", "image", "show"]))
        if act == "image":
            replica.load(market.image())
        elif act == "show" and (shown := replica.publish()):
            assert client.apply(read(frames.book(market.instrument, shown, shown.prev_seq)))
        elif act == "repeat" and waiting:
            assert replica.apply(data.draw(st.sampled_from(waiting))) is not Fit.NEXT
        elif act in ("publish", "lose"):
            change = market.batch()
            if act == "publish":
                waiting.append(change)
                follow(replica, market, change)
    replica.load(market.image())
    if shown := replica.publish():
        assert client.apply(read(frames.book(market.instrument, shown, shown.prev_seq)))
    expected = LocalBook()
    expected.apply(snapshot_of(market))
    assert client.seq == expected.seq
    assert levels_of(client) == levels_of(expected)


def test_an_image_from_before_what_was_shown_asks_for_snapshots() -> None:
    market, replica = Market(1), BookReplica()
    old = market.image()
    for _ in range(20):
        market.batch()
    assert not replica.load(market.image())
    assert not replica.load(old), "a restored database can't be told as a frame"
    assert replica.published_seq == old.seq
    assert replica.publish() is None


def test_levels_of_one_price_that_come_and_go_between_frames_are_not_sent() -> None:
    market, replica = Market(2), BookReplica()
    replica.load(market.image())
    change = MarketChange(7, replica.seq, replica.seq + 1, 1, levels=[DepthLevel(0, 4_000, 100, 0)])
    gone = MarketChange(7, replica.seq + 1, replica.seq + 2, 1, levels=[DepthLevel(0, 4_000, 0, 0)])
    assert replica.apply(change) is Fit.NEXT
    assert replica.apply(gone) is Fit.NEXT
    shown = replica.publish()
    assert shown.levels == []
    assert shown.seq == shown.prev_seq + 2


def test_the_client_says_when_a_frame_before_this_one_is_missing() -> None:
    client = LocalBook()
    books = [{"outcome": "YES", "bids": [["0.4000", "1.00"]], "asks": []}]
    assert not client.apply({"type": "book", "seq": 2, "prev_seq": 1, "books": books})
    assert client.apply({"type": "book_snapshot", "seq": 5, "prev_seq": None, "books": books})
    assert not client.apply({"type": "book", "seq": 9, "prev_seq": 7, "books": []})
    assert client.apply({"type": "book", "seq": 4, "prev_seq": 3, "books": []})
    assert client.best_bid("YES") == Decimal("0.4000")
    assert client.best_ask("YES") is None
    assert client.seq == 5
