"""What is added to the rules of a market that trades: dated, and never changed."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models.append_only import AppendOnly
from kernel.ids import new_uuid
from markets.models.market import Market

CLARIFICATION_LENGTH_MAX = 5_000


class Clarification(AppendOnly):
    """Says how the rules are to be read. People traded on the rules, so those stay as they were."""

    id = models.UUIDField(_("ID"), primary_key=True, default=new_uuid)
    market = models.ForeignKey(
        Market,
        models.PROTECT,
        verbose_name=_("market"),
        related_name="clarifications",
        db_index=False,
    )
    text = models.TextField(_("text"), max_length=CLARIFICATION_LENGTH_MAX)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=pgettext_lazy("who did it", "by"),
        related_name="+",
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("clarification")
        verbose_name_plural = _("clarifications")
        ordering = ("id",)
        indexes = (models.Index(fields=("market", "id"), name="clarifications_of_a_market"),)

    def __str__(self) -> str:
        return self.text
