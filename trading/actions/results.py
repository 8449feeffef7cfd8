"""The result of a closed market: proposed, disputed, approved, withdrawn; or the market voided.

    closed -> resolving (a result is active; its dispute window runs) -> settled or voided

`trading.settlement` pays out. It starts when the window is over, no dispute is undecided and,
where the policy requires it, a second person has approved. After the first payment nothing can be
withdrawn. All decisions are made under the lock of the market's row.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone

from accounts.actions import (
    Bond,
    do_forfeit_bond,
    do_return_bonds,
    do_take_bond,
    find_account,
)
from accounts.audit import check_reason, excerpt, record_audit
from accounts.models import User
from accounts.policy import get_policy
from accounts.second_factor import no_right
from kernel.errors import RefusedError, not_found
from kernel.units import format_amount, format_price
from markets.actions import may_resolve_markets
from markets.lifecycle import (
    check_payout_vector,
    find_withdrawn,
    record_status,
    scalar_payout,
)
from markets.models import Dispute, Market, Panel, Resolution, acts_as_operator, is_operator
from trading.actions.live import TRADING_STATUSES, do_close_to_void
from trading.models import Margin, NotificationKind, NotificationProgress
from trading.settlement import payments as settlement

Status = Market.Status


def may_resolve(user: User, market: Market) -> bool:
    """Whether the user is the market's resolver (if the policy allows it) or a permitted operator.

    Operators need the permission, because those who edit markets could name themselves resolver.
    """
    if is_operator(user):
        return may_resolve_markets(user)
    return market.resolver_id == user.pk and get_policy().who_may_resolve == "resolvers"


# --- proposing -----------------------------------------------------------------------------------


class Proposal(NamedTuple):
    """What each outcome is paid (None: a void), of a scalar market by which number, and why."""

    payout_pips: list[int] | None
    number: str
    evidence_text: str
    evidence_url: str

    @property
    def reason(self) -> str:
        return excerpt(self.evidence_text or self.evidence_url)


def check_resolve_market(market: Market, proposal: Proposal, *, by: User) -> None:
    check_may_resolve(market, by)
    if Panel.objects.filter(market=market).exists():
        raise RefusedError("panel_decides")
    check_proposal(market, proposal)


def check_proposal(market: Market, proposal: Proposal) -> None:
    """Refuse what can't be proposed, whoever proposes it.

    The payout of a scalar market is that of a number, in plain notation.
    """
    if market.status != Status.CLOSED:
        raise RefusedError("not_closed")
    check_payout(market, proposal)
    check_evidence(proposal)


def check_evidence(proposal: Proposal) -> None:
    if not (proposal.evidence_text.strip() or proposal.evidence_url):
        raise RefusedError("evidence_missing", "evidence_text")


def check_payout(market: Market, proposal: Proposal) -> None:
    """Refuse what the market can't pay, whatever happened."""
    payout_pips, number = proposal.payout_pips, proposal.number
    if payout_pips is None:
        return
    check_payout_vector(payout_pips, outcome_count=market.outcomes.count())
    if any(payout_pips[index] != pips for index, pips in find_withdrawn(market).items()):
        raise RefusedError("payout_of_withdrawn")
    if market.scale is not None and not number:
        raise RefusedError("number_missing")
    if number and scalar_payout(market, number) != payout_pips:
        raise RefusedError("number_missing")


def do_resolve_market(
    market: Market,
    *,
    by: User,
    payout_pips: Sequence[int],
    number: str = "",
    evidence_text: str = "",
    evidence_url: str = "",
) -> Resolution:
    """Propose the payout of each outcome. It is paid after the market's dispute window."""
    proposal = Proposal(list(payout_pips), number, evidence_text, evidence_url)
    with transaction.atomic():
        market = _lock(market)
        check_resolve_market(market, proposal, by=by)
        return propose_result(market, proposal, by=by)


def propose_result(
    market: Market,
    proposal: Proposal,
    *,
    by: User,
    approved_by: User | None = None,
    reading: dict[str, Any] | None = None,
) -> Resolution:
    """Propose for a locked market what was checked, in the name of `by`, who may say so.

    `approved_by` is the second person that the policy may ask for.
    """
    now = timezone.now()
    result = Resolution.objects.create(
        market=market,
        **proposal._asdict(),
        reading=reading,
        proposed_by=by,
        proposed_at=now,
        final_at=now + timedelta(seconds=market.dispute_seconds),
        approved_by=approved_by,
        approved_at=None if approved_by is None else now,
    )
    reason = proposal.reason
    record_status(market, Status.RESOLVING, by=by if reading is None else None, reason=reason)
    record_audit("resolve_market", market, by=by, after=_show(result), reason=reason)
    return result


# --- disputes ------------------------------------------------------------------------------------


def check_dispute_result(market: Market, *, by: User) -> Resolution:
    """Return the disputable result; traders of the market and its operators may dispute it.

    Whether they can pay the bond is checked when it is taken.
    """
    result = _find_active(market)
    if result.payout_pips is None:
        raise RefusedError("market_is_voided")
    if result.final_at <= timezone.now():
        raise RefusedError("dispute_window_over")
    if not _is_concerned(by, market):
        raise RefusedError("not_concerned")
    if result.disputes.filter(raised_by=by).exists():
        raise RefusedError("already_disputed")
    return result


def do_dispute_result(
    market: Market, *, by: User, text: str, account_id: int | None = None
) -> Dispute:
    """Dispute a proposed result; it is not paid before an operator has decided on the dispute.

    The market's bond is taken from this account, or from the user's first.
    """
    with transaction.atomic():
        market = _lock(market)
        result = check_dispute_result(market, by=by)
        bond_micros, bond_account_id = market.dispute_bond_micros, None
        if bond_micros:
            bond_account_id = account_id or find_account(by.handle).pk
        dispute = Dispute.objects.create(
            resolution=result,
            raised_by=by,
            text=text,
            bond_micros=bond_micros,
            bond_account_id=bond_account_id,
        )
        for bond in _list_bonds([dispute]):
            do_take_bond(bond, market_id=market.pk)
        after = {"bond": format_amount(bond_micros)} if bond_micros else None
        record_audit("dispute_result", market, by=by, after=after, reason=excerpt(text))
    return dispute


def check_decide_dispute(market: Market, *, by: User, raised_by: str) -> Dispute:
    """Return the undecided dispute of the user with this handle, if `by` may decide on it."""
    _check_may_void(by)
    result = _find_active(market)
    dispute = result.disputes.filter(raised_by__handle=raised_by).first()
    if dispute is None:
        raise not_found("this dispute")
    if dispute.decision:
        raise RefusedError("already_decided")
    if dispute.raised_by_id == by.pk:
        raise RefusedError("own_dispute")
    if result.proposed_by_id == by.pk and get_policy().two_person_rule:
        raise _second_person_needed()
    return dispute


def do_decide_dispute(market: Market, *, by: User, raised_by: str, uphold: bool, note: str) -> None:
    """Dismiss a dispute, or uphold it, which withdraws the result and returns to closed.

    The bond of a dismissed one is the house's.
    """
    check_reason(note, "note")
    with transaction.atomic():
        market = _lock(market)
        dispute = check_decide_dispute(market, by=by, raised_by=raised_by)
        decision = Dispute.Decision.UPHELD if uphold else Dispute.Decision.DISMISSED
        dispute.decision, dispute.decided_by, dispute.note = decision, by, note
        dispute.decided_at = timezone.now()
        dispute.save(update_fields=["decision", "decided_by", "decided_at", "note"])
        after = {"raised_by": raised_by, "decision": str(decision)}
        record_audit("decide_dispute", market, by=by, after=after, reason=note)
        if uphold:
            do_return_bonds(_list_bonds([dispute]), market_id=market.pk)
            _withdraw(market, dispute.resolution, by=by, reason=note)
            return
        for bond in _list_bonds([dispute]):
            do_forfeit_bond(bond, market_id=market.pk)


# --- withdrawal and approval ---------------------------------------------------------------------


def check_withdraw_result(market: Market, *, by: User) -> Resolution:
    result = _find_active(market)
    if result.proposed_by_id == by.pk:
        check_may_resolve(market, by)
    else:
        _check_may_void(by)
    _check_unpaid(market)
    return result


def do_withdraw_result(market: Market, *, by: User, reason: str) -> None:
    """Withdraw a result before its first payment; the market is closed again."""
    with transaction.atomic():
        market = _lock(market)
        result = check_withdraw_result(market, by=by)
        _withdraw(market, result, by=by, reason=reason)
        record_audit("withdraw_result", market, by=by, before=_show(result), reason=reason)


def check_approve_result(market: Market, *, by: User, reason: str = "") -> Resolution:
    result = _find_active(market)
    check_may_resolve(market, by)
    if result.proposed_by_id == by.pk:
        return check_pay_result(market, by=by, reason=reason)
    if result.approved_at is not None:
        raise RefusedError("already_approved")
    return result


def do_approve_result(market: Market, *, by: User, reason: str = "") -> None:
    """Confirm a result as the second person that the policy may require.

    If it requires none, the proposer may confirm too; then it is paid now.
    """
    with transaction.atomic():
        market = _lock(market)
        result = check_approve_result(market, by=by, reason=reason)
        if result.proposed_by_id == by.pk:
            do_pay_result(market, by=by, reason=reason)
            return
        result.approved_by, result.approved_at = by, timezone.now()
        result.save(update_fields=["approved_by", "approved_at"])
        record_audit("approve_result", market, by=by, after=_show(result), reason=reason)


def check_pay_result(market: Market, *, by: User, reason: str) -> Resolution:
    """Return the result whose dispute window an operator may end."""
    result = _find_active(market)
    _check_may_void(by)
    if get_policy().two_person_rule and result.approved_at is None:
        raise _second_person_needed()
    if result.final_at <= timezone.now():
        raise RefusedError("dispute_window_over")
    if result.disputes.filter(decision="").exists():
        raise RefusedError("dispute_undecided")
    if not reason.strip():
        raise RefusedError("blank.reason")
    return result


def do_pay_result(market: Market, *, by: User, reason: str) -> None:
    """End the dispute window early: the result is paid now."""
    with transaction.atomic():
        market = _lock(market)
        result = check_pay_result(market, by=by, reason=reason)
        before = {"final_at": result.final_at}
        result.final_at = timezone.now()
        result.save(update_fields=["final_at"])
        record_audit("pay_result", market, by=by, before=before, after=_show(result), reason=reason)


# --- voiding -------------------------------------------------------------------------------------


def check_void_market(market: Market, *, by: User, house_cover_micros: int) -> None:
    """Refuse unless the operator has confirmed at least what the house would pay now."""
    _check_may_void(by)
    if house_cover_micros < 0:
        raise RefusedError("amount_negative", "house_cover")
    if market.status not in (*TRADING_STATUSES, Status.CLOSED, Status.RESOLVING):
        raise RefusedError("not_trading", detail="only a market that has traded is voided")
    result = Resolution.objects.filter(market=market, withdrawn_at=None).first()
    if result is not None and result.payout_pips is not None:
        _check_unpaid(market)
    needed_micros = settlement.compute_house_cover_micros(market.pk)
    if needed_micros > house_cover_micros:
        amount = format_amount(needed_micros)
        raise RefusedError("house_cover_needed", "house_cover", amount=amount)


def do_void_market(
    market: Market, *, by: User, reason: str, house_cover_micros: int = 0
) -> Resolution:
    """Void a market: payments are refunded, and gains paid back.

    `house_cover_micros` is the most that the house pays for gains that are no longer there. A live
    market is closed first. A void that waits for more cover continues when called again with more.
    """
    check_reason(reason)
    market.refresh_from_db()
    check_void_market(market, by=by, house_cover_micros=house_cover_micros)
    if market.status in TRADING_STATUSES:
        do_close_to_void(market, by=by, reason=reason)
    with transaction.atomic():
        market = _lock(market)
        check_void_market(market, by=by, house_cover_micros=house_cover_micros)
        result = Resolution.objects.filter(market=market, withdrawn_at=None).first()
        if result is not None and result.payout_pips is not None:
            _withdraw(market, result, by=by, reason=reason)
            result = None
        if result is None:
            result = _create_void(market, by=by, reason=reason)
        result.house_cover_micros = house_cover_micros
        result.save(update_fields=["house_cover_micros"])
        record_audit("void_market", market, by=by, after=_show(result), reason=reason)
    return result


def _create_void(market: Market, *, by: User, reason: str) -> Resolution:
    now = timezone.now()
    record_status(market, Status.RESOLVING, by=by, reason=reason)
    return Resolution.objects.create(
        market=market, evidence_text=reason, proposed_by=by, proposed_at=now, final_at=now
    )


# --- helpers -------------------------------------------------------------------------------------


def _lock(market: Market) -> Market:
    # Not FOR UPDATE: inserts of rows that refer to the market, as trading does, must not block.
    return Market.objects.select_for_update(no_key=True).get(pk=market.pk)


def _find_active(market: Market) -> Resolution:
    result = Resolution.objects.filter(market=market, withdrawn_at=None).first()
    if result is None or market.status != Status.RESOLVING:
        raise RefusedError("not_resolving")
    return result


def _withdraw(market: Market, result: Resolution, *, by: User, reason: str) -> None:
    _check_unpaid(market)
    check_reason(reason)
    result.withdrawn_at, result.withdrawn_by = timezone.now(), by
    result.withdrawn_reason = reason
    result.save(update_fields=["withdrawn_at", "withdrawn_by", "withdrawn_reason"])
    # What is undecided now never will be: who raised it was not wrong.
    undecided = result.disputes.filter(decision="")
    do_return_bonds(_list_bonds(undecided), market_id=market.pk)
    record_status(market, Status.CLOSED, by=by, reason=reason)
    # Reset, so that holders are notified of the next result too.
    NotificationProgress.objects.filter(market=market, kind=NotificationKind.RESULT).delete()


def _list_bonds(disputes: Iterable[Dispute]) -> list[Bond]:
    return [
        Bond(dispute.bond_account_id, dispute.bond_micros, dispute.pk)
        for dispute in disputes
        if dispute.bond_account_id is not None
    ]


def _check_unpaid(market: Market) -> None:
    if Margin.objects.filter(market=market, payout_micros__isnull=False).exists():
        raise RefusedError("already_paid")


def check_may_resolve(market: Market, by: User) -> None:
    if not may_resolve(by, market):
        raise no_right(by, RefusedError("may_not_resolve"))


def _check_may_void(by: User) -> None:
    if not may_resolve_markets(by):
        raise no_right(by)


def _is_concerned(user: User, market: Market) -> bool:
    if acts_as_operator(user) or user.pk in (market.creator_id, market.resolver_id):
        return True
    return Margin.objects.filter(market=market, account__owner=user).exists()


def _second_person_needed() -> RefusedError:
    return RefusedError("second_person_needed")


def _show(result: Resolution) -> dict[str, object]:
    payout, cover = result.payout_pips, result.house_cover_micros
    return {
        "payout": None if payout is None else [format_price(pips) for pips in payout],
        **({"number": result.number} if result.number else {}),
        "final_at": result.final_at,
        "house_cover": None if cover is None else format_amount(cover),
        "approved": result.approved_at is not None,
    }
