"""Decodes requests to schema structs, exact numbers and times; errors are a 400 with the field.

msgspec reports errors only as texts; `_FAULTS` maps them to the API's stable codes.
"""

import re
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec
from rest_framework.serializers import ValidationError

from accounts.idempotency import check_key
from kernel.clock import from_datetime
from kernel.errors import ApiError, not_found
from kernel.ids import check_id
from kernel.units import parse_field
from trading.wire.fields import ABSENT, CLIENT_ORDER_ID_PATTERN
from web.fields import TimeField

FIELD_LENGTH_MAX = 60

# Not anchored: fullmatch is used, because Python's "$" allows a trailing line break.
_CLIENT_ORDER_ID = re.compile(CLIENT_ORDER_ID_PATTERN.strip("^$"), re.ASCII)
_FAULTS = (
    (re.compile(r"Object missing required field `(?P<field>.*)`"), "missing_field"),
    (re.compile(r"Object contains unknown field `(?P<field>.*)`"), "unknown_field"),
    (re.compile(r"Invalid enum value (?P<value>.*)"), "invalid_choice"),
    (re.compile(r"Expected `(str|array)` of length >= .*"), "too_short"),
    (re.compile(r"Expected `(str|array)` of length <= .*"), "too_long"),
    (re.compile(r"Expected .*"), "wrong_type"),
)
_LIMIT = re.compile(r"[0-9]{1,9}", re.ASCII)
_TIMES = TimeField()
_PATH = re.compile(r"(?P<fault>.*?)(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)

_INDEX = re.compile(r"\[([0-9]+)\]")

Struct = TypeVar("Struct")


def decode(decoder: "msgspec.json.Decoder[Struct]", body: bytes | msgspec.Raw) -> Struct:
    """Return the body as a struct, or raise ApiError (400) with the field at fault."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as fault:
        raise _explain(str(fault)) from None
    # ValueError: bad UTF-8; RecursionError: nested too deeply.
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise ApiError("bad_json") from None


def read_units(parse: Callable[[msgspec.Raw], int], raw: msgspec.Raw, field: str) -> int | None:
    """Return a number in its unit, None if it is absent or null."""
    return None if bytes(raw) == ABSENT else parse_field(parse, raw, field)


def read_time_us(text: str | None, field: str) -> int | None:
    """Return UTC microseconds of an ISO 8601 text with a time zone."""
    if text is None:
        return None
    try:
        return from_datetime(_TIMES.to_internal_value(text))
    except ValidationError:
        raise ApiError("invalid_time", field) from None


def read_client_order_id(text: str | None) -> str | None:
    if text is None or _CLIENT_ORDER_ID.fullmatch(text):
        return text
    raise ApiError("bad_client_order_id")


def read_order_id(text: str) -> str:
    """Return the id as 32 hex digits; an invalid id is a 404, as an unknown one."""
    try:
        return check_id(text)
    except ValueError:
        raise not_found("this order") from None


def read_group_id(text: str) -> str:
    """Return an order group's id as 32 hex digits; an invalid one is a 404, as an unknown one."""
    try:
        return check_id(text)
    except ValueError:
        raise not_found("this order group") from None


def read_idempotency_key(key: str | None) -> str | None:
    """Return the header's key, or raise ApiError."""
    if key is not None:
        check_key(key)
    return key


def read_query(query: str, known: tuple[str, ...]) -> dict[str, str]:
    """Return a query string's values; unknown and repeated names are refused."""
    values: dict[str, str] = {}
    if not query:
        return values
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            raise ApiError("unknown_field", name[:FIELD_LENGTH_MAX])
        if name in values:
            raise ApiError("repeated_field", name)
        values[name] = value
    return values


def read_limit(text: str | None, *, default: int, most: int) -> int:
    """Return the `limit` of a list's query."""
    if text is None:
        return default
    if not _LIMIT.fullmatch(text):
        raise ApiError("wrong_type", "limit", detail="send a whole number")
    if not 1 <= int(text) <= most:
        code = "too_large" if int(text) else "too_small"
        raise ApiError(code, "limit", detail=f"send 1 to {most}")
    return int(text)


def check_content_type(content_type: str) -> None:
    """Refuse bodies not declared as JSON."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise ApiError("wrong_content_type")


def unexpected_body() -> ApiError:
    return ApiError("unexpected_body")


def _explain(message: str) -> ApiError:
    fault, path = _PATH.fullmatch(message).group("fault", "path")  # type: ignore[union-attr]
    path = _INDEX.sub(r".\1", path or "").lstrip(".")
    for pattern, code in _FAULTS:
        match = pattern.fullmatch(fault)
        if match is not None:
            named = match.groupdict().get("field")
            field = ".".join(part for part in (path, named) if part)
            return ApiError(code, field[:FIELD_LENGTH_MAX] or None)
    return ApiError("invalid_value", path or None)
