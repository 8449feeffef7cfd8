"""The admin's appearance for django-unfold: name, colours, sidebar and front page.

What depends on the policy row or on the viewer is a function of the request. Nothing here may
import a model at import time, because the settings import it.
"""

from typing import Any

from django.conf import settings
from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from predex.admin_colours import BASE, FONT, compute_shades
from predex.admin_navigation import build_navigation


class AdminConfig(DjangoAdminConfig):
    """Django's admin with our own site: see `admin_access`."""

    default = False
    default_site = "predex.admin_access.OperatorsSite"


def get_site_name(request: HttpRequest) -> str:
    from accounts.policy import get_policy

    return get_policy().site_name


def get_logo(request: HttpRequest) -> str:
    """Return the URL of the policy's logo, or of the site's own icon."""
    from accounts.policy import get_policy

    return get_policy().logo_url or static("icon.svg")


def get_colours(request: HttpRequest) -> dict[str, dict[str, str]]:
    from accounts.policy import get_policy

    return {"base": BASE, "font": FONT, "primary": compute_shades(get_policy().accent_colour)}


def get_environment(request: HttpRequest) -> list[Any] | None:
    """Return the header's label: why trading is not possible, or that this is no production site.

    None when there is nothing to report.
    """
    from markets.queries import get_exchange

    exchange = get_exchange()
    if exchange.maintenance:
        return [_("Maintenance"), "danger"]
    if exchange.trading_halted:
        return [_("Trading halted"), "danger"]
    if settings.DEBUG:
        return [_("Development"), "warning"]
    return None


def show_dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the context of the admin's front page for this operator."""
    from accounts.admin_base import get_operator
    from trading.readmodels.dashboard import read_dashboard

    return {**context, "dashboard": read_dashboard(get_operator(request))}


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": get_site_name,
    "SITE_HEADER": get_site_name,
    "SITE_SUBHEADER": _("Operators"),
    "SITE_URL": "/",
    "SITE_ICON": get_logo,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("icon.svg")}
    ],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": True,
    "ENVIRONMENT": "predex.admin_site.get_environment",
    "DASHBOARD_CALLBACK": "predex.admin_site.show_dashboard",
    "STYLES": [lambda request: static("css/admin.css")],
    "COLORS": get_colours,
    "BORDER_RADIUS": "6px",
    "SIDEBAR": {"show_search": True, "navigation": build_navigation},
    "ACCOUNT": {
        "navigation": [
            {"title": _("Password"), "link": reverse_lazy("account_change_password")},
            {"title": _("Second factor"), "link": reverse_lazy("mfa_index")},
        ]
    },
}
