"""How descriptions of calls are put together."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from predex_client.requests import Page, Request
from predex_client.values import decode

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")
PAGE_LENGTH = 200


def taking(kind: Callable[P, S], describe: Callable[[S], Request[T]]) -> Callable[P, Request[T]]:
    """Return the description of a call that takes the fields of a dataclass."""

    def build(*args: P.args, **kwargs: P.kwargs) -> Request[T]:
        return describe(kind(*args, **kwargs))

    build.__doc__ = describe.__doc__
    return build


def get(path: str, kind: type[T], **params: str) -> Request[T]:
    return Request(
        method="GET", path=path, params=params, read=lambda body: decode(kind, body),
        is_repeatable=True,
    )  # fmt: skip


def list_rows(
    path: str, row: type[T], *, params: dict[str, str] | None = None, **query: Any
) -> Request[Page[T]]:
    def read(body: Any) -> Page[T]:
        return Page(tuple(decode(row, item) for item in body["results"]), body["next_cursor"])

    query = {**given(**query), "limit": PAGE_LENGTH}
    return Request(
        method="GET", path=path, params=params or {}, query=query, read=read, is_repeatable=True
    )


def send(method: str, path: str, kind: type[T], body: Any = None, **params: str) -> Request[T]:
    return Request(
        method=method, path=path, params=params, body=body, read=lambda body: decode(kind, body)
    )


def end(path: str, **params: str) -> Request[None]:
    """Delete something; nothing is answered."""
    return Request(method="DELETE", path=path, params=params, read=lambda _: None)


def given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
