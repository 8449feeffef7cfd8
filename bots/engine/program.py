"""The running engine: everything put together, started in order, and stopped cleanly."""

import asyncio
import signal
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

import httpx
import structlog

from bots.engine.cache import Cache
from bots.engine.config import LIVE, ConfigError, EngineConfig, VenueTable, build_venue
from bots.engine.events import Key
from bots.engine.execution.bridge import Bridge
from bots.engine.execution.kalshi import KalshiOrders
from bots.engine.execution.ledger import Ledger
from bots.engine.execution.orders import Executor
from bots.engine.execution.paper import PaperExecutor
from bots.engine.execution.polymarket import PolymarketOrders
from bots.engine.execution.portfolio import OUTSIDE, EnginePortfolio
from bots.engine.execution.predex import PredexOrders
from bots.engine.execution.quoter import Quoter
from bots.engine.execution.risk import KillSwitch, Risk
from bots.engine.execution.state import State
from bots.engine.markets import MarketEvent, MarketMap
from bots.engine.metrics import Metrics
from bots.engine.router import Router
from bots.engine.signals import Signal, Wish
from bots.engine.strategies.base import Strategy, StrategyRunner, build_strategy
from bots.engine.units import MICROS_PER_CREDIT
from bots.engine.venues.base import Venue, VenueError
from bots.engine.venues.connection import Adapter
from bots.engine.venues.kalshi import Kalshi
from bots.engine.venues.polymarket import Polymarket
from bots.engine.venues.predex import Predex
from bots.loop import is_orphan
from predex_client import PredexError

log = structlog.get_logger(__name__)

HOUSEKEEPING_SECONDS: Final = 1.0
STOP_SECONDS: Final = 10.0


class TradingEngine:
    """One run. `run` returns True where it should be started again: there are other markets."""

    def __init__(self, config: EngineConfig, metrics: Metrics) -> None:
        self.config = config
        self.metrics = metrics
        self.stop = asyncio.Event()
        self.venues = {table.name: build_venue(table) for table in config.venues}
        path = config.engine.kill_file
        self.kill = KillSwitch(Path(path) if path else None, metrics)
        self.adapters: dict[str, Adapter] = {}
        self.executors: dict[str, Executor] = {}
        self._is_outdated = False

    async def run(self) -> bool:
        tasks: list[asyncio.Task[None]] = []
        try:
            await self._prepare()
            await self._recover()
            tasks = [asyncio.create_task(part) for part in self._list_parts()]
            log.info("engine_started", markets=len(self.markets.markets), venues=[*self.venues])
            stopping = asyncio.create_task(self.stop.wait())
            await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            for task in tasks:
                if task.done() and (fault := task.exception()) is not None:
                    raise fault
        finally:
            await self._end(tasks)
        return self._is_outdated

    # Starting

    async def _prepare(self) -> None:
        self.events = await self._load()
        self.markets = markets = MarketMap(self.events)
        if self.config.engine.mapping:
            markets.load_mapping(Path(self.config.engine.mapping))
        self.cache = Cache(markets)
        self.state = State(Path(self.config.engine.state))
        self.portfolio = EnginePortfolio(self.state.load_holdings())
        self.risk = Risk(self.config.limits, self.portfolio, markets, self.kill)
        self.risk.day = self.state.load_day()
        self.ledger = Ledger(self.state, self.portfolio, self.risk, markets)
        self.router = Router(self.cache, self.metrics, self._resync)
        for table in self.config.venues:
            self.executors[table.name] = self._build_executor(table)
        self.bridge = Bridge(
            self.executors,
            self.ledger,
            self.metrics,
            self.kill,
            rule=self.config.rule,
            signal_ms_max=self.config.engine.signal_ms_max,
        )
        self.quoter = Quoter(self.executors, self.ledger, self.metrics, self.kill)
        for executor in self.executors.values():
            if isinstance(executor, PaperExecutor):
                executor.report = self.quoter.hear
        self.strategies = [self._build_strategy(*one) for one in self._list_strategies()]
        self.router.runners = [
            StrategyRunner(one, self.cache, self.submit, self.metrics) for one in self.strategies
        ]
        for name, venue in self.venues.items():
            feed = venue.build_feed()
            self.adapters[name] = Adapter(venue, feed, self.router.put, self.metrics)

    async def _load(self) -> list[MarketEvent]:
        found = await asyncio.gather(*(load(*named) for named in self.venues.items()))
        return [event for events in found for event in events]

    def _build_executor(self, table: VenueTable) -> Executor:
        if table.executor != LIVE:
            return self._build_paper(table)
        venue = self.venues[table.name]
        if isinstance(venue, Predex):
            return PredexOrders(table.name, venue.url, venue.key, self.markets)
        if isinstance(venue, Kalshi):
            return KalshiOrders(table.name, venue.http, self.markets)
        if isinstance(venue, Polymarket):
            return PolymarketOrders(venue.clob, self.markets)
        raise ConfigError(f"{table.name}: nothing carries out live orders there")

    def _build_paper(self, table: VenueTable) -> PaperExecutor:
        executor = PaperExecutor(self.cache, latency_ms=table.latency_ms)
        self.router.book_listeners.append(
            lambda key: executor.hear_book(key) if key.venue == table.name else None
        )
        self.router.trade_listeners.append(
            lambda trade: executor.hear_trade(trade) if trade.key.venue == table.name else None
        )
        return executor

    def _list_strategies(self) -> list[tuple[str, str, dict[str, Any]]]:
        return [(one.kind, one.name, one.options) for one in self.config.strategies]

    def _build_strategy(self, kind: str, name: str, options: dict[str, Any]) -> Strategy:
        try:
            strategy = build_strategy(kind, name, self.markets, options)
        except (TypeError, ImportError, AttributeError, OSError) as fault:
            raise ConfigError(f"strategy {name}: {fault}") from fault
        strategy.portfolio = self.portfolio
        return strategy

    async def _recover(self) -> None:
        """End what an earlier run began; then compare positions with the venues'."""
        await self.bridge.recover()
        await self.quoter.recover()
        for name, executor in self.executors.items():
            positions = await executor.list_positions()
            if positions is not None:
                await self._reconcile(name, positions)

    async def _reconcile(self, venue: str, positions: dict[Key, int]) -> None:
        """Take over positions that the venue has and no strategy made."""
        for event in self.markets.events:
            if event.markets[0].venue != venue:
                continue
            keys = [market.yes for market in event.markets]
            more = {key: positions.get(key, 0) - self.portfolio.count_lots(key) for key in keys}
            if self.markets.find_set(keys[0]) and len(keys) > 1:
                # Complete sets are money: whether the venue keeps them or not is no difference.
                sets = max(0, min(more.values())) + min(0, max(more.values()))
                more = {key: lots - sets for key, lots in more.items()}
            for key, lots in more.items():
                if lots:
                    await self._take_over(key, lots)

    async def _take_over(self, key: Key, lots: int) -> None:
        log.warning("position_differs", token=key.token, venue_has_more_lots=lots)
        holding = self.portfolio.get(OUTSIDE, key)
        holding.lots += lots
        await self.ledger.write(self.state.adjust, key, holding)

    def _list_parts(self) -> list[Coroutine[Any, Any, None]]:
        parts = [self.bridge.run(), self.quoter.run(), self._keep_house()]
        parts += [worker.run() for worker in self.router.list_tasks()]
        parts += [runner.run() for runner in self.router.runners]
        followed = {market.venue for market in self.markets.markets}
        return parts + [one.run() for name, one in self.adapters.items() if name in followed]

    # Running

    def submit(self, wish: Wish) -> None:
        if isinstance(wish, Signal):
            self.bridge.submit(wish)
        else:
            self.quoter.submit(wish)

    def _resync(self, key: Key) -> None:
        self.adapters[key.venue].resync(key)

    async def _keep_house(self) -> None:
        reload_seconds = self.config.engine.reload_seconds
        loaded_at = time.monotonic()
        while not is_orphan():
            self.kill.show()
            self._show_figures()
            await asyncio.sleep(HOUSEKEEPING_SECONDS)
            if reload_seconds and time.monotonic() - loaded_at > reload_seconds:
                loaded_at = time.monotonic()
                if await self._find_others():
                    self._is_outdated = True
                    break
        self.stop.set()

    async def _find_others(self) -> bool:
        """Whether the venues have other markets now. One that can't say has the same."""
        try:
            return await self._load() != self.events
        except Exception as fault:
            log.warning("markets_not_read", because=str(fault))
            return False

    def _show_figures(self) -> None:
        for venue in self.venues:
            books = [book for key, book in self.cache.books.items() if key.venue == venue]
            current = sum(book.is_current for book in books)
            self.metrics.books_current.labels(venue).set(current)
        for strategy in self.strategies:
            profits = self.portfolio.compute_profit(strategy.name, self.cache)
            for kind, micros in zip(("realised", "unrealised"), profits, strict=True):
                if micros is not None:
                    shown = micros / MICROS_PER_CREDIT
                    self.metrics.profit.labels(strategy.name, kind).set(shown)

    # Stopping

    async def _end(self, tasks: list[asyncio.Task[None]]) -> None:
        """Let the signal that is under way end, cancel all orders, then stop the rest."""
        if tasks:
            self.bridge.close()
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await self.bridge.wait_idle()
                    await self.quoter.stop()
            except TimeoutError:
                log.error("did_not_stop_in_time", because="a venue does not answer")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for executor in self.executors.values():
            await executor.close()
        for venue in self.venues.values():
            await venue.close()
        if hasattr(self, "ledger"):
            self.ledger.close()
        log.info("engine_stopped")


async def load(name: str, venue: Venue) -> list[MarketEvent]:
    """Return a venue's markets, or raise what is wrong with its name before it."""
    try:
        return await venue.load()
    except (PredexError, httpx.HTTPError, VenueError) as fault:
        raise VenueError(f"{name}: {fault}") from fault


async def run_engine(config: EngineConfig) -> None:
    """Run until a signal, again and again where markets change."""
    metrics = Metrics()
    if config.metrics_address is not None:
        metrics.serve(*config.metrics_address)
    loop = asyncio.get_running_loop()
    is_over = False
    while not is_over:
        engine = TradingEngine(config, metrics)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, engine.stop.set)
        loop.add_signal_handler(signal.SIGUSR1, engine.kill.throw, "SIGUSR1")
        is_over = not await engine.run()
