"""From signals to orders: legs in sequence, and a rule for what a failed leg leaves behind.

A signal is carried out alone: what comes meanwhile waits (bounded), and is dropped if it was
decided on a book that has been acted on since. Each leg is filled or killed. Is one not filled
after others were, the rule says what to do: `unwind` closes them at once, no worse than a bound
from what they were filled at, and holds what can't be closed; `hold` holds all and says so.
"""

import asyncio
import time
import uuid
from collections.abc import Mapping, Sequence
from math import lcm
from typing import Final, NamedTuple

import structlog
from msgspec.structs import replace

from bots.engine.events import BUY, SELL, Key
from bots.engine.execution.ledger import Ledger
from bots.engine.execution.orders import (
    Executor,
    OrderOutcome,
    OrderReport,
    OrderTicket,
    OutcomeUnknownAtVenueError,
    Terms,
    name_order,
    refused,
)
from bots.engine.execution.risk import KillSwitch
from bots.engine.execution.state import DONE, HELD, UNWOUND, Intent, StoredOrder
from bots.engine.metrics import Metrics
from bots.engine.signals import Signal
from bots.engine.units import LOTS_PER_CONTRACT, MICROS_PER_CREDIT, PAYOUT_PIPS

log = structlog.get_logger(__name__)

SIGNALS_MAX: Final = 100
LEG: Final = "leg"
UNWIND: Final = "unwind"


class Rule(NamedTuple):
    """`name` is `unwind` or `hold`; the bound is of a price."""

    name: str = UNWIND
    bound_pips: int = 300


class Executed(NamedTuple):
    """What became of a signal: its orders, what it brought, and how it ended (see State)."""

    orders: Sequence[StoredOrder]
    profit_micros: int | None
    state: str


class Bridge:
    def __init__(
        self,
        executors: Mapping[str, Executor],
        ledger: Ledger,
        metrics: Metrics,
        kill: KillSwitch,
        *,
        rule: Rule,
        signal_ms_max: int,
    ) -> None:
        self.executors = executors
        self.queue: asyncio.Queue[tuple[Signal, int]] = asyncio.Queue(SIGNALS_MAX)
        self._ledger = ledger
        self._metrics = metrics
        self._kill = kill
        self._rule = rule
        self._signal_ns_max = signal_ms_max * 1_000_000
        self._busy = asyncio.Lock()
        self._is_closed = False
        self._acted: dict[Key, int] = {}
        """The version of each book that was acted on last: what it shows is not what there is."""

    def submit(self, signal: Signal) -> None:
        labels = (signal.strategy, signal.venue)
        self._metrics.signals.labels(*labels).inc()
        edge = signal.edge_micros / MICROS_PER_CREDIT / (signal.lots / LOTS_PER_CONTRACT)
        self._metrics.edge.labels(signal.strategy).observe(edge)
        try:
            self.queue.put_nowait((signal, time.monotonic_ns()))
        except asyncio.QueueFull:
            self._refuse(signal, "too many signals wait")

    async def run(self) -> None:
        while True:
            signal, decided_ns = await self.queue.get()
            async with self._busy:
                if not self._is_closed:
                    await self.execute(signal, decided_ns)

    def close(self) -> None:
        """Begin no other signal."""
        self._is_closed = True

    async def wait_idle(self) -> None:
        """Wait until the signal that is under way has ended."""
        async with self._busy:
            return

    async def execute(self, signal: Signal, decided_ns: int) -> Executed | None:
        """Carry out a signal; None: it was refused before anything was sent."""
        fitted = self._fit(signal, decided_ns)
        if fitted is None:
            return None
        intent = Intent(uuid.uuid4().hex, signal.strategy, signal.payout_pips, fitted.edge_micros)
        tickets = [build_ticket(intent, number, fitted) for number in range(len(fitted.legs))]
        await self._ledger.write(self._ledger.state.begin, intent, tickets)
        is_complete = True
        for ticket, leg in zip(tickets, fitted.legs, strict=True):
            if self._find(leg.key).shows_own_trades:
                self._acted[self._find_book(leg.key)] = leg.version
            report = await self.send(ticket)
            if report.outcome is not OrderOutcome.FILLED:
                is_complete = False
                break
        if is_complete:
            self._measure(fitted, decided_ns)
        return await self.conclude(intent)

    def _fit(self, signal: Signal, decided_ns: int) -> Signal | None:
        """Return the signal in the size that limits and books allow; None: it is refused."""
        if refusal := self._find_refusal(signal, decided_ns):
            self._refuse(signal, refusal)
            return None
        step = lcm(*(leg.lot_step_lots for leg in signal.legs))
        lots = min(
            min(self._ledger.risk.count_room(leg), self._find(leg.key).count_available(leg))
            for leg in signal.legs
        )
        lots = lots // step * step
        if lots < signal.lots:
            signal = signal.resize(lots) if lots else replace(signal, edge_micros=0)
        if signal.edge_micros > 0:
            return signal
        self._refuse(signal, "limits, or what was taken already, leave nothing to gain")
        return None

    def _find_refusal(self, signal: Signal, decided_ns: int) -> str:
        if self._kill.is_thrown:
            return "the kill switch is thrown"
        if time.monotonic_ns() - decided_ns > self._signal_ns_max:
            return "it is too old"
        if any(self._is_outdated(leg.key, leg.version) for leg in signal.legs):
            return "its books were acted on since"
        return ""

    def _is_outdated(self, key: Key, version: int) -> bool:
        return version <= self._acted.get(self._find_book(key), -1)

    def _find_book(self, key: Key) -> Key:
        return self._ledger.markets.find_book(key)[0]

    def _refuse(self, signal: Signal, reason: str) -> None:
        self._metrics.rejections.labels(signal.strategy, self._find(signal.legs[0].key).name).inc()
        log.debug("signal_refused", strategy=signal.strategy, because=reason)

    def _find(self, key: Key) -> Executor:
        return self.executors[key.venue]

    # Orders

    async def send(self, ticket: OrderTicket) -> OrderReport:
        """Send an order, and find out what became of it whatever happens on the way."""
        executor = self._find(ticket.key)
        if self._kill.is_thrown and ticket.role == LEG:
            report = refused("the kill switch is thrown")
        else:
            await self._ledger.write(self._ledger.state.send, ticket)
            try:
                report = await executor.place(ticket)
            except OutcomeUnknownAtVenueError as fault:
                log.warning("order_outcome_unknown", order=ticket.id, because=str(fault))
                report = await executor.find_out(ticket)
        await self._settle(ticket, report)
        return report

    async def _settle(
        self, ticket: OrderTicket, report: OrderReport, known: OrderReport | None = None
    ) -> None:
        labels = (ticket.strategy, self._find(ticket.key).name)
        is_filled = report.outcome is OrderOutcome.FILLED
        (self._metrics.fills if is_filled else self._metrics.rejections).labels(*labels).inc()
        await self._ledger.record(ticket, report, known)
        self._ledger.forget(ticket)

    def _measure(self, signal: Signal, decided_ns: int) -> None:
        now = time.monotonic_ns()
        name = signal.strategy
        self._metrics.signal_to_fill_us.labels(name).observe((now - decided_ns) / 1_000)
        self._metrics.e2e_us.labels(name).observe((now - signal.received_ns) / 1_000)

    # What follows

    async def conclude(self, intent: Intent) -> Executed:
        """End an intent whose legs are all decided: apply the rule if it is not complete."""
        orders = await self._read(intent)
        legs = [one for one in orders if one.ticket.role == LEG]
        state = DONE
        filled = [one for one in legs if one.report.outcome is OrderOutcome.FILLED]
        if filled and len(filled) < len(legs):
            state = await self._apply_rule(intent, filled)
            orders = await self._read(intent)
        profit = self._compute_profit(intent, orders, state) if filled else 0
        await self._ledger.write(self._ledger.state.finish, intent.id, state, profit)
        return Executed(await self._read(intent), profit, state)

    async def _apply_rule(self, intent: Intent, filled: Sequence[StoredOrder]) -> str:
        """Close what was filled, or hold it. Orders that were sent before are not sent again."""
        held: list[str] = []
        for number, leg in enumerate(filled):
            lots = leg.report.lots
            if self._rule.name == UNWIND:
                lots -= await self._unwind(intent, number, leg)
            if lots:
                held.append(f"{lots} lots of {leg.ticket.key.token} at {leg.ticket.key.venue}")
        how = HELD if held else UNWOUND
        self._metrics.incomplete.labels(intent.strategy, how).inc()
        if held:
            log.error("position_held", strategy=intent.strategy, intent=intent.id, held=held)
            state = self._ledger.state
            await self._ledger.write(lambda: state.note("held", intent=intent.id, held=held))
        return how

    async def _unwind(self, intent: Intent, number: int, leg: StoredOrder) -> int:
        """Return how much of a leg is closed: nothing where its market is over by now."""
        market = self._ledger.markets.by_token.get(leg.ticket.key)
        if market is None:
            return 0
        ticket = build_unwind(intent, number, leg, self._rule.bound_pips, market.tick_pips)
        before = await self._ledger.write(self._ledger.state.find_order, ticket.id)
        return before.report.lots if before is not None else (await self.send(ticket)).lots

    async def _read(self, intent: Intent) -> list[StoredOrder]:
        return await self._ledger.write(self._ledger.state.list_orders, intent.id)

    def _compute_profit(
        self, intent: Intent, orders: Sequence[StoredOrder], state: str
    ) -> int | None:
        """Return what the intent has brought; None while something is held."""
        if state == HELD:
            return None
        reports = [one.report for one in orders]
        money = sum(report.money_micros - report.fee_micros for report in reports)
        if state != DONE:
            return money
        return money + intent.payout_pips * reports[0].lots

    # After a restart

    async def recover(self) -> list[Executed]:
        """Find out what became of orders that were under way, and end their intents."""
        concluded = []
        for intent in await self._ledger.write(self._ledger.state.list_open_intents):
            for stored in await self._read(intent):
                if stored.report.outcome is OrderOutcome.SENDING:
                    report = await self._find(stored.ticket.key).find_out(stored.ticket)
                    await self._settle(stored.ticket, report, stored.report)
            concluded.append(await self.conclude(intent))
            log.warning("intent_recovered", intent=intent.id, state=concluded[-1].state)
        return concluded


def build_ticket(intent: Intent, number: int, signal: Signal) -> OrderTicket:
    leg = signal.legs[number]
    return OrderTicket(
        id=name_order(intent.id, LEG, number),
        intent=intent.id,
        role=LEG,
        strategy=intent.strategy,
        key=leg.key,
        side=leg.side,
        limit_pips=leg.limit_pips,
        lots=leg.lots,
        created_s=int(time.time()),
    )


def build_unwind(
    intent: Intent, number: int, leg: StoredOrder, bound_pips: int, tick_pips: int
) -> OrderTicket:
    """Return the order that closes a leg, no worse than the bound from what it was filled at."""
    filled, ticket = leg.report, leg.ticket
    side = SELL if ticket.side == BUY else BUY
    worst = abs(filled.money_micros) + side * bound_pips * filled.lots
    step = tick_pips * filled.lots
    limit = worst // step * tick_pips if side == BUY else -(-worst // step) * tick_pips
    return OrderTicket(
        id=name_order(intent.id, UNWIND, number),
        intent=intent.id,
        role=UNWIND,
        strategy=intent.strategy,
        key=ticket.key,
        side=side,
        limit_pips=max(tick_pips, min(PAYOUT_PIPS - tick_pips, limit)),
        lots=filled.lots,
        terms=Terms.IOC,
        created_s=int(time.time()),
    )
