"""Makes notifications: from the journal as it is folded, and from what concerns whole markets."""

import time
from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Any, Final, NamedTuple

from django.db import transaction
from django.utils import timezone

from accounts.models import Account, User
from accounts.models.account import AccountKind
from markets.models import FINAL_STATUSES, Market, StatusChange
from trading.engine.types import Ended, OrderStatus, Traded
from trading.journal import JournalBody
from trading.models import (
    MailState,
    Margin,
    Notice,
    Notification,
    NotificationChoice,
    NotificationKind,
    Order,
)

CLOSING_SOON: Final = timedelta(hours=24)
TOLD_LATE_MAX: Final = timedelta(days=7)
"""What became final longer ago is no news."""
MARGINS_A_STEP: Final = 2_000
SECONDS_MAX: Final = 3.0
"""Of one run: whoever comes after it goes on."""
KEPT_MAX: Final = 1_000
"""Notifications of one user; older ones are forgotten."""
KEPT_FOR: Final = timedelta(days=180)


class Wish(NamedTuple):
    on_site: bool
    by_mail: bool


UNASKED: Final = Wish(on_site=True, by_mail=False)


# --- from the journal --------------------------------------------------------------------------


def tell_of(market_id: int, bodies: Iterable[JournalBody]) -> None:
    """Tell owners of resting orders of fills and expiries; in the transaction of the fold."""
    fills: dict[str, list[Traded]] = {}
    expired: list[str] = []
    for body in bodies:
        for entry in body.entries:
            for event in entry.events:
                if isinstance(event, Traded):
                    fills.setdefault(event.maker_order_id, []).append(event)
                elif isinstance(event, Ended) and event.status is OrderStatus.EXPIRED:
                    expired.append(event.order_id)
    if not fills and not expired:
        return
    makers = {trades[0].maker_account_id for trades in fills.values()}
    if not expired and not Account.objects.filter(pk__in=makers, kind=AccountKind.USER).exists():
        return
    orders = _read_orders([*fills, *expired])
    wishes = _read_wishes({order.owner_id for order in orders.values()})
    _tell_of_fills(market_id, fills, orders, wishes)
    _tell_of_expiries(market_id, expired, orders, wishes)


def _read_orders(order_ids: Collection[str]) -> dict[str, Order]:
    """Return those of people; programs of the exchange itself are told nothing."""
    rows = Order.objects.filter(pk__in=order_ids, account__kind=AccountKind.USER)
    return {row.id.hex: row for row in rows}


def _tell_of_fills(
    market_id: int,
    fills: dict[str, list[Traded]],
    orders: dict[str, Order],
    wishes: dict[tuple[int, str], Wish],
) -> None:
    unread = {
        row.subject: row
        for row in Notification.objects.filter(
            user__in={order.owner_id for order in orders.values()},
            kind=NotificationKind.FILL,
            subject__in=list(orders),
            read_at=None,
        )
    }
    new = []
    for order_id, trades in fills.items():
        order = orders.get(order_id)
        if order is None:
            continue
        lots = sum(trade.quantity_lots for trade in trades)
        micros = sum(trade.price_pips * trade.quantity_lots for trade in trades)
        known = unread.get(order_id)
        if known is not None:
            known.facts["lots"] += lots
            known.facts["micros"] += micros
            known.save(update_fields=["facts"])
            continue
        facts = {**_facts_of(order), "lots": lots, "micros": micros}
        new.append((order.owner_id, NotificationKind.FILL, order_id, facts))
    _insert(market_id, new, wishes)


def _tell_of_expiries(
    market_id: int,
    expired: list[str],
    orders: dict[str, Order],
    wishes: dict[tuple[int, str], Wish],
) -> None:
    new = [
        (orders[order_id].owner_id, NotificationKind.EXPIRED, order_id, _facts_of(orders[order_id]))
        for order_id in expired
        if order_id in orders
    ]
    _insert(market_id, new, wishes)


def _facts_of(order: Order) -> dict[str, Any]:
    return {
        "outcome": order.outcome_index,
        "side": order.side,
        "as_no": order.as_no,
        "price_pips": order.price_pips,
        "quantity_lots": order.quantity_lots,
        "remaining_lots": order.remaining_lots,
    }


# --- what concerns whole markets ----------------------------------------------------------------


def tell_due() -> None:
    """Tell holders of markets that close soon or became final, and proposers of decisions."""
    end = time.monotonic() + SECONDS_MAX
    _tell_proposers()
    for market, kind in [*_find_final(), *_find_closing()]:
        while _tell_some(market, kind):
            if time.monotonic() >= end:
                return


def _find_final() -> list[tuple[Market, str]]:
    recent = timezone.now() - TOLD_LATE_MAX
    final = Market.objects.filter(status__in=FINAL_STATUSES, settled_at__gte=recent)
    told = Notice.objects.filter(finished_at__isnull=False)
    kinds = {Market.Status.SETTLED: NotificationKind.RESOLVED,
             Market.Status.VOIDED: NotificationKind.VOIDED}  # fmt: skip
    return [
        (market, kind)
        for status, kind in kinds.items()
        for market in final.filter(status=status).exclude(
            pk__in=told.filter(kind=kind).values("market")
        )
    ]


def _find_closing() -> list[tuple[Market, str]]:
    now = timezone.now()
    closing = Market.objects.filter(
        status__in=(Market.Status.OPEN, Market.Status.HALTED),
        close_at__range=(now, now + CLOSING_SOON),
    )
    told = Notice.objects.filter(kind=NotificationKind.CLOSING, finished_at__isnull=False)
    rest = closing.exclude(pk__in=told.values("market"))
    return [(market, NotificationKind.CLOSING) for market in rest]


@transaction.atomic
def _tell_some(market: Market, kind: str) -> bool:
    """Tell the next holders; return whether there may be more."""
    Notice.objects.get_or_create(market=market, kind=kind)
    notice = Notice.objects.select_for_update().get(market=market, kind=kind)
    if notice.finished_at is not None:
        return False
    margins = list(
        Margin.objects.filter(market=market, pk__gt=notice.told_margin_id)
        .select_related("account")
        .order_by("pk")[:MARGINS_A_STEP]
    )
    people = [margin for margin in margins if _concerns(margin, kind)]
    wishes = _read_wishes({margin.account.owner_id for margin in people if margin.account.owner_id})
    facts = {"close_at": market.close_at.isoformat()} if kind == NotificationKind.CLOSING else {}
    _insert(
        market.pk,
        [
            (margin.account.owner_id, kind, "", {**facts, **_money_of(margin)})
            for margin in people
            if margin.account.owner_id
        ],
        wishes,
    )
    if margins:
        notice.told_margin_id = margins[-1].pk
    else:
        notice.finished_at = timezone.now()
    notice.save(update_fields=["told_margin_id", "finished_at"])
    return bool(margins)


def _concerns(margin: Margin, kind: str) -> bool:
    """Whether the account is a person's who has, or had when it was paid, something at stake."""
    if margin.account.kind != AccountKind.USER:
        return False
    if kind == NotificationKind.CLOSING:
        return bool(margin.collateral_lots or margin.net_paid_micros or margin.held_micros)
    return bool(margin.payout_micros or margin.net_paid_micros)


def _money_of(margin: Margin) -> dict[str, int]:
    if margin.payout_micros is None:
        return {}
    return {"payout_micros": margin.payout_micros, "net_paid_micros": margin.net_paid_micros}


@transaction.atomic
def _tell_proposers() -> None:
    """Tell who proposed a market what operators said of it; the change's own id is the subject."""
    recent = StatusChange.objects.filter(
        from_status=Market.Status.PROPOSED,
        to_status=Market.Status.DRAFT,
        created_at__gte=timezone.now() - TOLD_LATE_MAX,
    ).select_related("market")
    changes = {change.pk.hex: change for change in recent}
    told = Notification.objects.filter(
        kind=NotificationKind.DECIDED,
        user__in={change.market.creator_id for change in changes.values()},
        subject__in=list(changes),
    )
    for subject in set(told.values_list("subject", flat=True)):
        del changes[subject]
    wishes = _read_wishes({change.market.creator_id for change in changes.values()})
    for subject, change in changes.items():
        facts = {"approved": change.market.is_approved, "note": change.reason}
        row = (change.market.creator_id, NotificationKind.DECIDED, subject, facts)
        _insert(change.market_id, [row], wishes)


# --- rows --------------------------------------------------------------------------------------


def _read_wishes(user_ids: Collection[int]) -> dict[tuple[int, str], Wish]:
    rows = NotificationChoice.objects.filter(user__in=user_ids)
    return {(row.user_id, row.kind): Wish(row.on_site, row.by_mail) for row in rows}


def _insert(
    market_id: int,
    rows: Iterable[tuple[int, str, str, dict[str, Any]]],
    wishes: dict[tuple[int, str], Wish],
) -> None:
    """`rows` are (user, kind, subject, facts). What is only mailed is read from the start."""
    now = timezone.now()
    notifications = []
    for user_id, kind, subject, facts in rows:
        wish = wishes.get((user_id, kind), UNASKED)
        if not wish.on_site and not wish.by_mail and kind != NotificationKind.DECIDED:
            continue
        notifications.append(
            Notification(
                user_id=user_id,
                kind=kind,
                market_id=market_id,
                subject=subject,
                facts=facts,
                created_at=now,
                read_at=None if wish.on_site else now,
                mail=MailState.DUE if wish.by_mail else MailState.UNWANTED,
            )
        )
    Notification.objects.bulk_create(notifications, batch_size=500)


def forget_old() -> None:
    """Delete what is older than KEPT_FOR, and what a user has beyond KEPT_MAX."""
    Notification.objects.filter(created_at__lt=timezone.now() - KEPT_FOR).delete()
    for user in User.objects.filter(notifications__isnull=False).distinct().iterator():
        rows = Notification.objects.filter(user=user).order_by("-id")
        last = rows.values_list("id", flat=True)[KEPT_MAX : KEPT_MAX + 1].first()
        if last is not None:
            rows.filter(id__lte=last).delete()
