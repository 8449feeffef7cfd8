"""GET /leaderboard: boards by profit and by equity. Public."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import ApiView
from accounts.api.schemas import ChoiceField
from trading.readmodels.leaderboard import ORDERS, PERIOD_DAYS, get_leaderboard
from web.fields import AmountField, StrictSerializer, TimeField


class LeaderboardQuery(StrictSerializer):
    """`period` in days of UTC, today included: 1, 7, 30, or all since the start."""

    period = ChoiceField(choices=list(PERIOD_DAYS), default="week")
    by = ChoiceField(choices=list(ORDERS), default="profit")


class ShownPlace(serializers.Serializer):
    rank = serializers.IntegerField(help_text="Equal figures share a rank.")
    handle = serializers.CharField(source="user.handle")
    display_name = serializers.CharField(source="user.display_name")
    profit = AmountField(source="profit_micros")
    equity = AmountField(source="equity_micros")


class ShownLeaderboard(serializers.Serializer):
    period = serializers.CharField()
    by = serializers.CharField()
    since = TimeField(allow_null=True, help_text="Null: since the start.")
    as_of = TimeField()
    ranked = serializers.IntegerField(help_text="How many accounts have a place.")
    results = ShownPlace(many=True, source="places")
    me = ShownPlace(
        source="own",
        allow_null=True,
        help_text="Your own place, also below the results; null for strangers and who has none.",
    )


class LeaderboardView(ApiView):
    read_scope = None

    @extend_schema(
        operation_id="leaderboard", parameters=[LeaderboardQuery], responses=ShownLeaderboard
    )
    def get(self, request: Request) -> Response:
        """Show the first 50 places, and your own. They may be half a minute old."""
        query = self.read_query(LeaderboardQuery)
        board = get_leaderboard(query["period"], query["by"], user=request.user)
        return Response(ShownLeaderboard(board).data)
