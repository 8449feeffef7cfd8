"""The timer that cancels an account's orders unless it keeps calling."""

from typing import Final

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import ApiView
from kernel.clock import to_datetime
from trading.pipeline import cancel_timers
from trading.pipeline.gateway import EngineAway, Overloaded, TimedOut
from trading.wire.refusals import build_gateway_error
from web.fields import BooleanField, IntegerField, StrictSerializer, TimeField

SECONDS_MAX: Final = 86_400


class CancelAfter(StrictSerializer):
    seconds = IntegerField(
        min_value=0, max_value=SECONDS_MAX, help_text="From now; 0 switches the timer off."
    )


class ShownCancelTimer(serializers.Serializer):
    cancels_at = TimeField(allow_null=True, help_text="When all orders are cancelled; null: never.")
    was_missed = BooleanField(
        help_text="Whether the last deadline had passed, so that the orders were cancelled."
    )


class NoTimerQuery(StrictSerializer):
    """A query string that says nothing."""


class CancelAfterView(ApiView):
    write_scope = "trade"

    @extend_schema(operation_id="orders_cancel_after_retrieve", responses=ShownCancelTimer)
    def get(self, request: Request) -> Response:
        """Show when the account's orders are cancelled unless it calls again."""
        self.read_query(NoTimerQuery)
        return _show(cancel_timers.find_deadline(self.principal.account_id), was_missed=False)

    @extend_schema(
        operation_id="orders_cancel_after", request=CancelAfter, responses=ShownCancelTimer
    )
    def post(self, request: Request) -> Response:
        """Cancel all orders of the account after so many seconds, unless this is called again.

        A deadline that has passed is not put off: the orders are cancelled before the answer.
        """
        seconds = self.read_body(CancelAfter)["seconds"]
        try:
            set_to = cancel_timers.set_by_call(self.principal.account_id, seconds)
        except (EngineAway, Overloaded, TimedOut) as fault:
            raise build_gateway_error(fault) from fault
        return _show(set_to[0], was_missed=set_to[1])


def _show(cancels_at_us: int | None, *, was_missed: bool) -> Response:
    cancels_at = None if cancels_at_us is None else to_datetime(cancels_at_us)
    shown = {"cancels_at": cancels_at, "was_missed": was_missed}
    return Response(ShownCancelTimer(shown).data)
