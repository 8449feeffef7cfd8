"""What operators do about the automatic resolver of a market."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.admin_fields import SecondsField
from accounts.models import User
from markets.admin.acts import MarketAction
from markets.models import FINAL_STATUSES, AutomaticResolver, Market
from markets.resolvers import describe_resolver
from trading.actions import do_approve_resolver, do_remove_resolver, do_set_resolver


def _text(label: Any, help_text: Any = "", *, length_max: int = 200) -> forms.CharField:
    return forms.CharField(
        label=label,
        help_text=help_text,
        max_length=length_max,
        required=False,
        widget=UnfoldAdminTextInputWidget,
    )


class ResolverAction(MarketAction):
    permission = "markets.resolve_markets"
    takes_many = False

    @classmethod
    def is_available(cls, row: Market) -> bool:
        return row.status not in (*FINAL_STATUSES, Market.Status.RESOLVING)

    def describe(self) -> Iterable[tuple[Any, Any]]:
        [market] = self.rows
        resolver = getattr(market, "automatic_resolver", None)
        if resolver is not None:
            yield _("Resolved automatically"), describe_resolver(resolver)
            if resolver.because:
                yield _("What went wrong last"), resolver.because


class SetResolverAction(ResolverAction):
    title = _("Set a resolver")
    done = _("The resolver is set.")
    explanation = _(
        "Resolves the market by itself after its close: by a value that another server publishes "
        "as JSON (in a market about a number it is the result), or as another market was "
        "settled. What is missing, late or unreadable is left to a person."
    )
    reason = None  # the audit event says what was set

    kind = forms.ChoiceField(
        label=_("Decided by"),
        choices=AutomaticResolver.Kind.choices,
        widget=UnfoldAdminSelectWidget,
    )
    url = _text(_("Address of the value"), _("Begins with https://."), length_max=500)
    value_path = _text(_("Path of the value"), _("Where it stands in the JSON: data.0.price."))
    comparison = forms.ChoiceField(
        label=_("Yes if it is"),
        choices=AutomaticResolver.Comparison.choices,
        widget=UnfoldAdminSelectWidget,
    )
    threshold = _text(_("Threshold"), _("A number, with a point."), length_max=60)
    threshold_path = _text(_("Or path of the threshold"), _("In the same JSON."))
    time_path = _text(
        _("Path of the value's time"), _("Then the value must be of the time that decides.")
    )
    source = _text(_("Deciding market"), _("Its address."), length_max=80)
    delay_seconds = SecondsField(
        label=_("Delay"), initial=0, help_text=_("How long after the close it is read.")
    )
    patience_seconds = SecondsField(
        label=_("Patience"),
        initial=3_600,
        help_text=_("How long it is tried again before a person has to decide."),
    )

    def clean_source(self) -> Market | None:
        slug = self.cleaned_data["source"]
        if not slug:
            return None
        market = Market.objects.filter(slug=slug).first()
        if market is None:
            raise forms.ValidationError(_("There is no “%s”.") % slug)
        return market

    def do(self, row: Market, *, by: User, reason: str) -> None:
        do_set_resolver(row, by=by, fields=self.cleaned_data)


class ExistingResolverAction(ResolverAction):
    @classmethod
    def is_available(cls, row: Market) -> bool:
        return super().is_available(row) and hasattr(row, "automatic_resolver")


class ApproveResolverAction(ExistingResolverAction):
    title = _("Approve the resolver")
    done = _("The resolver is approved.")
    explanation = _(
        "As the second person the policy requires: what it says then needs no approval of its own."
    )

    @classmethod
    def is_available(cls, row: Market) -> bool:
        return super().is_available(row) and row.automatic_resolver.approved_by_id is None

    def do(self, row: Market, *, by: User, reason: str) -> None:
        do_approve_resolver(row, by=by, reason=reason)


class RemoveResolverAction(ExistingResolverAction):
    title = _("Remove the resolver")
    done = _("The resolver is removed.")
    explanation = _("A person decides the result.")
    needs_reason = True

    def do(self, row: Market, *, by: User, reason: str) -> None:
        do_remove_resolver(row, by=by, reason=reason)


ACTS = {
    "set-resolver": SetResolverAction,
    "approve-resolver": ApproveResolverAction,
    "remove-resolver": RemoveResolverAction,
}
