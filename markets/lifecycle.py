"""The life cycle of a market: its legal status changes, and valid payout vectors.

    draft -> (proposed -> draft, approved) -> open <-> halted -> closed -> resolving -> settled
                                               and from open to resolving also -> voided
    settled -> settled, voided and voided -> settled: the result was corrected

`LEGAL` is the table of transitions. Only `record_status` changes a status: a conditional UPDATE, so
that one of two racing changes wins, with a `StatusChange` row (who, when, why) in its transaction.

A payout vector is a list of pips by outcome index: each at least 0, together exactly 10,000.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.audit import check_reason
from kernel.errors import RefusedError
from kernel.units import PIPS_PER_CREDIT
from markets.models import FINAL_STATUSES, Market, StatusChange, StatusOutbox
from markets.scalars import read_exact

Status = Market.Status

LEGAL: dict[str, frozenset[str]] = {
    Status.DRAFT: frozenset({Status.PROPOSED, Status.OPEN}),
    Status.PROPOSED: frozenset({Status.DRAFT}),
    Status.OPEN: frozenset({Status.HALTED, Status.CLOSED, Status.VOIDED}),
    Status.HALTED: frozenset({Status.OPEN, Status.CLOSED, Status.VOIDED}),
    Status.CLOSED: frozenset({Status.RESOLVING, Status.VOIDED}),
    # Back to closed: a dispute was upheld or the resolver withdrew the proposal.
    Status.RESOLVING: frozenset({Status.CLOSED, Status.SETTLED, Status.VOIDED}),
    # A correction of the result that was paid.
    Status.SETTLED: frozenset({Status.SETTLED, Status.VOIDED}),
    Status.VOIDED: frozenset({Status.SETTLED}),
}


class IllegalStatusChangeError(RefusedError):
    """The change is not legal from the market's current status."""

    def __init__(self, from_status: str, to_status: str) -> None:
        super().__init__("illegal_status_change", from_status=from_status, to_status=to_status)


class PayoutError(RefusedError):
    """An invalid payout vector."""


def check_status_change(from_status: str, to_status: str) -> None:
    """Raise IllegalStatusChangeError unless the table has this transition."""
    if to_status not in LEGAL.get(from_status, ()):
        raise IllegalStatusChangeError(from_status, to_status)


def record_status(
    market: Market,
    to_status: str,
    *,
    by: Any,
    reason: str = "",
    only_from: Collection[str] | None = None,
) -> StatusChange:
    """Move `market` to `to_status`, or raise IllegalStatusChangeError and change nothing.

    `by` is the user who decided it, None for the exchange itself. `only_from` restricts the table:
    a resume is `only_from={"halted"}`, so that it never opens a draft. The status is read from the
    database, and the instance is updated.
    """
    check_reason(reason)
    with transaction.atomic():
        from_status = Market.objects.values_list("status", flat=True).get(pk=market.pk)
        check_status_change(from_status, to_status)
        if only_from is not None and from_status not in only_from:
            raise IllegalStatusChangeError(from_status, to_status)
        now = timezone.now()
        settled_at = now if to_status in FINAL_STATUSES else None
        won = Market.objects.filter(pk=market.pk, status=from_status).update(
            status=to_status, updated_at=now, settled_at=settled_at
        )
        if not won:  # another change committed between our read and our write
            raise IllegalStatusChangeError(
                Market.objects.values_list("status", flat=True).get(pk=market.pk), to_status
            )
        change = StatusChange.objects.create(
            market=market,
            from_status=from_status,
            to_status=to_status,
            by=by,
            reason=reason,
            created_at=now,
        )
        StatusOutbox.objects.create(change=change)
    market.status, market.updated_at, market.settled_at = to_status, now, settled_at
    return change


def check_payout_vector(payout_pips: Sequence[int], *, outcome_count: int) -> None:
    """Raise PayoutError unless it has a price per outcome and they sum to exactly one credit."""
    if not isinstance(payout_pips, list | tuple):
        raise PayoutError("payout_not_a_list")
    if len(payout_pips) != outcome_count:
        raise PayoutError("payout_wrong_length")
    if any(type(pips) is not int for pips in payout_pips):
        raise PayoutError("payout_not_whole_pips")
    if any(pips < 0 for pips in payout_pips):
        raise PayoutError("payout_negative")
    if sum(payout_pips) != PIPS_PER_CREDIT:
        raise PayoutError("payout_sum_not_one")


def binary_payout(yes_pips: int) -> list[int]:
    """[what YES pays, what NO pays]."""
    payout_pips = [yes_pips, PIPS_PER_CREDIT - yes_pips]
    check_payout_vector(payout_pips, outcome_count=2)
    return payout_pips


def scalar_payout(market: Market, number: str) -> list[int]:
    """What a scalar market's YES and NO pay if this number, in plain notation, was observed."""
    exact = read_exact(number)
    if exact is None:
        raise PayoutError("not_a_number", "number")
    if market.scale is None:
        raise PayoutError("market_not_scalar", "number")
    return market.scale.compute_payout(exact)


def find_withdrawn(market: Market) -> dict[int, int]:
    """Return what outcomes that were withdrawn pay, by index."""
    return {
        outcome.index: outcome.withdrawn_pips
        for outcome in market.outcomes.all()
        if outcome.withdrawn_pips is not None
    }


def equal_payout(
    winners: Collection[int], *, outcome_count: int, withdrawn: Mapping[int, int] | None = None
) -> list[int]:
    """Split 1 credit equally among the outcomes with these indexes.

    1/k is floored to a pip; the remaining pips go one each to the winners in outcome order.
    `withdrawn` outcomes pay what was stated, and the winners share what is left of the credit.
    """
    stated = withdrawn or {}
    distinct = sorted(set(winners))
    if not distinct:
        raise PayoutError("payout_without_winner")
    if distinct[0] < 0 or distinct[-1] >= outcome_count:
        raise PayoutError("payout_unknown_outcome")
    if stated.keys() & set(distinct):
        raise PayoutError("payout_of_withdrawn")
    shared_pips = PIPS_PER_CREDIT - sum(stated.values())
    share_pips, remaining_pips = divmod(shared_pips, len(distinct))
    payout_pips = [stated.get(index, 0) for index in range(outcome_count)]
    for rank, index in enumerate(distinct):
        payout_pips[index] = share_pips + (rank < remaining_pips)
    return payout_pips
