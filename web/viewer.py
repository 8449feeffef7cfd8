"""The viewer's time zone and language, active for one request.

Both come from cookies, because they belong to the browser and not to the user; the site's script
sets `tz` to the browser's zone. The defaults are UTC and the site's language.
"""

from collections.abc import Callable
from functools import lru_cache
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils import timezone, translation

from web.request_context import API_PREFIXES

ZONE_COOKIE = "tz"
THEME_COOKIE = "theme"
THEMES = ("light", "dark")
ZONE_LENGTH_MAX = 64


class ViewerLanguage(LocaleMiddleware):
    """Pages use the viewer's language; the API always uses the same one."""

    def process_request(self, request: HttpRequest) -> None:
        if request.path_info.startswith(API_PREFIXES):
            translation.activate(settings.LANGUAGE_CODE)  # not that of the previous request
        else:
            super().process_request(request)

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if request.path_info.startswith(API_PREFIXES):
            return response
        return super().process_response(request, response)


class ViewerZone:
    """Times on pages are in the zone that the browser named."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with timezone.override(find_zone(request.COOKIES.get(ZONE_COOKIE, ""))):
            return self.get_response(request)


@lru_cache(maxsize=1_000)
def find_zone(name: str) -> ZoneInfo:
    """Return the zone of this IANA name, or UTC."""
    if len(name) > ZONE_LENGTH_MAX:
        return ZoneInfo("UTC")
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, not a zone, or a path outside the database
        return ZoneInfo("UTC")


def find_theme(request: HttpRequest) -> str:
    """Return "light" or "dark", or "" for the system's preference."""
    theme = request.COOKIES.get(THEME_COOKIE, "")
    return theme if theme in THEMES else ""
