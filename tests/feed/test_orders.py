"""Order entry on the socket: the same answers, rules, limits and errors as over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from accounts.models import ApiKey
from kernel import cache
from markets.models import Market
from predex_client import AsyncFeed
from tests.api.exchange import Caller, ExchangeInside, order, run_exchange, set_user_rates
from tests.feed.conftest import Client, Site
from tests.feed.test_docs import FRAMES, find_difference
from trading.engine.types import OrderStatus
from trading.models import Order
from trading.order_entry import socket as order_socket
from trading.order_entry.messages import OPERATION_OF
from trading.order_entry.operations import OPERATIONS

OPS = [operation for operation in OPERATIONS if operation.method != "GET"]


@pytest.fixture
async def exchange(site: Site) -> AsyncIterator[ExchangeInside]:
    async with run_exchange("key") as exchange:
        yield exchange


@pytest.fixture
async def market(exchange: ExchangeInside) -> Market:
    return await exchange.open_market()


@pytest.fixture
async def alice(exchange: ExchangeInside) -> Caller:
    return await exchange.join()


async def connect(site: Site, caller: Caller) -> Client:
    key = caller.http.headers["x-api-key"]
    return await site.connect(additional_headers={"X-API-Key": key})


async def ask(client: Client, op: str, **message: Any) -> dict[str, Any]:
    """Send a message, and return its answer or error."""
    await client.send(op, id=op, **message)
    while True:
        frame = await client.receive_whole()
        if frame.get("id") == op:
            return frame


def build_fields(operation: Any) -> dict[str, Any]:
    """Return the fields of an operation's message that must be there."""
    path = {"order_id": "0" * 32} if "{" in operation.path else {}
    return path if operation.request is None else {**path, "body": {}}


async def test_every_operation_of_orders_is_a_message(site: Site, exchange, alice) -> None:
    assert {operation.name for operation in OPERATION_OF.values()} == {op.name for op in OPS}
    client = await connect(site, alice)
    for operation in OPS:
        path = operation.path.format(order_id="0" * 32)
        body: Any = None if operation.request is None else {}
        over_http = await alice.send(operation.method, path, body)
        frame = await ask(client, operation.name, **build_fields(operation))
        if frame["type"] == "answer":
            assert (frame["status"], frame["body"]) == (over_http.status_code, over_http.json())
        else:
            error = over_http.json()
            named = ("code", "message", "field")
            assert [frame[name] for name in named] == [error[name] for name in named]


async def test_orders_are_placed_changed_and_cancelled(site: Site, market, alice) -> None:
    client = await connect(site, alice)
    placed = await ask(client, "place", body=order(market, "buy 10 YES @ 0.40"))
    assert (placed["status"], placed["op"], placed["repeated"]) == (201, "place", False)
    order_id = placed["body"]["id"]
    stored = await Order.objects.aget(pk=order_id)  # answered after the commit
    assert stored.status == OrderStatus.OPEN
    shown = (await alice.get(f"orders/{order_id}")).json()
    assert shown.items() <= placed["body"].items()
    amended = await ask(client, "amend", order_id=order_id, body={"price": "0.45"})
    assert amended["body"]["price"] == "0.4500"
    bodies = [order(market, "buy 1 YES @ 0.30"), order(market, "buy 1 YES @ 0.303")]
    batch = await ask(client, "place_batch", body={"orders": bodies})
    assert [item["status"] for item in batch["body"]["results"]] == [201, 422]
    cancelled = await ask(client, "cancel", order_id=order_id)
    assert (cancelled["status"], cancelled["body"]["status"]) == (200, "cancelled")
    assert find_difference(FRAMES["answer"], cancelled, "answer") is None
    rest = await ask(client, "cancel_all", market=market.slug)
    assert rest["body"] == {"cancelled": [batch["body"]["results"][0]["order"]["id"]], "count": 1}


async def test_positions_are_closed(site: Site, exchange, market, alice) -> None:
    bob = await exchange.join()
    await bob.placed(market, "sell 10 YES @ 0.40")
    client = await connect(site, alice)
    bought = await ask(client, "place", body=order(market, "buy 10 YES @ 0.40"))
    assert bought["body"]["status"] == "filled"
    await bob.placed(market, "buy 10 YES @ 0.39")
    closed = await ask(client, "close_positions", body={"market": market.slug})
    [item] = closed["body"]["results"]
    assert (item["order"]["side"], item["order"]["filled"]) == ("sell", "10.00")


async def test_a_repeat_gets_the_first_answer_through_either_entry_point(
    site: Site, market, alice
) -> None:
    client = await connect(site, alice)
    body = order(market, "buy 1 YES @ 0.40", client_order_id="mine")
    first = await ask(client, "place", body=body)
    second = await ask(client, "place", body=body)
    assert second["body"]["id"] == first["body"]["id"]
    assert (first["repeated"], second["repeated"]) == (False, True)
    over_http = await alice.place(market, "buy 1 YES @ 0.40", client_order_id="mine")
    assert over_http.json()["id"] == first["body"]["id"]
    unnamed = order(market, "buy 1 YES @ 0.41")
    keyed = await ask(client, "place", body=unnamed, idempotency_key="k-1")
    over_http = await alice.send("POST", "orders", unnamed, key="k-1")
    assert over_http.json()["id"] == keyed["body"]["id"]


async def test_errors_name_the_message_and_the_field(site: Site, market, alice) -> None:
    client = await connect(site, alice)
    frame = await ask(client, "place", body={**order(market, "buy 1 YES @ 0.40"), "prise": 1})
    assert (frame["type"], frame["code"], frame["field"]) == ("error", "unknown_field", "prise")
    frame = await ask(client, "place", body=order(market, "buy 9000 YES @ 0.40"))
    assert frame["code"] == "insufficient_funds"
    frame = await ask(client, "cancel", order_id="nonsense")
    assert frame["code"] == "not_found"
    await client.send("place", body={})
    frame = await client.get_error()
    assert (frame["code"], frame["field"], frame["id"]) == ("missing_field", "id", None)


async def test_scopes_and_log_ins_are_checked_on_every_message(
    site: Site, exchange, market, alice
) -> None:
    stranger = await site.connect()
    frame = await ask(stranger, "place", body=order(market, "buy 1 YES @ 0.40"))
    assert frame["code"] == "not_authenticated"
    reader = await connect(site, await exchange.call_as(alice.account, scopes=("read",)))
    for operation in OPS:
        frame = await ask(reader, operation.name, **build_fields(operation))
        assert (frame.get("code") == "missing_scope") is (operation.scope == "trade")
    client = await connect(site, alice)
    await ApiKey.objects.filter(account=alice.account).aupdate(scopes=["read"])
    cache.forget_all()
    frame = await ask(client, "place", body=order(market, "buy 1 YES @ 0.40"))
    assert frame["code"] == "missing_scope"


async def test_orders_have_the_limits_of_the_account_and_not_of_messages(
    site: Site, market, alice
) -> None:
    client = await connect(site, alice)
    body = order(market, "buy 1 YES @ 0.40")
    for number in range(100):  # more than a connection may send of other messages
        await client.send("place", id=number, body=body)
    answers = [await client.get("answer") for _ in range(100)]
    assert sorted(frame["id"] for frame in answers) == list(range(100))
    await set_user_rates(read=[10, 10], write=[1, 2])
    await alice.place(market, "buy 1 YES @ 0.40")
    await ask(client, "place", body=body)  # both take from one bucket
    frame = await ask(client, "place", body=body)
    assert (frame["code"], frame["retry_after"]) == ("too_many_requests", 1)


async def test_orders_in_flight_are_bounded_and_the_feed_goes_on(
    site: Site, market, alice, monkeypatch
) -> None:
    client = await connect(site, alice)
    go_on, reached, handle = asyncio.Event(), [], order_socket.handle

    async def handle_slowly(*args: Any, **options: Any) -> Any:
        reached.append(args)
        await go_on.wait()
        return await handle(*args, **options)

    monkeypatch.setattr(order_socket, "handle", handle_slowly)
    body, most = order(market, "buy 1 YES @ 0.40"), order_socket.IN_FLIGHT_MAX
    for number in range(most - 1):
        await client.send("place", id=number, body=body)
    await client.send("ping", id="between")
    assert (await client.receive())["id"] == "between"
    await client.subscribe("book", markets=[market.slug])
    await client.get("book_snapshot")
    for number in range(most - 1, most + 10):
        await client.send("place", id=number, body=body)
    await alice.placed(market, "buy 1 YES @ 0.30")
    await client.get("book")  # the feed goes on
    assert len(reached) == most
    go_on.set()
    answers = [await client.get("answer") for _ in range(most + 10)]
    assert {frame["id"] for frame in answers} == set(range(most + 10))


async def test_orders_sent_just_before_the_end_of_a_connection_are_cancelled_with_it(
    site: Site, market, alice
) -> None:
    client = await connect(site, alice)
    await client.send("cancel_on_disconnect", id=1)
    await client.get("cancel_on_disconnect")
    for number in range(10):
        await client.send("place", id=number, body=order(market, "buy 1 YES @ 0.40"))
    await client.connection.close()
    cancelled = Order.objects.filter(status=OrderStatus.CANCELLED)
    for _ in range(200):
        if await cancelled.acount() == 10:
            break
        await asyncio.sleep(0.05)
    assert await cancelled.acount() == await Order.objects.acount() == 10


async def test_the_python_client_waits_where_its_orders_come_too_fast(
    site: Site, market, alice
) -> None:
    await set_user_rates(read=[10, 10], write=[1, 2])
    key = alice.http.headers["x-api-key"]
    async with AsyncFeed(f"http://127.0.0.1:{site.port}", key) as feed:
        orders = [await feed.place(market.slug, "buy", 1, "0.10") for _ in range(4)]
    assert len({order.id for order in orders}) == 4
