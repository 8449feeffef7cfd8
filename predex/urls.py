"""Which view answers which path. The lean lane for orders stands before this, in `asgi.py`."""

from allauth.account.decorators import secure_admin_login
from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from predex import health

# The admin's own log-in form knows neither the second factor nor the rate limit; allauth's does.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

docs = SpectacularSwaggerSplitView.as_view(url_name="schema", permission_classes=[])
allow_inline_styles = csp_update({"style-src": [SELF, UNSAFE_INLINE]})  # Swagger's page has some

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="docs"), name="home"),
    path("health", health.health, name="health"),
    path("ready", health.ready, name="ready"),
    path("api/schema/", SpectacularAPIView.as_view(permission_classes=[]), name="schema"),
    path("api/docs/", allow_inline_styles(docs), name="docs"),
    path("api/v1/", include("accounts.api.urls")),
    path("api/v1/", include("markets.api.urls")),
    path("api/v1/", include("trading.api.urls")),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
]
