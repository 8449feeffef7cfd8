"""The forms of a market and its outcomes, in contracts and credits instead of lots and pips."""

from typing import Any

from django import forms
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.admin_fields import (
    FEE_RATE_HELP,
    AmountFormField,
    FeeRateField,
    NumberFormField,
    QuantityFormField,
    SecondsField,
    UserField,
    WeightsField,
)
from accounts.models import User
from accounts.templatetags.predex import price
from kernel.errors import RefusedError, describe
from markets.actions import (
    OutcomePair,
    check_create_market,
    check_edit_market,
    check_set_outcomes,
)
from markets.models import (
    DISPUTE_BOND_MICROS_MAX,
    LOT_STEP_LOTS_MAX,
    MAKER_LIQUIDITY_LOTS_MAX,
    POSITION_LIMIT_LOTS_MAX,
    TICKS_PIPS,
    Market,
)

DESCRIBED: list[Any] = [
    "title", "description", "rules", "resolution_source", "category", "tags", "event",
    "resolver", "visibility", "group", "featured",
]  # fmt: skip
TIMES: list[Any] = [
    "open_at",
    "close_at",
    "expected_settle_at",
    "dispute_seconds",
    "dispute_bond_micros",
]
TERMS: list[Any] = [
    "low_millionths", "high_millionths", "number_unit", "tick_pips", "lot_step_lots", "fee_kind",
    "fee_maker_rate", "fee_taker_rate", "fee_unit_micros", "position_limit_lots", "strict_refund",
    "matches_across_outcomes",
]  # fmt: skip
MAKER: list[Any] = ["maker_b_lots", "maker_priors", "maker_alone", "maker_funded_by_house"]
FIXED_AT_CREATION: list[Any] = ["kind", "slug"]
show_price = lazy(price, str)
"""Lazy, so that it is in the viewer's language."""
FEE_UNITS = [(1, _("a millionth")), (10_000, _("a hundredth"))]


class MarketAdminForm(forms.ModelForm):
    user: User  # set on the class that is created for each request

    resolver = UserField(
        label=_("Resolver"),
        required=False,
        help_text=_("The handle of the user who may resolve it, besides operators."),
    )
    dispute_seconds = SecondsField(
        label=_("Dispute window"),
        help_text=_("How long a result can be disputed: like 1h or 2d 12h; 0 for none."),
    )
    dispute_bond_micros = AmountFormField(
        label=_("Bond of a dispute"),
        required=False,
        units_max=DISPUTE_BOND_MICROS_MAX,
        help_text=_("Held from who disputes a result; lost if the dispute is dismissed."),
    )
    low_millionths = NumberFormField(
        label=_("Lowest number"),
        required=False,
        help_text=_("Of a scalar market: at this number or below, Lower is paid all."),
    )
    high_millionths = NumberFormField(
        label=_("Highest number"),
        required=False,
        help_text=_("At this number or above, Higher is paid all; between, in line."),
    )
    tick_pips = forms.TypedChoiceField(
        label=_("Tick"),
        coerce=int,
        choices=[(pips, show_price(pips)) for pips in TICKS_PIPS],
        widget=UnfoldAdminSelectWidget,
        help_text=_("The smallest step between prices."),
    )
    lot_step_lots = QuantityFormField(
        label=_("Lot step"),
        units_max=LOT_STEP_LOTS_MAX,
        help_text=_("Orders must be a multiple of this many contracts."),
    )
    fee_maker_rate = FeeRateField(label=_("Maker's rate"), help_text=FEE_RATE_HELP)
    fee_taker_rate = FeeRateField(label=_("Taker's rate"))
    fee_unit_micros = forms.TypedChoiceField(
        label=_("Fees are rounded up to"),
        coerce=int,
        choices=FEE_UNITS,
        widget=UnfoldAdminSelectWidget,
    )
    position_limit_lots = QuantityFormField(
        label=_("Position limit"),
        required=False,
        units_max=POSITION_LIMIT_LOTS_MAX,
        help_text=_(
            "The most contracts of one outcome that an account may hold; leave empty for no limit."
        ),
    )

    maker_b_lots = QuantityFormField(
        label=_("Liquidity"),
        required=False,
        units_max=MAKER_LIQUIDITY_LOTS_MAX,
        help_text=_(
            "In contracts; leave empty for no automated market maker. It is funded with its largest"
            " possible loss when the market opens: 0.69 of this with two outcomes and even odds."
        ),
    )
    maker_priors = WeightsField(
        label=_("First odds"),
        required=False,
        help_text=_("A whole number for each outcome, like 3; 1. Leave empty for even odds."),
    )

    class Meta:
        model = Market
        fields = [*FIXED_AT_CREATION, *DESCRIBED, *TIMES, *TERMS, *MAKER]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "slug" in self.fields:
            self.fields["slug"].required = False
            self.fields["slug"].help_text = _("Leave empty to make it from the title.")

    def clean(self) -> dict[str, Any]:
        # Not super(): the actions check uniqueness and constraints too, with named codes.
        if not self.errors:
            try:
                self._check()
            except RefusedError as refusal:
                self.add_error(self._find_field(refusal.field), describe(refusal))
        return self.cleaned_data

    def clean_dispute_bond_micros(self) -> int:
        return self.cleaned_data["dispute_bond_micros"] or 0

    def get_changes(self) -> dict[str, Any]:
        """Return the fields for the action: all of a new market, the changed ones otherwise."""
        is_new = self.instance.pk is None
        names = [name for name in self.cleaned_data if is_new or name in self.changed_data]
        changes = {name: self.cleaned_data[name] for name in names}
        if "tags" in changes:
            changes["tags"] = list(changes["tags"])
        if not changes.get("slug"):
            changes.pop("slug", None)
        return changes

    def _check(self) -> None:
        if self.instance.pk is None:
            check_create_market(by=self.user, fields=self.get_changes())
        else:
            check_edit_market(self.instance, by=self.user, fields=self.get_changes())

    def _find_field(self, name: str | None) -> str | None:
        """Return the form's field: the API's `tick` is `tick_pips` here."""
        name = "number_unit" if name == "unit" else name
        return next((ours for ours in self.fields if name and ours.startswith(name)), None)


class OutcomeForm(forms.ModelForm):
    def clean(self) -> dict[str, Any]:
        return self.cleaned_data  # the action checks uniqueness over all of them, after the change


class OutcomeFormSet(forms.BaseInlineFormSet):
    user: User

    def clean(self) -> None:
        if any(self.errors) or not self.has_changed():
            return
        try:
            check_set_outcomes(self.instance, by=self.user, outcomes=self.get_outcomes())
        except RefusedError as refusal:
            raise forms.ValidationError(describe(refusal)) from None

    def get_outcomes(self) -> list[OutcomePair]:
        rows = [
            form.cleaned_data
            for form in self.forms
            if form.cleaned_data and not form.cleaned_data.get("DELETE")
        ]
        rows.sort(key=lambda row: row["index"])
        return [(row["code"], row["name"]) for row in rows]
