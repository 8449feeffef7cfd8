"""Timers that cancel an account's orders when its program is heard of no more."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from kernel.ids import new_uuid
from trading.models.keys import account_key


class CancelTimer(models.Model):
    """At `cancels_at_us`, by the database's clock, all orders of the account are cancelled.

    CALL: renewed by each `POST /orders/cancel-after`, one of an account. SOCKET: of a WebSocket
    that asked for it, renewed by the process that serves it for as long as it is open.
    """

    class Kind(models.TextChoices):
        CALL = "call", _("heartbeat call")
        SOCKET = "socket", _("connection")

    id = models.UUIDField(_("ID"), primary_key=True, default=new_uuid, editable=False)
    account = account_key()
    kind = models.CharField(_("kind"), max_length=6, choices=Kind)
    cancels_at_us = models.BigIntegerField(_("cancels at, in microseconds"))

    class Meta:
        verbose_name = _("cancel timer")
        verbose_name_plural = _("cancel timers")
        constraints = (
            models.UniqueConstraint(
                fields=("account",),
                condition=Q(kind="call"),
                name="an_account_has_one_cancel_timer_by_call",
            ),
        )
        indexes = (models.Index(fields=("cancels_at_us",), name="cancel_timers_by_deadline"),)

    def __str__(self) -> str:
        return f"cancel timer of account {self.account_id}"
