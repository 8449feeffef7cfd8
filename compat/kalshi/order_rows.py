"""The rows of an account: its orders, fills, positions and settlements.

An order to buy YES or sell NO is a bid, any other an ask. Prices are those of YES; what was paid is
that of the side that the order takes: of an ask the price of NO.
"""

import uuid
from collections.abc import Collection, Iterable
from typing import Any, Final, NamedTuple

from django.db.models import Sum

from accounts.models import Account
from compat.kalshi.market_data import name_books
from compat.kalshi.numbers import (
    both_prices,
    cents,
    count,
    count_fields,
    count_fp,
    dollars,
    money,
    money_fields,
    time_us,
)
from trading.engine.types import BUY, PAYOUT_PIPS, OrderStatus, Stp
from trading.models import Order, Trade
from trading.pipeline.order_rows import read_order
from trading.readmodels.queries import AccountFill

_USERS: Final = uuid.uuid5(uuid.NAMESPACE_URL, "predex:account")
_STATUSES: Final = {
    OrderStatus.OPEN: "resting",
    OrderStatus.PARTIALLY_FILLED: "resting",
    OrderStatus.UNTRIGGERED: "resting",
    OrderStatus.FILLED: "executed",
}
STATUSES: Final = {
    "resting": (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED, OrderStatus.UNTRIGGERED),
    "executed": (OrderStatus.FILLED,),
    "canceled": (OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.REJECTED),
    "pending": (),
}


class Direction(NamedTuple):
    """What an order does, in the words of both times."""

    side: str
    action: str
    is_bid: bool

    def to_json(self) -> dict[str, str]:
        return {
            "side": self.side,
            "action": self.action,
            "outcome_side": "yes" if self.is_bid else "no",
            "book_side": "bid" if self.is_bid else "ask",
        }


class Filled(NamedTuple):
    """What an order has traded in one role."""

    lots: int = 0
    micros: int = 0
    fee_micros: int = 0

    def cost_micros(self, *, is_bid: bool) -> int:
        return self.micros if is_bid else PAYOUT_PIPS * self.lots - self.micros


def find_direction(order: Order) -> Direction:
    is_bid = order.side == BUY
    if order.as_no:
        return Direction("no", "sell" if is_bid else "buy", is_bid)
    return Direction("yes", "buy" if is_bid else "sell", is_bid)


def show_uuid(hex_text: str) -> str:
    return str(uuid.UUID(hex_text))


def show_user(account_id: int) -> str:
    return str(uuid.uuid5(_USERS, str(account_id)))


def show_orders(orders: Collection[Order]) -> list[dict[str, Any]]:
    names = name_books({order.market_id for order in orders})
    ids = [order.id for order in orders]
    taken, made = _sum_trades("taker", ids), _sum_trades("maker", ids)
    numbers = _number_accounts(orders)
    return [
        _show_order(
            order,
            names[order.market_id, order.outcome_index],
            taken.get(order.id, Filled()),
            made.get(order.id, Filled()),
            numbers[order.account_id],
        )
        for order in orders
    ]


def _sum_trades(role: str, ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Filled]:
    trades = Trade.objects.filter(**{f"{role}_order_id__in": list(ids)}).order_by()
    sums = trades.values_list(f"{role}_order_id").annotate(
        Sum("quantity_lots"), Sum("amount_micros"), Sum(f"{role}_fee_micros")
    )
    return {order_id: Filled(*map(int, figures)) for order_id, *figures in sums}


def _number_accounts(orders: Iterable[Order]) -> dict[int, int]:
    """Return the numbers of their accounts as sub-accounts."""
    accounts = Account.objects.filter(pk__in={order.account_id for order in orders})
    return {account.pk: account.subaccount for account in accounts}


def _show_order(
    order: Order, ticker: str, taken: Filled, made: Filled, subaccount: int
) -> dict[str, Any]:
    direction = find_direction(order)
    engine_order = read_order(order, order.id.hex)
    options = engine_order.place.options
    status = _STATUSES.get(OrderStatus(order.status), "canceled")
    resting_lots = order.remaining_lots if status == "resting" else 0
    taken_micros = taken.cost_micros(is_bid=direction.is_bid)
    made_micros = made.cost_micros(is_bid=direction.is_bid)
    expires_at_us = order.expires_at_us
    return {
        "order_id": str(order.id),
        "user_id": show_user(order.account_id),
        "client_order_id": order.client_order_id or "",
        "ticker": ticker,
        **direction.to_json(),
        "type": "market" if options is not None and options.is_market else "limit",
        "status": status,
        **both_prices(order.price_pips or 0),
        **count_fields("fill_count", order.filled_lots),
        **count_fields("remaining_count", resting_lots),
        **count_fields("initial_count", order.quantity_lots),
        **money_fields("taker_fill_cost", taken_micros),
        **money_fields("maker_fill_cost", made_micros),
        **money_fields("taker_fees", taken.fee_micros),
        **money_fields("maker_fees", made.fee_micros),
        "queue_position": 0,
        "expiration_time": None if expires_at_us is None else time_us(expires_at_us),
        "created_time": time_us(order.created_at_us),
        "last_update_time": time_us(order.updated_at_us),
        "self_trade_prevention_type": (
            "maker" if order.stp == Stp.CANCEL_OLDEST else "taker_at_cross"
        ),
        "order_group_id": None if order.order_group_id is None else str(order.order_group_id),
        "cancel_order_on_pause": options is not None and options.cancel_on_halt,
        "subaccount_number": subaccount,
        "exchange_index": 0,
    }


def show_fills(fills: Collection[AccountFill]) -> list[dict[str, Any]]:
    names = name_books({fill.trade.market_id for fill in fills})
    numbers = _number_accounts(fill.order for fill in fills)
    return [
        _show_fill(
            fill,
            names[fill.trade.market_id, fill.trade.outcome_index],
            numbers[fill.order.account_id],
        )
        for fill in fills
    ]


def _show_fill(fill: AccountFill, ticker: str, subaccount: int) -> dict[str, Any]:
    trade, order = fill.trade, fill.order
    yes_pips = trade.price_pips
    fee_micros = trade.taker_fee_micros if fill.is_taker else trade.maker_fee_micros
    return {
        "fill_id": str(trade.id),
        "trade_id": str(trade.id),
        "order_id": str(order.id),
        "client_order_id": order.client_order_id or "",
        "ticker": ticker,
        "market_ticker": ticker,
        **find_direction(order).to_json(),
        "purchased_side": "yes" if order.side == BUY else "no",
        "count": count(trade.quantity_lots),
        "count_fp": count_fp(trade.quantity_lots),
        "price": cents(yes_pips) / 100,
        **both_prices(yes_pips),
        "yes_price_fixed": dollars(yes_pips),
        "no_price_fixed": dollars(PAYOUT_PIPS - yes_pips),
        "is_taker": fill.is_taker,
        "fee_cost": money(fee_micros),
        "created_time": time_us(trade.created_at_us),
        "ts": trade.created_at_us // 1_000_000,
        "ts_ms": trade.created_at_us // 1_000,
        "subaccount_number": subaccount,
        "exchange_index": 0,
    }
