"""Queues, slow strategies, strategies of one's own, configuration, and the process as a whole."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import httpx
import pytest

from bots.engine.cache import Cache, View
from bots.engine.config import ConfigError, load_config
from bots.engine.events import BUY, BookChange, BookSnapshot, Key, Level, LevelDelta
from bots.engine.markets import MarketEvent, MarketMap
from bots.engine.metrics import Metrics
from bots.engine.program import TradingEngine, run_engine
from bots.engine.router import Router
from bots.engine.signals import Wish
from bots.engine.strategies import example
from bots.engine.strategies.base import BookUpdate, Strategy, StrategyRunner, build_strategy
from bots.engine.venues.base import VenueError
from predex_client import Client
from tests.bots.conftest import Town, build_config, run, until
from tests.bots.desk import build_market
from tests.exchange import ROOT
from tests.patience import PATIENCE_SECONDS
from tests.servers import find_free_port

A = Key("v", "a")
MARKETS = MarketMap([MarketEvent(id="e", markets=(build_market("a"),))])


class Slow(Strategy):
    in_thread = True

    def __init__(self, name: str, markets: MarketMap) -> None:
        super().__init__(name, markets)
        self.seen: list[int] = []

    def on_change(self, view: View, change: BookUpdate) -> Iterable[Wish]:
        time.sleep(0.1)
        self.seen.append(view[change.key].bids[0].lots)
        return ()


def change(lots: int) -> BookChange:
    return BookChange(A, (LevelDelta(BUY, 4_000, lots),), time.monotonic_ns())


async def test_a_slow_strategy_delays_nothing_and_sees_the_newest_state() -> None:
    cache, metrics = Cache(MARKETS), Metrics()
    router = Router(cache, metrics, lambda key: None)
    slow = Slow("slow", MARKETS)
    runner = StrategyRunner(slow, cache, lambda wish: None, metrics)
    router.runners = [runner]
    parts = [runner.run(), *(worker.run() for worker in router.list_tasks())]
    tasks = [asyncio.create_task(part) for part in parts]
    router.put([BookSnapshot(A, (Level(4_000, 1),), (), time.monotonic_ns())])
    for lots in range(2, 302):
        router.put([change(lots)])
        for _ in range(10):  # turns of the event loop
            await asyncio.sleep(0)
        assert cache.books[A].bids[4_000] == lots, "the cache never waits for the strategy"
        await asyncio.sleep(0.001)
    await until(lambda: slow.seen[-1:] == [301])
    assert slow.seen == sorted(set(slow.seen))
    assert len(slow.seen) < 50
    assert runner.skipped == 301 - len(slow.seen)
    name = {"strategy": "slow"}
    skipped = metrics.registry.get_sample_value("strategy_skipped_states_total", name)
    assert skipped == runner.skipped
    for task in tasks:
        task.cancel()


async def test_a_full_queue_is_a_gap_after_which_the_book_is_asked_for_again() -> None:
    cache, metrics, asked = Cache(MARKETS), Metrics(), []
    router = Router(cache, metrics, asked.append, queue_max=10)
    router.put([BookSnapshot(A, (Level(4_000, 1),), (), 1)])
    router.put(change(lots) for lots in range(2, 20))
    [worker] = router.list_tasks()
    assert asked
    dropped = metrics.registry.get_sample_value("router_dropped_events_total", {"venue": "v"})
    assert (dropped or 0) >= 11
    while not worker.queue.empty():
        router.apply(worker.queue.get_nowait())
    assert A not in cache, "nothing is known until the next snapshot"
    router.apply(BookSnapshot(A, (Level(4_100, 7),), (), 1))
    assert cache[A].bids == ((4_100, 7),)


def test_a_strategy_of_ones_own_is_one_short_file(tmp_path: Path) -> None:
    source = Path(example.__file__)
    assert len(source.read_text().splitlines()) < 40
    own = tmp_path / "own.py"
    own.write_text(source.read_text())
    strategy = build_strategy(f"{own}:Bargains", "bargains", MARKETS, {"below": "0.05"})
    cache = Cache(MARKETS)
    cache.apply(BookSnapshot(A, (), (Level(300, 500), Level(600, 500)), 1))
    [found] = strategy.on_change(cache, BookUpdate(A, 1))
    assert (found.lots, found.edge_micros) == (500, 500 * 200)


async def test_a_strategy_that_fails_is_called_again(tmp_path: Path) -> None:
    class Failing(Slow):
        in_thread = False

        def on_change(self, view: View, change: BookUpdate) -> Iterable[Wish]:
            self.seen.append(1)
            if len(self.seen) == 1:
                raise ZeroDivisionError
            return [None]  # type: ignore[list-item]  # what is no wish can't be submitted

    cache, metrics = Cache(MARKETS), Metrics()
    failing = Failing("f", MARKETS)
    runner = StrategyRunner(failing, cache, lambda wish: wish.strategy, metrics)
    task = asyncio.create_task(runner.run())
    for number in (1, 2, 3):
        runner.notify(A, 1)
        await until(lambda number=number: len(failing.seen) == number)
    task.cancel()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "there is no venue"),
        ('[[venues]]\nkind = "betfair"', "betfair"),
        ('[[venues]]\nkind = "predex"\nurl = "x"\nkey_env = "NO_SUCH"', "NO_SUCH"),
        ('[engine]\nfailed_leg = "pray"\n[[venues]]\nkind = "predex"', "failed_leg"),
        ('[engine]\nstat = "x"\n[[venues]]\nkind = "predex"', "stat"),
        ('[limits]\norders = 5\n[[venues]]\nkind = "predex"', "no limit 'orders'"),
        ('[limits]\norder = "much"\n[[venues]]\nkind = "predex"', "'much' is no number"),
        ("[engine\n", "Expected"),
        ('[[venue]]\nkind = "predex"', "unknown field `venue`"),
        ('[[venues]]\nname = "here"', "'here': .*`kind`"),
        ('[[venues]]\nkind = "predex"\nlatency_ms = "50"', "'predex': .*latency_ms"),
        ('[[venues]]\nkind = "predex"\n[[venues]]\nkind = "predex"', "two venues .*'predex'"),
        ('[engine]\nmetrics = "here"\n[[venues]]\nkind = "predex"', "metrics = 'here'"),
        ('[engine]\nunwind_bound = "0.00001"\n[[venues]]\nkind = "predex"', "0.00001"),
        (
            '[[venues]]\nkind = "predex"\n[[strategies]]\nkind = "a"\n[[strategies]]\nkind = "a"',
            "two strategies .*'a'",
        ),
    ],
)
def test_a_configuration_that_can_t_be_used_is_refused_with_a_sentence(
    tmp_path: Path, text: str, complaint: str
) -> None:
    path = tmp_path / "engine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        load_config(path)


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"kind": "predex", "url": "http://x", "slugs": []}, "no setting 'slugs'"),
        ({"kind": "predex", "url": "http://x", "markets": "rain"}, "markets can't be 'rain'"),
        ({"kind": "predex", "url": "127.0.0.1:8000"}, "does not begin with http"),
        ({"kind": "predex", "url": "http://x:port"}, "port"),
        ({"kind": "kalshi", "key_id": "a", "private_key": "b"}, "PEM"),
    ],
)
def test_a_venue_that_its_settings_do_not_fit_is_named(
    tmp_path: Path, table: dict[str, object], complaint: str
) -> None:
    config = build_config(tmp_path, [{"name": "here", **table}])
    with pytest.raises(ConfigError, match=f"venue here: .*{complaint}"):
        TradingEngine(config, Metrics())


@pytest.mark.parametrize(
    ("kind", "options", "complaint"),
    [
        ("cross-outcome", {}, "'cross-outcome' is none of cross_outcome, "),
        ("cross_outcome", {"most": 5}, "no setting 'most'"),
        ("cross_outcome", {"contracts_max": "5"}, "contracts_max can't be '5'"),
        ("cross_outcome", {"least_profit": "much"}, "'much' is no number"),
        ("maker", {"venue": "v", "fair": "w"}, "'w'.* mapping"),
        ("no/such/file.py:Mine", {}, "no/such/file.py"),
    ],
)
def test_a_strategy_that_its_settings_do_not_fit_is_named(
    kind: str, options: dict[str, object], complaint: str
) -> None:
    with pytest.raises(ConfigError, match=f"strategy mine: .*{complaint}"):
        build_strategy(kind, "mine", MARKETS, options)


def test_a_secret_in_a_file_ends_before_its_newline(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("pdx_x\n")
    table = {"kind": "predex", "url": "http://x", "key_file": str(tmp_path / "key")}
    [venue] = build_config(tmp_path, [table]).venues
    assert venue.options["key"] == "pdx_x"


async def test_the_engine_stops_while_it_waits_for_a_venue_that_says_nothing(
    tmp_path: Path,
) -> None:
    asked = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        config = build_config(tmp_path, [{"kind": "predex", "url": url, "key": ""}])
        engine = TradingEngine(config, Metrics())
        running = asyncio.create_task(engine.run())
        await asyncio.wait_for(asked.wait(), 5)
        engine.stop.set()
        assert await asyncio.wait_for(running, PATIENCE_SECONDS) is False


async def test_a_venue_that_can_t_say_its_markets_has_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = TradingEngine(
        build_config(tmp_path, [{"kind": "predex", "url": "http://x", "key": ""}]), Metrics()
    )
    for fault, expected in ((VenueError("away"), None), (RuntimeError("a bug"), RuntimeError)):

        async def fail(fault: Exception = fault) -> list[MarketEvent]:
            raise fault

        monkeypatch.setattr(engine, "_load", fail)
        with pytest.raises(expected) if expected else contextlib.nullcontext():
            assert await engine._find_others() is False


async def test_what_threw_the_kill_switch_counts_for_other_markets_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[bool] = []

    async def run_once(engine: TradingEngine) -> bool:
        runs.append(engine.kill.is_thrown)
        engine.kill.throw("SIGUSR1")
        return len(runs) < 2  # there are other markets after the first

    monkeypatch.setattr(TradingEngine, "run", run_once)
    await run_engine(build_config(tmp_path, [{"kind": "predex", "url": "http://x", "key": ""}]))
    assert runs == [False, True]


def test_the_example_in_the_documents_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREDEX_KEY", "pdx_x")
    config = load_config(ROOT / "bots" / "engine" / "example.toml")
    assert {venue.kind for venue in config.venues} == {"predex", "polymarket"}
    assert config.limits.order_micros == 50_000_000
    assert config.rule == ("unwind", 300)


def test_a_venue_that_can_t_be_reached_is_named(tmp_path: Path) -> None:
    path, url = tmp_path / "engine.toml", f"http://127.0.0.1:{find_free_port()}"
    path.write_text(
        f'[engine]\nstate = "{tmp_path}/s.sqlite3"\nmetrics = ""\n'
        f'[[venues]]\nname = "away"\nkind = "predex"\nurl = "{url}"\nkey = ""\n'
        '[[strategies]]\nname = "arbitrage"\nkind = "cross_outcome"\n'
    )
    engine = [sys.executable, "-m", "bots.engine", "--config", path]
    ended = subprocess.run(engine, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "engine: away: " in ended.stderr


def test_the_process_serves_its_metrics_trades_on_paper_and_stops_cleanly(
    town: Town, tmp_path: Path
) -> None:
    slug, port = town.slugs[0], find_free_port()
    path = tmp_path / "engine.toml"
    path.write_text(
        f'[engine]\nstate = "{tmp_path}/s.sqlite3"\nmetrics = "127.0.0.1:{port}"\n'
        f'signal_ms_max = 5000\n[[venues]]\nname = "here"\nkind = "predex"\nurl = "{town.url}"\n'
        f'key_env = "KEY"\nmarkets = ["{slug}"]\n[[strategies]]\nname = "bargains"\n'
        'kind = "bots/engine/strategies/example.py:Bargains"\nbelow = "0.05"\n'
    )
    town.clients[0].place(slug, "sell", 5, "0.03")
    log = (tmp_path / "log").open("w")
    engine = subprocess.Popen(
        [sys.executable, "-m", "bots.engine", "--config", path],
        cwd=ROOT, env=os.environ | {"KEY": town.keys[1]}, stdout=log, stderr=log,
    )  # fmt: skip
    try:
        for name in (
            'execution_fills_total{executor="paper",strategy="bargains"} 1.0',
            'adapter_events_total{event_type="BookSnapshot",venue="here"}',
            'adapter_event_latency_ms_count{event_type="BookSnapshot",venue="here"}',
            'strategy_signals_total{strategy="bargains",venue="here"}',
            'strategy_signal_edge_count{strategy="bargains"}',
            'execution_signal_to_fill_us_count{strategy="bargains"}',
            'execution_e2e_latency_us_count{strategy="bargains"}',
            "execution_kill_switch 0.0",
        ):
            wait_for_metrics(port, name)
        engine.send_signal(signal.SIGUSR1)
        wait_for_metrics(port, "execution_kill_switch 1.0")
        engine.send_signal(signal.SIGTERM)
        assert engine.wait(PATIENCE_SECONDS) == 0
    finally:
        engine.kill()
    assert list(town.clients[1].orders(market=slug)) == [], "paper sends nothing"


def wait_for_metrics(port: int, line: str) -> None:
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    text = ""
    while line not in text:
        assert time.monotonic() < give_up_at, text
        time.sleep(0.2)
        try:
            text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_SECONDS).text
        except httpx.TransportError:
            continue


@pytest.mark.soak
async def test_ten_minutes_at_all_three_doors_with_traders_at_work(
    town: Town, tmp_path: Path
) -> None:
    """Whenever the traders pause each cache is the exchange's book; no connection was lost."""
    slug, dice = town.slugs[0], random.Random(1)
    kinds = ("predex", "kalshi", "polymarket")
    give_up_at = time.monotonic() + float(os.environ.get("ENGINE_SOAK_SECONDS", "600"))
    config = build_config(tmp_path, [town.venue(kind, 0, slug) for kind in kinds])
    async with run(config) as engine:
        while time.monotonic() < give_up_at:
            await asyncio.to_thread(trade, town.clients, slug, dice)
            expected = await asyncio.to_thread(read_book, town.clients[0], slug)
            for market in engine.markets.markets:
                await until(partial(has_book, engine.cache, market.yes, expected))
        find = engine.metrics.registry.get_sample_value
        for kind in kinds:
            assert find("adapter_connections_total", {"venue": kind}) == 1
            assert not find("adapter_resyncs_total", {"venue": kind})
            changes = {"venue": kind, "event_type": "BookChange"}
            assert (find("adapter_events_total", changes) or 0) > 100


def trade(clients: list[Client], slug: str, dice) -> None:
    for _ in range(20):
        side, price = dice.choice((("buy", dice.randint(30, 52)), ("sell", dice.randint(48, 70))))
        dice.choice(clients).place(slug, side, dice.randint(1, 9), f"0.{price}")
    if dice.random() < 0.2:
        dice.choice(clients).cancel_all(market=slug)
    time.sleep(0.1)


def read_book(client: Client, slug: str) -> tuple[dict[int, int], dict[int, int]]:
    yes = client.book(slug)["YES"]
    bids, asks = ({int(p * 10_000): int(q * 100) for p, q in side} for side in (yes.bids, yes.asks))
    return bids, asks


def has_book(cache: Cache, key: Key, expected: tuple[dict[int, int], dict[int, int]]) -> bool:
    return (cache.books[key].bids, cache.books[key].asks) == expected
