"""Error pages for the same errors that the API answers as JSON."""

import sys
from collections.abc import Callable, Mapping

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import get_template
from django.utils.translation import gettext as _

from kernel.database import DATABASE_AWAY
from kernel.errors import ApiError, describe, describe_wait
from web.request_context import API_PREFIXES

log = structlog.get_logger(__name__)

NOT_FOUND = 404


class PageErrors:
    """Renders an ApiError raised by a page view as an error page with its status.

    So is the middleware's refusal after too many attempts (`request.refusal`), without a view.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        refusal: ApiError | None = getattr(request, "refusal", None)
        if refusal is not None:
            return _show_refusal(request, refusal)
        response = self.get_response(request)
        is_developers_page = response.status_code == NOT_FOUND and not hasattr(response, "shown")
        if settings.DEBUG and is_developers_page and not request.path.startswith(API_PREFIXES):
            return show_error(request, NOT_FOUND)  # `make run` shows the pages of production
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if request.path.startswith(API_PREFIXES):
            return None
        if isinstance(error, DATABASE_AWAY):
            return _show_away(request, error)
        if not isinstance(error, ApiError):
            return None
        if error.code == "too_many_requests":
            return _show_refusal(request, error)
        message = "" if error.status == NOT_FOUND else describe(error).removesuffix(".")
        return show_error(request, error.status, message, headers=error.headers)


def _show_refusal(request: HttpRequest, refusal: ApiError) -> HttpResponse:
    return show_error(request, refusal.status, describe_wait(refusal), headers=refusal.headers)


def show_error(
    request: HttpRequest,
    status: int,
    message: str = "",
    *,
    heading: str = "",
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Render the page of this status; `message` is one sentence without its full stop.

    `heading` replaces the status' default one.
    """
    context = {"status": status, "message": message, "heading": heading}
    response = render(request, "error.html", context, status=status)
    for name, value in (headers or {}).items():
        response[name] = value
    response.shown = True  # type: ignore[attr-defined]
    return response


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return show_error(request, NOT_FOUND)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return show_error(request, 403)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return show_error(request, 400)


def too_many(request: HttpRequest) -> HttpResponse:
    """The page that allauth shows when its own limits are exceeded."""
    return show_error(request, 429)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    message = _("This form was open for too long, or cookies are off: go back and send it again")
    return show_error(request, 403, message)


def server_error(request: HttpRequest) -> HttpResponse:
    """Handler of 500, and of database failures outside of views."""
    error = sys.exc_info()[1]
    if isinstance(error, DATABASE_AWAY):
        return _show_away(request, error)
    return _show_plain(request, 500)


def _show_away(request: HttpRequest, error: BaseException) -> HttpResponse:
    log.error("database_away", fault=str(error))
    response = _show_plain(request, 503)
    response["Retry-After"] = "1"
    return response


def _show_plain(request: HttpRequest, status: int) -> HttpResponse:
    """Render a page without the database or the request's user, as either may have failed."""
    context = {"request_id": getattr(request, "request_id", ""), "status": status}
    return HttpResponse(get_template("500.html").render(context), status=status)
