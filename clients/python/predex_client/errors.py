"""What can go wrong, by what a program does about it.

`ApiError` has the API's own fields; its subclasses are one for each kind of status. Codes are
stable and listed in the API's documentation, messages are for people.
"""

from collections.abc import Mapping
from typing import Any

UNKNOWN_OUTCOMES = ("timed_out", "unavailable", "internal_error")


class PredexError(Exception):
    """Whatever this package raises about an exchange."""

    retry_after: float | None = None
    """Seconds after which the exchange asks to try again, if it says so."""


class ApiError(PredexError):
    """The exchange refused a request and changed nothing, but for `OutcomeUnknownError`."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}" + (f" ({field})" if field else ""))
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.request_id = request_id
        self.retry_after = retry_after


class InvalidRequestError(ApiError):
    """400 and the like: the request can't be understood."""


class NotAuthenticatedError(ApiError):
    """401: no key, or one that is wrong, expired or revoked."""


class ForbiddenError(ApiError):
    """403: the account or its key may not do this."""


class NotFoundError(ApiError):
    """404: it does not exist, or is not yours to see."""


class ConflictError(ApiError):
    """409: the state of the market, the order or the account does not allow it."""


class RefusedError(ApiError):
    """422: a rule refuses it, such as the tick, a limit, or the available credits."""


class TooManyRequestsError(ApiError):
    """429: over a limit; `retry_after` says when to try again."""


class UnavailableError(ApiError):
    """503: the exchange can't do it at the moment, and has done nothing."""


class OutcomeUnknownError(ApiError):
    """500, 504, or 503 `unavailable`: it may have been carried out or not."""


class ConnectionLostError(PredexError):
    """No answer came. What was asked for may have been carried out or not."""


class ForgedWebhookError(PredexError):
    """What a webhook received is not signed by the exchange, or not just now."""


class UnexpectedAnswerError(PredexError):
    """What came is no answer of predex: is the address right?"""


UNREADABLE = (ValueError, LookupError, TypeError, ArithmeticError, AttributeError)
"""What reading such an answer raises."""


_KINDS: Mapping[int, type[ApiError]] = {
    401: NotAuthenticatedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    422: RefusedError,
    429: TooManyRequestsError,
    503: UnavailableError,
}


def build_error(status: int, body: Any, retry_after: float | None = None) -> ApiError:
    """Return the exception for an answer; a body that is not the API's gets the code `error`."""
    named = body if isinstance(body, dict) and "code" in body else {}
    code = str(named.get("code", "error"))
    is_unknown = code in UNKNOWN_OUTCOMES or (status >= 500 and status != 503)
    kind = OutcomeUnknownError if is_unknown else _KINDS.get(status, InvalidRequestError)
    return kind(
        status,
        code,
        str(named.get("message", body)),
        field=named.get("field"),
        request_id=named.get("request_id"),
        retry_after=retry_after,
    )
