"""What holds for every market at once."""

from django.db import models
from django.db.models import Q
from django.utils import timezone


class Exchange(models.Model):
    """The state of the whole exchange: one row."""

    trading_halted = models.BooleanField(
        default=False, help_text="No market takes orders; cancelling stays possible."
    )
    maintenance = models.BooleanField(default=False, help_text="Read-only: every write is refused.")
    announcement = models.CharField(max_length=500, blank=True)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        permissions = (("run_exchange", "Can halt the exchange and put it into maintenance"),)
        verbose_name_plural = "exchange"
        constraints = (models.CheckConstraint(name="there_is_one_exchange", condition=Q(pk=1)),)

    def __str__(self) -> str:
        return "The exchange"
