"""Texts of a market's history: its changes of status and the outcomes of disputes."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from markets.models import Dispute, Market, StatusChange

Status = Market.Status

_BACK: Final = (Status.PROPOSED, Status.DRAFT)
_STEPS: Final[dict[tuple[str, str], str | Promise]] = {
    (Status.HALTED, Status.OPEN): _("Resumed"),
    _BACK: _("Sent back"),
    (Status.RESOLVING, Status.CLOSED): _("Result withdrawn"),
}
_REACHED: Final[dict[str, str | Promise]] = {
    Status.DRAFT: _("Created"),
    Status.PROPOSED: _("Sent for approval"),
    Status.OPEN: _("Opened"),
    Status.HALTED: _("Halted"),
    Status.CLOSED: _("Closed"),
    Status.RESOLVING: _("Result proposed"),
    Status.SETTLED: _("Settled"),
    Status.VOIDED: _("Voided"),
}
_VERDICTS: Final[dict[str, str | Promise]] = {
    Dispute.Decision.UPHELD: _("Dispute upheld"),
    Dispute.Decision.DISMISSED: _("Dispute dismissed"),
}


class Change(NamedTuple):
    at: datetime
    name: str | Promise
    by: User | None
    reason: str


def name_changes(
    market: Market, rows: Sequence[StatusChange], disputes: Iterable[Dispute] = ()
) -> list[Change]:
    """Return texts of changes and disputes, newest first, which is the order of `rows`."""
    back = [row for row in rows if (row.from_status, row.to_status) == _BACK]
    # Approval and rejection lead to the same status: an approval is not followed by a rejection.
    approval = back[0] if back and market.is_approved else None
    changes = [
        Change(row.created_at, _("Approved") if row is approval else _name(row), row.by, row.reason)
        for row in rows
    ]
    changes += [change for dispute in disputes for change in _list_dispute_changes(dispute)]
    return sorted(changes, key=lambda change: change.at, reverse=True)


def _name(row: StatusChange) -> str | Promise:
    return _STEPS.get((row.from_status, row.to_status)) or _REACHED[row.to_status]


def _list_dispute_changes(dispute: Dispute) -> Iterable[Change]:
    if dispute.decided_at is not None:
        verdict = _VERDICTS[dispute.decision]
        yield Change(dispute.decided_at, verdict, dispute.decided_by, dispute.note)
    yield Change(dispute.raised_at, _("Result disputed"), dispute.raised_by, dispute.text)
