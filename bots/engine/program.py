"""The running engine: everything put together, started in order, and stopped cleanly."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import httpx
import structlog

from bots.engine.cache import Cache
from bots.engine.config import (
    LIVE,
    VENUES,
    ConfigError,
    EngineConfig,
    StrategyTable,
    VenueTable,
    build,
)
from bots.engine.events import Key
from bots.engine.execution.bridge import Bridge
from bots.engine.execution.ledger import Ledger
from bots.engine.execution.orders import Executor
from bots.engine.execution.paper import PaperExecutor
from bots.engine.execution.portfolio import OUTSIDE, EnginePortfolio
from bots.engine.execution.quoter import Quoter
from bots.engine.execution.risk import KillSwitch, Risk
from bots.engine.execution.state import State
from bots.engine.markets import MarketEvent, MarketMap, UnknownMarketError
from bots.engine.metrics import Metrics
from bots.engine.router import Router
from bots.engine.signals import Signal, Wish
from bots.engine.strategies.base import Strategy, StrategyRunner, build_strategy
from bots.engine.units import MICROS_PER_CREDIT
from bots.engine.venues.base import Venue, VenueError
from bots.engine.venues.connection import Adapter
from bots.loop import is_orphan
from predex_client import PredexError

log = structlog.get_logger(__name__)

HOUSEKEEPING_SECONDS: Final = 1.0
SETTLE_SECONDS: Final = 60.0
STOP_SECONDS: Final = 10.0
UNREADABLE: Final = (LookupError, TypeError, ValueError, ArithmeticError)
"""What reading an answer raises that is not a venue's."""


class Executors(dict[str, Executor]):
    """By venue."""

    def __missing__(self, venue: str) -> Executor:
        raise UnknownMarketError(f"an earlier run has orders at {venue}: add this venue again")


class TradingEngine:
    """One run. `run` returns True where it should be started again: there are other markets."""

    def __init__(
        self, config: EngineConfig, metrics: Metrics, kill: KillSwitch | None = None
    ) -> None:
        self.config = config
        self.metrics = metrics
        self.stop = asyncio.Event()
        self.venues = {
            table.name: build(
                f"venue {table.name}", VENUES[table.kind], table.name, options=table.options
            )
            for table in config.venues
        }
        self.kill = kill or KillSwitch(config.engine.kill_file, metrics)
        self.adapters: dict[str, Adapter] = {}
        self.executors = Executors()
        self._open = contextlib.AsyncExitStack()
        self._is_outdated = False

    async def run(self) -> bool:
        async with self._open:
            await self._until_stop([self._start()])
            if not self.stop.is_set():
                await self._until_stop(self._list_parts(), end=self._stop_trading)
        log.info("engine_stopped")
        return self._is_outdated

    async def _until_stop(
        self, parts: list[Coroutine[Any, Any, Any]], *, end: Callable[[], Any] | None = None
    ) -> None:
        """Run parts until one ends or the engine is to stop; raise what one has failed with."""
        tasks = [asyncio.create_task(part) for part in (self.stop.wait(), *parts)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            try:
                if end is not None:
                    await end()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    # Starting

    async def _start(self) -> None:
        for venue in self.venues.values():
            self._open.push_async_callback(venue.close)
        self.events = await self._load()
        self.markets = markets = MarketMap(self.events)
        if mapping := self.config.engine.mapping:
            try:
                markets.load_mapping(Path(mapping))
            except (OSError, TypeError, ValueError, AttributeError) as fault:
                raise ConfigError(f"{mapping}: {fault}") from fault
        self.cache = Cache(markets)
        self.router = Router(self.cache, self.metrics, self._resync)
        self._prepare_execution()
        self.strategies = [self._build_strategy(table) for table in self.config.strategies]
        self.router.runners = [
            StrategyRunner(one, self.cache, self.submit, self.metrics) for one in self.strategies
        ]
        for name, venue in self.venues.items():
            feed = venue.build_feed()
            self.adapters[name] = Adapter(venue, feed, self.router.put, self.metrics)
        await self._recover()
        books = {one.strategy.name: len(one.watched) for one in self.router.runners}
        log.info("engine_started", venues=[*self.venues], books_of_strategies=books)

    def _prepare_execution(self) -> None:
        state = State(Path(self.config.engine.state))
        self.portfolio = EnginePortfolio(state.load_holdings())
        self.risk = Risk(
            self.config.limits, self.portfolio, self.markets, self.kill, state.load_day()
        )
        self.ledger = Ledger(state, self.portfolio, self.risk, self.markets)
        self._open.callback(self.ledger.close)
        for table in self.config.venues:
            executor = self.executors[table.name] = self._build_executor(table)
            self._open.push_async_callback(executor.close)
        self.bridge = Bridge(
            self.executors,
            self.ledger,
            self.metrics,
            self.kill,
            rule=self.config.rule,
            signal_ms_max=self.config.engine.signal_ms_max,
        )
        self.quoter = Quoter(self.executors, self.ledger, self.metrics, self.kill)

    async def _load(self) -> list[MarketEvent]:
        found = await asyncio.gather(*(load(*named) for named in self.venues.items()))
        return [event for events in found for event in events]

    def _build_executor(self, table: VenueTable) -> Executor:
        if table.executor == LIVE:
            return self.venues[table.name].build_executor(self.markets)
        executor = PaperExecutor(self.cache, latency_ms=table.latency_ms)
        self.router.book_listeners.append(executor.hear_book)
        self.router.trade_listeners.append(executor.hear_trade)
        return executor

    def _build_strategy(self, table: StrategyTable) -> Strategy:
        strategy = build_strategy(table.kind, table.name, self.markets, table.options)
        strategy.portfolio = self.portfolio
        return strategy

    async def _recover(self) -> None:
        """End what an earlier run began; then compare positions with the venues'."""
        await self.bridge.recover()
        await self.quoter.recover()
        await self._settle()
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
        self.portfolio.get(OUTSIDE, key).lots += lots
        await self.ledger.write_holdings(key)

    async def _settle(self) -> None:
        """Book what markets have paid whose books are empty or gone."""
        held = {key for (_, key), holding in self.portfolio.holdings.items() if holding.lots}
        for key in held:
            venue, ladder = self.venues.get(key.venue), self.cache.get(key)
            if venue is None or (ladder is not None and (ladder.bids or ladder.asks)):
                continue
            try:
                payout = await venue.find_payout(key)
            except (*UNREADABLE, PredexError, httpx.HTTPError, VenueError) as fault:
                log.warning("payout_not_read", token=key.token, because=str(fault))
                continue
            if payout is not None:
                log.info("market_has_paid", token=key.token, pips=payout.pips)
                await self.ledger.settle(key, payout.pips)

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
        loaded_at = settled_at = time.monotonic()
        while not is_orphan():
            self.kill.show()
            self._show_figures()
            await asyncio.sleep(HOUSEKEEPING_SECONDS)
            if time.monotonic() - settled_at > SETTLE_SECONDS:
                await self._settle()
                settled_at = time.monotonic()
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
        except VenueError as fault:
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

    async def _stop_trading(self) -> None:
        """Let the signal that is under way end, and cancel all orders."""
        self.bridge.close()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self.bridge.wait_idle()
                await self.quoter.stop()
        except TimeoutError:
            log.error("did_not_stop_in_time", because="a venue does not answer")


async def load(name: str, venue: Venue) -> list[MarketEvent]:
    """Return a venue's markets, or raise what is wrong with its name before it."""
    try:
        return await venue.load()
    except (PredexError, httpx.HTTPError, VenueError) as fault:
        raise VenueError(f"{name}: {fault}") from fault
    except UNREADABLE as fault:
        raise VenueError(f"{name} answers what can't be understood: {fault!r}") from fault


async def run_engine(config: EngineConfig) -> None:
    """Run until a signal, again and again where markets change."""
    metrics = Metrics()
    if config.metrics_address is not None:
        metrics.serve(*config.metrics_address)
    loop = asyncio.get_running_loop()
    is_over, kill = False, None
    while not is_over:
        engine = TradingEngine(config, metrics, kill)
        kill = engine.kill  # thrown it stays, whatever markets there are
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, engine.stop.set)
        loop.add_signal_handler(signal.SIGUSR1, engine.kill.throw, "SIGUSR1")
        is_over = not await engine.run()
