"""The result of a market: proposed, disputed, approved, withdrawn; or the market voided.

The exchange pays it out automatically after the dispute window: see `trading.actions.results`.
"""

from collections.abc import Callable
from typing import Any, cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.principal import Principal
from accounts.api.schemas import IDEMPOTENCY_KEY, ChoiceField
from accounts.audit import REASON_LENGTH_MAX
from accounts.idempotency import run_once
from accounts.models import User
from kernel.errors import ApiError
from markets.api.markets import MarketApiView
from markets.api.schemas import ShownResult
from markets.lifecycle import binary_payout, equal_payout, find_withdrawn, scalar_payout
from markets.models import OUTCOMES_MAX, Dispute, Market, Resolution
from markets.queries import find_resolution, get_market, list_disputes
from markets.scalars import NUMBER_LENGTH_MAX
from trading import actions
from trading.api.lifecycle import NeededReason, OptionalReason
from web.fields import (
    AmountField,
    LineField,
    PriceField,
    StrictSerializer,
    TextField,
    TimeField,
)

EVIDENCE_LENGTH_MAX = 5_000
DISPUTES_MAX = 200

# --- input ------------------------------------------------------------------------------------


class NewResult(StrictSerializer):
    """What each outcome pays, said in one of four ways; of a scalar market, by its number."""

    payout = serializers.ListField(
        child=PriceField(),
        max_length=OUTCOMES_MAX,
        required=False,
        help_text="A price for each outcome, by index; together exactly 1.",
    )
    yes = PriceField(required=False, help_text="Of a binary market: what YES pays; NO the rest.")
    number = LineField(
        max_length=NUMBER_LENGTH_MAX,
        required=False,
        help_text="Of a scalar market: the number that was observed, as a decimal text.",
    )
    winners = serializers.ListField(
        child=TextField(max_length=32),
        max_length=OUTCOMES_MAX,
        required=False,
        help_text="Codes of outcomes that share 1 credit equally.",
    )
    evidence_text = TextField(max_length=EVIDENCE_LENGTH_MAX, default="", allow_blank=True)
    evidence_url = serializers.URLField(max_length=500, default="", allow_blank=True)


class NewVoid(NeededReason):
    house_cover = AmountField(
        default=0, help_text="The most that the house pays for gains that are gone: confirmed."
    )


class NewDispute(StrictSerializer):
    text = TextField(max_length=EVIDENCE_LENGTH_MAX)


class Verdict(StrictSerializer):
    decision = ChoiceField(choices=Dispute.Decision.choices)
    note = TextField(max_length=REASON_LENGTH_MAX)


# --- output -----------------------------------------------------------------------------------


class ShownDispute(serializers.Serializer):
    by = serializers.CharField(source="raised_by.handle")
    text = serializers.CharField()
    raised_at = TimeField()
    bond = AmountField(source="bond_micros", help_text="What it cost; 0: nothing.")
    bond_fate = serializers.CharField(help_text="held, returned, lost, or empty without a bond.")
    decision = serializers.CharField(help_text="upheld, dismissed, or empty: not decided yet.")
    note = serializers.CharField()
    decided_at = TimeField(allow_null=True)


class ShownStandingResult(ShownResult):
    approved_by = serializers.CharField(source="approved_by.handle", allow_null=True)
    approved_at = TimeField(allow_null=True)
    house_cover = AmountField(
        source="house_cover_micros", allow_null=True, help_text="Confirmed for a void."
    )


class ShownResolution(serializers.Serializer):
    market = serializers.CharField()
    status = serializers.CharField()
    result = ShownStandingResult(allow_null=True)
    disputes = ShownDispute(many=True)


# --- calls ------------------------------------------------------------------------------------


class ResolveView(MarketApiView):
    @extend_schema(
        operation_id="markets_resolve", request=NewResult, parameters=[IDEMPOTENCY_KEY],
        responses=ShownResolution,
    )  # fmt: skip
    def post(self, request: Request, slug: str) -> Response:
        """Propose the result of a closed market, with evidence. Paid after the dispute window."""
        user = _user(request)
        market = get_market(slug, user=user)
        body = self.read_body(NewResult)
        payout_pips, number = read_payout(body, market)

        def effect() -> tuple[int, Any]:
            actions.do_resolve_market(
                market,
                by=user,
                payout_pips=payout_pips,
                number=number,
                evidence_text=body["evidence_text"],
                evidence_url=body["evidence_url"],
            )
            return 200, _show_resolution(slug, user)

        key = request.headers.get("Idempotency-Key")
        account_id = cast("Principal", request.auth).account_id
        said = {**cast("dict[str, Any]", request.data), "market": slug}
        status, answer = run_once(account_id, key, "resolve_market", said, effect)
        return Response(answer, status=status)


class ResolutionView(MarketApiView):
    @extend_schema(operation_id="markets_resolution", responses=ShownResolution)
    def get(self, request: Request, slug: str) -> Response:
        """Show the result that stands, and the disputes about it."""
        return Response(_show_resolution(slug, request.user))


class _ResultView(MarketApiView):
    def act(self, slug: str, do: Callable[..., Any], **what: Any) -> Response:
        user = _user(self.request)
        do(get_market(slug, user=user), by=user, **what)
        return Response(_show_resolution(slug, user))


class DisputeView(_ResultView):
    @extend_schema(
        operation_id="markets_dispute", request=NewDispute, parameters=[IDEMPOTENCY_KEY],
        responses=ShownResolution,
    )  # fmt: skip
    def post(self, request: Request, slug: str) -> Response:
        """Object to a proposed result, as somebody who traded there. It waits for a decision.

        The market's `dispute_bond` is taken from your account: you get it back unless the dispute
        is dismissed.
        """
        user = _user(request)
        market = get_market(slug, user=user)
        text = self.read_body(NewDispute)["text"]
        account_id = cast("Principal", request.auth).account_id

        def effect() -> tuple[int, Any]:
            actions.do_dispute_result(market, by=user, text=text, account_id=account_id)
            return 200, _show_resolution(slug, user)

        key = request.headers.get("Idempotency-Key")
        said = {"text": text, "market": slug}
        status, answer = run_once(account_id, key, "dispute_result", said, effect)
        return Response(answer, status=status)


class VerdictView(_ResultView):
    @extend_schema(operation_id="markets_decide_dispute", request=Verdict,
                   responses=ShownResolution)  # fmt: skip
    def post(self, request: Request, slug: str, handle: str) -> Response:
        """Decide on somebody's dispute. Upheld, the result is withdrawn and the market closed."""
        body = self.read_body(Verdict)
        uphold = body["decision"] == Dispute.Decision.UPHELD
        return self.act(
            slug, actions.do_decide_dispute, raised_by=handle, uphold=uphold, note=body["note"]
        )


class ApproveResultView(_ResultView):
    @extend_schema(operation_id="markets_approve_result", request=OptionalReason,
                   responses=ShownResolution)  # fmt: skip
    def post(self, request: Request, slug: str) -> Response:
        """Confirm a result as the second person that the policy may ask for.

        Where it asks for none, who proposed it may approve it with a reason: it is paid now.
        """
        reason = self.read_body(OptionalReason)["reason"]
        return self.act(slug, actions.do_approve_result, reason=reason)


class PayResultView(_ResultView):
    @extend_schema(operation_id="markets_pay_result", request=NeededReason,
                   responses=ShownResolution)  # fmt: skip
    def post(self, request: Request, slug: str) -> Response:
        """End the time for disputes, as an operator who resolves: the result is paid now."""
        reason = self.read_body(NeededReason)["reason"]
        return self.act(slug, actions.do_pay_result, reason=reason)


class WithdrawResultView(_ResultView):
    @extend_schema(operation_id="markets_withdraw_result", request=NeededReason,
                   responses=ShownResolution)  # fmt: skip
    def post(self, request: Request, slug: str) -> Response:
        """Take back a result of which nothing has been paid."""
        reason = self.read_body(NeededReason)["reason"]
        return self.act(slug, actions.do_withdraw_result, reason=reason)


class VoidView(_ResultView):
    @extend_schema(operation_id="markets_void", request=NewVoid, responses=ShownResolution)
    def post(self, request: Request, slug: str) -> Response:
        """Undo a market: everybody gets back what they paid in, and pays back what they gained.

        Where gains are gone, the house pays: then a 409 `house_cover_needed` names the amount,
        which `house_cover` has to confirm. Asking again changes nothing but that amount.
        """
        body = self.read_body(NewVoid)
        return self.act(
            slug,
            actions.do_void_market,
            reason=body["reason"],
            house_cover_micros=body["house_cover"],
        )


# --- helpers ----------------------------------------------------------------------------------


def _user(request: Request) -> User:
    return cast("User", request.user)  # of a call that needs a scope


def read_payout(body: dict[str, Any], market: Market) -> tuple[list[int], str]:
    """Return what each outcome pays, and the number it follows from, "" if from none."""
    if "number" in body and not {"payout", "yes", "winners"} & body.keys():
        return scalar_payout(market, body["number"]), body["number"]
    return _read_shares(body, market), ""


def _read_shares(body: dict[str, Any], market: Market) -> list[int]:
    given = [name for name in ("payout", "yes", "winners", "number") if name in body]
    if len(given) != 1:
        raise ApiError("payout_unclear", "payout")
    outcomes = list(market.outcomes.all())
    if "payout" in body:
        return list(body["payout"])
    if "winners" in body:
        return equal_payout(
            [_find_index(code, outcomes) for code in body["winners"]],
            outcome_count=len(outcomes),
            withdrawn=find_withdrawn(market),
        )
    if market.kind != Market.Kind.BINARY:
        raise ApiError("market_not_binary", "yes")
    return binary_payout(body["yes"])


def _find_index(code: str, outcomes: list[Any]) -> int:
    for outcome in outcomes:
        if outcome.code == code:
            return int(outcome.index)
    raise ApiError("outcome_unknown.winners")


def _show_resolution(slug: str, user: Any) -> dict[str, Any]:
    market = get_market(slug, user=user)
    result: Resolution | None = find_resolution(market)
    return {
        "market": market.slug,
        "status": market.status,
        "result": None if result is None else ShownStandingResult(result).data,
        "disputes": ShownDispute(list_disputes(market)[:DISPUTES_MAX], many=True).data,
    }
