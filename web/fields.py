"""Serializer fields that accept exactly one type, and serializers that refuse unknown fields.

DRF's own are lenient: they take "yes" for true, 1 for text, and Arabic digits for a number.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from kernel.clock import format_time, from_datetime
from kernel.texts import is_line, is_text
from kernel.units import (
    UnitError,
    format_amount,
    format_price,
    format_quantity,
    parse_amount_micros,
    parse_price_pips,
    parse_quantity_lots,
)

INT32_MAX = 2**31 - 1
_DIGITS = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)


class StrictSerializer(serializers.Serializer):
    """Refuses unknown fields, so that a misspelt one is never silently ignored."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            message = serializers.ErrorDetail("send a JSON object", code="wrong_type")
            raise serializers.ValidationError({"non_field_errors": [message]})
        known = {name for name, field in self.fields.items() if not field.read_only}
        for name in data:
            if name not in known:
                message = serializers.ErrorDetail("this field is unknown", code="unknown_field")
                raise serializers.ValidationError({str(name)[:60]: [message]})
        return super().to_internal_value(data)


class SecretField(serializers.CharField):
    """Any text; a number is not converted to its digits."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError("send a string", code="wrong_type")
        return super().to_internal_value(data)


class TextField(SecretField):
    """Text for people, of any number of lines."""

    is_valid_text = staticmethod(is_text)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not self.is_valid_text(text):
            message = "control characters are not allowed here"
            raise serializers.ValidationError(message, code="invalid_value")
        return text


class LineField(TextField):
    """One line of text without invisible characters that could make it look like another."""

    is_valid_text = staticmethod(is_line)


class IntegerField(serializers.IntegerField):
    """An integer in JSON, or ASCII digits in a query string; 32 bits by default."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": -INT32_MAX, "max_value": INT32_MAX, **kwargs})

    def to_internal_value(self, data: Any) -> int:
        if type(data) is int:
            return data
        if _is_from_query(self) and isinstance(data, str) and _DIGITS.fullmatch(data):
            return int(data)
        raise serializers.ValidationError("send a whole number", code="wrong_type")


class BooleanField(serializers.BooleanField):
    """JSON's true and false, or these words in a query string."""

    WORDS = {"true": True, "false": False}

    def to_internal_value(self, data: Any) -> bool:
        if isinstance(data, bool):
            return data
        if _is_from_query(self) and isinstance(data, str) and data in self.WORDS:
            return self.WORDS[data]
        raise serializers.ValidationError("send true or false", code="wrong_type")


class IdField(serializers.CharField):
    """A UUID in the form of every id: 32 hex digits."""

    def to_representation(self, value: Any) -> str:
        return UUID(str(value)).hex


@extend_schema_field(OpenApiTypes.DATETIME)
class TimeField(serializers.Field):
    """ISO 8601 with a time zone <-> an aware UTC datetime."""

    def to_internal_value(self, data: Any) -> datetime:
        if isinstance(data, str) and _TIME.fullmatch(data):
            try:
                return datetime.fromisoformat(data).astimezone(UTC)
            except (ValueError, OverflowError):
                pass
        raise serializers.ValidationError(
            "send a time like 2026-07-01T12:00:00Z", code="invalid_time"
        )

    def to_representation(self, value: datetime) -> str:
        return format_time(from_datetime(value))


@extend_schema_field({"type": "string", "format": "decimal"})
class UnitField(serializers.Field):
    """An exact decimal <-> its integer number of units."""

    parse: Callable[[Any], int]
    format: Callable[[int], str]

    def to_internal_value(self, data: Any) -> int:
        try:
            return type(self).parse(data)
        except UnitError as error:
            raise serializers.ValidationError(error.message, code=error.code) from None

    def to_representation(self, value: int) -> str:
        return type(self).format(value)


class AmountField(UnitField):
    parse = staticmethod(parse_amount_micros)
    format = staticmethod(format_amount)


class PriceField(UnitField):
    parse = staticmethod(parse_price_pips)
    format = staticmethod(format_price)


class QuantityField(UnitField):
    parse = staticmethod(parse_quantity_lots)
    format = staticmethod(format_quantity)


def _is_from_query(field: serializers.Field) -> bool:
    return bool(field.context.get("is_query"))
