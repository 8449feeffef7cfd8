"""This app's API, under /api/v1/. `predex.order_app` also serves `operations.OPERATIONS`."""

from django.urls import path

from trading.api import (
    leaderboard,
    lifecycle,
    liquidity,
    market_views,
    openapi,
    order_views,
    own,
    panels,
    resolvers,
    results,
)

__all__ = ["openapi", "urlpatterns"]  # imported for its side effect

urlpatterns = [
    path("orders", order_views.OrdersView.as_view()),
    path("orders/batch", order_views.BatchView.as_view()),
    path("orders/preview", order_views.PreviewView.as_view()),
    path("orders/by-client-id/<path:client_order_id>", own.OrderByClientIdView.as_view()),
    path("orders/<str:order_id>", order_views.OrderView.as_view()),
    path("fills", own.FillsView.as_view()),
    path("positions", own.PositionsView.as_view()),
    path("positions/close", order_views.ClosePositionsView.as_view()),
    path("positions/protect", order_views.ProtectPositionView.as_view()),
    path("portfolio", own.PortfolioView.as_view()),
    path("leaderboard", leaderboard.LeaderboardView.as_view()),
    path("tickers", order_views.TickersView.as_view()),
    path("markets/<str:slug>/book", order_views.BookView.as_view()),
    path("markets/<str:slug>/trades", market_views.TradesView.as_view()),
    path("markets/<str:slug>/candles", market_views.CandlesView.as_view()),
    path("markets/<str:slug>/prices", market_views.PricesView.as_view()),
    path("markets/<str:slug>/open", lifecycle.OpenView.as_view()),
    path("markets/<str:slug>/approve-and-open", lifecycle.ApproveAndOpenView.as_view()),
    path("markets/<str:slug>/halt", lifecycle.HaltView.as_view()),
    path("markets/<str:slug>/resume", lifecycle.ResumeView.as_view()),
    path("markets/<str:slug>/close", lifecycle.CloseView.as_view()),
    path("markets/<str:slug>/close-time", lifecycle.CloseTimeView.as_view()),
    path("markets/<str:slug>/tick", lifecycle.TickView.as_view()),
    path("markets/<str:slug>/liquidity", liquidity.LiquidityView.as_view()),
    path("markets/<str:slug>/resolver", resolvers.ResolverView.as_view()),
    path("markets/<str:slug>/resolver/approve", resolvers.ApproveResolverView.as_view()),
    path("markets/<str:slug>/panel", panels.PanelView.as_view()),
    path("markets/<str:slug>/panel/verdict", panels.PanelVerdictView.as_view()),
    path("markets/<str:slug>/resolve", results.ResolveView.as_view()),
    path("markets/<str:slug>/resolution", results.ResolutionView.as_view()),
    path("markets/<str:slug>/resolution/approve", results.ApproveResultView.as_view()),
    path("markets/<str:slug>/resolution/pay", results.PayResultView.as_view()),
    path("markets/<str:slug>/resolution/withdraw", results.WithdrawResultView.as_view()),
    path("markets/<str:slug>/dispute", results.DisputeView.as_view()),
    path("markets/<str:slug>/disputes/<handle:handle>", results.VerdictView.as_view()),
    path("markets/<str:slug>/void", results.VoidView.as_view()),
    path("exchange", lifecycle.ExchangeView.as_view()),
    path("operator/users/<handle:handle>/cancel-orders", lifecycle.CancelOrdersView.as_view()),
]
