"""Instruments: the data of a market that order entry needs, cached for at most a second.

`Market.objects.visible_to` alone decides who may see a market. Public markets are cached once,
restricted ones per user.
"""

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from django.db.models import Q, QuerySet
from msgspec import Struct

from accounts.models import User
from kernel.cache import FreshCache
from kernel.clock import from_datetime
from kernel.errors import ApiError, not_found
from markets.actions.exchange import in_maintenance
from markets.lifecycle import find_withdrawn
from markets.models import Exchange, Market
from markets.queries import SLUG_PATTERN
from trading.models import Order, OrderGroup

FRESH_SECONDS: Final = 0.9
ORDER_SECONDS: Final = 24 * 3600.0
"""An order never changes its market or account, nor a group its own: this only bounds memory."""


class Instrument(Struct, frozen=True):
    """A market as order entry sees it. A binary market has codes YES and NO and one book."""

    id: int
    slug: str
    binary: bool
    codes: tuple[str, ...]
    status: str
    currency: str
    tick_pips: int
    lot_step_lots: int
    close_at_us: int
    matches_across: bool = False
    """Whether its books are matched with one another."""
    has_maker: bool = False
    withdrawn: tuple[tuple[int, int], ...] = ()
    """Outcomes that were withdrawn, with what they pay in pips."""

    @property
    def withdrawn_pips(self) -> dict[int, int]:
        return dict(self.withdrawn)

    @property
    def book_count(self) -> int:
        return 1 if self.binary else len(self.codes)

    def names_no(self, *, as_no: bool) -> bool:
        """Whether the API has a code for NO: only in binary markets."""
        return as_no and self.binary


class OrderInstrument(NamedTuple):
    """The immutable properties of an order."""

    market_id: int
    account_id: int
    as_no: bool


async def get_instrument(slug: str, user_id: int | None) -> Instrument:
    """Return a market that this user may see; the same 404 if unknown or invisible."""
    if not SLUG_PATTERN.fullmatch(slug):
        raise not_found("this market")
    return await _get_visible(slug, user_id)


async def get_visible_instrument(market_id: int, user_id: int | None) -> Instrument:
    """`get_instrument` by the internal id."""
    return await _get_visible(market_id, user_id)


async def get_own_instrument(market_id: int) -> Instrument:
    """Return the instrument of a market in which the caller has an order, visible or not."""
    instrument = await _cards.get(market_id)
    assert instrument is not None, "an order's market is never deleted"
    return instrument


def name_markets(market_ids: Collection[int]) -> Mapping[int, str]:
    """Return slugs by market id (see `accounts.registry`)."""
    return dict(Market.objects.filter(pk__in=market_ids).values_list("pk", "slug"))


async def find_order_instrument(order_id: str) -> OrderInstrument | None:
    return await _orders.get(order_id)


async def find_group_account(order_group: str) -> int | None:
    """Return the account of an order group, deleted or not."""
    return await _groups.get(order_group)


def remember_order(order_id: str, instrument: OrderInstrument) -> None:
    _orders.put(order_id, instrument)


async def check_writable() -> None:
    """Refuse writes while the exchange is in maintenance (cached for at most a second)."""
    if await _exchange.get("maintenance"):
        raise in_maintenance()


async def _get_visible(name: str | int, user_id: int | None) -> Instrument:
    instrument = await _public.get(name)
    if instrument is None and user_id is not None:
        instrument = await _private.get((name, user_id))
    if instrument is None:
        raise not_found("this market")
    return instrument


def _find_public(name: str | int) -> Instrument | None:
    return _find(Market.objects.visible_to(None), name)


def _find_private(key: tuple[str | int, int]) -> Instrument | None:
    name, user_id = key
    return _find(Market.objects.visible_to(User.objects.get(pk=user_id)), name)


def _find_any(market_id: int) -> Instrument | None:
    return _find(Market.objects.all(), market_id)


def _find(markets: QuerySet[Market], name: str | int) -> Instrument | None:
    wanted = Q(slug=name) if isinstance(name, str) else Q(pk=name)
    market = markets.filter(wanted).prefetch_related("outcomes").first()
    return None if market is None else build_instrument(market)


def build_instrument(market: Market) -> Instrument:
    return Instrument(
        id=market.pk,
        slug=market.slug,
        binary=market.has_one_book,
        codes=tuple(outcome.code for outcome in market.outcomes.all()),
        status=market.status,
        currency=market.currency,
        tick_pips=market.tick_pips,
        lot_step_lots=market.lot_step_lots,
        close_at_us=from_datetime(market.close_at),
        matches_across=(
            market.matches_across_outcomes
            and market.kind == Market.Kind.CATEGORICAL
            and market.maker_b_lots is None
        ),
        has_maker=market.maker_b_lots is not None,
        withdrawn=tuple(find_withdrawn(market).items()),
    )


def _find_order(order_id: str) -> OrderInstrument | None:
    row = Order.objects.filter(pk=order_id).values_list(*OrderInstrument._fields).first()
    return None if row is None else OrderInstrument(*row)


def _find_group_account(order_group: str) -> int | None:
    return OrderGroup.objects.filter(pk=order_group).values_list("account_id", flat=True).first()


def _is_in_maintenance(_: str) -> bool:
    return Exchange.objects.filter(maintenance=True).exists()


_public: FreshCache[str | int, Instrument] = FreshCache(_find_public, seconds=FRESH_SECONDS)
_private: FreshCache[tuple[str | int, int], Instrument] = FreshCache(
    _find_private, seconds=FRESH_SECONDS
)
_cards: FreshCache[int, Instrument] = FreshCache(_find_any, seconds=FRESH_SECONDS)
_orders: FreshCache[str, OrderInstrument] = FreshCache(_find_order, seconds=ORDER_SECONDS)
_groups: FreshCache[str, int] = FreshCache(_find_group_account, seconds=ORDER_SECONDS)
_exchange: FreshCache[str, ApiError | bool] = FreshCache(_is_in_maintenance, seconds=FRESH_SECONDS)
