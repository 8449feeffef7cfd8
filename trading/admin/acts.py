"""Operators' actions on markets that trade: forms that call `trading.actions`."""

from collections.abc import Callable, Collection, Iterable
from typing import Any, ClassVar

from django import forms
from django.utils import timezone
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from accounts.admin_fields import AmountFormField, ExactNumberField, PriceFormField
from accounts.models import User
from accounts.policy import get_policy
from accounts.templatetags.predex import money, price, when
from kernel.units import PIPS_PER_CREDIT
from markets.admin.acts import MarketAction, describe_proposal
from markets.lifecycle import equal_payout, find_withdrawn, scalar_payout
from markets.models import TICKS_PIPS, Dispute, Market, Outcome, Resolution
from trading.actions import (
    do_approve_and_open_market,
    do_approve_result,
    do_change_close_time,
    do_clear_market,
    do_close_market,
    do_halt_market,
    do_open_market,
    do_pay_result,
    do_refine_tick,
    do_resolve_market,
    do_resume_market,
    do_void_market,
    do_withdraw_outcome,
    do_withdraw_result,
)
from trading.settlement.payments import compute_house_cover_micros

Status = Market.Status


class LiveAction(MarketAction):
    """An action for live markets in one of `statuses`."""

    statuses: ClassVar[Collection[str]]
    act: ClassVar[Callable[..., Any]]

    @classmethod
    def is_available(cls, row: Market) -> bool:
        return row.status in cls.statuses

    def do(self, row: Market, *, by: User, reason: str) -> None:
        type(self).act(row, by=by, reason=reason)


class OpenAction(LiveAction):
    title = pgettext_lazy("an act", "Open")
    done = _("The market is open.")
    explanation = _("It accepts orders from now on. Its question and terms are then fixed.")
    statuses = (Status.DRAFT,)
    act = staticmethod(do_open_market)

    @classmethod
    def is_available(cls, row: Market) -> bool:
        return super().is_available(row) and row.is_approved


class ApproveAndOpenAction(LiveAction):
    title = _("Approve and open")
    done = _("The market is approved and open.")
    explanation = _(
        "It accepts orders from now on. Its question and terms are then fixed. The proposer is "
        "notified and sees the note in the market's history."
    )
    statuses = (Status.PROPOSED,)
    act = staticmethod(do_approve_and_open_market)

    def describe(self) -> Iterable[tuple[Any, Any]]:
        return describe_proposal(self.rows)


class HaltMarketAction(LiveAction):
    title = _("Halt")
    done = _("The market is halted.")
    explanation = _(
        "It accepts no orders until it is resumed. Resting orders stay and can be cancelled."
    )
    statuses = (Status.OPEN,)
    needs_reason = True

    cancel_orders = forms.BooleanField(
        label=_("Cancel all resting orders"), required=False, widget=UnfoldBooleanWidget
    )
    field_order = ["cancel_orders", "reason"]

    def do(self, row: Market, *, by: User, reason: str) -> None:
        do_halt_market(row, by=by, reason=reason, cancel_orders=self.cleaned_data["cancel_orders"])


class ClearAction(LiveAction):
    title = _("Cancel all orders")
    done = _("All resting orders are cancelled.")
    explanation = _("Cancels every resting order of the halted market, whoever placed it.")
    statuses = (Status.HALTED,)
    is_harmful = True
    needs_reason = True
    act = staticmethod(do_clear_market)


class ResumeMarketAction(LiveAction):
    title = _("Resume")
    done = _("The market is open again.")
    explanation = _("It accepts orders again.")
    statuses = (Status.HALTED,)
    act = staticmethod(do_resume_market)


class CloseAction(LiveAction):
    title = _("Close now")
    done = _("The market is closed.")
    explanation = _("It accepts no more orders, for good. Resting orders are cancelled.")
    statuses = (Status.OPEN, Status.HALTED)
    is_harmful = True
    needs_reason = True
    act = staticmethod(do_close_market)


class CloseTimeAction(LiveAction):
    title = _("Move the close time")
    done = _("The close time is moved.")
    statuses = (Status.OPEN, Status.HALTED)
    needs_reason = True
    takes_many = False

    close_at = forms.DateTimeField(
        label=_("Closes at"),
        widget=UnfoldAdminTextInputWidget({"type": "datetime-local", "step": "60"}),
    )
    field_order = ["close_at", "reason"]

    def prepare(self) -> None:
        [market] = self.rows
        field = self.fields["close_at"]
        local = timezone.localtime(market.close_at)
        field.initial = f"{local:%Y-%m-%dT%H:%M}"
        field.help_text = gettext("In your time zone, %s.") % f"{local:%Z}"

    def describe(self) -> Iterable[tuple[Any, Any]]:
        [market] = self.rows
        yield _("Closes now at"), when(market.close_at)

    def do(self, row: Market, *, by: User, reason: str) -> None:
        do_change_close_time(row, by=by, close_at=self.cleaned_data["close_at"], reason=reason)


class TickAction(LiveAction):
    title = _("Refine the tick")
    done = _("The tick is refined.")
    explanation = _(
        "Prices may be finer from now on. Resting orders keep their price and place in the queue."
    )
    statuses = (Status.HALTED,)
    needs_reason = True
    takes_many = False

    tick_pips = forms.TypedChoiceField(label=_("Tick"), coerce=int, widget=UnfoldAdminSelectWidget)
    field_order = ["tick_pips", "reason"]

    def prepare(self) -> None:
        [market] = self.rows
        now_pips = market.tick_pips
        finer = [pips for pips in TICKS_PIPS if pips < now_pips and now_pips % pips == 0]
        field: Any = self.fields["tick_pips"]
        field.choices = [(pips, price(pips)) for pips in finer]

    def do(self, row: Market, *, by: User, reason: str) -> None:
        do_refine_tick(row, by=by, tick_pips=self.cleaned_data["tick_pips"], reason=reason)


class WithdrawOutcomeAction(LiveAction):
    title = _("Withdraw an outcome")
    done = _("The outcome is withdrawn.")
    explanation = _(
        "For good: its orders are cancelled and its book is closed, and with the result it pays "
        "what you state here. The others go on. It is added to the rules, and people with a "
        "position or open orders are notified."
    )
    permission = "markets.resolve_markets"
    statuses = (Status.OPEN, Status.HALTED)
    is_harmful = True
    needs_reason = True
    takes_many = False

    outcome = forms.TypedChoiceField(label=_("Outcome"), coerce=int, widget=UnfoldAdminSelectWidget)
    pays_pips = PriceFormField(
        label=_("A contract of it pays"),
        initial=0,
        units_max=PIPS_PER_CREDIT,
        help_text=_("0 as a rule."),
    )
    field_order = ["outcome", "pays_pips", "reason"]

    @classmethod
    def is_available(cls, row: Market) -> bool:
        return super().is_available(row) and row.kind == Market.Kind.CATEGORICAL

    def prepare(self) -> None:
        [market] = self.rows
        field: Any = self.fields["outcome"]
        remaining = market.outcomes.filter(withdrawn_at=None)
        field.choices = [(outcome.index, outcome.name) for outcome in remaining]

    def do(self, row: Market, *, by: User, reason: str) -> None:
        outcome = row.outcomes.get(index=self.cleaned_data["outcome"])
        pays_pips = self.cleaned_data["pays_pips"]
        do_withdraw_outcome(row, by=by, outcome=outcome, pays_pips=pays_pips, reason=reason)

    def find_field(self, name: str | None) -> str | None:
        return "pays_pips" if name == "price" else super().find_field(name)


# --- results -------------------------------------------------------------------------------------


class ResultAction(LiveAction):
    permission = "markets.resolve_markets"


class ResolveAction(ResultAction):
    """Either the winners, sharing equally, or each payout: fields `payout_0`, `payout_1`, ..."""

    title = _("Propose a result")
    done = _("The result is proposed.")
    explanation = _(
        "Tick the outcome that happened; several share the payout equally. Or enter what a "
        "contract of each outcome pays. The result is paid after the dispute window."
    )
    statuses: ClassVar[Collection[str]] = (Status.CLOSED,)
    takes_many = False
    reason = None  # the evidence serves as the reason

    winners = forms.TypedMultipleChoiceField(
        label=_("What happened"),
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    number = ExactNumberField(
        label=_("Number"),
        required=False,
        help_text=_("What was observed. What Higher and Lower pay follows from it."),
    )
    evidence_text = forms.CharField(
        label=_("Evidence"),
        required=False,
        widget=UnfoldAdminTextareaWidget({"rows": 4}),
        help_text=_("Visible to everyone. Evidence or a link is required."),
    )
    evidence_url = forms.URLField(
        label=_("Link to the evidence"),
        required=False,
        assume_scheme="https",
        max_length=500,
        widget=UnfoldAdminTextInputWidget({"inputmode": "url"}),
    )

    @classmethod
    def is_available(cls, row: Market) -> bool:
        return super().is_available(row) and not hasattr(row, "panel")

    def prepare(self) -> None:
        [market] = self.rows
        self.outcomes = list(market.outcomes.all())
        if market.is_scalar:
            del self.fields["winners"]
            self.fields["number"].required = True
            self.outcomes = []
        else:
            del self.fields["number"]
        self._arrange()

    def _arrange(self) -> None:
        """Put a field for the payout of each outcome before those of the evidence."""
        evidence = {name: self.fields.pop(name) for name in ("evidence_text", "evidence_url")}
        if self.outcomes:
            self._ask_for_payouts()
        self.fields.update(evidence)
        # The form needs one of either kind, so no field is optional.
        for field in self.fields.values():
            field.is_one_of_several = True  # type: ignore[attr-defined]

    def _ask_for_payouts(self) -> None:
        winners: Any = self.fields["winners"]
        winners.choices = [
            (outcome.index, outcome.name)
            for outcome in self.outcomes
            if outcome.withdrawn_pips is None
        ]
        payouts = {
            f"payout_{outcome.index}": PriceFormField(
                label=gettext("%s pays") % outcome.name,
                required=False,
                units_max=PIPS_PER_CREDIT,
                help_text=_describe_withdrawn(outcome),
            )
            for outcome in self.outcomes
        }
        self.fields.update(payouts)

    def describe(self) -> Iterable[tuple[Any, Any]]:
        [market] = self.rows
        yield _("Rules"), market.rules or market.description
        yield _("Resolution source"), market.resolution_source

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if self.outcomes and not self.errors and bool(values["winners"]) == bool(self._list_paid()):
            self.add_error(None, _("Either tick what happened, or enter what each outcome pays."))
        return values

    def do(self, row: Market, *, by: User, reason: str) -> None:
        number = self.cleaned_data.get("number", "")
        do_resolve_market(
            row,
            by=by,
            payout_pips=scalar_payout(row, number) if number else self._find_payout(),
            number=number,
            evidence_text=self.cleaned_data["evidence_text"],
            evidence_url=self.cleaned_data["evidence_url"],
        )

    def find_field(self, name: str | None) -> str | None:
        return (
            None if name == "payout" else super().find_field(name)
        )  # the error concerns all of them

    def _find_payout(self) -> list[int]:
        winners = self.cleaned_data["winners"]
        [market] = self.rows
        stated = find_withdrawn(market)
        return self._list_paid() or equal_payout(
            winners, outcome_count=len(self.outcomes), withdrawn=stated
        )

    def _list_paid(self) -> list[int]:
        """Return the payout of each outcome, none if none was entered."""
        values = [self.cleaned_data.get(f"payout_{row.index}") for row in self.outcomes]
        if all(pips is None for pips in values):
            return []
        return [pips or 0 for pips in values]


class ApproveResultAction(ResultAction):
    title = _("Approve the result")
    done = _("The result is approved.")
    explanation = _(
        "As the second person the policy requires. The result is paid after the dispute window."
    )
    statuses = (Status.RESOLVING,)
    takes_many = False
    act = staticmethod(do_approve_result)

    @classmethod
    def is_available(cls, row: Market) -> bool:
        return super().is_available(row) and get_policy().two_person_rule


class PayResultAction(ResultAction):
    title = _("Pay now")
    done = _("The result is being paid.")
    explanation = _(
        "Ends the dispute window: the result is paid within seconds. After that it can only be "
        "corrected."
    )
    statuses = (Status.RESOLVING,)
    takes_many = False
    is_harmful = True
    needs_reason = True
    act = staticmethod(do_pay_result)

    @classmethod
    def is_available(cls, row: Market) -> bool:
        return super().is_available(row) and _is_disputable(row) and not _is_disputed(row)


class WithdrawResultAction(ResultAction):
    title = _("Withdraw the result")
    done = _("The result is withdrawn.")
    explanation = _(
        "Nothing has been paid yet: the market returns to closed and needs another result."
    )
    statuses = (Status.RESOLVING,)
    takes_many = False
    is_harmful = True
    needs_reason = True
    act = staticmethod(do_withdraw_result)


class VoidAction(ResultAction):
    title = _("Void")
    done = _("The market is being voided.")
    explanation = _(
        "Undoes every trade: everyone gets back what they paid and returns what they gained. The "
        "house pays for gains that have been withdrawn."
    )
    statuses = (Status.OPEN, Status.HALTED, Status.CLOSED, Status.RESOLVING)
    takes_many = False
    is_harmful = True
    needs_reason = True

    house_cover = AmountFormField(label=_("The house pays at most"))
    field_order = ["house_cover", "reason"]

    def prepare(self) -> None:
        [market] = self.rows
        self.needed_micros = compute_house_cover_micros(market.pk)
        if self.needed_micros:
            text = _("Type the amount above (or more) to confirm it.")
            self.fields["house_cover"].help_text = text
        else:
            del self.fields["house_cover"]  # there is nothing to confirm

    def describe(self) -> Iterable[tuple[Any, Any]]:
        yield _("The house would pay now"), money(self.needed_micros, 6)

    def do(self, row: Market, *, by: User, reason: str) -> None:
        cover_micros = self.cleaned_data.get("house_cover", 0)
        do_void_market(row, by=by, reason=reason, house_cover_micros=cover_micros)


def _describe_withdrawn(outcome: Outcome) -> str:
    if outcome.withdrawn_pips is None:
        return ""
    return gettext("It was withdrawn and pays %s.") % price(outcome.withdrawn_pips)


def _is_disputable(market: Market) -> bool:
    active = Resolution.objects.filter(market=market, withdrawn_at=None)
    return active.filter(final_at__gt=timezone.now()).exists()


def _is_disputed(market: Market) -> bool:
    disputes = Dispute.objects.filter(resolution__market=market, resolution__withdrawn_at=None)
    return disputes.filter(decision="").exists()


ACTS = {
    "approve-and-open": ApproveAndOpenAction,
    "open": OpenAction,
    "halt": HaltMarketAction,
    "clear": ClearAction,
    "resume": ResumeMarketAction,
    "close": CloseAction,
    "close-time": CloseTimeAction,
    "tick": TickAction,
    "withdraw-outcome": WithdrawOutcomeAction,
    "resolve": ResolveAction,
    "approve-result": ApproveResultAction,
    "pay-result": PayResultAction,
    "withdraw-result": WithdrawResultAction,
    "void": VoidAction,
}
