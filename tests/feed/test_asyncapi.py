"""The AsyncAPI document against real messages: each that is sent or received is as it says, and
each that it describes is really sent or received.
"""

import json
import re
from collections.abc import AsyncIterator
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from markets.models import Market
from predex.api_pages import get_feed_schema
from tests.api.exchange import Caller, ExchangeInside, order, run_exchange
from tests.feed.conftest import Client, Site
from trading.api.asyncapi import ANSWERS, REPLIES
from trading.engine.types import MarketStatus

DOCUMENT: dict[str, Any] = json.loads(get_feed_schema().as_json)


@cache
def find_validator(name: str) -> Draft202012Validator:
    """Return what a message is held against: in the tests it has no field that is not named."""
    schemas = {key: forbid_more(value) for key, value in DOCUMENT["components"]["schemas"].items()}
    payload = DOCUMENT["components"]["messages"][name]["payload"]
    return Draft202012Validator({**payload, "components": {"schemas": schemas}})


def forbid_more(schema: Any) -> Any:
    if isinstance(schema, list):
        return [forbid_more(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: forbid_more(value) for name, value in schema.items()}
    has_fields = schema.get("type") == "object" and isinstance(schema.get("properties"), dict)
    return {"additionalProperties": False, **closed} if has_fields else closed


class Recorder:
    """A client whose messages and frames are held against the document and remembered."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.seen: set[str] = set()
        self.place = ""
        """The first one of the account's stream."""

    async def say(self, op: str, **message: Any) -> None:
        self._check(f"op.{op}", {"op": op, **message})
        await self.client.send(op, **message)

    async def hear(self, *types: str) -> dict[str, Any]:
        """Return the first frame of the last of these types, once all of them have come."""
        missing = set(types)
        while True:
            frame = await self.client.receive_whole()
            is_answer = frame["type"] == "answer"
            name = f"answer.{frame['op']}" if is_answer else f"type.{frame['type']}"
            self._check(name, frame)
            self.place = self.place or frame.get("resume", "")
            missing.discard(frame["type"])
            if not missing:
                return frame

    async def ask(self, op: str, **message: Any) -> dict[str, Any]:
        await self.say(op, id=op, **message)
        while True:
            frame = await self.hear("answer")
            if frame["id"] == op:
                return frame

    def _check(self, name: str, message: dict[str, Any]) -> None:
        faults = find_validator(name).iter_errors(message)
        shown = [f"{fault.json_path}: {fault.message}" for fault in faults]
        assert not shown, (name, shown[:3], message)
        self.seen.add(name)


@pytest.fixture
async def exchange(site: Site) -> AsyncIterator[ExchangeInside]:
    async with run_exchange("key") as exchange:
        yield exchange


@pytest.mark.django_db(transaction=True)
async def test_every_message_is_as_described_and_every_one_described_is_seen(
    site: Site, exchange: ExchangeInside
) -> None:
    market = await exchange.open_market()
    several = await exchange.open_market(outcomes=3, matches_across_outcomes=True)
    alice, bob = await exchange.join(), await exchange.join()
    recorder = Recorder(await site.connect())
    await follow(recorder, alice, market, several)
    await enter_orders(recorder, bob, market)
    await bob.placed(several, "buy 1 O1 @ 0.20")
    await recorder.hear("ticker")
    await exchange.configure(market, MarketStatus.HALTED)
    await recorder.hear("lifecycle")
    await recorder.say("subscribe", channels=["book"], markets=["no-such-market"])
    await recorder.hear("error")
    await recorder.say("unsubscribe", id=9, channels=["trades"], markets=[market.slug])
    await recorder.hear("unsubscribed")
    await resume(recorder, await site.connect(), alice)
    assert recorder.seen == DOCUMENT["components"]["messages"].keys()


async def follow(recorder: Recorder, alice: Caller, market: Market, several: Market) -> None:
    await recorder.say("auth", id=1, key=alice.http.headers["x-api-key"])
    await recorder.say("subscribe", id=2, channels=["ticker", "lifecycle"], markets="all")
    named = ["book", "trades", "ticker", "lifecycle"]
    await recorder.say("subscribe", id=3, channels=named, markets=[market.slug, several.slug])
    await recorder.say("subscribe", channels=["me"])
    await recorder.say("cancel_on_disconnect", id="c", enabled=True)
    await recorder.say("ping", id="p")
    await recorder.hear(
        "authenticated", "subscribed", "exchange", "book_snapshot", "trades_snapshot",
        "ticker_snapshot", "lifecycle_snapshot", "me_snapshot", "cancel_on_disconnect", "pong",
        "heartbeat",
    )  # fmt: skip


async def enter_orders(recorder: Recorder, bob: Caller, market: Market) -> None:
    """Have every operation answered, with orders that have all there is to have."""
    await bob.placed(market, "sell 10 YES @ 0.50")
    legs = {"take_profit": {"price": "0.70"}, "stop_loss": {"price": "0.20", "limit": "0.10"}}
    bought = order(market, "buy 10 YES @ 0.50", client_order_id="mine", **legs)
    await recorder.ask("preview", body=bought)
    filled = await recorder.ask("place", body=bought)
    assert filled["body"]["trades"]
    assert filled["body"]["legs"]
    body = order(market, "buy 5 YES @ 0.30", expires_at="2099-01-01T00:00:00Z", time_in_force="gtd")
    resting = (await recorder.ask("place", body=body))["body"]["id"]
    await recorder.ask("amend", order_id=resting, body={"price": "0.31"}, idempotency_key="k")
    trigger = {"kind": "trailing_stop", "trail": "0.10"}
    waiting = order(market, "sell 1 YES", trigger=trigger, reduce_only=True)
    await recorder.ask(
        "place_batch", body={"orders": [waiting, order(market, "buy 1 YES @ 0.303")]}
    )
    await recorder.ask("cancel", order_id=resting)
    await recorder.ask("cancel_all", market=market.slug)
    await recorder.ask("protect", body={"market": market.slug, "take_profit": {"price": "0.90"}})
    await bob.placed(market, "buy 10 YES @ 0.45")
    await recorder.ask("close_positions", body={"market": market.slug})
    await recorder.hear("trades", "book", "ticker", "me")


async def resume(recorder: Recorder, client: Client, alice: Caller) -> None:
    recorder.client = client
    await recorder.say("auth", key=alice.http.headers["x-api-key"])
    await recorder.say("subscribe", channels=["me"], resume=recorder.place)
    missed = (await recorder.hear("me_snapshot"))["missed"]
    assert missed["orders"]
    assert missed["fills"]


def test_the_document_is_whole() -> None:
    """Each reference leads somewhere; each message is in an operation, and each has its answer."""
    text = json.dumps(DOCUMENT)
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', text)):
        found: Any = DOCUMENT
        for part in reference.split("/"):
            found = found[part]
    used = {
        reference["$ref"].rpartition("/")[2]
        for operation in DOCUMENT["operations"].values()
        for reference in [*operation["messages"], *operation.get("reply", {}).get("messages", ())]
    }
    assert used == DOCUMENT["channels"]["feed"]["messages"].keys()
    assert REPLIES.keys() >= ANSWERS.keys()


def test_it_is_served_as_json_and_as_yaml(client, db) -> None:
    answer = client.get("/api/asyncapi/", headers={"Accept": "application/json"})
    assert json.loads(answer.content)["asyncapi"] == "3.0.0"
    assert answer.content == client.get("/api/asyncapi/?format=json").content
    assert client.get("/api/asyncapi/").content.startswith(b"asyncapi: 3.0.0")
    assert client.post("/api/asyncapi/").status_code == 405
