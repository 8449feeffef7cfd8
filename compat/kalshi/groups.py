"""Order groups, and where orders stand in the queue."""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from accounts.models import Account
from compat.kalshi.market_data import name_books
from compat.kalshi.numbers import count, count_fields, count_fp, time_us
from compat.kalshi.portfolio import find_places
from compat.kalshi.requests import VALUES_MAX, KalshiCall
from kernel.errors import ApiError, not_found
from kernel.units import parse_quantity_lots
from trading import actions
from trading.engine.types import ORDER_LOTS_MAX
from trading.models import Order, OrderGroup
from trading.readmodels.queue_positions import QueuePosition
from trading.readmodels.queue_positions import list_queue_positions as read_queue
from trading.wire.fields import absent
from trading.wire.reading import read_group_id, read_order_id, read_units

MARKETS_MAX: Final = 100
"""Markets whose queues one request reads."""


class Limit(Struct, kw_only=True):
    """Programs of 2025 send a name alone: such a group has no limit that can be reached."""

    contracts_limit: Raw = msgspec.field(default_factory=absent)
    contracts_limit_fp: Raw = msgspec.field(default_factory=absent)
    subaccount: int | None = None

    def read_lots(self) -> int | None:
        lots = read_units(parse_quantity_lots, self.contracts_limit_fp, "contracts_limit_fp")
        if lots is None:
            lots = read_units(parse_quantity_lots, self.contracts_limit, "contracts_limit")
        if lots is not None and not 0 < lots <= ORDER_LOTS_MAX:
            raise ApiError("invalid_value", "contracts_limit")
        return lots


class OrderIds(Struct, kw_only=True):
    order_ids: list[str]


_limit: Final = msgspec.json.Decoder(Limit)
_order_ids: Final = msgspec.json.Decoder(OrderIds)


def list_groups(call: KalshiCall) -> dict[str, Any]:
    groups = OrderGroup.objects.filter(account=call.caller.account_id, deleted_at_us=None)
    return {"order_groups": [_show(call, group) for group in groups.order_by("-id")], "cursor": ""}


def create(call: KalshiCall) -> dict[str, Any]:
    limit: Limit = call.read_body(_limit)
    call = call.act_for_sync(limit.subaccount)
    account = Account.objects.get(pk=call.caller.account_id)
    lots = limit.read_lots() or ORDER_LOTS_MAX
    group = actions.do_create_order_group(account, limit_lots=lots)
    shown = _show(call, group)
    named = {name: shown[name] for name in ("order_group_id", "subaccount", "exchange_index")}
    return {**named, "order_group": shown}


def show(call: KalshiCall) -> dict[str, Any]:
    group = _get_own(call)
    live = Order.objects.live().filter(order_group_id=group.pk).order_by("id")
    return {
        "is_auto_cancel_enabled": group.stopped_at_us is None,
        "orders": [str(order_id) for order_id in live.values_list("id", flat=True)],
        **count_fields("contracts_limit", group.limit_lots),
    }


def delete(call: KalshiCall) -> dict[str, Any]:
    actions.do_delete_order_group(_get_own(call))
    return {}


def reset(call: KalshiCall) -> dict[str, Any]:
    actions.do_reset_order_group(_get_own(call))
    return {}


def trigger(call: KalshiCall) -> dict[str, Any]:
    actions.do_stop_order_group(_get_own(call))
    return {}


def change_limit(call: KalshiCall) -> dict[str, Any]:
    limit: Limit = call.read_body(_limit)
    call, lots = call.act_for_sync(limit.subaccount), limit.read_lots()
    if lots is None:
        raise ApiError("missing_field", "contracts_limit")
    actions.do_change_order_group_limit(_get_own(call), limit_lots=lots)
    return {}


def _get_own(call: KalshiCall) -> OrderGroup:
    own = OrderGroup.objects.filter(account=call.caller.account_id, deleted_at_us=None)
    group_id = read_group_id(call.names["group_id"].replace("-", "").lower())
    group = own.filter(pk=group_id).first()
    if group is None:
        raise not_found("this order group")
    return group


def _show(call: KalshiCall, group: OrderGroup) -> dict[str, Any]:
    is_active = group.stopped_at_us is None
    return {
        "id": str(group.pk),
        "order_group_id": str(group.pk),
        "name": "",
        "status": "active" if is_active else "triggered",
        "created_time": time_us(group.created_at_us),
        "is_auto_cancel_enabled": is_active,
        **count_fields("contracts_limit", group.limit_lots),
        "subaccount": call.caller.subaccount,
        "exchange_index": 0,
    }


# --- queues -----------------------------------------------------------------------------------


def list_queue_positions(call: KalshiCall) -> dict[str, Any]:
    call.query.ticker = call.query.market_tickers
    orders = Order.objects.filter(account=call.caller.account_id).open()
    places = find_places(call)
    if places:
        orders = orders.filter(market__in=[place.market.pk for place in places])
    wanted = {(place.market.pk, place.book) for place in places if place.book is not None}
    rows = _read(call, list(orders.order_by("-id")), wanted)
    return {"queue_positions": rows}


def find_queue_positions(call: KalshiCall) -> dict[str, Any]:
    """Return the places of orders by id, as programs of 2025 ask for them."""
    ids: OrderIds = call.read_body(_order_ids)
    if len(ids.order_ids) > VALUES_MAX:
        raise ApiError("too_long", "order_ids")
    named = [read_order_id(text.replace("-", "").lower()) for text in ids.order_ids]
    orders = Order.objects.filter(account=call.caller.account_id, pk__in=named).open()
    rows = _read(call, list(orders), set())
    return {"queue_positions": {row["order_id"]: row["queue_position"] for row in rows}}


def show_queue_position(call: KalshiCall) -> dict[str, Any]:
    order_id = read_order_id(call.names["order_id"].replace("-", "").lower())
    order = Order.objects.filter(account=call.caller.account_id, pk=order_id).first()
    if order is None:
        raise not_found("this order")
    ahead = read_queue(order.market_id, order.account_id).get(order_id)
    return count_fields("queue_position", 0 if ahead is None else ahead.ahead_lots)


def _read(
    call: KalshiCall, orders: list[Order], wanted: set[tuple[int, int]]
) -> list[dict[str, Any]]:
    market_ids = sorted({order.market_id for order in orders})[:MARKETS_MAX]
    names = name_books(set(market_ids))
    ahead: dict[str, QueuePosition] = {}
    for market_id in market_ids:
        ahead |= read_queue(market_id, call.caller.account_id)
    return [
        {
            "order_id": str(order.id),
            "market_ticker": names[order.market_id, order.outcome_index],
            "queue_position": count(ahead[order.id.hex].ahead_lots),
            "queue_position_fp": count_fp(ahead[order.id.hex].ahead_lots),
        }
        for order in orders
        if order.id.hex in ahead
        and (not wanted or (order.market_id, order.outcome_index) in wanted)
    ]
