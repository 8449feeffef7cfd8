"""Sends what is due to webhooks: signed, with bounded time, again later if it fails.

An attempt is claimed by a conditional UPDATE that also sets when the next one is due. So two
processes never send the same attempt, and one that dies in between is followed by the next attempt:
each delivery arrives at least once, and a receiver knows a repeat by its id.
"""

import hashlib
import hmac
import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Final, NamedTuple

from django.db.models import F
from django.utils import timezone

from trading.models import DeliveryState, Webhook, WebhookDelivery
from trading.notifications.webhooks import derive_secret, switch_off
from web import outbound

AT_ONCE: Final = 8
WEBHOOKS_A_ROUND: Final = 64
PER_WEBHOOK: Final = 8
"""Of a round; one after an attempt that failed, so that dead receivers delay no others."""
SECONDS_MAX: Final = 10.0
"""Of a run; the next one continues."""
ATTEMPT_SECONDS: Final = 5.0
RETRY_SECONDS: Final = (10, 30, 120, 600, 1_800, 7_200, 21_600, 43_200)
"""How long after each attempt the next one follows: a day in all."""
ATTEMPTS_MAX: Final = len(RETRY_SECONDS) + 1
"""Of a delivery, until it has failed. Its webhook is then off, unless another one has succeeded."""
ERROR_LENGTH_MAX: Final = 200


class Reception(NamedTuple):
    status: int | None
    error: str

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def send_due() -> None:
    """Send what is due, several at once, until nothing is or the time is up."""
    end = time.monotonic() + SECONDS_MAX
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhooks") as threads:
        while time.monotonic() < end and (claimed := _claim_round()):
            # Threads only wait for receivers; the database is this thread's.
            for delivery, answer in zip(claimed, threads.map(_send, claimed), strict=True):
                _record(delivery, answer)


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature over the time and the body; docs/webhooks.md shows how to check it."""
    message = timestamp.encode() + b"." + body
    return "v1=" + hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def _claim_round() -> list[WebhookDelivery]:
    now = timezone.now()
    due = WebhookDelivery.objects.filter(state=DeliveryState.DUE, next_at__lte=now)
    hooks = list(Webhook.objects.live().filter(pk__in=due.values("webhook")))
    random.shuffle(hooks)
    claimed = []
    for hook in hooks[:WEBHOOKS_A_ROUND]:
        count = 1 if hook.failures else PER_WEBHOOK
        for delivery in due.filter(webhook=hook).order_by("next_at", "id")[:count]:
            again = now + timedelta(seconds=_find_wait(delivery.attempts))
            one = due.filter(pk=delivery.pk, attempts=delivery.attempts)
            if one.update(attempts=F("attempts") + 1, next_at=again, last_at=now):
                delivery.attempts += 1
                delivery.webhook = hook
                claimed.append(delivery)
    return claimed


def _find_wait(attempts: int) -> int:
    return RETRY_SECONDS[min(attempts, len(RETRY_SECONDS) - 1)]


def _send(delivery: WebhookDelivery) -> Reception:
    timestamp, body = str(int(time.time())), delivery.body.encode()
    headers = {
        "Content-Type": "application/json",
        "X-Predex-Delivery": delivery.pk.hex,
        "X-Predex-Event": delivery.event,
        "X-Predex-Timestamp": timestamp,
        "X-Predex-Signature": sign(derive_secret(delivery.webhook), timestamp, body),
    }
    try:
        status = outbound.post(delivery.webhook.url, body, headers, seconds_max=ATTEMPT_SECONDS)
    except outbound.OutboundError as fault:
        return Reception(None, str(fault)[:ERROR_LENGTH_MAX])
    return Reception(status, "")


def _record(delivery: WebhookDelivery, answer: Reception) -> None:
    """Record an attempt's answer; what was tried ATTEMPTS_MAX times has failed for good."""
    state = DeliveryState.DELIVERED if answer.is_success else DeliveryState.DUE
    if not answer.is_success and delivery.attempts >= ATTEMPTS_MAX:
        state = DeliveryState.FAILED
    WebhookDelivery.objects.filter(pk=delivery.pk, attempts=delivery.attempts).update(
        state=state, last_status=answer.status, last_error=answer.error
    )
    hook = Webhook.objects.filter(pk=delivery.webhook_id)
    if answer.is_success:
        hook.filter(failures__gt=0).update(failures=0)
        return
    hook.update(failures=F("failures") + 1)
    if state == DeliveryState.FAILED and hook.filter(failures__gte=ATTEMPTS_MAX).exists():
        switch_off(delivery.webhook)
