"""Order groups: a limit of what an account's orders may fill within 15 seconds, and a switch."""

from collections.abc import Callable, Sequence
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import ApiView
from accounts.api.schemas import page_of
from accounts.models import Account
from kernel.clock import to_datetime
from kernel.errors import not_found
from trading import actions
from trading.engine.types import ORDER_LOTS_MAX
from trading.models import Order, OrderGroup
from trading.wire.reading import read_group_id
from web.fields import IdField, QuantityField, StrictSerializer, TimeField
from web.pagination import PageQuery, paginate

NEWEST_FIRST = ["-id"]


class LimitField(QuantityField):
    """Contracts, as many as an order may have."""

    def to_internal_value(self, data: Any) -> int:
        lots: int = super().to_internal_value(data)
        if lots <= 0:
            raise serializers.ValidationError("send more than 0", code="too_small")
        if lots > ORDER_LOTS_MAX:
            raise serializers.ValidationError("this is too large", code="too_large")
        return lots


class NewOrderGroup(StrictSerializer):
    limit = LimitField(help_text="Contracts that its orders may fill within 15 seconds.")


class ShownOrderGroup(serializers.Serializer):
    id = IdField()
    limit = QuantityField(source="limit_lots")
    filled = QuantityField(source="filled_lots", help_text="Within the last 15 seconds.")
    status = serializers.CharField(help_text="active or stopped.")
    stopped_at = TimeField(allow_null=True)
    created_at = TimeField()
    orders = serializers.ListField(
        child=serializers.CharField(), help_text="The ids of its orders that have not ended."
    )


class OrderGroupsView(ApiView):
    write_scope = "trade"

    @extend_schema(
        operation_id="order_groups_list", parameters=[PageQuery], responses=page_of(ShownOrderGroup)
    )
    def get(self, request: Request) -> Response:
        """List own order groups, newest first."""
        groups = OrderGroup.objects.filter(account=self.principal.account_id, deleted_at_us=None)
        page = paginate(groups, order=NEWEST_FIRST, **self.read_query(PageQuery))
        shown = dict(zip(page.rows, _show(page.rows), strict=True))
        return Response(page.to_json(lambda row: shown[row]))

    @extend_schema(
        operation_id="order_groups_create", request=NewOrderGroup, responses={201: ShownOrderGroup}
    )
    def post(self, request: Request) -> Response:
        """Make an order group; orders join it with `order_group`."""
        body = self.read_body(NewOrderGroup)
        account = Account.objects.get(pk=self.principal.account_id)
        group = actions.do_create_order_group(account, limit_lots=body["limit"])
        return Response(_show([group])[0], status=201)


class OrderGroupView(ApiView):
    write_scope = "trade"

    @extend_schema(operation_id="order_groups_retrieve", responses=ShownOrderGroup)
    def get(self, request: Request, group_id: str) -> Response:
        """Show an own order group with its orders."""
        return Response(_show([_get_own(self, group_id)])[0])

    @extend_schema(
        operation_id="order_groups_change_limit", request=NewOrderGroup, responses=ShownOrderGroup
    )
    def patch(self, request: Request, group_id: str) -> Response:
        """Change the limit. A group whose fills reach it already is stopped."""
        body, group = self.read_body(NewOrderGroup), _get_own(self, group_id)
        actions.do_change_order_group_limit(group, limit_lots=body["limit"])
        return _show_again(group)

    @extend_schema(operation_id="order_groups_delete", responses={200: ShownOrderGroup})
    def delete(self, request: Request, group_id: str) -> Response:
        """Delete a group; its orders are cancelled."""
        group = _get_own(self, group_id)
        actions.do_delete_order_group(group)
        return _show_again(group)


class _ChangeView(ApiView):
    write_scope = "trade"
    do: Callable[[OrderGroup], None]

    def change(self, group_id: str) -> Response:
        group = _get_own(self, group_id)
        type(self).do(group)
        return _show_again(group)


class StopOrderGroupView(_ChangeView):
    do = staticmethod(actions.do_stop_order_group)

    @extend_schema(operation_id="order_groups_stop", request=None, responses=ShownOrderGroup)
    def post(self, request: Request, group_id: str) -> Response:
        """Stop a group by hand: its orders are cancelled, and none is taken until it is reset."""
        return self.change(group_id)


class ResetOrderGroupView(_ChangeView):
    do = staticmethod(actions.do_reset_order_group)

    @extend_schema(operation_id="order_groups_reset", request=None, responses=ShownOrderGroup)
    def post(self, request: Request, group_id: str) -> Response:
        """Let a group take orders again, with nothing filled."""
        return self.change(group_id)


def _get_own(view: ApiView, group_id: str) -> OrderGroup:
    own = OrderGroup.objects.filter(account=view.principal.account_id, deleted_at_us=None)
    group = own.filter(pk=read_group_id(group_id)).first()
    if group is None:
        raise not_found("this order group")
    return group


def _show_again(group: OrderGroup) -> Response:
    group.refresh_from_db()
    return Response(_show([group])[0])


def _show(groups: Sequence[OrderGroup]) -> list[dict[str, Any]]:
    filled_lots = actions.find_filled_lots(groups)
    orders: dict[Any, list[str]] = {group.pk: [] for group in groups}
    live = Order.objects.live().filter(order_group_id__in=list(orders)).order_by("id")
    for group_id, order_id in live.values_list("order_group_id", "id"):
        orders[group_id].append(order_id.hex)
    rows = [
        {
            "id": group.pk,
            "limit_lots": group.limit_lots,
            "filled_lots": filled_lots[group.pk],
            "status": "active" if group.stopped_at_us is None else "stopped",
            "stopped_at": None if group.stopped_at_us is None else to_datetime(group.stopped_at_us),
            "created_at": to_datetime(group.created_at_us),
            "orders": orders[group.pk],
        }
        for group in groups
    ]
    return [dict(row) for row in ShownOrderGroup(rows, many=True).data]
