"""`AsyncFeed` and `Feed` against the running program, over a wire that can be cut."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from predex_client import (
    AccountEvent,
    AsyncFeed,
    BookEvent,
    Client,
    ConnectionLostError,
    ExchangeEvent,
    Feed,
    KeyRequest,
    LifecycleEvent,
    NotAuthenticatedError,
    NotFoundError,
    RefusedError,
    TickerEvent,
    TradesEvent,
)
from predex_client.session import Received
from tests.clients.conftest import PASSWORD, Town, new_name, read, until
from tests.patience import PATIENCE_SECONDS


class Wire:
    """A proxy before the exchange, whose connections can be cut, and which can be mute."""

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target)
        self.connections: list[asyncio.StreamWriter] = []
        self.is_mute = False

    async def open(self) -> None:
        self.server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(self.target.hostname, self.target.port)
        self.connections += [writer, there[1]]
        with contextlib.suppress(OSError):
            await asyncio.gather(
                self._copy(reader, there[1]), self._copy(there[0], writer, is_answer=True)
            )

    async def _copy(self, reader: Any, writer: Any, *, is_answer: bool = False) -> None:
        while data := await reader.read(65536):
            if not (is_answer and self.is_mute):
                writer.write(data)
                await writer.drain()
        writer.close()

    def cut(self) -> None:
        for writer in self.connections:
            writer.transport.abort()
        self.connections.clear()

    async def close(self) -> None:
        self.cut()
        self.server.close()


@pytest.fixture
async def wire(town: Town) -> AsyncIterator[Wire]:
    wire = Wire(town.url)
    await wire.open()
    yield wire
    await wire.close()


def shown(town: Town, slug: str) -> dict[str, Any]:
    """Return the levels of YES that the API shows now."""
    book = town.client().book(slug)
    yes = book["YES"]
    return {"seq": book.seq, "bids": dict(yes.bids), "asks": dict(yes.asks)}


def copied(feed: AsyncFeed | Feed, slug: str) -> dict[str, Any]:
    book = feed.books[slug]
    return {
        "seq": book.seq, "bids": book.bids.get("YES", {}), "asks": book.asks.get("YES", {})
    }  # fmt: skip


async def test_a_book_is_kept_as_the_exchange_has_it(town: Town) -> None:
    slug, client = town.slugs[0], town.client()
    async with AsyncFeed(town.url) as feed, read(feed):
        await feed.subscribe("book", markets=[slug])
        client.place(slug, "buy", 10, "0.40")
        order = client.place(slug, "sell", 5, "0.60")
        await until(lambda: feed.books[slug].best_ask() == Decimal("0.60"))
        assert feed.books[slug].best_bid() == Decimal("0.40")
        client.cancel(order.id)
        await until(lambda: copied(feed, slug) == shown(town, slug))
        assert feed.books[slug].is_current
        assert feed.books[slug].best_ask() is None
        await feed.unsubscribe("book", markets=[slug])
        assert slug not in feed.books


async def test_a_gap_is_found_and_recovered(town: Town, monkeypatch) -> None:
    slug, client = town.slugs[0], town.client()
    async with AsyncFeed(town.url) as feed, read(feed) as events:
        await feed.subscribe("book", "trades", markets=[slug])
        await until(lambda: feed.books[slug].seq is not None)
        take, lost = feed._session.receive, []

        def lose_one(text: str) -> Received:
            if not lost and json.loads(text)["type"] == "book":
                lost.append(text)
                return Received()
            return take(text)

        monkeypatch.setattr(feed._session, "receive", lose_one)
        client.place(slug, "buy", 10, "0.40")
        await until(lambda: bool(lost))
        client.place(slug, "buy", 10, "0.41")
        await until(lambda: copied(feed, slug) == shown(town, slug))
        assert feed.resyncs == 1
        assert lost
        assert next(event.is_snapshot for event in events if isinstance(event, BookEvent))


async def test_a_lost_frame_after_which_nothing_happens_is_missed_by_the_heartbeat(
    town: Town, monkeypatch
) -> None:
    slug, client = town.slugs[0], town.client()
    async with AsyncFeed(town.url) as feed, read(feed):
        await feed.subscribe("book", markets=[slug])
        await until(lambda: feed.books[slug].seq is not None)
        take = feed._session.receive

        def lose_books(text: str) -> Received:
            is_change = json.loads(text)["type"] == "book" and not feed.resyncs
            return Received() if is_change else take(text)

        monkeypatch.setattr(feed._session, "receive", lose_books)
        client.place(slug, "buy", 10, "0.40")
        await until(lambda: copied(feed, slug) == shown(town, slug))
        assert feed.heartbeat is not None
        assert feed.heartbeat.engine == "up"


async def test_after_a_cut_books_go_on_and_every_fill_and_end_comes_once(
    town: Town, wire: Wire
) -> None:
    slug, maker, taker = town.slugs[1], town.client(1), town.client(2)
    async with AsyncFeed(wire.url, town.keys[2]) as feed, read(feed) as events:
        await feed.subscribe("me")
        await feed.subscribe("book", markets=[slug])
        orders, fills = set(), set()
        for number in range(5):
            maker.place(slug, "sell", 1, "0.50")
            if number % 2:
                wire.cut()
            order = taker.place(slug, "buy", 1, "0.50")
            orders.add(order.id)
            fills.update(trade.id for trade in order.trades)
            await asyncio.sleep(0.05 * number)
        rest = taker.place(slug, "buy", 3, "0.10")
        await until(lambda: rest.id in feed.account.orders and len(ended(events)) >= 5)
        await until(lambda: copied(feed, slug) == shown(town, slug))
        assert sorted(ended(events)) == sorted(orders)
        assert sorted(filled(events)) == sorted(fills)
        assert feed.account.balance is not None
        assert feed.account.balance.available == taker.account().available
        assert feed.account.positions[slug].outcomes[0].position == 5
        place = feed.account.resume
    taker.cancel(rest.id)
    async with AsyncFeed(town.url, town.keys[2], resume=place) as feed, read(feed) as events:
        await feed.subscribe("me")
        await until(lambda: bool(ended(events)))
        assert ended(events) == [rest.id]


def ended(events: list[Any]) -> list[str]:
    told = (order for event in events if isinstance(event, AccountEvent) for order in event.orders)
    return [order.id for order in told if not order.is_open]


def filled(events: list[Any]) -> list[str]:
    return [fill.id for event in events if isinstance(event, AccountEvent) for fill in event.fills]


async def test_orders_are_entered_on_the_socket_and_tracked(town: Town) -> None:
    slug = town.slugs[0]
    async with AsyncFeed(town.url, town.keys[0]) as feed, read(feed):
        await feed.subscribe("me")
        await feed.cancel_on_disconnect()
        order, other = await asyncio.gather(
            feed.place(slug, "buy", 10, "0.40"), feed.place(slug, "buy", 10, "0.39")
        )
        await until(lambda: feed.account.orders.keys() >= {order.id, other.id})
        amended = await feed.amend(order.id, price="0.41")
        assert amended.price == Decimal("0.41")
        with pytest.raises(RefusedError) as refused:
            await feed.place(slug, "buy", 1, "0.405")
        assert (refused.value.status, refused.value.code) == (422, "price_off_tick")
        assert (await feed.cancel(order.id)).status == "cancelled"
        await until(lambda: feed.account.orders.keys() == {other.id})
    await until(lambda: not list(town.client().orders(status="open")))


async def test_an_order_whose_answer_was_cut_off_is_one_order(town: Town, wire: Wire) -> None:
    slug = town.slugs[0]
    async with AsyncFeed(wire.url, town.keys[0]) as feed, read(feed):
        wire.is_mute = True
        placing = asyncio.create_task(feed.place(slug, "buy", 10, "0.40"))
        await until(lambda: bool(list(town.client().orders(status="open"))))
        wire.is_mute = False
        wire.cut()
        order = await placing
        assert [row.id for row in town.client().orders(status="open")] == [order.id]


async def test_who_has_no_patience_learns_that_no_answer_came(town: Town, wire: Wire) -> None:
    async with AsyncFeed(wire.url, town.keys[0], patience=0.5) as feed:
        wire.is_mute = True
        with pytest.raises(ConnectionLostError):
            await feed.place(town.slugs[0], "buy", 10, "0.40")


async def test_all_channels_are_typed_events(town: Town) -> None:
    slug, client, other = town.slugs[2], town.client(0), town.client(1)
    async with AsyncFeed(town.url) as feed, read(feed) as events:
        await feed.subscribe("ticker", "lifecycle", markets="all")
        await feed.subscribe("trades", markets=[slug])
        client.place(slug, "buy", 1, "0.50")
        other.place(slug, "sell", 1, "0.50")
        seen = lambda kind: [event for event in events if isinstance(event, kind)]  # noqa: E731
        await until(lambda: len(seen(TradesEvent)) == 2)
        await until(
            lambda: any(
                row.last == Decimal("0.50") for event in seen(TickerEvent) for row in event.tickers
            )
        )
        assert {event.market for event in seen(LifecycleEvent)} >= set(town.slugs)
        assert seen(LifecycleEvent)[0].status == "open"
        assert seen(ExchangeEvent)
        assert seen(TradesEvent)[1].trades[0].taker_side == "sell"


async def test_what_may_not_be_followed_is_refused_where_it_is_asked_for(town: Town) -> None:
    async with AsyncFeed(town.url, "") as feed, read(feed):
        with pytest.raises(NotFoundError):
            await feed.subscribe("book", markets=["no-such-market"])
        assert feed.books == {}
        with pytest.raises(NotAuthenticatedError):
            await feed.subscribe("me")
    with pytest.raises(NotAuthenticatedError):
        async with AsyncFeed(town.url, "pdx_nonsense"):
            pass
    with pytest.raises(ConnectionLostError):
        async with AsyncFeed("http://127.0.0.1:9", patience=0.1):
            pass


async def test_a_key_that_is_revoked_ends_the_feed(town: Town) -> None:
    name, password = f"a{new_name()[:20]}", PASSWORD
    email, request = f"{name}@example.org", KeyRequest(name="k", scopes=("read",))
    key = Client(town.url).register(email, name, password, key=request).key
    assert key is not None
    async with AsyncFeed(town.url, key.secret) as feed:
        await feed.subscribe("me")
        async with httpx.AsyncClient(
            base_url=f"{town.url}/api/v1/", timeout=PATIENCE_SECONDS
        ) as api:
            log_in = await api.post("auth/login", json={"email": email, "password": password})
            headers = {"Authorization": f"Bearer {log_in.json()['access']}"}
            revoked = await api.delete(f"keys/{key.id}", headers=headers)
        assert revoked.status_code == 204
        with pytest.raises(NotAuthenticatedError):
            await asyncio.wait_for(read_to_the_end(feed), PATIENCE_SECONDS)


async def read_to_the_end(feed: AsyncFeed) -> None:
    async for _ in feed:
        pass


def test_without_asyncio_it_is_the_same(town: Town) -> None:
    slug = town.slugs[0]
    with Feed(town.url, town.keys[0]) as feed:
        feed.subscribe("book", markets=[slug])
        feed.subscribe("me")
        order = feed.place(slug, "buy", 10, "0.40")
        with pytest.raises(RefusedError):
            feed.place(slug, "buy", 1, "0.405")
        read_until(feed, lambda: order.id in feed.account.orders)
        read_until(feed, lambda: copied(feed, slug) == shown(town, slug))
        feed._connection.socket.shutdown(2)
        other = feed.place(slug, "buy", 10, "0.41")
        read_until(feed, lambda: feed.account.orders.keys() == {order.id, other.id})
        read_until(feed, lambda: copied(feed, slug) == shown(town, slug))
        feed.cancel_all()
        read_until(feed, lambda: not feed.account.orders)


def read_until(feed: Feed, is_so: Any) -> None:
    events: Iterator[Any] = iter(feed)
    while not is_so():
        next(events)
