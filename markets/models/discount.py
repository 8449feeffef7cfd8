"""Fees that are lower for a time."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from markets.models.market import Market


class MarketDiscount(models.Model):
    """A market's fees are lower by so many per cent from one time until another.

    The schedule itself stays. The market's engine is told by the scheduled tasks when it begins
    and ends; `is_applied` says what it was told last.
    """

    market = models.OneToOneField(
        Market, models.PROTECT, verbose_name=_("market"), related_name="discount"
    )
    maker_percent = models.PositiveSmallIntegerField(_("off for makers, in per cent"), default=0)
    taker_percent = models.PositiveSmallIntegerField(_("off for takers, in per cent"), default=0)
    starts_at = models.DateTimeField(_("from"), default=timezone.now)
    ends_at = models.DateTimeField(
        _("until"), null=True, blank=True, help_text=_("Empty: until it is ended.")
    )
    is_applied = models.BooleanField(_("in force"), default=False, editable=False)
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("set by"), related_name="+"
    )

    class Meta:
        verbose_name = _("fee discount")
        verbose_name_plural = _("fee discounts")
        constraints = (
            models.CheckConstraint(
                name="a_discount_is_0_to_100_per_cent",
                condition=Q(maker_percent__range=(0, 100), taker_percent__range=(0, 100)),
            ),
            models.CheckConstraint(
                name="a_discount_ends_after_it_starts",
                condition=Q(ends_at__isnull=True) | Q(ends_at__gt=F("starts_at")),
            ),
        )

    def __str__(self) -> str:
        return f"{self.market}: {self.maker_percent}% / {self.taker_percent}%"

    @property
    def is_due(self) -> bool:
        """Whether its time is now."""
        now = timezone.now()
        return self.starts_at <= now and (self.ends_at is None or now < self.ends_at)
