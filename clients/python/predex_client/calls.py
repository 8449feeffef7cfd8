"""The calls about markets and orders, described once: functions from arguments to a `Request`."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar
from uuid import uuid4

from predex_client import models, own
from predex_client.describing import get, given, list_rows, send
from predex_client.requests import Page, Request
from predex_client.terms import KEEP, Keep, NewOrder, Side, StopLoss, TakeProfit
from predex_client.values import Number, decode, encode_number

T = TypeVar("T")


# --- the exchange and its markets -----------------------------------------------------------


def exchange() -> Request[models.ExchangeState]:
    """Whether trading is halted or the exchange in maintenance, and what it announces."""
    return get("exchange", models.ExchangeState)


def markets(
    *,
    status: str | None = None,
    category: str | None = None,
    tag: str | None = None,
    event: str | None = None,
    series: str | None = None,
    q: str | None = None,
    sort: str | None = None,
) -> Request[Page[models.Market]]:
    """Markets that you may see."""
    return list_rows(
        "markets", models.Market, status=status, category=category, tag=tag, event=event,
        series=series, q=q, sort=sort,
    )  # fmt: skip


def market(slug: str) -> Request[models.MarketDetails]:
    """One market with its texts, and how it is resolved."""
    return get("markets/{slug}", models.MarketDetails, slug=slug)


def history(slug: str) -> Request[Page[models.StatusChange]]:
    """Every change of a market's status."""
    return list_rows("markets/{slug}/history", models.StatusChange, params={"slug": slug})


def book(slug: str) -> Request[models.Book]:
    """All levels of a market, best first; of a binary market also as NO sees them."""
    return get("markets/{slug}/book", models.Book, slug=slug)


def trades(slug: str, *, outcome: str | None = None) -> Request[Page[models.Trade]]:
    """A market's trades, newest first."""
    return list_rows("markets/{slug}/trades", models.Trade, params={"slug": slug}, outcome=outcome)


def candles(
    slug: str,
    interval: str = "1m",
    *,
    outcome: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> Request[Page[models.Candle]]:
    """Candles of `1m`, `5m`, `1h` or `1d`, newest first."""
    return list_rows(
        "markets/{slug}/candles", models.Candle, params={"slug": slug}, interval=interval,
        outcome=outcome, start=start, end=end,
    )  # fmt: skip


def prices(slug: str) -> Request[models.Prices]:
    """What the outcomes of a market are worth."""
    return get("markets/{slug}/prices", models.Prices, slug=slug)


def tickers(*, market: str | None = None) -> Request[Page[models.Ticker]]:
    """All outcomes at a glance: best prices, last price, volume."""
    return list_rows("tickers", models.Ticker, market=market)


# --- orders ---------------------------------------------------------------------------------


def place(order: NewOrder) -> Request[own.OrderAnswer]:
    """Place one order; the answer is its state after matching, once that is stored."""
    key = uuid4().hex if order.client_order_id is None else None
    return _order("place", "POST", "orders", own.OrderAnswer, body=order, key=key)


def place_batch(
    orders: Iterable[NewOrder], *, idempotency_key: str | None = None
) -> Request[tuple[own.BatchItem, ...]]:
    """Place up to 100 orders, each accepted or refused by itself."""
    body = {"orders": list(orders)}
    return _batch("place_batch", "orders/batch", body, idempotency_key)


def preview(order: NewOrder) -> Request[own.Preview]:
    """What an order would do if it came now; it changes nothing."""
    return _order("preview", "POST", "orders/preview", own.Preview, body=order, key=None)


def amend(
    order_id: str,
    *,
    price: Number | None = None,
    quantity: Number | None = None,
    trigger_price: Number | None = None,
    take_profit: TakeProfit | Keep | None = KEEP,
    stop_loss: StopLoss | Keep | None = KEEP,
    valid_until: datetime | None = None,
    idempotency_key: str | None = None,
) -> Request[own.OrderAnswer]:
    """Change price and total quantity (its filled part included), trigger or legs of an order.

    It is repeated by itself only with an `idempotency_key`.
    """
    body = given(
        price=price, quantity=quantity, trigger_price=trigger_price, valid_until=valid_until
    )
    legs = {"take_profit": take_profit, "stop_loss": stop_loss}
    body |= {name: leg for name, leg in legs.items() if leg is not KEEP}
    return _order(
        "amend", "PATCH", "orders/{order_id}", own.OrderAnswer, {"order_id": order_id},
        body=body, key=idempotency_key, is_repeatable=idempotency_key is not None,
    )  # fmt: skip


def cancel(order_id: str, *, idempotency_key: str | None = None) -> Request[own.OrderAnswer]:
    """Cancel what is left of an order."""
    return _order(
        "cancel", "DELETE", "orders/{order_id}", own.OrderAnswer, {"order_id": order_id},
        key=idempotency_key,
    )  # fmt: skip


def cancel_all(
    *, market: str | None = None, idempotency_key: str | None = None
) -> Request[own.CancelledOrders]:
    """Cancel all own orders, everywhere or in one market."""
    return _order(
        "cancel_all", "DELETE", "orders", own.CancelledOrders, query=given(market=market),
        key=idempotency_key,
    )  # fmt: skip


def close_positions(
    *, market: str | None = None, outcome: str | None = None, idempotency_key: str | None = None
) -> Request[tuple[own.BatchItem, ...]]:
    """Close one position, all of a market, or everything, at the market."""
    body = given(market=market, outcome=outcome)
    return _batch("close_positions", "positions/close", body, idempotency_key)


def protect(
    market: str,
    *,
    outcome: str | None = None,
    quantity: Number | None = None,
    take_profit: TakeProfit | None = None,
    stop_loss: StopLoss | None = None,
    valid_until: datetime | None = None,
    idempotency_key: str | None = None,
) -> Request[own.Protection]:
    """Give a position a take-profit, a stop-loss or both."""
    body = given(
        market=market, outcome=outcome, quantity=quantity, take_profit=take_profit,
        stop_loss=stop_loss, valid_until=valid_until,
    )  # fmt: skip
    return _order(
        "protect", "POST", "positions/protect", own.Protection, body=body,
        key=idempotency_key or uuid4().hex,
    )  # fmt: skip


def orders(
    *,
    market: str | None = None,
    status: str | None = None,
    client_order_id: str | None = None,
    updated_since: datetime | None = None,
) -> Request[Page[own.Order]]:
    """Own orders; with `updated_since` the oldest change first."""
    return list_rows(
        "orders", own.Order, market=market, status=status, client_order_id=client_order_id,
        updated_since=updated_since,
    )  # fmt: skip


def order(order_id: str) -> Request[own.Order]:
    """One own order."""
    return get("orders/{order_id}", own.Order, order_id=order_id)


def order_by_client_id(client_order_id: str) -> Request[own.Order]:
    """One own order, by your name for it."""
    path = "orders/by-client-id/{client_order_id}"
    return get(path, own.Order, client_order_id=client_order_id)


def queue_position(order_id: str) -> Request[own.QueuePosition]:
    """How many contracts trade before an order that rests."""
    path = "orders/{order_id}/queue-position"
    return get(path, own.QueuePosition, order_id=order_id)


def queue_positions(market: str) -> Request[tuple[own.QueuePosition, ...]]:
    """The queue positions of all own orders of a market."""
    return Request(
        method="GET", path="orders/queue-positions", query={"market": market}, is_repeatable=True,
        read=lambda body: decode(tuple[own.QueuePosition, ...], body["results"]),
    )  # fmt: skip


def cancel_after(seconds: int) -> Request[own.CancelTimer]:
    """Cancel all own orders unless it is called again within so long; 0 switches it off."""
    return send("POST", "orders/cancel-after", own.CancelTimer, {"seconds": seconds})


def cancel_timer() -> Request[own.CancelTimer]:
    """When all own orders are cancelled, if `cancel_after` was called."""
    return get("orders/cancel-after", own.CancelTimer)


def order_groups() -> Request[Page[own.OrderGroup]]:
    """Own order groups."""
    return list_rows("order-groups", own.OrderGroup)


def order_group(group_id: str) -> Request[own.OrderGroup]:
    """One order group, with what it has filled within the last 15 seconds."""
    return get("order-groups/{group_id}", own.OrderGroup, group_id=group_id)


def create_order_group(limit: Number) -> Request[own.OrderGroup]:
    """Make a group that bounds what its orders fill together within 15 seconds."""
    return send("POST", "order-groups", own.OrderGroup, {"limit": encode_number(limit)})


def change_order_group(group_id: str, limit: Number) -> Request[own.OrderGroup]:
    """Give a group another limit."""
    path = "order-groups/{group_id}"
    return send("PATCH", path, own.OrderGroup, {"limit": encode_number(limit)}, group_id=group_id)


def stop_order_group(group_id: str) -> Request[own.OrderGroup]:
    """Cancel a group's orders, and accept none until it is reset."""
    return send("POST", "order-groups/{group_id}/stop", own.OrderGroup, group_id=group_id)


def reset_order_group(group_id: str) -> Request[own.OrderGroup]:
    """Let a stopped group begin again, with nothing filled."""
    return send("POST", "order-groups/{group_id}/reset", own.OrderGroup, group_id=group_id)


def end_order_group(group_id: str) -> Request[own.OrderGroup]:
    """Stop a group for good."""
    return send("DELETE", "order-groups/{group_id}", own.OrderGroup, group_id=group_id)


def standing_orders() -> Request[Page[own.StandingOrder]]:
    """Own standing orders."""
    return list_rows("standing-orders", own.StandingOrder)


def create_standing_order(
    market: str,
    side: Side,
    price: Number,
    *,
    outcome: str | None = None,
    quantity: Number | None = None,
    daily_budget: Number | None = None,
    until: datetime | None = None,
) -> Request[own.StandingOrder]:
    """Place a limit order each day: up to `quantity`, or what `daily_budget` pays for."""
    body = given(
        market=market, side=side, price=encode_number(price), outcome=outcome,
        quantity=encode_number(quantity), daily_budget=encode_number(daily_budget), until=until,
    )  # fmt: skip
    return send("POST", "standing-orders", own.StandingOrder, body)


def stop_standing_order(standing_id: str) -> Request[own.StandingOrder]:
    """Stop a standing order, and cancel what rests of it."""
    path = "standing-orders/{standing_id}"
    return send("DELETE", path, own.StandingOrder, standing_id=standing_id)


# --- operations on orders ---------------------------------------------------------------------


def _order(
    operation: str,
    method: str,
    path: str,
    kind: type[T],
    params: dict[str, str] | None = None,
    *,
    key: str | None,
    query: dict[str, str] | None = None,
    body: Any = None,
    is_repeatable: bool = True,
) -> Request[T]:
    """An operation on orders: a repeat under one key or client order id is no second one."""
    return Request(
        method=method, path=path, params=params or {}, query=query or {}, body=body,
        read=lambda body: decode(kind, body), operation=operation, idempotency_key=key,
        is_repeatable=is_repeatable,
    )  # fmt: skip


def _batch(
    operation: str, path: str, body: Any, key: str | None
) -> Request[tuple[own.BatchItem, ...]]:
    return Request(
        method="POST", path=path, body=body, operation=operation,
        idempotency_key=key or uuid4().hex, is_repeatable=True,
        read=lambda body: decode(tuple[own.BatchItem, ...], body["results"]),
    )  # fmt: skip
