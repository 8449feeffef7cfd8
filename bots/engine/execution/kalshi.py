"""Live orders at Kalshi, in the form of 2026: bid or ask at a price of YES."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import httpx

from bots.engine.events import BUY, Key
from bots.engine.execution.live import LiveExecutor, build_report, positions_of
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
from bots.engine.venues.base import VenueError
from bots.engine.venues.rest import StatusError, get_json, read_json

ORDERS: Final = "/portfolio/events/orders"
TERMS: Final = {
    Terms.FOK: "fill_or_kill",
    Terms.IOC: "immediate_or_cancel",
    Terms.POST_ONLY: "good_till_canceled",
}
PAGES_MAX: Final = 20


class KalshiOrders(LiveExecutor):
    """`http` signs. Tickers are the tokens of YES."""

    def __init__(self, venue: str, http: httpx.AsyncClient, markets: MarketMap) -> None:
        super().__init__(markets)
        self._venue = venue
        self._http = http

    async def place(self, ticket: OrderTicket) -> OrderReport:
        order = self.as_yes(ticket)
        body = {
            "ticker": order.key.token,
            "side": name_side(order.side),
            "count": show_quantity(order.lots),
            "price": show_price(order.limit_pips),
            "time_in_force": TERMS[order.terms],
            "self_trade_prevention_type": "taker_at_cross",
            "client_order_id": order.id,
            "post_only": order.terms is Terms.POST_ONLY,
        }
        try:
            answer = await self._send("POST", ORDERS, body)
        except StatusError as refusal:
            return refused(str(refusal))
        is_open = read_lots(answer["remaining_count"]) > 0
        with ask_again():
            fills = await self._list_fills(answer["order_id"]) if is_filled(answer) else []
        report = build_report(order, fills, is_open=is_open, venue_id=answer["order_id"])
        return self.for_token(report, ticket)

    async def find(self, ticket: OrderTicket) -> OrderReport | None:
        """Look for an order among all of its market: the venue has no other way to ask."""
        params = {"ticker": self.as_yes(ticket).key.token}
        with ask_again():
            async for row in self._list("/portfolio/orders", "orders", params):
                if row.get("client_order_id") == ticket.id:
                    return await self._describe(ticket, row)
        return None

    async def amend(self, ticket: OrderTicket, venue_id: str, filled_lots: int) -> OrderReport:
        order = self.as_yes(ticket)
        body = {
            "ticker": order.key.token,
            "side": name_side(order.side),
            "price": show_price(order.limit_pips),
            "count": show_quantity(order.lots + filled_lots),
        }
        try:
            await self._send("POST", f"{ORDERS}/{venue_id}/amend", body)
        except StatusError:
            return await self.cancel(ticket, venue_id)
        return await self._read(ticket)

    async def cancel(self, ticket: OrderTicket, venue_id: str) -> OrderReport:
        with contextlib.suppress(StatusError):  # it is over already
            await self._send("DELETE", f"{ORDERS}/{venue_id}", None)
        return await self._read(ticket)

    async def list_positions(self) -> dict[Key, int]:
        rows = self._list("/portfolio/positions", "market_positions", {})
        return positions_of(
            [(Key(self._venue, row["ticker"]), read_lots(row["position_fp"])) async for row in rows]
        )

    async def _read(self, ticket: OrderTicket) -> OrderReport:
        found = await self.find(ticket)
        return found or OrderReport(
            outcome=OrderOutcome.CANCELLED, reason="the venue does not know it"
        )

    async def _describe(self, ticket: OrderTicket, row: dict[str, Any]) -> OrderReport:
        has_filled = read_lots(row["fill_count_fp"]) > 0
        fills = await self._list_fills(row["order_id"]) if has_filled else []
        is_open = row["status"] == "resting"
        order = self.as_yes(ticket)
        report = build_report(order, fills, is_open=is_open, venue_id=row["order_id"])
        return self.for_token(report, ticket)

    async def _list_fills(self, order_id: str) -> list[tuple[int, int, int]]:
        rows = self._list("/portfolio/fills", "fills", {"order_id": order_id})
        return [
            (
                read_pips(row["yes_price_dollars"]),
                read_lots(row["count_fp"]),
                read_micros(row["fee_cost"]),
            )
            async for row in rows
        ]

    async def _list(
        self, path: str, name: str, params: dict[str, str]
    ) -> AsyncIterator[dict[str, Any]]:
        cursor = ""
        for _ in range(PAGES_MAX):
            page = await get_json(self._http, path, params | ({"cursor": cursor} if cursor else {}))
            for row in page[name] or ():
                yield row
            cursor = page.get("cursor") or ""
            if not cursor:
                return
        raise VenueError(f"{path}: more than {PAGES_MAX} pages")

    async def _send(self, method: str, path: str, body: Any) -> Any:
        """Send what changes something. StatusError: it was refused, and nothing was done."""
        with ask_again():
            response = await self._http.request(method, path, json=body)
            if response.is_success or response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
                return read_json(response)
        raise StatusError(response)


@contextlib.contextmanager
def ask_again() -> Iterator[None]:
    """No answer, or none that can be read: OutcomeUnknownAtVenueError."""
    try:
        yield
    except (httpx.TransportError, VenueError) as fault:
        raise OutcomeUnknownAtVenueError(str(fault)) from fault


def name_side(side: int) -> str:
    return "bid" if side == BUY else "ask"


def is_filled(answer: dict[str, Any]) -> bool:
    return read_lots(answer["fill_count"]) > 0
