"""What is refused, as one exception that names its code; `kernel.error_codes` says the rest.

The API answers it as `{"code", "message", "field", "request_id"}`; pages say what
`describe` returns.
"""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from kernel.error_codes import ERROR_CODES


class ApiError(Exception):
    """`detail` is for what the API's text of the code cannot know; `values` are put into texts."""

    def __init__(
        self,
        code: str,
        field: str | None = None,
        *,
        detail: str = "",
        retry_after_seconds: float | None = None,
        **values: Any,
    ) -> None:
        found = ERROR_CODES[code]
        self.code = code.partition(".")[0]
        self.status = found.status
        self.field = field or found.field
        self.page_text = found.page_text
        self.values = values
        self.message = detail or str(found.message or found.page_text).format(**values)
        self.headers: dict[str, str] = {}
        if retry_after_seconds is not None:
            self.headers["Retry-After"] = str(max(1, -int(-retry_after_seconds // 1)))
        if self.status == 401:
            self.headers["WWW-Authenticate"] = 'Bearer realm="predex"'
        super().__init__(self.message)


class RefusedError(ApiError):
    """A rule of the exchange says no: nothing has changed."""


class AuthError(ApiError):
    """Who asks is unknown (401), or may not ask this (403)."""


def not_found(what: str = "this") -> ApiError:
    """Unknown, foreign and invisible things are answered alike."""
    return ApiError("not_found", what=what)


def too_many_requests(retry_after_seconds: float) -> ApiError:
    seconds = max(1, -int(-retry_after_seconds // 1))
    return ApiError("too_many_requests", retry_after_seconds=seconds, seconds=seconds)


def describe(error: ApiError, case: str = "", **values: Any) -> str:
    """Return what a page says of it, in the viewer's language: a sentence with its full stop."""
    if error.code == "too_many_requests":
        return f"{_('Too many requests')}. {describe_wait(error)}."
    found = ERROR_CODES.get(f"{error.code}.{case}")
    text = (found.page_text if found else error.page_text) or ERROR_CODES["unavailable"].page_text
    return str(text).format(**error.values | values)


def describe_wait(error: ApiError) -> str:
    """Return when to try again, without a full stop."""
    seconds = int(error.headers.get("Retry-After", 1))
    text = ngettext("Try again in %(seconds)d second", "Try again in %(seconds)d seconds", seconds)
    return text % {"seconds": seconds}
