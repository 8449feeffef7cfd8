"""Results and disputes: shown here; the trading app's actions decide on them."""

from collections.abc import Iterable
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.admin_base import Link, find_url, link_to, link_to_list, show_amount
from markets.admin.history import MarketHistoryAdmin
from markets.models import Dispute, Resolution

BOND_FATES: Final = {
    "": "",
    "held": pgettext_lazy("a bond", "held"),
    "returned": pgettext_lazy("a bond", "returned"),
    "lost": pgettext_lazy("a bond", "lost to the house"),
}


@admin.register(Resolution)
class ResolutionAdmin(MarketHistoryAdmin):
    list_display = [
        "proposed_at",
        link_to("market", _("market")),
        "payout",
        "proposed_by",
        "final_at",
        "approved_by",
        show_amount("house_cover_micros", _("house pays at most")),
        "withdrawn_at",
    ]
    list_select_related = ["market", "proposed_by", "approved_by"]
    fields = [
        "market", "payout", "evidence_text", "evidence_url", "reading", "proposed_by",
        "proposed_at", "final_at", "approved_by", "approved_at", "house_cover",
        "withdrawn_by", "withdrawn_at", "withdrawn_reason",
    ]  # fmt: skip
    readonly_fields: ClassVar[Any] = fields
    house_cover = staticmethod(show_amount("house_cover_micros", _("house pays at most")))

    @admin.display(description=_("pays"))
    def payout(self, row: Resolution) -> str:
        return row.describe_payout()

    def get_queryset(self, request: Any) -> Any:
        return super().get_queryset(request).prefetch_related("market__outcomes")

    def get_links(self, row: Resolution) -> Iterable[Link]:
        yield Link(_("Market"), find_url(row.market))
        yield Link(_("Disputes"), link_to_list("markets_dispute", row.market.slug))


@admin.register(Dispute)
class DisputeAdmin(MarketHistoryAdmin):
    list_display = [
        "raised_at",
        link_to("resolution", _("result")),
        "raised_by",
        "text",
        show_amount("bond_micros", _("bond")),
        "decision",
        "decided_by",
    ]
    list_select_related = ["resolution__market", "raised_by", "decided_by"]
    list_filter = ["decision"]
    market_key = "resolution__market"
    fields = [
        "resolution", "raised_by", "raised_at", "text", "bond", "bond_fate", "decision",
        "decided_by", "decided_at", "note",
    ]  # fmt: skip
    readonly_fields: ClassVar[Any] = fields
    bond = staticmethod(show_amount("bond_micros", _("bond")))

    @admin.display(description=_("the bond is"))
    def bond_fate(self, row: Dispute) -> str:
        return str(BOND_FATES[row.bond_fate])

    def get_queryset(self, request: Any) -> Any:
        rows = super().get_queryset(request).select_related("resolution__market")
        return rows.prefetch_related("resolution__market__outcomes")

    def get_links(self, row: Dispute) -> Iterable[Link]:
        yield Link(_("Result"), find_url(row.resolution))
        yield Link(_("Market"), find_url(row.resolution.market))
