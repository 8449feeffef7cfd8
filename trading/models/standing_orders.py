"""Standing orders: instructions that place an order again each day."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from kernel.ids import new_uuid
from trading.models.keys import SIDES, account_key, market_key


class StandingOrder(models.Model):
    """Once a day (UTC) what rests of it is filled up: to `quantity_lots`, or to what
    `budget_micros` buys at the price.

    Side, outcome and price as booked, like an order's. It goes on until `until` (None: until the
    market ends), or until it is stopped for `stop_reason`: a code of the API's, "ended", or
    "stopped_by_owner".
    """

    id = models.UUIDField(_("ID"), primary_key=True, default=new_uuid, editable=False)
    account = account_key()
    market = market_key()
    outcome_index = models.SmallIntegerField(_("place of the outcome"))
    side = models.SmallIntegerField(_("side"), choices=SIDES)
    as_no = models.BooleanField(_("entered as no"))
    price_pips = models.SmallIntegerField(_("price, in pips"))
    quantity_lots = models.BigIntegerField(_("quantity, in lots"), null=True)
    budget_micros = models.BigIntegerField(_("budget of a day, in micros"), null=True)
    until = models.DateTimeField(_("until"), null=True)
    created_at = models.DateTimeField(_("created at"))
    stopped_at = models.DateTimeField(_("stopped at"), null=True)
    stop_reason = models.CharField(_("reason"), max_length=40, blank=True)

    class Meta:
        verbose_name = _("standing order")
        verbose_name_plural = _("standing orders")
        constraints = (
            models.CheckConstraint(
                name="a_standing_order_has_a_quantity_or_a_budget",
                condition=Q(quantity_lots__gt=0, budget_micros__isnull=True)
                | Q(quantity_lots__isnull=True, budget_micros__gt=0),
            ),
        )
        indexes = (
            models.Index(fields=("account", "id"), name="standing_orders_of_an_account"),
            models.Index(
                fields=("id",),
                name="standing_orders_that_go_on",
                condition=Q(stopped_at__isnull=True),
            ),
        )

    def __str__(self) -> str:
        return f"standing order {self.id.hex}"


class StandingRefill(models.Model):
    """One day's order of a standing order: decided upon first, then sent under its own key.

    `lots` is 0 when enough of it rested. An unsent one is sent again, as the same order.
    """

    standing_order = models.ForeignKey(
        StandingOrder, models.CASCADE, verbose_name=_("standing order"), related_name="refills",
        db_index=False,
    )  # fmt: skip
    day = models.DateField(_("day"))
    order_id = models.UUIDField(_("order"))
    lots = models.BigIntegerField(_("quantity, in lots"))
    is_done = models.BooleanField(_("done"), default=False)

    class Meta:
        verbose_name = _("refill of a standing order")
        verbose_name_plural = _("refills of standing orders")
        constraints = (
            models.UniqueConstraint(
                fields=("standing_order", "day"), name="a_standing_order_is_refilled_once_a_day"
            ),
        )

    def __str__(self) -> str:
        return f"refill of {self.standing_order_id} on {self.day}"
