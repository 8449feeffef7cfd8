"""The order operations as DRF views: for browsers, with session and CSRF. `handle` does the work.

`predex.order_app` serves programs with a key or token instead; the replies are the same.
"""

from typing import Any

import msgspec
from asgiref.sync import async_to_sync
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from accounts.api.base import ApiView
from accounts.api.schemas import IDEMPOTENCY_KEY
from trading.api import own
from trading.order_entry.handler import handle
from trading.order_entry.operations import BY_NAME, read_request
from trading.pipeline.gateway import give_back_connection
from trading.wire import schema
from trading.wire.reading import check_content_type, read_query, unexpected_body

JSON = "application/json"
METHODS_WITH_BODY = frozenset({"POST", "PATCH"})


class RawParser(BaseParser):
    """Leaves the body undecoded for the handler."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        return stream.read()


class OperationView(ApiView):
    write_scope = "trade"
    parser_classes = [RawParser]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Before authentication, whose CSRF check would parse the body as a form.
        if request.method not in self.allowed_methods:
            raise MethodNotAllowed(request.method or "")
        if request.method in METHODS_WITH_BODY:
            check_content_type(request.META.get("CONTENT_TYPE", ""))
        elif request._request.body:
            raise unexpected_body()
        super().initial(request, *args, **kwargs)

    def read_raw_body(self) -> bytes:
        data: Any = self.request.data
        return data or b""  # DRF returns {} without a body

    def execute(self, request: Request, name: str, **params: str) -> HttpResponse:
        operation = BY_NAME[name]
        params |= read_query(request.META.get("QUERY_STRING", ""), operation.query)
        body = read_request(operation, self.read_raw_body())
        give_back_connection()
        key = request.headers.get("Idempotency-Key")
        reply = async_to_sync(handle)(self.principal, name, body, params, idempotency_key=key)
        return HttpResponse(
            msgspec.json.encode(reply.answer),
            status=reply.status,
            content_type=JSON,
            headers=dict(reply.headers),
        )


class OrdersView(OperationView, own.OwnOrdersView):
    @extend_schema(
        operation_id="orders_place",
        request={JSON: schema.PlaceOrder},
        responses={201: schema.OrderAnswer},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request) -> HttpResponse:
        """Place an order; the answer is its state after matching.

        With a client order id, a repeat gets the first answer and makes no second order.
        """
        return self.execute(request, "place")

    @extend_schema(
        operation_id="orders_cancel_all",
        responses={200: schema.CancelledOrders},
        parameters=[OpenApiParameter("market", OpenApiTypes.STR), IDEMPOTENCY_KEY],
    )
    def delete(self, request: Request) -> HttpResponse:
        """Cancel all own orders, in one market or everywhere."""
        return self.execute(request, "cancel_all")


class OrderView(OperationView, own.OwnOrderView):
    @extend_schema(
        operation_id="orders_amend",
        request={JSON: schema.AmendOrder},
        responses=schema.OrderAnswer,
        parameters=[IDEMPOTENCY_KEY],
    )
    def patch(self, request: Request, order_id: str) -> HttpResponse:
        """Change price, total quantity, take-profit or stop-loss.

        Less quantity alone keeps the place in the queue.
        """
        return self.execute(request, "amend", order_id=order_id)

    @extend_schema(
        operation_id="orders_cancel",
        responses={200: schema.OrderAnswer},
        parameters=[IDEMPOTENCY_KEY],
    )
    def delete(self, request: Request, order_id: str) -> HttpResponse:
        """Cancel what is left of an order."""
        return self.execute(request, "cancel", order_id=order_id)


class BatchView(OperationView):
    @extend_schema(
        operation_id="orders_place_batch",
        request={JSON: schema.PlaceBatch},
        responses=schema.BatchAnswer,
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request) -> HttpResponse:
        """Place up to 100 orders in one go. One that is refused stops no other."""
        return self.execute(request, "place_batch")


class ClosePositionsView(OperationView):
    @extend_schema(
        operation_id="positions_close",
        request={JSON: schema.ClosePositions},
        responses=schema.BatchAnswer,
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request) -> HttpResponse:
        """Close positions by reduce-only market orders, at most 100 of them at a time."""
        return self.execute(request, "close_positions")


class ProtectPositionView(OperationView):
    @extend_schema(
        operation_id="positions_protect",
        request={JSON: schema.ProtectPosition},
        responses={201: schema.Protection},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request) -> HttpResponse:
        """Give a position a take-profit, a stop-loss or both; one cancels the other."""
        return self.execute(request, "protect")


class PreviewView(OperationView):
    write_scope = "read"

    @extend_schema(
        operation_id="orders_preview",
        request={JSON: schema.PlaceOrder},
        responses=schema.PreviewAnswer,
    )
    def post(self, request: Request) -> HttpResponse:
        """Say what an order would do, changing nothing. Refusals are those of the order."""
        return self.execute(request, "preview")


class BookView(OperationView):
    read_scope = None

    @extend_schema(operation_id="markets_book", responses=schema.BookAnswer)
    def get(self, request: Request, slug: str) -> HttpResponse:
        """Show all price levels of a market, best first."""
        return self.execute(request, "book", slug=slug)


class TickersView(OperationView):
    read_scope = None

    @extend_schema(
        operation_id="tickers",
        responses=schema.TickerPage,
        parameters=[
            OpenApiParameter("market", OpenApiTypes.STR),
            OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": 1_000}),
            OpenApiParameter("cursor", OpenApiTypes.STR),
        ],
    )
    def get(self, request: Request) -> HttpResponse:
        """Show every outcome of every live market at a glance, at most a second old."""
        return self.execute(request, "tickers")
