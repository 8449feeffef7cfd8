"""Polymarket: markets from Gamma, books from the CLOB's market channel."""

import json
from collections.abc import Sequence
from typing import Any, Final

from bots.engine.events import Key
from bots.engine.execution.orders import Executor
from bots.engine.execution.polymarket import PolymarketOrders
from bots.engine.fees import FREE, FeeSchedule
from bots.engine.markets import BinaryMarket, MarketEvent, MarketMap, list_books
from bots.engine.units import read_lots, read_micros, read_pips
from bots.engine.venues.base import Payout, Venue, VenueError, VenueFeed
from bots.engine.venues.polymarket_feed import PolymarketFeed
from bots.engine.venues.rest import build_http, get_json

GAMMA: Final = "https://gamma-api.polymarket.com"
CLOB: Final = "https://clob.polymarket.com"
SOCKET: Final = "wss://ws-subscriptions-clob.polymarket.com/ws/market"
FEE_UNIT_MICROS: Final = 1
TICK: Final = "0.01"


class Polymarket(Venue):
    """`markets` and `events` are slugs. In an event of kind negRisk exactly one market pays."""

    def __init__(
        self,
        name: str,
        *,
        gamma: str = GAMMA,
        clob: str = CLOB,
        socket: str = SOCKET,
        markets: Sequence[str] = (),
        events: Sequence[str] = (),
    ) -> None:
        self.name = name
        self._clob = clob
        self._socket = socket
        self._markets = markets
        self._slugs = events
        self._http = build_http(gamma)
        self._events: list[MarketEvent] = []

    async def load(self) -> list[MarketEvent]:
        found = []
        for slug in self._slugs:
            event = await get_json(self._http, f"/events/slug/{slug}")
            found.append(self._read_event(event))
        for slug in self._markets:
            row = await get_json(self._http, f"/markets/slug/{slug}")
            found.append(MarketEvent(id=slug, markets=(read_market(self.name, row),)))
        self._events = found
        return found

    def _read_event(self, row: dict[str, Any]) -> MarketEvent:
        rows = row.get("markets") or []
        followed = tuple(read_market(self.name, one) for one in rows if is_followed(one))
        is_sure = bool(row.get("negRisk")) and len(followed) == len(rows)
        if not row.get("negRisk") and len(followed) > 1:
            raise VenueError(f"{row.get('slug')}: its markets don't exclude one another; name them")
        return MarketEvent(id=str(row["slug"]), markets=followed, is_exhaustive=is_sure)

    async def find_payout(self, key: Key) -> Payout | None:
        params = {"clob_token_ids": key.token, "closed": "true"}
        for row in await get_json(self._http, "/markets", params):
            if row.get("umaResolutionStatus") == "resolved":
                if row["outcomePrices"] is None:  # a void
                    return Payout(None)
                tokens, prices = map(json.loads, (row["clobTokenIds"], row["outcomePrices"]))
                return Payout(read_pips(prices[tokens.index(key.token)]))
        return None

    def build_feed(self) -> VenueFeed:
        return PolymarketFeed(list_books(self._events))

    def build_executor(self, markets: MarketMap) -> Executor:
        return PolymarketOrders(self._clob, markets)

    def locate(self) -> tuple[str, dict[str, str]]:
        return self._socket, {}

    async def close(self) -> None:
        await self._http.aclose()


def is_followed(row: dict[str, Any]) -> bool:
    return bool(row.get("enableOrderBook", True)) and not row.get("closed")


def read_market(venue: str, row: dict[str, Any]) -> BinaryMarket:
    """Return a row of Gamma as a market. Lists in it are texts of JSON."""
    yes, no = json.loads(row["clobTokenIds"])
    return BinaryMarket(
        id=str(row["slug"]),
        yes=Key(venue, yes),
        no=Key(venue, no),
        has_one_book=False,
        tick_pips=read_pips(row.get("orderPriceMinTickSize") or TICK),
        # Of a least size of 5 multiples of 5 are traded: simple, and always allowed.
        lot_step_lots=max(1, read_lots(row.get("orderMinSize") or 1)),
        fees=_read_fees(row),
        title=str(row.get("question", "")),
    )


def _read_fees(row: dict[str, Any]) -> FeeSchedule:
    schedule = row.get("feeSchedule")
    if not row.get("feesEnabled") or not schedule:
        return FREE
    rate_ppm = read_micros(schedule["rate"])
    return FeeSchedule(
        rate_ppm=rate_ppm,
        exponent=int(schedule.get("exponent", 1)),
        unit_micros=FEE_UNIT_MICROS,
        maker_rate_ppm=0 if schedule.get("takerOnly") else rate_ppm,
    )
