"""Operators' calls: opening, halting, closing markets, their terms, and the whole exchange.

Changes of a market go through its engine and are answered after its commit; a repeat of a change is
a 409. Results are in `results`.
"""

from collections.abc import Callable
from typing import Any, cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.actions import find_account
from accounts.api.base import ApiView
from accounts.audit import REASON_LENGTH_MAX
from accounts.models import User
from accounts.second_factor import no_right
from kernel.errors import ApiError
from markets.actions import do_edit_exchange
from markets.api.markets import MarketApiView
from markets.api.schemas import ShownMarket
from markets.queries import get_exchange, get_market
from trading import actions
from web.fields import (
    BooleanField,
    IntegerField,
    PriceField,
    StrictSerializer,
    TextField,
    TimeField,
)

EVIDENCE_LENGTH_MAX = 5_000
DISPUTES_MAX = 200

# --- input ------------------------------------------------------------------------------------


class OptionalReason(StrictSerializer):
    reason = TextField(max_length=REASON_LENGTH_MAX, default="", allow_blank=True)


class NeededReason(StrictSerializer):
    reason = TextField(max_length=REASON_LENGTH_MAX)


class NewHalt(NeededReason):
    cancel_orders = BooleanField(default=False, help_text="Cancel the orders that rest.")


class NewCloseTime(NeededReason):
    close_at = TimeField()


class NewTick(NeededReason):
    tick = PriceField()


class NewWithdrawal(NeededReason):
    outcome = TextField(max_length=32, help_text="Its code.")
    price = PriceField(default=0, help_text="What a contract of it pays: 0 as a rule.")


class NewDiscount(StrictSerializer):
    maker_percent = IntegerField(default=0, help_text="Off what makers pay: 100 is nothing.")
    taker_percent = IntegerField(default=0)
    starts_at = TimeField(required=False, help_text="Left out: now.")
    ends_at = TimeField(allow_null=True, default=None, help_text="Null: until it is ended.")


class ExchangeEdit(StrictSerializer):
    trading_halted = BooleanField(required=False)
    maintenance = BooleanField(required=False)
    announcement = TextField(max_length=500, allow_blank=True, required=False)
    reason = TextField(max_length=REASON_LENGTH_MAX, default="", allow_blank=True)


# --- output -----------------------------------------------------------------------------------


class ShownExchange(serializers.Serializer):
    trading_halted = serializers.BooleanField()
    maintenance = serializers.BooleanField()
    announcement = serializers.CharField()
    updated_at = TimeField()


class ShownCancelled(serializers.Serializer):
    cancelled = serializers.IntegerField(help_text="How many orders were cancelled.")


# --- a market that trades ---------------------------------------------------------------------


class _LiveView(MarketApiView):
    def act(self, slug: str, do: Callable[..., Any], **what: Any) -> Response:
        """Apply an action to a market that the caller may see, and return its new state."""
        user = _user(self.request)
        do(get_market(slug, user=user), by=user, **what)
        return Response(ShownMarket(get_market(slug, user=user)).data)


class OpenView(_LiveView):
    @extend_schema(operation_id="markets_open", request=OptionalReason, responses=ShownMarket)
    def post(self, request: Request, slug: str) -> Response:
        """Open an approved draft for trading."""
        reason = self.read_body(OptionalReason)["reason"]
        return self.act(slug, actions.do_open_market, reason=reason)


class ApproveAndOpenView(_LiveView):
    @extend_schema(operation_id="markets_approve_and_open", request=OptionalReason,
                   responses=ShownMarket)  # fmt: skip
    def post(self, request: Request, slug: str) -> Response:
        """Approve a proposed market and open it; again, if only the approval came through."""
        reason = self.read_body(OptionalReason)["reason"]
        return self.act(slug, actions.do_approve_and_open_market, reason=reason)


class HaltView(_LiveView):
    @extend_schema(operation_id="markets_halt", request=NewHalt, responses=ShownMarket)
    def post(self, request: Request, slug: str) -> Response:
        """Take no orders until it is resumed. Those that rest stay, or are cancelled by choice."""
        return self.act(slug, actions.do_halt_market, **self.read_body(NewHalt))


class ResumeView(_LiveView):
    @extend_schema(operation_id="markets_resume", request=OptionalReason, responses=ShownMarket)
    def post(self, request: Request, slug: str) -> Response:
        """Trade on after a halt."""
        reason = self.read_body(OptionalReason)["reason"]
        return self.act(slug, actions.do_resume_market, reason=reason)


class CloseView(_LiveView):
    @extend_schema(operation_id="markets_close", request=OptionalReason, responses=ShownMarket)
    def post(self, request: Request, slug: str) -> Response:
        """Take no more orders for good: those that rest are cancelled, their holds released."""
        reason = self.read_body(OptionalReason)["reason"]
        return self.act(slug, actions.do_close_market, reason=reason)


class WithdrawOutcomeView(_LiveView):
    @extend_schema(operation_id="markets_withdraw_outcome", request=NewWithdrawal,
                   responses=ShownMarket)  # fmt: skip
    def post(self, request: Request, slug: str) -> Response:
        """Take an outcome of several out while the others go on, as an operator who resolves.

        Its orders are cancelled and its book is closed; with the result it pays the price.
        """
        body = self.read_body(NewWithdrawal)
        market = get_market(slug, user=_user(request))
        outcome = market.outcomes.filter(code=body["outcome"]).first()
        if outcome is None:
            raise ApiError("outcome_unknown")
        what = {"outcome": outcome, "pays_pips": body["price"], "reason": body["reason"]}
        return self.act(slug, actions.do_withdraw_outcome, **what)


class DiscountView(_LiveView):
    @extend_schema(operation_id="markets_set_discount", request=NewDiscount, responses=ShownMarket)
    def put(self, request: Request, slug: str) -> Response:
        """Lower the market's fees for a time."""
        return self.act(slug, actions.do_set_discount, fields=self.read_body(NewDiscount))

    @extend_schema(operation_id="markets_end_discount", responses=ShownMarket)
    def delete(self, request: Request, slug: str) -> Response:
        """End the market's discount now."""
        if request.body:
            raise ApiError("unexpected_body")
        return self.act(slug, actions.do_end_discount)


class CloseTimeView(_LiveView):
    @extend_schema(operation_id="markets_close_time", request=NewCloseTime, responses=ShownMarket)
    def put(self, request: Request, slug: str) -> Response:
        """Move the moment from which a live market refuses orders."""
        body = self.read_body(NewCloseTime)
        return self.act(slug, actions.do_change_close_time, **body)


class TickView(_LiveView):
    @extend_schema(operation_id="markets_tick", request=NewTick, responses=ShownMarket)
    def put(self, request: Request, slug: str) -> Response:
        """Let a halted market's prices be finer. Resting orders keep price and place."""
        body = self.read_body(NewTick)
        return self.act(slug, actions.do_refine_tick, tick_pips=body["tick"], reason=body["reason"])


# --- the whole exchange, other users' orders --------------------------------------------------


class ExchangeView(ApiView):
    read_scope = None
    write_scope = "trade"
    operators_call = True

    @extend_schema(operation_id="exchange", responses=ShownExchange)
    def get(self, request: Request) -> Response:
        """Show whether the whole exchange trades, and what it announces."""
        return Response(ShownExchange(get_exchange()).data)

    @extend_schema(operation_id="exchange_edit", request=ExchangeEdit, responses=ShownExchange)
    def patch(self, request: Request) -> Response:
        """Halt or resume trading everywhere, make it read-only, announce something."""
        body = self.read_body(ExchangeEdit)
        user = _user(request)
        if not (user.is_staff and user.has_perm("markets.run_exchange")):
            raise no_right(user)
        exchange, reason = get_exchange(), body.pop("reason")
        for name, value in body.items():
            setattr(exchange, name, value)
        return Response(ShownExchange(do_edit_exchange(exchange, by=user, reason=reason)).data)


class CancelOrdersView(ApiView):
    operator_permission = "accounts.suspend_users"

    @extend_schema(operation_id="operator_cancel_orders", request=NeededReason,
                   responses=ShownCancelled)  # fmt: skip
    def post(self, request: Request, handle: str) -> Response:
        """Cancel every open order of a user's first account."""
        reason = self.read_body(NeededReason)["reason"]
        cancelled = actions.do_cancel_orders(find_account(handle), by=_user(request), reason=reason)
        return Response({"cancelled": cancelled})


# --- helpers ----------------------------------------------------------------------------------


def _user(request: Request) -> User:
    return cast("User", request.user)  # of a call that needs a scope
