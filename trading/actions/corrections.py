"""Another result for a market that was paid: proposed, approved, covered, withdrawn.

`trading.settlement.corrections` carries it out. All decisions are made under the lock of the
market's row.
"""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from accounts.audit import check_reason, record_audit
from accounts.models import User
from accounts.policy import get_policy
from accounts.second_factor import no_right
from kernel.errors import RefusedError
from kernel.units import format_amount, format_price
from markets.actions import lock_market, may_resolve_markets
from markets.models import FINAL_STATUSES, Correction, Market
from markets.models.correction import FIRST_NUMBER
from trading.actions.results import Proposal, check_evidence, check_payout
from trading.settlement import corrections

State = Correction.State


def find_correction(market: Market) -> Correction | None:
    """Return the market's correction that is not finished."""
    return market.corrections.exclude(state__in=(State.DONE, State.WITHDRAWN)).first()


def check_correct_result(market: Market, proposal: Proposal, *, by: User) -> None:
    """Refuse what can't be corrected so."""
    _check_may_correct(by)
    if market.status not in FINAL_STATUSES:
        raise RefusedError("not_final")
    if find_correction(market) is not None:
        raise RefusedError("correction_runs")
    check_payout(market, proposal)
    if (proposal.payout_pips, proposal.number) == _read_paid(market):
        raise RefusedError("same_result", "payout")
    check_evidence(proposal)


def do_correct_result(
    market: Market,
    *,
    by: User,
    payout_pips: Sequence[int] | None,
    number: str = "",
    evidence_text: str = "",
    evidence_url: str = "",
) -> Correction:
    """Propose another result than the one that was paid, or None: a void.

    It is carried out once a second person has approved it, where the policy requires one.
    """
    payout_pips = None if payout_pips is None else list(payout_pips)
    proposal = Proposal(payout_pips, number, evidence_text, evidence_url)
    with transaction.atomic():
        market = lock_market(market)
        check_correct_result(market, proposal, by=by)
        before_pips, before_number = _read_paid(market)
        last = market.corrections.aggregate(last=Max("number"))["last"]
        correction = Correction.objects.create(
            market=market,
            number=FIRST_NUMBER if last is None else last + 1,
            state=State.PROPOSED if get_policy().two_person_rule else State.HOLDING,
            before_pips=before_pips,
            before_number=before_number,
            payout_pips=payout_pips,
            observed_number=number,
            proposed_by=by,
            evidence_text=evidence_text,
            evidence_url=evidence_url,
        )
        after = _show(correction)
        record_audit("correct_result", market, by=by, after=after, reason=proposal.reason)
    return correction


def check_approve_correction(market: Market, *, by: User) -> Correction:
    _check_may_correct(by)
    correction = _find(market)
    if correction.state != State.PROPOSED:
        raise RefusedError("already_approved")
    if correction.proposed_by_id == by.pk and get_policy().two_person_rule:
        raise RefusedError("second_person_needed")
    return correction


def do_approve_correction(market: Market, *, by: User, reason: str = "") -> None:
    """Let a correction be carried out, as the second person that the policy requires."""
    with transaction.atomic():
        market = lock_market(market)
        correction = check_approve_correction(market, by=by)
        correction.state = State.HOLDING
        if correction.proposed_by_id != by.pk:
            correction.approved_by, correction.approved_at = by, timezone.now()
        correction.save(update_fields=["state", "approved_by", "approved_at"])
        record_audit("approve_correction", market, by=by, after=_show(correction), reason=reason)


def check_cover_correction(market: Market, *, by: User, house_cover_micros: int) -> Correction:
    """Refuse unless the operator has confirmed at least what debtors lack now."""
    _check_may_correct(by)
    correction = _find(market)
    if correction.state != State.WAITING:
        raise RefusedError("nothing_to_cover")
    needed_micros = corrections.sum_lacking_micros(correction)
    if needed_micros > house_cover_micros:
        amount = format_amount(needed_micros)
        raise RefusedError("debtors_lack", "house_cover", amount=amount)
    return correction


def do_cover_correction(
    market: Market, *, by: User, house_cover_micros: int, reason: str = ""
) -> None:
    """Confirm the most that the house pays for what debtors lack; then it is carried out."""
    with transaction.atomic():
        market = lock_market(market)
        correction = check_cover_correction(market, by=by, house_cover_micros=house_cover_micros)
        correction.house_cover_micros = house_cover_micros
        correction.save(update_fields=["house_cover_micros"])
        record_audit("cover_correction", market, by=by, after=_show(correction), reason=reason)


def check_withdraw_correction(market: Market, *, by: User) -> Correction:
    _check_may_correct(by)
    correction = _find(market)
    if correction.state not in corrections.WITHDRAWABLE:
        raise RefusedError("already_paid")
    return correction


def do_withdraw_correction(market: Market, *, by: User, reason: str) -> None:
    """Give up a correction before it collects anything; what it holds is released."""
    check_reason(reason)
    with transaction.atomic():
        market = lock_market(market)
        correction = check_withdraw_correction(market, by=by)
        before = _show(correction)
        correction.state = State.RELEASING
        correction.withdrawn_by, correction.withdrawn_reason = by, reason
        correction.save(update_fields=["state", "withdrawn_by", "withdrawn_reason"])
        record_audit("withdraw_correction", market, by=by, before=before, reason=reason)


# --- helpers -------------------------------------------------------------------------------------


def _check_may_correct(by: User) -> None:
    if not may_resolve_markets(by):
        raise no_right(by)


def _find(market: Market) -> Correction:
    correction = find_correction(market)
    if correction is None:
        raise RefusedError("no_correction")
    return correction


def _read_paid(market: Market) -> tuple[list[int] | None, str]:
    """Return what the market paid, None if it was voided, and a scalar market's number."""
    result = market.resolutions.get(withdrawn_at=None)
    return result.payout_pips, result.number


def _show(correction: Correction) -> dict[str, object]:
    return {
        "number": correction.number,
        "before": _show_payout(correction.before_pips),
        "payout": _show_payout(correction.payout_pips),
        **({"observed": correction.observed_number} if correction.observed_number else {}),
        "house_cover": format_amount(correction.house_cover_micros),
        "approved": correction.approved_at is not None,
    }


def _show_payout(payout_pips: Sequence[int] | None) -> list[str] | None:
    return None if payout_pips is None else [format_price(pips) for pips in payout_pips]
