"""Events that concern single users: pending decisions, and decisions on their requests."""

from datetime import timedelta
from typing import Any, Final, NamedTuple

from django.contrib.auth.models import Permission
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from accounts.models import User
from kernel.clock import from_datetime
from markets.models import (
    AutomaticResolver,
    Correction,
    Dispute,
    Market,
    Panel,
    SeriesSchedule,
    StatusChange,
)

NEWS_AGE_MAX: Final = timedelta(days=7)
"""What happened longer ago is no news."""


class News(NamedTuple):
    """`subject` is the id of the event, so that users are notified of it only once."""

    subject: str
    market_id: int
    facts: dict[str, Any]
    user_ids: set[int]


def list_decisions() -> list[News]:
    """What operators said of proposals, for their proposers."""
    changes = _list_changes(
        from_status=Market.Status.PROPOSED, to_status=Market.Status.DRAFT
    ).select_related("market")
    return [
        News(
            change.pk.hex,
            change.market_id,
            {"approved": change.market.is_approved, "note": change.reason},
            {change.market.creator_id},
        )
        for change in changes
    ]


def list_proposals() -> list[News]:
    """Markets that wait for approval, for operators who may give it."""
    changes = list(
        _list_changes(
            to_status=Market.Status.PROPOSED, market__status=Market.Status.PROPOSED
        ).select_related("market__creator")
    )
    operators = _list_operators("manage_markets") if changes else set()
    return [
        News(
            change.pk.hex,
            change.market_id,
            {"by": change.market.creator.handle},
            operators - {change.by_id, change.market.creator_id},
        )
        for change in {change.market_id: change for change in changes}.values()
    ]


def list_disputes() -> list[News]:
    """Disputes that wait for a decision, for operators who may take it and who proposed."""
    disputes = list(
        Dispute.objects.filter(
            decision="",
            resolution__withdrawn_at=None,
            raised_at__gte=timezone.now() - NEWS_AGE_MAX,
        ).select_related("resolution", "raised_by")
    )
    operators = _list_operators("resolve_markets") if disputes else set()
    return [
        News(
            dispute.pk.hex,
            dispute.resolution.market_id,
            {"by": dispute.raised_by.handle},
            (operators | {dispute.resolution.proposed_by_id}) - {dispute.raised_by_id},
        )
        for dispute in disputes
    ]


def list_verdicts() -> list[News]:
    """What became of disputes, for who raised them: decided, or their result taken back."""
    since = timezone.now() - NEWS_AGE_MAX
    disputes = Dispute.objects.filter(
        Q(decided_at__gte=since) | Q(decision="", resolution__withdrawn_at__gte=since)
    ).select_related("resolution")
    return [
        News(
            dispute.pk.hex,
            dispute.resolution.market_id,
            {
                "decision": dispute.decision,
                "note": dispute.note if dispute.decision else dispute.resolution.withdrawn_reason,
                "bond_micros": dispute.bond_micros,
                "bond_fate": dispute.bond_fate,
            },
            {dispute.raised_by_id},
        )
        for dispute in disputes
    ]


def list_corrections() -> list[News]:
    """Corrections that wait for a second person or for debtors, for operators who resolve."""
    since = timezone.now() - NEWS_AGE_MAX
    waiting = list(
        Correction.objects.filter(
            state__in=(Correction.State.PROPOSED, Correction.State.WAITING), proposed_at__gte=since
        )
    )
    operators = _list_operators("resolve_markets") if waiting else set()
    return [
        News(
            f"{row.state} {row.pk.hex[-23:]}",
            row.market_id,
            {"state": row.state},
            operators - {row.proposed_by_id if row.state == Correction.State.PROPOSED else 0},
        )
        for row in waiting
    ]


def list_judged() -> list[News]:
    """Markets that wait for verdicts, for their judges; again when a result was withdrawn."""
    panels = Panel.objects.filter(
        market__status=Market.Status.CLOSED,
        market__updated_at__gte=timezone.now() - NEWS_AGE_MAX,
    ).annotate(rounds=Count("market__resolutions"))
    return [
        News(
            f"panel {panel.pk}-{panel.rounds}",
            panel.market_id,
            {},
            {judge.user_id for judge in panel.judges.all()},
        )
        for panel in panels.prefetch_related("judges")
    ]


def list_unresolved() -> list[News]:
    """Markets whose automatic resolver gave up, for who may resolve them instead."""
    waiting = AutomaticResolver.objects.filter(
        state=AutomaticResolver.State.PERSON,
        market__status=Market.Status.CLOSED,
        next_at__gte=timezone.now() - NEWS_AGE_MAX,
    )
    rows = list(waiting.select_related("market"))
    operators = _list_operators("resolve_markets") if rows else set()
    return [
        News(
            f"resolver {row.pk}",
            row.market_id,
            {"because": row.because},
            operators if row.market.resolver_id is None else operators | {row.market.resolver_id},
        )
        for row in rows
    ]


def list_stopped() -> list[News]:
    """Series of which no market can be made, for operators who may make some."""
    since = timezone.now() - NEWS_AGE_MAX
    stopped = SeriesSchedule.objects.filter(paused_at__gte=since).exclude(paused_because="")
    rows = list(stopped.select_related("series"))
    operators = _list_operators("manage_markets") if rows else set()
    return [
        News(
            f"{row.pk}-{from_datetime(row.paused_at)}",
            row.template_id,
            {"series": row.series.title, "because": row.paused_because},
            operators,
        )
        for row in rows
        if row.paused_at is not None
    ]


def _list_changes(**conditions: Any) -> QuerySet[StatusChange]:
    since = timezone.now() - NEWS_AGE_MAX
    return StatusChange.objects.filter(created_at__gte=since, **conditions).order_by("id")


def _list_operators(codename: str) -> set[int]:
    """Return who has this right over markets, by a role, by itself or with every right."""
    having = Permission.objects.filter(content_type__app_label="markets", codename=codename)
    rows = User.objects.filter(is_staff=True, is_active=True, suspended_at=None).filter(
        Q(is_superuser=True) | Q(user_permissions__in=having) | Q(groups__permissions__in=having)
    )
    return set(rows.values_list("pk", flat=True))
