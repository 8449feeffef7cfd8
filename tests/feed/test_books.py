"""Books, trades and tickers over a real socket, from the shard's commits to the client."""

import asyncio
import random
from functools import partial
from typing import Any

import pytest

from predex_client import AsyncFeed
from tests.feed.books import LocalBook
from tests.feed.conftest import Client, Floor, Site
from tests.trading.world import buy, cancel, make_market, sell
from trading.engine.types import MarketStatus
from trading.feed.reads import book_from_database, read_markets
from trading.feed.tasks import in_thread

pytestmark = pytest.mark.django_db(transaction=True)


async def book_of(client: Client, slug: str, **options: int) -> LocalBook:
    """Subscribe to a market's book and return the client's copy of it."""
    await client.subscribe("book", markets=[slug], **options)
    book = LocalBook()
    book.apply(await client.get("book_snapshot"))
    return book


async def read_until(client: Client, book: LocalBook, seq: int) -> None:
    while book.seq < seq:
        assert book.apply(await client.get("book"))


async def test_a_subscriber_gets_the_book_as_it_is_then_what_changes(
    site: Site, floor: Floor
) -> None:
    await floor.open()
    await floor.run(buy(floor.market, floor.alice, 40, 1_000))
    client = await site.connect()
    await client.subscribe("book", markets=[floor.market.slug])
    snapshot = await client.get("book_snapshot")
    assert snapshot["market"] == floor.market.slug
    assert snapshot["seq"] == 2
    assert snapshot["prev_seq"] is None
    assert snapshot["books"] == [{"outcome": "YES", "bids": [["0.4000", "10.00"]], "asks": []}]
    await floor.run(sell(floor.market, floor.bob, 60, 500))
    frame = await client.get("book")
    assert (frame["prev_seq"], frame["seq"]) == (2, 3)
    assert frame["books"] == [{"outcome": "YES", "bids": [], "asks": [["0.6000", "5.00"]]}]


async def test_a_level_that_empties_is_sent_as_zero(site: Site, floor: Floor) -> None:
    await floor.open()
    [result] = await floor.run(buy(floor.market, floor.alice, 40, 1_000))
    client = await site.connect()
    await book_of(client, floor.market.slug)
    await floor.run(cancel(floor.market, floor.alice, result.order.order_id))
    frame = await client.get("book")
    assert frame["books"] == [{"outcome": "YES", "bids": [["0.4000", "0.00"]], "asks": []}]


async def test_a_market_that_was_never_open_has_an_empty_book_at_zero(
    site: Site, floor: Floor
) -> None:
    await floor.open(market=await in_thread(make_market, outcomes=3))
    client = await site.connect()
    slug = (await in_thread(make_market, outcomes=3)).slug
    await client.send("subscribe", channels=["book"], markets=[slug])
    assert (await client.get_error())["code"] == "not_found", "nobody else sees a draft"


async def test_every_outcome_of_a_categorical_market_has_its_book(site: Site, floor: Floor) -> None:
    market = await in_thread(make_market, outcomes=3)
    await floor.open(market)
    await floor.run(buy(market, floor.alice, 20, 300, outcome=2))
    client = await site.connect()
    await client.subscribe("book", markets=[market.slug])
    snapshot = await client.get("book_snapshot")
    assert [book["outcome"] for book in snapshot["books"]] == ["O0", "O1", "O2"]
    assert snapshot["books"][2]["bids"] == [["0.2000", "3.00"]]


async def test_a_commit_that_changes_no_level_still_moves_the_sequence_on(
    site: Site, floor: Floor
) -> None:
    await floor.open()
    client = await site.connect()
    book = await book_of(client, floor.market.slug)
    [result] = await floor.run(buy(floor.market, floor.alice, 40, 0))
    assert result.reason == "quantity_not_positive"
    frame = await client.get("book")
    assert frame["books"] == []
    assert book.apply(frame)
    assert book.seq == 2


async def test_many_commits_make_one_frame_with_the_last_total_of_each_level(
    site: Site, floor: Floor, settings
) -> None:
    settings.FEED_FRAMES_PER_SECOND = 4
    await floor.open()
    client = await site.connect()
    book = await book_of(client, floor.market.slug)
    await floor.run(buy(floor.market, floor.alice, 40, 100))
    first = await client.get("book")
    for _ in range(5):
        await floor.run(buy(floor.market, floor.alice, 40, 100))
    second = await client.get("book")
    assert [first["seq"], second["prev_seq"]] == [2, 2], "the first after a pause is sent at once"
    assert second["seq"] == 7
    assert second["books"] == [{"outcome": "YES", "bids": [["0.4000", "6.00"]], "asks": []}]
    assert book.apply(first)
    assert book.apply(second)


async def test_frames_of_a_market_come_no_faster_than_the_setting(
    site: Site, floor: Floor, settings
) -> None:
    settings.FEED_FRAMES_PER_SECOND = 10
    await floor.open()
    client = await site.connect()
    book = await book_of(client, floor.market.slug)
    loop = asyncio.get_running_loop()
    started, count = loop.time(), 0
    trading = asyncio.create_task(trade_a_lot(floor, 60))
    while book.seq < 61:
        assert book.apply(await client.get("book"))
        count += 1
    await trading
    assert count <= (loop.time() - started) * 10 + 2


async def trade_a_lot(floor: Floor, commits: int) -> None:
    for number in range(commits):
        await floor.run(buy(floor.market, floor.alice, 10 + number % 30, 100))


async def test_no_trade_is_lost_by_conflation(site: Site, floor: Floor, settings) -> None:
    settings.FEED_FRAMES_PER_SECOND = 4
    await floor.open()
    await floor.run(sell(floor.market, floor.bob, 50, 10_000))
    client = await site.connect()
    await client.subscribe("trades", markets=[floor.market.slug])
    snapshot = await client.get("trades_snapshot")
    assert snapshot["trades"] == []
    fills = []
    for _ in range(12):
        [result] = await floor.run(buy(floor.market, floor.alice, 50, 100))
        fills += [fill.trade_id for fill in result.fills]
    trades: list[dict[str, Any]] = []
    seq = snapshot["seq"]
    while len(trades) < 12:
        frame = await client.get("trades")
        assert frame["prev_seq"] == seq
        seq = frame["seq"]
        trades += frame["trades"]
    assert [trade["id"] for trade in trades] == fills
    assert [trade["seq"] for trade in trades] == list(range(3, 15))
    assert trades[0].items() >= {
        "outcome": "YES", "price": "0.5000", "quantity": "1.00", "taker_side": "buy"
    }.items()  # fmt: skip


async def test_the_tape_of_a_snapshot_is_the_latest_trades_oldest_first(
    site: Site, floor: Floor
) -> None:
    await floor.open()
    await floor.run(sell(floor.market, floor.bob, 50, 10_000))
    results = await floor.run(*(buy(floor.market, floor.alice, 50, 100) for _ in range(60)))
    client = await site.connect()
    await client.subscribe("trades", markets=[floor.market.slug])
    snapshot = await client.get("trades_snapshot")
    expected = [fill.trade_id for result in results for fill in result.fills]
    assert [trade["id"] for trade in snapshot["trades"]] == expected[-50:]
    assert [trade["seq"] for trade in snapshot["trades"]] == list(range(13, 63))


async def test_books_and_tapes_name_no_account(site: Site, floor: Floor) -> None:
    await floor.open()
    client = await site.connect()
    await client.subscribe("book", "trades", "ticker", "lifecycle", markets=[floor.market.slug])
    await floor.run(
        sell(floor.market, floor.bob, 50, 1_000), buy(floor.market, floor.alice, 50, 500)
    )
    texts = ""
    for _ in range(7):
        texts += str(await client.receive())
    assert "trades_snapshot" in texts
    for name in ("alice", "bob", "account", "order", "owner"):
        assert name not in texts


async def test_a_ticker_shows_best_prices_sizes_and_the_last_price(
    site: Site, floor: Floor
) -> None:
    await floor.open()
    client = await site.connect()
    await client.subscribe("ticker", markets=[floor.market.slug])
    snapshot = await client.get("ticker_snapshot")
    empty = {
        "outcome": "YES", "last": None, "bid": None, "bid_quantity": "0.00", "ask": None,
        "ask_quantity": "0.00",
    }  # fmt: skip
    assert snapshot["tickers"] == [empty]
    await floor.run(
        sell(floor.market, floor.bob, 50, 1_000), buy(floor.market, floor.alice, 50, 400)
    )
    frame = await client.get("ticker")
    assert frame["prev_seq"] == snapshot["seq"]
    assert frame["tickers"] == [
        {**empty, "last": "0.5000", "ask": "0.5000", "ask_quantity": "6.00"}
    ]


async def test_a_ticker_has_the_prices_of_an_automated_maker(site: Site, floor: Floor) -> None:
    market = await in_thread(partial(make_market, maker_b_lots=10_000, maker_funded_by_house=True))
    await floor.open(market)
    client = await site.connect()
    await client.subscribe("ticker", markets=[market.slug])
    [before] = (await client.get("ticker_snapshot"))["tickers"]
    assert (before["maker_bid"], before["maker_ask"]) == ("0.4900", "0.5100")
    await floor.run(buy(market, floor.alice, 60, 2_000))
    [after] = (await client.get("ticker"))["tickers"]
    assert (after["last"], after["maker_bid"], after["maker_ask"]) == ("0.5250", "0.5400", "0.5600")


async def test_the_ticker_of_a_new_reader_is_that_of_an_old_one(site: Site, floor: Floor) -> None:
    """Best prices from the whole book, from best prices alone, and from publications are equal."""
    await floor.open()
    everything = await site.connect()
    await everything.subscribe("ticker", markets="all")
    await everything.get("ticker_snapshot")
    await floor.run(
        sell(floor.market, floor.bob, 50, 1_000),
        buy(floor.market, floor.alice, 50, 400),
        buy(floor.market, floor.alice, 30, 400),
        buy(floor.market, floor.alice, 30, 200),
    )
    live = (await everything.get("ticker"))["tickers"]
    one = await site.connect()
    await one.subscribe("ticker", markets=[floor.market.slug])
    assert (await one.get("ticker_snapshot"))["tickers"] == live
    [read] = (await in_thread(read_markets, [floor.market.id])).values()
    [top] = read.image.tops
    assert (top.bid_pips, top.bid_lots, top.ask_pips, top.ask_lots) == (3_000, 600, 5_000, 600)
    assert read.image.lasts == {0: 5_000}


async def test_heartbeats_say_how_far_each_stream_has_come(
    site: Site, floor: Floor, monkeypatch
) -> None:
    monkeypatch.setattr("trading.feed.hub.BEAT_SECONDS", 0.1)
    await floor.open()
    client = await site.connect()
    await client.subscribe("book", "trades", markets=[floor.market.slug])
    await floor.run(buy(floor.market, floor.alice, 40, 100))
    await client.get("book")
    heartbeat = await client.get("heartbeat")
    assert heartbeat["markets"] == {floor.market.slug: {"seq": 2, "book": 2, "trades": 1}}
    assert heartbeat["engine"] == "away"
    await floor.beat()
    while heartbeat["engine"] != "up":
        heartbeat = await client.get("heartbeat")


async def test_a_second_subscription_restarts_the_stream(site: Site, floor: Floor) -> None:
    await floor.open()
    client = await site.connect()
    await book_of(client, floor.market.slug)
    await floor.run(buy(floor.market, floor.alice, 40, 100))
    book = await book_of(client, floor.market.slug)
    await floor.run(buy(floor.market, floor.alice, 41, 100))
    await read_until(client, book, 3)


async def test_after_unsubscribing_nothing_of_the_stream_comes(site: Site, floor: Floor) -> None:
    await floor.open()
    client = await site.connect()
    await book_of(client, floor.market.slug)
    await client.send("unsubscribe", channels=["book"], markets=[floor.market.slug])
    frame = await client.get("unsubscribed")
    assert (frame["channels"], frame["markets"]) == (["book"], [floor.market.slug])
    await floor.run(buy(floor.market, floor.alice, 40, 100))
    assert await client.hears_nothing()


async def test_clients_that_join_at_any_moment_have_the_database_s_book(
    site: Site, floor: Floor
) -> None:
    chance = random.Random(7)
    await floor.open()
    clients: list[tuple[Client, LocalBook]] = []
    open_orders: list[str] = []
    for _ in range(40):
        if chance.random() < 0.2:
            client = await site.connect()
            clients.append((client, await book_of(client, floor.market.slug)))
        if open_orders and chance.random() < 0.4:
            order_id = open_orders.pop(chance.randrange(len(open_orders)))
            await floor.run(cancel(floor.market, floor.alice, order_id))
            continue
        make, who = chance.choice([(buy, floor.alice), (sell, floor.bob)])
        [result] = await floor.run(make(floor.market, who, chance.randrange(40, 60), 100))
        if who is floor.alice:
            open_orders.append(result.order.order_id)
    seq, _, levels = await in_thread(book_from_database, floor.market.id)
    bids = {level.price_pips: level.bid_lots for level in levels if level.bid_lots}
    asks = {level.price_pips: level.ask_lots for level in levels if level.ask_lots}
    assert len(clients) > 3
    for client, book in clients:
        await read_until(client, book, seq)
        assert as_numbers(book.bids["YES"]) == bids
        assert as_numbers(book.asks.get("YES", {})) == asks


def as_numbers(side) -> dict[int, int]:
    return {int(price * 10_000): int(quantity * 100) for price, quantity in side.items()}


async def test_closing_the_market_empties_its_book(site: Site, floor: Floor) -> None:
    await floor.open()
    await floor.run(buy(floor.market, floor.alice, 40, 100))
    client = await site.connect()
    book = await book_of(client, floor.market.slug)
    await floor.configure(MarketStatus.CLOSED)
    await read_until(client, book, 3)
    assert not book.bids["YES"]


async def test_a_client_resumes_where_it_was(site: Site, floor: Floor) -> None:
    await floor.open()
    await floor.run(buy(floor.market, floor.alice, 40, 100))
    client = await site.connect()
    book = await book_of(client, floor.market.slug)
    await client.connection.close()
    await floor.run(buy(floor.market, floor.alice, 41, 100))
    await floor.run(sell(floor.market, floor.bob, 41, 100), sell(floor.market, floor.bob, 60, 100))
    again = await site.connect()
    await again.subscribe("book", "trades", markets=[floor.market.slug], since_seq=book.seq)
    trades: list[dict[str, Any]] = []
    seq = 2
    while book.seq < 5 or not trades:
        frame = await again.receive()
        assert frame["type"] in ("book", "trades", "heartbeat"), "no snapshot is needed"
        if frame["type"] == "book":
            assert book.apply(frame)
        elif frame["type"] == "trades":
            assert frame["prev_seq"] == seq
            trades, seq = trades + frame["trades"], frame["seq"]
    assert [trade["seq"] for trade in trades] == [4]
    assert as_numbers(book.bids["YES"]) == {4_000: 100}
    assert as_numbers(book.asks["YES"]) == {6_000: 100}
    await floor.run(buy(floor.market, floor.alice, 42, 100))
    await read_until(again, book, 6)


@pytest.mark.parametrize("since_seq", [0, 99, 2**53])
async def test_what_cannot_be_resumed_begins_with_a_snapshot(
    site: Site, floor: Floor, since_seq: int
) -> None:
    await floor.open()
    await floor.run(buy(floor.market, floor.alice, 40, 100))
    client = await site.connect()
    await client.subscribe("book", markets=[floor.market.slug], since_seq=since_seq)
    frame = await client.receive()
    while frame["type"] == "heartbeat":
        frame = await client.receive()
    book = LocalBook()
    if since_seq == 0:  # the journal has it all: the whole book is one frame from nothing
        assert frame["type"] == "book"
        book.seq = 0
    else:
        assert frame["type"] == "book_snapshot"
    assert book.apply(frame)
    assert book.seq == 2
    assert as_numbers(book.bids["YES"]) == {4_000: 100}


async def test_resuming_while_the_market_trades_leaves_no_hole(site: Site, floor: Floor) -> None:
    await floor.open()
    client = await site.connect()
    book = await book_of(client, floor.market.slug)
    trading = asyncio.create_task(trade_a_lot(floor, 40))
    for _ in range(6):
        await asyncio.sleep(0.05)
        await client.connection.close()
        client = await site.connect()
        await client.subscribe("book", markets=[floor.market.slug], since_seq=book.seq)
        frame = await client.receive()
        while frame["type"] == "heartbeat":
            frame = await client.receive()
        assert book.apply(frame)
    await trading
    await read_until(client, book, 41)
    _, _, levels = await in_thread(book_from_database, floor.market.id)
    assert as_numbers(book.bids["YES"]) == {level.price_pips: level.bid_lots for level in levels}


async def test_a_bot_s_feed_comes_back_by_itself_after_its_connection_is_lost(
    site: Site, floor: Floor
) -> None:
    await floor.open()
    slug = floor.market.slug
    async with AsyncFeed(f"http://127.0.0.1:{site.port}", "") as feed:
        await feed.subscribe("book", markets=[slug])
        events = aiter(feed)
        await anext(events)
        feed._connection.transport.abort()
        await floor.run(buy(floor.market, floor.alice, 40, 100))
        while feed.books[slug].seq != 2:
            await anext(events)
        assert feed.resyncs == 0, "what is resumed is no gap"
        assert as_numbers(feed.books[slug].bids["YES"]) == {4_000: 100}
