"""JSON to typed values and back: decimals and times are exact, unknown fields are passed over."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
Number = Decimal | int | str
"""What a request takes as a number: never a binary float."""


def decode(kind: type[T], value: Any) -> T:
    """Return JSON as a value of this type, a dataclass mostly."""
    hint: Any = kind
    decoded: T = _find_decoder(hint)(value)
    return decoded


def encode(value: Any) -> Any:
    """Return a value as JSON; what is None in a dataclass is left out."""
    if isinstance(value, float):
        raise TypeError(f"{value!r} is not exact: use Decimal, int or a text")
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return _encode_time(value)
    if isinstance(value, Mapping):
        return {name: encode(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if is_dataclass(value):
        items = ((field.name, getattr(value, field.name)) for field in fields(value))
        return {name: encode(item) for name, item in items if item is not None}
    return value


def encode_number(number: Number | None) -> str | None:
    """Return a number as a text, which some calls ask for."""
    return None if number is None else str(encode(number))


def _encode_time(time: datetime) -> str:
    if time.tzinfo is None:
        raise ValueError(f"{time} has no time zone: use datetime.now(UTC) and the like")
    return time.isoformat()


@cache
def _find_decoder(kind: Any) -> Callable[[Any], Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Decimal:
        return Decimal
    if kind is datetime:
        return datetime.fromisoformat
    if origin in (Union, UnionType):
        [inner] = [_find_decoder(item) for item in arguments if item is not NoneType]
        return lambda value: None if value is None else inner(value)
    if origin is tuple:
        item = _find_decoder(arguments[0])
        return lambda values: tuple(map(item, values))
    if origin is dict:
        item = _find_decoder(arguments[1])
        return lambda values: {name: item(value) for name, value in values.items()}
    if isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields"):
        decoders = [_find_decoder(hint) for hint in get_type_hints(kind).values()]
        return lambda values: kind(*(read(v) for read, v in zip(decoders, values, strict=False)))
    return _find_dataclass_decoder(kind) if is_dataclass(kind) else lambda value: value


def _find_dataclass_decoder(kind: Any) -> Callable[[Any], Any]:
    hints = get_type_hints(kind)
    decoders = [(field.name, _find_decoder(hints[field.name])) for field in fields(kind)]
    needed = {field.name for field in fields(kind) if field.default is MISSING}

    def read(values: Mapping[str, Any]) -> Any:
        given = {name: read(values[name]) for name, read in decoders if name in values}
        if missing := needed - given.keys():
            raise LookupError(f"{kind.__name__} lacks {', '.join(sorted(missing))}")
        return kind(**given)

    return read
