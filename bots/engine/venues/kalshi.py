"""Kalshi: signed REST and socket."""

import base64
import time
from collections.abc import Generator, Sequence
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from bots.engine.events import Key
from bots.engine.execution.kalshi import KalshiOrders
from bots.engine.execution.orders import Executor
from bots.engine.fees import CENT_MICROS, FREE, FeeSchedule
from bots.engine.markets import BinaryMarket, MarketEvent, MarketMap
from bots.engine.units import read_micros, read_pips
from bots.engine.venues.base import Payout, Venue, VenueError, VenueFeed
from bots.engine.venues.kalshi_feed import KalshiFeed
from bots.engine.venues.rest import build_http, get_json
from predex_client.signing import load_private_key

URL: Final = "https://external-api.kalshi.com"
REST_PATH: Final = "/trade-api/v2"
SOCKET_PATH: Final = "/trade-api/ws/v2"
QUADRATIC_PPM: Final = 70_000
MAKER_PPM: Final = 17_500
PAID: Final = ("finalized", "settled")


class RequestSigner:
    """Signs requests with an RSA or Ed25519 key (PEM)."""

    def __init__(self, key_id: str, pem: str) -> None:
        self._key_id = key_id
        self._sign = load_private_key(pem, None)  # signed as predex's own requests are

    def sign(self, method: str, path: str) -> dict[str, str]:
        timestamp = str(time.time_ns() // 1_000_000)
        signature = self._sign(f"{timestamp}{method}{path}".encode())
        return {
            "KALSHI-ACCESS-KEY": self._key_id,
            "KALSHI-ACCESS-TIMESTAMP": timestamp,
            "KALSHI-ACCESS-SIGNATURE": base64.b64encode(signature).decode(),
        }


class SignedRequests(httpx.Auth):
    def __init__(self, signer: RequestSigner) -> None:
        self._signer = signer

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        path = request.url.raw_path.decode().partition("?")[0]
        request.headers.update(self._signer.sign(request.method, path))
        yield request


class Kalshi(Venue):
    """`markets` and `events` are tickers. Of an event that is mutually exclusive at most one market
    pays; that one must is said nowhere, so events of which it is true are named as `exhaustive`.
    """

    def __init__(
        self,
        name: str,
        *,
        url: str = URL,
        key_id: str = "",
        private_key: str = "",
        markets: Sequence[str] = (),
        events: Sequence[str] = (),
        exhaustive: Sequence[str] = (),
        fee_unit: str = "0.01",
    ) -> None:
        self.name = name
        self._url = url.rstrip("/")
        self._signer = RequestSigner(key_id, private_key) if key_id else None
        self._http = build_http(self._url + REST_PATH)
        if self._signer is not None:
            self._http.auth = SignedRequests(self._signer)
        self._markets = markets
        self._event_tickers = events
        self._exhaustive = exhaustive
        self._fee_unit_micros = read_micros(fee_unit)
        self._keys: dict[str, Key] = {}
        self._series: dict[str, dict[str, Any]] = {}

    async def load(self) -> list[MarketEvent]:
        found = []
        for ticker in self._event_tickers:
            answer = await self._get_event(ticker)
            event, rows = answer["event"], answer["event"].get("markets") or answer["markets"]
            markets = tuple([await self._read_market(event, row) for row in rows])
            if len(markets) > 1 and not event.get("mutually_exclusive"):
                raise VenueError(f"{ticker}: its markets don't exclude one another; name them")
            is_sure = ticker in self._exhaustive
            found.append(MarketEvent(id=ticker, markets=markets, is_exhaustive=is_sure))
        for ticker in self._markets:
            row = (await get_json(self._http, f"/markets/{ticker}"))["market"]
            event = (await self._get_event(row["event_ticker"]))["event"]
            market = await self._read_market(event, row)
            found.append(MarketEvent(id=ticker, markets=(market,)))
        self._keys = {market.id: market.yes for event in found for market in event.markets}
        return found

    async def find_payout(self, key: Key) -> Payout | None:
        row = (await get_json(self._http, f"/markets/{key.token}"))["market"]
        if row["status"] not in PAID:
            return None
        value = row.get("settlement_value_dollars")
        return Payout(None if value is None else read_pips(value))

    def build_feed(self) -> VenueFeed:
        return KalshiFeed(self._keys)

    def build_executor(self, markets: MarketMap) -> Executor:
        if self._signer is None:
            raise VenueError(f"{self.name}: live orders need key_id and private_key")
        return KalshiOrders(self.name, self._http, markets)

    def locate(self) -> tuple[str, dict[str, str]]:
        url = self._url.replace("http", "ws", 1) + SOCKET_PATH
        signed = self._signer.sign("GET", urlsplit(url).path) if self._signer else {}
        return url, signed

    async def close(self) -> None:
        await self._http.aclose()

    async def _get_event(self, ticker: str) -> dict[str, Any]:
        path = f"/events/{ticker}"
        answer: dict[str, Any] = await get_json(self._http, path, {"with_nested_markets": "true"})
        return answer

    async def _read_market(self, event: dict[str, Any], row: dict[str, Any]) -> BinaryMarket:
        ticker = str(row["ticker"])
        ranges = row.get("price_ranges") or [{"step": "0.01"}]
        return BinaryMarket(
            id=ticker,
            yes=Key(self.name, ticker),
            no=Key(self.name, f"{ticker}:no"),
            has_one_book=True,
            tick_pips=min(read_pips(one["step"]) for one in ranges),
            lot_step_lots=1 if row.get("fractional_trading_enabled") else 100,
            fees=await self._find_fees(event),
            title=str(row.get("title", "")),
        )

    async def _find_fees(self, event: dict[str, Any]) -> FeeSchedule:
        """Return the event's own fees, or those of its series."""
        kind, multiplier = event.get("fee_type_override"), event.get("fee_multiplier_override")
        if kind is None:
            series = await self._get_series(event["series_ticker"])
            kind, multiplier = series["fee_type"], series["fee_multiplier"]
        return read_fees(str(kind), Decimal(multiplier or 0), self._fee_unit_micros)

    async def _get_series(self, ticker: str) -> dict[str, Any]:
        if ticker not in self._series:
            self._series[ticker] = (await get_json(self._http, f"/series/{ticker}"))["series"]
        return self._series[ticker]


def read_fees(kind: str, multiplier: Decimal, unit_micros: int = CENT_MICROS) -> FeeSchedule:
    if kind == "flat":
        raise VenueError("what a flat fee is, the venue does not say: leave these markets out")
    if not multiplier:
        return FREE
    maker_ppm = MAKER_PPM if kind == "quadratic_with_maker_fees" else 0
    return FeeSchedule(
        rate_ppm=round(QUADRATIC_PPM * multiplier),
        unit_micros=unit_micros,
        maker_rate_ppm=round(maker_ppm * multiplier),
    )
