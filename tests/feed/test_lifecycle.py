"""Status changes of markets, one frame each, from any writer; and the meaning of "all"."""

import asyncio
from typing import Any

import pytest

from markets.lifecycle import record_status
from markets.models import Exchange, Group, GroupMember, Market
from tests.feed.conftest import Client, Floor, Site
from tests.trading.world import buy, make_market
from trading.engine.types import MarketStatus
from trading.feed.tasks import in_thread

pytestmark = pytest.mark.django_db(transaction=True)


async def get_markets(client: Client, type_: str, count: int) -> set[str]:
    return {(await client.get(type_))["market"] for _ in range(count)}


async def test_a_follower_gets_the_state_of_the_market(site: Site, floor: Floor) -> None:
    await floor.open()
    client = await site.connect()
    await client.subscribe("lifecycle", markets=[floor.market.slug])
    snapshot = await client.get("lifecycle_snapshot")
    assert (snapshot["status"], snapshot["tick"], snapshot["lot_step"]) == (
        "open", "0.0100", "1.00",
    )  # fmt: skip
    assert snapshot["payouts"] is None
    assert snapshot["close_at"].endswith("Z")


async def test_each_change_of_status_is_a_frame_of_its_own(site: Site, floor: Floor) -> None:
    await floor.open()
    client = await site.connect()
    await client.subscribe("lifecycle", markets=[floor.market.slug])
    seq = (await client.get("lifecycle_snapshot"))["seq"]
    for status in (MarketStatus.HALTED, MarketStatus.OPEN, MarketStatus.HALTED):
        await floor.configure(status)
    sent = []
    for _ in range(3):
        frame = await client.get("lifecycle")
        assert frame["prev_seq"] == seq
        seq = frame["seq"]
        sent.append((frame["from_status"], frame["status"]))
    assert sent == [("open", "halted"), ("halted", "open"), ("open", "halted")]


async def test_new_terms_in_the_same_status_are_sent(site: Site, floor: Floor) -> None:
    await floor.open()
    await floor.configure(MarketStatus.HALTED)
    client = await site.connect()
    await client.subscribe("lifecycle", markets=[floor.market.slug])
    await client.get("lifecycle_snapshot")
    floor.market.tick_pips = 50
    await floor.configure(MarketStatus.HALTED)
    frame = await client.get("lifecycle")
    assert (frame["from_status"], frame["status"], frame["tick"]) == ("halted", "halted", "0.0050")
    assert await client.hears_nothing()


@pytest.mark.alone
async def test_a_change_that_no_engine_made_is_sent_within_two_seconds(
    site: Site, floor: Floor
) -> None:
    await floor.open()
    await floor.configure(MarketStatus.CLOSED)
    client = await site.connect()
    await client.subscribe("lifecycle", markets=[floor.market.slug])
    assert (await client.get("lifecycle_snapshot"))["status"] == "closed"
    await in_thread(resolve, floor.market)
    async with asyncio.timeout(2.5):
        frame = await client.get("lifecycle")
    assert (frame["status"], frame["reason"]) == ("resolving", "it happened")


def resolve(market: Market) -> None:
    record_status(market, "resolving", by=None, reason="it happened")


def settle(market: Market) -> None:
    market.outcomes.filter(index=0).update(payout_pips=10_000)
    market.outcomes.filter(index=1).update(payout_pips=0)
    record_status(market, "resolving", by=None)
    record_status(market, "settled", by=None)


async def test_the_result_is_sent_with_each_outcomes_payout(site: Site, floor: Floor) -> None:
    await floor.open()
    await floor.configure(MarketStatus.CLOSED)
    one, everything = await site.connect(), await site.connect()
    await one.subscribe("lifecycle", markets=[floor.market.slug])
    await everything.subscribe("lifecycle", markets="all")
    await one.get("lifecycle_snapshot")
    await everything.get("lifecycle_snapshot")
    await in_thread(settle, floor.market)
    for client in (one, everything):
        assert (await client.get("lifecycle"))["status"] == "resolving"
        frame = await client.get("lifecycle")
        assert frame["status"] == "settled"
        assert frame["payouts"] == {"YES": "1.0000", "NO": "0.0000"}


async def test_all_means_every_listed_market_and_new_ones_as_they_open(
    site: Site, floor: Floor
) -> None:
    other = await in_thread(make_market)
    await floor.open()
    client = await site.connect()
    await client.subscribe("ticker", "lifecycle", markets="all")
    assert await get_markets(client, "ticker_snapshot", 1) == {floor.market.slug}
    await floor.open(other)
    while (frame := await client.receive())["type"] != "ticker_snapshot":
        pass
    assert frame["market"] == other.slug
    await floor.run(buy(other, floor.alice, 40, 100), buy(floor.market, floor.alice, 30, 100))
    assert await get_markets(client, "ticker", 2) == {floor.market.slug, other.slug}


async def test_followers_of_all_markets_never_get_hidden_ones(
    site: Site, floor: Floor, make_key
) -> None:
    unlisted, group_market = await in_thread(make_hidden, floor)
    for market in (floor.market, unlisted, group_market):
        await floor.open(market)
    stranger, member = await site.connect(), await site.connect()
    _, secret = await make_key(floor.alice)
    await member.send("auth", key=secret)
    for client in (stranger, member):
        await client.subscribe("ticker", markets="all")
    assert await get_markets(stranger, "ticker_snapshot", 1) == {floor.market.slug}
    seen = await get_markets(member, "ticker_snapshot", 2)
    assert seen == {floor.market.slug, group_market.slug}
    await floor.run(
        *(buy(market, floor.bob, 40, 100) for market in (floor.market, unlisted, group_market))
    )
    assert await get_markets(stranger, "ticker", 1) == {floor.market.slug}
    assert await get_markets(member, "ticker", 2) == seen
    assert await stranger.hears_nothing()
    assert await member.hears_nothing()


def make_hidden(floor: Floor) -> tuple[Market, Market]:
    group = Group.objects.create(slug="friends", name="Friends")
    GroupMember.objects.create(group=group, user=floor.users["alice"])
    unlisted, hidden = make_market(), make_market()
    Market.objects.filter(pk=unlisted.pk).update(visibility="unlisted")
    Market.objects.filter(pk=hidden.pk).update(visibility="group", group=group)
    for market in (unlisted, hidden):
        market.refresh_from_db()
    return unlisted, hidden


async def test_an_unlisted_market_is_followed_by_who_knows_its_name(
    site: Site, floor: Floor
) -> None:
    unlisted, _ = await in_thread(make_hidden, floor)
    await floor.open(unlisted)
    client = await site.connect()
    await client.subscribe("book", markets=[unlisted.slug])
    assert (await client.get("book_snapshot"))["market"] == unlisted.slug


async def test_who_leaves_a_group_loses_its_markets_within_seconds(
    site: Site, floor: Floor, make_key, monkeypatch
) -> None:
    monkeypatch.setattr("trading.feed.hub.REVIEW_SECONDS", 0.2)
    _, market = await in_thread(make_hidden, floor)
    await floor.open(market)
    await floor.open()
    _, secret = await make_key(floor.alice)
    client = await site.connect()
    await client.send("auth", key=secret)
    await client.subscribe("book", "trades", markets=[market.slug])
    await client.subscribe("book", markets=[floor.market.slug])
    await client.get("book_snapshot")
    await in_thread(GroupMember.objects.all().delete)
    frame = await client.get("unsubscribed")
    assert (frame["markets"], frame["channels"]) == ([market.slug], ["book", "trades"])
    await floor.run(buy(market, floor.bob, 40, 100), buy(floor.market, floor.bob, 30, 100))
    assert (await client.get("book"))["market"] == floor.market.slug
    assert await client.hears_nothing()


async def test_a_market_hidden_from_the_public_is_taken_from_strangers(
    site: Site, floor: Floor, monkeypatch
) -> None:
    monkeypatch.setattr("trading.feed.hub.REVIEW_SECONDS", 0.2)
    monkeypatch.setattr("trading.feed.audience.FRESH_SECONDS", 0.1)
    await floor.open()
    client = await site.connect()
    await client.subscribe("ticker", markets="all")
    await client.get("ticker_snapshot")
    group = await in_thread(Group.objects.create, slug="friends", name="Friends")
    change = {"visibility": "group", "group": group}
    await in_thread(Market.objects.filter(pk=floor.market.pk).update, **change)
    await asyncio.sleep(0.6)
    await floor.run(buy(floor.market, floor.bob, 40, 100))
    assert await client.hears_nothing()


async def test_the_state_of_the_exchange_is_sent_to_followers_of_all(
    site: Site, floor: Floor
) -> None:
    await floor.open()
    client = await site.connect()
    await client.subscribe("lifecycle", markets="all")
    frame = await client.get("exchange")
    assert not frame["trading_halted"]
    await in_thread(set_exchange, trading_halted=True, announcement="Back at noon.")
    frame = await client.get("exchange")
    assert frame["trading_halted"]
    assert frame["announcement"] == "Back at noon."


async def test_every_connection_gets_the_state_of_the_exchange_with_heartbeats(
    site: Site, floor: Floor
) -> None:
    await floor.open()
    client = await site.connect()
    await client.subscribe("book", markets=[floor.market.slug])
    heartbeat = await client.get("heartbeat")
    assert heartbeat["exchange"] == {
        "trading_halted": False, "maintenance": False, "announcement": "",
    }  # fmt: skip
    await in_thread(set_exchange, maintenance=True, announcement="Back at noon.")
    while not heartbeat["exchange"]["maintenance"]:
        heartbeat = await client.get("heartbeat")
    assert heartbeat["exchange"]["announcement"] == "Back at noon."


def set_exchange(**fields: Any) -> None:
    Exchange.objects.update_or_create(pk=1, defaults=fields)


async def test_a_follower_of_one_and_of_all_gets_each_frame_once(site: Site, floor: Floor) -> None:
    await floor.open()
    client = await site.connect()
    await client.subscribe("ticker", markets="all")
    await client.subscribe("ticker", markets=[floor.market.slug])
    await client.get("ticker_snapshot")
    await floor.run(buy(floor.market, floor.bob, 40, 100))
    await client.get("ticker")
    assert await client.hears_nothing(but=("heartbeat", "ticker_snapshot"))
    await client.send("unsubscribe", channels=["ticker"], markets=[floor.market.slug])
    await floor.run(buy(floor.market, floor.bob, 41, 100))
    await client.get("ticker")
    await client.send("unsubscribe", channels=["ticker"], markets="all")
    await client.get("unsubscribed")
    await floor.run(buy(floor.market, floor.bob, 42, 100))
    assert await client.hears_nothing()


async def test_a_draft_is_followed_by_its_creator_alone(site: Site, floor: Floor, make_key) -> None:
    draft = await in_thread(make_market)
    creator = await in_thread(lambda: draft.creator.accounts.get())
    _, secret = await make_key(creator)
    client, stranger = await site.connect(), await site.connect()
    await client.send("auth", key=secret)
    await client.subscribe("lifecycle", "book", markets=[draft.slug])
    assert (await client.get("book_snapshot"))["seq"] == 0
    await stranger.send("subscribe", channels=["book"], markets=[draft.slug])
    assert (await stranger.get_error())["code"] == "not_found"
    await floor.open(draft)
    assert (await client.get("lifecycle"))["status"] == "open"
