"""Every API error as `{"code", "message", "field", "request_id"}`, never a page or a traceback.

`answer_exception` is DRF's exception handler; the order app uses `error_body` with the same errors.
Codes are stable (see docs/api.md); messages are for people.
"""

from typing import Any

import msgspec
import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpResponse
from rest_framework import exceptions
from rest_framework.response import Response

from kernel.database import DATABASE_AWAY
from kernel.errors import ApiError, AuthError, not_found, too_many_requests

log = structlog.get_logger(__name__)

# Codes for the errors that Django or a server would answer with a page of its own.
PAGE_ERRORS = {
    401: "not_authenticated",
    403: "forbidden",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "wrong_content_type",
    500: "internal_error",
    503: "unavailable",
}
# DRF's codes of field errors -> ours, where theirs are less specific.
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
    """The error as a plain Django response, for failures outside DRF's views."""
    return HttpResponse(
        msgspec.json.encode(error_body(error, request_id)),
        status=error.status,
        content_type="application/json",
        headers=error.headers,
    )


def answer_exception(exception: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER. None (a bug) is left to Django, which logs it."""
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
    """Return the ApiError of an expected exception; None for an unexpected one."""
    if isinstance(exception, ApiError):
        return exception
    if isinstance(exception, Http404):
        return not_found()
    if isinstance(exception, DATABASE_AWAY):
        return _database_away(exception)
    if isinstance(exception, RequestDataTooBig):
        return find_page_error(413)
    if isinstance(exception, SuspiciousOperation):
        return find_page_error(400)
    if isinstance(exception, PermissionDenied):
        return find_page_error(403)
    if isinstance(exception, exceptions.APIException):
        return _find_rest_error(exception)
    return None


def _find_rest_error(exception: exceptions.APIException) -> ApiError:
    if isinstance(exception, exceptions.ValidationError):
        return _find_field_error(exception.detail)
    if isinstance(exception, exceptions.NotAuthenticated):
        return AuthError("not_authenticated")
    if isinstance(exception, exceptions.Throttled):
        return too_many_requests(getattr(exception, "wait", None) or 1)
    if isinstance(exception, exceptions.PermissionDenied) and "CSRF" in str(exception.detail):
        return AuthError("csrf_failed", detail=str(exception.detail))
    if isinstance(exception, exceptions.ParseError):
        return ApiError("bad_json", detail=str(exception.detail))
    return find_page_error(exception.status_code)


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
    code = getattr(detail, "code", "invalid")
    return ApiError(FIELD_CODES.get(code, code), ".".join(path) or None, detail=str(detail))


def find_page_error(status: int) -> ApiError:
    if status == 404:
        return not_found()
    if status == 429:
        return too_many_requests(1)
    error = ApiError(PAGE_ERRORS.get(status, "bad_request"))
    error.status = status
    return error


def _database_away(exception: Exception) -> ApiError:
    log.error("database_away", fault=str(exception))
    detail = "the database is away, so the outcome may be unknown: send it again under the same key"
    return ApiError("unavailable", detail=detail, retry_after_seconds=1)
