"""What is kept of a market besides itself: the changes of its status, and its figures."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models.append_only import AppendOnly
from kernel.ids import new_uuid
from markets.models.market import Market


class StatusChange(AppendOnly):
    """One row for each change of a market's status, written in the same transaction."""

    id = models.UUIDField(_("ID"), primary_key=True, default=new_uuid)
    market = models.ForeignKey(
        Market,
        models.PROTECT,
        verbose_name=_("market"),
        related_name="status_changes",
        db_index=False,
    )
    from_status = models.CharField(
        _("from status"), max_length=10, blank=True, help_text=_("Empty: its creation.")
    )
    to_status = models.CharField(_("to status"), max_length=10, choices=Market.Status)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=pgettext_lazy("who did it", "by"),
        null=True,
        related_name="+",
        help_text=_("Empty: the exchange itself (a time that came)."),
    )
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("status change")
        verbose_name_plural = _("status changes")
        indexes = (models.Index(fields=("market", "id"), name="status_changes_of_a_market"),)

    def __str__(self) -> str:
        return f"{self.from_status or 'new'} -> {self.to_status}"


class StatusOutbox(models.Model):
    """A change of status that subscribers have not been sent yet; in the change's transaction."""

    change = models.OneToOneField(
        StatusChange, models.CASCADE, verbose_name=_("status change"), related_name="+"
    )

    class Meta:
        verbose_name = _("status change to be sent")
        verbose_name_plural = _("status changes to be sent")

    def __str__(self) -> str:
        return str(self.change_id)


class MarketStats(models.Model):
    """Figures for lists and sorting. The trading app writes them; no decision depends on them.

    `last_price_pips` is that of the book at index 0, null until the first trade.
    """

    market = models.OneToOneField(
        Market, models.CASCADE, verbose_name=_("market"), primary_key=True, related_name="stats"
    )
    volume_lots = models.PositiveBigIntegerField(_("volume, in lots"), default=0)
    volume_24h_lots = models.PositiveBigIntegerField(_("volume of 24 hours, in lots"), default=0)
    last_price_pips = models.PositiveSmallIntegerField(_("last price, in pips"), null=True)
    traders = models.PositiveIntegerField(_("traders"), default=0)

    class Meta:
        verbose_name = _("market statistics")
        verbose_name_plural = _("market statistics")
        indexes = (models.Index(fields=("volume_lots",), name="markets_by_volume"),)

    def __str__(self) -> str:
        return f"statistics of {self.market_id}"
