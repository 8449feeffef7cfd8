"""Live orders at predex, by its Python client."""

import contextlib
from collections.abc import Awaitable
from typing import Final

from bots.engine.events import BUY, Key
from bots.engine.execution.live import (
    LiveExecutor,
    build_report,
    positions_of,
)
from bots.engine.execution.orders import (
    OrderOutcome,
    OrderReport,
    OrderTicket,
    OutcomeUnknownAtVenueError,
    Terms,
    refused,
)
from bots.engine.markets import MarketMap
from bots.engine.units import read_lots, read_micros, read_pips, show_price, show_quantity
from bots.engine.venues.predex_feed import name_token, read_name
from predex_client import (
    ApiError,
    AsyncClient,
    NotFoundError,
    OutcomeUnknownError,
    PredexError,
    UnavailableError,
)
from predex_client.own import Order
from predex_client.terms import Side, TimeInForce

SIDES: Final[dict[int, Side]] = {BUY: "buy", -BUY: "sell"}
TERMS: Final[dict[Terms, TimeInForce]] = {
    Terms.FOK: "fok", Terms.IOC: "ioc", Terms.POST_ONLY: "gtc",
}  # fmt: skip


class PredexOrders(LiveExecutor):
    """`hurried` sends orders: what can't be done at once is not worth doing later."""

    def __init__(self, venue: str, url: str, key: str, markets: MarketMap) -> None:
        super().__init__(markets)
        self._venue = venue
        self._client = AsyncClient(url, key)
        self._hurried = AsyncClient(url, key, patience=0)

    async def place(self, ticket: OrderTicket) -> OrderReport:
        order = self.as_yes(ticket)
        slug, outcome = read_name(order.key)
        try:
            answer = await self._hurried.place(
                slug,
                SIDES[order.side],
                show_quantity(order.lots),
                show_price(order.limit_pips),
                outcome=outcome,
                time_in_force=TERMS[order.terms],
                post_only=True if order.terms is Terms.POST_ONLY else None,
                client_order_id=order.id,
            )
        except (OutcomeUnknownError, UnavailableError) as fault:
            raise OutcomeUnknownAtVenueError(str(fault)) from fault
        except ApiError as refusal:
            return refused(refusal.code)
        except PredexError as fault:
            raise OutcomeUnknownAtVenueError(str(fault)) from fault
        fills = [
            (read_pips(t.price), read_lots(t.quantity), read_micros(t.fee)) for t in answer.trades
        ]
        report = build_report(
            order, fills, is_open=answer.is_open, venue_id=answer.id, reason=answer.reason or ""
        )
        return self.for_token(report, ticket)

    async def find(self, ticket: OrderTicket) -> OrderReport | None:
        try:
            order = await self._client.order_by_client_id(ticket.id)
            return await self._describe(ticket, order)
        except NotFoundError:
            return None
        except PredexError as fault:
            raise OutcomeUnknownAtVenueError(str(fault)) from fault

    async def amend(self, ticket: OrderTicket, venue_id: str, filled_lots: int) -> OrderReport:
        order = self.as_yes(ticket)
        total, price = show_quantity(order.lots + filled_lots), show_price(order.limit_pips)
        try:
            return await self._change(
                ticket, self._client.amend(venue_id, price=price, quantity=total)
            )
        except ApiError:
            return await self.cancel(ticket, venue_id)

    async def cancel(self, ticket: OrderTicket, venue_id: str) -> OrderReport:
        try:
            return await self._change(ticket, self._client.cancel(venue_id))
        except ApiError as refusal:  # it is over already
            found = await self.find(ticket)
            return found or OrderReport(outcome=OrderOutcome.CANCELLED, reason=refusal.code)

    async def stay(self, seconds: int) -> None:
        with contextlib.suppress(PredexError):  # called again soon
            await self._hurried.cancel_after(seconds)

    async def list_positions(self) -> dict[Key, int]:
        found = []
        async for row in self._client.positions(settled=False):
            for held in row.outcomes:
                key = Key(self._venue, name_token(row.market, held.outcome))
                yes, side, _ = self.markets.express_as_yes(key, BUY, 0)
                found.append((yes, side * read_lots(held.position)))
        return positions_of(found)

    async def close(self) -> None:
        await self._client.close()
        await self._hurried.close()

    async def _change(self, ticket: OrderTicket, request: Awaitable[Order]) -> OrderReport:
        """Send a change of a resting order. ApiError: it is refused, and has changed nothing."""
        try:
            return await self._describe(ticket, await request)
        except (OutcomeUnknownError, UnavailableError) as fault:
            raise OutcomeUnknownAtVenueError(str(fault)) from fault
        except ApiError:
            raise
        except PredexError as fault:
            raise OutcomeUnknownAtVenueError(str(fault)) from fault

    async def _describe(self, ticket: OrderTicket, order: Order) -> OrderReport:
        fills: list[tuple[int, int, int]] = []
        if order.filled:
            fills = [
                (read_pips(fill.price), read_lots(fill.quantity), read_micros(fill.fee))
                async for fill in self._client.fills(order_id=order.id)
            ]
        report = build_report(
            self.as_yes(ticket),
            fills,
            is_open=order.is_open,
            venue_id=order.id,
            reason=order.reason or "",
        )
        return self.for_token(report, ticket)
