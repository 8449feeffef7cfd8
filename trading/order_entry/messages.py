"""The messages of order entry on a socket: one `op` for each order operation of the table.

`body` is the body of the HTTP request, the parameters of its path and query are fields, and
`idempotency_key` is its header. Answers come as orders are done, so each message has an `id`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Union

import msgspec
from msgspec import Meta, Raw

from trading.feed.requests import ID_LENGTH_MAX, SEQ_MAX, AnyRequest, FeedRequest, encode_text
from trading.order_entry.operations import OPERATIONS, Operation, find_parameters
from trading.wire.reading import decode

PARAMETER_LENGTH_MAX: Final = 80

OrderRequestId = (
    Annotated[str, Meta(max_length=ID_LENGTH_MAX)] | Annotated[int, Meta(ge=0, le=SEQ_MAX)]
)
_Text = Annotated[str, Meta(max_length=PARAMETER_LENGTH_MAX)]


class OrderMessage(FeedRequest, kw_only=True, frozen=True):
    id: OrderRequestId
    idempotency_key: str | None = None


def build_message(operation: Operation) -> type[OrderMessage]:
    """Return the struct of one operation's message."""
    fields: list[Any] = [(name, _Text) for name in find_parameters(operation)]
    fields += [(name, _Text | None, None) for name in operation.query]
    if operation.request is not None:
        fields.append(("body", Raw))
    return msgspec.defstruct(  # type: ignore[return-value]
        f"Message_{operation.name}",
        fields,
        bases=(OrderMessage,),
        tag=operation.name,
        kw_only=True,
        frozen=True,
        forbid_unknown_fields=True,
    )


OPERATION_OF: Final[Mapping[type, Operation]] = {
    build_message(operation): operation for operation in OPERATIONS if operation.method != "GET"
}
_decoder: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(Union[AnyRequest, *OPERATION_OF])


def decode_message(text: str) -> AnyRequest | OrderMessage:
    """Return the decoded message of a feed or of order entry, or raise ApiError (400)."""
    message: AnyRequest | OrderMessage = decode(_decoder, encode_text(text))
    return message


def read_params(message: OrderMessage, operation: Operation) -> dict[str, str]:
    """Return the parameters that the handler takes from path and query."""
    names = (*find_parameters(operation), *operation.query)
    values = {name: getattr(message, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def read_body(message: OrderMessage) -> bytes:
    return bytes(getattr(message, "body", b""))
