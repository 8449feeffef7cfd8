"""What happened to markets: every change of status, who made it and why."""

from collections.abc import Iterable

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.admin_base import HexRecordAdmin, Link, find_url, link_to
from markets.models import Market, StatusChange


class MarketRecordAdmin(HexRecordAdmin):
    """Rows of one market each, found by its address too. `market_key` leads to the market."""

    account_keys = ()
    market_key = "market"
    search_help_text = _("An id or a market's address, whole")

    def find(self, term: str) -> Iterable[Q]:
        yield from super().find(term)
        ids = list(Market.objects.filter(slug=term).values_list("pk", flat=True))
        if ids:
            yield Q(**{f"{self.market_key}__in": ids})


@admin.register(StatusChange)
class StatusChangeAdmin(MarketRecordAdmin):
    list_display = [
        "created_at", link_to("market", _("market")), "from_status", "to_status", "by", "reason",
    ]  # fmt: skip
    list_select_related = ["market", "by"]
    list_filter = ["to_status"]

    def get_links(self, row: StatusChange) -> Iterable[Link]:
        yield Link(_("Market"), find_url(row.market))
