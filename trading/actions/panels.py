"""Panels: judges named by operators, whose m-th equal verdict is proposed as the result."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from accounts.audit import record_audit
from accounts.models import User
from accounts.second_factor import no_right
from kernel.errors import RefusedError
from kernel.units import format_price
from markets.actions import lock_market, may_resolve_markets
from markets.models import (
    FINAL_STATUSES,
    JUDGES_MAX,
    GroupMember,
    Market,
    Panel,
    PanelJudge,
    Resolution,
    is_operator,
)
from trading.actions.results import Proposal, check_proposal, propose_result


def check_set_panel(
    market: Market, *, by: User, judges: Sequence[User], verdicts_needed: int
) -> None:
    _check_may_set(market, by)
    if not 1 <= len(judges) <= JUDGES_MAX or len({judge.pk for judge in judges}) < len(judges):
        raise RefusedError("judge_count", "judges", most=JUDGES_MAX)
    if not 1 <= verdicts_needed <= len(judges):
        raise RefusedError("too_few_judges", "verdicts_needed")
    for judge in judges:
        if judge.is_suspended or not judge.is_active:
            raise RefusedError("resolver_stopped", "judges")
        if market.visibility == Market.Visibility.GROUP and not _is_inside(market, judge):
            raise RefusedError("judge_outside", "judges")


def do_set_panel(
    market: Market, *, by: User, judges: Sequence[User], verdicts_needed: int
) -> Panel:
    """Let these judges decide the result; verdicts of a panel before them are void."""
    with transaction.atomic():
        market = lock_market(market)
        check_set_panel(market, by=by, judges=judges, verdicts_needed=verdicts_needed)
        Panel.objects.filter(market=market).delete()
        panel = Panel.objects.create(market=market, verdicts_needed=verdicts_needed)
        PanelJudge.objects.bulk_create(PanelJudge(panel=panel, user=user) for user in judges)
        after = {"judges": [user.handle for user in judges], "verdicts_needed": verdicts_needed}
        record_audit("set_panel", market, by=by, after=after)
    return panel


def do_remove_panel(market: Market, *, by: User, reason: str = "") -> None:
    """Leave the result to one person again."""
    with transaction.atomic():
        market = lock_market(market)
        _check_may_set(market, by)
        if not Panel.objects.filter(market=market).delete()[0]:
            raise RefusedError("no_panel")
        record_audit("remove_panel", market, by=by, reason=reason)


def find_judge(user: User, market: Market) -> PanelJudge | None:
    return PanelJudge.objects.filter(panel__market=market, user=user).first()


def check_give_verdict(market: Market, proposal: Proposal, *, by: User) -> PanelJudge:
    judge = find_judge(by, market)
    if judge is None:
        raise RefusedError("not_a_judge")
    check_proposal(market, proposal)
    return judge


def do_give_verdict(
    market: Market,
    *,
    by: User,
    payout_pips: Sequence[int],
    number: str = "",
    evidence_text: str = "",
    evidence_url: str = "",
) -> Resolution | None:
    """Say as a judge what happened, or otherwise than before; return the result it leads to.

    Verdicts count from the time on when a result of this market was last withdrawn.
    """
    proposal = Proposal(list(payout_pips), number, evidence_text, evidence_url)
    with transaction.atomic():
        market = lock_market(market)
        judge = check_give_verdict(market, proposal, by=by)
        for name, value in proposal._asdict().items():
            setattr(judge, name, value)
        judge.given_at = timezone.now()
        judge.save()
        after = {"payout": [format_price(pips) for pips in payout_pips]}
        record_audit("give_verdict", market, by=by, after=after, reason=proposal.reason)
        agreeing = [row for row in list_verdicts(market) if row.payout_pips == judge.payout_pips]
        if len(agreeing) < judge.panel.verdicts_needed:
            return None
        others = [row.user for row in agreeing if row.user_id != by.pk]
        return propose_result(market, proposal, by=by, approved_by=others[0] if others else None)


def list_verdicts(market: Market) -> list[PanelJudge]:
    """Return the verdicts that count, oldest first."""
    withdrawn_at: datetime | None = Resolution.objects.filter(market=market).aggregate(
        last=Max("withdrawn_at")
    )["last"]
    given = PanelJudge.objects.filter(panel__market=market, given_at__isnull=False)
    if withdrawn_at is not None:
        given = given.filter(given_at__gt=withdrawn_at)
    return list(given.select_related("user", "panel").order_by("given_at", "pk"))


def _check_may_set(market: Market, by: User) -> None:
    if not may_resolve_markets(by):
        raise no_right(by)
    if market.status in (*FINAL_STATUSES, Market.Status.RESOLVING):
        raise RefusedError("result_is_proposed")


def _is_inside(market: Market, judge: User) -> bool:
    if is_operator(judge):
        return True
    return GroupMember.objects.filter(group=market.group_id, user=judge).exists()
