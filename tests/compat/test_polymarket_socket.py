"""The socket `/poly/ws/market` of the running program, read as Polymarket's readers do."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.compat.arbitrage import Reader, find_arbitrage
from tests.compat.town import Town, check_hash, find_hidden_leg
from tests.patience import PATIENCE_SECONDS


class Listener:
    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            text = await self.connection.recv()
        frame: dict[str, Any] = json.loads(text)
        return frame

    async def get(self, event_type: str) -> dict[str, Any]:
        """Return the next event of this type; others before it are passed over."""
        while True:
            frame = await self.receive()
            assert "error" not in frame, frame
            if frame["event_type"] == event_type:
                return frame

    async def get_error(self) -> dict[str, Any]:
        while "error" not in (frame := await self.receive()):
            pass
        return frame


@asynccontextmanager
async def listen(town: Town, *tokens: str, **options: Any) -> AsyncIterator[Listener]:
    url = f"ws://127.0.0.1:{town.site.exchange.port}/poly/ws/market"
    async with connect(url) as connection:
        listener = Listener(connection)
        await listener.send(type="market", assets_ids=list(tokens), **options)
        yield listener


async def place(town: Town, slug: str, text: str, trader: int = 0) -> None:
    await asyncio.to_thread(town.site.trader(trader).place, slug, text)


async def test_a_reader_follows_a_book_by_price_changes(town: Town):
    slug = await asyncio.to_thread(town.open, "Is this one followed?")
    yes, no = town.tokens(slug)
    async with listen(town, yes, no) as listener:
        books = {book["asset_id"]: book for book in [await listener.get("book") for _ in "yn"]}
        assert set(books) == {yes, no}
        for book in books.values():
            check_hash(book)
        reader = Reader(books.values())
        for text in ("sell 10 YES @ 0.60", "buy 4 YES @ 0.30", "buy 2 NO @ 0.45"):
            await place(town, slug, text)
            frame = await listener.get("price_change")
            assert reader.apply(frame)
            assert {change["asset_id"] for change in frame["price_changes"]} == {yes, no}
        assert reader.best(yes) == (0.3, 0.55)
        assert reader.best(no) == (0.45, 0.7)
        for token in (yes, no):
            own = town.get("clob/book", token_id=token)
            assert reader.levels(token) == {
                side: {level["price"]: level["size"] for level in own[side]}
                for side in ("bids", "asks")
            }
            changes = [one for one in frame["price_changes"] if one["asset_id"] == token]
            assert changes[-1]["hash"] == own["hash"]
            assert (frame["seq"], frame["timestamp"]) == (own["seq"], own["timestamp"])


async def test_a_trade_is_told_from_each_tokens_side_and_followed_by_the_book(town: Town):
    slug = await asyncio.to_thread(town.open, "Is this one traded?")
    yes, no = town.tokens(slug)
    await place(town, slug, "sell 10 YES @ 0.60")
    async with listen(town, yes) as of_yes, listen(town, no) as of_no:
        assert (await of_yes.get("book"))["asks"] == [{"price": "0.6", "size": "10"}]
        assert (await of_no.get("book"))["bids"] == [{"price": "0.4", "size": "10"}]
        await place(town, slug, "buy 3 YES @ 0.60", trader=1)
        for listener, price, side in ((of_yes, "0.6", "BUY"), (of_no, "0.4", "SELL")):
            trade = await listener.get("last_trade_price")
            assert (trade["price"], trade["size"], trade["side"]) == (price, "3", side)
            book = await listener.get("book")
            assert (book["last_trade_price"], book["seq"]) == (price, trade["seq"])
            check_hash(book)


async def test_best_prices_new_markets_and_results_come_where_they_are_wanted(town: Town):
    slug = await asyncio.to_thread(town.open, "Is this one resolved?")
    yes, no = town.tokens(slug)
    async with listen(town, yes, custom_feature_enabled=True) as listener:
        await listener.get("book")
        await place(town, slug, "sell 10 YES @ 0.60")
        best = await listener.get("best_bid_ask")
        assert (best["best_bid"], best["best_ask"], best["spread"]) == ("0", "0.6", "0.6")
        await asyncio.to_thread(town.open, "Is this one not listed?", visibility="unlisted")
        await asyncio.to_thread(
            town.open, "Is this a secret too?", visibility="group", group="friends"
        )
        other = await asyncio.to_thread(town.open, "Is this one new?")
        new = await listener.get("new_market")
        assert (new["slug"], new["question"], new["outcomes"]) == (
            other,
            "Is this one new?",
            ["Yes", "No"],
        )
        assert new["assets_ids"] == list(town.tokens(other))
        operator = town.site.operator
        await asyncio.to_thread(operator.call, "POST", f"markets/{slug}/close", {})
        result = {"yes": "0", "evidence_text": "seen"}
        await asyncio.to_thread(operator.call, "POST", f"markets/{slug}/resolve", result)
        over = await listener.get("market_resolved")
        assert (over["winning_asset_id"], over["winning_outcome"]) == (no, "No")


async def test_a_finer_tick_is_told(town: Town):
    slug = await asyncio.to_thread(town.open, "Does the tick change?")
    yes, no = town.tokens(slug)
    async with listen(town, yes, no) as listener:
        await listener.get("book")
        for method, path, body in (
            ("POST", "halt", {"reason": "a finer tick"}),
            ("PUT", "tick", {"tick": "0.001", "reason": "a finer tick"}),
        ):
            call = town.site.operator.call
            await asyncio.to_thread(call, method, f"markets/{slug}/{path}", body)
        changes = [await listener.get("tick_size_change") for _ in "yn"]
        assert {change["asset_id"] for change in changes} == {yes, no}
        assert {(c["old_tick_size"], c["new_tick_size"]) for c in changes} == {("0.01", "0.001")}


async def test_the_book_of_a_market_with_a_maker_has_the_makers_levels(town: Town):
    yes, _ = town.tokens(town.made)
    async with listen(town, yes) as listener:
        book = await listener.get("book")
        assert book == {"event_type": "book", **town.get("clob/book", token_id=yes)}
        order = {"market": town.made, "side": "buy", "type": "market", "quantity": "20"}
        trader = town.site.trader(1)
        await asyncio.to_thread(lambda: trader.call("POST", "orders", order, status=201))
        await listener.get("price_change")
        await listener.get("last_trade_price")
        after = await listener.get("book")
        assert after == {"event_type": "book", **town.get("clob/book", token_id=yes)}
        assert float(after["asks"][-1]["price"]) > float(book["asks"][-1]["price"])


async def test_a_plain_reader_finds_arbitrage_across_outcomes(town: Town):
    """It groups the tokens of an event's markets, and buys one of each YES below 1."""
    event = town.get(f"gamma/events/slug/{town.nominee}")
    url = f"ws://127.0.0.1:{town.site.exchange.port}/poly/ws/market"
    found: asyncio.Task[Any] = asyncio.create_task(find_arbitrage(url, event["markets"]))
    await place(town, town.nominee, "sell 5 ANN @ 0.35")
    await asyncio.sleep(0.5)
    assert not found.done()
    await place(town, town.nominee, "sell 3 CY @ 0.25")
    async with asyncio.timeout(PATIENCE_SECONDS):
        opportunity = await found
    assert opportunity == {"cost": pytest.approx(0.9), "size": 3.0, "kind": "buy every YES"}


async def test_a_socket_is_kept_alive_and_forgets_what_it_left(town: Town):
    yes, no = town.tokens(town.binary)
    async with listen(town, yes, initial_dump=False) as listener:
        await listener.connection.send("PING")
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await listener.connection.recv() == "PONG"
        await listener.send(operation="subscribe", assets_ids=[no])
        assert (await listener.get("book"))["asset_id"] == no
        await listener.send(operation="unsubscribe", assets_ids=[yes, no])
        await listener.connection.send("PING")
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await listener.connection.recv() == "PONG"
        await place(town, town.binary, "buy 1 YES @ 0.05")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await listener.connection.recv()


async def test_what_is_odd_or_hidden_gets_an_error_and_changes_nothing(town: Town):
    yes, _ = town.tokens(town.binary)
    hidden = find_hidden_leg(town.secret).token_ids[0]
    async with listen(town, yes, hidden, "1") as listener:
        error = await listener.get_error()
        assert (error["code"], error["assets_ids"]) == ("not_found", [hidden, "1"])
        assert (await listener.get("book"))["asset_id"] == yes
        for message, code in (
            ("{", "bad_json"),
            ("[]", "wrong_type"),
            ("{}", "missing_field"),
            ('{"type":"user","assets_ids":[]}', "invalid_choice"),
            ('{"type":"market","assets_ids":[1]}', "wrong_type"),
            ('{"type":"market","cursor":"x"}', "unknown_field"),
            ('{"operation":"buy"}', "invalid_choice"),
            ("x" * 70_000, "message_too_large"),
            (b"\xff", "bad_json"),
        ):
            await listener.connection.send(message)
            assert (await listener.get_error())["code"] == code
        await place(town, town.secret, "sell 1 YES @ 0.9")
        await place(town, town.binary, "buy 1 YES @ 0.06")
        frame = await listener.get("price_change")
        assert frame["market"] == town.market(town.binary)["conditionId"]
    assert "Traceback" not in town.site.exchange.log()
