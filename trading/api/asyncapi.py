"""The AsyncAPI 3 document of `/ws/v1`, made from the structs of its messages and frames.

It is written from the exchange's side: it receives what programs send. Messages are named by their
`op`, frames by their `type`; an `answer` by the operation that it answers, too.
"""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, Final, get_args
from urllib.parse import urlsplit

import msgspec
from django.conf import settings
from msgspec import Struct

from trading.feed.requests import AnyRequest
from trading.feed.schema import FRAMES, build_answer_frame
from trading.order_entry.messages import OPERATION_OF
from trading.wire import schema

REFERENCE: Final = "#/components/schemas/{name}"
CHANNEL: Final = {"$ref": "#/channels/feed"}
REQUEST: Final = "Request"
ANSWERS: Final[Mapping[str, type[Struct]]] = {
    "place": schema.OrderAnswer,
    "place_batch": schema.BatchAnswer,
    "preview": schema.PreviewAnswer,
    "amend": schema.OrderAnswer,
    "cancel": schema.OrderAnswer,
    "cancel_all": schema.CancelledOrders,
    "close_positions": schema.BatchAnswer,
    "protect": schema.Protection,
}
REPLIES: Final = {
    "subscribe": "type.subscribed",
    "unsubscribe": "type.unsubscribed",
    "auth": "type.authenticated",
    "ping": "type.pong",
    "cancel_on_disconnect": "type.cancel_on_disconnect",
    **{operation: f"answer.{operation}" for operation in ANSWERS},
}
CHANNELS: Final = ("book", "trades", "ticker", "lifecycle", "me")
DESCRIPTION: Final = (
    "Live data of markets and of the own account, and order entry, over one WebSocket."
    " docs/feed.md says what each message means and what a client can rely on."
)


def build_document() -> dict[str, Any]:
    site = urlsplit(settings.SITE_URL)
    structs = list_structs()
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "predex", "version": settings.VERSION, "description": DESCRIPTION},
        "defaultContentType": "application/json",
        "servers": {
            "exchange": {
                "host": site.netloc,
                "protocol": "wss" if site.scheme == "https" else "ws",
            }
        },
        "channels": {
            "feed": {
                "address": "/ws/v1",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in structs},
            }
        },
        "operations": {**_build_receiving(), **_build_sending()},
        "components": {
            "messages": {name: _build_message(struct) for name, struct in structs.items()},
            "schemas": _build_schemas(structs.values()),
        },
    }


def list_structs() -> dict[str, type[Struct]]:
    """Return the struct of each message, by its name."""
    requests = {f"op.{_find_tag(kind)}": kind for kind in (*get_args(AnyRequest), *OPERATION_OF)}
    frames: dict[str, type[Struct]] = {f"type.{_find_tag(frame)}": frame for frame in FRAMES}
    answers = {f"answer.{name}": build_answer_frame(name, body) for name, body in ANSWERS.items()}
    return {**requests, **frames, **answers}


def _build_receiving() -> dict[str, Any]:
    """What programs may send, each with its reply."""
    return {
        name: {
            "action": "receive",
            "channel": CHANNEL,
            "messages": _refer(f"op.{name}"),
            "reply": {"channel": CHANNEL, "messages": _refer(reply, "type.error")},
        }
        for name, reply in REPLIES.items()
    }


def _build_sending() -> dict[str, Any]:
    """What the exchange sends: the channels, and what every connection or follower gets."""
    names = {f"{name}_channel": [f"type.{name}_snapshot", f"type.{name}"] for name in CHANNELS}
    names |= {name: [f"type.{name}"] for name in ("heartbeat", "exchange")}
    return {
        name: {"action": "send", "channel": CHANNEL, "messages": _refer(*messages)}
        for name, messages in names.items()
    }


def _refer(*names: str) -> list[dict[str, str]]:
    return [{"$ref": f"#/channels/feed/messages/{name}"} for name in names]


def _build_message(struct: type[Struct]) -> dict[str, Any]:
    message = {
        "name": _find_tag(struct),
        "payload": {"$ref": REFERENCE.format(name=struct.__name__)},
    }
    summary = inspect.getdoc(struct) if "__doc__" in vars(struct) else None
    return {**message, "summary": " ".join(summary.split())} if summary else message


def _build_schemas(structs: Iterable[type[Struct]]) -> dict[str, Any]:
    """Return all components; bodies of requests are named as in the OpenAPI schema."""
    bodies = {kind: operation.request for kind, operation in OPERATION_OF.items()}
    needed = [body for body in bodies.values() if body is not None]
    _, components = msgspec.json.schema_components([*structs, *needed], ref_template=REFERENCE)
    for body in set(needed):
        components[body.__name__ + REQUEST] = components.pop(body.__name__)
    for kind, asked in bodies.items():
        if asked is not None:
            reference = {"$ref": REFERENCE.format(name=asked.__name__ + REQUEST)}
            components[kind.__name__]["properties"]["body"] = reference
    return components


def _find_tag(struct: type[Struct]) -> str:
    return str(struct.__struct_config__.tag)
