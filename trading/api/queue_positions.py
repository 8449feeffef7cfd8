"""How far an account's resting orders are from the front of their queues."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import ApiView
from kernel.errors import ApiError, not_found
from kernel.units import format_quantity
from trading.engine.types import OrderStatus
from trading.models import Order
from trading.readmodels import queries
from trading.readmodels.queue_positions import QueuePosition, list_queue_positions
from trading.wire import schema
from trading.wire.reading import read_order_id
from web.fields import StrictSerializer, TextField


class QueueQuery(StrictSerializer):
    market = TextField(max_length=80)


class NoQueueQuery(StrictSerializer):
    """A query string that says nothing."""


class QueuePositionsView(ApiView):
    @extend_schema(
        operation_id="orders_queue_positions",
        parameters=[QueueQuery],
        responses=schema.QueuePositions,
    )
    def get(self, request: Request) -> Response:
        """List how much trades before each own order that rests in a market, newest first."""
        caller, slug = self.principal, self.read_query(QueueQuery)["market"]
        market_id = queries.find_own_market(
            slug, account_id=caller.account_id, user_id=caller.user_id
        )
        positions = list_queue_positions(market_id, caller.account_id)
        return Response({"results": [_show(*item) for item in positions.items()]})


class QueuePositionView(ApiView):
    @extend_schema(operation_id="orders_queue_position", responses=schema.OrderQueuePosition)
    def get(self, request: Request, order_id: str) -> Response:
        """Say how much trades before an own order that rests."""
        self.read_query(NoQueueQuery)
        order_id, account_id = read_order_id(order_id), self.principal.account_id
        order = Order.objects.filter(pk=order_id, account=account_id).first()
        if order is None:
            raise not_found("this order")
        position = list_queue_positions(order.market_id, account_id).get(order_id)
        if position is None:
            raise ApiError("order_not_resting", status=OrderStatus(order.status).name.lower())
        return Response(_show(order_id, position))


def _show(order_id: str, position: QueuePosition) -> schema.OrderQueuePosition:
    return schema.OrderQueuePosition(
        order_id=order_id,
        ahead=format_quantity(position.ahead_lots),
        ahead_at_price=format_quantity(position.ahead_at_price_lots),
    )
