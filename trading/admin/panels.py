"""What operators do about the panel of a market."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.admin_fields import WholeField
from accounts.models import User
from markets.models import JUDGES_MAX, Market
from trading.actions import do_remove_panel, do_set_panel
from trading.admin.resolvers import ResolverAction


class SetPanelAction(ResolverAction):
    title = _("Appoint a panel")
    done = _("The panel is appointed.")
    explanation = _(
        "Its judges decide the result instead of one person: what so many of them say alike is "
        "proposed. They are notified when trading ends."
    )
    reason = None  # the audit event says who was appointed

    judges = forms.CharField(
        label=_("Judges"),
        help_text=_("Handles, one a line."),
        widget=UnfoldAdminTextareaWidget({"rows": 5}),
    )
    verdicts_needed = WholeField(label=_("Equal verdicts needed"), units_max=JUDGES_MAX)

    def clean_judges(self) -> list[User]:
        handles = [handle.lower() for handle in self.cleaned_data["judges"].split()]
        known = {user.handle: user for user in User.objects.filter(handle__in=handles)}
        for handle in handles:
            if handle not in known:
                raise forms.ValidationError(_("There is no user “%s”.") % handle)
        return [known[handle] for handle in handles]

    def do(self, row: Market, *, by: User, reason: str) -> None:
        do_set_panel(row, by=by, **self.cleaned_data)


class RemovePanelAction(ResolverAction):
    title = _("Dismiss the panel")
    done = _("The panel is dismissed.")
    explanation = _("One person decides the result again.")
    needs_reason = True

    @classmethod
    def is_available(cls, row: Any) -> bool:
        return super().is_available(row) and hasattr(row, "panel")

    def do(self, row: Market, *, by: User, reason: str) -> None:
        do_remove_panel(row, by=by, reason=reason)


ACTS = {"set-panel": SetPanelAction, "remove-panel": RemovePanelAction}
