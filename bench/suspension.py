"""Suspension of a user whose programs are trading: time until none of their orders is left.

Each round is another trader, who keeps placing resting orders in several markets on several
connections. The time is from the operator's request to the first database query that finds no open
order of theirs; queries start when the request is answered.
"""

import asyncio
import itertools
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

import httpx

from bench.figures import Figure, Sizes, build_figure
from bench.stage import Kind, open_stage
from tests.faults.rows import Database

KINDS: Final[tuple[Kind, ...]] = ("postgres", "sqlite")
MARKETS: Final = 4
CONNECTIONS: Final = 8
SECONDS: Final = 1.0
GIVE_UP_SECONDS: Final = 30
REFUSED_PAUSE_SECONDS: Final = 0.01
OPEN: Final = """
    SELECT count(*) FROM trading_order JOIN accounts_account a ON a.id = account_id
    JOIN accounts_user u ON u.id = a.owner_id WHERE u.handle = ? AND status IN (0, 1)"""


class Stop(NamedTuple):
    """One suspension: open orders at the request, and the durations."""

    orders: int
    answer_ms: float
    all_ended_ms: float


def measure(sizes: Sizes) -> Iterator[Figure]:
    rounds = sizes.choose(10, 2)
    for kind in KINDS:
        with open_stage(kind) as stage:
            keys = stage.call("bench.seed:make_traders", count=rounds)
            operator = stage.call("bench.seed:make_operator_key")
            markets = [stage.call("bench.seed:open_market")["slug"] for _ in range(MARKETS)]
            database = Database(stage.database_url)
            with stage.running() as exchange:
                url = f"{exchange.base_url}/api/v1/"
                stops = [
                    asyncio.run(suspend(url, database, operator, markets, number, key))
                    for number, key in enumerate(keys)
                ]
            durable = stage.describe_durability()
        yield build_figure(
            f"suspension_ends_all_orders_{kind}",
            [stop.all_ended_ms for stop in stops],
            unit="ms",
            durable=durable,
            at_most=1_000,
            details={
                "markets": MARKETS,
                "connections": CONNECTIONS,
                "orders_open": [stop.orders for stop in stops],
                "until_answered_ms": [round(stop.answer_ms, 1) for stop in stops],
                "from_answer_to_none_left_ms": [
                    round(stop.all_ended_ms - stop.answer_ms, 1) for stop in stops
                ],
            },
        )


async def suspend(
    url: str, database: Database, operator: str, markets: list[str], number: int, key: str
) -> Stop:
    """Let a trader's programs run for a moment, then suspend them."""
    handle = f"bench_{number}"
    async with (
        httpx.AsyncClient(base_url=url, headers={"X-API-Key": key}, timeout=30) as own,
        httpx.AsyncClient(base_url=url, headers={"X-API-Key": operator}, timeout=30) as desk,
    ):
        bots = [asyncio.create_task(trade(own, markets)) for _ in range(CONNECTIONS)]
        await asyncio.sleep(SECONDS)
        orders = database.value(OPEN, handle)
        started = time.perf_counter()
        answer = await desk.post(f"operator/users/{handle}/suspend", json={"reason": "a bench"})
        answered = time.perf_counter()
        answer.raise_for_status()
        while database.value(OPEN, handle):
            assert time.perf_counter() - answered < GIVE_UP_SECONDS, "orders are left"
            await asyncio.sleep(0)
        ended = time.perf_counter()
        for bot in bots:
            bot.cancel()
        await asyncio.gather(*bots, return_exceptions=True)
    return Stop(orders, 1_000 * (answered - started), 1_000 * (ended - started))


async def trade(own: httpx.AsyncClient, markets: list[str]) -> None:
    for market in itertools.cycle(markets):
        order = {"market": market, "side": "buy", "price": "0.10", "quantity": "1"}
        answer = await own.post("orders", json=order)
        if answer.is_error:
            await asyncio.sleep(REFUSED_PAUSE_SECONDS)
