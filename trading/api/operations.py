"""The table of order operations: one row per operation, served by both doors.

`urls.py` makes door one's routes of it, `predex.order_app` is door two. A path's `{name}` is a
parameter of one segment; `query` names what the query string may carry.
"""

import re
from typing import Final, NamedTuple

READ: Final = "read"
WRITE: Final = "write"
_PARAMETER = re.compile(r"{(\w+)}")


class Operation(NamedTuple):
    """`scope` is what a credential must allow (None: public), `bucket` whose tokens it takes."""

    name: str
    method: str
    path: str
    scope: str | None
    bucket: str
    has_body: bool = False
    query: tuple[str, ...] = ()


OPERATIONS: Final = (
    Operation("place", "POST", "orders", "trade", WRITE, has_body=True),
    Operation("place_batch", "POST", "orders/batch", "trade", WRITE, has_body=True),
    Operation("preview", "POST", "orders/preview", "read", WRITE, has_body=True),
    Operation("amend", "PATCH", "orders/{order_id}", "trade", WRITE, has_body=True),
    Operation("cancel", "DELETE", "orders/{order_id}", "trade", WRITE),
    Operation("cancel_all", "DELETE", "orders", "trade", WRITE, query=("market",)),
    Operation("book", "GET", "markets/{slug}/book", None, READ),
    Operation("tickers", "GET", "tickers", None, READ, query=("market", "limit", "cursor")),
)
BY_NAME: Final = {operation.name: operation for operation in OPERATIONS}


def compile_path(operation: Operation, prefix: str) -> re.Pattern[str]:
    """Return the pattern of whole paths, with the parameters as groups."""
    return re.compile(prefix + _PARAMETER.sub(r"(?P<\1>[^/]+)", operation.path))
