"""Keeps the orders of a quoting strategy in the book: places, amends and cancels as it wishes.

For each book of each strategy the newest wish counts; older ones that were not reached are passed
over. An order that rests is amended to its new price and size, so it is never there twice.
"""

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import structlog
from msgspec import Struct
from msgspec.structs import replace

from bots.engine.events import BUY, SELL, Key, Level
from bots.engine.execution.ledger import Ledger
from bots.engine.execution.orders import (
    Executor,
    OrderOutcome,
    OrderReport,
    OrderTicket,
    OutcomeUnknownAtVenueError,
    Terms,
    name_order,
)
from bots.engine.execution.risk import KillSwitch, count_at_risk
from bots.engine.metrics import Metrics
from bots.engine.signals import QuoteSet, SignalLeg, WantedQuote

log = structlog.get_logger(__name__)

QUOTE: Final = "quote"
REVIEW_SECONDS: Final = 2.0
STAY_SECONDS: Final = 30
"""How long quotes outlive an engine that has died."""
Book = tuple[str, Key]
"""A strategy and a token."""
Slot = tuple[int, int]
"""Side, and place in the ladder."""


class RestingQuote(Struct):
    ticket: OrderTicket
    report: OrderReport


Resting = dict[Slot, RestingQuote]


class Quoter:
    def __init__(
        self, executors: Mapping[str, Executor], ledger: Ledger, metrics: Metrics, kill: KillSwitch
    ) -> None:
        self.executors = executors
        self.resting: dict[Book, Resting] = {}
        self._ledger = ledger
        self._metrics = metrics
        self._kill = kill
        self._wanted: dict[Book, QuoteSet] = {}
        self._wake = asyncio.Event()
        self._lock = asyncio.Lock()
        self._reviewed_at = 0.0

    def submit(self, wish: QuoteSet) -> None:
        self._wanted[wish.strategy, wish.key] = wish
        self._wake.set()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout(REVIEW_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            async with self._lock:
                if self._kill.is_thrown:
                    self._wanted.clear()
                    await self._cancel_all()
                    continue
                if loop.time() - self._reviewed_at > REVIEW_SECONDS:
                    self._reviewed_at = loop.time()
                    await self._review()
                while self._wanted:
                    book = next(iter(self._wanted))
                    await self._quote(book, self._wanted.pop(book))

    async def stop(self) -> None:
        """Cancel everything that rests, as often as it takes within the time of the caller."""
        async with self._lock:
            self._wanted.clear()
            while any(self.resting.values()):
                await self._cancel_all()
                if any(self.resting.values()):
                    await asyncio.sleep(0.5)
            for venue in {key.venue for _, key in self.resting}:
                await self.executors[venue].stay(0)

    async def recover(self) -> None:
        """Cancel what an earlier run left in the books."""
        for stored in await self._ledger.write(self._ledger.state.list_open_orders):
            if stored.ticket.role != QUOTE:
                continue
            executor = self.executors[stored.ticket.key.venue]
            report = await executor.find_out(stored.ticket)
            while report.outcome is OrderOutcome.RESTING:
                try:
                    report = await executor.cancel(stored.ticket, report.venue_id)
                except OutcomeUnknownAtVenueError:
                    report = await executor.find_out(stored.ticket)
            await self._ledger.record(stored.ticket, report, stored.report)
            log.info("quote_of_an_earlier_run_ended", order=stored.ticket.id)

    # One book

    async def _quote(self, book: Book, wish: QuoteSet) -> None:
        resting = self.resting.setdefault(book, {})
        wanted: dict[Slot, WantedQuote] = {}
        for quote in self._limit(wish):
            number = sum(1 for side, _ in wanted if side == quote.side)
            wanted[quote.side, number] = quote
        for slot in [slot for slot in resting if slot not in wanted]:
            await self._cancel(resting, slot)
        for slot in sorted(wanted, key=self._order_of(resting, wanted)):
            await self._move(book, slot, wanted[slot])

    def _limit(self, wish: QuoteSet) -> Iterator[WantedQuote]:
        """Yield the quotes in the size that limits allow, each beside those before it."""
        risk, markets = self._ledger.risk, self._ledger.markets
        market = markets.by_token[wish.key]
        places = {
            side: (wish.strategy, *markets.express_as_yes(wish.key, side, 0)[:2])
            for side in (BUY, SELL)
        }
        risk.resting |= dict.fromkeys(places.values(), 0)
        for quote in wish.quotes:
            leg = SignalLeg(
                key=wish.key,
                side=quote.side,
                limit_pips=quote.price_pips,
                takes=(Level(quote.price_pips, quote.lots),),
                lot_step_lots=market.lot_step_lots,
            )
            lots = risk.count_room(leg)
            if lots:
                risk.resting[places[quote.side]] += count_at_risk(leg, lots)
                yield WantedQuote(quote.side, quote.price_pips, lots)

    def _order_of(
        self, resting: Resting, wanted: dict[Slot, WantedQuote]
    ) -> Callable[[Slot], tuple[bool, int]]:
        """Move the side that gives way first: rising prices begin with the sells."""
        before = {slot: quote.ticket.limit_pips for slot, quote in resting.items()}
        rises = sum(
            wanted[slot].price_pips - pips for slot, pips in before.items() if slot in wanted
        )
        first = SELL if rises > 0 else BUY
        return lambda slot: (slot[0] != first, slot[1])

    async def _move(self, book: Book, slot: Slot, wanted: WantedQuote) -> None:
        resting = self.resting[book]
        quote = resting.get(slot)
        if quote is None:
            await self._place(book, slot, wanted)
            return
        if quote.report.outcome is OrderOutcome.SENDING:
            return  # the next review finds out
        filled = quote.report.lots
        left = quote.ticket.lots - filled
        if (quote.ticket.limit_pips, left) == (wanted.price_pips, wanted.lots):
            return
        ticket = replace(quote.ticket, limit_pips=wanted.price_pips, lots=wanted.lots)
        executor = self.executors[ticket.key.venue]
        try:
            report = await executor.amend(ticket, quote.report.venue_id, filled)
        except OutcomeUnknownAtVenueError:
            return  # the next review finds out
        ticket = replace(ticket, lots=wanted.lots + filled)
        await self._ledger.record(ticket, report)
        self._keep(resting, slot, ticket, report)

    async def _place(self, book: Book, slot: Slot, wanted: WantedQuote) -> None:
        strategy, key = book
        intent = uuid.uuid4().hex
        ticket = OrderTicket(
            id=name_order(intent, QUOTE, 0),
            intent=intent,
            role=QUOTE,
            strategy=strategy,
            key=key,
            side=wanted.side,
            limit_pips=wanted.price_pips,
            lots=wanted.lots,
            terms=Terms.POST_ONLY,
            created_s=int(time.time()),
        )
        await self._ledger.write(self._ledger.state.send, ticket)
        # From here on it is cancelled at the end, whatever goes wrong.
        self.resting[book][slot] = RestingQuote(ticket, OrderReport(outcome=OrderOutcome.SENDING))
        executor = self.executors[key.venue]
        try:
            report = await executor.place(ticket)
        except OutcomeUnknownAtVenueError:
            return  # the next review finds out
        await self._ledger.record(ticket, report)
        if report.outcome is OrderOutcome.REJECTED:
            self._metrics.rejections.labels(strategy, executor.name).inc()
        self._keep(self.resting[book], slot, ticket, report)

    def _keep(self, resting: Resting, slot: Slot, ticket: OrderTicket, report: OrderReport) -> None:
        if report.outcome in (OrderOutcome.RESTING, OrderOutcome.SENDING):
            resting[slot] = RestingQuote(ticket, report)
            return
        resting.pop(slot, None)
        self._ledger.forget(ticket)
        if report.outcome is OrderOutcome.FILLED:
            name = self.executors[ticket.key.venue].name
            self._metrics.fills.labels(ticket.strategy, name).inc()

    async def _cancel(self, resting: Resting, slot: Slot) -> None:
        quote = resting[slot]
        executor, report = self.executors[quote.ticket.key.venue], quote.report
        try:
            if report.outcome is OrderOutcome.SENDING:
                report = await self._ask(quote)
            if report.outcome is OrderOutcome.RESTING:
                report = await executor.cancel(quote.ticket, report.venue_id)
        except OutcomeUnknownAtVenueError:
            return
        await self._note(resting, slot, report)

    async def _cancel_all(self) -> None:
        """Cancel every order, whatever goes wrong with some of them."""
        cancels = [
            self._cancel(resting, slot) for resting in self.resting.values() for slot in resting
        ]
        done = await asyncio.gather(*cancels, return_exceptions=True)
        for fault in done:
            if fault is not None:
                raise fault

    async def _review(self) -> None:
        """Ask what has become of orders that rest, or may; and say that they are still meant."""
        venues = {key.venue for (_, key), resting in self.resting.items() if resting}
        await asyncio.gather(*(self._review_venue(venue) for venue in venues))

    async def _review_venue(self, venue: str) -> None:
        await self.executors[venue].stay(STAY_SECONDS)
        for (_, key), resting in self.resting.items():
            for slot in list(resting) if key.venue == venue else ():
                try:
                    await self._look_again(resting, slot)
                except OutcomeUnknownAtVenueError:
                    return  # it does not answer: the next review asks again

    async def _look_again(self, resting: Resting, slot: Slot) -> None:
        await self._note(resting, slot, await self._ask(resting[slot]))

    async def _ask(self, quote: RestingQuote) -> OrderReport:
        """Return what has become of an order; SENDING: it may still be on its way."""
        report = await self.executors[quote.ticket.key.venue].find(quote.ticket)
        if report is not None:
            return report
        is_late = time.time() >= quote.ticket.created_s + STAY_SECONDS
        if quote.report.outcome is OrderOutcome.SENDING and not is_late:
            return quote.report
        return replace(quote.report, outcome=OrderOutcome.CANCELLED)

    async def _note(self, resting: Resting, slot: Slot, report: OrderReport) -> None:
        if report.outcome is not OrderOutcome.SENDING:
            ticket = resting[slot].ticket
            await self._ledger.record(ticket, report)
            self._keep(resting, slot, ticket, report)
