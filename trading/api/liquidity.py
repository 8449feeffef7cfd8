"""Liquidity of a market's automated maker: any trader may add some."""

from typing import cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.principal import Principal
from accounts.api.schemas import IDEMPOTENCY_KEY
from accounts.idempotency import check_key
from accounts.models import Account
from markets.api.markets import MarketApiView
from markets.queries import get_market
from trading import actions
from web.fields import AmountField, BooleanField, QuantityField, StrictSerializer


class LiquidityChange(StrictSerializer):
    quantity = QuantityField(help_text="By how many contracts the maker's liquidity changes.")
    take_out = BooleanField(
        default=False, help_text="Less instead of more: at most what the account has added."
    )


class ShownLiquidity(serializers.Serializer):
    liquidity = QuantityField(source="b_lots", help_text="The maker's, from now on.")
    paid = AmountField(
        source="amount_micros", help_text="By the account; below 0 what it has got back."
    )


class LiquidityView(MarketApiView):
    @extend_schema(
        operation_id="markets_change_liquidity", request=LiquidityChange,
        parameters=[IDEMPOTENCY_KEY], responses=ShownLiquidity,
    )  # fmt: skip
    def post(self, request: Request, slug: str) -> Response:
        """Add liquidity to the market's maker, or take out what the account has added.

        Prices stay. What is left of it comes back when the market is settled.
        """
        body = self.read_body(LiquidityChange)
        market = get_market(slug, user=request.user)
        key = request.headers.get("Idempotency-Key")
        if key is not None:
            check_key(key)
        account = Account.objects.get(pk=cast("Principal", request.auth).account_id)
        changed = actions.do_change_liquidity(
            market,
            account,
            by_lots=-body["quantity"] if body["take_out"] else body["quantity"],
            key=None if key is None else f"request:{key}",
        )
        return Response(ShownLiquidity(changed).data)
