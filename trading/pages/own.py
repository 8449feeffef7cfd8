"""The viewer's position, open orders, latest fills and payout in one market."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from django.http import HttpRequest

from accounts.context import find_account
from accounts.models import Account
from accounts.numbers import write_number
from kernel.units import PIPS_PER_CREDIT
from markets.models import Market
from trading.contracts import find_stated_pips, name_payout
from trading.models import Margin, Order, OrderQuerySet
from trading.pages.numbers import write_contract_price, write_lots
from trading.pages.rows import (
    FillRow,
    OrderRow,
    PositionLine,
    PositionRow,
    build_fill,
    build_order,
    build_position,
    find_sales,
)
from trading.pipeline.instruments import build_instrument
from trading.readmodels.holdings import list_holdings, list_margins
from trading.readmodels.liquidation import value_sold
from trading.readmodels.queries import list_fills

ORDERS_MAX: Final = 100
FILLS_MAX: Final = 20


class OwnPosition(NamedTuple):
    """A position; `code` and `lots` are those of the book, for the script's live figures."""

    line: PositionLine
    code: str
    lots: int
    pays_text: str
    stated_pips: int | None

    @property
    def pays_micros(self) -> int:
        """The payout of the contracts if they are right; of a withdrawn outcome for certain."""
        pips = PIPS_PER_CREDIT if self.stated_pips is None else self.stated_pips
        return self.line.shown_lots * pips


class OwnOrder(NamedTuple):
    """An order that rests or waits; the texts are the initial values of its amend form."""

    row: OrderRow
    price_text: str
    quantity_text: str
    trigger_text: str


class Own(NamedTuple):
    positions: list[OwnPosition]
    row: PositionRow | None
    orders: list[OwnOrder]
    has_more_orders: bool
    fills: list[FillRow]
    margin: Margin | None

    @property
    def payout_micros(self) -> int | None:
        return None if self.margin is None else self.margin.payout_micros

    @property
    def taken_micros(self) -> int:
        """The gain that a void collected."""
        return max(0, -(self.payout_micros or 0))

    @property
    def final_profit_micros(self) -> int | None:
        if self.margin is None or self.margin.payout_micros is None:
            return None
        return self.margin.payout_micros - self.margin.net_paid_micros

    @property
    def is_empty(self) -> bool:
        return not (self.positions or self.orders or self.fills)


class Amending(NamedTuple):
    """A refused amend, to show again in its place."""

    order_id: str
    price: str
    quantity: str
    trigger: str
    errors: Mapping[str, str]


NOTHING: Final = Own([], None, [], has_more_orders=False, fills=[], margin=None)


def build_own_context(
    request: HttpRequest, market: Market, *, amending: Amending | None = None
) -> dict[str, Any]:
    """Return `own`; NOTHING for anonymous viewers. At most 8 queries."""
    account = find_account(request)
    own = NOTHING if account is None else _read(account, market)
    return {"own": own, "amending": amending}


def _read(account: Account, market: Market) -> Own:
    account_id = account.pk
    margin = Margin.objects.filter(account=account_id, market=market).first()
    orders = Order.objects.filter(account=account_id, market=market)
    found = [*_list_newest(orders.open()), *_list_newest(orders.untriggered())]
    found.sort(key=lambda order: order.id, reverse=True)
    rows = [_build_order(build_order(order, market)) for order in found[: ORDERS_MAX + 1]]
    # An account that never traded here has no margin; searching its fills would be slow.
    fills = list_fills(account_id, market_id=market.pk, count=FILLS_MAX) if margin else []
    row = _read_position(account, market, margin)
    return Own(
        [] if row is None else [_build_position(row, line) for line in row.lines],
        row,
        rows[:ORDERS_MAX],
        len(rows) > ORDERS_MAX,
        [build_fill(fill, market) for fill in fills],
        margin,
    )


def _list_newest(orders: OrderQuerySet) -> list[Order]:
    return list(orders.order_by("-id")[: ORDERS_MAX + 1])


def _build_order(row: OrderRow) -> OwnOrder:
    prices = (row.price_pips, row.trigger_pips)
    price, trigger = (
        "" if pips is None else write_contract_price(pips, row.contract) for pips in prices
    )
    texts = price, write_lots(row.order.quantity_lots), trigger
    return OwnOrder(row, *map(write_number, texts))


def _read_position(account: Account, market: Market, margin: Margin | None) -> PositionRow | None:
    if margin is None or margin.payout_micros is not None:
        return None
    margins = list(list_margins(account.pk).filter(pk=margin.pk))
    holdings = list_holdings(margins, {market.pk: build_instrument(market)})
    if not holdings:
        return None
    sold = value_sold(account, holdings, {market.pk: market})
    return build_position(holdings[0], market, sold.get(market.pk), find_sales(holdings))


def _build_position(row: PositionRow, line: PositionLine) -> OwnPosition:
    instrument = row.holding.instrument
    index = 0 if instrument.binary else instrument.codes.index(line.contract.code)
    return OwnPosition(
        line,
        instrument.codes[index],
        row.holding.position_lots[index],
        name_payout(row.market, line.contract),
        find_stated_pips(row.market, line.contract),
    )
