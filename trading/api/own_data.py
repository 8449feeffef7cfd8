"""A user's data in this app, for `accounts.own_data`, and its removal when they leave."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from accounts.models import Account, User
from accounts.own_data import CHUNK_ROWS, read_in_chunks, show_value
from accounts.registry import DataTable
from kernel.clock import format_time
from kernel.units import format_amount, format_quantity
from markets.actions import check_not_in_maintenance
from trading.actions import do_cancel_orders, do_cancel_own_orders
from trading.api.show_own import show_amount, show_row
from trading.api.standing_orders import ShownStandingOrder, show_standing_order
from trading.feed.missed import show_own_fill
from trading.feed.reads import read_cards
from trading.models import (
    Margin,
    Notification,
    NotificationPreference,
    Order,
    OrderGroup,
    Position,
    StandingOrder,
    Webhook,
)
from trading.notifications.sentences import describe_all
from trading.pipeline.instruments import Instrument
from trading.readmodels.queries import list_fills
from trading.wire import schema

Rows = Iterator[Mapping[str, Any]]

ORDER_COLUMNS: Final = ("subaccount", *schema.OrderState.__struct_fields__)
FILL_COLUMNS: Final = ("subaccount", *schema.OwnFill.__struct_fields__)
POSITION_COLUMNS: Final = (
    "subaccount",
    "market",
    "outcome",
    "bought_less_sold",
    "cost",
    "realised_profit",
)
GROUP_COLUMNS: Final = ("id", "limit", "created_at", "stopped_at")
STANDING_COLUMNS: Final = tuple(ShownStandingOrder().fields)
MARKET_COLUMNS: Final = ("subaccount", "market", "held", "fees", "net_paid", "payout")
NOTIFICATION_COLUMNS: Final = ("kind", "created_at", "read_at", "title", "detail")
WEBHOOK_COLUMNS: Final = ("id", "url", "events", "created_at", "switched_off_at")


class _Cards:
    """Instruments of markets, each read once."""

    def __init__(self) -> None:
        self._known: dict[int, Instrument] = {}

    def get(self, market_id: int) -> Instrument:
        if market_id not in self._known:
            self._known.update(read_cards([market_id]))
        return self._known[market_id]


def list_orders(user_id: int) -> Rows:
    instruments, numbers = _Cards(), _accounts(user_id)
    for row in read_in_chunks(Order.objects.filter(account__in=numbers)):
        shown = msgspec.to_builtins(show_row(row, instruments.get(row.market_id)))
        yield {"subaccount": numbers[row.account_id], **shown}


def list_own_fills(user_id: int) -> Rows:
    """Newest first, the order in which both indexes can be merged."""
    instruments = _Cards()
    for account_id, number in _accounts(user_id).items():
        before = None
        while fills := list_fills(account_id, beyond=before, count=CHUNK_ROWS):
            for fill in fills:
                card = instruments.get(fill.trade.market_id)
                yield {
                    "subaccount": number,
                    **msgspec.to_builtins(show_own_fill(fill, card)),
                }
            before = fills[-1].trade.id


def list_order_groups(user_id: int) -> Rows:
    for row in read_in_chunks(OrderGroup.objects.filter(account__in=_accounts(user_id))):
        yield {
            "id": row.pk.hex,
            "limit": format_quantity(row.limit_lots),
            "created_at": format_time(row.created_at_us),
            "stopped_at": None if row.stopped_at_us is None else format_time(row.stopped_at_us),
        }


def list_standing_orders(user_id: int) -> Rows:
    instruments = _Cards()
    for row in read_in_chunks(StandingOrder.objects.filter(account__in=_accounts(user_id))):
        yield show_standing_order(row, instruments.get(row.market_id))


def list_positions(user_id: int) -> Rows:
    instruments, numbers = _Cards(), _accounts(user_id)
    for row in read_in_chunks(Position.objects.filter(account__in=numbers)):
        instrument = instruments.get(row.market_id)
        yield {
            "subaccount": numbers[row.account_id],
            "market": instrument.slug,
            "outcome": instrument.codes[row.outcome_index],
            "bought_less_sold": format_quantity(row.net_lots),
            "cost": format_amount(row.cost_micros),
            "realised_profit": format_amount(row.realised_micros),
        }


def list_markets_entered(user_id: int) -> Rows:
    instruments, numbers = _Cards(), _accounts(user_id)
    for row in read_in_chunks(Margin.objects.filter(account__in=numbers)):
        yield {
            "subaccount": numbers[row.account_id],
            "market": instruments.get(row.market_id).slug,
            "held": format_amount(row.held_micros),
            "fees": format_amount(row.fees_micros),
            "net_paid": format_amount(row.net_paid_micros),
            "payout": show_amount(row.payout_micros),
        }


def list_notifications(user_id: int) -> Rows:
    found = Notification.objects.filter(user=user_id).select_related("market")
    rows = list(read_in_chunks(found.prefetch_related("market__outcomes")))  # so many are kept
    for row, text in zip(rows, describe_all(rows), strict=True):
        shown = {name: show_value(getattr(row, name)) for name in NOTIFICATION_COLUMNS[:-2]}
        yield {**shown, "title": text.title, "detail": text.detail}


def list_webhooks(user_id: int) -> Rows:
    for row in read_in_chunks(Webhook.objects.filter(user=user_id)):
        yield {name: show_value(getattr(row, name)) for name in WEBHOOK_COLUMNS}


def forget_user(user_id: int) -> None:
    """Delete the user's notifications, preferences and webhooks."""
    Webhook.objects.filter(user=user_id).delete()
    Notification.objects.filter(user=user_id).delete()
    NotificationPreference.objects.filter(user=user_id).delete()


def cancel_orders(account_id: int, by: User | None, reason: str) -> None:
    """Cancel an account's open orders because its owner leaves or was stopped by an operator."""
    check_not_in_maintenance()
    account = Account.objects.get(pk=account_id)
    if by is not None:
        do_cancel_orders(account, by=by, reason=reason)
    else:
        do_cancel_own_orders(account)


def _accounts(user_id: int) -> dict[int, int]:
    """Return the user's accounts, the main one first, with their numbers as sub-accounts."""
    accounts = Account.objects.filter(owner=user_id).order_by("number")
    return {account.pk: account.subaccount for account in accounts}


TABLES: Final = (
    DataTable("orders", ORDER_COLUMNS, list_orders),
    DataTable("fills", FILL_COLUMNS, list_own_fills),
    DataTable("order_groups", GROUP_COLUMNS, list_order_groups),
    DataTable("standing_orders", STANDING_COLUMNS, list_standing_orders),
    DataTable("positions", POSITION_COLUMNS, list_positions),
    DataTable("markets_entered", MARKET_COLUMNS, list_markets_entered),
    DataTable("notifications", NOTIFICATION_COLUMNS, list_notifications),
    DataTable("webhooks", WEBHOOK_COLUMNS, list_webhooks),
)
