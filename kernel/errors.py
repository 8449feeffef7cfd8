"""What is refused, as one exception: an HTTP status, a stable code, a sentence, the field at fault.

The API answers it as `{"code", "message", "field", "request_id"}`; codes are promises, messages
are not.
"""

from collections.abc import Mapping


class ApiError(Exception):
    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.headers = dict(headers or {})


class RefusedError(ApiError):
    """A rule of the exchange says no (422 unless told otherwise): nothing has changed."""

    def __init__(
        self, code: str, message: str, field: str | None = None, *, status: int = 422
    ) -> None:
        super().__init__(status, code, message, field)


class AuthError(ApiError):
    """Who asks is unknown (401), or may not ask this (403)."""

    def __init__(self, code: str, message: str, *, status: int = 401) -> None:
        headers = {"WWW-Authenticate": 'Bearer realm="predex"'} if status == 401 else {}
        super().__init__(status, code, message, headers=headers)


def not_found(what: str = "this") -> ApiError:
    """Unknown, foreign and invisible things are answered alike."""
    return ApiError(404, "not_found", f"{what} was not found")


def too_many_requests(retry_after_seconds: float) -> ApiError:
    seconds = max(1, -int(-retry_after_seconds // 1))
    return ApiError(
        429,
        "too_many_requests",
        f"too many requests: try again in {seconds} s",
        headers={"Retry-After": str(seconds)},
    )
