"""What the viewer has in one market: position, open orders, latest fills, and what it was paid."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from django.http import HttpRequest

from accounts.context import find_account
from accounts.units import LOTS_PER_CONTRACT, PIPS_PER_CREDIT
from markets.models import Market
from trading.cards import build_card
from trading.holdings import list_holdings, list_margins
from trading.models import Margin, Order
from trading.pages.numbers import write_lots, write_price
from trading.pages.rows import FillRow, OrderRow, PositionLine, build_position
from trading.queries import list_fills

ORDERS_MAX: Final = 100
FILLS_MAX: Final = 20


class OwnPosition(NamedTuple):
    """A position; `net_lots` and `cost_micros` are the book's, for the script's live profit."""

    line: PositionLine
    code: str
    net_lots: int
    cost_micros: int
    close_query: str

    @property
    def value_micros(self) -> int | None:
        price_micros = self.line.shown_price_micros
        if price_micros is None:
            return None
        return price_micros * self.line.shown_lots // LOTS_PER_CONTRACT

    @property
    def pays_micros(self) -> int:
        """What the contracts pay if they are right."""
        return self.line.shown_lots * PIPS_PER_CREDIT


class OwnOrder(NamedTuple):
    """An open order; the texts are what the form that amends it begins with."""

    row: OrderRow
    price_text: str
    quantity_text: str


class Own(NamedTuple):
    positions: list[OwnPosition]
    realised_micros: int
    orders: list[OwnOrder]
    has_more_orders: bool
    fills: list[FillRow]
    margin: Margin | None

    @property
    def payout_micros(self) -> int | None:
        return None if self.margin is None else self.margin.payout_micros

    @property
    def taken_micros(self) -> int:
        """What a void took back from who had gained."""
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
    """An amend that was refused, to be shown again in its place."""

    order_id: str
    price: str
    quantity: str
    errors: Mapping[str, str]


NOTHING: Final = Own([], 0, [], has_more_orders=False, fills=[], margin=None)


def build_own_context(
    request: HttpRequest, market: Market, *, amending: Amending | None = None
) -> dict[str, Any]:
    """Return `own`; NOTHING for a stranger. At most 8 queries."""
    account = find_account(request)
    own = NOTHING if account is None else _read(account.pk, market)
    return {"own": own, "amending": amending}


def _read(account_id: int, market: Market) -> Own:
    margin = Margin.objects.filter(account=account_id, market=market).first()
    orders = Order.objects.filter(account=account_id, market=market).open()
    rows = [
        _build_order(OrderRow(order, market)) for order in orders.order_by("-id")[: ORDERS_MAX + 1]
    ]
    # Who never traded here has no margin, and the search for their fills would be a long one.
    fills = list_fills(account_id, slug=market.slug, count=FILLS_MAX) if margin else []
    positions, realised_micros = _read_positions(account_id, market, margin)
    return Own(
        positions,
        realised_micros,
        rows[:ORDERS_MAX],
        len(rows) > ORDERS_MAX,
        [FillRow(fill, market) for fill in fills],
        margin,
    )


def _build_order(row: OrderRow) -> OwnOrder:
    price_pips = row.price_pips or 0
    return OwnOrder(row, write_price(price_pips), write_lots(row.order.quantity_lots))


def _read_positions(
    account_id: int, market: Market, margin: Margin | None
) -> tuple[list[OwnPosition], int]:
    if margin is None or margin.payout_micros is not None:
        return [], 0
    margins = list(list_margins(account_id).filter(pk=margin.pk))
    holdings = list_holdings(margins, {market.pk: build_card(market)})
    if not holdings:
        return [], 0
    row = build_position(holdings[0], market)
    codes = holdings[0].card.codes
    found = []
    for line in row.lines:
        index = 0 if holdings[0].card.binary else codes.index(line.contract.code)
        net_lots, cost_micros = holdings[0].net_lots[index], holdings[0].cost_micros[index]
        found.append(OwnPosition(line, codes[index], net_lots, cost_micros, _close(line)))
    return found, row.realised_micros


def _close(line: PositionLine) -> str:
    """Return the ticket, as a query, that sells all of a position."""
    fields = {
        "outcome": line.contract.code,
        "side": "sell",
        "type": "market",
        "measure": "contracts",
        "amount": write_lots(line.shown_lots),
        "reduce_only": "on",
    }
    if line.contract.is_mirrored:
        fields["answer"] = "no"
    return urlencode(fields)
