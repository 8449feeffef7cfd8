"""Live orders at running exchanges: cross-venue between two of them; SIGKILL between two legs."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from bots.engine.execution.orders import OrderOutcome
from bots.engine.units import show_quantity
from predex_client import Client
from tests.bots.conftest import Town, build_config, run, until
from tests.databases import SqliteDatabases
from tests.exchange import ROOT, Exchange
from tests.faults.seed import seed

BETWEEN = [{"name": "between", "kind": "cross_venue", "contracts_max": 50}]


@pytest.fixture(scope="module")
def other(
    tmp_path_factory: pytest.TempPathFactory, sqlite_databases: SqliteDatabases
) -> Iterator[Town]:
    """A second exchange, of which the engine sees what Kalshi's programs see."""
    folder = tmp_path_factory.mktemp("other")
    url = sqlite_databases.make(folder)
    with Exchange(folder, database_url=url) as exchange:
        fees = {"fee_kind": "quadratic", "fee_taker_rate": 70_000, "fee_unit_micros": 10_000}
        world = seed(exchange, traders=2, markets=1, **fees)
        exchange.start()
        yield Town(exchange, world)
        print(exchange.log()[-4_000:])


def read_position(client: Client, slug: str) -> Decimal:
    rows = [row for row in client.positions() if row.market == slug]
    return sum((held.position for row in rows for held in row.outcomes), Decimal(0))


async def test_what_is_cheap_at_one_exchange_is_sold_at_another_for_the_profit_that_was_computed(
    town: Town, other: Town, tmp_path: Path
) -> None:
    slug, [dear] = town.slugs[2], other.slugs
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(f'[[same]]\npredex = "{slug}"\nkalshi = "{dear.upper()}"\n')
    venues = [
        town.venue("predex", 0, slug, executor="live"),
        other.venue("kalshi", 0, dear, executor="live"),
    ]
    config = build_config(tmp_path, venues, strategies=BETWEEN, engine={"mapping": str(mapping)})
    async with run(config) as engine:
        assert [one.fees.rate_ppm for one in engine.markets.markets] == [0, 70_000]
        town.clients[1].place(slug, "sell", 10, "0.40")
        town.clients[1].place(slug, "sell", 10, "0.45")
        cheap = engine.cache.books[engine.markets.markets[0].yes]
        await until(lambda: cheap.asks == {4_000: 1_000, 4_500: 1_000})
        other.clients[1].place(dear, "buy", 15, "0.50")
        await until(lambda: read_position(other.clients[0], dear) == -15)
        await until(lambda: engine.bridge.queue.empty())
        await engine.bridge.wait_idle()
        assert read_position(town.clients[0], slug) == 15
        metrics = engine.metrics.registry.get_sample_value
        labels = {"strategy": "between", "executor": "live"}
        await until(lambda: metrics("execution_fills_total", labels) == 2)
    with sqlite3.connect(tmp_path / "state.sqlite3") as state:
        [(how, edge, profit)] = state.execute(
            "SELECT state, edge_micros, profit_micros FROM intents WHERE profit_micros <> 0"
        )
    fee = 270_000  # 7% of a quarter of 15, rounded up to a cent
    assert (how, profit) == ("done", 10 * 100_000 + 5 * 50_000 - fee)
    assert edge == profit
    for place in ((town, slug, 15), (other, dear, -15)):
        assert read_position(place[0].clients[0], place[1]) == place[2]


async def test_the_outcomes_of_an_event_are_bought_together_where_they_cost_less_than_one(
    town: Town, tmp_path: Path
) -> None:
    slug = await asyncio.to_thread(town.open_three, "Who is nominated?")
    events = {"events": [slug.upper()], "exhaustive": [slug.upper()], "markets": []}
    venues = [
        town.venue("predex", 0, slug, executor="live"),
        town.venue("kalshi", 2, slug, executor="live") | events,
        town.venue("polymarket", 0, slug) | {"events": [slug], "markets": []},
    ]
    strategies = [{"name": "all", "kind": "cross_outcome", "contracts_max": 5}]
    async with run(build_config(tmp_path, venues, strategies=strategies)) as engine:
        assert [len(event.markets) for event in engine.markets.events] == [3, 3, 3]
        assert all(event.is_exhaustive for event in engine.markets.events)
        for outcome, price in (("ANN", "0.30"), ("BO", "0.32"), ("CY", "0.33")):
            town.clients[1].place(slug, "sell", 20, price, outcome=outcome)
        for number in (0, 2):  # once by each door
            await until(partial(has_bought, town.clients[number], slug))
        await engine.bridge.wait_idle()
    with contextlib.closing(sqlite3.connect(tmp_path / "state.sqlite3")) as state:
        rows = state.execute("SELECT state, profit_micros - edge_micros FROM intents").fetchall()
        [(profit,)] = state.execute("SELECT max(profit_micros) FROM intents")
    assert {row for row in rows if row[1] == 0} == {("done", 0)}
    assert profit == 5 * 50_000
    # The exchange has paid the complete sets out, and so has the engine.
    assert read_position(town.clients[0], slug) == 0
    async with run(build_config(tmp_path, venues)) as engine:
        held = [market.yes for market in engine.markets.markets if market.venue != "polymarket"]
        assert [engine.portfolio.count_lots(key) for key in held] == [0] * 6


def has_bought(client: Client, slug: str) -> bool:
    return sum(order.filled for order in client.orders(market=slug)) >= 15


async def test_positions_that_nobody_here_made_are_taken_over_at_the_start(
    town: Town, tmp_path: Path
) -> None:
    slug = town.slugs[3]
    town.clients[1].place(slug, "sell", 4, "0.40")
    town.clients[0].place(slug, "buy", 4, "0.40")
    for kind in ("predex", "kalshi"):
        folder = tmp_path / kind
        venues = [town.venue(kind, 0, slug, executor="live")]
        for _ in range(2):  # once only
            async with run(build_config(folder, venues)) as engine:
                [market] = engine.markets.markets
                assert show_quantity(engine.portfolio.count_lots(market.yes)) == "4.00"


# --- SIGKILL -------------------------------------------------------------------------------------


class Gate:
    """A proxy before the exchange that lets some orders pass, and holds the next."""

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target)
        self.allowed = 10_000
        self.orders = 0
        self.is_holding = asyncio.Event()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(self.target.hostname, self.target.port)
        copying = [
            asyncio.create_task(self._copy(reader, there[1], counts=True)),
            asyncio.create_task(self._copy(there[0], writer)),
        ]
        await asyncio.wait(copying, return_when=asyncio.FIRST_COMPLETED)
        for task, out in zip(copying, (there[1], writer), strict=True):
            task.cancel()
            out.close()

    async def _copy(self, reader: Any, writer: Any, *, counts: bool = False) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if counts and data.startswith(b"POST /api/v1/orders "):
                    self.orders += 1
                    if self.orders > self.allowed:
                        self.is_holding.set()
                        await asyncio.sleep(60)
                writer.write(data)
                await writer.drain()


@contextlib.asynccontextmanager
async def open_gate(target: str) -> AsyncIterator[tuple[Gate, str]]:
    gate = Gate(target)
    server = await asyncio.start_server(gate._carry, "127.0.0.1", 0)
    try:
        yield gate, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def write_config(folder: Path, url: str, slugs: list[str], rule: str) -> Path:
    """Two markets are said to be the same, at one exchange that stands for two venues."""
    venues = "".join(
        f'[[venues]]\nname = "{name}"\nkind = "predex"\nexecutor = "live"\nurl = "{url}"\n'
        f'key_env = "ENGINE_KEY"\nmarkets = ["{slug}"]\n'
        for name, slug in zip("ab", slugs, strict=True)
    )
    (folder / "mapping.toml").write_text(f'[[same]]\na = "{slugs[0]}"\nb = "{slugs[1]}"\n')
    path = folder / "engine.toml"
    path.write_text(
        f'[engine]\nstate = "{folder}/state.sqlite3"\nmetrics = ""\nsignal_ms_max = 5000\n'
        f'mapping = "{folder}/mapping.toml"\nfailed_leg = "{rule}"\nunwind_bound = "0.05"\n'
        f'{venues}[[strategies]]\nname = "between"\nkind = "cross_venue"\n'
    )
    return path


def start_engine(config: Path, key: str) -> subprocess.Popen[bytes]:
    log = config.with_suffix(".log").open("ab")
    return subprocess.Popen(
        [sys.executable, "-m", "bots.engine", "--config", config],
        cwd=ROOT, env=os.environ | {"ENGINE_KEY": key}, stdout=log, stderr=log,
    )  # fmt: skip


def read_state(folder: Path) -> list[tuple[Any, ...]]:
    with sqlite3.connect(f"file:{folder}/state.sqlite3?mode=ro", uri=True) as state:
        return state.execute("SELECT role, outcome, filled_lots FROM orders").fetchall()


def has_started(config: Path, times: int) -> bool:
    return config.with_suffix(".log").read_text().count("engine_started") == times


async def finish(engine: subprocess.Popen[bytes]) -> None:
    engine.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(engine.wait, 30) == 0


@pytest.mark.timeout(300)
@pytest.mark.parametrize("rule", ["unwind", "hold"])
async def test_an_engine_that_is_killed_between_two_legs_knows_it_and_applies_its_rule_once(
    town: Town, tmp_path: Path, rule: str
) -> None:
    slugs = town.slugs[4:6]
    client, maker = town.clients[2], town.clients[3]
    before, sold = read_position(client, slugs[0]), count_sells(client, slugs[0])
    async with open_gate(town.url) as (gate, url):
        config = write_config(tmp_path, url, slugs, rule)
        gate.allowed = 1
        engine = start_engine(config, town.keys[2])
        try:
            maker.place(slugs[0], "sell", 10, "0.40")
            maker.place(slugs[0], "buy", 10, "0.38")
            maker.place(slugs[1], "buy", 10, "0.50")
            await asyncio.wait_for(gate.is_holding.wait(), 90)
        finally:
            engine.kill()
            engine.wait()
        assert read_position(client, slugs[0]) == before + 10
        maker.cancel_all(market=slugs[1])  # the second leg can't be had any more
        gate.allowed = 10_000

        for starts in (2, 3):  # the last finds nothing to do
            engine = start_engine(config, town.keys[2])
            try:
                await until(partial(has_started, config, starts), 90)
                await finish(engine)
            finally:
                engine.kill()
    [leg, second, *more] = read_state(tmp_path)
    assert leg == ("leg", OrderOutcome.FILLED, 1_000)
    assert second == ("leg", OrderOutcome.REJECTED, 0)
    assert more == ([("unwind", OrderOutcome.FILLED, 1_000)] if rule == "unwind" else [])
    expected = before + (0 if rule == "unwind" else 10)
    assert read_position(client, slugs[0]) == expected
    assert count_sells(client, slugs[0]) == sold + (1 if rule == "unwind" else 0)
    with sqlite3.connect(tmp_path / "state.sqlite3") as state:
        [(lots,)] = state.execute("SELECT sum(lots) FROM holdings")
    assert lots == (0 if rule == "unwind" else 1_000)


def count_sells(client: Client, slug: str) -> int:
    return sum(order.side == "sell" for order in client.orders(market=slug))
