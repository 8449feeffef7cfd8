"""A market's history in words: what each change of its status was."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from markets.models import Market, StatusChange

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


class Change(NamedTuple):
    row: StatusChange
    name: str | Promise


def name_changes(market: Market, rows: Sequence[StatusChange]) -> list[Change]:
    """Name changes, newest first."""
    back = [row for row in rows if (row.from_status, row.to_status) == _BACK]
    # An approval and a rejection lead to the same status: approved is what was not sent back since.
    approval = back[0] if back and market.is_approved else None
    return [Change(row, _("Approved") if row is approval else _name(row)) for row in rows]


def _name(row: StatusChange) -> str | Promise:
    return _STEPS.get((row.from_status, row.to_status)) or _REACHED[row.to_status]
