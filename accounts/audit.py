"""Audit events: one row per operator action and per security-relevant user action."""

from typing import Any

import structlog
from django.db.models import Model
from django.utils.text import Truncator

from accounts.models import AuditEvent, User
from kernel.errors import RefusedError

REASON_LENGTH_MAX = 500


def check_reason(reason: str, field: str = "reason") -> None:
    """Refuse a reason that is too long to store: nothing is truncated."""
    if len(reason) > REASON_LENGTH_MAX:
        raise RefusedError("too_long", field, detail=f"at most {REASON_LENGTH_MAX} characters")


def excerpt(text: str) -> str:
    """Return the beginning of a text that is stored in full elsewhere, as a reason."""
    return Truncator(text).chars(REASON_LENGTH_MAX)


def record_audit(
    action: str,
    subject: Model,
    *,
    by: User | None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str = "",
) -> AuditEvent:
    """Record who did what to `subject`, atomically with the caller's transaction.

    The request id is the one that the middleware (or a task) bound to the log's context.
    """
    check_reason(reason)
    return AuditEvent.objects.create(
        actor=by,
        action=action,
        subject_type=subject._meta.model_name or "",
        subject_id=str(subject.pk),
        before=before,
        after=after,
        reason=reason,
        request_id=structlog.contextvars.get_contextvars().get("request_id", ""),
    )
