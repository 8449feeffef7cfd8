"""The socket `/trade-api/ws/v2` of the running program, read by programs that sign themselves."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.compat.conftest import Site
from tests.compat.kalshi import Program, Town
from tests.patience import PATIENCE_SECONDS

WS_PATH = "/trade-api/ws/v2"

FIELDS: dict[str, str] = {
    "orderbook_snapshot": "market_ticker market_id yes_dollars_fp no_dollars_fp yes no",
    "orderbook_delta": "market_ticker market_id price_dollars delta_fp side ts_ms ts price delta",
    "ticker": "market_id market_ticker price_dollars yes_bid_dollars yes_ask_dollars volume_fp "
    "open_interest_fp dollar_volume dollar_open_interest yes_bid_size_fp yes_ask_size_fp "
    "last_trade_size_fp ts ts_ms time",
    "trade": "trade_id market_ticker yes_price_dollars no_price_dollars count_fp taker_side "
    "taker_outcome_side taker_book_side is_block_trade ts ts_ms",
    "fill": "trade_id order_id client_order_id market_ticker exchange_index is_taker side action "
    "outcome_side book_side purchased_side yes_price_dollars count_fp fee_cost post_position_fp "
    "ts ts_ms subaccount",
    "market_position": "user_id market_ticker position_fp position_cost_dollars "
    "realized_pnl_dollars fees_paid_dollars position_fee_cost_dollars volume_fp subaccount",
    "user_order": "order_id user_id ticker exchange_index status side is_yes outcome_side "
    "book_side yes_price_dollars fill_count_fp remaining_count_fp initial_count_fp "
    "taker_fill_cost_dollars maker_fill_cost_dollars taker_fees_dollars maker_fees_dollars "
    "client_order_id created_time created_ts_ms order_group_id self_trade_prevention_type "
    "expiration_ts_ms last_updated_ts_ms subaccount_number",
    "order_group_updates": "event_type order_group_id contracts_limit_fp ts_ms",
    "event_lifecycle": "event_ticker exchange_index title subtitle collateral_return_type "
    "series_ticker strike_date strike_period",
}
"""What a message of each type has."""
NUMBERED = {"orderbook_snapshot", "orderbook_delta", "trade", "market_lifecycle_v2",
            "event_lifecycle", "order_group_updates"}  # fmt: skip


@pytest.fixture(scope="module")
def town(site: Site) -> Town:
    return Town(site)


class Listener:
    """One connection, which checks the envelope of all that it reads."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.seqs: dict[int, int] = {}
        self._id = 0
        self._kept: list[dict[str, Any]] = []

    async def send(self, cmd: str, **params: Any) -> int:
        self._id += 1
        await self.connection.send(json.dumps({"id": self._id, "cmd": cmd, "params": params}))
        return self._id

    async def receive(self) -> dict[str, Any]:
        return self._kept.pop(0) if self._kept else await self._receive()

    async def _receive(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            frame: dict[str, Any] = json.loads(await self.connection.recv())
        assert abs(frame["sending_ts_ms"] - time.time() * 1_000) < 60_000
        if frame["type"] in NUMBERED:
            self.seqs[frame["sid"]] = self.seqs.get(frame["sid"], 0) + 1
            assert frame["seq"] == self.seqs[frame["sid"]]
        elif frame["type"] in FIELDS:
            assert "seq" not in frame
        if frame["type"] in FIELDS:
            missing = set(FIELDS[frame["type"]].split()) - frame["msg"].keys()
            assert not missing, (frame["type"], missing)
        return frame

    async def get(self, type_: str, when: Callable[[Any], bool] = bool) -> dict[str, Any]:
        """Return the next frame of this type; others before it are passed over."""
        while True:
            frame = await self.receive()
            if frame["type"] == type_ and when(frame.get("msg") or True):
                return frame
            assert frame["type"] != "error", frame

    async def get_msg(self, type_: str, when: Callable[[Any], bool] = bool) -> dict[str, Any]:
        msg: dict[str, Any] = (await self.get(type_, when))["msg"]
        return msg

    async def subscribe(self, *channels: str, **params: Any) -> list[int]:
        """Return the sids, one per channel; what comes between is kept."""
        command = await self.send("subscribe", channels=list(channels), **params)
        sids: dict[str, int] = {}
        while len(sids) < len(channels):
            frame = await self._receive()
            if frame.get("id") != command:
                self._kept.append(frame)
                continue
            assert frame["type"] == "subscribed", frame
            sids[frame["msg"]["channel"]] = frame["msg"]["sid"]
        assert list(sids) == list(channels)
        return list(sids.values())

    async def refuse(self, cmd: str, **params: Any) -> tuple[int, dict[str, Any]]:
        """Send a command that is refused; return the error's number and the whole message."""
        command = await self.send(cmd, **params)
        while (frame := await self.receive())["type"] != "error":
            pass
        assert frame["id"] == command
        return frame["msg"]["code"], frame["msg"]


@asynccontextmanager
async def listen(town: Town, program: Program | None = None) -> AsyncIterator[Listener]:
    url = f"ws://127.0.0.1:{town.site.exchange.port}{WS_PATH}"
    headers = program.sign("GET", WS_PATH) if program else {}
    async with connect(url, additional_headers=headers) as connection:
        yield Listener(connection)


async def do(function: Callable[..., Any], *arguments: Any, **fields: Any) -> Any:
    return await asyncio.to_thread(function, *arguments, **fields)


class LocalBook:
    """A book as a program keeps it: prices and counts by side."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        self.sides = {
            side: {price: Decimal(count) for price, count in snapshot[f"{side}_dollars_fp"]}
            for side in ("yes", "no")
        }

    def apply(self, delta: dict[str, Any]) -> None:
        levels, price = self.sides[delta["side"]], delta["price_dollars"]
        levels[price] = levels.get(price, Decimal(0)) + Decimal(delta["delta_fp"])
        assert levels[price] >= 0
        if not levels[price]:
            del levels[price]

    def matches(self, shown: dict[str, Any]) -> bool:
        return self.sides == {
            side: {price: Decimal(count) for price, count in shown[f"{side}_dollars"]}
            for side in ("yes", "no")
        }


async def test_a_book_begins_with_a_snapshot_and_is_followed_by_deltas(town: Town):
    ticker = await do(town.open, "Is this book followed?")
    await do(town.alice.place, ticker, "ask 5 @ 0.70")
    async with listen(town) as reader:
        [sid] = await reader.subscribe("orderbook_delta", market_ticker=ticker)
        snapshot = await reader.get("orderbook_snapshot")
        assert (snapshot["sid"], snapshot["seq"]) == (sid, 1)
        assert snapshot["msg"]["no"] == [[30, 5]]
        assert snapshot["msg"]["no_dollars_fp"] == [["0.3000", "5.00"]]
        assert snapshot["msg"]["yes_dollars_fp"] == []
        book = LocalBook(snapshot["msg"])
        for program, text in (
            (town.bob, "bid 4 @ 0.30"), (town.alice, "ask 2 @ 0.70"), (town.bob, "bid 6 @ 0.70"),
        ):  # fmt: skip
            await do(program.place, ticker, text)
        shown = (await do(town.alice.get, f"markets/{ticker}/orderbook"))["orderbook_fp"]
        while not book.matches(shown):
            book.apply(await reader.get_msg("orderbook_delta"))
        assert book.sides == {"yes": {"0.3000": 4}, "no": {"0.3000": 1}}
        await reader.send("update_subscription", sid=sid, action="get_snapshot",
                          market_tickers=[ticker])  # fmt: skip
        answer = await reader.get("ok")
        assert (answer["sid"], answer["seq"]) == (sid, reader.seqs[sid])
        again = await reader.get("orderbook_snapshot")
        assert LocalBook(again["msg"]).sides == book.sides
        await reader.subscribe("orderbook_delta", market_ticker=ticker, use_yes_price=True)
        as_yes = await reader.get_msg("orderbook_snapshot")
        assert as_yes["no_dollars_fp"] == [["0.7000", "1.00"]]


async def test_trades_and_tickers_of_named_markets_and_of_all(town: Town):
    ticker = f"{town.nominee}_ANN"
    async with listen(town) as named, listen(town) as of_all:
        [trades, by_name] = await named.subscribe("trade", "ticker", market_tickers=[ticker],
                                                  send_initial_snapshot=True)  # fmt: skip
        first = await named.get("ticker")
        assert (first["sid"], first["msg"]["market_ticker"]) == (by_name, ticker)
        await named.send("update_subscription", sid=trades, action="get_snapshot",
                         market_tickers=[ticker])  # fmt: skip
        assert (await named.get_msg("error"))["code"] == 13, "trades have no snapshot"
        await of_all.subscribe("trade", "ticker")
        await do(town.alice.place, ticker, "ask 10 @ 0.42")
        asked = await named.get_msg("ticker", lambda msg: msg["yes_ask_dollars"] == "0.4200")
        assert asked["yes_ask_size_fp"] == "10.00"
        await do(town.bob.place, ticker, "bid 3 @ 0.42")
        for reader in (named, of_all):
            trade = await reader.get_msg("trade")
            shown = {name: trade[name] for name in ("market_ticker", "count_fp", "taker_side",
                     "yes_price_dollars", "no_price_dollars", "taker_book_side")}  # fmt: skip
            assert shown == {
                "market_ticker": ticker, "count_fp": "3.00", "taker_side": "yes",
                "yes_price_dollars": "0.4200", "no_price_dollars": "0.5800",
                "taker_book_side": "bid",
            }  # fmt: skip
            got = await reader.get_msg("ticker", lambda msg: msg["open_interest_fp"] == "3.00")
            assert (got["price_dollars"], got["volume_fp"]) == ("0.4200", "3.00")
            assert (got["last_trade_size_fp"], got["dollar_volume"]) == ("3.00", 3)
        market = await do(town.market, ticker)
        command = await named.send("subscribe", channels=["ticker"], market_id=market["market_id"],
                                   send_initial_snapshot=True)  # fmt: skip
        assert (await named.get("subscribed"))["id"] == command
        assert (await named.get_msg("ticker"))["market_ticker"] == ticker


async def test_an_account_hears_of_its_orders_fills_and_positions(town: Town):
    alice, bob = town.alice, town.bob
    ticker, name = await do(town.open_three, "Who fills?") + "_CY", str(uuid.uuid4())
    async with listen(town, alice) as reader, listen(town, bob) as other:
        await reader.subscribe("user_orders", "fill", "market_positions")
        await other.subscribe("fill", market_tickers=[town.binary])
        placed = await do(alice.place, ticker, "ask 10 @ 0.90", client_order_id=name)
        order = await reader.get_msg("user_order")
        assert (order["order_id"], order["client_order_id"]) == (placed["order_id"], name)
        shown = (order["status"], order["book_side"], order["outcome_side"], order["is_yes"])
        assert shown == ("resting", "ask", "no", True)
        await do(bob.place, ticker, "bid 4 @ 0.90")
        order = await reader.get_msg("user_order")
        assert (order["fill_count_fp"], order["remaining_count_fp"]) == ("4.00", "6.00")
        assert order["maker_fill_cost_dollars"] == "0.4000"
        fill = await reader.get_msg("fill")
        assert (fill["order_id"], fill["is_taker"]) == (placed["order_id"], False)
        assert (fill["yes_price_dollars"], fill["purchased_side"]) == ("0.9000", "no")
        assert fill["post_position_fp"] == "-4.00"
        position = await reader.get_msg("market_position")
        assert (position["market_ticker"], position["position_fp"]) == (ticker, "-4.00")
        rest = (await do(alice.get, "portfolio/positions", ticker=ticker))["market_positions"][0]
        assert position["fees_paid_dollars"] == rest["fees_paid_dollars"]
        assert position["position_cost_dollars"] == rest["market_exposure_dollars"]
        await do(alice.call, "DELETE", f"portfolio/events/orders/{placed['order_id']}")
        order = await reader.get_msg("user_order")
        assert (order["status"], order["remaining_count_fp"]) == ("canceled", "0.00")
        await other.send("list_subscriptions")
        assert (await other.receive())["type"] == "ok"  # and no fill of another market


async def test_a_key_of_a_sub_account_hears_of_that_one_by_its_number(town: Town):
    owner = await do(Program, town.site, town.site.world.traders[2].handle)
    ticker = await do(town.open, "Who has a second account?")
    number = (await do(owner.call, "POST", "portfolio/subaccounts"))["subaccount_number"]
    moved = {"from_subaccount": 0, "to_subaccount": number, "amount_cents": 1_000}
    moved["client_transfer_id"] = str(uuid.uuid4())
    await do(owner.call, "POST", "portfolio/subaccounts/transfer", moved, expect=200)
    wanted = {"name": "of the second", "subaccount": number}
    made = await do(owner.call, "POST", "api_keys/generate", wanted)
    program = await do(Program.of_key, town.site, made["api_key_id"], made["private_key"])
    async with listen(town, program) as reader:
        await reader.subscribe("user_orders", "fill", "market_positions")
        await do(owner.place, ticker, "ask 1 @ 0.90")  # of the main account
        await do(program.place, ticker, "bid 2 @ 0.40")
        order = await reader.get_msg("user_order")
        assert (order["yes_price_dollars"], order["subaccount_number"]) == ("0.4000", number)
        await do(town.bob.place, ticker, "ask 2 @ 0.40")
        assert (await reader.get_msg("fill"))["subaccount"] == number
        assert (await reader.get_msg("market_position"))["subaccount"] == number


async def test_a_halt_cancels_the_orders_that_asked_for_it(town: Town):
    ticker, alice = await do(town.open, "Is this one halted?"), town.alice
    async with listen(town, alice) as reader:
        await reader.subscribe("user_orders", market_tickers=[ticker])
        kept = await do(alice.place, ticker, "bid 1 @ 0.30")
        gone = await do(alice.place, ticker, "bid 1 @ 0.31", cancel_order_on_pause=True)
        assert (await do(alice.order, gone["order_id"]))["cancel_order_on_pause"] is True
        reason = {"reason": "a storm"}
        await do(town.operator.call, "POST", f"markets/{ticker.lower()}/halt", reason)
        ended = await reader.get_msg("user_order", lambda msg: msg["status"] == "canceled")
        assert (ended["order_id"], ended["last_update_reason"]) == (gone["order_id"], "HaltCancel")
        left = await do(alice.get, "portfolio/orders", ticker=ticker, status="resting")
        assert [order["order_id"] for order in left["orders"]] == [kept["order_id"]]


async def test_a_socket_follows_so_many_books_and_takes_so_many_commands(town: Town):
    async with listen(town) as reader:
        for _ in range(50):  # each command is of ten subscriptions
            tickers = [f"{town.nominee}_{code}" for code in ("ANN", "BO", "CY")]
            params = {"channels": ["trade", "ticker", "market_lifecycle_v2"]}
            await reader.send("subscribe", **params, market_tickers=[town.binary, *tickers])
        counts = {"subscribed": 0, "error": 0}
        while counts["subscribed"] < 41 * 3 or counts["error"] < 9:
            frame = await reader.receive()
            counts[frame["type"]] += 1
            if frame["type"] == "error":
                assert frame["msg"]["code"] == 26
        for _ in range(60):
            await reader.send("list_subscriptions")
        while (frame := await reader.receive())["type"] != "error":
            pass
        assert frame["msg"]["code"] == 27


async def test_a_groups_life_is_heard(town: Town):
    alice = town.alice
    async with listen(town, alice) as reader:
        await reader.subscribe("order_group_updates")
        group = (await do(alice.call, "POST", "portfolio/order_groups/create",
                          {"contracts_limit": 5}))["order_group_id"]  # fmt: skip
        own = f"portfolio/order_groups/{group}"
        for method, path, body, event in (
            ("", "", None, "created"),
            ("PUT", f"{own}/limit", {"contracts_limit": 7}, "limit_updated"),
            ("PUT", f"{own}/trigger", {}, "triggered"),
            ("PUT", f"{own}/reset", {}, "reset"),
            ("DELETE", own, None, "deleted"),
        ):
            if method:
                await do(alice.call, method, path, body)
            update = await reader.get_msg("order_group_updates")
            assert (update["event_type"], update["order_group_id"]) == (event, group)
        assert update["contracts_limit_fp"] == "7.00"


async def test_a_market_is_created_paused_changed_and_settled(town: Town):
    async with listen(town) as of_all, listen(town) as named:
        await of_all.subscribe("market_lifecycle_v2")
        ticker = await do(town.open, "Does this one live?")
        assert (await of_all.get_msg("event_lifecycle"))["event_ticker"] == ticker
        made = await of_all.get_msg("market_lifecycle_v2")
        assert (made["event_type"], made["market_ticker"]) == ("created", ticker)
        assert made["additional_metadata"]["title"] == "Does this one live?"
        assert made["price_ranges"][0]["step"] == "0.0100"
        assert (await of_all.get_msg("market_lifecycle_v2"))["event_type"] == "activated"
        await named.subscribe("market_lifecycle_v2", market_tickers=[ticker])
        call, slug = town.operator.call, ticker.lower()
        reason = {"reason": "a finer tick"}
        await do(call, "POST", f"markets/{slug}/halt", reason)
        await do(call, "PUT", f"markets/{slug}/tick", {"tick": "0.001", **reason})
        await do(call, "POST", f"markets/{slug}/resume", reason)
        await do(town.end, ticker, {"yes": "1"})
        expected = {
            "deactivated": {"is_deactivated": True},
            "price_level_structure_updated": {"price_level_structure": "deci_cent"},
            "activated": {},
            "close_date_updated": {},
            "determined": {"result": "yes", "settlement_value": "1.0000"},
            "settled": {},
        }
        for reader in (named, of_all):
            events = {}
            while "settled" not in events:
                msg = await reader.get_msg("market_lifecycle_v2")
                assert msg["market_ticker"] == ticker
                events[msg["event_type"]] = msg
            assert set(events) == set(expected)
            for event_type, fields in expected.items():
                assert fields.items() <= events[event_type].items()


async def test_subscriptions_are_listed_changed_and_ended(town: Town):
    first, second = town.binary, f"{town.nominee}_CY"
    async with listen(town) as reader:
        [book, trade] = await reader.subscribe("orderbook_delta", "trade", market_tickers=[first])
        await reader.get("orderbook_snapshot")
        await reader.send("list_subscriptions")
        listed = await reader.get("ok")
        assert listed["msg"] == [
            {"channel": "orderbook_delta", "sid": book}, {"channel": "trade", "sid": trade},
        ]  # fmt: skip
        await reader.send("update_subscription", sids=[book], action="add_markets",
                          market_tickers=[second])  # fmt: skip
        assert (await reader.get("ok"))["msg"] == {"market_tickers": [first, second]}
        assert (await reader.get_msg("orderbook_snapshot"))["market_ticker"] == second
        await reader.send("update_subscription", sid=book, action="delete_markets",
                          market_ticker=first)  # fmt: skip
        assert (await reader.get("ok"))["msg"] == {"market_tickers": [second]}
        await do(town.alice.place, first, "bid 1 @ 0.02")
        await do(town.alice.place, second, "bid 1 @ 0.02")
        assert (await reader.get_msg("orderbook_delta"))["market_ticker"] == second
        await reader.send("unsubscribe", sids=[book, trade])
        ended = [await reader.get("unsubscribed") for _ in range(2)]
        assert [one["sid"] for one in ended] == [book, trade]
        assert ended[0]["seq"] == reader.seqs[book]
        await do(town.alice.place, second, "bid 1 @ 0.03")
        await reader.send("list_subscriptions")
        assert (await reader.receive())["msg"] == []


async def test_what_is_wrong_is_answered_with_the_venues_numbers(town: Town):
    binary = town.binary
    async with listen(town) as reader:
        for cmd, params, number in (
            ("buy", {}, 5),
            ("subscribe", {}, 3),
            ("subscribe", {"channels": ["weather"]}, 8),
            ("subscribe", {"channels": ["orderbook_delta"]}, 14),
            ("subscribe", {"channels": ["fill"]}, 9),
            ("subscribe", {"channels": ["trade"], "market_ticker": "NONE"}, 11),
            ("subscribe", {"channels": ["trade"], "market_ticker": town.nominee}, 11),
            ("subscribe", {"channels": ["trade"], "market_ids": [str(uuid.uuid4())]}, 11),
            ("subscribe", {"channels": ["ticker"], "market_id": "x"}, 11),
            ("subscribe", {"channels": "trade"}, 11),
            ("unsubscribe", {}, 4),
            ("unsubscribe", {"sids": [99]}, 7),
            ("update_subscription", {"sids": []}, 12),
            ("update_subscription", {"sid": 99, "action": "add_markets"}, 7),
        ):
            code, msg = await reader.refuse(cmd, **params)
            assert code == number, (cmd, params, msg)
        [sid] = await reader.subscribe("trade", market_tickers=[binary])
        for params, number in (
            ({}, 15),
            ({"action": "jump"}, 13),
            ({"action": "add_markets"}, 14),
            ({"action": "add_markets", "market_tickers": ["NONE"]}, 11),
        ):
            assert (await reader.refuse("update_subscription", sid=sid, **params))[0] == number
        names = [f"NONE-{number}" for number in range(600)]
        assert (await reader.refuse("subscribe", channels=["trade"], market_tickers=names))[0] == 11
        await reader.connection.send('{"id": 7, "cmd": "subscribe"}')
        error = await reader.receive()
        assert (error["id"], error["msg"]["code"]) == (7, 2)
        for text, number in (("{", 1), ("[]", 11), ("x" * 70_000, 11), (b"\xff", 1)):
            await reader.connection.send(text)
            assert (await reader.receive())["msg"]["code"] == number
    assert "Traceback" not in town.site.exchange.log()


async def test_the_handshake_is_signed_and_a_key_that_ends_ends_the_socket(town: Town):
    url = f"ws://127.0.0.1:{town.site.exchange.port}{WS_PATH}"
    good = town.alice.sign("GET", WS_PATH)
    async with connect(url, additional_headers=good):
        pass
    for headers in (
        good,  # used before
        town.alice.sign("GET", "/trade-api/v2"),
        town.alice.sign("GET", WS_PATH, late_ms=60_000),
        town.alice.sign("GET", WS_PATH) | {"KALSHI-ACCESS-KEY": town.bob.key_id},
    ):
        with pytest.raises(InvalidStatus) as refused:
            await connect(url, additional_headers=headers)
        assert refused.value.response.status_code == 401
    made = await do(town.alice.call, "POST", "api_keys/generate", {"name": "short-lived"})
    short = Program.of_key(town.site, made["api_key_id"], made["private_key"])
    async with listen(town, short) as reader:
        await reader.subscribe("fill")
        await do(town.alice.call, "DELETE", f"api_keys/{short.key_id}", expect=204)
        assert (await reader.receive())["msg"]["code"] == 9
        with pytest.raises(ConnectionClosed) as closed:
            await reader.connection.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401


async def test_a_market_of_a_group_is_its_members_alone(town: Town):
    site = town.site
    secret = await do(town.open, "Is this a secret?", visibility="group", group="friends")
    async with listen(town) as stranger, listen(town, town.alice) as member:
        number, msg = await stranger.refuse("subscribe", channels=["trade"], market_ticker=secret)
        assert (number, msg["market_ticker"]) == (11, secret)
        await member.subscribe("ticker")
        await stranger.subscribe("ticker")
        await do(town.alice.place, secret, "bid 1 @ 0.33")
        await member.get_msg("ticker", lambda msg: msg["market_ticker"] == secret)
        await do(town.alice.place, town.binary, "bid 1 @ 0.01")
        await member.subscribe("orderbook_delta", market_ticker=secret)
        await member.get("orderbook_snapshot")
        await do(site.exchange.manage, "shell", "-c", LEAVE_GROUP.format(town.alice.handle))
        while (frame := await member.receive())["type"] != "error":
            pass
        assert frame["msg"]["market_ticker"] == secret
        await stranger.send("list_subscriptions")
        while (frame := await stranger.receive())["type"] != "ok":
            assert frame["msg"]["market_ticker"] != secret


LEAVE_GROUP = """
from markets.models import Group
Group.objects.get(slug="friends").memberships.filter(user__handle={0!r}).delete()
"""


def test_the_path_answers_http_with_an_error(town: Town):
    answer = town.site.exchange.get(WS_PATH)
    assert answer.status_code == 404
