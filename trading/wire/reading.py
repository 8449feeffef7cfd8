"""From a request's bytes to schema structs, exact numbers and times; a 400 that names the field.

msgspec says what is wrong in words only; `_FAULTS` turns them into the API's stable codes.
"""

import re
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec
from rest_framework.serializers import ValidationError

from kernel.clock import from_datetime
from kernel.errors import ApiError, not_found
from kernel.ids import check_id
from kernel.units import UnitError
from trading.wire.fields import ABSENT, CLIENT_ORDER_ID_PATTERN
from web.fields import TimeField

FIELD_LENGTH_MAX = 60
IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,64}", re.ASCII)

# Without its ends: fullmatch is used, because Python's "$" lets a line break pass.
_CLIENT_ORDER_ID = re.compile(CLIENT_ORDER_ID_PATTERN.strip("^$"), re.ASCII)
_FAULTS = (
    (re.compile(r"Object missing required field `(?P<field>.*)`"), "missing_field",
     "this field is needed"),
    (re.compile(r"Object contains unknown field `(?P<field>.*)`"), "unknown_field",
     "this field is unknown"),
    (re.compile(r"Invalid enum value (?P<value>.*)"), "invalid_choice",
     "this is not a choice here"),
    (re.compile(r"Expected `(str|array)` of length >= .*"), "too_short", "this is too short"),
    (re.compile(r"Expected `(str|array)` of length <= .*"), "too_long", "this is too long"),
    (re.compile(r"Expected .*"), "wrong_type", "this is of a wrong type"),
)  # fmt: skip
_LIMIT = re.compile(r"[0-9]{1,9}", re.ASCII)
_TIMES = TimeField()
_PATH = re.compile(r"(?P<fault>.*?)(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)

_INDEX = re.compile(r"\[([0-9]+)\]")

Struct = TypeVar("Struct")


def decode(decoder: "msgspec.json.Decoder[Struct]", body: bytes | msgspec.Raw) -> Struct:
    """Return the body as a struct, or raise ApiError (400) saying which field is wrong."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as fault:
        raise _explain(str(fault)) from None
    # ValueError: bad UTF-8; RecursionError: nested too deeply.
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise ApiError(400, "bad_json", "the body is no valid JSON") from None


def read_units(parse: Callable[[msgspec.Raw], int], raw: msgspec.Raw, field: str) -> int | None:
    """Return a number in its unit, None where it is absent or null."""
    if bytes(raw) == ABSENT:
        return None
    try:
        return parse(raw)
    except UnitError as fault:
        raise ApiError(400, fault.code, fault.message, field) from None


def read_time_us(text: str | None, field: str) -> int | None:
    """Return UTC microseconds of an ISO 8601 text with a time zone."""
    if text is None:
        return None
    try:
        return from_datetime(_TIMES.to_internal_value(text))
    except ValidationError:
        message = "send a time like 2026-07-01T12:00:00Z"
        raise ApiError(400, "invalid_time", message, field) from None


def read_client_order_id(text: str | None) -> str | None:
    if text is None or _CLIENT_ORDER_ID.fullmatch(text):
        return text
    raise ApiError(
        400,
        "bad_client_order_id",
        "a client order id has 1 to 64 printable ASCII characters",
        "client_order_id",
    )


def read_order_id(text: str) -> str:
    """Return the id as 32 hex digits; what is no id is an order that was not found."""
    try:
        return check_id(text)
    except ValueError:
        raise not_found("this order") from None


def read_idempotency_key(key: str | None) -> str | None:
    """Return the header's key, or raise ApiError."""
    if key is None or IDEMPOTENCY_KEY.fullmatch(key):
        return key
    raise ApiError(
        400, "bad_idempotency_key", "an Idempotency-Key has 1 to 64 ASCII characters, no spaces"
    )


def read_query(query: str, known: tuple[str, ...]) -> dict[str, str]:
    """Return a query string's values; names that are unknown or said twice are refused."""
    values: dict[str, str] = {}
    if not query:
        return values
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            raise ApiError(400, "unknown_field", "this field is unknown", name[:FIELD_LENGTH_MAX])
        if name in values:
            raise ApiError(400, "repeated_field", "send this once", name)
        values[name] = value
    return values


def read_limit(text: str | None, *, default: int, most: int) -> int:
    """Return the `limit` of a list's query."""
    if text is None:
        return default
    if not _LIMIT.fullmatch(text):
        raise ApiError(400, "wrong_type", "send a whole number", "limit")
    if not 1 <= int(text) <= most:
        code = "too_large" if int(text) else "too_small"
        raise ApiError(400, code, f"send 1 to {most}", "limit")
    return int(text)


def check_content_type(content_type: str) -> None:
    """Refuse bodies that don't say that they are JSON."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise ApiError(415, "wrong_content_type", "send JSON with Content-Type: application/json")


def unexpected_body() -> ApiError:
    return ApiError(400, "unexpected_body", "this takes no body")


def _explain(message: str) -> ApiError:
    fault, path = _PATH.fullmatch(message).group("fault", "path")  # type: ignore[union-attr]
    path = _INDEX.sub(r".\1", path or "").lstrip(".")
    for pattern, code, words in _FAULTS:
        match = pattern.fullmatch(fault)
        if match is not None:
            named = match.groupdict().get("field")
            field = ".".join(part for part in (path, named) if part)
            return ApiError(400, code, words, field[:FIELD_LENGTH_MAX] or None)
    return ApiError(400, "invalid_value", "this value can't be used", path or None)
