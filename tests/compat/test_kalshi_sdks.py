"""The official Kalshi clients against the running program, each in a process of its own."""

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


def test_pykalshi_reads_and_trades(town: Town, tmp_path: Path):
    alice, market = town.alice, town.open("Does pykalshi work?")
    pem = tmp_path / "key.pem"
    pem.write_text(alice.pem)
    host = town.site.exchange.base_url
    made = run_sdk("pykalshi", "pykalshi_calls", host, alice.key_id, str(pem), market)
    assert made["ticker"] == market
    assert (made["remaining"], made["price"], made["queue"]) == ("10.00", "0.2100", "0.00")
    assert all(made[name] for name in ("book", "trading", "limits", "amended", "resting"))
    assert made["balance"] == alice.get("portfolio/balance")["balance"]
