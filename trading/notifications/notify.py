"""Creates notifications: from the journal as it is folded, and from events of whole markets."""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.text import Truncator

from accounts.models import Account, AuditEvent, User
from accounts.models.account import AccountKind
from accounts.registry import MoneyNews
from markets.models import (
    FINAL_STATUSES,
    Clarification,
    Correction,
    Market,
    Resolution,
)
from trading.engine.events import Ended, Traded, list_trades
from trading.engine.types import OrderStatus
from trading.models import (
    MailState,
    Margin,
    Notification,
    NotificationKind,
    NotificationPreference,
    NotificationProgress,
    Order,
    Settlement,
    StandingOrder,
)
from trading.notifications import news
from trading.notifications.news import NEWS_AGE_MAX, News
from trading.pipeline.journal import JournalBody

CLOSING_SOON: Final = timedelta(hours=24)
MARGINS_A_STEP: Final = 2_000
SECONDS_MAX: Final = 3.0
"""Per run; the next one continues."""
KEPT_MAX: Final = 1_000
"""Notifications kept per user; older ones are deleted."""
KEPT_FOR: Final = timedelta(days=180)


TRADING_STATUSES: Final = (Market.Status.OPEN, Market.Status.HALTED)
AT_STAKE_KINDS: Final = frozenset(
    {
        NotificationKind.CLOSING,
        NotificationKind.RESULT,
        NotificationKind.CLARIFIED,
        NotificationKind.CLOSE_TIME,
    }
)
"""What concerns who has contracts, open orders or money in a market that is not paid yet."""
TEXT_LENGTH_MAX: Final = 300
"""Of a text that stands on the market's page in full."""
DEFAULT_PREFERENCE: Final = NotificationPreference()


# --- from the journal --------------------------------------------------------------------------


def notify_of_orders(market_id: int, bodies: Iterable[JournalBody]) -> None:
    """Notify owners of resting orders of fills and expiries; in the transaction of the fold."""
    fills: dict[str, list[Traded]] = {}
    expired: list[str] = []
    for body in bodies:
        for entry in body.entries:
            for event in entry.events:
                for trade in list_trades(event):
                    if trade.maker_order_id:
                        fills.setdefault(trade.maker_order_id, []).append(trade)
                if isinstance(event, Ended) and event.status is OrderStatus.EXPIRED:
                    expired.append(event.order_id)
    if not fills and not expired:
        return
    makers = {trades[0].maker_account_id for trades in fills.values()}
    if not expired and not Account.objects.filter(pk__in=makers, kind=AccountKind.USER).exists():
        return
    orders = _read_orders([*fills, *expired])
    preferences = _read_preferences({order.owner_id for order in orders.values()})
    _notify_of_fills(market_id, fills, orders, preferences)
    _notify_of_expiries(market_id, expired, orders, preferences)


def _read_orders(order_ids: Collection[str]) -> dict[str, Order]:
    """Return users' orders; the exchange's own programs are not notified."""
    rows = Order.objects.filter(pk__in=order_ids, account__kind=AccountKind.USER)
    return {row.id.hex: row for row in rows}


def _notify_of_fills(
    market_id: int,
    fills: dict[str, list[Traded]],
    orders: dict[str, Order],
    preferences: dict[tuple[int, str], NotificationPreference],
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
        micros = sum(trade.paid_micros for trade in trades)
        known = unread.get(order_id)
        if known is not None:
            known.facts["lots"] += lots
            known.facts["micros"] += micros
            known.save(update_fields=["facts"])
            continue
        facts = {**_facts_of(order), "lots": lots, "micros": micros}
        new.append((order.owner_id, NotificationKind.FILL, order_id, facts))
    _insert(market_id, new, preferences)


def _notify_of_expiries(
    market_id: int,
    expired: list[str],
    orders: dict[str, Order],
    preferences: dict[tuple[int, str], NotificationPreference],
) -> None:
    new = [
        (orders[order_id].owner_id, NotificationKind.EXPIRED, order_id, _facts_of(orders[order_id]))
        for order_id in expired
        if order_id in orders
    ]
    _insert(market_id, new, preferences)


def _facts_of(order: Order) -> dict[str, Any]:
    return {
        "outcome": order.outcome_index,
        "side": order.side,
        "as_no": order.as_no,
        "price_pips": order.price_pips,
        "quantity_lots": order.quantity_lots,
        "remaining_lots": order.remaining_lots,
    }


# --- events of whole markets --------------------------------------------------------------------


def notify_due() -> None:
    """Notify holders of markets that close soon, have a proposed result or became final; proposers
    and disputers of decisions; operators of pending tasks.
    """
    end = time.monotonic() + SECONDS_MAX
    _notify_once(NotificationKind.DECIDED, news.list_decisions())
    _notify_once(NotificationKind.VERDICT, news.list_verdicts())
    _notify_once(NotificationKind.PROPOSAL, news.list_proposals())
    _notify_once(NotificationKind.DISPUTE, news.list_disputes())
    _notify_once(NotificationKind.CORRECTING, news.list_corrections())
    _notify_once(NotificationKind.JUDGE, news.list_judged())
    _notify_once(NotificationKind.UNRESOLVED, news.list_unresolved())
    _notify_once(NotificationKind.STOPPED, news.list_stopped())
    for one in [
        *_find_final(),
        *_find_corrected(),
        *_find_proposed(),
        *_find_closing(),
        *_find_clarified(),
        *_find_moved(),
    ]:
        while _notify_next_holders(*one):
            if time.monotonic() >= end:
                return


HoldersNews = tuple[Market, NotificationKind, str]
"""A notification for all holders of a market: (market, kind, subject)."""


def _find_final() -> list[HoldersNews]:
    recent = timezone.now() - NEWS_AGE_MAX
    final = Market.objects.filter(status__in=FINAL_STATUSES, settled_at__gte=recent)
    kinds = {Market.Status.SETTLED: NotificationKind.RESOLVED,
             Market.Status.VOIDED: NotificationKind.VOIDED}  # fmt: skip
    # Of either kind: a corrected market may have been both.
    notified = NotificationProgress.objects.filter(
        finished_at__isnull=False, kind__in=kinds.values()
    )
    rest = final.exclude(pk__in=notified.values("market"))
    return [
        (market, kind, "")
        for status, kind in kinds.items()
        for market in rest.filter(status=status)
    ]


def _find_corrected() -> list[HoldersNews]:
    done = Correction.objects.filter(finished_at__gte=timezone.now() - NEWS_AGE_MAX)
    done = done.filter(state=Correction.State.DONE)
    rows = {row.pk.hex: row.market for row in done.select_related("market")}
    return _without_notified(NotificationKind.CORRECTED, rows)


def _find_closing() -> list[HoldersNews]:
    now = timezone.now()
    closing = Market.objects.filter(
        status__in=TRADING_STATUSES,
        close_at__range=(now, now + CLOSING_SOON),
    )
    notified = NotificationProgress.objects.filter(
        kind=NotificationKind.CLOSING, finished_at__isnull=False
    )
    rest = closing.exclude(pk__in=notified.values("market"))
    return [(market, NotificationKind.CLOSING, "") for market in rest]


def _find_proposed() -> list[HoldersNews]:
    active = _list_disputable().exclude(
        market__in=NotificationProgress.objects.filter(
            kind=NotificationKind.RESULT, finished_at__isnull=False
        ).values("market")
    )
    rows = active.select_related("market")
    return [(row.market, NotificationKind.RESULT, "") for row in rows]


def _find_clarified() -> list[HoldersNews]:
    recent = Clarification.objects.filter(created_at__gte=timezone.now() - NEWS_AGE_MAX)
    rows = {row.pk.hex: row.market for row in recent.select_related("market")}
    return _without_notified(NotificationKind.CLARIFIED, rows)


def _find_moved() -> list[HoldersNews]:
    """Each change of the close time of a market that still trades."""
    events = {
        event.pk.hex: int(event.subject_id)
        for event in AuditEvent.objects.filter(
            action="change_close_time", created_at__gte=timezone.now() - NEWS_AGE_MAX
        )
    }
    markets = Market.objects.filter(status__in=TRADING_STATUSES).in_bulk(events.values())
    rows = {subject: markets[pk] for subject, pk in events.items() if pk in markets}
    return _without_notified(NotificationKind.CLOSE_TIME, rows)


def _without_notified(kind: NotificationKind, rows: Mapping[str, Market]) -> list[HoldersNews]:
    notified = set(
        NotificationProgress.objects.filter(
            kind=kind, subject__in=list(rows), finished_at__isnull=False
        ).values_list("subject", flat=True)
    )
    return [(market, kind, subject) for subject, market in rows.items() if subject not in notified]


def _list_disputable() -> QuerySet[Resolution]:
    """Return the active results that may still be disputed."""
    return Resolution.objects.filter(
        withdrawn_at=None,
        payout_pips__isnull=False,
        final_at__gt=timezone.now(),
        market__status=Market.Status.RESOLVING,
    )


@transaction.atomic
def _notify_next_holders(market: Market, kind: str, subject: str) -> bool:
    """Notify the next holders; return whether there may be more."""
    which: dict[str, Any] = {"market": market, "kind": kind, "subject": subject}
    NotificationProgress.objects.get_or_create(**which)
    progress = NotificationProgress.objects.select_for_update().filter(**which).first()
    facts = _facts_of_market(market, kind, subject)
    # The progress is gone if the result was withdrawn meanwhile.
    if progress is None or progress.finished_at is not None or facts is None:
        return False
    rows = _list_holders(market, kind, subject)
    margins = list(
        rows.filter(pk__gt=progress.last_margin_id)
        .select_related("account")
        .order_by("pk")[:MARGINS_A_STEP]
    )
    people = [margin for margin in margins if _concerns(margin, kind)]
    preferences = _read_preferences(
        {margin.account.owner_id for margin in people if margin.account.owner_id}
    )
    _insert(
        market.pk,
        [
            (margin.account.owner_id, kind, subject, {**facts, **_money_of(margin)})
            for margin in people
            if margin.account.owner_id
        ],
        preferences,
    )
    if margins:
        progress.last_margin_id = margins[-1].pk
    else:
        progress.finished_at = timezone.now()
    progress.save(update_fields=["last_margin_id", "finished_at"])
    return bool(margins)


def _list_holders(market: Market, kind: str, subject: str) -> QuerySet[Any]:
    """Return whom it may concern: the margins of a market, or what a correction has moved."""
    if kind != NotificationKind.CORRECTED:
        return Margin.objects.filter(market=market)
    number = Correction.objects.values_list("number", flat=True).get(pk=subject)
    return Settlement.objects.filter(market=market, number=number)


def _facts_of_market(market: Market, kind: str, subject: str) -> dict[str, Any] | None:
    """Return the facts for all holders; None if the notification is no longer relevant."""
    if kind == NotificationKind.CLOSING:
        return {"close_at": market.close_at.isoformat()}
    if kind == NotificationKind.CLARIFIED:
        text = Clarification.objects.get(pk=subject).text
        return {"text": Truncator(text).chars(TEXT_LENGTH_MAX)}
    if kind == NotificationKind.CLOSE_TIME:
        event = AuditEvent.objects.get(pk=subject)
        return {
            "before": _close_time(event.before),
            "close_at": _close_time(event.after),
            "reason": event.reason,
        }
    if kind == NotificationKind.CORRECTED:
        correction = Correction.objects.get(pk=subject)
        return {
            "payout_pips": correction.payout_pips,
            "number": correction.observed_number,
        }
    if kind != NotificationKind.RESULT:
        return {}
    result = _list_disputable().filter(market=market).first()
    if result is None:
        return None
    return {
        "payout_pips": result.payout_pips,
        **({"number": result.number} if result.number else {}),
        "final_at": result.final_at.isoformat(),
    }


def _close_time(values: dict[str, Any] | None) -> str:
    return str((values or {})["close_at"]).replace("Z", "+00:00")


def _concerns(margin: Any, kind: str) -> bool:
    """Whether the account is a user's and has, or had at the payout, a stake in the market."""
    if margin.account.kind != AccountKind.USER:
        return False
    if kind == NotificationKind.CORRECTED:
        return True
    if kind in AT_STAKE_KINDS:
        return bool(margin.collateral_lots or margin.net_paid_micros or margin.held_micros)
    return bool(margin.payout_micros or margin.net_paid_micros)


def _money_of(margin: Any) -> dict[str, int]:
    if isinstance(margin, Settlement):
        return {"micros": margin.moved_micros}
    if margin.payout_micros is None:
        return {}
    return {"payout_micros": margin.payout_micros, "net_paid_micros": margin.net_paid_micros}


# --- pending tasks and decisions -----------------------------------------------------------------


@transaction.atomic
def _notify_once(kind: str, waiting: Sequence[News]) -> None:
    user_ids = {user_id for one in waiting for user_id in one.user_ids}
    if not user_ids:
        return
    notified = set(
        Notification.objects.filter(
            kind=kind, user__in=user_ids, subject__in=[one.subject for one in waiting]
        ).values_list("user_id", "subject")
    )
    preferences = _read_preferences(user_ids)
    for one in waiting:
        fresh = [user_id for user_id in one.user_ids if (user_id, one.subject) not in notified]
        rows = [(user_id, kind, one.subject, one.facts) for user_id in sorted(fresh)]
        _insert(one.market_id, rows, preferences)


def notify_of_money(news: Sequence[MoneyNews]) -> None:
    """Notify owners of operators' actions on their money, in the transaction of the action."""
    preferences = _read_preferences({one.user_id for one in news})
    rows = [
        (
            one.user_id,
            NotificationKind.MONEY,
            "",
            {"what": one.what, "micros": one.amount_micros, "reason": one.reason},
        )
        for one in news
    ]
    _insert(None, rows, preferences)


def notify_user(user_id: int, kind: NotificationKind, subject: str, facts: dict[str, Any]) -> None:
    """Notify one user of what is of no market, in the transaction of the change."""
    _insert(None, [(user_id, kind, subject, facts)], _read_preferences({user_id}))


def notify_of_standing_order(standing: StandingOrder) -> None:
    """Notify the owner of a standing order of its end, in the transaction that stops it."""
    owner_id = standing.account.owner_id
    if owner_id is None:
        return
    facts = {
        "outcome": standing.outcome_index,
        "side": standing.side,
        "as_no": standing.as_no,
        "price_pips": standing.price_pips,
        "reason": standing.stop_reason,
    }
    rows = [(owner_id, NotificationKind.STANDING, standing.pk.hex, facts)]
    _insert(standing.market_id, rows, _read_preferences({owner_id}))


# --- rows --------------------------------------------------------------------------------------


def _read_preferences(user_ids: Collection[int]) -> dict[tuple[int, str], NotificationPreference]:
    rows = NotificationPreference.objects.filter(user__in=user_ids)
    return {(row.user_id, row.kind): row for row in rows}


def _insert(
    market_id: int | None,
    rows: Iterable[tuple[int, str, str, dict[str, Any]]],
    preferences: dict[tuple[int, str], NotificationPreference],
) -> None:
    """`rows` are (user, kind, subject, facts). Mail-only ones are inserted as read."""
    now = timezone.now()
    notifications = []
    for user_id, kind, subject, facts in rows:
        preference = preferences.get((user_id, kind), DEFAULT_PREFERENCE)
        if not preference.on_site and not preference.by_mail:
            continue
        notifications.append(
            Notification(
                user_id=user_id,
                kind=kind,
                market_id=market_id,
                subject=subject,
                facts=facts,
                created_at=now,
                read_at=None if preference.on_site else now,
                mail=MailState.DUE if preference.by_mail else MailState.UNWANTED,
            )
        )
    Notification.objects.bulk_create(notifications, batch_size=500)


def forget_old() -> None:
    """Delete rows older than KEPT_FOR, and a user's oldest beyond KEPT_MAX."""
    Notification.objects.filter(created_at__lt=timezone.now() - KEPT_FOR).delete()
    for user in User.objects.filter(notifications__isnull=False).distinct().iterator():
        rows = Notification.objects.filter(user=user).order_by("-id")
        last = rows.values_list("id", flat=True)[KEPT_MAX : KEPT_MAX + 1].first()
        if last is not None:
            rows.filter(id__lte=last).delete()
