"""Panels: appointed and dismissed by operators who resolve; judges give their verdicts."""

from typing import Any, cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from kernel.errors import ApiError
from markets.api.markets import MarketApiView
from markets.api.schemas import ReferenceField, ShownMarket
from markets.models import JUDGES_MAX
from markets.queries import get_market
from trading import actions
from trading.api.results import NewResult, read_payout
from web.fields import IntegerField, StrictSerializer


class NewPanel(StrictSerializer):
    judges = serializers.ListField(child=ReferenceField(User, "handle"), max_length=JUDGES_MAX)
    verdicts_needed = IntegerField()


class _PanelView(MarketApiView):
    def act(self, slug: str, do: Any, **what: Any) -> Response:
        user = cast("User", self.request.user)
        do(get_market(slug, user=user), by=user, **what)
        return Response(ShownMarket(get_market(slug, user=user)).data)


class PanelView(_PanelView):
    @extend_schema(operation_id="markets_set_panel", request=NewPanel, responses=ShownMarket)
    def put(self, request: Request, slug: str) -> Response:
        """Let judges decide: what so many of them say alike is proposed."""
        return self.act(slug, actions.do_set_panel, **self.read_body(NewPanel))

    @extend_schema(operation_id="markets_remove_panel", responses=ShownMarket)
    def delete(self, request: Request, slug: str) -> Response:
        """Leave the result to one person again."""
        if request.body:
            raise ApiError("unexpected_body")
        return self.act(slug, actions.do_remove_panel)


class PanelVerdictView(_PanelView):
    @extend_schema(operation_id="markets_give_verdict", request=NewResult, responses=ShownMarket)
    def post(self, request: Request, slug: str) -> Response:
        """Say as a judge what each outcome pays, with evidence; again, to change it."""
        body = self.read_body(NewResult)
        payout_pips, number = read_payout(body, get_market(slug, user=request.user))
        said = {name: body[name] for name in ("evidence_text", "evidence_url")}
        return self.act(
            slug, actions.do_give_verdict, payout_pips=payout_pips, number=number, **said
        )
