"""Messages right and wrong: everything wrong gets one error frame and changes nothing."""

import asyncio
import contextlib
import json
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from kernel.clock import format_time, now_us
from tests.feed.conftest import Client, Floor, Site
from tests.trading.world import make_market
from trading.feed.consumers import SERVER_MESSAGE_BYTES_MAX
from trading.feed.requests import MARKETS_A_MESSAGE_MAX, MESSAGE_BYTES_MAX
from trading.feed.tasks import in_thread

pytestmark = pytest.mark.django_db(transaction=True)

BAD = [
    ("", "bad_json", None),
    ("{", "bad_json", None),
    ("nul", "bad_json", None),
    ("\x00", "bad_json", None),
    ('{"op": "ping", "id": NaN}', "bad_json", None),
    ('{"op": "ping", "id": "\\ud800"}', "bad_json", None),
    ("[" * 10_000, "wrong_type", None),
    ('{"id":' * 2_000, "bad_json", None),
    ("null", "wrong_type", None),
    ("[]", "wrong_type", None),
    ('"ping"', "wrong_type", None),
    ("{}", "missing_field", "op"),
    ('{"op": "trade"}', "invalid_value", "op"),
    ('{"op": 5}', "wrong_type", "op"),
    ('{"op": "ping", "extra": 1}', "unknown_field", "extra"),
    ('{"op": "ping", "id": 1.5}', "wrong_type", "id"),
    ('{"op": "ping", "id": -1}', "wrong_type", "id"),
    ('{"op": "ping", "id": {}}', "wrong_type", "id"),
    ('{"op": "ping", "id": 10000000000000000000}', "wrong_type", "id"),
    ('{"op": "ping", "id": "%s"}' % ("x" * 65), "too_long", "id"),
    ('{"op": "subscribe"}', "missing_field", "channels"),
    ('{"op": "subscribe", "channels": []}', "too_short", "channels"),
    ('{"op": "subscribe", "channels": "book"}', "wrong_type", "channels"),
    ('{"op": "subscribe", "channels": ["orders"]}', "invalid_choice", "channels.0"),
    ('{"op": "subscribe", "channels": [null]}', "wrong_type", "channels.0"),
    ('{"op": "subscribe", "channels": ["book"]}', "missing_field", "markets"),
    ('{"op": "subscribe", "channels": ["book"], "markets": []}', "too_short", "markets"),
    ('{"op": "subscribe", "channels": ["book"], "markets": "all"}', "invalid_choice", "markets"),
    ('{"op": "subscribe", "channels": ["ticker"], "markets": "some"}', "invalid_choice", "markets"),
    ('{"op": "subscribe", "channels": ["book"], "markets": [7]}', "wrong_type", "markets.0"),
    ('{"op": "subscribe", "channels": ["book"], "markets": ["no-such"]}', "not_found", "markets.0"),
    ('{"op": "subscribe", "channels": ["book"], "markets": ["' + "x" * 81 + '"]}', "too_long",
     "markets.0"),
    ('{"op": "subscribe", "channels": ["book"], "markets": ["\' OR 1=1"]}', "not_found",
     "markets.0"),
    ('{"op": "subscribe", "channels": ["book"], "markets": ["\\u0000"]}', "not_found", "markets.0"),
    ('{"op": "subscribe", "channels": ["me"], "markets": ["m"]}', "invalid_value", "markets"),
    ('{"op": "subscribe", "channels": ["me"], "markets": "all"}', "invalid_value", "markets"),
    ('{"op": "subscribe", "channels": ["ticker"], "markets": "all", "since_seq": 1}',
     "invalid_value", "since_seq"),
    ('{"op": "subscribe", "channels": ["book"], "markets": ["m", "n"], "since_seq": 1}',
     "invalid_value", "since_seq"),
    ('{"op": "subscribe", "channels": ["book"], "markets": ["m"], "since_seq": -1}', "wrong_type",
     "since_seq"),
    ('{"op": "subscribe", "channels": ["book"], "markets": ["m"], "since_seq": "1"}', "wrong_type",
     "since_seq"),
    ('{"op": "subscribe", "channels": ["book"], "markets": ["m"], "since_seq": 1e3}', "wrong_type",
     "since_seq"),
    ('{"op": "unsubscribe", "channels": ["book"]}', "missing_field", "markets"),
    ('{"op": "unsubscribe", "channels": ["book"], "markets": "all"}', "invalid_choice", "markets"),
    ('{"op": "auth", "key": 5}', "wrong_type", "key"),
    ('{"op": "auth", "key": ""}', "too_short", "key"),
    ('{"op": "auth", "password": "x"}', "unknown_field", "password"),
]  # fmt: skip


async def test_each_bad_message_gets_its_error_and_the_socket_goes_on(
    site: Site, floor: Floor, monkeypatch
) -> None:
    monkeypatch.setattr("trading.feed.socket.MESSAGES_BURST", 1_000)
    client = await site.connect()
    for message, code, field in BAD:
        await client.send_raw(message)
        fault = await client.get_error()
        assert (fault["code"], fault["field"]) == (code, field), message[:80]
        assert fault["message"]
        assert len(fault["request_id"]) == 32
    await client.send("ping", id="still here")
    assert (await client.get("pong"))["id"] == "still here"
    assert not site.hub.markets.feeds


async def test_the_error_names_the_message_it_is_about(site: Site, floor: Floor) -> None:
    client = await site.connect()
    for request_id in (7, "seven"):
        await client.send("subscribe", id=request_id, channels=["nothing"])
        assert (await client.get_error())["id"] == request_id
    await client.send("nothing", id={"a": 1})
    assert (await client.get_error())["id"] is None


async def test_an_invisible_market_is_answered_as_an_unknown_one(site: Site, floor: Floor) -> None:
    draft = await in_thread(make_market)
    client = await site.connect()
    answers = []
    for slug in (draft.slug, "no-such-market"):
        await client.send("subscribe", channels=["book"], markets=[slug])
        fault = await client.get_error()
        answers.append({**fault, "ts": None})
    assert answers[0] == answers[1]


async def test_one_unknown_market_among_others_subscribes_to_none(site: Site, floor: Floor) -> None:
    await floor.open()
    client = await site.connect()
    markets = [floor.market.slug, "no-such-market"]
    await client.send("subscribe", channels=["book"], markets=markets)
    assert (await client.get_error())["field"] == "markets.1"
    assert await client.hears_nothing()


async def test_binary_messages_are_refused(site: Site, floor: Floor) -> None:
    client = await site.connect()
    await client.send_raw(b'{"op": "ping"}')
    assert (await client.get_error())["code"] == "bad_json"


async def test_a_message_over_the_limit_is_refused_a_huge_one_ends_the_socket(
    site: Site, floor: Floor
) -> None:
    client = await site.connect()
    for size in (MESSAGE_BYTES_MAX + 1, 120_000):
        await client.send_raw("x" * size)
        assert (await client.get_error())["code"] == "message_too_large"
    await client.send("ping")
    await client.get("pong")
    await client.send_raw('{"op": "ping", "id": "' + "x" * SERVER_MESSAGE_BYTES_MAX + '"}')
    code, _ = await client.wait_closed()
    assert code == 1009


async def test_too_many_messages_a_second_are_refused_and_then_end_the_socket(
    site: Site, floor: Floor, monkeypatch
) -> None:
    monkeypatch.setattr("trading.feed.socket.MESSAGES_BURST", 5)
    monkeypatch.setattr("trading.feed.socket.MESSAGES_PER_SECOND", 100.0)
    monkeypatch.setattr("trading.feed.socket.STRIKES_MAX", 10)
    client = await site.connect()
    flooding = asyncio.create_task(flood(client))
    assert await client.wait_closed() == (4429, "too_many_requests")
    flooding.cancel()


async def flood(client: Client) -> None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            await client.send("ping")
            await asyncio.sleep(0)  # client and server share this loop


async def test_a_steady_pace_under_the_limit_is_never_refused(
    site: Site, floor: Floor, monkeypatch
) -> None:
    monkeypatch.setattr("trading.feed.socket.MESSAGES_BURST", 5)
    client = await site.connect()
    for number in range(20):
        await client.send("ping", id=number)
        assert (await client.get("pong"))["id"] == number
        await asyncio.sleep(0.06)


async def test_subscriptions_are_counted(site: Site, floor: Floor, monkeypatch) -> None:
    monkeypatch.setattr("trading.feed.socket.SUBSCRIPTIONS_MAX", 4)
    await floor.open()
    other = await in_thread(make_market)
    await floor.open(other)
    client = await site.connect()
    await client.subscribe("book", "trades", "ticker", markets=[floor.market.slug])
    await client.subscribe("book", "trades", "ticker", markets=[floor.market.slug])
    await client.send("subscribe", channels=["book", "trades"], markets=[other.slug])
    assert (await client.get_error())["code"] == "too_many_subscriptions"
    await client.subscribe("book", markets=[other.slug])
    await client.send("subscribe", channels=["ticker"], markets="all")
    assert (await client.get_error())["code"] == "too_many_subscriptions"
    await client.send("unsubscribe", channels=["trades"], markets=[floor.market.slug])
    await client.subscribe("ticker", markets="all")


async def test_a_message_names_at_most_so_many_markets(site: Site, floor: Floor) -> None:
    client = await site.connect()
    markets = ["m"] * (MARKETS_A_MESSAGE_MAX + 1)
    await client.send("subscribe", channels=["book"], markets=markets)
    assert (await client.get_error())["code"] == "too_long"


async def test_repeated_channels_and_markets_count_once(site: Site, floor: Floor) -> None:
    await floor.open()
    client = await site.connect()
    slug = floor.market.slug
    await client.send("subscribe", channels=["book", "book"], markets=[slug, slug])
    assert (await client.get("subscribed"))["channels"] == ["book"]
    await client.get("book_snapshot")
    assert await client.hears_nothing()


async def test_unsubscribing_from_what_is_not_followed_is_fine(site: Site, floor: Floor) -> None:
    client = await site.connect()
    messages: list[dict[str, Any]] = [
        {"channels": ["book", "trades"], "markets": ["never-heard-of"]},
        {"channels": ["ticker"], "markets": "all"},
        {"channels": ["me"]},
    ]
    for message in messages:
        await client.send("unsubscribe", **message)
        await client.get("unsubscribed")


async def test_a_fault_of_ours_is_an_error_frame_without_a_trace(
    site: Site, floor: Floor, monkeypatch
) -> None:
    async def fail(*_: Any) -> None:
        raise ZeroDivisionError("a secret of the code")

    monkeypatch.setattr("trading.feed.socket.get_instrument", fail)
    client = await site.connect()
    await client.send("subscribe", channels=["book"], markets=["m"])
    fault = await client.get_error()
    assert fault["code"] == "internal_error"
    assert "secret" not in json.dumps(fault)
    await client.send("ping")
    await client.get("pong")


async def test_every_frame_says_when_it_was_sent(site: Site) -> None:
    client = await site.connect()
    before = format_time(now_us())
    for number in range(5):
        await client.send("ping", id=number)
    times = [(await client.receive_whole())["sent_at"] for _ in range(5)]
    in_order = [before, *times, format_time(now_us())]
    assert in_order == sorted(in_order)
