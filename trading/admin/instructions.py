"""What accounts have told the exchange to do by itself, read-only."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from accounts.admin_base import (
    HexRecordAdmin,
    link_to,
    show_amount,
    show_id,
    show_price,
    show_quantity,
    show_time,
)
from trading.models import CancelTimer, OrderGroup, StandingOrder


@admin.register(OrderGroup)
class OrderGroupAdmin(HexRecordAdmin):
    list_display = [
        show_id(),
        link_to("account", _("account")),
        show_quantity("limit_lots", _("limit")),
        show_time("created_at_us", _("created")),
        show_time("stopped_at_us", _("stopped")),
        show_time("deleted_at_us", _("deleted")),
    ]
    list_select_related = ["account__owner"]
    search_help_text = _("Exact id or handle")


@admin.register(CancelTimer)
class CancelTimerAdmin(HexRecordAdmin):
    list_display = [
        show_id(),
        link_to("account", _("account")),
        "kind",
        show_time("cancels_at_us", _("cancels at")),
    ]
    list_select_related = ["account__owner"]
    search_help_text = _("Exact id or handle")


@admin.register(StandingOrder)
class StandingOrderAdmin(HexRecordAdmin):
    list_display = [
        show_id(),
        link_to("account", _("account")),
        link_to("market", _("market")),
        "side",
        show_price("price_pips", _("price")),
        show_quantity("quantity_lots", _("contracts")),
        show_amount("budget_micros", _("budget")),
        "until",
        "stopped_at",
        "stop_reason",
    ]
    list_select_related = ["account__owner", "market"]
    search_help_text = _("Exact id or handle")
