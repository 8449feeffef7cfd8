"""The URL configuration. The order app for programs comes before it, in `asgi.py`."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.i18n import set_language

from predex import api_pages, health, llms, metrics

handler400 = "accounts.pages.errors.bad_request"
handler403 = "accounts.pages.errors.forbidden"
handler404 = "accounts.pages.errors.not_found"
handler429 = "accounts.pages.errors.too_many"
handler500 = "accounts.pages.errors.server_error"

urlpatterns = [
    path("", include("trading.pages.urls")),
    path("", include("markets.pages.urls")),
    path("", include("accounts.pages.urls")),
    path("language/", set_language, name="set_language"),
    path("health", health.health, name="health"),
    path("ready", health.ready, name="ready"),
    path("metrics", metrics.metrics, name="metrics"),
    path("llms.txt", llms.llms, name="llms"),
    path("docs/<str:name>.md", llms.document, name="document"),
    path("api/docs.md", llms.reference),
    path("api/schema/", api_pages.schema, name="schema"),
    path("api/docs/", api_pages.docs, name="docs"),
    path("api/asyncapi/", api_pages.feed_schema, name="asyncapi"),
    path("api/v1/", include("accounts.api.urls")),
    path("api/v1/", include("markets.api.urls")),
    path("api/v1/", include("trading.api.urls")),
    path("poly/", include("compat.polymarket.urls")),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
]
if settings.SIMULATOR:
    urlpatterns.append(path("simulator/", include("simulator.urls")))
