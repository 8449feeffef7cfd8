"""What executors of venues have in common: orders are for YES, whatever the token."""

from collections.abc import Iterable

from msgspec.structs import replace

from bots.engine.events import Key
from bots.engine.execution.orders import Executor, OrderOutcome, OrderReport, OrderTicket, Terms
from bots.engine.markets import MarketMap
from bots.engine.units import PAYOUT_PIPS


class LiveExecutor(Executor):
    """Of venues where NO at p is YES at 1 - p in the same book."""

    name = "live"

    def __init__(self, markets: MarketMap) -> None:
        self.markets = markets

    def as_yes(self, ticket: OrderTicket) -> OrderTicket:
        key, side, pips = self.markets.express_as_yes(ticket.key, ticket.side, ticket.limit_pips)
        return replace(ticket, key=key, side=side, limit_pips=pips)

    def for_token(self, report: OrderReport, ticket: OrderTicket) -> OrderReport:
        """Return a report about YES as one about the ticket's own token."""
        if self.as_yes(ticket).key == ticket.key:
            return report
        money_micros = report.money_micros - ticket.side * report.lots * PAYOUT_PIPS
        return replace(report, money_micros=money_micros)


def find_outcome(ticket: OrderTicket, lots: int, *, is_open: bool) -> OrderOutcome:
    if is_open:
        return OrderOutcome.RESTING
    if lots and (ticket.terms is not Terms.POST_ONLY or lots >= ticket.lots):
        return OrderOutcome.FILLED
    return OrderOutcome.CANCELLED if ticket.terms is Terms.POST_ONLY else OrderOutcome.REJECTED


def build_report(
    ticket: OrderTicket,
    fills: Iterable[tuple[int, int, int]],
    *,
    is_open: bool,
    venue_id: str,
    reason: str = "",
) -> OrderReport:
    """Return the report of an order for YES with these fills: pips, lots, fee in micros."""
    lots = money = fees = 0
    for pips, count, fee_micros in fills:
        lots += count
        money -= ticket.side * pips * count
        fees += fee_micros
    return OrderReport(
        outcome=find_outcome(ticket, lots, is_open=is_open),
        lots=lots,
        money_micros=money,
        fee_micros=fees,
        reason=reason,
        venue_id=venue_id,
    )


def positions_of(found: Iterable[tuple[Key, int]]) -> dict[Key, int]:
    positions: dict[Key, int] = {}
    for key, lots in found:
        positions[key] = positions.get(key, 0) + lots
    return {key: lots for key, lots in positions.items() if lots}
