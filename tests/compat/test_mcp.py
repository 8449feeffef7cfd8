"""Agents at `/mcp`, with the official client against the running program.

The client is imported where it is used: every worker reads this file, and one of them runs it.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest

from compat.mcp.tools import TOOLS
from tests.compat.site import Site
from tests.exchange import ROOT
from tests.patience import PATIENCE_SECONDS

if TYPE_CHECKING:
    from mcp import Client

TRADING = {"place_order", "amend_order", "cancel_order"}
MODES = ("legacy", "auto")
TRIES = 100


@asynccontextmanager
async def connect(site: Site, key: str, mode: str = "auto") -> AsyncIterator["Client"]:
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(headers=headers) as http:
        transport = streamable_http_client(f"{site.exchange.base_url}/mcp", http_client=http)
        async with Client(transport, mode=mode) as client:
            yield client


async def use(client: "Client", tool: str, **arguments: Any) -> dict[str, Any]:
    """Return the tool's answer, which must not be an error."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result
    [text] = result.content
    assert json.loads(text.text) == result.structured_content
    return result.structured_content


async def refused(client: "Client", tool: str, **arguments: Any) -> tuple[str, str | None]:
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    error = result.structured_content
    return error["code"], error["field"]


@pytest.mark.parametrize("mode", MODES)
async def test_an_agent_finds_a_market_and_trades_in_it(site: Site, mode: str):
    async with connect(site, site.world.traders[0].key, mode) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == {t.name for t in TOOLS}
        found = await use(client, "search_markets", q="happen", status="open", limit=10)
        assert site.market in [market["slug"] for market in found["results"]]
        assert (await use(client, "get_market", market=site.market))["status"] == "open"
        order = {"market": site.market, "side": "buy", "quantity": "10", "price": 0.21}
        preview = await use(client, "preview_order", **order)
        assert (preview["status"], preview["hold"]) == ("open", "2.100000")
        placed = await use(client, "place_order", client_order_id=f"mine-{mode}", **order)
        again = await use(client, "place_order", client_order_id=f"mine-{mode}", **order)
        assert (placed["status"], placed["price"]) == ("open", "0.2100")
        assert again["id"] == placed["id"]
        book = await use(client, "get_book", market=site.market)
        assert book["books"][0]["bids"] == [["0.2100", "10.00"]]
        amended = await use(client, "amend_order", order_id=placed["id"], quantity="4")
        assert amended["remaining"] == "4.00"
        [resting] = (await use(client, "my_orders", status="open"))["results"]
        assert (resting["id"], resting["quantity"]) == (placed["id"], "4.00")
        assert (await use(client, "my_account"))["held"] == "0.840000"
        ended = await use(client, "cancel_order", order_id=placed["id"])
        assert ended["status"] == "cancelled"
        assert (await use(client, "my_positions", market=site.market))["results"] == []


async def test_an_agent_sees_its_position_and_the_history_of_prices(site: Site):
    keys = [trader.key for trader in site.world.traders]
    async with connect(site, keys[0]) as buyer, connect(site, keys[1]) as seller:
        terms = {"market": site.market, "quantity": "3", "price": "0.40"}
        await use(seller, "place_order", side="sell", **terms)
        bought = await use(buyer, "place_order", side="buy", **terms)
        assert (bought["status"], len(bought["trades"])) == ("filled", 1)
        [held] = (await use(buyer, "my_positions", market=site.market))["results"]
        assert held["outcomes"][0]["position"] == "3.00"
        for _ in range(TRIES):  # candles are derived a moment later
            if await find_close(buyer, site.market) == "0.4000":
                return
            await asyncio.sleep(0.1)
        pytest.fail("no candle shows the trade")


async def find_close(client: "Client", market: str) -> str | None:
    bars = await use(client, "get_history", market=market, interval="1m", limit=5)
    return bars["results"][0]["close"] if bars["results"] else None


@pytest.mark.parametrize("mode", MODES)
async def test_a_key_that_only_reads_never_sees_a_trading_tool(site: Site, mode: str):
    from mcp.shared.exceptions import MCPError

    trader = site.trader(2)
    body = {"email": trader.email, "password": "tests-only-password"}
    assert trader.http.post("auth/login", json=body).status_code == 401  # traders have keys alone
    secret = make_reader(site)
    async with connect(site, secret, mode) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert names == {tool.name for tool in TOOLS} - TRADING
        for name in sorted(TRADING):
            with pytest.raises(MCPError, match="Unknown tool"):
                await client.call_tool(name, {"market": site.market, "side": "buy"})
        assert await use(client, "my_orders") == {"results": [], "next_cursor": None}


def make_reader(site: Site) -> str:
    """The operator's key that only reads."""
    body = {"name": "reader", "scopes": ["read"]}
    secret: str = site.operator.call("POST", "keys", body, status=201)["secret"]
    return secret


async def test_errors_are_those_of_the_api(site: Site):
    async with connect(site, site.world.traders[0].key) as client:
        order = {"market": site.market, "side": "buy", "quantity": "1", "price": "0.5"}
        for arguments, expected in (
            ({**order, "price": "0.505"}, ("price_off_tick", "price")),
            ({**order, "quantity": "900000"}, ("insufficient_funds", None)),
            ({**order, "prize": "0.5"}, ("unknown_field", "prize")),
            ({**order, "market": "none"}, ("not_found", None)),
            ({"side": "buy"}, ("missing_field", "market")),
        ):
            assert await refused(client, "place_order", **arguments) == expected
            assert await refused(client, "preview_order", **arguments) == expected
        assert await refused(client, "get_market", market="../keys") == ("not_found", None)
        assert await refused(client, "get_market") == ("missing_field", "market")
        assert await refused(client, "cancel_order", order_id="0" * 32) == ("not_found", None)
        assert await refused(client, "search_markets", status="odd") == ("invalid_choice", "status")
        assert await refused(client, "search_markets", limit=0) == ("too_small", "limit")
        assert await refused(client, "my_orders", market=["a"]) == ("wrong_type", "market")
        assert await refused(client, "my_orders", colour="red") == ("unknown_field", "colour")


def test_without_a_valid_key_nothing_is_answered(site: Site):
    url = f"{site.exchange.base_url}/mcp"
    for headers in ({}, {"Authorization": "Bearer px_wrong"}, {"X-API-Key": "nonsense"}):
        answer = httpx.post(
            url,
            json={"jsonrpc": "2.0", "id": 1, "method": "ping"},
            headers=headers,
            timeout=PATIENCE_SECONDS,
        )
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.json().keys() == {"code", "message", "field", "request_id"}


def test_a_browser_of_another_site_is_answered_as_by_the_api(site: Site):
    """The site names no other origin, so a preflight gets no permission, and no 500."""
    headers = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    for path in ("mcp", "api/v1/orders"):
        answer = httpx.options(f"{site.exchange.base_url}/{path}", headers=headers)
        assert 400 <= answer.status_code < 500
        assert "Access-Control-Allow-Origin" not in answer.headers


ODD = (
    b"", b"{", b"[]", b"[1]", b"null", b'"x"', b"\xff\xfe", b"[" * 10_000, b"1" * 5_000,
    b'{"jsonrpc":"2.0"}', b'{"jsonrpc":"2.0","id":1}', b'{"jsonrpc":"2.0","id":1,"method":1}',
    b'{"jsonrpc":"2.0","id":null,"method":"ping"}', b'{"jsonrpc":"2.0","id":{},"method":"ping"}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call"}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":1}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_book","arguments":[]}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_book","arguments":"x"}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"my_orders","arguments":'
    b'{"market":1e400}}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"my_orders","arguments":'
    b'{"market":"\\ud800"}}}',
    b'{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{}}',
    b'{"jsonrpc":"2.0","id":1,"method":"no/such"}', b'{"jsonrpc":"2.0","method":"no/such"}',
    b'{"jsonrpc":"2.0","id":1,"result":{}}',
)  # fmt: skip


@pytest.mark.parametrize("version", ["", "2025-06-18", "2026-07-28", "1999-01-01", "x"])
def test_odd_messages_are_refused_and_never_a_500(site: Site, version: str):
    headers = {
        "X-API-Key": site.world.traders[0].key,
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        **({"MCP-Protocol-Version": version} if version else {}),
    }
    with httpx.Client(headers=headers, timeout=PATIENCE_SECONDS) as http:
        for body in ODD:
            answer = http.post(f"{site.exchange.base_url}/mcp", content=body)
            assert answer.status_code < 500, (body[:80], answer.text)
            assert answer.status_code >= 400 or "error" in answer.text or "isError" in answer.text \
                or answer.status_code == 202, (body[:80], answer.text)  # fmt: skip
        for name, value in (("Accept", "text/html"), ("Content-Type", "text/plain")):
            answer = http.post(
                f"{site.exchange.base_url}/mcp", content=b"{}", headers={name: value}
            )
            assert 400 <= answer.status_code < 500
        for method in ("GET", "DELETE", "PUT", "HEAD"):
            answer = http.request(method, f"{site.exchange.base_url}/mcp")
            assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
        big = http.post(f"{site.exchange.base_url}/mcp", content=b" " * 300_000)
        assert big.status_code == 413
    assert "Traceback" not in site.exchange.log()


def test_an_exchange_without_agents_does_not_load_the_sdk():
    """It takes seconds and 60 MB."""
    program = (
        "import sys, predex.asgi, predex.urls;"
        "print(sorted({'mcp', 'mcp_types', 'pydantic', 'starlette'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT, env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


async def test_the_limits_of_the_api_hold(site: Site):
    limits = "'user': {'read': [1, 5], 'write': [1, 2]}"
    change = (
        "from accounts.models import Policy; p = Policy.objects.get();"
        f"p.rate_limits = {{**p.rate_limits, {limits}}}; p.save()"
    )
    secret, code = make_reader(site), ""
    async with connect(site, secret) as client:
        site.exchange.manage("shell", "-c", change)
        async with asyncio.timeout(PATIENCE_SECONDS):  # the policy is read again after a while
            while code != "too_many_requests":
                result = await client.call_tool("my_account", {})
                code = result.structured_content.get("code", "")
