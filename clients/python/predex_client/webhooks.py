"""What webhooks receive: is it the exchange's, and what does it say?"""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from predex_client.errors import UNREADABLE, ForgedWebhookError, UnexpectedAnswerError
from predex_client.values import decode

TOLERANCE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class WebhookMessage:
    """An event; one `id` may come twice. docs/webhooks.md says which `type` has which `data`."""

    id: str
    type: str
    created_at: datetime
    data: Mapping[str, Any]


def verify_webhook(
    secret: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    tolerance_seconds: float = TOLERANCE_SECONDS,
) -> WebhookMessage:
    """Return what a webhook was sent; ForgedWebhookError unless it is signed, and just now.

    `headers` and `body` are the request's; the body as its bytes came.
    """
    named = {name.lower(): value for name, value in headers.items()}
    timestamp = named.get("x-predex-timestamp", "")
    message = timestamp.encode() + b"." + body
    expected = "v1=" + hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
    signature = named.get("x-predex-signature", "")
    if not hmac.compare_digest(signature.encode(), expected.encode()):
        raise ForgedWebhookError("the signature is not the exchange's")
    if abs(time.time() - int(timestamp)) > tolerance_seconds:
        raise ForgedWebhookError("it was signed too long ago: somebody may have sent it again")
    try:
        return decode(WebhookMessage, json.loads(body))
    except UNREADABLE as fault:
        raise UnexpectedAnswerError(f"{body[:200]!r}: {fault!r}") from fault
