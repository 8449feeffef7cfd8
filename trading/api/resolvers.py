"""What resolves a market by itself: named, approved and removed by operators who resolve."""

from typing import Any, cast

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.schemas import ChoiceField
from accounts.models import User
from kernel.errors import ApiError
from markets.api.markets import MarketApiView
from markets.api.schemas import ShownMarket
from markets.models import AutomaticResolver
from markets.queries import get_market
from trading import actions
from trading.api.lifecycle import OptionalReason
from web.fields import IntegerField, StrictSerializer, TextField


class NewResolver(StrictSerializer):
    kind = ChoiceField(choices=AutomaticResolver.Kind.choices)
    url = TextField(max_length=500, default="", allow_blank=True, help_text="Of the JSON: https.")
    value_path = TextField(
        max_length=200, default="", allow_blank=True, help_text="Where it stands: data.0.price"
    )
    comparison = ChoiceField(
        choices=AutomaticResolver.Comparison.choices, default=AutomaticResolver.Comparison.AT_LEAST
    )
    threshold = TextField(max_length=60, default="", allow_blank=True)
    threshold_path = TextField(max_length=200, default="", allow_blank=True)
    time_path = TextField(max_length=200, default="", allow_blank=True)
    source: Any = TextField(
        max_length=80, default="", allow_blank=True, help_text="The slug of the deciding market."
    )
    delay_seconds = IntegerField(default=0)
    patience_seconds = IntegerField(default=3_600)


class _ResolverView(MarketApiView):
    def show(self, slug: str) -> Response:
        return Response(ShownMarket(get_market(slug, user=self.request.user)).data)


class ResolverView(_ResolverView):
    @extend_schema(operation_id="markets_set_resolver", request=NewResolver, responses=ShownMarket)
    def put(self, request: Request, slug: str) -> Response:
        """Let a market be resolved by a published value or by another market's result."""
        user = cast("User", request.user)
        market = get_market(slug, user=user)
        fields: dict[str, Any] = self.read_body(NewResolver)
        source = fields.pop("source")
        if source:
            fields["source"] = get_market(source, user=user)
        actions.do_set_resolver(market, by=user, fields=fields)
        return self.show(slug)

    @extend_schema(operation_id="markets_remove_resolver", responses=ShownMarket)
    def delete(self, request: Request, slug: str) -> Response:
        """Leave the result to people."""
        if request.body:
            raise ApiError("unexpected_body")
        user = cast("User", request.user)
        actions.do_remove_resolver(get_market(slug, user=user), by=user)
        return self.show(slug)


class ApproveResolverView(_ResolverView):
    @extend_schema(
        operation_id="markets_approve_resolver", request=OptionalReason, responses=ShownMarket
    )
    def post(self, request: Request, slug: str) -> Response:
        """Be the second person for all that the resolver will say."""
        user = cast("User", request.user)
        reason = self.read_body(OptionalReason)["reason"]
        actions.do_approve_resolver(get_market(slug, user=user), by=user, reason=reason)
        return self.show(slug)
