"""What requests say: one struct for all queries, and a call as operations get it.

Programs of every year send parameters of their own; those that are not known here are ignored, as
by the venue. Values that are known must be valid.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct

from accounts.api.principal import Principal, act_for, act_for_sync
from accounts.api.signatures import SignedRequest
from accounts.models import User
from kernel.errors import ApiError
from trading.wire.reading import decode

LIMIT: Final = 100
LIMIT_MAX: Final = 1_000
VALUES_MAX: Final = 100
EXCHANGES: Final = (0, -1, None)
"""There is one; -1 lets the venue choose."""
FIELDS_MAX: Final = 300


class Query(Struct, kw_only=True):
    """Lists are texts with commas; a parameter that is repeated becomes one."""

    limit: int = LIMIT
    page_size: int = LIMIT
    cursor: str = ""
    ticker: str = ""
    tickers: str = ""
    market_ticker: str = ""
    market_tickers: str = ""
    event_ticker: str = ""
    series_ticker: str = ""
    category: str = ""
    status: str = ""
    order_id: str = ""
    with_nested_markets: bool = False
    include_latest_before_start: bool = False
    depth: int = 0
    count_filter: str = ""
    settlement_status: str = ""
    period_interval: int = 0
    start_ts: int | None = None
    end_ts: int | None = None
    min_ts: int | None = None
    max_ts: int | None = None
    min_created_ts: int | None = None
    max_created_ts: int | None = None
    min_updated_ts: int | None = None
    max_updated_ts: int | None = None
    min_close_ts: int | None = None
    max_close_ts: int | None = None
    min_settled_ts: int | None = None
    max_settled_ts: int | None = None
    mve_filter: str = ""
    is_block_trade: bool | None = None
    subaccount: int | None = None
    exchange_index: int = 0


class KalshiCall(Struct, frozen=True):
    """One request. `is_old`: of a program that knows fewer statuses than newer ones."""

    principal: Principal | None
    names: dict[str, str]
    query: Query
    body: bytes
    is_old: bool

    @property
    def caller(self) -> Principal:
        assert self.principal is not None, "the table of operations asks for a key here"
        return self.principal

    @property
    def user(self) -> User | None:
        return None if self.principal is None else User.objects.get(pk=self.principal.user_id)

    @property
    def user_id(self) -> int | None:
        return None if self.principal is None else self.principal.user_id

    async def act_for(self, subaccount: int | None) -> "KalshiCall":
        """Return the call for the sub-account that its body names, None: the query's, or its own.

        A key of a sub-account acts for that alone.
        """
        return self._as(await act_for(self.caller, subaccount))

    def act_for_sync(self, subaccount: int | None) -> "KalshiCall":
        return self._as(act_for_sync(self.caller, subaccount))

    def _as(self, principal: Principal) -> "KalshiCall":
        same = principal is self.principal
        return self if same else msgspec.structs.replace(self, principal=principal)

    def read_body(self, decoder: "msgspec.json.Decoder[Any]") -> Any:
        return decode(decoder, self.body or b"{}")


_decoder: Final = msgspec.json.Decoder(Query, strict=False)


def read_query(text: str) -> Query:
    found: dict[str, str] = {}
    try:
        pairs = parse_qsl(text, keep_blank_values=False, max_num_fields=FIELDS_MAX)
        for name, value in pairs:
            found[name] = f"{found[name]},{value}" if name in found else value
        query = decode(_decoder, msgspec.json.encode(found))
    except ValueError:
        raise ApiError("invalid_value") from None
    for name in ("limit", "page_size"):
        if not 1 <= getattr(query, name) <= LIMIT_MAX:
            raise ApiError("invalid_value", name, detail=f"send 1 to {LIMIT_MAX}")
    check_exchange(query.exchange_index)
    return query


def read_signature(headers: Mapping[str, str]) -> SignedRequest | None:
    """Return what the venue's headers say of the signature; None where they name no key."""
    key_id = headers.get("kalshi-access-key")
    if key_id is None:
        return None
    timestamp = headers.get("kalshi-access-timestamp", "")
    return SignedRequest(key_id, timestamp, headers.get("kalshi-access-signature", ""))


def check_exchange(index: int | None) -> None:
    if index not in EXCHANGES:
        raise ApiError("invalid_value", "exchange_index", detail="there is only exchange 0")


def read_list(text: str, field: str) -> list[str]:
    values = [value for value in text.split(",") if value]
    if len(values) > VALUES_MAX:
        raise ApiError("too_long", field, detail=f"send at most {VALUES_MAX}")
    return values
