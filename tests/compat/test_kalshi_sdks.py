"""The official Kalshi clients against the running program, each in a process of its own."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.compat.conftest import Site
from tests.compat.kalshi import Town
from tests.compat.sdks import run_sdk

CLIENTS = {"kalshi-python": "kalshi_python", "kalshi-python-sync": "kalshi_python_sync"}


@pytest.fixture(scope="module")
def town(site: Site) -> Town:
    return Town(site)


@pytest.mark.parametrize("client", list(CLIENTS))
def test_every_method_of_an_official_client_does_what_it_says(town: Town, client: str):
    alice, market = town.alice, town.open(f"Does {client} work?")
    host = town.site.exchange.base_url
    answers: dict[str, Any] = run_sdk(
        client, "kalshi_calls", CLIENTS[client], host, alice.key_id, alice.pem, market, town.nominee
    )
    assert len(answers) >= 35
    [status] = answers["get_exchange_status"]
    assert status["exchange_active"] is True
    [event] = answers["get_event"]
    assert event["event"]["event_ticker"] == town.nominee
    [made, *_] = answers["create_order"]
    assert (made["order"]["status"], made["order"]["yes_price"]) == ("resting", 20)
    [got] = answers["get_order"]
    shown = {name: got["order"].get(name) for name in ("yes_price", "remaining_count")}
    assert shown["yes_price"] == 21
    assert shown["remaining_count"] == 10
    [ended] = answers["cancel_order"]
    assert ended["order"]["status"] == "canceled"
    orders = alice.get("portfolio/orders", ticker=market)["orders"]
    assert {order["status"] for order in orders} == {"canceled"}
    assert len(orders) == (3 if client == "kalshi-python" else 4)
    balance = alice.get("portfolio/balance")["balance"]
    assert [one["balance"] for one in answers["get_balance"]] == [balance]
    positions = answers["get_positions"][0]
    by_ticker = {one["ticker"]: one["position"] for one in positions.get("market_positions") or
                 positions["positions"]}  # fmt: skip
    assert by_ticker[f"{town.nominee}_BO"] == -3


def test_every_method_of_the_newest_client_does_what_it_says(town: Town):
    """It asks for Python 3.13 and runs below it too, where pip is told so."""
    alice, market = town.alice, town.open("Does the newest work?")
    answers: dict[str, Any] = run_sdk(
        "kalshi-python-sync-new", "kalshi_calls", "kalshi_python_sync",
        town.site.exchange.base_url, alice.key_id, alice.pem, market, town.nominee,
    )  # fmt: skip
    assert len(answers) >= 50
    assert answers["create_order_v2"][0]["remaining_count"] == "10.00"
    assert answers["decrease_order_v2"][0]["remaining_count"] == "10.00"
    assert answers["cancel_order_v2"][0]["reduced_by"] == "10.00"
    assert answers["get_order"][0]["order"]["yes_price_dollars"] == "0.2100"
    orders = alice.get("portfolio/orders", ticker=market)["orders"]
    assert [order["status"] for order in orders] == ["canceled"] * 3


def test_pykalshi_reads_trades_and_listens(town: Town, tmp_path: Path):
    alice, market = town.alice, town.open("Does pykalshi work?")
    town.bob.place(market, "ask 5 @ 0.50")
    pem = tmp_path / "key.pem"
    pem.write_text(alice.pem)
    host = town.site.exchange.base_url
    made = run_sdk("pykalshi", "pykalshi_calls", host, alice.key_id, str(pem), market)
    assert made["ticker"] == market
    assert (made["remaining"], made["price"], made["queue"]) == ("10.00", "0.2100", "0.00")
    assert all(made[name] for name in ("book", "trading", "limits", "amended", "resting"))
    assert made["balance"] == alice.get("portfolio/balance")["balance"]
    heard = made["heard"]
    assert "dict" not in heard.pop("types").values()
    assert heard == {
        "snapshot": [["0.5000", "5.00"]], "delta": "-2.00", "trade": "2.00", "fill": "2.00",
        "order": "executed", "position": "2.00", "group": "created",
    }  # fmt: skip


def test_every_method_and_channel_of_kalshi_sdk_does_what_it_says(town: Town):
    """Markets open while it listens, as one of its channels is about that."""
    alice, market = town.alice, town.open("Does kalshi-sdk work?")
    town.bob.place(market, "ask 5 @ 0.50")
    host = town.site.exchange.base_url
    arguments = (host, alice.key_id, alice.pem, market, town.nominee)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run_sdk, "kalshi-sdk-new", "kalshi_sdk_calls", *arguments)
        while not running.done():
            town.open(f"Does it hear of this one, at {time.time_ns()}?")
            time.sleep(1)
    made: dict[str, Any] = running.result()
    answers, seen = made["answers"], made["seen"]
    assert len(answers) >= 65
    assert answers["orders.get"]["yes_price"] == "0.2100"
    assert answers["orders.get"]["remaining_count"] == "10.00"
    assert answers["orders.cancel_v2"]["reduced_by"] == "10.00"
    [order] = alice.get("portfolio/orders", ticker=market, status="executed")["orders"]
    assert order["order_id"] == answers["taken"]
    assert seen["opening"] == {"yes": {}, "no": {"0.5": "5"}}
    assert seen["book"] == {"yes": {}, "no": {"0.5": "3"}}
    assert seen["fill"]["msg"]["order_id"] == answers["taken"]
    assert seen["fill"]["msg"]["post_position"] == "2.00"
    assert seen["trade"]["msg"]["count"] == "2.00"
    assert seen["market_positions"]["msg"]["position"] == "2.00"
    assert seen["user_orders"]["msg"]["ticker"] == market
    assert seen["order_group"]["msg"]["event_type"] == "created"
    assert seen["lifecycle"]["msg"]["event_type"] == "created"
    assert seen["ticker"]["msg"]["market_ticker"] == market
