"""Another result for a market that was paid: proposed, approved, covered, withdrawn."""

from collections.abc import Callable
from typing import Any, cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from kernel.errors import ApiError, not_found
from markets.actions import may_resolve_markets
from markets.api.markets import MarketApiView
from markets.models import Correction, Market
from markets.queries import get_market
from trading import actions
from trading.api.lifecycle import NeededReason, OptionalReason
from trading.api.results import NewResult, read_payout
from trading.settlement.corrections import list_debtors, sum_lacking_micros
from web.fields import AmountField, BooleanField, PriceField, TimeField

DEBTORS_MAX = 200


# --- input ------------------------------------------------------------------------------------


class NewCorrection(NewResult):
    void = BooleanField(default=False, help_text="Instead of a payout: everybody is refunded.")


class NewCover(OptionalReason):
    house_cover = AmountField(help_text="The most that the house pays for debtors: confirmed.")


# --- output -----------------------------------------------------------------------------------


class ShownDebtor(serializers.Serializer):
    handle = serializers.CharField(source="account.owner.handle", allow_null=True, default=None)
    account = serializers.IntegerField(source="account.number")
    owed = AmountField()
    lacking = AmountField(source="lacking_micros")


class ShownCorrection(serializers.Serializer):
    market = serializers.CharField(source="market.slug")
    number = serializers.IntegerField(help_text="Of the market's settlement: 2 for the first.")
    state = serializers.CharField()
    before = serializers.ListField(child=PriceField(), source="before_pips", allow_null=True)
    payout = serializers.ListField(
        child=PriceField(), source="payout_pips", allow_null=True, help_text="Null: a void."
    )
    observed = serializers.CharField(
        source="observed_number", help_text="Of a scalar market; else empty."
    )
    evidence_text = serializers.CharField()
    evidence_url = serializers.CharField()
    proposed_by = serializers.CharField(source="proposed_by.handle")
    proposed_at = TimeField()
    approved_by = serializers.CharField(source="approved_by.handle", allow_null=True)
    finished_at = TimeField(allow_null=True)
    house_cover = AmountField(source="house_cover_micros")
    lacking = AmountField(help_text="What debtors lack in all.")
    debtors = ShownDebtor(many=True, help_text="Who lacks most: 200 at most, for operators.")


# --- calls ------------------------------------------------------------------------------------


class _CorrectionView(MarketApiView):
    def act(self, slug: str, do: Callable[..., Any], **what: Any) -> Response:
        user = cast("User", self.request.user)
        market = get_market(slug, user=user)
        do(market, by=user, **what)
        return Response(_show(market, user))


class CorrectionView(_CorrectionView):
    @extend_schema(operation_id="markets_correction", responses=ShownCorrection)
    def get(self, request: Request, slug: str) -> Response:
        """Show the last correction of the market's result."""
        return Response(_show(get_market(slug, user=request.user), request.user))

    @extend_schema(operation_id="markets_correct", request=NewCorrection, responses=ShownCorrection)
    def post(self, request: Request, slug: str) -> Response:
        """Propose another result than the one that was paid.

        Where a second person has approved it, or none is asked for, what debtors owe is held; if
        one lacks it the state is `waiting`, with the list of them, until the house pays the rest
        (`correction/cover`) or they have the money. Then it is collected and paid.
        """
        body = self.read_body(NewCorrection)
        is_void = body.pop("void")
        if is_void and any(name in body for name in ("payout", "yes", "winners", "number")):
            raise ApiError("payout_unclear", "payout")
        payout_pips, number = None, ""
        if not is_void:
            payout_pips, number = read_payout(body, get_market(slug, user=request.user))
        said = {name: body[name] for name in ("evidence_text", "evidence_url")}
        return self.act(
            slug, actions.do_correct_result, payout_pips=payout_pips, number=number, **said
        )


class ApproveCorrectionView(_CorrectionView):
    @extend_schema(
        operation_id="markets_approve_correction", request=OptionalReason, responses=ShownCorrection
    )
    def post(self, request: Request, slug: str) -> Response:
        """Let a correction be carried out, as the second person that the policy asks for."""
        reason = self.read_body(OptionalReason)["reason"]
        return self.act(slug, actions.do_approve_correction, reason=reason)


class CoverCorrectionView(_CorrectionView):
    @extend_schema(
        operation_id="markets_cover_correction", request=NewCover, responses=ShownCorrection
    )
    def post(self, request: Request, slug: str) -> Response:
        """Confirm what the house pays for debtors who lack funds."""
        body = self.read_body(NewCover)
        return self.act(
            slug,
            actions.do_cover_correction,
            house_cover_micros=body["house_cover"],
            reason=body["reason"],
        )


class WithdrawCorrectionView(_CorrectionView):
    @extend_schema(
        operation_id="markets_withdraw_correction", request=NeededReason, responses=ShownCorrection
    )
    def post(self, request: Request, slug: str) -> Response:
        """Give up a correction that has collected nothing; what it holds is released."""
        reason = self.read_body(NeededReason)["reason"]
        return self.act(slug, actions.do_withdraw_correction, reason=reason)


# --- helpers ----------------------------------------------------------------------------------


def _show(market: Market, user: Any) -> dict[str, Any]:
    corrections = market.corrections.select_related("market", "proposed_by", "approved_by")
    correction: Any = corrections.order_by("-number").first()
    if correction is None:
        raise not_found("this correction")
    correction.lacking, correction.debtors = 0, []
    if correction.state in (Correction.State.HOLDING, Correction.State.WAITING):
        correction.lacking = sum_lacking_micros(correction)
        if may_resolve_markets(user):
            correction.debtors = [
                _show_debtor(row) for row in list_debtors(correction)[:DEBTORS_MAX]
            ]
    return dict(ShownCorrection(correction).data)


def _show_debtor(row: Any) -> Any:
    row.owed = -row.difference_micros - row.liquidity_micros
    return row
