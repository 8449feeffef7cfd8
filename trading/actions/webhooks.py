"""Webhooks of a user: where events are sent to, and sending again what failed."""

from collections.abc import Iterable
from typing import Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.actions import record_audit
from accounts.models import User
from accounts.status import check_may_act
from kernel.errors import RefusedError
from trading.models import SUBSCRIBABLE, DeliveryState, Webhook, WebhookDelivery
from trading.notifications.webhooks import derive_secret, record_ping
from web import outbound

WEBHOOKS_MAX: Final = 10
"""Of a user."""


def check_create_webhook(user: User, *, url: str, events: Iterable[str]) -> None:
    check_may_act(user)
    _check_url(url)
    _check_events(events)
    if user.webhooks.count() >= WEBHOOKS_MAX:
        raise RefusedError("too_many_webhooks", count=WEBHOOKS_MAX)


def do_create_webhook(user: User, *, url: str, events: Iterable[str]) -> tuple[Webhook, str]:
    """Return the webhook and its secret, which is not stored."""
    events = sorted(set(events))
    with transaction.atomic():
        # Locked, or two concurrent requests could both fit below the limit.
        user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        check_create_webhook(user, url=url, events=events)
        webhook = Webhook.objects.create(user=user, url=url, events=events)
        record_audit("create_webhook", webhook, by=user, after=_show(webhook))
    return webhook, derive_secret(webhook)


def do_change_webhook(
    webhook: Webhook,
    *,
    by: User,
    url: str | None = None,
    events: Iterable[str] | None = None,
    is_on: bool | None = None,
) -> Webhook:
    """Change what is not None. What is due when it is switched on again is sent then."""
    with transaction.atomic():
        webhook = Webhook.objects.select_for_update(no_key=True).get(pk=webhook.pk)
        before = _show(webhook)
        if url is not None:
            _check_url(url)
            webhook.url = url
        if events is not None:
            webhook.events = sorted(set(events))
            _check_events(webhook.events)
        if is_on:
            webhook.switched_off_at, webhook.failures = None, 0
        elif is_on is not None:
            webhook.switched_off_at = webhook.switched_off_at or timezone.now()
        webhook.save(update_fields=["url", "events", "switched_off_at", "failures"])
        record_audit("change_webhook", webhook, by=by, before=before, after=_show(webhook))
    return webhook


def do_delete_webhook(webhook: Webhook, *, by: User) -> None:
    """Delete it with the log of its deliveries; what is due is not sent any more."""
    with transaction.atomic():
        record_audit("delete_webhook", webhook, by=by, before=_show(webhook))
        webhook.delete()


def do_ping_webhook(webhook: Webhook) -> WebhookDelivery:
    """Send a test, which says nothing of the account."""
    _check_on(webhook)
    return record_ping(webhook)


def do_redeliver(delivery: WebhookDelivery) -> WebhookDelivery:
    """Send a delivery again, with a new series of attempts; its id and body stay."""
    _check_on(delivery.webhook)
    WebhookDelivery.objects.filter(pk=delivery.pk).update(
        state=DeliveryState.DUE, attempts=0, next_at=timezone.now()
    )
    delivery.refresh_from_db()
    return delivery


def _check_on(webhook: Webhook) -> None:
    if webhook.switched_off_at is not None:
        raise RefusedError("webhook_is_off")


def _check_url(url: str) -> None:
    """Refuse an address that says itself that it is none, or private; names are resolved later."""
    try:
        outbound.check_url(url, trusted=settings.WEBHOOK_TRUSTED_HOSTS)
    except outbound.OutboundRefusedError as why:
        raise RefusedError("bad_webhook_url", why=str(why)) from None


def _check_events(events: Iterable[str]) -> None:
    if not events:
        raise RefusedError("blank", "events", detail="choose at least one event")
    if not set(events) <= set(SUBSCRIBABLE):
        raise RefusedError("invalid_choice", "events")


def _show(webhook: Webhook) -> dict[str, object]:
    is_on = webhook.switched_off_at is None
    return {"url": webhook.url, "events": webhook.events, "is_on": is_on}
