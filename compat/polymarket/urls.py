"""The paths under `/poly/`, without the socket, which is in `feed`."""

from django.urls import path, re_path

from compat.polymarket import clob, gamma
from compat.polymarket.base import NothingView, batch, read
from compat.polymarket.clob import CursorQuery, PastIn, PastQuery, PriceQuery, TokenQuery, Tokens

_GAMMA = [
    path("markets", read(gamma.list_markets, gamma.GammaMarketQuery)),
    path("markets/keyset", read(gamma.list_markets_after, gamma.MarketKeysetQuery)),
    path("markets/<int:number>", read(gamma.show_market_by_id)),
    path("markets/slug/<str:slug>", read(gamma.show_market_by_slug)),
    path("events", read(gamma.list_events, gamma.GammaEventQuery)),
    path("events/keyset", read(gamma.list_events_after, gamma.EventKeysetQuery)),
    path("events/<int:number>", read(gamma.show_event_by_id)),
    path("events/slug/<str:slug>", read(gamma.show_event_by_slug)),
    path("tags", read(gamma.list_tags, gamma.TagsQuery)),
    path("tags/<int:number>", read(gamma.show_tag_by_id)),
    path("tags/slug/<str:slug>", read(gamma.show_tag_by_slug)),
    path("public-search", read(gamma.search, gamma.SearchQuery)),
]
_CLOB = [
    path("", read(clob.show_ok)),
    path("ok", read(clob.show_ok)),
    path("time", read(clob.show_time)),
    path("version", read(clob.show_version)),
    path("book", read(clob.show_book, TokenQuery)),
    path("books", batch(clob.show_books, Tokens)),
    path("price", read(clob.show_side, PriceQuery)),
    path("prices", batch(clob.show_sides, Tokens)),
    path("midpoint", read(clob.show_midpoint, TokenQuery)),
    path("midpoints", batch(clob.show_midpoints, Tokens)),
    path("spread", read(clob.show_spread, TokenQuery)),
    path("spreads", batch(clob.show_spreads, Tokens)),
    path("last-trade-price", read(clob.show_last_trade, TokenQuery)),
    path("last-trades-prices", batch(clob.show_last_trades, Tokens)),
    path("tick-size", read(clob.show_tick, TokenQuery)),
    path("neg-risk", read(clob.show_neg_risk, TokenQuery)),
    path("fee-rate", read(clob.show_fee_rate, TokenQuery)),
    path("prices-history", read(clob.show_past, PastQuery)),
    path("batch-prices-history", batch(clob.show_pasts, PastIn)),
    path("markets", read(clob.list_all, CursorQuery)),
    path("sampling-markets", read(clob.list_trading, CursorQuery)),
    path("simplified-markets", read(clob.list_all_simply, CursorQuery)),
    path("sampling-simplified-markets", read(clob.list_trading_simply, CursorQuery)),
    path("markets/<str:condition_id>", read(clob.show_one)),
    path("markets-by-token/<str:token_id>", read(clob.show_condition)),
    path("clob-markets/<str:condition_id>", read(clob.show_terms)),
]
urlpatterns = [
    *(path(f"gamma/{one.pattern}", one.callback) for one in _GAMMA),
    *(path(f"clob/{one.pattern}", one.callback) for one in _CLOB),
    re_path(r"", NothingView.as_view()),
]
