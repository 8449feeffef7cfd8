"""Live orders at Polymarket, signed by its own client, at a stand-in that keeps what it is sent.

predex takes no orders in Polymarket's form, so nothing here shows that the venue takes them.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bots.engine.events import BUY, SELL, Key
from bots.engine.execution.orders import (
    OrderOutcome,
    OrderTicket,
    OutcomeUnknownAtVenueError,
    name_order,
)
from bots.engine.execution.polymarket import KEY, PolymarketOrders
from bots.engine.markets import BinaryMarket, MarketEvent, MarketMap
from tests.compat.sdks import find_sdk

YES, NO = Key("p", "123456"), Key("p", "654321")
INTENT = "0" * 32
ORDER_ID = "0x12"


class StandIn(BaseHTTPRequestHandler):
    sent: list[dict[str, Any]] = []
    answer: dict[str, Any] = {}
    trades: list[dict[str, Any]] = []
    status = 200

    def log_message(self, format: str, *args: Any) -> None:
        return

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        page = {"data": self.trades, "next_cursor": "LTE="}
        fixed = {
            "/tick-size": {"minimum_tick_size": 0.01}, "/neg-risk": {"neg_risk": False},
            "/fee-rate": {"base_fee": 0}, "/data/trades": page,
        }  # fmt: skip
        self._reply(200, fixed.get(path, {}))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        if self.path == "/auth/api-key":
            self._reply(200, {"apiKey": "k", "secret": "c2VjcmV0", "passphrase": "p"})
            return
        self.sent.append(body)
        self._reply(self.status, self.answer)

    def _reply(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> Iterator[PolymarketOrders]:
    monkeypatch.setattr(sys, "path", [*sys.path, str(find_sdk("py-clob-client"))])
    monkeypatch.setenv(KEY, "0x" + "1" * 64)
    for name, value in (("sent", []), ("answer", {}), ("trades", []), ("status", 200)):
        monkeypatch.setattr(StandIn, name, value)
    server = ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    market = BinaryMarket(id="m", yes=YES, no=NO, has_one_book=False)
    markets = MarketMap([MarketEvent(id="m", markets=(market,))])
    yield PolymarketOrders(f"http://127.0.0.1:{server.server_port}", markets)
    server.shutdown()
    server.server_close()


def ticket(side: int, pips: int) -> OrderTicket:
    return OrderTicket(
        id=name_order(INTENT, "leg", side), intent=INTENT, role="leg", strategy="s", key=YES,
        side=side, limit_pips=pips, lots=1_000, created_s=int(time.time()),
    )  # fmt: skip


def trade(token: str, price: str, size: str, order_id: str = ORDER_ID) -> dict[str, Any]:
    return {
        "taker_order_id": order_id, "asset_id": token, "side": "BUY", "size": size, "price": price,
        "trader_side": "TAKER",
    }  # fmt: skip


async def test_an_order_is_signed_and_its_fills_are_read_from_the_trades(
    orders: PolymarketOrders,
) -> None:
    StandIn.answer = {"success": True, "orderID": ORDER_ID, "status": "matched"}
    other = trade(YES.token, "0.10", "99", "0x34")
    StandIn.trades = [trade(YES.token, "0.40", "4"), trade(YES.token, "0.41", "6"), other]
    report = await orders.place(ticket(BUY, 4_100))
    assert (report.outcome, report.lots) == (OrderOutcome.FILLED, 1_000)
    assert report.money_micros == -(4_000 * 400 + 4_100 * 600)
    [sent] = StandIn.sent
    assert sent["orderType"] == "FOK"
    assert sent["order"]["tokenId"] == YES.token
    assert (sent["order"]["side"], sent["order"]["makerAmount"]) == ("BUY", "4100000")
    assert sent["order"]["takerAmount"] == "10000000"


async def test_what_is_sold_is_bought_as_the_other_token(orders: PolymarketOrders) -> None:
    StandIn.answer = {"success": True, "orderID": ORDER_ID, "status": "matched"}
    StandIn.trades = [trade(NO.token, "0.60", "10")]
    report = await orders.place(ticket(SELL, 4_000))
    [sent] = StandIn.sent
    assert (sent["order"]["tokenId"], sent["order"]["makerAmount"]) == (NO.token, "6000000")
    assert report.money_micros == 4_000 * 1_000


async def test_a_refusal_is_one_and_silence_is_not(orders: PolymarketOrders) -> None:
    StandIn.answer = {"success": False, "errorMsg": "Insufficient balance"}
    refused = await orders.place(ticket(BUY, 4_100))
    assert (refused.outcome, refused.reason) == (OrderOutcome.REJECTED, "Insufficient balance")
    StandIn.status = 400
    assert (await orders.place(ticket(BUY, 4_100))).outcome is OrderOutcome.REJECTED
    StandIn.status = 500
    with pytest.raises(OutcomeUnknownAtVenueError):
        await orders.place(ticket(BUY, 4_100))
    assert await orders.find(ticket(BUY, 4_100)) is None
    StandIn.status, StandIn.answer = 200, {"success": True, "orderID": "0x1", "status": "matched"}
    with pytest.raises(OutcomeUnknownAtVenueError):
        await orders.place(ticket(BUY, 4_100))  # matched, and its trades are not told yet
