"""Audit events, and the stored answers to requests with an Idempotency-Key."""

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models.account import Account
from accounts.models.append_only import AppendOnly
from kernel.ids import new_uuid


class AuditEvent(AppendOnly):
    """Who did what to which subject, how it was before and after, and why."""

    id = models.UUIDField(_("ID"), primary_key=True, default=new_uuid)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("actor"),
        null=True,
        related_name="+",
        db_index=False,
    )
    action = models.CharField(_("action"), max_length=40)
    subject_type = models.CharField(_("kind of subject"), max_length=40)
    subject_id = models.CharField(_("subject's ID"), max_length=80)
    before = models.JSONField(_("before"), null=True, encoder=DjangoJSONEncoder)
    after = models.JSONField(_("after"), null=True, encoder=DjangoJSONEncoder)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    request_id = models.CharField(_("request ID"), max_length=64, blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
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
    """Written in the transaction of its effect and kept for ever, so a repeat changes nothing."""

    account = models.ForeignKey(
        Account, models.PROTECT, verbose_name=_("account"), related_name="+", db_index=False
    )
    key = models.CharField(pgettext_lazy("of a request", "key"), max_length=64)
    operation = models.CharField(_("operation"), max_length=40)
    body_digest = models.CharField(_("digest of the body"), max_length=64)
    status = models.PositiveSmallIntegerField(_("status"), default=0)
    answer = models.JSONField(_("answer"), default=dict)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)

    class Meta:
        verbose_name = _("idempotent request")
        verbose_name_plural = _("idempotent requests")
        constraints = [
            models.UniqueConstraint(
                name="an_account_uses_an_idempotency_key_once", fields=["account", "key"]
            ),
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.key}"
