"""Every error of the API as `{"code", "message", "field", "request_id"}`, never a page or a trace.

`answer_exception` is DRF's exception handler; the order app uses `error_body` with the same errors.
Codes are promises (see docs/api.md); messages are for people.
"""

from typing import Any

import msgspec
import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpResponse
from rest_framework import exceptions, status
from rest_framework.response import Response

from kernel.database import DATABASE_AWAY
from kernel.errors import ApiError, AuthError, RefusedError, not_found, too_many_requests

log = structlog.get_logger(__name__)

# What Django or a server answers by itself, as a page.
PAGE_ERRORS = {
    400: ("bad_request", "this request cannot be understood"),
    401: ("not_authenticated", "log in, or send an API key or a token"),
    403: ("forbidden", "this is not allowed"),
    404: ("not_found", "this was not found"),
    405: ("method_not_allowed", "this method is not allowed here"),
    413: ("body_too_large", "this body is too large"),
    415: ("wrong_content_type", "send JSON with Content-Type: application/json"),
    429: ("too_many_requests", "too many requests: try again later"),
    500: ("internal_error", "this failed on our side; the request id helps us to find out why"),
    503: ("unavailable", "this is not available now: try again"),
}
# DRF's codes of field errors -> ours, where theirs say less.
FIELD_CODES = {
    "required": "missing_field",
    "null": "wrong_type",
    "not_a_list": "wrong_type",
    "not_a_dict": "wrong_type",
    "invalid": "invalid_value",
    "blank": "blank",
    "empty": "blank",
    "max_length": "too_long",
    "min_length": "too_short",
    "max_value": "too_large",
    "min_value": "too_small",
    "max_string_length": "too_long",
    "null_characters_not_allowed": "invalid_value",
    "surrogate_characters_not_allowed": "invalid_value",
}


def error_body(error: ApiError, request_id: str) -> dict[str, str | None]:
    return {
        "code": error.code,
        "message": error.message,
        "field": error.field,
        "request_id": request_id,
    }


def error_response(error: ApiError, request_id: str) -> HttpResponse:
    """The error as a plain Django response, for what fails outside DRF's views."""
    return HttpResponse(
        msgspec.json.encode(error_body(error, request_id)),
        status=error.status,
        content_type="application/json",
        headers=error.headers,
    )


def answer_exception(exception: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER. None (a bug of ours) goes on to Django, which logs it."""
    error = find_error(exception)
    if error is None:
        return None
    request = context["request"]
    started = getattr(request, "context", None)
    if started is not None:
        started.code = error.code
    body = error_body(error, getattr(request, "request_id", ""))
    return Response(body, status=error.status, headers=error.headers)


def find_error(exception: Exception) -> ApiError | None:
    """Return what an expected exception means to the caller; None for an unexpected one."""
    if isinstance(exception, ApiError):
        return exception
    if isinstance(exception, Http404):
        return not_found()
    if isinstance(exception, DATABASE_AWAY):
        return _database_away(exception)
    if isinstance(exception, RequestDataTooBig):
        return _page_error(413)
    if isinstance(exception, SuspiciousOperation):
        return _page_error(400)
    if isinstance(exception, PermissionDenied):
        return _page_error(403)
    if isinstance(exception, exceptions.APIException):
        return _find_rest_error(exception)
    return None


def _find_rest_error(exception: exceptions.APIException) -> ApiError:
    if isinstance(exception, exceptions.ValidationError):
        return _find_field_error(exception.detail)
    if isinstance(exception, exceptions.NotAuthenticated):
        return AuthError("not_authenticated", PAGE_ERRORS[401][1])
    if isinstance(exception, exceptions.Throttled):
        return too_many_requests(getattr(exception, "wait", None) or 1)
    if isinstance(exception, exceptions.PermissionDenied) and "CSRF" in str(exception.detail):
        return AuthError("csrf_failed", str(exception.detail), status=status.HTTP_403_FORBIDDEN)
    if isinstance(exception, exceptions.ParseError):
        return ApiError(400, "bad_json", str(exception.detail))
    return _page_error(exception.status_code)


def _find_field_error(detail: Any, path: tuple[str, ...] = ()) -> ApiError:
    """Return the first error in a serializer's nested `detail`, with its path as the field."""
    if isinstance(detail, dict):
        name, inner = next(iter(detail.items()))
        deeper = path if name == "non_field_errors" else (*path, str(name))
        return _find_field_error(inner, deeper)
    if isinstance(detail, list) and detail:
        index = next((i for i, item in enumerate(detail) if item), 0)
        nested = isinstance(detail[index], dict | list)
        return _find_field_error(detail[index], (*path, str(index)) if nested else path)
    code = FIELD_CODES.get(getattr(detail, "code", ""), getattr(detail, "code", "invalid_value"))
    return ApiError(400, code, str(detail), ".".join(path) or None)


def _page_error(status_code: int) -> ApiError:
    code, message = PAGE_ERRORS.get(status_code, ("bad_request", "this request was refused"))
    return ApiError(status_code, code, message)


def _database_away(exception: Exception) -> ApiError:
    log.error("database_away", fault=str(exception))
    return ApiError(
        503,
        "unavailable",
        "the database is away, so the outcome may be unknown: send it again under the same key",
        headers={"Retry-After": "1"},
    )


__all__ = [
    "ApiError",
    "AuthError",
    "RefusedError",
    "answer_exception",
    "error_body",
    "error_response",
    "find_error",
]
