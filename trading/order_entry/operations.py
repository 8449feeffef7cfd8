"""The table of order operations: one row per operation, served by all entry points.

`urls.py` builds the routes of the DRF views from it, `predex.order_app` those of programs. A
path's `{name}` is a parameter of one segment; `query` lists the allowed query parameters.
"""

import re
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from trading.wire.reading import decode, unexpected_body
from trading.wire.schema import AmendOrder, ClosePositions, PlaceBatch, PlaceOrder, ProtectPosition

READ: Final = "read"
WRITE: Final = "write"
_PARAMETER = re.compile(r"{(\w+)}")


class Operation(NamedTuple):
    """`scope` is required of the credential (None: public), `bucket` is where tokens come from.

    `request` is the struct of its body; None: it has no body.
    """

    name: str
    method: str
    path: str
    scope: str | None
    bucket: str
    request: type[Struct] | None = None
    query: tuple[str, ...] = ()

    @property
    def scopes(self) -> tuple[str, ...]:
        return () if self.scope is None else (self.scope,)


OPERATIONS: Final = (
    Operation("place", "POST", "orders", "trade", WRITE, PlaceOrder),
    Operation("place_batch", "POST", "orders/batch", "trade", WRITE, PlaceBatch),
    Operation("preview", "POST", "orders/preview", "read", WRITE, PlaceOrder),
    Operation("amend", "PATCH", "orders/{order_id}", "trade", WRITE, AmendOrder),
    Operation("cancel", "DELETE", "orders/{order_id}", "trade", WRITE),
    Operation("cancel_all", "DELETE", "orders", "trade", WRITE, query=("market",)),
    Operation("close_positions", "POST", "positions/close", "trade", WRITE, ClosePositions),
    Operation("protect", "POST", "positions/protect", "trade", WRITE, ProtectPosition),
    Operation("book", "GET", "markets/{slug}/book", None, READ),
    Operation("tickers", "GET", "tickers", None, READ, query=("market", "limit", "cursor")),
)
BY_NAME: Final = {operation.name: operation for operation in OPERATIONS}
_DECODERS: Final = {
    operation.request: msgspec.json.Decoder(operation.request)
    for operation in OPERATIONS
    if operation.request is not None
}


def read_request(operation: Operation, body: bytes) -> Struct | None:
    """Return the decoded request; ApiError (400) for an invalid or unexpected body."""
    if operation.request is not None:
        return decode(_DECODERS[operation.request], body)
    if body:  # a body meant to narrow a cancellation must not be ignored
        raise unexpected_body()
    return None


def find_parameters(operation: Operation) -> list[str]:
    """Return the names of the parameters in the path."""
    return _PARAMETER.findall(operation.path)


def compile_path(operation: Operation, prefix: str) -> re.Pattern[str]:
    """Return a pattern for whole paths, with the parameters as groups."""
    return re.compile(prefix + _PARAMETER.sub(r"(?P<\1>[^/]+)", operation.path))
