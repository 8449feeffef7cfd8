"""Operators' actions on markets without the engine: approve, reject, feature."""

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from accounts.admin_actions import AdminAction
from accounts.models import User
from accounts.templatetags.predex import moment
from markets.actions import (
    do_approve_market,
    do_clarify_market,
    do_clone_market,
    do_edit_market,
    do_reject_market,
)
from markets.models import CLARIFICATION_LENGTH_MAX, FINAL_STATUSES, HIDDEN_STATUSES, Market


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


class ClarifyAction(MarketAction):
    title = _("Clarify the rules")
    done = _("The clarification is published.")
    explanation = _(
        "It appears below the rules with its date and can't be changed. People with a position or"
        " open orders are notified."
    )
    takes_many = False
    reason = None  # the text says it all

    text = forms.CharField(
        label=_("Clarification"),
        max_length=CLARIFICATION_LENGTH_MAX,
        widget=UnfoldAdminTextareaWidget({"rows": 5}),
    )

    @classmethod
    def is_available(cls, row: Market) -> bool:
        return row.status not in (*HIDDEN_STATUSES, *FINAL_STATUSES)

    def describe(self) -> Iterable[tuple[Any, Any]]:
        [market] = self.rows
        yield _("Rules"), market.rules or market.description
        for clarification in market.clarifications.all():
            yield moment(clarification.created_at), clarification.text

    def do(self, row: Market, *, by: User, reason: str) -> None:
        do_clarify_market(row, by=by, text=self.cleaned_data["text"])


class CloneAction(MarketAction):
    title = _("Clone")
    done = _("The clone is a draft: it is at the top of the list.")
    explanation = _(
        "Makes a draft with the texts, terms and outcomes of this market, decided by the same "
        "resolver or panel."
    )
    takes_many = False
    reason = None  # the audit event says what was created

    new_title = forms.CharField(
        label=_("Title"), max_length=200, widget=UnfoldAdminTextInputWidget, strip=True
    )
    close_at = forms.DateTimeField(
        label=_("Closes at"),
        widget=UnfoldAdminTextInputWidget({"type": "datetime-local", "step": "60"}),
    )

    def prepare(self) -> None:
        [market] = self.rows
        self.fields["new_title"].initial = market.title
        local = timezone.localtime()
        self.fields["close_at"].help_text = gettext("In your time zone, %s.") % f"{local:%Z}"

    def do(self, row: Market, *, by: User, reason: str) -> None:
        values = self.cleaned_data
        fields = {"title": values["new_title"], "close_at": values["close_at"]}
        do_clone_market(row, by=by, fields=fields)


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
    "clarify": ClarifyAction,
    "clone": CloneAction,
    "feature": FeatureAction,
    "unfeature": UnfeatureAction,
}
