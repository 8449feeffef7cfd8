"""Audit events, and the first answers to requests that carried an Idempotency-Key."""

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone

from accounts.models.account import Account
from accounts.models.append_only import AppendOnly
from kernel.ids import new_uuid


class AuditEvent(AppendOnly):
    """Who did what to which subject, how it was before and after, and why."""

    id = models.UUIDField(primary_key=True, default=new_uuid)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False
    )
    action = models.CharField(max_length=40)
    subject_type = models.CharField(max_length=40)
    subject_id = models.CharField(max_length=80)
    before = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    after = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    reason = models.CharField(max_length=500, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(name="audit_events_of_an_actor", fields=["actor", "id"]),
            models.Index(
                name="audit_events_of_a_subject", fields=["subject_type", "subject_id", "id"]
            ),
            models.Index(name="audit_events_of_an_action", fields=["action", "id"]),
            models.Index(
                name="audit_events_of_a_request",
                fields=["request_id"],
                condition=~models.Q(request_id=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.subject_type} {self.subject_id}"


class IdempotentRequest(models.Model):
    """Written in the transaction of its effect and kept for ever, so a repeat has one effect."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="+", db_index=False)
    key = models.CharField(max_length=64)
    operation = models.CharField(max_length=40)
    body_digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(default=0)
    answer = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="an_account_uses_an_idempotency_key_once", fields=["account", "key"]
            ),
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.key}"
