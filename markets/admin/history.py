"""The history of markets: every change of status, who made it and why."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.admin_base import HexRecordAdmin, Link, find_url, link_to
from accounts.templatetags.predex import NOTHING
from markets.models import Market, StatusChange


@admin.display(description=_("from status"))
def show_from_status(row: StatusChange) -> str:
    """Return the label of the status, as this field has no choices; "" is the creation."""
    names = dict(StatusChange._meta.get_field("to_status").flatchoices)
    return str(names.get(row.from_status, NOTHING))


class MarketHistoryAdmin(HexRecordAdmin):
    """Rows of a market, also found by its slug. `market_key` is the path to the market."""

    account_keys = ()
    market_key = "market"
    search_help_text = _("Exact id or market address")

    def find(self, term: str) -> Iterable[Q]:
        yield from super().find(term)
        ids = list(Market.objects.filter(slug=term).values_list("pk", flat=True))
        if ids:
            yield Q(**{f"{self.market_key}__in": ids})


@admin.register(StatusChange)
class StatusChangeAdmin(MarketHistoryAdmin):
    list_display = [
        "created_at", link_to("market", _("market")), show_from_status, "to_status", "by", "reason",
    ]  # fmt: skip
    list_select_related = ["market", "by"]
    list_filter = ["to_status"]
    fields: ClassVar[Any] = [
        "id",
        "market",
        show_from_status,
        "to_status",
        "by",
        "reason",
        "created_at",
    ]
    readonly_fields: ClassVar[Any] = fields

    def get_links(self, row: StatusChange) -> Iterable[Link]:
        yield Link(_("Market"), find_url(row.market))
