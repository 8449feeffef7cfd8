"""State that applies to all markets."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Exchange(models.Model):
    """The state of the whole exchange: one row."""

    trading_halted = models.BooleanField(
        _("trading halted"),
        default=False,
        help_text=_("No market takes orders; cancelling stays possible."),
    )
    maintenance = models.BooleanField(
        _("maintenance"), default=False, help_text=_("Read-only: every write is refused.")
    )
    announcement = models.CharField(_("announcement"), max_length=500, blank=True)
    updated_at = models.DateTimeField(_("updated at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("exchange")
        verbose_name_plural = _("exchange")
        permissions = (("run_exchange", _("halt the exchange and put it into maintenance")),)
        constraints = (models.CheckConstraint(name="there_is_one_exchange", condition=Q(pk=1)),)

    def __str__(self) -> str:
        return "The exchange"
