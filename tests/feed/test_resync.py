"""Publications that are lost, repeated or late: clients end with the database's book anyway."""

import asyncio

import pytest

from tests.feed.books import LocalBook
from tests.feed.conftest import Client, Floor, Site, publish, read_no_more
from tests.feed.test_books import as_numbers, book_of, read_until
from tests.patience import PATIENCE_SECONDS
from tests.trading.world import buy, make_market, own_shard, sell
from trading.engine.types import MarketStatus
from trading.feed.tasks import in_thread
from trading.models import BookState

pytestmark = pytest.mark.django_db(transaction=True)


async def expect_book(client: Client, book: LocalBook, seq: int, bids: dict[int, int]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        await read_until(client, book, seq)
    assert as_numbers(book.bids["YES"]) == bids


async def test_a_gap_is_healed_by_the_next_publication_in_one_frame(
    site: Site, floor: Floor
) -> None:
    await floor.open()
    client = await site.connect()
    book = await book_of(client, floor.market.slug)
    await floor.run(buy(floor.market, floor.alice, 40, 100), is_lost=True)
    await floor.run(buy(floor.market, floor.alice, 41, 100))
    await expect_book(client, book, 3, {4_000: 100, 4_100: 100})


async def test_the_trades_of_a_lost_publication_are_sent_all_the_same(
    site: Site, floor: Floor
) -> None:
    await floor.open()
    await floor.run(sell(floor.market, floor.bob, 50, 1_000))
    client = await site.connect()
    await client.subscribe("trades", markets=[floor.market.slug])
    seq = (await client.get("trades_snapshot"))["seq"]
    await floor.run(buy(floor.market, floor.alice, 50, 100))
    await floor.run(buy(floor.market, floor.alice, 50, 200), is_lost=True)
    await floor.run(buy(floor.market, floor.alice, 50, 300))
    quantities: list[str] = []
    while len(quantities) < 3:
        frame = await client.get("trades")
        assert frame["prev_seq"] == seq
        seq = frame["seq"]
        quantities += [trade["quantity"] for trade in frame["trades"]]
    assert quantities == ["1.00", "2.00", "3.00"]


async def test_a_heartbeat_ahead_of_what_came_makes_the_hub_read_again(
    site: Site, floor: Floor
) -> None:
    await floor.open()
    client = await site.connect()
    book = await book_of(client, floor.market.slug)
    await floor.beat()
    await floor.run(buy(floor.market, floor.alice, 40, 100), is_lost=True)
    beating = asyncio.create_task(beat_on(floor))
    await expect_book(client, book, 2, {4_000: 100})
    beating.cancel()


async def beat_on(floor: Floor) -> None:
    while True:
        await floor.beat()
        await asyncio.sleep(0.25)


async def test_without_heartbeats_the_database_is_looked_at(site: Site, floor: Floor) -> None:
    """As when the channel layer is away: nothing at all is heard."""
    await floor.open()
    client = await site.connect()
    book = await book_of(client, floor.market.slug)
    await floor.run(buy(floor.market, floor.alice, 40, 100), is_lost=True)
    await expect_book(client, book, 2, {4_000: 100})


async def test_a_heartbeat_ahead_of_a_commit_that_failed_changes_nothing(
    site: Site, floor: Floor
) -> None:
    await floor.open()
    client = await site.connect()
    book = await book_of(client, floor.market.slug)
    await floor.beat(seqs={floor.market.id: 1})
    await floor.beat(seqs={floor.market.id: 9})
    assert await client.hears_nothing()
    await asyncio.sleep(1.2)
    await floor.run(buy(floor.market, floor.alice, 40, 100))
    await expect_book(client, book, 2, {4_000: 100})


async def test_repeated_and_old_publications_change_nothing(site: Site, floor: Floor) -> None:
    await floor.open()
    client = await site.connect()
    book = await book_of(client, floor.market.slug)
    await floor.run(buy(floor.market, floor.alice, 40, 100))
    await floor.run(buy(floor.market, floor.alice, 41, 100))
    await read_until(client, book, 3)
    for publication in floor.publications:
        await publish(publication)
    assert await client.hears_nothing()
    await floor.run(buy(floor.market, floor.alice, 42, 100))
    await expect_book(client, book, 4, {4_000: 100, 4_100: 100, 4_200: 100})


async def test_a_message_that_cannot_be_read_ends_nothing(site: Site, floor: Floor) -> None:
    await floor.open()
    client = await site.connect()
    book = await book_of(client, floor.market.slug)
    await publish(b"\xc1 not msgpack")
    await publish(b"\x90")
    await floor.run(buy(floor.market, floor.alice, 40, 100))
    await expect_book(client, book, 2, {4_000: 100})


async def test_a_new_engine_makes_the_hub_read_everything_again(site: Site, floor: Floor) -> None:
    await floor.open()
    client = await site.connect()
    book = await book_of(client, floor.market.slug)
    await floor.beat()
    await floor.run(buy(floor.market, floor.alice, 40, 100), is_lost=True)
    floor.shard = await in_thread(own_shard)
    await floor.beat()
    await expect_book(client, book, 2, {4_000: 100})


async def test_a_restored_database_that_is_behind_is_accepted(site: Site, floor: Floor) -> None:
    await floor.open()
    await floor.run(buy(floor.market, floor.alice, 40, 100))
    client = await site.connect()
    book = await book_of(client, floor.market.slug)
    await floor.beat()
    await in_thread(restore_to, floor.market.id, 1)
    await floor.beat(epoch=floor.shard.epoch + 1)
    snapshot = await client.get("book_snapshot")
    assert snapshot["seq"] == 1 < book.seq


def restore_to(market_id: int, seq: int) -> None:
    BookState.objects.filter(market_id=market_id).update(seq=seq)


async def test_a_layer_that_forgot_the_hub_is_joined_again(
    site: Site, floor: Floor, monkeypatch
) -> None:
    """The in-memory layer forgets groups after a day, and members that were too slow."""
    monkeypatch.setattr("trading.feed.hub.REJOIN_SECONDS", 0.2)
    read_no_more(monkeypatch)
    await floor.open()
    client = await site.connect()
    book = await book_of(client, floor.market.slug)
    groups = site.hub._layer.groups
    groups.clear()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(groups) < 2:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.02)
    await floor.run(buy(floor.market, floor.alice, 40, 100))
    await read_until(client, book, 2)


async def test_what_is_published_while_the_image_is_read_is_not_lost(
    site: Site, floor: Floor, monkeypatch
) -> None:
    from trading.feed import reads

    original = reads.read_market
    started = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow_read(market_id: int):
        read = original(market_id)
        loop.call_soon_threadsafe(started.set)
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.3), loop).result()
        return read

    monkeypatch.setattr(reads, "read_market", slow_read)
    await floor.open()
    client = await site.connect()
    await client.subscribe("book", markets=[floor.market.slug])
    await started.wait()
    await floor.run(buy(floor.market, floor.alice, 40, 100))
    await floor.run(buy(floor.market, floor.alice, 41, 100))
    book = LocalBook()
    book.apply(await client.get("book_snapshot"))
    assert book.seq == 1
    await expect_book(client, book, 3, {4_000: 100, 4_100: 100})


async def test_a_finer_tick_keeps_the_book(site: Site, floor: Floor) -> None:
    await floor.open()
    await floor.run(buy(floor.market, floor.alice, 40, 100))
    client = await site.connect()
    book = await book_of(client, floor.market.slug)
    await floor.configure(MarketStatus.HALTED)
    floor.market.tick_pips = 10
    await floor.configure(MarketStatus.HALTED)
    await floor.configure(MarketStatus.OPEN)
    [result] = await floor.run(buy_at(floor, 4_010))
    assert result.reason is None
    await expect_book(client, book, result.seq, {4_000: 100, 4_010: 100})


def buy_at(floor: Floor, price_pips: int):
    import msgspec

    task = buy(floor.market, floor.alice, 40, 100)
    task.command = msgspec.structs.replace(task.command, price_pips=price_pips)
    return task


async def test_two_markets_of_one_commit_go_to_their_own_followers(
    site: Site, floor: Floor
) -> None:
    other = await in_thread(make_market)
    await floor.open()
    await floor.open(other)
    one, two = await site.connect(), await site.connect()
    book_one = await book_of(one, floor.market.slug)
    book_two = await book_of(two, other.slug)
    await floor.run(buy(floor.market, floor.alice, 40, 100), buy(other, floor.alice, 30, 100))
    await expect_book(one, book_one, 2, {4_000: 100})
    await expect_book(two, book_two, 2, {3_000: 100})
