"""predex: markets and orders by its Python client, the feed on `/ws/v1`."""

from collections.abc import Sequence

from bots.engine.events import Key
from bots.engine.execution.orders import Executor
from bots.engine.execution.predex import PredexOrders
from bots.engine.fees import FREE, FeeSchedule
from bots.engine.markets import BinaryMarket, MarketEvent, MarketMap
from bots.engine.units import read_lots, read_micros, read_pips
from bots.engine.venues.base import Payout, Venue, VenueError, VenueFeed
from bots.engine.venues.predex_feed import PredexFeed, name_token, read_name
from predex_client import AsyncClient, NotFoundError
from predex_client.client import build_headers
from predex_client.models import Market as ClientMarket

EXPONENTS = {"flat": 0, "quadratic": 1}
NOT_ = "!"


class Predex(Venue):
    """`markets` are slugs; without any, all markets that are open, or those with a `tag`."""

    def __init__(
        self,
        name: str,
        *,
        url: str,
        key: str = "",
        markets: Sequence[str] = (),
        tag: str | None = None,
    ) -> None:
        self.name = name
        self._key = key
        self._client = AsyncClient(url, key)
        self._url = url.rstrip("/")
        self._slugs = markets
        self._tag = tag
        self._events: list[MarketEvent] = []

    async def load(self) -> list[MarketEvent]:
        found: list[ClientMarket]
        if self._slugs:
            found = [await self._read(slug) for slug in self._slugs]
        else:
            found = [row async for row in self._client.markets(status="open", tag=self._tag)]
        self._events = [read_event(self.name, market) for market in found]
        return self._events

    async def _read(self, slug: str) -> ClientMarket:
        try:
            return await self._client.market(slug)
        except NotFoundError:
            raise VenueError(f"there is no market {slug!r}") from None

    async def find_payout(self, key: Key) -> Payout | None:
        slug, code = read_name(key)
        market = await self._read(slug)
        [outcome] = [one for one in market.outcomes if one.code == code]
        if market.status == "voided":
            return Payout(None)
        return None if outcome.payout is None else Payout(read_pips(outcome.payout))

    def build_feed(self) -> VenueFeed:
        return PredexFeed(self._events)

    def build_executor(self, markets: MarketMap) -> Executor:
        return PredexOrders(self.name, self._url, self._key, markets)

    def locate(self) -> tuple[str, dict[str, str]]:
        return self._url.replace("http", "ws", 1) + "/ws/v1", build_headers(self._key, None)

    async def close(self) -> None:
        await self._client.close()


def read_event(venue: str, row: ClientMarket) -> MarketEvent:
    """Return a market as an event; one of several outcomes has a market for each."""
    codes = [one.code for one in row.outcomes if one.withdrawn_payout is None]
    if row.kind == "categorical":
        markets = tuple(
            _build(venue, row, code, NOT_ + code, f"{row.slug}:{code}") for code in codes
        )
        return MarketEvent(
            id=row.slug, markets=markets, is_exhaustive=len(codes) == len(row.outcomes)
        )
    return MarketEvent(id=row.slug, markets=(_build(venue, row, codes[0], codes[1], row.slug),))


def _build(venue: str, row: ClientMarket, yes: str, no: str, market_id: str) -> BinaryMarket:
    return BinaryMarket(
        id=market_id,
        yes=Key(venue, name_token(row.slug, yes)),
        no=Key(venue, name_token(row.slug, no)),
        has_one_book=True,
        tick_pips=read_pips(row.tick),
        lot_step_lots=read_lots(row.lot_step),
        fees=_read_fees(row),
        title=row.title,
    )


def _read_fees(row: ClientMarket) -> FeeSchedule:
    if row.fee_kind not in EXPONENTS:
        return FREE
    return FeeSchedule(
        rate_ppm=read_micros(row.fee_taker_rate),
        exponent=EXPONENTS[row.fee_kind],
        unit_micros=read_micros(row.fee_unit),
        maker_rate_ppm=read_micros(row.fee_maker_rate),
    )
