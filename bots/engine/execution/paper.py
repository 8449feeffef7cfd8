"""The paper executor: fills against the cached books, and flatters nobody.

- An order is decided after `latency_ms`, on the book as it is then.
- It takes what is displayed, level by level at their prices, and each displayed size once: what it
  took is gone for it until others add to the level. Fees are the venue's.
- An order that rests waits behind all that was displayed at its price. Only trades at that price
  move it forward, not what others cancel before it, unless less is left than it waits for. It is
  filled at its own price, by trades that reach it or by a book that has moved through it.
"""

import asyncio
from collections.abc import Iterator
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from bots.engine.book import BookLadder
from bots.engine.cache import Cache
from bots.engine.events import BUY, Key, Level, TradePrint
from bots.engine.execution.orders import Executor, OrderOutcome, OrderReport, OrderTicket, Terms
from bots.engine.fees import FeeSchedule
from bots.engine.signals import SignalLeg, levels_for
from bots.engine.units import PAYOUT_PIPS

LATENCY_MS: Final = 50

Taken = tuple[Key, int, int]
"""A YES token, the side of the order that takes, a price of YES."""


class RestingPaper(Struct):
    """`ahead` is what trades before it."""

    ticket: OrderTicket
    ahead: int
    filled: int = 0

    @property
    def left(self) -> int:
        return self.ticket.lots - self.filled

    def fill(self, lots: int) -> None:
        self.filled += max(0, min(lots, self.left))


class PaperExecutor(Executor):
    name = "paper"
    settle_seconds = 0.0
    shows_own_trades = False

    def __init__(self, cache: Cache, *, latency_ms: int = LATENCY_MS) -> None:
        self._cache = cache
        self._markets = cache.markets
        self._latency_seconds = latency_ms / 1_000
        self._taken: dict[Taken, int] = {}
        self._resting: dict[str, RestingPaper] = {}
        """Those that rest, and those that were filled until somebody has asked for them."""

    # Orders that take

    async def place(self, ticket: OrderTicket) -> OrderReport:
        await asyncio.sleep(self._latency_seconds)
        ladder = self._cache.get(ticket.key)
        if ladder is None:
            return OrderReport(outcome=OrderOutcome.REJECTED, reason="the book is not current")
        if ticket.terms is Terms.POST_ONLY:
            return self._rest(ticket, ladder)
        takes = self._find_takes(ticket.key, ticket.side, ticket.limit_pips, ticket.lots, ladder)
        lots = sum(take.lots for take in takes)
        if not lots or (ticket.terms is Terms.FOK and lots < ticket.lots):
            return OrderReport(outcome=OrderOutcome.REJECTED, reason="not enough is displayed")
        for take in takes:
            self._take(ticket.key, ticket.side, take)
        return OrderReport(
            outcome=OrderOutcome.FILLED,
            lots=lots,
            money_micros=-ticket.side * sum(pips * count for pips, count in takes),
            fee_micros=self._find_fees(ticket.key).compute_micros(takes),
        )

    async def find(self, ticket: OrderTicket) -> OrderReport | None:
        """After a restart nothing rests on paper any more."""
        resting = self._resting.get(ticket.id)
        if resting is None:
            return None
        if not resting.left:
            del self._resting[ticket.id]
        return self._describe(resting)

    def count_available(self, leg: SignalLeg) -> int:
        """Return how much is left at the levels that a leg is planned on, before one is gone."""
        ladder = self._cache.get(leg.key)
        lots = 0
        displayed = {} if ladder is None else dict(levels_for(leg.side, ladder.bids, ladder.asks))
        for pips, planned in leg.takes:
            taken = self._taken.get(self._name(leg.key, leg.side, pips), 0)
            there = max(0, displayed.get(pips, 0) - taken)
            lots += min(there, planned)
            if there < planned:
                break
        return lots

    def _find_takes(
        self, key: Key, side: int, limit_pips: int, lots: int, ladder: BookLadder
    ) -> list[Level]:
        takes: list[Level] = []
        for pips, displayed in levels_for(side, ladder.bids, ladder.asks):
            if lots <= 0 or side * pips > side * limit_pips:
                break
            there = displayed - self._taken.get(self._name(key, side, pips), 0)
            if there > 0:
                takes.append(Level(pips, min(there, lots)))
                lots -= takes[-1].lots
        return takes

    def _take(self, key: Key, side: int, take: Level) -> None:
        name = self._name(key, side, take.price_pips)
        self._taken[name] = self._taken.get(name, 0) + take.lots

    def _name(self, key: Key, side: int, pips: int) -> Taken:
        return self._markets.express_as_yes(key, side, pips)

    def _find_fees(self, key: Key) -> FeeSchedule:
        return self._markets.by_token[key].fees

    # Orders that rest

    def _rest(self, ticket: OrderTicket, ladder: BookLadder) -> OrderReport:
        crossed = levels_for(ticket.side, ladder.bids, ladder.asks)
        if crossed and ticket.side * crossed[0].price_pips <= ticket.side * ticket.limit_pips:
            return OrderReport(outcome=OrderOutcome.REJECTED, reason="it would take")
        own = ladder.bids if ticket.side == BUY else ladder.asks
        ahead = dict(own).get(ticket.limit_pips, 0)
        self._resting[ticket.id] = RestingPaper(ticket, ahead)
        return OrderReport(outcome=OrderOutcome.RESTING, venue_id=ticket.id)

    async def amend(self, ticket: OrderTicket, venue_id: str, filled_lots: int) -> OrderReport:
        """A new price, or more contracts, goes to the end of the queue."""
        await asyncio.sleep(self._latency_seconds)
        resting = self._resting.get(ticket.id)
        ladder = self._cache.get(ticket.key)
        if resting is None or ladder is None:
            return OrderReport(outcome=OrderOutcome.CANCELLED, reason="it does not rest any more")
        if not resting.left:
            return self._describe(self._resting.pop(ticket.id))
        is_same_price = ticket.limit_pips == resting.ticket.limit_pips
        if is_same_price and ticket.lots <= resting.left:
            resting.ticket = replace(ticket, lots=ticket.lots + resting.filled)
            return self._describe(resting)
        filled = self._resting.pop(ticket.id).filled
        report = self._rest(ticket, ladder)
        if report.outcome is OrderOutcome.RESTING:
            again = self._resting[ticket.id]
            again.ticket, again.filled = replace(ticket, lots=ticket.lots + filled), filled
            return self._describe(again)
        ended = RestingPaper(replace(ticket, lots=ticket.lots + filled), 0, filled)
        return replace(self._describe(ended), outcome=OrderOutcome.CANCELLED, reason=report.reason)

    async def cancel(self, ticket: OrderTicket, venue_id: str) -> OrderReport:
        await asyncio.sleep(self._latency_seconds)
        resting = self._resting.pop(ticket.id, None)
        if resting is None:
            return OrderReport(outcome=OrderOutcome.CANCELLED)
        report = self._describe(resting)
        return replace(report, outcome=OrderOutcome.CANCELLED) if resting.left else report

    # What the venue shows

    def hear_trade(self, trade: TradePrint) -> None:
        for resting in self._find_resting(trade.key):
            ticket = resting.ticket
            key, side, pips = self._name(ticket.key, ticket.side, ticket.limit_pips)
            is_reached = side * trade.price_pips <= side * pips
            if key != trade.key or trade.taker_side == side or not is_reached:
                continue
            lots = trade.lots
            if trade.price_pips == pips:
                lots -= resting.ahead
                resting.ahead = max(0, -lots)
            resting.fill(lots)

    def hear_book(self, key: Key) -> None:
        """Forget what was taken of levels that are gone; fill what the book has moved through."""
        market = self._markets.by_token.get(key)
        if market is None:
            return
        for name in [one for one in self._taken if one[0] == market.yes]:
            there = self._count_displayed(name)
            if there < self._taken[name]:
                self._taken[name] = there
            if not self._taken[name]:
                del self._taken[name]
        for resting in self._find_resting(key):
            self._review(resting)

    def _count_displayed(self, name: Taken) -> int:
        """Return the size of a level, in either token's book."""
        yes, side, pips = name
        market = self._markets.by_token[yes]
        shown = [(yes, side, pips), (market.no, -side, PAYOUT_PIPS - pips)]
        found = []
        for key, of_side, price in shown[: len(market.books)]:
            book = self._cache.books[key]
            found.append((book.asks if of_side == BUY else book.bids).get(price, 0))
        return max(found)

    def _review(self, resting: RestingPaper) -> None:
        ticket = resting.ticket
        ladder = self._cache.get(ticket.key)
        if ladder is None:
            return
        own = dict(ladder.bids if ticket.side == BUY else ladder.asks)
        resting.ahead = min(resting.ahead, own.get(ticket.limit_pips, 0))
        takes = self._find_takes(ticket.key, ticket.side, ticket.limit_pips, resting.left, ladder)
        for take in takes:
            self._take(ticket.key, ticket.side, take)
        resting.fill(sum(take.lots for take in takes))

    def _find_resting(self, key: Key) -> Iterator[RestingPaper]:
        market = self._markets.by_token.get(key)
        for resting in list(self._resting.values()):
            if self._markets.by_token[resting.ticket.key] is market:
                yield resting

    def _describe(self, resting: RestingPaper) -> OrderReport:
        ticket, lots = resting.ticket, resting.filled
        fees = self._find_fees(ticket.key)
        maker = replace(fees, rate_ppm=fees.maker_rate_ppm)
        return OrderReport(
            outcome=OrderOutcome.RESTING if resting.left else OrderOutcome.FILLED,
            lots=lots,
            money_micros=-ticket.side * ticket.limit_pips * lots,
            fee_micros=maker.compute_micros([Level(ticket.limit_pips, lots)]),
            venue_id=ticket.id,
        )
