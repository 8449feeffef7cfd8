"""Cursor pagination: `{results, next_cursor}`; a page starts after the last row of the previous.

A cursor is that row's values of the sort fields, as opaque text; so pages stay correct while rows
are added and removed, and cost the same at any depth. A damaged or invented cursor, or one made for
another sort order, is a 400 `bad_cursor`, never a database error.
"""

import base64
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from django.db.models import Q, QuerySet

from kernel.errors import ApiError
from kernel.units import INT64_MAX
from web.fields import IntegerField, StrictSerializer, TextField

PAGE_SIZE = 50
PAGE_SIZE_MAX = 200
CURSOR_LENGTH_MAX = 600

Value = int | str | uuid.UUID | datetime


class Page(NamedTuple):
    rows: list[Any]
    next_cursor: str | None

    def to_json(self, show: Callable[[Any], Any]) -> dict[str, Any]:
        return {"results": [show(row) for row in self.rows], "next_cursor": self.next_cursor}


class PageQuery(StrictSerializer):
    """The query parameters of every list; lists with filters inherit from it."""

    limit = IntegerField(default=PAGE_SIZE, min_value=1, max_value=PAGE_SIZE_MAX)
    cursor = TextField(default="", allow_blank=True, max_length=CURSOR_LENGTH_MAX)


def paginate(queryset: QuerySet, *, order: Sequence[str], cursor: str, limit: int) -> Page:
    """Return the page after `cursor` ("" = the first).

    `order` names model fields or annotations that are never null, with "-" for descending; the last
    one is unique.
    """
    fields = [name.removeprefix("-") for name in order]
    if cursor:
        values = decode_cursor(cursor, order)
        queryset = queryset.filter(_after(order, _convert(queryset, fields, values)))
    rows = list(queryset.order_by(*order)[: limit + 1])
    return build_page(rows, limit, lambda row: [getattr(row, name) for name in fields], order)


def build_page(
    rows: Sequence[Any], limit: int, key: Callable[[Any], Sequence[Value]], order: Sequence[str]
) -> Page:
    """Return the page of `rows`, which are sorted and contain one more than `limit`."""
    if len(rows) <= limit:
        return Page(list(rows), None)
    return Page(list(rows[:limit]), encode_cursor(key(rows[limit - 1]), order))


def encode_cursor(values: Iterable[Value], order: Sequence[str]) -> str:
    raw = msgspec.msgpack.encode([",".join(order), *values])
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode_cursor(cursor: str, order: Sequence[str]) -> list[Any]:
    """Return the values in the cursor; ApiError 400 `bad_cursor` unless it was made for `order`."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        parts = msgspec.msgpack.decode(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, msgspec.DecodeError, RecursionError):
        raise bad_cursor() from None
    if not isinstance(parts, list) or len(parts) != len(order) + 1 or parts[0] != ",".join(order):
        raise bad_cursor()
    if not all(_is_plain(value) for value in parts[1:]):
        raise bad_cursor()
    return parts[1:]


def bad_cursor() -> ApiError:
    return ApiError("bad_cursor")


def _is_plain(value: Any) -> bool:
    if type(value) is int:
        return abs(value) <= INT64_MAX
    if type(value) is str:
        return "\x00" not in value
    return isinstance(value, datetime) and value.tzinfo is not None


def _convert(queryset: QuerySet, fields: Sequence[str], values: Sequence[Any]) -> list[Any]:
    """Return the values as their model fields' types; annotations must be ints."""
    model_fields = {field.attname: field for field in queryset.model._meta.concrete_fields}
    converted = []
    for name, value in zip(fields, values, strict=True):
        field = model_fields.get(name)
        try:
            converted.append(int(value) if field is None else field.to_python(value))
        except Exception:  # each field class raises a different exception
            raise bad_cursor() from None
    return converted


def _after(order: Sequence[str], values: Sequence[Any]) -> Q:
    """(a, b) after (x, y): a beyond x, or a = x and b beyond y."""
    condition = Q()
    for position in reversed(range(len(order))):
        name = order[position].removeprefix("-")
        comparison = "lt" if order[position].startswith("-") else "gt"
        beyond = Q(**{f"{name}__{comparison}": values[position]})
        same = Q(**{name: values[position]})
        condition = beyond | (same & condition) if condition else beyond
    # Redundant, but it lets the database start its index scan at that value.
    first = order[0].removeprefix("-")
    comparison = "lte" if order[0].startswith("-") else "gte"
    return Q(**{f"{first}__{comparison}": values[0]}) & condition
