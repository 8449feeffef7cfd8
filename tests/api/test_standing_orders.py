"""Standing orders: filled up once a day, whatever happens to the task that does it."""

from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from markets.models import Market
from trading import tasks
from trading.actions import do_refill_standing_order
from trading.actions import standing_orders as acting
from trading.engine.types import MarketStatus
from trading.models import Notification, NotificationKind, Order, StandingOrder, StandingRefill
from trading.notifications.sentences import describe

pytestmark = pytest.mark.parametrize("credential", ["key"], indirect=True)


@pytest.fixture
async def market(inside):
    return await inside.open_market()


async def create(caller, market, **fields):
    body = {"market": market.slug, "side": "buy", "price": "0.40", "quantity": "10", **fields}
    answer = await caller.send("POST", "standing-orders", body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def refill(days=0):
    """Run the scheduled task as on a later day."""
    now = timezone.now() + timedelta(days=days)
    due = await sync_to_async(lambda: list(acting.list_due_standing_orders(now)))()
    for standing in due:
        await sync_to_async(do_refill_standing_order)(standing, now=now)


async def list_live(caller):
    rows = Order.objects.live().filter(account=caller.account).order_by("id")
    return [(row.side, row.price_pips, row.remaining_lots) async for row in rows]


async def show(caller):
    [shown] = (await caller.get("standing-orders")).json()["results"]
    return shown


run_task = sync_to_async(tasks.refill_standing_orders)


async def test_a_quantity_is_filled_up_once_a_day(market, alice, bob):
    made = await create(alice, market)
    assert (made["status"], made["quantity"], made["outcome"]) == ("active", "10.00", "YES")
    await run_task()
    await run_task()
    assert await list_live(alice) == [(1, 4000, 1000)]
    await bob.placed(market, "sell 4 YES @ 0.40")
    await run_task()
    assert await list_live(alice) == [(1, 4000, 600)]
    await refill(days=1)
    await refill(days=1)
    assert await list_live(alice) == [(1, 4000, 600), (1, 4000, 400)]
    assert await show(alice) == made


async def test_a_budget_buys_as_much_a_day_as_it_pays_for(market, alice, bob):
    await create(alice, market, outcome="NO", quantity=None, daily_budget="10")
    await run_task()
    assert await list_live(alice) == [(-1, 6000, 2500)]
    await bob.placed(market, "buy 25 YES @ 0.60")
    await refill(days=1)
    assert await list_live(alice) == [(-1, 6000, 2500)]
    await refill(days=2)  # nothing was bought: what rests is enough
    assert await list_live(alice) == [(-1, 6000, 2500)]


async def test_a_task_that_is_delivered_twice_or_killed_in_between_places_one_order(
    market, alice, monkeypatch
):
    await create(alice, market)
    standing = await StandingOrder.objects.select_related("market", "account").aget()
    now = timezone.now()
    await sync_to_async(acting._claim)(standing, now)
    refill_row = await StandingRefill.objects.aget()
    for _ in range(2):  # as by one that was killed after it had sent the order
        await sync_to_async(acting._send)(standing, refill_row)
    assert await list_live(alice) == [(1, 4000, 1000)]
    await run_task()
    await run_task()
    assert await list_live(alice) == [(1, 4000, 1000)]
    assert await StandingRefill.objects.filter(is_done=True).acount() == 1


async def test_it_stops_when_funds_lack_and_its_owner_is_told_once(inside, market):
    poor = await inside.join(credits=3)
    await create(poor, market)
    for _ in range(2):
        await run_task()
    shown = await show(poor)
    assert (shown["status"], shown["reason"]) == ("stopped", "insufficient_funds")
    told = [
        row
        async for row in Notification.objects.filter(
            user=poor.account.owner_id, kind=NotificationKind.STANDING
        ).select_related("market")
    ]
    assert len(told) == 1
    text = await sync_to_async(describe)(told[0])
    assert text.title == "Your standing order to buy Yes at 0.40 ended"
    assert "balance is too low" in text.detail


async def test_it_stops_when_its_market_or_its_last_day_ends(inside, market, alice):
    there = await inside.open_market()
    until = (timezone.now() + timedelta(hours=12)).isoformat()
    await create(alice, there, until=until)
    await create(alice, market)
    await run_task()
    await refill(days=1)
    by_market = {
        row["market"]: row["reason"]
        for row in (await alice.get("standing-orders")).json()["results"]
    }
    assert by_market == {there.slug: "ended", market.slug: None}
    await inside.configure(market, MarketStatus.CLOSED)
    await refill(days=2)
    await refill(days=3)
    reasons = {
        row["market"]: row["reason"]
        for row in (await alice.get("standing-orders")).json()["results"]
    }
    assert reasons[market.slug] == "market_closed"
    told = Notification.objects.filter(kind=NotificationKind.STANDING)
    assert await told.acount() == 2


async def test_while_its_market_is_halted_it_waits(inside, market, alice):
    await create(alice, market)
    await inside.configure(market, MarketStatus.HALTED)
    await run_task()
    assert (await show(alice))["status"] == "active"
    await Market.objects.filter(pk=market.pk).aupdate(status=Market.Status.OPEN)
    await run_task()  # the engine still says no: nothing was placed, and nothing counts as placed
    assert await StandingRefill.objects.acount() == 0
    await Market.objects.filter(pk=market.pk).aupdate(status=Market.Status.HALTED)
    await inside.configure(market, MarketStatus.OPEN)
    await run_task()
    assert await list_live(alice) == [(1, 4000, 1000)]


async def test_its_owner_stops_it_with_what_rests_of_it(market, alice, bob):
    made = await create(alice, market)
    await run_task()
    await alice.placed(market, "buy 1 YES @ 0.30")
    assert (await bob.send("DELETE", f"standing-orders/{made['id']}")).status_code == 404
    stopped = await alice.send("DELETE", f"standing-orders/{made['id']}")
    assert (stopped.json()["status"], stopped.json()["reason"]) == ("stopped", "stopped_by_owner")
    assert await list_live(alice) == [(1, 3000, 100)]
    await refill(days=1)
    assert await list_live(alice) == [(1, 3000, 100)]
    assert await Notification.objects.filter(kind=NotificationKind.STANDING).acount() == 0


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"quantity": None}, "standing_order_unclear"),
        ({"daily_budget": "5"}, "standing_order_unclear"),
        ({"quantity": None, "daily_budget": "0.10"}, "budget_too_small"),
        ({"price": "0.405"}, "price_off_tick"),
        ({"price": "1"}, "price_out_of_range"),
        ({"quantity": "0.5"}, "quantity_off_step"),
        ({"quantity": "0"}, "quantity_not_positive"),
        ({"quantity": "99999999"}, "quantity_too_large"),
        ({"outcome": "MAYBE"}, "outcome_unknown"),
        ({"until": "2020-01-01T00:00:00Z"}, "already_expired"),
        ({"side": "hold"}, "invalid_choice"),
        ({"market": "unknown"}, "not_found"),
    ],
)
async def test_what_could_never_be_placed_is_refused(market, alice, fields, code):
    body = {"market": market.slug, "side": "buy", "price": "0.40", "quantity": "10", **fields}
    answer = await alice.send("POST", "standing-orders", body)
    assert answer.json()["code"] == code
