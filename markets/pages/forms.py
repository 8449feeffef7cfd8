"""The form for creating a market. The rules are in `markets.actions`."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin_fields import AmountFormField, NumberFormField
from accounts.models import User
from kernel.errors import ApiError, describe
from kernel.texts import validate_line, validate_text
from markets.actions import OUTCOMES, TAGS_MAX, OutcomePair, may_manage_markets
from markets.actions.subsidy import SUBSIDY, find_subsidy
from markets.models import (
    DISPUTE_BOND_MICROS_MAX,
    NUMBER_UNIT_LENGTH_MAX,
    OUTCOMES_MAX,
    OUTCOMES_MIN,
    Category,
    Group,
    Market,
    Tag,
)
from markets.outcome_codes import make_codes
from markets.queries import list_shown

TEXT_LENGTH_MAX = 20_000
NAME_LENGTH_MAX = 120
# The browser's datetime input has no zone, so it is in the viewer's.
MOMENT = "%Y-%m-%dT%H:%M"
# A refusal's field -> the form's, where the names differ.
_FIELDS = {
    "tick": "close_at",
    "dispute_bond": "dispute_bond_micros",
    "maker_subsidy": "maker_subsidy_micros",
    "maker_liquidity": "maker_subsidy_micros",
    "low": "low_millionths",
    "high": "high_millionths",
    "unit": "number_unit",
    "outcomes": "outcomes_text",
}


class NumberField(NumberFormField):
    widget = forms.TextInput


class MarketForm(forms.Form):
    kind = forms.ChoiceField(
        label=gettext_lazy("Kind of question"),
        choices=[
            (Market.Kind.BINARY, gettext_lazy("Yes or no")),
            (Market.Kind.CATEGORICAL, gettext_lazy("One of several outcomes")),
            (Market.Kind.SCALAR, gettext_lazy("A number")),
        ],
        initial=Market.Kind.BINARY,
        widget=forms.RadioSelect({"class": "radio radio-sm"}),
    )
    title = forms.CharField(
        label=gettext_lazy("Question"),
        max_length=200,
        validators=[validate_line],
        help_text=gettext_lazy("A question that time will settle: who, what, by when."),
    )
    outcomes_text = forms.CharField(
        label=gettext_lazy("Outcomes, one per line"),
        required=False,
        max_length=OUTCOMES_MAX * (NAME_LENGTH_MAX + 2),
        widget=forms.Textarea(attrs={"rows": 5}),
        validators=[validate_text],
        help_text=gettext_lazy(
            "Exactly one of them will happen. Add “Other” if the list may not be complete."
        ),
    )
    low_millionths = NumberField(
        label=gettext_lazy("Lowest number"),
        required=False,
        help_text=gettext_lazy("At this number or below, Lower is paid all."),
    )
    high_millionths = NumberField(
        label=gettext_lazy("Highest number"),
        required=False,
        help_text=gettext_lazy("At this number or above, Higher is paid all; between, in line."),
    )
    number_unit = forms.CharField(
        label=gettext_lazy("Unit"),
        required=False,
        max_length=NUMBER_UNIT_LENGTH_MAX,
        validators=[validate_line],
        help_text=gettext_lazy("Like °C or points; it follows the number."),
    )
    description = forms.CharField(
        label=gettext_lazy("Background"),
        required=False,
        max_length=TEXT_LENGTH_MAX,
        widget=forms.Textarea(attrs={"rows": 3}),
        validators=[validate_text],
    )
    rules = forms.CharField(
        label=gettext_lazy("Rules"),
        max_length=TEXT_LENGTH_MAX,
        widget=forms.Textarea(attrs={"rows": 5}),
        validators=[validate_text],
        help_text=gettext_lazy(
            "Exactly what decides each outcome, and what applies in case of doubt."
        ),
    )
    resolution_source = forms.CharField(
        label=gettext_lazy("Source of the result"),
        required=False,
        max_length=500,
        validators=[validate_line],
        help_text=gettext_lazy("Where anyone can look it up: a web address if there is one."),
    )
    category = forms.ModelChoiceField(
        label=gettext_lazy("Category"),
        queryset=Category.objects.all(),
        required=False,
        empty_label=gettext_lazy("None"),
    )
    tags = forms.ModelMultipleChoiceField(
        label=gettext_lazy("Tags"),
        queryset=Tag.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple({"class": "checkbox checkbox-sm"}),
    )
    close_at = forms.DateTimeField(
        label=gettext_lazy("Trading ends"),
        input_formats=[MOMENT, "%Y-%m-%dT%H:%M:%S"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=MOMENT),
    )
    maker_subsidy_micros = AmountFormField(
        label=gettext_lazy("Subsidy for a market maker"),
        required=False,
        widget=forms.TextInput,
        help_text=gettext_lazy(
            "An automated market maker always offers a price. It gets this amount from you when the"
            " market opens and gives back what it has left at the end; it may lose all of it."
        ),
    )
    maker_alone = forms.BooleanField(
        label=gettext_lazy("Trade with the market maker only"),
        required=False,
        widget=forms.CheckboxInput({"class": "checkbox checkbox-sm"}),
        help_text=gettext_lazy("There are no limit orders then: the simplest kind of market."),
    )
    visibility = forms.ChoiceField(
        label=gettext_lazy("Visible to"),
        choices=[
            (Market.Visibility.PUBLIC, gettext_lazy("Everyone")),
            (Market.Visibility.UNLISTED, gettext_lazy("Anyone with the link")),
            (Market.Visibility.GROUP, gettext_lazy("Only members of a group")),
        ],
        initial=Market.Visibility.PUBLIC,
    )
    group = forms.ModelChoiceField(
        label=gettext_lazy("Group"),
        queryset=Group.objects.none(),
        required=False,
        empty_label=gettext_lazy("None"),
    )

    dispute_bond_micros = AmountFormField(
        label=gettext_lazy("Bond of a dispute"),
        required=False,
        units_max=DISPUTE_BOND_MICROS_MAX,
        widget=forms.TextInput,
        help_text=gettext_lazy(
            "Held from who disputes a result; lost if the dispute is dismissed. Empty: none."
        ),
    )

    def __init__(self, *args: Any, user: User, market: Market | None = None, **kwargs: Any) -> None:
        if market is not None:
            kwargs["initial"] = _initial(market)
        super().__init__(*args, **kwargs)
        self.market = market
        tags: Any = self.fields["tags"]
        tags.queryset = list_shown(Tag.objects.all(), user)
        groups: Any = self.fields["group"]
        # An operator who corrects a proposal need not be a member of its group.
        is_manager = may_manage_markets(user)
        groups.queryset = Group.objects.all() if is_manager else Group.objects.filter(members=user)
        if not is_manager:
            del self.fields["dispute_bond_micros"]
        if market is not None:
            self.fields["kind"].disabled = True

    def clean_tags(self) -> list[Tag]:
        tags = list(self.cleaned_data["tags"])
        if len(tags) > TAGS_MAX:
            raise ValidationError(_("That is too many tags."))
        return tags

    def clean_dispute_bond_micros(self) -> int:
        return self.cleaned_data["dispute_bond_micros"] or 0

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("visibility") == Market.Visibility.GROUP and not cleaned.get("group"):
            self.add_error("group", _("Choose a group."))
        if cleaned.get("kind") == Market.Kind.CATEGORICAL and "outcomes_text" in cleaned:
            self._check_names(_lines(cleaned["outcomes_text"]))
        return cleaned

    def _check_names(self, names: Sequence[str]) -> None:
        if not OUTCOMES_MIN <= len(names) <= OUTCOMES_MAX:
            message = _("Enter %(least)s to %(most)s outcomes, one per line.")
            self.add_error("outcomes_text", message % {"least": OUTCOMES_MIN, "most": OUTCOMES_MAX})
        if any(len(name) > NAME_LENGTH_MAX for name in names):
            message = _("An outcome's name has at most %(most)s characters.")
            self.add_error("outcomes_text", message % {"most": NAME_LENGTH_MAX})

    def outcomes(self) -> list[OutcomePair]:
        """Return (code, name) pairs of the valid form."""
        if self.cleaned_data["kind"] != Market.Kind.CATEGORICAL:
            return list(OUTCOMES[self.cleaned_data["kind"]])
        names = _lines(self.cleaned_data["outcomes_text"])
        return list(zip(make_codes(names), names, strict=True))

    def fields_of_market(self) -> dict[str, Any]:
        """Return the valid form's data, as `do_create_market` and `do_edit_market` take it."""
        values = {
            name: value for name, value in self.cleaned_data.items() if name != "outcomes_text"
        }
        if values["kind"] != Market.Kind.SCALAR:
            values.update(low_millionths=None, high_millionths=None, number_unit="")
        if values["visibility"] != Market.Visibility.GROUP:
            values["group"] = None
        if self.market is not None:
            del values["kind"]
        return values

    def build_preview(self) -> Market:
        """Return an unsaved market with the valid form's data."""
        values = self.fields_of_market()
        for name in ("tags", SUBSIDY):
            values.pop(name)
        return Market(kind=self.cleaned_data["kind"], **values)


def add_refusal(form: forms.Form, refusal: ApiError) -> None:
    """Show a refusal beside its field, in the viewer's language."""
    field = _FIELDS.get(refusal.field or "", refusal.field)
    form.add_error(field if field in form.fields else None, describe(refusal))


def _initial(market: Market) -> dict[str, Any]:
    names = ("kind", "title", "description", "rules", "resolution_source", "category", "close_at",
             "visibility", "group", "low_millionths", "high_millionths", "number_unit",
             "dispute_bond_micros")  # fmt: skip
    initial = {name: getattr(market, name) for name in names}
    lines = "\n".join(outcome.name for outcome in market.outcomes.all())
    maker = {"maker_subsidy_micros": find_subsidy(market), "maker_alone": market.maker_alone}
    return {**initial, **maker, "tags": list(market.tags.all()), "outcomes_text": lines}


def _lines(text: str) -> list[str]:
    return [name for line in text.splitlines() if (name := " ".join(line.split()))]
