"""Live orders at Polymarket: an optional extra, by `py-clob-client` (`pip install py-clob-client`).

POLYMARKET_PRIVATE_KEY is the wallet's key; POLYMARKET_FUNDER and POLYMARKET_SIGNATURE_TYPE are as
that client documents them. Orders only buy: to sell YES at p is to buy NO at 1 - p, which needs no
tokens. The venue has no client order ids, so what became of an order without an answer is found in
the account's trades since it was sent: the account must be the engine's alone. No orders rest.
"""

import asyncio
import importlib
import os
from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from bots.engine.events import BUY, SELL, Key, Level
from bots.engine.execution.orders import (
    Executor,
    OrderOutcome,
    OrderReport,
    OrderTicket,
    OutcomeUnknownAtVenueError,
    Terms,
    refused,
)
from bots.engine.markets import MarketMap
from bots.engine.units import PAYOUT_PIPS, read_lots, read_pips, show_price, show_quantity
from bots.engine.venues.base import VenueError

CHAIN: Final = 137
KEY: Final = "POLYMARKET_PRIVATE_KEY"
TERMS: Final = {Terms.FOK: "FOK", Terms.IOC: "FAK"}
REFUSALS: Final = range(400, 500)


class PolymarketOrders(Executor):
    name = "live"
    settle_seconds = 30.0

    def __init__(self, clob: str, markets: MarketMap) -> None:
        try:
            self._library = importlib.import_module("py_clob_client.client")
            self._types = importlib.import_module("py_clob_client.clob_types")
        except ImportError as fault:
            raise VenueError(
                "live orders at Polymarket need `pip install py-clob-client`"
            ) from fault
        if KEY not in os.environ:
            raise VenueError(f"live orders at Polymarket need the wallet's key in {KEY}")
        signature_type = os.environ.get("POLYMARKET_SIGNATURE_TYPE")
        self._client = self._library.ClobClient(
            clob,
            chain_id=CHAIN,
            key=os.environ[KEY],
            signature_type=None if signature_type is None else int(signature_type),
            funder=os.environ.get("POLYMARKET_FUNDER"),
        )
        self._markets = markets
        self._has_credentials = False
        self._matched: dict[str, str] = {}
        """The venue's ids of orders that it says were matched."""

    async def place(self, ticket: OrderTicket) -> OrderReport:
        order = self.as_buy(ticket)
        if order.terms not in TERMS:
            return refused("orders don't rest here")
        signed = await self._call(self._sign, order)
        if isinstance(signed, OrderReport):
            return signed
        kind = getattr(self._types.OrderType, TERMS[order.terms])
        answer = await self._call(self._client.post_order, signed, kind)
        if isinstance(answer, OrderReport):
            return answer
        if not answer.get("success") or answer.get("status") not in ("matched", "delayed"):
            return refused(str(answer.get("errorMsg") or answer.get("status")))
        # What was matched is in the account's trades, level by level; the answer has rounded sums.
        self._matched[ticket.id] = str(answer["orderID"])
        return await self.find(ticket) or _raise_unknown("its fills are not told yet")

    async def find(self, ticket: OrderTicket) -> OrderReport | None:
        order = self.as_buy(ticket)
        params = self._types.TradeParams(asset_id=order.key.token, after=order.created_s)
        rows = await self._call(self._client.get_trades, params)
        if isinstance(rows, OrderReport):
            _raise_unknown(rows.reason)
        order_id = self._matched.get(ticket.id)
        fills = [
            Level(read_pips(row["price"]), read_lots(row["size"]))
            for row in rows
            if row.get("trader_side", "TAKER") == "TAKER"
            and row["side"] == "BUY"
            and order_id in (None, row["taker_order_id"])
        ]
        lots = sum(count for _, count in fills)
        if not lots:
            return None if order_id is None else _raise_unknown("its fills are not told yet")
        money = -sum(pips * count for pips, count in fills)
        fees = self._markets.by_token[order.key].fees.compute_micros(fills)
        report = OrderReport(
            outcome=OrderOutcome.FILLED, lots=lots, money_micros=money, fee_micros=fees
        )
        return self.for_token(report, ticket)

    def as_buy(self, ticket: OrderTicket) -> OrderTicket:
        if ticket.side == BUY:
            return ticket
        market = self._markets.by_token[ticket.key]
        other: Key = market.no if ticket.key == market.yes else market.yes
        return replace(ticket, key=other, side=BUY, limit_pips=PAYOUT_PIPS - ticket.limit_pips)

    def for_token(self, report: OrderReport, ticket: OrderTicket) -> OrderReport:
        if ticket.side != SELL:
            return report
        return replace(report, money_micros=report.money_micros + report.lots * PAYOUT_PIPS)

    def _sign(self, order: OrderTicket) -> Any:
        """Return the order as the library signs it, which takes binary floats and rounds them."""
        if not self._has_credentials:
            self._client.set_api_creds(self._client.create_or_derive_api_creds())
            self._has_credentials = True
        arguments = self._types.OrderArgs(
            token_id=order.key.token,
            price=float(show_price(order.limit_pips)),
            size=float(show_quantity(order.lots)),
            side="BUY",
        )
        return self._client.create_order(arguments)

    async def _call(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Call the library in a thread. A refusal is returned as a report; all else is unknown."""
        try:
            return await asyncio.to_thread(call, *arguments)
        except Exception as fault:
            if getattr(fault, "status_code", None) in REFUSALS:
                return refused(str(fault)[:300])
            raise OutcomeUnknownAtVenueError(str(fault)) from fault


def _raise_unknown(reason: str) -> Any:
    raise OutcomeUnknownAtVenueError(reason)
