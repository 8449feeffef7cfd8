"""Order groups: how much of an account's orders may be filled within a rolling window."""

from typing import Final

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from kernel.ids import new_uuid
from trading.models.keys import account_key

WINDOW_US: Final = 15_000_000
"""How long a fill counts towards its group's limit."""


class OrderGroup(models.Model):
    """A limit for orders of an account, in any number of markets.

    When what they have filled within the window reaches `limit_lots`, the group is stopped: its
    orders are cancelled and no others taken until it is reset. Written by whoever holds the
    account's lock, as each batch does that fills one of its orders. A deleted group stays, stopped,
    for the orders that name it.
    """

    id = models.UUIDField(_("ID"), primary_key=True, default=new_uuid, editable=False)
    account = account_key()
    limit_lots = models.BigIntegerField(_("limit, in lots"))
    created_at_us = models.BigIntegerField(_("created at, in microseconds"))
    stopped_at_us = models.BigIntegerField(_("stopped at, in microseconds"), null=True)
    deleted_at_us = models.BigIntegerField(_("deleted at, in microseconds"), null=True)

    class Meta:
        verbose_name = _("order group")
        verbose_name_plural = _("order groups")
        constraints = (
            models.CheckConstraint(
                name="an_order_group_has_a_limit", condition=Q(limit_lots__gt=0)
            ),
            models.CheckConstraint(
                name="a_deleted_order_group_is_stopped",
                condition=Q(deleted_at_us__isnull=True) | Q(stopped_at_us__isnull=False),
            ),
        )
        indexes = (
            models.Index(
                fields=("account", "id"),
                name="order_groups_of_an_account",
                condition=Q(deleted_at_us__isnull=True),
            ),
        )

    def __str__(self) -> str:
        return f"order group {self.id.hex}"


class OrderGroupFill(models.Model):
    """What one commit filled of a group's orders; forgotten when the group is reset, and once it is
    older than the window.
    """

    group = models.ForeignKey(
        OrderGroup,
        models.CASCADE,
        verbose_name=_("order group"),
        related_name="fills",
        db_index=False,
    )
    filled_at_us = models.BigIntegerField(_("filled at, in microseconds"))
    lots = models.BigIntegerField(_("quantity, in lots"))

    class Meta:
        verbose_name = _("fill of an order group")
        verbose_name_plural = _("fills of order groups")
        indexes = (
            models.Index(fields=("group", "filled_at_us"), name="fills_of_an_order_group"),
            models.Index(fields=("filled_at_us",), name="order_group_fills_by_time"),
        )

    def __str__(self) -> str:
        return f"{self.lots} of {self.group_id}"
