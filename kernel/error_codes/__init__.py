"""Every error code: its HTTP status, its text in the API and on pages, the field at fault.

Codes and statuses are stable (docs/api.md lists them); texts are for people. A code without an API
text occurs on pages only, one without a page text in the API only. `{name}` is filled in by the
code that raises it. `code.case` is a variant of a code with its own status or text.

400 and 422: the request itself is wrong. 409: it conflicts with a state, and may succeed later.
"""

from typing import Final

from kernel.error_codes.accounts import ACCOUNTS
from kernel.error_codes.code import ErrorCode
from kernel.error_codes.markets import MARKETS
from kernel.error_codes.orders import ORDERS
from kernel.error_codes.requests import REQUESTS

ERROR_CODES: Final[dict[str, ErrorCode]] = {**REQUESTS, **ACCOUNTS, **MARKETS, **ORDERS}


def list_api_codes() -> list[str]:
    """Return the codes that the API can answer with, for its schema."""
    return sorted(
        code for code, said in ERROR_CODES.items() if said.message is not None and "." not in code
    )
