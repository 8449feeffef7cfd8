"""The pages of this app."""

from django.urls import URLPattern, path

from trading.pages import money, notifications, portfolio, standing_orders, subaccounts, webhooks
from trading.pages.closing import close_in_market, close_in_portfolio, protect
from trading.pages.embed import embed
from trading.pages.exports import export
from trading.pages.history import history
from trading.pages.home import card, home
from trading.pages.leaderboard import leaderboard
from trading.pages.market import market
from trading.pages.own_orders import amend, cancel, cancel_all, own
from trading.pages.place import place, preview
from trading.pages.profile import profile
from trading.pages.results import dispute, propose

urlpatterns: list[URLPattern] = [
    path("", home, name="home"),
    path("markets/<slug:slug>/", market, name="market"),
    path("markets/<slug:slug>/card/", card, name="market_card"),
    path("markets/<slug:slug>/preview/", preview, name="market_preview"),
    path("markets/<slug:slug>/orders/", place, name="market_place"),
    path("markets/<slug:slug>/own/", own, name="market_own"),
    path("markets/<slug:slug>/close/", close_in_market, name="market_close"),
    path("markets/<slug:slug>/protect/", protect, name="market_protect"),
    path("markets/<slug:slug>/orders/cancel-all/", cancel_all, name="market_cancel_all"),
    path("markets/<slug:slug>/orders/<str:order_id>/cancel/", cancel, name="order_cancel"),
    path("markets/<slug:slug>/orders/<str:order_id>/amend/", amend, name="order_amend"),
    path("markets/<slug:slug>/result/", propose, name="market_propose_result"),
    path("markets/<slug:slug>/dispute/", dispute, name="market_dispute"),
    path("markets/<slug:slug>/history/", history, name="market_history"),
    path("embed/<slug:slug>/", embed, name="embed"),
    path("portfolio/", portfolio.portfolio, name="portfolio"),
    path("portfolio/close/", close_in_portfolio, name="portfolio_close"),
    path("portfolio/<slug:name>.csv", export, name="portfolio_export"),
    path("portfolio/orders/", portfolio.orders, name="portfolio_orders"),
    path("portfolio/orders/cancel/", portfolio.cancel_orders, name="cancel_orders"),
    path(
        "portfolio/orders/<str:order_id>/cancel/", portfolio.cancel_order, name="portfolio_cancel"
    ),
    path("portfolio/standing/", standing_orders.standing_orders, name="portfolio_standing"),
    path(
        "portfolio/standing/<str:standing_id>/stop/",
        standing_orders.stop_standing_order,
        name="stop_standing_order",
    ),
    path("portfolio/fills/", portfolio.fills, name="portfolio_fills"),
    path("portfolio/settlements/", portfolio.settlements, name="portfolio_settlements"),
    path("portfolio/transfers/", portfolio.transfers, name="portfolio_transfers"),
    path("portfolio/money/", money.money, name="portfolio_money"),
    path(
        "portfolio/money/withdrawals/<str:request_id>/cancel/",
        money.cancel_request,
        {"kind": "withdrawal"},
        name="cancel_withdrawal",
    ),
    path(
        "portfolio/money/deposits/<str:request_id>/cancel/",
        money.cancel_request,
        {"kind": "deposit"},
        name="cancel_deposit",
    ),
    path("notifications/", notifications.notifications, name="notifications"),
    path("notifications/read/", notifications.read_all, name="notifications_read"),
    path("account/notifications/", notifications.choices, name="notification_settings"),
    path("account/subaccounts/", subaccounts.subaccounts, name="account_subaccounts"),
    path("account/subaccounts/open/", subaccounts.open_subaccount, name="account_open_subaccount"),
    path("account/webhooks/", webhooks.webhooks, name="account_webhooks"),
    path("account/webhooks/<uuid:webhook_id>/", webhooks.webhook, name="account_webhook"),
    path(
        "account/webhooks/<uuid:webhook_id>/change/",
        webhooks.change,
        name="account_webhook_change",
    ),
    path(
        "account/webhooks/<uuid:webhook_id>/<uuid:delivery_id>/redeliver/",
        webhooks.redeliver,
        name="account_webhook_redeliver",
    ),
    path("leaderboard/", leaderboard, name="leaderboard"),
    path("@<slug:handle>/", profile, name="profile"),
]
