"""The policy row: what the operator decides, in words and credits instead of columns and micros."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminColorInputWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.actions import do_edit_policy
from accounts.admin_base import ModelAdmin, get_operator
from accounts.admin_fields import (
    FEE_RATE_HELP,
    AmountFormField,
    FeeRateField,
    SecondsField,
    WholeField,
)
from accounts.models import Policy
from accounts.models.policy import RATE_MAX

ROW = 1
CLASSES = {"anonymous": _("Without a log-in"), "user": _("Users"), "system": _("Systems")}
PARTS = {
    ("read", 0): _("reads a second"),
    ("read", 1): _("reads at once"),
    ("write", 0): _("writes a second"),
    ("write", 1): _("writes at once"),
}
GRANT_MAX_MICROS = 10**18


def _name(kind: str, bucket: str, part: int) -> str:
    return f"limit_{kind}_{bucket}_{part}"


def _build_rate_fields() -> dict[str, forms.Field]:
    return {
        _name(kind, *part): WholeField(
            label=format_lazy("{}: {}", kind_title, title), units_min=1, units_max=RATE_MAX
        )
        for kind, kind_title in CLASSES.items()
        for part, title in PARTS.items()
    }


RATE_NAMES = tuple(_build_rate_fields())
RateForm: type[forms.Form] = type("RateForm", (forms.Form,), dict(_build_rate_fields()))


class PolicyForm(RateForm, forms.ModelForm):  # type: ignore[misc, valid-type]
    sign_up_grant_micros = AmountFormField(
        label=_("Grant at sign-up"),
        units_max=GRANT_MAX_MICROS,
        help_text=_("What every new account starts with."),
    )
    default_fee_maker_rate = FeeRateField(label=_("Maker's rate"), help_text=FEE_RATE_HELP)
    default_fee_taker_rate = FeeRateField(label=_("Taker's rate"))
    default_dispute_seconds = SecondsField(
        label=_("Dispute window"),
        help_text=_("How long a result can be disputed before it is paid: like 1h or 2d 12h."),
    )
    reason = forms.CharField(
        label=_("Reason"),
        required=False,
        max_length=500,
        help_text=_("Reason for the change; kept in the audit log."),
        widget=UnfoldAdminTextInputWidget,
    )

    class Meta:
        model = Policy
        exclude = ("rate_limits",)  # noqa: DJ006 - fields added later are shown too
        widgets = {"accent_colour": UnfoldAdminColorInputWidget}
        labels = {
            "sign_up": _("Sign-up"),
            "who_may_create": _("Who may create markets"),
            "who_may_resolve": _("Who may propose results"),
            "two_person_rule": _("Two-person rule"),
            "default_fee_kind": _("Fees"),
            "default_fee_unit_micros": _("Fees are rounded up to"),
            "site_name": _("Site's name"),
            "logo_url": _("Address of the logo"),
            "accent_colour": _("Accent colour"),
            "currency_name": _("Currency's name"),
            "currency_symbol": _("Currency's symbol"),
            "currency_place": _("The symbol's place"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for kind, buckets in self.instance.rate_limits.items():
            for bucket, part in PARTS:
                self.initial[_name(kind, bucket, part)] = buckets[bucket][part]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not self.errors:
            self.instance.rate_limits = {
                kind: {
                    bucket: [values[_name(kind, bucket, 0)], values[_name(kind, bucket, 1)]]
                    for bucket in ("read", "write")
                }
                for kind in CLASSES
            }
        return values


@admin.register(Policy)
class PolicyAdmin(ModelAdmin):
    form = PolicyForm
    list_display = ["site_name", "sign_up", "updated_at"]
    parts = (
        (
            _("Who takes part"),
            _("Who can sign up, create markets and resolve them."),
            ["sign_up", "sign_up_grant_micros", "who_may_create", "who_may_resolve",
             "two_person_rule"],
        ),
        (
            _("Terms of new markets"),
            _("Defaults for new markets; existing markets keep theirs."),
            ["default_fee_kind", "default_fee_maker_rate", "default_fee_taker_rate",
             "default_fee_unit_micros", "default_dispute_seconds"],
        ),
        (
            _("Name and look"),
            _("Name of the site and its currency."),
            ["site_name", "logo_url", "accent_colour", "currency_name", "currency_symbol",
             "currency_place"],
        ),
    )  # fmt: skip

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        named = [name for _title, _help, names in self.parts for name in names]
        known = {*named, *RATE_NAMES, "reason"}
        other = [name for name in PolicyForm.base_fields if name not in known]
        pairs = list(zip(RATE_NAMES[::2], RATE_NAMES[1::2], strict=True))
        help_text = _("Requests allowed: average per second, and burst.")
        return [
            *((title, {"fields": names, "description": text}) for title, text, names in self.parts),
            *([(_("More"), {"fields": other})] if other else []),
            (_("Rate limits"), {"fields": pairs, "description": help_text}),
            (None, {"fields": ["reason"]}),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return redirect("admin:accounts_policy_change", ROW)  # there is one

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Policy, form: Any, change: bool) -> None:
        do_edit_policy(obj, by=get_operator(request), reason=form.cleaned_data["reason"])
        messages.info(request, _("Every process follows the new policy within a second."))
