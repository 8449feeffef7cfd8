"""Notifications: rows per user, shown on the site and sent by mail to users who opted in.

A notification is created in the transaction that records the progress (the fold of the journal, a
step through a market's holders), so each is created once. `facts` has the values of its text:
prices in pips, quantities in lots, money in micros.
"""

from typing import Final

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from kernel.ids import new_uuid
from markets.models import Market


class NotificationKind(models.TextChoices):
    FILL = "fill", _("A resting order of yours was filled")
    EXPIRED = "expired", _("An order of yours expired")
    CLOSING = "closing", _("A market in which you hold contracts closes soon")
    RESOLVED = "resolved", _("A market in which you held contracts was resolved")
    VOIDED = "voided", _("A market in which you traded was voided")
    DECIDED = "decided", _("Operators decided on a market that you proposed")
    RESULT = "result", _("A result was proposed for a market in which you hold contracts")
    CLARIFIED = "clarified", _("The rules of a market in which you have a stake were clarified")
    CLOSE_TIME = "close_time", _("The close time of a market in which you have a stake was moved")
    VERDICT = "verdict", _("Operators decided on a dispute of yours")
    CORRECTED = "corrected", _("The result of a market in which you traded was corrected")
    MONEY = "money", _("Operators credited your account or decided on a request of yours")
    PROPOSAL = "proposal", _("For operators: a market is waiting for approval")
    DISPUTE = "dispute", _("For operators: a result is disputed")
    JUDGE = "judge", _("A market waits for your verdict as a judge")
    UNRESOLVED = "unresolved", _("A market waits for you to decide its result")
    STANDING = "standing", _("A standing order of yours ended")
    WEBHOOK = "webhook", _("A webhook of yours was switched off")
    STOPPED = "stopped", _("For operators: a series stopped")
    CORRECTING = "correcting", _("For operators: the correction of a result waits for you")


OPERATORS_KINDS: Final = frozenset(
    {
        NotificationKind.PROPOSAL,
        NotificationKind.DISPUTE,
        NotificationKind.STOPPED,
        NotificationKind.CORRECTING,
    }
)


class MailState(models.IntegerChoices):
    UNWANTED = 0
    DUE = 1
    SENT = 2


class Notification(models.Model):
    """`subject` is the id of its object (an order); while unread, further events are merged."""

    id = models.UUIDField(_("ID"), primary_key=True, default=new_uuid, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        verbose_name=_("user"),
        related_name="notifications",
        db_index=False,
    )
    kind = models.CharField(_("kind"), max_length=10, choices=NotificationKind)
    # None if it is about the user's money or webhooks.
    market = models.ForeignKey(
        Market,
        models.PROTECT,
        verbose_name=_("market"),
        null=True,
        related_name="+",
        db_index=False,
    )
    subject = models.CharField(_("subject"), max_length=32, blank=True)
    facts = models.JSONField(_("facts"), default=dict)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    read_at = models.DateTimeField(_("read at"), null=True)
    mail = models.SmallIntegerField(_("mail"), choices=MailState, default=MailState.UNWANTED)

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        indexes = (
            models.Index(fields=("user", "id"), name="notifications_of_a_user"),
            models.Index(
                fields=("user", "kind", "subject"),
                condition=Q(read_at__isnull=True),
                name="unread_notifications",
            ),
            models.Index(
                fields=("id",), condition=Q(mail=MailState.DUE), name="notifications_to_mail"
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} for {self.user_id}"


class NotificationPreference(models.Model):
    """A user's channels for one kind of notification; without a row: on the site, no mail."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, verbose_name=_("user"), related_name="+"
    )
    kind = models.CharField(_("kind"), max_length=10, choices=NotificationKind)
    on_site = models.BooleanField(_("on the site"), default=True)
    by_mail = models.BooleanField(_("by mail"), default=False)

    class Meta:
        verbose_name = _("notification preference")
        verbose_name_plural = _("notification preferences")
        constraints = (
            models.UniqueConstraint(
                fields=("user", "kind"), name="a_user_chooses_once_for_each_kind"
            ),
        )

    def __str__(self) -> str:
        return f"{self.user_id} on {self.kind}"


class NotificationProgress(models.Model):
    """How far a market's holders have been notified of an event that concerns all of them.

    `subject` identifies events that a market can have more than once.
    """

    market = models.ForeignKey(Market, models.CASCADE, verbose_name=_("market"), related_name="+")
    kind = models.CharField(_("kind"), max_length=10, choices=NotificationKind)
    subject = models.CharField(_("subject"), max_length=32, blank=True)
    last_margin_id = models.BigIntegerField(_("last margin"), default=0)
    finished_at = models.DateTimeField(_("finished at"), null=True)

    class Meta:
        verbose_name = _("progress of a notification")
        verbose_name_plural = _("progress of notifications")
        constraints = (
            models.UniqueConstraint(
                fields=("market", "kind", "subject"), name="a_market_s_holders_are_told_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} of {self.market}"
