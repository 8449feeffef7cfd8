"""Results and disputes, with the decisions on them."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.admin_actions import AdminAction
from accounts.models import User
from accounts.policy import get_policy
from accounts.templatetags.predex import money
from kernel.errors import RefusedError
from markets.admin import DisputeAdmin, ResolutionAdmin
from markets.models import Dispute, Market, Resolution
from trading.actions import (
    do_approve_result,
    do_decide_dispute,
    do_pay_result,
    do_withdraw_result,
)
from trading.admin.acts import ApproveResultAction, PayResultAction, WithdrawResultAction

admin.site.unregister([Dispute, Resolution])


class ActiveResultAction(AdminAction):
    permission = "markets.resolve_markets"

    @classmethod
    def is_available(cls, row: Resolution) -> bool:
        return row.withdrawn_at is None and row.market.status == Market.Status.RESOLVING

    def describe(self) -> Iterable[tuple[Any, Any]]:
        for result in self.rows:
            yield _("Evidence"), f"{result.evidence_text}\n{result.evidence_url}"


class ApproveResolutionAction(ActiveResultAction):
    title = ApproveResultAction.title
    done = ApproveResultAction.done
    explanation = ApproveResultAction.explanation

    @classmethod
    def is_available(cls, row: Resolution) -> bool:
        return (
            super().is_available(row) and row.approved_at is None and get_policy().two_person_rule
        )

    def do(self, row: Resolution, *, by: User, reason: str) -> None:
        do_approve_result(_get_market(row), by=by, reason=reason)


class PayResolutionAction(ActiveResultAction):
    title = PayResultAction.title
    done = PayResultAction.done
    explanation = PayResultAction.explanation
    is_harmful = True
    needs_reason = True

    @classmethod
    def is_available(cls, row: Resolution) -> bool:
        return super().is_available(row) and row.final_at > timezone.now()

    def do(self, row: Resolution, *, by: User, reason: str) -> None:
        do_pay_result(_get_market(row), by=by, reason=reason)


class WithdrawResolutionAction(ActiveResultAction):
    title = WithdrawResultAction.title
    done = WithdrawResultAction.done
    explanation = WithdrawResultAction.explanation
    is_harmful = True
    needs_reason = True

    def do(self, row: Resolution, *, by: User, reason: str) -> None:
        do_withdraw_result(_get_market(row), by=by, reason=reason)


@admin.register(Resolution)
class LiveResolutionAdmin(ResolutionAdmin):
    acts = {
        "approve": ApproveResolutionAction,
        "pay": PayResolutionAction,
        "withdraw": WithdrawResolutionAction,
    }


class DecideDisputeAction(AdminAction):
    permission = "markets.resolve_markets"
    needs_reason = True
    uphold: bool

    @classmethod
    def is_available(cls, row: Dispute) -> bool:
        return not row.decision and row.resolution.withdrawn_at is None

    def describe(self) -> Iterable[tuple[Any, Any]]:
        for dispute in self.rows:
            yield dispute.raised_by, dispute.text
            if dispute.bond_micros:
                yield _("Bond"), money(dispute.bond_micros, 6)
            yield _("Evidence of the result"), dispute.resolution.evidence_text

    def do(self, row: Dispute, *, by: User, reason: str) -> None:
        market, handle = _get_market(row.resolution), row.raised_by.handle
        do_decide_dispute(market, by=by, raised_by=handle, uphold=self.uphold, note=reason)


class UpholdAction(DecideDisputeAction):
    title = _("Uphold")
    done = _("The dispute is upheld: the result is withdrawn.")
    explanation = _(
        "The dispute is right: the result is withdrawn and the market closed again. A bond is "
        "returned."
    )
    is_harmful = True
    uphold = True


class DismissAction(DecideDisputeAction):
    title = _("Dismiss")
    done = _("The dispute is dismissed: the result stands.")
    explanation = _("The result stands. A bond is lost to the house.")
    uphold = False


@admin.register(Dispute)
class LiveDisputeAdmin(DisputeAdmin):
    acts = {"uphold": UpholdAction, "dismiss": DismissAction}


def _get_market(result: Resolution) -> Market:
    """Return the market of an active result: only those can be decided on."""
    if result.withdrawn_at is not None:
        raise RefusedError("not_resolving")
    return result.market
