"""Operators' actions on markets without the engine: approve, reject, feature."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _

from accounts.admin_actions import AdminAction
from accounts.models import User
from markets.actions import do_approve_market, do_edit_market, do_reject_market
from markets.models import Market


class MarketAction(AdminAction):
    permission = "markets.manage_markets"


class DecideProposalAction(MarketAction):
    @classmethod
    def is_available(cls, row: Market) -> bool:
        return row.status == Market.Status.PROPOSED

    def describe(self) -> Iterable[tuple[Any, Any]]:
        return describe_proposal(self.rows)


def describe_proposal(markets: Sequence[Market]) -> Iterable[tuple[Any, Any]]:
    """Return the facts for deciding on a proposal; for several only the titles."""
    if len(markets) > 1:
        return
    [market] = markets
    yield _("Proposed by"), market.creator
    yield _("Outcomes"), ", ".join(outcome.name for outcome in market.outcomes.all())
    yield _("Rules"), market.rules or market.description
    yield _("Resolution source"), market.resolution_source


class ApproveMarketAction(DecideProposalAction):
    title = _("Approve")
    done = _("The market is approved.")
    explanation = _(
        "It opens at its open time, or when you open it. The proposer sees the note in the"
        " market's history."
    )

    def do(self, row: Market, *, by: User, reason: str) -> None:
        do_approve_market(row, by=by, reason=reason)


class RejectMarketAction(DecideProposalAction):
    title = _("Reject")
    done = _("The market is rejected.")
    explanation = _(
        "It goes back to the proposer, who sees the note and can correct the market and propose"
        " it again."
    )
    is_harmful = True
    needs_reason = True

    def do(self, row: Market, *, by: User, reason: str) -> None:
        do_reject_market(row, by=by, reason=reason)


class FeatureAction(MarketAction):
    title = _("Feature")
    done = _("The market is featured.")
    explanation = _("Shows it first on the front page.")
    reason = None  # the audit event records the edit
    is_featured = True

    @classmethod
    def is_available(cls, row: Market) -> bool:
        return row.featured != cls.is_featured

    def do(self, row: Market, *, by: User, reason: str) -> None:
        do_edit_market(row, by=by, fields={"featured": self.is_featured})


class UnfeatureAction(FeatureAction):
    title = _("Stop featuring")
    done = _("The market is no longer featured.")
    explanation = _("Shows it among the others again.")
    is_featured = False


ACTS = {
    "approve": ApproveMarketAction,
    "reject": RejectMarketAction,
    "feature": FeatureAction,
    "unfeature": UnfeatureAction,
}
