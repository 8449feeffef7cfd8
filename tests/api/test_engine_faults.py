"""Answers to callers while the engine is down, busy, silent or stopping."""

import asyncio

from asgiref.sync import sync_to_async

from accounts.models import User
from kernel import cache
from markets.models import Exchange, Market
from tests.api.exchange import order
from tests.patience import PATIENCE_SECONDS
from tests.trading import world
from trading.engine import engine
from trading.engine.commands import Fire
from trading.models import Order
from trading.pipeline import gateway
from trading.pipeline.gateway import get_gateway
from trading.pipeline.messages import Answer


async def test_without_an_engine_it_is_503_at_once(inside, alice, monkeypatch):
    market = await inside.open_market()
    placed = await alice.placed(market, "buy 1 YES @ 0.40")
    await inside.stop_engine()
    await asyncio.sleep(gateway.HEARTBEAT_LOST_SECONDS + 0.1)
    for answer in (
        await alice.place(market, "buy 1 YES @ 0.40"),
        await alice.cancel(placed["id"]),
        await alice.amend(placed["id"], price=0.3),
        await alice.send("DELETE", "orders"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "engine_away")
        assert int(answer.headers["Retry-After"]) >= 1
    assert (await alice.book(market))["YES"][0] == [["0.4000", "1.00"]]
    await inside.start_engine()


async def test_a_silent_engine_is_504_and_a_retry_learns_the_outcome(inside, alice, monkeypatch):
    market = await inside.open_market()
    real_resolve = get_gateway()._resolve
    monkeypatch.setattr(get_gateway(), "_resolve", lambda answer: None)
    monkeypatch.setattr(gateway, "ANSWER_SECONDS", 0.3)
    answer = await alice.place(market, "buy 1 YES @ 0.40", client_order_id="a")
    assert (answer.status_code, answer.json()["code"]) == (504, "timed_out")
    assert "same client order id" in answer.json()["message"]
    monkeypatch.setattr(get_gateway(), "_resolve", real_resolve)
    again = await alice.place(market, "buy 1 YES @ 0.40", client_order_id="a")
    assert again.status_code == 201
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await Order.objects.acount() == 1


async def test_an_overloaded_gateway_is_503_with_retry_after(inside, alice, monkeypatch):
    market = await inside.open_market()
    monkeypatch.setattr(gateway, "TASKS_MAX", 0)
    answer = await alice.place(market, "buy 1 YES @ 0.40")
    assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
    assert "Retry-After" in answer.headers


async def test_an_order_of_a_batch_that_found_no_room_stops_no_other(inside, alice, monkeypatch):
    market = await inside.open_market()
    resolve, seen = get_gateway()._resolve, []

    def refuse_the_second(answer):
        seen.append(answer)
        resolve(Answer(answer.ticket, "overloaded") if len(seen) == 2 else answer)

    monkeypatch.setattr(get_gateway(), "_resolve", refuse_the_second)
    orders = [order(market, f"buy 1 YES @ 0.4{digit}") for digit in range(3)]
    answer = await alice.send("POST", "orders/batch", {"orders": orders})
    items = answer.json()["results"]
    assert [item["status"] for item in items] == [201, 503, 201]
    assert items[1]["error"]["code"] == "overloaded"


async def test_a_halted_exchange_takes_no_orders_but_cancels(inside, alice):
    market = await inside.open_market()
    placed = await alice.placed(market, "buy 1 YES @ 0.40")
    await set_exchange(trading_halted=True)
    answer = await alice.place(market, "buy 1 YES @ 0.40")
    assert (answer.status_code, answer.json()["code"]) == (409, "exchange_halted")
    assert (await alice.amend(placed["id"], price=0.3)).status_code == 409
    assert (await alice.cancel(placed["id"])).status_code == 200


async def test_in_maintenance_there_is_reading_only(inside, alice):
    market = await inside.open_market()
    placed = await alice.placed(market, "buy 1 YES @ 0.40")
    await set_exchange(maintenance=True)
    for answer in (
        await alice.place(market, "buy 1 YES @ 0.40"),
        await alice.cancel(placed["id"]),
        await alice.send("DELETE", "orders"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "maintenance")
    assert (await alice.get("orders")).status_code == 200
    assert (await alice.book(market))["YES"][0] == [["0.4000", "1.00"]]


@sync_to_async
def set_exchange(**state):
    Exchange.objects.update_or_create(pk=1, defaults=state)
    cache.forget_all()


# --- who sees which market --------------------------------------------------------------------


async def test_an_invisible_market_is_answered_like_an_unknown_one(inside, alice, bob):
    hidden = await sync_to_async(world.make_market)()  # approved, not open: its creator's alone
    for slug in (hidden.slug, "unknown"):
        answers = [
            await alice.send(
                "POST", "orders", {"market": slug, "side": "buy", "price": 0.5, "quantity": 1}
            ),
            await alice.send("DELETE", "orders", params={"market": slug}),
            *[
                await alice.get(f"markets/{slug}/{what}")
                for what in ("book", "trades", "candles", "prices")
            ],
            await alice.get("tickers", market=slug),
        ]
        for answer in answers:
            assert answer.status_code == 404, answer.request.url
            assert answer.json()["message"] == "this market was not found"


async def test_its_creator_sees_a_draft_but_cannot_trade_on_it(inside, credential):
    draft = await sync_to_async(world.make_market)()
    creator = await User.objects.aget(pk=draft.creator_id)
    account = await creator.accounts.afirst()
    caller = await inside.call_as(account)
    answer = await caller.place(draft, "buy 1 YES @ 0.40")
    assert (answer.status_code, answer.json()["code"]) == (409, "market_not_open")
    assert (await caller.get(f"markets/{draft.slug}/book")).json()["seq"] == 0


async def test_members_of_its_group_trade_on_a_market_that_others_do_not_find(inside, alice, bob):
    market = await inside.open_market()
    await join_group(market, alice.account.owner_id)
    assert (await alice.place(market, "buy 1 YES @ 0.40")).status_code == 201
    assert (await bob.place(market, "buy 1 YES @ 0.40")).status_code == 404
    slugs = {row["market"] for row in (await alice.get("tickers")).json()["results"]}
    assert slugs == {market.slug}
    assert (await bob.get("tickers")).json()["results"] == []


async def test_who_lost_sight_of_a_market_may_still_cancel_there(inside, alice):
    market = await inside.open_market()
    placed = await alice.placed(market, "buy 1 YES @ 0.40")
    await join_group(market, None)
    assert (await alice.amend(placed["id"], price=0.3)).status_code == 404
    assert (await alice.cancel(placed["id"])).status_code == 200


@sync_to_async
def join_group(market, user_id):
    from markets.models import Group, GroupMember

    group, _ = Group.objects.get_or_create(slug="friends", name="Friends")
    if user_id is not None:
        GroupMember.objects.create(group=group, user_id=user_id)
    Market.objects.filter(pk=market.pk).update(visibility="group", group=group)
    cache.forget_all()


# --- triggered orders whose firing fails ------------------------------------------------------


async def test_an_order_whose_firing_fails_is_ended_and_stops_no_other(
    inside, alice, bob, monkeypatch
):
    market = await inside.open_market()
    trigger = {"kind": "stop", "price": "0.60"}
    broken = await alice.placed(market, "buy 1 YES @ 0.20", trigger=trigger)
    sound = await alice.placed(market, "buy 2 YES @ 0.20", trigger=trigger)
    fail_to_fire(monkeypatch, broken["id"])
    await bob.placed(market, "sell 1 YES @ 0.60")
    carol = await inside.join()
    await carol.placed(market, "buy 1 YES @ 0.60")
    ended = await wait_until_fired(alice, broken["id"])
    assert (ended["status"], ended["reason"]) == ("rejected", "engine_fault")
    assert (await wait_until_fired(alice, sound["id"]))["status"] == "open"
    assert (await bob.place(market, "buy 1 YES @ 0.10")).status_code == 201


async def test_an_order_that_can_not_even_be_ended_waits_and_stops_no_other(
    inside, alice, bob, monkeypatch
):
    market = await inside.open_market()
    trigger = {"kind": "stop", "price": "0.60"}
    broken = await alice.placed(market, "buy 1 YES @ 0.20", trigger=trigger)
    sound = await alice.placed(market, "buy 2 YES @ 0.20", trigger=trigger)
    fail_to_fire(monkeypatch, broken["id"], gives_up=True)
    await bob.placed(market, "sell 1 YES @ 0.60")
    carol = await inside.join()
    await carol.placed(market, "buy 1 YES @ 0.60")
    assert (await wait_until_fired(alice, sound["id"]))["status"] == "open"
    assert (await alice.get(f"orders/{broken['id']}")).json()["status"] == "untriggered"
    assert (await bob.place(market, "buy 1 YES @ 0.10")).status_code == 201
    assert (await alice.cancel(broken["id"])).status_code == 200


def fail_to_fire(monkeypatch, order_id, *, gives_up=False):
    """Let the engine have a bug that only this order meets, also when it `gives_up`."""
    fire_as_ever = engine._DECISIONS[Fire]

    def fail(market, fire):
        if fire.order_id == order_id and (gives_up or not fire.gives_up):
            raise ZeroDivisionError("a bug")
        fire_as_ever(market, fire)

    monkeypatch.setitem(engine._DECISIONS, Fire, fail)


async def wait_until_fired(caller, order_id):
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            shown = (await caller.get(f"orders/{order_id}")).json()
            if shown["status"] != "untriggered":
                return shown
            await asyncio.sleep(0.02)
