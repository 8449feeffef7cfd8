"""The books of the engine: what orders did, to the portfolio and on disk at once."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from msgspec.structs import replace

from bots.engine.events import Key
from bots.engine.execution.orders import OrderReport, OrderTicket
from bots.engine.execution.portfolio import EnginePortfolio
from bots.engine.execution.risk import Risk
from bots.engine.execution.state import State
from bots.engine.markets import MarketMap
from bots.engine.units import PAYOUT_PIPS

T = TypeVar("T")


class Ledger:
    """Writes in a thread of its own, in order: the disk never delays the cache."""

    def __init__(
        self, state: State, portfolio: EnginePortfolio, risk: Risk, markets: MarketMap
    ) -> None:
        self.state = state
        self.portfolio = portfolio
        self.risk = risk
        self.markets = markets
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="state")
        self._known: dict[str, OrderReport] = {}
        """What is counted already of orders that may fill again."""

    async def write(self, call: Callable[..., T], *arguments: Any) -> T:
        running = asyncio.get_running_loop().run_in_executor(self._pool, call, *arguments)
        # Its caller may be cancelled, as when the engine stops; what it has counted is written.
        return await asyncio.shield(running)

    async def record(
        self, ticket: OrderTicket, report: OrderReport, known: OrderReport | None = None
    ) -> None:
        """Take what is new in a report; `known` is what the disk has, after a restart."""
        before = self._known.get(ticket.id) or known
        lots, money, fee = report.lots, report.money_micros, report.fee_micros
        if before is not None:
            lots, money, fee = (
                lots - before.lots,
                money - before.money_micros,
                fee - before.fee_micros,
            )
        if lots < 0:
            return  # an older report than what is counted
        self._known[ticket.id] = report
        yes, side, _ = self.markets.express_as_yes(ticket.key, ticket.side, 0)
        if side != ticket.side:
            # NO bought for p is YES sold for 1 - p: a lot of it brings what it pays less its cost.
            money -= side * lots * PAYOUT_PIPS
        holding = self.portfolio.get(ticket.strategy, yes)
        realised = holding.realised_micros
        holding.trade(side * lots, money, fee)
        changed = {yes, *self.portfolio.redeem(ticket.strategy, self.markets.find_set(yes), yes)}
        self.risk.note(abs(money), holding.realised_micros - realised - fee)
        holdings = {
            (ticket.strategy, key): replace(self.portfolio.get(ticket.strategy, key))
            for key in changed
        }
        await self.write(self.state.record, ticket, report, holdings, replace(self.risk.day))

    async def settle(self, key: Key, payout_pips: int | None) -> None:
        """Book what a market's end has paid."""
        self.risk.note(0, self.portfolio.settle(key, payout_pips))
        await self.write_holdings(key)

    async def write_holdings(self, key: Key) -> None:
        holdings = {
            place: replace(holding)
            for place, holding in self.portfolio.holdings.items()
            if place[1] == key
        }
        await self.write(self.state.write_holdings, holdings, replace(self.risk.day))

    def forget(self, ticket: OrderTicket) -> None:
        self._known.pop(ticket.id, None)

    def close(self) -> None:
        self._pool.shutdown(wait=True)
        self.state.close()
