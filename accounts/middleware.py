"""Middleware: request id, host, body length, CORS, log line, limits on log-in forms.

Errors under /api/ are JSON of one shape, even those that Django itself would render as a page.
Nothing here reads the database, so under ASGI it runs on the event loop. The page for too many
attempts does read it: `PageErrors`, an inner middleware, shows it instead of calling the view.
"""

import re
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

import structlog
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from accounts.api.admission import admit_sync
from accounts.api.permissions import get_address
from accounts.second_factor import browser_may_operate
from kernel.errors import ApiError
from web import limits, request_context
from web.errors import error_response, find_page_error

_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
# The form's page, the attempt's kind, and the form's field that names the account.
_FORMS = [
    ("account_login", "log_in", "login"),
    ("admin:login", "log_in", "username"),
    ("account_signup", "sign_up", ""),
    ("account_reset_password", "password_reset", "email"),
    ("mfa_authenticate", "log_in", ""),
    ("setup", "log_in", ""),
]


class SessionUser(AuthenticationMiddleware):
    """Django's, with a user that knows whether this session may act as an operator."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        user = request.user
        request.user = SimpleLazyObject(lambda: _mark(request, user))  # type: ignore[assignment]


def _mark(request: HttpRequest, user: Any) -> Any:
    if user.is_authenticated:
        user.may_operate = browser_may_operate(request, user)
    return user


class RequestMiddleware:
    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self.__acall__(request)
        context, headers = _start(request)
        with structlog.contextvars.bound_contextvars(request_id=context.request_id):
            try:
                response = _answer_early(context, headers)
                if response is None:
                    _check_attempts(context, request)
                    response = self.get_response(request)
            except ApiError as error:
                response = _refuse(context, error)
            return _finish(context, request, response)

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        context, headers = _start(request)
        with structlog.contextvars.bound_contextvars(request_id=context.request_id):
            try:
                response = _answer_early(context, headers)
                if response is None:
                    await _acheck_attempts(context, request)
                    response = await self.get_response(request)
            except ApiError as error:
                response = _refuse(context, error)
            return _finish(context, request, response)


class AnonymousRateLimit:
    """Counts anonymous page views of an address together with its API reads."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not _is_anonymous_page(request):
            return self.get_response(request)
        try:
            admit_sync(None, "read", address=get_address(request))
        except ApiError as error:
            _note_refusal(request.context, request, error)  # type: ignore[attr-defined]
        return self.get_response(request)


def _is_anonymous_page(request: HttpRequest) -> bool:
    if request.path in request_context.PROBES or request.path.startswith(
        request_context.API_PREFIXES
    ):
        return False
    # Without the cookie the session is not accessed, so that such a page stays cacheable.
    return settings.SESSION_COOKIE_NAME not in request.COOKIES or not request.user.is_authenticated


def _start(request: HttpRequest) -> tuple[request_context.RequestContext, dict[str, str]]:
    headers = {name.lower(): value for name, value in request.headers.items()}
    headers.setdefault("host", request.META.get("SERVER_NAME", ""))
    peer = request.META.get("REMOTE_ADDR", "")
    context = request_context.start_request(request.method or "", request.path, headers, peer)
    if not request_context.is_trusted_proxy(peer):
        for name in [name for name in request.META if name.startswith("HTTP_X_FORWARDED_")]:
            del request.META[name]
    request.META["REMOTE_ADDR"] = context.address
    request.context = context  # type: ignore[attr-defined]
    request.request_id = context.request_id  # type: ignore[attr-defined]
    return context, headers


def _answer_early(
    context: request_context.RequestContext, headers: dict[str, str]
) -> HttpResponse | None:
    request_context.check_request(headers)
    preflight = request_context.answer_preflight(context, headers)
    return None if preflight is None else HttpResponse(status=204, headers=dict(preflight))


def _finish(
    context: request_context.RequestContext, request: HttpRequest, response: HttpResponseBase
) -> HttpResponseBase:
    context.route = _find_route(request)
    if _is_page_error(context, response):
        response = _replace_page(context, response)
    for name, value in request_context.finish_request(context, response.status_code):
        if name == "Vary" and response.has_header("Vary"):
            value = f"{response['Vary']}, {value}"
        response[name] = value
    return response


def _find_route(request: HttpRequest) -> str:
    """Return the pattern of the request's path; one name for all that have none."""
    if request.resolver_match is not None:
        return _show_route(request.resolver_match.route)
    return "/static" if request.path.startswith(settings.STATIC_URL) else "other"


@lru_cache(maxsize=1024)
def _show_route(route: str) -> str:
    return "/" + _PARAMETER.sub(r"{\1}", route)


def _check_attempts(context: request_context.RequestContext, request: HttpRequest) -> None:
    try:
        for action, account in _find_attempts(request):
            limits.check_attempt(action, address=context.address, account=account)
    except ApiError as error:
        _note_refusal(context, request, error)


async def _acheck_attempts(context: request_context.RequestContext, request: HttpRequest) -> None:
    try:
        for action, account in _find_attempts(request):
            await limits.acheck_attempt(action, address=context.address, account=account)
    except ApiError as error:
        _note_refusal(context, request, error)


def _note_refusal(
    context: request_context.RequestContext, request: HttpRequest, error: ApiError
) -> None:
    context.code = error.code
    request.refusal = error  # type: ignore[attr-defined]


def _refuse(context: request_context.RequestContext, error: ApiError) -> HttpResponse:
    context.code = error.code
    if context.path.startswith(request_context.API_PREFIXES):
        return error_response(error, context.request_id)
    return HttpResponse(
        f"{error.message}\n",
        status=error.status,
        content_type="text/plain; charset=utf-8",
        headers=error.headers,
    )


def _is_page_error(context: request_context.RequestContext, response: HttpResponseBase) -> bool:
    return (
        response.status_code >= 400
        and context.path.startswith(request_context.API_PREFIXES)
        and "json" not in response.get("Content-Type", "")
    )


def _replace_page(context: request_context.RequestContext, page: HttpResponseBase) -> HttpResponse:
    error = find_page_error(page.status_code)
    context.code = error.code
    response = error_response(error, context.request_id)
    for name in ("Allow", "Retry-After"):
        if page.has_header(name):
            response[name] = page[name]
    return response


def _find_attempts(request: HttpRequest) -> list[tuple[str, str]]:
    form = _forms().get(request.path) if request.method == "POST" else None
    if form is None:
        return []
    action, field = form
    return [(action, request.POST.get(field, "") if field else "")]


@lru_cache(maxsize=1)
def _forms() -> dict[str, tuple[str, str]]:
    return {reverse(name): (action, field) for name, action, field in _FORMS}
