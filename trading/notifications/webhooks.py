"""What webhooks are sent: deliveries, made in the transaction that records the progress.

A delivery's data are what the API shows: a fill as `GET /fills`, an order as `GET /orders`, a
status as `GET /markets/{slug}/history`; those of an account also name its `subaccount`.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import Account, User
from kernel.clock import format_time, from_datetime, now_us
from kernel.ids import new_uuid
from kernel.units import format_amount, format_price
from markets.models import FINAL_STATUSES, Correction, Market, StatusChange, StatusOutbox
from trading.feed.missed import pair_with_orders, show_own_fill
from trading.feed.reads import read_cards
from trading.models import (
    LIVE_STATUSES,
    DeliveryState,
    Margin,
    NotificationKind,
    Order,
    Settlement,
    Trade,
    Webhook,
    WebhookDelivery,
    WebhookEvent,
)
from trading.notifications.notify import notify_user
from trading.pipeline.order_rows import read_order
from trading.wire.render import show_order

CHANGES_A_RUN: Final = 500
KEPT_FOR: Final = timedelta(days=30)
KEPT_MAX: Final = 1_000
"""Deliveries kept of a webhook; older ones that are not due are deleted."""

Listeners = Mapping[int, list[Webhook]]
"""Webhooks by user."""


class Span(NamedTuple):
    """Rows of a market's journal: those after one sequence number up to another."""

    market_id: int
    after_seq: int
    last_seq: int
    begin_us: int


def derive_secret(webhook: Webhook) -> str:
    """Return the secret that signs its deliveries; only the environment's pepper makes it one."""
    pepper = settings.API_KEY_PEPPER.encode()
    digest = hmac.new(pepper, f"webhook {webhook.pk.hex}".encode(), hashlib.sha256).digest()
    return f"whsec_{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def record_ping(webhook: Webhook) -> WebhookDelivery:
    delivery = _build(webhook, WebhookEvent.PING, {"webhook": webhook.pk.hex})
    delivery.save(force_insert=True)
    return delivery


# --- own orders, from the journal ----------------------------------------------------------------


def record_orders(span: Span) -> None:
    """Record fills and ended orders; in the transaction of the fold of these rows."""
    listening = _list_listening()
    sides, ended = _list_sides(_list_trades(span, listening)), list(_list_ended(span, listening))
    concerned = {account_id for *_, account_id in sides} | {order.account_id for order in ended}
    accounts = listening.in_bulk(concerned)
    if not accounts:
        return
    owners = {account.owner_id or 0 for account in accounts.values()}
    fills = _find_listeners(WebhookEvent.FILL, owners)
    ends = _find_listeners(WebhookEvent.ORDER_ENDED, owners)
    card = read_cards([span.market_id])[span.market_id]
    own = [(trade, is_taker) for trade, is_taker, account_id in sides if account_id in accounts]
    made = []
    for fill in pair_with_orders(own):
        account = accounts[fill.order.account_id]
        made += _build_own(fills, WebhookEvent.FILL, account, show_own_fill(fill, card))
    for order in ended:
        shown = show_order(
            read_order(order, order.id.hex),
            card,
            seq=order.updated_seq,
            updated_at_us=order.updated_at_us,
        )
        made += _build_own(ends, WebhookEvent.ORDER_ENDED, accounts[order.account_id], shown)
    _insert(made)


def _list_sides(trades: Iterable[Trade]) -> list[tuple[Trade, bool, int | None]]:
    """Return each order's side of trades: whether it is the taker's, and its account."""
    return [
        (trade, is_taker, account_id)
        for trade in trades
        for is_taker, account_id, order_id in (
            (True, trade.taker_account_id, trade.taker_order_id),
            (False, trade.maker_account_id, trade.maker_order_id),
        )
        if order_id is not None
    ]


def _list_trades(span: Span, accounts: QuerySet[Account]) -> QuerySet[Trade]:
    first = UUID(int=span.begin_us // 1_000 << 80)  # ids sort by time, to the millisecond
    return Trade.objects.filter(
        Q(taker_account__in=accounts) | Q(maker_account__in=accounts),
        market=span.market_id, id__gte=first, seq__gt=span.after_seq, seq__lte=span.last_seq,
    ).order_by("id")  # fmt: skip


def _list_ended(span: Span, accounts: QuerySet[Account]) -> QuerySet[Order]:
    changed = Order.objects.filter(
        account__in=accounts, updated_at_us__gte=span.begin_us,
        market=span.market_id, updated_seq__gt=span.after_seq, updated_seq__lte=span.last_seq,
    )  # fmt: skip
    return changed.exclude(status__in=LIVE_STATUSES).order_by("updated_seq", "id")


# --- markets, from the outbox of their changes ---------------------------------------------------


def record_statuses() -> None:
    """Record the changes of status that committed since, each in one transaction."""
    for pk in StatusOutbox.objects.order_by("pk").values_list("pk", flat=True)[:CHANGES_A_RUN]:
        _record_status(pk)


@transaction.atomic
def _record_status(pk: int) -> None:
    """Take a change out of the outbox; another process that took it leaves nothing to do."""
    pending = StatusOutbox.objects.select_for_update().filter(pk=pk).first()
    if pending is None:
        return
    change = StatusChange.objects.select_related("market").get(pk=pending.change_id)
    made = _build_statuses(change)
    if change.to_status in FINAL_STATUSES:
        made += _build_settlements(change)
    _insert(made)
    pending.delete()


def _build_statuses(change: StatusChange) -> list[WebhookDelivery]:
    listeners = _find_listeners(WebhookEvent.MARKET_STATUS)
    market, at = change.market, from_datetime(change.created_at)
    data = {
        "market": market.slug,
        "title": market.title,
        "from_status": change.from_status or None,
        "to_status": change.to_status,
        "reason": change.reason,
        "created_at": format_time(at),
    }
    same = Market.objects.filter(pk=market.pk)
    users = User.objects.in_bulk(listeners)
    return [
        _build(hook, WebhookEvent.MARKET_STATUS, data)
        for user_id, hooks in listeners.items()
        if same.visible_to(users[user_id]).exists()
        for hook in hooks
    ]


def _build_settlements(change: StatusChange) -> list[WebhookDelivery]:
    listeners = _find_listeners(WebhookEvent.SETTLEMENT)
    if not listeners:
        return []
    market = change.market
    payouts = {
        outcome.code: None if outcome.payout_pips is None else format_price(outcome.payout_pips)
        for outcome in market.outcomes.order_by("index")
    }
    shared = {"market": market.slug, "status": change.to_status, "payouts": payouts}
    made = []
    for account, paid in _list_paid(change):
        made += _build_own(listeners, WebhookEvent.SETTLEMENT, account, {**shared, **paid})
    return made


def _list_paid(change: StatusChange) -> Iterable[tuple[Account, dict[str, str]]]:
    """Yield what each account that listens was paid, or what a correction has moved."""
    listening = _list_listening()
    if change.from_status in FINAL_STATUSES:
        done = Correction.objects.filter(market=change.market, state=Correction.State.DONE)
        # It is finished in the transaction of the change, just after it.
        finished = done.filter(finished_at__gte=change.created_at).order_by("finished_at")
        rows = Settlement.objects.filter(market=change.market, account__in=listening)
        rows = rows.filter(number__in=finished.values("number")[:1])
        for row in rows.select_related("account"):
            yield row.account, {"moved": format_amount(row.moved_micros)}
        return
    margins = Margin.objects.filter(market=change.market, account__in=listening)
    for margin in margins.exclude(payout_micros=None).select_related("account"):
        yield (
            margin.account,
            {
                "payout": format_amount(margin.payout_micros or 0),
                "net_paid": format_amount(margin.net_paid_micros),
            },
        )


# --- rows ----------------------------------------------------------------------------------------


def _list_listening() -> QuerySet[Account]:
    """Return the accounts whose owners have a webhook; for subqueries, as they may be many."""
    return Account.objects.filter(owner__in=Webhook.objects.live().values("user"))


def _find_listeners(event: WebhookEvent, user_ids: Iterable[int] | None = None) -> Listeners:
    """Return the webhooks that are sent this event, of these users or of all."""
    hooks = Webhook.objects.live().order_by("pk")
    found: dict[int, list[Webhook]] = {}
    for hook in hooks if user_ids is None else hooks.filter(user__in=user_ids):
        if event in hook.events:
            found.setdefault(hook.user_id, []).append(hook)
    return found


def _build_own(
    listeners: Listeners, event: WebhookEvent, account: Account, shown: Any
) -> list[WebhookDelivery]:
    """Return what the webhooks of an account's owner are sent about it."""
    data = {**msgspec.to_builtins(shown), "subaccount": account.subaccount}
    return [_build(hook, event, data) for hook in listeners.get(account.owner_id or 0, ())]


def _build(webhook: Webhook, event: WebhookEvent, data: Mapping[str, Any]) -> WebhookDelivery:
    delivery_id = new_uuid()
    body = {
        "id": delivery_id.hex,
        "type": event.value,
        "created_at": format_time(now_us()),
        "data": data,
    }
    text = msgspec.json.encode(body).decode()
    return WebhookDelivery(id=delivery_id, webhook=webhook, event=event, body=text)


def _insert(deliveries: Sequence[WebhookDelivery]) -> None:
    WebhookDelivery.objects.bulk_create(deliveries, batch_size=500)


def switch_off(webhook: Webhook) -> None:
    """Send nothing more to it, and notify its owner; in one transaction."""
    with transaction.atomic():
        live = Webhook.objects.filter(pk=webhook.pk, switched_off_at=None)
        if live.update(switched_off_at=timezone.now()):
            facts = {"url": webhook.url}
            notify_user(webhook.user_id, NotificationKind.WEBHOOK, webhook.pk.hex, facts)


def forget_old(now: datetime) -> None:
    """Delete deliveries older than KEPT_FOR, and a webhook's oldest beyond KEPT_MAX; none due."""
    done = WebhookDelivery.objects.exclude(state=DeliveryState.DUE)
    done.filter(created_at__lt=now - KEPT_FOR).delete()
    for webhook in Webhook.objects.iterator():
        rows = done.filter(webhook=webhook).order_by("-id")
        last = rows.values_list("id", flat=True)[KEPT_MAX : KEPT_MAX + 1].first()
        if last is not None:
            rows.filter(id__lte=last).delete()
