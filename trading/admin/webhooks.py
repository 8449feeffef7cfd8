"""Webhooks and what was sent to them, read-only."""

from collections.abc import Iterable

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.admin_base import HexRecordAdmin, link_to, show_id
from trading.models import Webhook, WebhookDelivery


@admin.register(Webhook)
class WebhookAdmin(HexRecordAdmin):
    list_display = [
        show_id(),
        link_to("user", _("user")),
        "url",
        "failures",
        "created_at",
        "switched_off_at",
    ]
    list_select_related = ["user"]
    search_help_text = _("Exact id or handle")

    def find_by_account(self, handle: str) -> Iterable[Q]:
        yield Q(user__handle=handle)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(HexRecordAdmin):
    list_display = [
        show_id(),
        link_to("webhook", _("webhook")),
        "event",
        "state",
        "attempts",
        "last_status",
        "last_error",
        "last_at",
    ]
    list_select_related = ["webhook"]
    exclude = ["body"]  # what the owner's orders say is the owner's
    search_help_text = _("Exact id or handle")

    def find_by_account(self, handle: str) -> Iterable[Q]:
        yield Q(webhook__user__handle=handle)
