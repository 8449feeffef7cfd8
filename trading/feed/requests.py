"""Clients' messages: one JSON object each, distinguished by `op`. Unknown fields are refused.

`id` is the client's own id of a message, repeated in the answer or error.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from kernel.errors import ApiError
from trading.wire.fields import Slug
from trading.wire.reading import decode

MESSAGE_BYTES_MAX: Final = 64 * 1024
MARKETS_A_MESSAGE_MAX: Final = 100
ID_LENGTH_MAX: Final = 64
SEQ_MAX: Final = 2**53

RequestId = (
    Annotated[str, Meta(max_length=ID_LENGTH_MAX)] | Annotated[int, Meta(ge=0, le=SEQ_MAX)] | None
)
Channel = Literal["book", "trades", "ticker", "lifecycle", "me"]
Markets = Annotated[list[Slug], Meta(min_length=1, max_length=MARKETS_A_MESSAGE_MAX)]


class FeedRequest(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="op"):
    id: RequestId = None


class Subscribe(FeedRequest, frozen=True, tag="subscribe"):
    """`me` needs no markets; `"all"` is for ticker and lifecycle.

    `since_seq`, with one market: the last sequence number that the client has of it. `resume`, with
    `me`: what the last frame of that channel had.
    """

    channels: Annotated[list[Channel], Meta(min_length=1, max_length=5)]
    markets: Markets | Literal["all"] | None = None
    since_seq: Annotated[int, Meta(ge=0, le=SEQ_MAX)] | None = None
    resume: Annotated[str, Meta(max_length=MESSAGE_BYTES_MAX)] | None = None


class Unsubscribe(FeedRequest, frozen=True, tag="unsubscribe"):
    channels: Annotated[list[Channel], Meta(min_length=1, max_length=5)]
    markets: Markets | Literal["all"] | None = None


class Auth(FeedRequest, frozen=True, tag="auth"):
    """An API key or an access token."""

    key: Annotated[str, Meta(min_length=1, max_length=4096)] | None = None
    token: Annotated[str, Meta(min_length=1, max_length=4096)] | None = None


class Ping(FeedRequest, frozen=True, tag="ping"):
    pass


class CancelOnDisconnect(FeedRequest, frozen=True, tag="cancel_on_disconnect"):
    """Whether the account's orders are to be cancelled when this connection ends."""

    enabled: bool = True


AnyRequest = Subscribe | Unsubscribe | Auth | Ping | CancelOnDisconnect


class _Named(Struct):
    id: Any = None


_decoder = msgspec.json.Decoder(AnyRequest)
_named = msgspec.json.Decoder(_Named)


def decode_request(text: str) -> AnyRequest:
    """Return the decoded message, or raise ApiError (400) with the field at fault."""
    return decode(_decoder, encode_text(text))


def encode_text(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ApiError("bad_json", detail="the message is not valid JSON") from None


def find_id(text: str) -> int | str | None:
    """Return the `id` of a possibly invalid message, for use in the error."""
    try:
        request_id = _named.decode(text.encode()).id
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if isinstance(request_id, str):
        return request_id[:ID_LENGTH_MAX]
    is_number = type(request_id) is int and 0 <= request_id <= SEQ_MAX
    return request_id if is_number else None
