"""Standing orders: instructions that an order is filled up again each day."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import ApiView
from accounts.api.schemas import ChoiceField, page_of
from accounts.models import Account
from kernel.errors import not_found
from kernel.ids import check_id
from markets.queries import get_market
from trading import actions
from trading.actions import NewStandingOrder
from trading.feed.reads import read_cards
from trading.models import StandingOrder
from trading.pipeline.instruments import Instrument
from trading.wire.commands import NO
from trading.wire.options import mirror_pips
from trading.wire.render import SIDE_NAMES
from web.fields import (
    AmountField,
    IdField,
    PriceField,
    QuantityField,
    StrictSerializer,
    TextField,
    TimeField,
)
from web.pagination import PageQuery, paginate

NEWEST_FIRST = ["-id"]


class StandingOrderBody(StrictSerializer):
    """`quantity`: so much is to rest; `daily_budget`: what that pays for at the price."""

    market = TextField(max_length=80)
    outcome = TextField(max_length=32, default=None, allow_null=True)
    side = ChoiceField(choices=["buy", "sell"])
    price = PriceField()
    quantity = QuantityField(default=None, allow_null=True)
    daily_budget = AmountField(default=None, allow_null=True)
    until = TimeField(default=None, allow_null=True)


class ShownStandingOrder(serializers.Serializer):
    id = IdField()
    market = serializers.CharField()
    outcome = serializers.CharField()
    side = serializers.CharField(help_text="buy or sell.")
    price = PriceField()
    quantity = QuantityField(allow_null=True)
    daily_budget = AmountField(allow_null=True)
    until = TimeField(allow_null=True)
    status = serializers.CharField(help_text="active or stopped.")
    reason = serializers.CharField(allow_null=True, help_text="Why it was stopped; null before.")
    created_at = TimeField()
    stopped_at = TimeField(allow_null=True)


class StandingOrdersView(ApiView):
    write_scope = "trade"

    @extend_schema(
        operation_id="standing_orders_list",
        parameters=[PageQuery],
        responses=page_of(ShownStandingOrder),
    )
    def get(self, request: Request) -> Response:
        """List own standing orders, newest first, stopped ones too."""
        own = StandingOrder.objects.filter(account=self.principal.account_id)
        page = paginate(own, order=NEWEST_FIRST, **self.read_query(PageQuery))
        cards = read_cards({row.market_id for row in page.rows})
        return Response(page.to_json(lambda row: show_standing_order(row, cards[row.market_id])))

    @extend_schema(
        operation_id="standing_orders_create",
        request=StandingOrderBody,
        responses={201: ShownStandingOrder},
    )
    def post(self, request: Request) -> Response:
        """Let an order be placed now, and filled up again each day."""
        body = self.read_body(StandingOrderBody)
        market = get_market(body["market"], user=self.user)
        asked = NewStandingOrder(
            outcome=body["outcome"],
            side=body["side"],
            price_pips=body["price"],
            quantity_lots=body["quantity"],
            budget_micros=body["daily_budget"],
            until=body["until"],
        )
        account = Account.objects.get(pk=self.principal.account_id)
        standing = actions.do_create_standing_order(account, market, asked)
        return Response(_show_one(standing), status=201)


class StandingOrderView(ApiView):
    write_scope = "trade"

    @extend_schema(operation_id="standing_orders_stop", responses={200: ShownStandingOrder})
    def delete(self, request: Request, standing_id: str) -> Response:
        """Stop a standing order; what rests of it is cancelled."""
        try:
            wanted = check_id(standing_id)
        except ValueError:
            raise not_found("this standing order") from None
        own = StandingOrder.objects.filter(account=self.principal.account_id)
        standing = own.filter(pk=wanted).first()
        if standing is None:
            raise not_found("this standing order")
        actions.do_stop_standing_order(standing)
        standing.refresh_from_db()
        return Response(_show_one(standing))


def _show_one(row: StandingOrder) -> dict[str, Any]:
    return show_standing_order(row, read_cards([row.market_id])[row.market_id])


def show_standing_order(row: StandingOrder, instrument: Instrument) -> dict[str, Any]:
    """Return a standing order as the API shows it."""
    as_no = instrument.names_no(as_no=row.as_no)
    shown = {
        "id": row.pk,
        "market": instrument.slug,
        "outcome": instrument.codes[NO if as_no else row.outcome_index],
        "side": SIDE_NAMES[-row.side if as_no else row.side],
        "price": mirror_pips(row.price_pips, as_no=as_no),
        "quantity": row.quantity_lots,
        "daily_budget": row.budget_micros,
        "until": row.until,
        "status": "active" if row.stopped_at is None else "stopped",
        "reason": row.stop_reason or None,
        "created_at": row.created_at,
        "stopped_at": row.stopped_at,
    }
    return dict(ShownStandingOrder(shown).data)
