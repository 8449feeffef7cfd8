"""Comments on a market: plain text, in threads one reply deep, moderated."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from kernel.ids import new_uuid
from markets.models.market import Market

TEXT_LENGTH_MAX = 2_000
REASON_LENGTH_MAX = 200


class Comment(models.Model):
    """A withdrawn or hidden comment keeps its place, so that replies still make sense."""

    id = models.UUIDField(_("ID"), primary_key=True, default=new_uuid, editable=False)
    market = models.ForeignKey(
        Market,
        models.PROTECT,
        verbose_name=_("market"),
        related_name="comments",
        db_index=False,
        editable=False,
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("author"),
        related_name="comments",
        editable=False,
    )
    parent = models.ForeignKey(
        "self",
        models.PROTECT,
        verbose_name=_("answers to"),
        null=True,
        blank=True,
        related_name="replies",
        editable=False,
    )
    text = models.TextField(_("text"), max_length=TEXT_LENGTH_MAX)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    withdrawn_at = models.DateTimeField(_("withdrawn at"), null=True, blank=True, editable=False)
    hidden_at = models.DateTimeField(_("hidden at"), null=True, blank=True, editable=False)
    hidden_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("hidden by"),
        null=True,
        blank=True,
        related_name="+",
        editable=False,
    )
    hidden_reason = models.CharField(
        _("reason for hiding"), max_length=REASON_LENGTH_MAX, blank=True, editable=False
    )

    class Meta:
        verbose_name = _("comment")
        verbose_name_plural = _("comments")
        permissions = (("moderate_comments", _("hide comments and show them again")),)
        indexes = (models.Index(fields=("market", "parent", "id"), name="comments_of_a_market"),)
        constraints = (
            models.CheckConstraint(
                name="a_hidden_comment_says_who_hid_it",
                condition=Q(hidden_at__isnull=True, hidden_by__isnull=True)
                | Q(hidden_at__isnull=False, hidden_by__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.author} on {self.market}"

    @property
    def is_shown(self) -> bool:
        return self.withdrawn_at is None and self.hidden_at is None


class CommentReport(models.Model):
    """A user's report of a comment to the moderators."""

    comment = models.ForeignKey(
        Comment, models.CASCADE, verbose_name=_("comment"), related_name="reports"
    )
    reporter = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("reporter"), related_name="+"
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("comment report")
        verbose_name_plural = _("comment reports")
        constraints = (
            models.UniqueConstraint(
                fields=("comment", "reporter"), name="a_user_reports_a_comment_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.reporter} on {self.comment_id}"
