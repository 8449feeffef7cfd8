"""This app's API, under /api/v1/. Calls that change a live market are in trading's."""

from django.urls import path

from markets.api import catalogue, markets

# Any text matches as a slug, so that an invalid one gets the same answer as an unknown one.
urlpatterns = [
    path("markets", markets.MarketsView.as_view()),
    path("market-groups", markets.MarketGroupsView.as_view()),
    path("markets/<str:slug>", markets.MarketView.as_view()),
    path("markets/<str:slug>/outcomes", markets.OutcomesView.as_view()),
    path("markets/<str:slug>/propose", markets.ProposeView.as_view()),
    path("markets/<str:slug>/approve", markets.ApproveView.as_view()),
    path("markets/<str:slug>/reject", markets.RejectView.as_view()),
    path("markets/<str:slug>/clone", markets.CloneView.as_view()),
    path("markets/<str:slug>/clarifications", markets.ClarificationsView.as_view()),
    path("markets/<str:slug>/history", markets.HistoryView.as_view()),
    path("categories", catalogue.CategoriesView.as_view()),
    path("tags", catalogue.TagsView.as_view()),
    path("series", catalogue.SeriesView.as_view()),
    path("events", catalogue.EventsView.as_view()),
]
