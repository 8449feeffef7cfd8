"""The channel `me`: an account's private data, sent only to its owner."""

import asyncio
from typing import Any

import pytest
from django.test import Client as Browser

from accounts.actions import do_deposit, do_request_withdrawal
from accounts.models import Account
from kernel.ids import new_id
from markets.models import Market
from tests.feed.conftest import Client, Floor, Site
from tests.patience import PATIENCE_SECONDS
from tests.trading.world import buy, cancel, make_market, make_user, sell
from trading.actions.results import do_resolve_market
from trading.engine.commands import CancelAll
from trading.engine.types import SELL, Leg, MarketStatus, OrderOptions, Trigger, TriggerKind
from trading.feed.tasks import in_thread
from trading.models import Order
from trading.pipeline.messages import Task
from trading.readmodels.queries import list_fills
from trading.settlement.payments import settle_market

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def listen(site: Site, make_key):
    """`await listen(account)`: a client that has had its first `me` snapshot, and the snapshot."""

    async def connect(account: Account) -> tuple[Client, dict[str, Any]]:
        _, secret = await make_key(account)
        client = await site.connect()
        await client.send("auth", key=secret)
        await client.get("authenticated")
        await client.subscribe("me")
        return client, await client.get("me_snapshot")

    return connect


async def collect(client: Client, name: str, count: int) -> list[dict[str, Any]]:
    """Return so many items of a kind from the frames to come, checking their chain."""
    items: list[dict[str, Any]] = []
    while len(items) < count:
        items += (await client.get("me")).get(name, [])
    return items


async def test_an_account_begins_with_its_money_orders_and_positions(floor: Floor, listen) -> None:
    await floor.open()
    await floor.run(
        sell(floor.market, floor.bob, 60, 500),
        buy(floor.market, floor.alice, 60, 300),
        buy(floor.market, floor.alice, 40, 1_000, client_order_id="mine"),
    )
    _, snapshot = await listen(floor.alice)
    assert (snapshot["seq"], snapshot["prev_seq"], snapshot["market"]) == (0, None, None)
    assert snapshot["balance"] == {
        "cash": "9998.200000", "held": "4.000000", "withdrawing": "0.000000",
        "available": "9994.200000",
    }  # fmt: skip
    [order] = snapshot["orders"]
    assert order["client_order_id"] == "mine"
    assert (order["status"], order["price"], order["remaining"]) == ("open", "0.4000", "10.00")
    assert not snapshot["has_more_orders"]
    assert snapshot["positions"] == [
        {
            "market": floor.market.slug,
            "seq": 4,
            "outcomes": [
                {
                    "outcome": "YES",
                    "position": "3.00",
                    "average_price": "0.600000",
                    "cost": "1.800000",
                    "realised_profit": "0.000000",
                }
            ],
        }
    ]


async def test_a_fill_is_sent_only_to_both_sides(floor: Floor, listen) -> None:
    await floor.open()
    alice, _ = await listen(floor.alice)
    bob, _ = await listen(floor.bob)
    await floor.run(sell(floor.market, floor.bob, 60, 500))
    assert await alice.hears_nothing()
    await bob.get("me")
    await floor.run(buy(floor.market, floor.alice, 65, 200))
    mine, theirs = await alice.get("me"), await bob.get("me")
    [fill], [their_fill] = mine["fills"], theirs["fills"]
    assert fill["id"] == their_fill["id"]
    assert (fill["role"], fill["side"], fill["price"]) == ("taker", "buy", "0.6000")
    assert (their_fill["role"], their_fill["side"]) == ("maker", "sell")
    assert fill["order_id"] == mine["orders"][0]["id"] != their_fill["order_id"]
    assert (mine["orders"][0]["status"], theirs["orders"][0]["status"]) == (
        "filled", "partially_filled",
    )  # fmt: skip
    assert mine["balance"]["cash"] == "9998.800000"
    assert mine["positions"][0]["outcomes"][0]["position"] == "2.00"
    assert theirs["positions"][0]["outcomes"][0]["position"] == "-2.00"
    assert (mine["prev_seq"], mine["seq"]) == (0, 1)
    assert (theirs["prev_seq"], theirs["seq"]) == (1, 2)


async def test_an_order_in_a_frame_is_what_the_api_shows_of_it(floor: Floor, listen) -> None:
    await floor.open()
    await floor.run(sell(floor.market, floor.bob, 60, 100))
    client, _ = await listen(floor.alice)
    await floor.run(buy(floor.market, floor.alice, 60, 300))
    frame = await client.get("me")
    [order] = frame["orders"]
    shown = await in_thread(get_as, floor.alice, f"/api/v1/orders/{order['id']}")
    assert order == shown
    [fill] = frame["fills"]
    assert fill == (await in_thread(get_as, floor.alice, "/api/v1/fills"))["results"][0]


async def test_each_order_of_a_commit_is_sent_with_the_seq_of_its_own_last_change(
    floor: Floor, listen
) -> None:
    await floor.open()
    client, _ = await listen(floor.alice)
    market = floor.market
    results = await floor.run(
        buy(market, floor.alice, 40, 100),
        buy(market, floor.alice, 41, 100),
        sell(market, floor.bob, 41, 100),
        buy(market, floor.alice, 30, 100),
    )
    sent = {order["id"]: order["seq"] for order in (await client.get("me"))["orders"]}
    first, second, taker, last = (result.order.order_id for result in results)
    assert sent == {first: results[0].seq, second: results[2].seq, last: results[3].seq}
    for order_id, seq in sent.items():
        assert (await in_thread(get_as, floor.alice, f"/api/v1/orders/{order_id}"))["seq"] == seq
    shown = await in_thread(get_as, floor.bob, f"/api/v1/orders/{taker}")
    assert shown["seq"] == results[2].seq


def get_as(account: Account, path: str) -> dict[str, Any]:
    browser = Browser(headers={"host": "127.0.0.1"})
    browser.force_login(account.owner)
    answer = browser.get(path)
    assert answer.status_code == 200, answer.content
    return answer.json()


async def test_an_order_entered_for_no_is_sent_as_entered(floor: Floor, listen) -> None:
    await floor.open()
    await floor.run(buy(floor.market, floor.bob, 60, 500))
    client, _ = await listen(floor.alice)
    task = sell(floor.market, floor.alice, 60, 100, as_no=True)
    assert task.command.side == SELL
    await floor.run(task)
    frame = await client.get("me")
    [order], [fill] = frame["orders"], frame["fills"]
    assert (order["outcome"], order["side"], order["price"]) == ("NO", "buy", "0.4000")
    assert (fill["outcome"], fill["side"], fill["price"]) == ("NO", "buy", "0.4000")


async def test_an_order_that_waits_is_in_the_snapshot_and_told_when_it_is_fired(
    floor: Floor, listen
) -> None:
    await floor.open()
    options = OrderOptions(trigger=Trigger(TriggerKind.STOP, 6_000))
    [waiting] = await floor.run(buy(floor.market, floor.alice, 70, 100, options=options))
    client, snapshot = await listen(floor.alice)
    [shown] = snapshot["orders"]
    assert (shown["status"], shown["trigger"]["price"]) == ("untriggered", "0.6000")
    await floor.run(sell(floor.market, floor.bob, 60, 200))
    # Alice trades as well, so that her account is locked where her stop is triggered.
    await floor.run(buy(floor.market, floor.alice, 60, 100))
    orders = await collect(client, "orders", 2)
    told = {order["id"]: order["status"] for order in orders}
    assert told[waiting.order.order_id] == "filled"


async def test_the_legs_of_an_entry_are_told_as_it_is_filled(floor: Floor, listen) -> None:
    await floor.open()
    client, _ = await listen(floor.alice)
    leg = Leg(new_id(), Trigger(TriggerKind.STOP, 3_000))
    [entry] = await floor.run(
        buy(floor.market, floor.alice, 60, 500, options=OrderOptions(legs=(leg,)))
    )
    told = {order["id"]: order for order in await collect(client, "orders", 2)}
    assert told[leg.order_id]["bracket"] == entry.order.order_id
    assert (told[leg.order_id]["status"], told[leg.order_id]["quantity"]) == ("untriggered", "0.00")
    await floor.run(sell(floor.market, floor.bob, 60, 200))
    told = {order["id"]: order for order in await collect(client, "orders", 2)}
    assert told[leg.order_id]["quantity"] == "2.00"


async def test_cancelled_orders_leave_the_next_snapshot(floor: Floor, listen) -> None:
    await floor.open()
    client, _ = await listen(floor.alice)
    results = await floor.run(
        buy(floor.market, floor.alice, 40, 100), buy(floor.market, floor.alice, 41, 100)
    )
    opened = await collect(client, "orders", 2)
    assert {order["status"] for order in opened} == {"open"}
    await floor.run(cancel(floor.market, floor.alice, results[0].order.order_id))
    [gone] = await collect(client, "orders", 1)
    assert (gone["status"], gone["reason"]) == ("cancelled", "cancelled_by_owner")
    await client.subscribe("me")
    snapshot = await client.get("me_snapshot")
    assert [order["id"] for order in snapshot["orders"]] == [results[1].order.order_id]
    await floor.run(Task(0, floor.market.id, CancelAll(floor.alice.id)))
    await collect(client, "orders", 1)
    await client.subscribe("me")
    assert (await client.get("me_snapshot"))["orders"] == []


async def test_a_position_in_complete_sets_is_flat_as_in_the_api(floor: Floor, listen) -> None:
    market = await in_thread(make_market, outcomes=3)
    await floor.open(market)
    client, _ = await listen(floor.alice)
    for outcome in range(3):
        await floor.run(
            sell(market, floor.bob, 30, 100, outcome=outcome),
            buy(market, floor.alice, 30, 100, outcome=outcome),
        )
    positions = await collect(client, "positions", 3)
    assert [row["position"] for row in positions[1]["outcomes"]] == ["1.00", "1.00"]
    assert [row["position"] for row in positions[2]["outcomes"]] == ["0.00", "0.00", "0.00"]
    shown = (await in_thread(get_as, floor.alice, "/api/v1/positions"))["results"][0]["outcomes"]
    assert [row["position"] for row in shown] == ["0.00", "0.00", "0.00"]


@pytest.mark.alone
async def test_money_that_moves_outside_the_engine_is_sent_within_two_seconds(
    floor: Floor, listen
) -> None:
    client, _ = await listen(floor.alice)
    operator = await in_thread(make_user, "opal", staff=True)
    await in_thread(do_deposit, floor.alice, amount_micros=5_000_000, by=operator)
    async with asyncio.timeout(2):
        frame = await client.get("me")
    assert frame["balance"]["cash"] == "10005.000000"
    assert frame.keys().isdisjoint({"orders", "fills", "positions"})
    alice = floor.users["alice"]
    await in_thread(do_request_withdrawal, floor.alice, amount_micros=1_000_000, by=alice)
    assert (await client.get("me"))["balance"]["withdrawing"] == "1.000000"


async def test_a_lost_publication_brings_a_fresh_snapshot(floor: Floor, listen) -> None:
    await floor.open()
    client, _ = await listen(floor.alice)
    await floor.run(buy(floor.market, floor.alice, 40, 100))
    await client.get("me")
    [lost] = await floor.run(buy(floor.market, floor.alice, 41, 100), is_lost=True)
    await floor.run(buy(floor.market, floor.bob, 20, 100))
    snapshot = await client.get("me_snapshot")
    assert lost.order.order_id in {order["id"] for order in snapshot["orders"]}


async def test_a_lost_publication_is_found_by_heartbeats_too(floor: Floor, listen) -> None:
    await floor.open()
    client, _ = await listen(floor.alice)
    await floor.run(buy(floor.market, floor.alice, 40, 100))
    await client.get("me")
    await floor.run(buy(floor.market, floor.alice, 41, 100), is_lost=True)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            await floor.beat()
            if not await client.hears_nothing(but=("heartbeat", "me")):
                return


async def test_settlement_is_sent_as_money_and_as_a_position_that_is_gone(
    floor: Floor, listen
) -> None:
    await floor.open()
    await floor.run(sell(floor.market, floor.bob, 60, 500), buy(floor.market, floor.alice, 60, 500))
    client, snapshot = await listen(floor.alice)
    assert snapshot["positions"]
    await floor.configure(MarketStatus.CLOSED)
    await in_thread(settle, floor.market)
    async with asyncio.timeout(PATIENCE_SECONDS):
        snapshot = await client.get("me_snapshot")
    assert snapshot["positions"] == []
    assert snapshot["balance"]["cash"] == "10002.000000"


def settle(market: Market) -> None:
    market.refresh_from_db()
    by = market.creator
    do_resolve_market(market, by=by, payout_pips=[10_000, 0], evidence_text="it happened")
    market.resolutions.update(final_at="2020-01-01T00:00Z", proposed_at="2020-01-01T00:00Z")
    assert settle_market(market.id)


async def test_what_was_published_while_the_account_was_read_is_in_its_snapshot(
    floor: Floor, site: Site, make_key, monkeypatch
) -> None:
    from trading.feed import reads

    original, loop, started = reads.read_account, asyncio.get_running_loop(), asyncio.Event()

    def slow_read(account_id: int):
        read = original(account_id)
        loop.call_soon_threadsafe(started.set)
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.3), loop).result()
        return read

    monkeypatch.setattr(reads, "read_account", slow_read)
    await floor.open()
    _, secret = await make_key(floor.alice)
    client = await site.connect()
    await client.send("auth", key=secret)
    await client.send("subscribe", channels=["me"])
    await started.wait()
    [result] = await floor.run(buy(floor.market, floor.alice, 40, 100))
    [order] = (await client.get("me_snapshot"))["orders"]
    assert order["id"] == result.order.order_id
    assert await client.hears_nothing()


async def test_fills_of_frames_are_the_fills_of_the_database(floor: Floor, listen) -> None:
    await floor.open()
    client, _ = await listen(floor.alice)
    for price in (50, 51, 52):
        await floor.run(sell(floor.market, floor.bob, price, 100))
    await floor.run(buy(floor.market, floor.alice, 55, 300))
    fills = await collect(client, "fills", 3)
    stored = await in_thread(lambda: list_fills(floor.alice.id, count=10))
    assert [fill["id"] for fill in fills] == [row.trade.id.hex for row in reversed(stored)]


async def test_me_ends_with_unsubscribe(floor: Floor, listen) -> None:
    await floor.open()
    client, _ = await listen(floor.alice)
    await client.send("unsubscribe", channels=["me"])
    await client.get("unsubscribed")
    await floor.run(buy(floor.market, floor.alice, 40, 100))
    assert await client.hears_nothing()
    assert await in_thread(Order.objects.count) == 1


async def test_two_sockets_of_one_account_get_the_same(floor: Floor, listen) -> None:
    await floor.open()
    one, _ = await listen(floor.alice)
    two, _ = await listen(floor.alice)
    await floor.run(buy(floor.market, floor.alice, 40, 100))
    assert await one.get("me") == await two.get("me")


async def test_the_heartbeat_says_how_far_me_has_come(floor: Floor, listen, monkeypatch) -> None:
    monkeypatch.setattr("trading.feed.hub.BEAT_SECONDS", 0.1)
    await floor.open()
    client, _ = await listen(floor.alice)
    assert (await client.get("heartbeat"))["me"] == 0
    await floor.run(buy(floor.market, floor.alice, 40, 100))
    await client.get("me")
    assert (await client.get("heartbeat"))["me"] == 1
