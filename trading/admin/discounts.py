"""What operators do about the fees of a market for a time."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.admin_fields import WholeField
from accounts.models import FeeType, User
from accounts.templatetags.predex import when
from markets.admin.acts import MarketAction
from markets.models import FINAL_STATUSES, Market
from trading.actions import do_end_discount, do_set_discount


def _moment(label: Any, help_text: Any) -> forms.DateTimeField:
    widget = UnfoldAdminTextInputWidget({"type": "datetime-local", "step": "60"})
    return forms.DateTimeField(label=label, help_text=help_text, required=False, widget=widget)


class DiscountAction(MarketAction):
    takes_many = False

    @classmethod
    def is_available(cls, row: Market) -> bool:
        return row.status not in FINAL_STATUSES and row.fee_kind != FeeType.NONE

    def describe(self) -> Iterable[tuple[Any, Any]]:
        [market] = self.rows
        discount = getattr(market, "discount", None)
        if discount is not None:
            yield _("Off for makers, in per cent"), discount.maker_percent
            yield _("Off for takers, in per cent"), discount.taker_percent
            yield _("From"), when(discount.starts_at)
            yield _("Until"), when(discount.ends_at)


class SetDiscountAction(DiscountAction):
    title = _("Discount the fees")
    done = _("The discount is set.")
    explanation = _(
        "Fees are lower for a time, without a change of the schedule. It begins and ends by "
        "itself, within seconds; people see it on the market's page."
    )
    reason = None  # the audit event says what was set

    maker_percent = WholeField(label=_("Off for makers, in per cent"), initial=0, units_max=100)
    taker_percent = WholeField(label=_("Off for takers, in per cent"), initial=0, units_max=100)
    starts_at = _moment(_("From"), _("Empty: now."))
    ends_at = _moment(_("Until"), _("Empty: until it is ended."))

    def do(self, row: Market, *, by: User, reason: str) -> None:
        fields = {**self.cleaned_data}
        fields["starts_at"] = fields["starts_at"] or timezone.now()
        do_set_discount(row, by=by, fields=fields)


class EndDiscountAction(DiscountAction):
    title = _("End the discount")
    done = _("The discount is ended.")
    explanation = _("Fees are as the market's schedule says again, within seconds.")
    needs_reason = True

    @classmethod
    def is_available(cls, row: Market) -> bool:
        discount = getattr(row, "discount", None)
        is_over = discount is None or (
            discount.ends_at is not None and discount.ends_at <= timezone.now()
        )
        return super().is_available(row) and not is_over

    def do(self, row: Market, *, by: User, reason: str) -> None:
        do_end_discount(row, by=by, reason=reason)


ACTS = {"set-discount": SetDiscountAction, "end-discount": EndDiscountAction}
