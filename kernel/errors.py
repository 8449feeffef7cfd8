"""The exceptions for refusals: each names its code, and `kernel.error_codes` has the rest.

The API renders them as `{"code", "message", "field", "request_id"}`; pages show what `describe`
returns.
"""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from kernel.error_codes import ERROR_CODES


class ApiError(Exception):
    """`detail` extends the code's API text with specifics; `values` are put into the texts."""

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
    """A rule of the exchange refuses the request; nothing has changed."""


class AuthError(ApiError):
    """The caller is not authenticated (401) or lacks permission (403)."""


def not_found(what: str = "this") -> ApiError:
    """The same answer for unknown, foreign and invisible objects, so that none can be probed."""
    return ApiError("not_found", what=what)


def too_many_requests(retry_after_seconds: float) -> ApiError:
    seconds = max(1, -int(-retry_after_seconds // 1))
    return ApiError("too_many_requests", retry_after_seconds=seconds, seconds=seconds)


def describe(error: ApiError, case: str = "", **values: Any) -> str:
    """Return the page's text for it in the viewer's language: a sentence with its full stop."""
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
