"""Restart of an engine with 1,000,000 resting orders: time until it answers an order.

The orders are generated rows; the market was opened by a real shard. The time is from the start of
the `runengine` process, whose predecessor was killed, to the 201 of an order that the web process
forwards as soon as it can.
"""

import time
from collections.abc import Iterator
from typing import Any, Final

import httpx

from bench import rows
from bench.figures import Figure, Sizes, build_figure
from bench.processes import read_memory_bytes
from bench.stage import Stage, open_stage
from tests.exchange import Exchange

GIVE_UP_SECONDS: Final = 300
ANSWER_SECONDS: Final = 15
PAUSE_SECONDS: Final = 0.02
MIB: Final = 1_024 * 1_024


def measure(sizes: Sizes) -> Iterator[Figure]:
    orders, accounts = sizes.choose((1_000_000, 100_000), (20_000, 2_000))
    with open_stage("postgres") as stage:
        [key] = stage.call("bench.seed:make_traders", count=1)
        market = stage.call("bench.seed:open_market")
        rows.make_accounts(stage, accounts)
        rows.make_resting_orders(stage, market["id"], orders=orders, accounts=accounts)
        rows.tidy(stage)
        starts = []
        with httpx.Client(base_url=stage.exchange.base_url, timeout=ANSWER_SECONDS) as client:
            client.headers["X-API-Key"] = key
            start_web(stage.exchange)
            for number in range(sizes.runs):
                starts.append(start_engine(stage.exchange, client, market["slug"], number))
                check_book(stage, client, market)
                stage.exchange.kill("engine")
        durable = stage.describe_durability()
    yield build_figure(
        "restart_with_1000000_resting_orders",
        [start["seconds"] for start in starts],
        unit="s",
        durable=durable,
        at_most=30,
        details={
            "resting_orders": orders,
            "accounts": accounts,
            "ready_after_seconds": [round(start["ready_seconds"], 2) for start in starts],
            "memory_of_the_engine_mib": [round(start["memory_bytes"] / MIB) for start in starts],
        },
    )


def start_web(exchange: Exchange) -> None:
    child = exchange.start_role("web")
    child.wait_until(lambda: _answers(exchange), seconds=ANSWER_SECONDS)


def start_engine(
    exchange: Exchange, client: httpx.Client, slug: str, number: int
) -> dict[str, Any]:
    """Start the engine; return the seconds until an order was accepted and /ready was 200."""
    order = {
        "market": slug,
        "side": "buy",
        "price": "0.01",
        "quantity": "1",
        "client_order_id": f"restart-{number}",
    }
    started = time.monotonic()
    child = exchange.start_role("engine")
    ready_seconds = None
    while True:
        if ready_seconds is None and exchange.is_ready():
            ready_seconds = time.monotonic() - started
        answer = client.post("/api/v1/orders", json=order)
        seconds = time.monotonic() - started
        if answer.status_code == 201:
            break
        assert answer.status_code in (503, 504), answer.text
        assert child.is_running(), child.read_log()
        assert seconds < GIVE_UP_SECONDS, "the engine does not answer"
        time.sleep(PAUSE_SECONDS)
    return {
        "seconds": seconds,
        "ready_seconds": seconds if ready_seconds is None else ready_seconds,
        "memory_bytes": read_memory_bytes(child.pid),
    }


def check_book(stage: Stage, client: httpx.Client, market: dict[str, Any]) -> None:
    """Raise unless the API's book has every lot that rests in the database."""
    answer = client.get(f"/api/v1/markets/{market['slug']}/book")
    answer.raise_for_status()
    yes = answer.json()["books"][0]
    shown = sum(round(100 * float(level[1])) for level in [*yes["bids"], *yes["asks"]])
    stored = stage.read_number(
        "SELECT SUM(remaining_lots) FROM trading_order"  # noqa: S608 - a number made here
        f" WHERE market_id = {market['id']} AND status IN (0, 1)"
    )
    if shown != stored:
        raise RuntimeError(f"the book shows {shown} lots, {stored} rest in the database")


def _answers(exchange: Exchange) -> bool:
    try:
        return httpx.get(f"{exchange.base_url}/health", timeout=ANSWER_SECONDS).status_code == 200
    except httpx.HTTPError:
        return False
