"""An account's own orders, fills, positions and portfolio. Newest first."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import ApiView
from accounts.api.principal import Principal
from accounts.api.schemas import ChoiceField
from accounts.models import Account
from kernel.clock import from_datetime
from kernel.errors import ApiError, not_found
from trading.api import show_own
from trading.engine.types import OrderStatus
from trading.feed.missed import show_own_fill
from trading.feed.reads import read_cards
from trading.models import OPEN_STATUSES, Order
from trading.readmodels import queries
from trading.readmodels.holdings import list_holdings, list_margins, list_open_holdings
from trading.wire import schema
from trading.wire.reading import read_client_order_id, read_order_id
from web.fields import BooleanField, StrictSerializer, TextField, TimeField
from web.pagination import PageQuery, bad_cursor, build_page, decode_cursor, paginate

NEWEST_FIRST = ["-id"]
OLDEST_FIRST = ["id"]
OLDEST_CHANGE_FIRST = ["updated_at_us", "id"]
STATUSES = [status.name.lower() for status in OrderStatus]
OPEN = "open"


class NoQuery(StrictSerializer):
    """A query string that says nothing."""


class OrderQuery(PageQuery):
    """`status=open` means every order that rests, partially filled or not.

    `updated_since`: only what has changed since, oldest change first.
    """

    market = TextField(max_length=80, default=None)
    status = ChoiceField(choices=STATUSES, default=None)
    client_order_id = TextField(max_length=64, default=None, trim_whitespace=False)
    updated_since = TimeField(default=None)


class FillQuery(PageQuery):
    """`updated_since`: only those since then, oldest first."""

    market = TextField(max_length=80, default=None)
    order_id = TextField(max_length=36, default=None)
    updated_since = TimeField(default=None)


class PositionQuery(PageQuery):
    """`settled`: also markets whose result was paid."""

    market = TextField(max_length=80, default=None)
    settled = BooleanField(default=False)


class OwnOrdersView(ApiView):
    @extend_schema(operation_id="orders_list", parameters=[OrderQuery], responses=schema.OrderPage)
    def get(self, request: Request) -> Response:
        """List own orders, newest first. `status=open` includes partially filled ones.

        With `updated_since` those that have changed since, oldest change first: what ended while
        you were away.
        """
        query = self.read_query(OrderQuery)
        mine = Order.objects.filter(account=self.principal.account_id)
        orders = _filter_orders(mine, query, _find_market(query, self.principal))
        order = NEWEST_FIRST if query["updated_since"] is None else OLDEST_CHANGE_FIRST
        page = paginate(orders, order=order, cursor=query["cursor"], limit=query["limit"])
        cards = read_cards({row.market_id for row in page.rows})
        return Response(page.to_json(lambda row: show_own.show_row(row, cards[row.market_id])))


class OwnOrderView(ApiView):
    @extend_schema(operation_id="orders_retrieve", responses=schema.OrderState)
    def get(self, request: Request, order_id: str) -> Response:
        """Show an own order. Its trades are in /fills?order_id=."""
        self.read_query(NoQuery)
        return _show_one(self.principal.account_id, pk=read_order_id(order_id))


class OrderByClientIdView(ApiView):
    @extend_schema(
        operation_id="orders_retrieve_by_client_id",
        parameters=[OpenApiParameter("client_order_id", OpenApiTypes.STR, "path")],
        responses=schema.OrderState,
    )
    def get(self, request: Request, client_order_id: str) -> Response:
        """Show an own order by your name for it. Rejected orders are not kept as orders."""
        self.read_query(NoQuery)
        return _show_one(
            self.principal.account_id, client_order_id=_check_client_order_id(client_order_id)
        )


class FillsView(ApiView):
    @extend_schema(operation_id="fills_list", parameters=[FillQuery], responses=schema.OwnFillPage)
    def get(self, request: Request) -> Response:
        """List own fills, newest first; with `updated_since` those since then, oldest first."""
        query = self.read_query(FillQuery)
        limit, since = query["limit"], query["updated_since"]
        order = NEWEST_FIRST if since is None else OLDEST_FIRST
        fills = queries.list_fills(
            self.principal.account_id,
            market_id=_find_market(query, self.principal),
            order_id=_find_order(query["order_id"], self.principal.account_id),
            since_us=_read_since(since),
            beyond=_read_cursor(query["cursor"], order),
            count=limit + 1,
        )
        page = build_page(fills, limit, lambda fill: [fill.trade.id], order)
        cards = read_cards({fill.trade.market_id for fill in page.rows})
        return Response(page.to_json(lambda fill: show_own_fill(fill, cards[fill.trade.market_id])))


class PositionsView(ApiView):
    @extend_schema(
        operation_id="positions_list",
        parameters=[PositionQuery],
        responses=schema.MarketPositionPage,
    )
    def get(self, request: Request) -> Response:
        """List the markets in which the account has a position, latest first entered."""
        query = self.read_query(PositionQuery)
        margins = list_margins(self.principal.account_id)
        if not query["settled"]:
            margins = margins.filter(payout_micros=None)
        market_id = _find_market(query, self.principal)
        if market_id is not None:
            margins = margins.filter(market_id=market_id)
        page = paginate(margins, order=NEWEST_FIRST, cursor=query["cursor"], limit=query["limit"])
        cards = read_cards({margin.market_id for margin in page.rows})
        holdings = list_holdings(page.rows, cards)
        return Response(page._replace(rows=holdings).to_json(show_own.show_holding))


class PortfolioView(ApiView):
    @extend_schema(operation_id="portfolio", responses=schema.Portfolio)
    def get(self, request: Request) -> Response:
        """Show the account's money, what is bound where, and what its positions are worth."""
        self.read_query(NoQuery)
        account = Account.objects.get(pk=self.principal.account_id)
        open_orders = Order.objects.filter(account=account).open()
        holdings = list_open_holdings(account.pk)
        return Response(show_own.show_portfolio(account, holdings, open_orders.count()))


def _find_market(query: dict[str, Any], caller: Principal) -> int | None:
    slug = query["market"]
    if slug is None:
        return None
    return queries.find_own_market(slug, account_id=caller.account_id, user_id=caller.user_id)


def _find_order(text: str | None, account_id: int) -> str | None:
    if text is None:
        return None
    order_id = read_order_id(text)
    if not Order.objects.filter(pk=order_id, account=account_id).exists():
        raise not_found("this order")
    return order_id


def _read_since(moment: datetime | None) -> int | None:
    """Return UTC microseconds; times before 1970 count as 0."""
    return None if moment is None else max(from_datetime(moment), 0)


def _filter_orders(
    orders: QuerySet[Order], query: dict[str, Any], market_id: int | None
) -> QuerySet[Order]:
    if market_id is not None:
        orders = orders.filter(market_id=market_id)
    if query["updated_since"] is not None:
        orders = orders.filter(updated_at_us__gte=_read_since(query["updated_since"]))
    if query["client_order_id"] is not None:
        orders = orders.filter(client_order_id=query["client_order_id"])
    if query["status"] == OPEN:
        return orders.filter(status__in=OPEN_STATUSES)
    if query["status"] is not None:
        return orders.filter(status=OrderStatus[query["status"].upper()])
    return orders


def _show_one(account_id: int, **names: str) -> Response:
    order = Order.objects.filter(account=account_id, **names).first()
    if order is None:
        raise not_found("this order")
    return Response(show_own.show_row(order, read_cards([order.market_id])[order.market_id]))


def _check_client_order_id(text: str) -> str:
    try:
        read_client_order_id(text)
    except ApiError:
        raise not_found("this order") from None
    return text


def _read_cursor(cursor: str, order: Sequence[str]) -> uuid.UUID | None:
    if not cursor:
        return None
    try:
        return uuid.UUID(decode_cursor(cursor, order)[0])
    except (ValueError, AttributeError):
        raise bad_cursor() from None
