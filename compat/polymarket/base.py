"""What every view of `/poly` has: strict queries and bodies, the API's read limit, its errors."""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from django.http import HttpRequest, QueryDict
from msgspec import Struct
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.admission import admit_sync
from accounts.api.authentication import HeaderAuthentication
from accounts.api.base import ApiView
from accounts.api.permissions import get_address
from kernel.errors import ApiError, not_found
from kernel.texts import is_line
from trading.api.order_views import RawParser
from trading.wire.reading import FIELD_LENGTH_MAX, check_content_type, decode
from web.errors import find_error

VALUES_MAX = 100
"""Values of a parameter that may be repeated, and tokens in a body."""

Query = TypeVar("Query", bound=Struct)


class ReadQuery(Struct, forbid_unknown_fields=True, kw_only=True):
    """Query parameters; those of a list type may be repeated."""


class ReadLimit(BasePermission):
    """Every call is a read, also one with a body; a key's reads are counted by its account."""

    def has_permission(self, request: Request, view: Any) -> bool:
        take(request, 1)
        return True


def take(request: Request, cost: int) -> None:
    admit_sync(request.auth, "read", cost=cost, address=get_address(request))  # type: ignore[arg-type]


class PolyView(ApiView):
    """A view of one path. It is not part of the API, so OpenAPI does not know it."""

    authentication_classes = [HeaderAuthentication]
    permission_classes = [ReadLimit]
    parser_classes = [RawParser]
    schema = None
    params: type[ReadQuery] = ReadQuery
    respond: Any = None
    """What makes the answer: a function of the query, or of the body."""

    def get_exception_handler(self) -> Callable[..., Any]:
        return answer_exception


class ReadView(PolyView):
    def get(self, request: Request, **names: str) -> Response:
        query = read_query(request.query_params, self.params)
        if not all(is_line(str(name)) for name in names.values()):
            raise not_found("this path")
        return Response(self.respond(query, **names))


class BatchReadView(PolyView):
    """A read of many tokens, named in a body; each costs as much as a read of one."""

    body: Any = None

    def post(self, request: Request) -> Response:
        read_query(request.query_params, ReadQuery)
        check_content_type(request.META.get("CONTENT_TYPE", ""))
        data: Any = request.data
        body = decode(_decoder(self.body), data or b"")
        tokens = body if isinstance(body, list) else body.markets
        if len(tokens) > 1:
            take(request, len(tokens) - 1)
        return Response(self.respond(body))


class NothingView(PolyView):
    """Any other path."""

    def get(self, request: Request) -> Response:
        raise not_found("this path")


def read(respond: Callable[..., Any], params: type[ReadQuery] = ReadQuery) -> Any:
    """Return a view of GET that answers `respond(query, **names in the path)`."""
    return ReadView.as_view(respond=respond, params=params)


def batch(respond: Callable[[Any], Any], body: Any) -> Any:
    """Return a view of POST that answers `respond(body)`."""
    return BatchReadView.as_view(respond=respond, body=body)


def read_query(values: QueryDict, params: type[Query]) -> Query:
    """Return the query; unknown names, and repeated ones of a single value, are refused."""
    found: dict[str, Any] = {}
    for name, texts in values.lists():
        is_list = name in _list_names(params)
        if not is_list and len(texts) > 1:
            raise ApiError("repeated_field", name[:FIELD_LENGTH_MAX])
        if len(texts) > VALUES_MAX:
            raise ApiError("too_long", name)
        if not all(is_line(text) for text in texts):
            raise ApiError("invalid_value", name)
        found[name] = texts if is_list else texts[0]
    return decode(_decoder(params, is_query=True), msgspec.json.encode(found))


def answer_exception(exception: Exception, context: dict[str, Any]) -> Response | None:
    """Render an error as `{"error": message}`, with the API's stable code beside it."""
    error = find_error(exception)
    if error is None:
        return None
    request: HttpRequest = context["request"]
    started = getattr(request, "context", None)
    if started is not None:
        started.code = error.code
    text = f"{error.field}: {error.message}" if error.field else error.message
    return Response({"error": text, "code": error.code}, status=error.status, headers=error.headers)


@cache
def _decoder(type_: Any, *, is_query: bool = False) -> Any:
    return msgspec.json.Decoder(type_, strict=not is_query)


@cache
def _list_names(params: type[Struct]) -> frozenset[str]:
    hints = get_type_hints(params)
    return frozenset(name for name, hint in hints.items() if list in _origins(hint))


def _origins(hint: Any) -> set[Any]:
    return {get_origin(hint), *(get_origin(part) for part in get_args(hint))}
