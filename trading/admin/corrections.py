"""What operators do about a result that was paid and is wrong."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldBooleanWidget

from accounts.admin_base import Link, find_url, link_to, link_to_list, show_amount
from accounts.admin_fields import AmountFormField
from accounts.models import User
from accounts.templatetags.predex import money
from markets.admin.history import MarketHistoryAdmin
from markets.lifecycle import scalar_payout
from markets.models import FINAL_STATUSES, Correction, Market
from trading.actions import (
    do_approve_correction,
    do_correct_result,
    do_cover_correction,
    do_withdraw_correction,
    find_correction,
)
from trading.admin.acts import ResolveAction, ResultAction
from trading.settlement.corrections import WITHDRAWABLE, list_debtors, sum_lacking_micros

State = Correction.State
DEBTORS_SHOWN = 50


class CorrectAction(ResolveAction):
    title = _("Correct the result")
    done = _("The corrected result is proposed.")
    explanation = _(
        "The result that was paid is wrong. Say what happened, or void the market. What others now "
        "owe is held first; if one of them lacks it you are asked whether the house pays."
    )
    statuses = FINAL_STATUSES
    is_harmful = True

    void = forms.BooleanField(
        label=_("Void the market instead"), required=False, widget=UnfoldBooleanWidget
    )

    @classmethod
    def is_available(cls, row: Market) -> bool:
        return row.status in cls.statuses and find_correction(row) is None

    def describe(self) -> Iterable[tuple[Any, Any]]:
        yield from super().describe()
        [market] = self.rows
        result = market.resolutions.filter(withdrawn_at=None).first()
        if result is not None:
            yield _("The result that was paid"), result.describe_payout()

    def prepare(self) -> None:
        super().prepare()
        if "number" in self.fields:
            self.fields["number"].required = False

    def clean(self) -> dict[str, Any]:
        values = self.cleaned_data
        said = [values.get(name) for name in ("void", "winners", "number")]
        if not self.errors and sum(map(bool, [*said, self._list_paid()])) != 1:
            text = _("Tick what happened, enter what each outcome pays, or void the market.")
            self.add_error(None, text)
        return values

    def do(self, row: Market, *, by: User, reason: str) -> None:
        values, number = self.cleaned_data, self.cleaned_data.get("number", "")
        payout_pips = None
        if not values["void"]:
            payout_pips = scalar_payout(row, number) if number else self._find_payout()
        do_correct_result(
            row,
            by=by,
            payout_pips=payout_pips,
            number=number,
            evidence_text=values["evidence_text"],
            evidence_url=values["evidence_url"],
        )


class CorrectionAction(ResultAction):
    """An action on the market's correction in one of `states`."""

    takes_many = False
    states: ClassVar[Iterable[str]]

    @classmethod
    def is_available(cls, row: Market) -> bool:
        if row.status not in FINAL_STATUSES:
            return False
        correction = find_correction(row)
        return correction is not None and correction.state in cls.states

    def describe(self) -> Iterable[tuple[Any, Any]]:
        [market] = self.rows
        correction = find_correction(market)
        if correction is not None:
            yield _("The result that was paid"), correction.describe_before()
            yield _("The corrected result"), correction.describe_payout()
            yield _("Evidence"), f"{correction.evidence_text}\n{correction.evidence_url}".strip()


class ApproveCorrectionAction(CorrectionAction):
    title = _("Approve the correction")
    done = _("The correction is being carried out.")
    explanation = _("As the second person the policy requires. It is carried out at once.")
    states = (State.PROPOSED,)
    is_harmful = True
    act = staticmethod(do_approve_correction)


class CoverCorrectionAction(CorrectionAction):
    title = _("Let the house pay for debtors")
    done = _("The correction is being carried out.")
    explanation = _(
        "These accounts lack some of what they owe. The correction waits until they have it or the "
        "house pays it for them."
    )
    states = (State.WAITING,)
    is_harmful = True
    needs_reason = True

    house_cover = AmountFormField(
        label=_("The house pays at most"), help_text=_("Type the amount above (or more).")
    )
    field_order = ["house_cover", "reason"]

    def describe(self) -> Iterable[tuple[Any, Any]]:
        yield from super().describe()
        [market] = self.rows
        correction = find_correction(market)
        if correction is None:
            return
        yield _("The house would pay now"), money(sum_lacking_micros(correction), 6)
        for row in list_debtors(correction)[:DEBTORS_SHOWN]:
            amounts = {
                "owed": money(-row.difference_micros - row.liquidity_micros, 6),
                "lacking": money(row.lacking_micros, 6),
            }
            yield row.account, gettext("owes %(owed)s, lacks %(lacking)s") % amounts

    def do(self, row: Market, *, by: User, reason: str) -> None:
        cover_micros = self.cleaned_data["house_cover"]
        do_cover_correction(row, by=by, house_cover_micros=cover_micros, reason=reason)


class WithdrawCorrectionAction(CorrectionAction):
    title = _("Withdraw the correction")
    done = _("The correction is withdrawn.")
    explanation = _("The result that was paid stays. What was held is released.")
    states = WITHDRAWABLE
    needs_reason = True
    act = staticmethod(do_withdraw_correction)


ACTS = {
    "correct": CorrectAction,
    "approve-correction": ApproveCorrectionAction,
    "cover-correction": CoverCorrectionAction,
    "withdraw-correction": WithdrawCorrectionAction,
}


@admin.register(Correction)
class CorrectionAdmin(MarketHistoryAdmin):
    """What is done about them is among the actions of the market."""

    list_display = [
        "proposed_at",
        link_to("market", _("market")),
        "before",
        "payout",
        "state",
        "proposed_by",
        "approved_by",
        "finished_at",
    ]
    list_select_related = ["market", "proposed_by", "approved_by"]
    list_filter = ["state"]
    fields: ClassVar[Any] = [
        "market", "number", "state", "before", "payout", "evidence_text", "evidence_url",
        "proposed_by", "proposed_at", "approved_by", "approved_at", "house_cover", "lacking",
        "finished_at", "withdrawn_by", "withdrawn_reason",
    ]  # fmt: skip
    readonly_fields: ClassVar[Any] = fields
    house_cover = staticmethod(show_amount("house_cover_micros", _("house pays at most")))

    @admin.display(description=_("paid before"))
    def before(self, row: Correction) -> str:
        return row.describe_before()

    @admin.display(description=_("pays"))
    def payout(self, row: Correction) -> str:
        return row.describe_payout()

    @admin.display(description=_("debtors lack"))
    def lacking(self, row: Correction) -> str:
        return money(sum_lacking_micros(row), 6)

    def get_queryset(self, request: Any) -> Any:
        return super().get_queryset(request).prefetch_related("market__outcomes")

    def get_links(self, row: Correction) -> Iterable[Link]:
        yield Link(_("Market"), find_url(row.market))
        yield Link(_("Settlements"), link_to_list("trading_settlement", row.market.slug))
