"""Webhooks: addresses to which events are sent, and what was sent to each.

A delivery is made in the transaction that records the progress through the events (the fold of the
journal, a status taken from `markets.StatusOutbox`), so each event has one for each webhook, and is
sent until it is answered with 2xx, at least once. The secret is derived from the id
(`trading.notifications.webhooks`) and not stored.
"""

from typing import Final

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from kernel.ids import new_uuid


class WebhookEvent(models.TextChoices):
    FILL = "fill", _("A fill of an order of yours")
    ORDER_ENDED = "order_ended", _("The end of an order of yours")
    MARKET_STATUS = "market_status", _("A new status of a market")
    SETTLEMENT = "settlement", _("A settlement of a market in which you traded")
    PING = "ping", _("A test")


SUBSCRIBABLE: Final = [event for event in WebhookEvent if event != WebhookEvent.PING]


class DeliveryState(models.IntegerChoices):
    DUE = 0, pgettext_lazy("a delivery", "due")
    DELIVERED = 1, pgettext_lazy("a delivery", "delivered")
    FAILED = 2, pgettext_lazy("a delivery", "failed")


class WebhookQuerySet(models.QuerySet):
    def live(self) -> "WebhookQuerySet":
        """Those to which something is sent: neither switched off nor of a stopped user."""
        return self.filter(
            switched_off_at=None, user__is_active=True, user__suspended_at__isnull=True
        )


class Webhook(models.Model):
    id = models.UUIDField(_("ID"), primary_key=True, default=new_uuid, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, verbose_name=_("user"), related_name="webhooks"
    )
    url = models.CharField(_("address"), max_length=500)
    events = models.JSONField(_("events"), default=list)
    failures = models.PositiveIntegerField(
        _("failures"), default=0, help_text=_("Attempts that failed since the last that did not.")
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    switched_off_at = models.DateTimeField(_("switched off at"), null=True)

    objects = WebhookQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")

    def __str__(self) -> str:
        return self.url


class WebhookDelivery(models.Model):
    """`body` is what is sent, byte for byte, however often."""

    id = models.UUIDField(_("ID"), primary_key=True, default=new_uuid, editable=False)
    webhook = models.ForeignKey(
        Webhook,
        models.CASCADE,
        verbose_name=_("webhook"),
        related_name="deliveries",
        db_index=False,
    )
    event = models.CharField(_("event"), max_length=13, choices=WebhookEvent)
    body = models.TextField(_("body"))
    state = models.SmallIntegerField(_("state"), choices=DeliveryState, default=DeliveryState.DUE)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_at = models.DateTimeField(_("next attempt at"), default=timezone.now)
    last_at = models.DateTimeField(_("last attempt at"), null=True)
    last_status = models.PositiveSmallIntegerField(_("last status"), null=True)
    last_error = models.CharField(_("last error"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)

    class Meta:
        verbose_name = _("delivery to a webhook")
        verbose_name_plural = _("deliveries to webhooks")
        indexes = (
            models.Index(fields=("webhook", "id"), name="deliveries_to_a_webhook"),
            models.Index(
                fields=("next_at",),
                condition=Q(state=DeliveryState.DUE),
                name="deliveries_that_are_due",
            ),
        )

    def __str__(self) -> str:
        return f"{self.event} {self.id}"
