"""Types of the fields of order operations, in requests and replies, as in the schema."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw, Struct

CLIENT_ORDER_ID_PATTERN = "^[\x20-\x7e]{1,64}$"

ABSENT = b"null"


def absent() -> Raw:
    return Raw(ABSENT)


def number_in(text: str) -> Raw:
    """Return a plain number as a request field; "" is an absent one."""
    return Raw(msgspec.json.encode(text)) if text else absent()


def _number(description: str, example: str) -> Meta:
    schema = {"type": ["string", "number", "null"], "examples": [example]}
    return Meta(description=description, extra_json_schema=schema)


PriceIn = Annotated[Raw, _number("Credits per contract, up to 4 decimals.", "0.55")]
QuantityIn = Annotated[Raw, _number("Contracts, up to 2 decimals.", "10")]
BudgetIn = Annotated[
    Raw, _number("Credits to spend at most, fees included; for market orders.", "20")
]
TimeIn = Annotated[str, Meta(description="ISO 8601 with a time zone: 2026-07-01T12:00:00Z.")]
Slug = Annotated[str, Meta(max_length=80, description="A market's slug.")]
OutcomeIn = Annotated[
    str,
    Meta(max_length=32, description="An outcome's code; in a binary market YES (if absent) or NO."),
]
OrderGroupIn = Annotated[str, Meta(max_length=36, description="An order group's id.")]
ClientOrderId = Annotated[
    str,
    Meta(
        description="Your name for the order: 1 to 64 printable ASCII characters. Sent again, it"
        " gets the first answer and no second order.",
        extra_json_schema={"minLength": 1, "maxLength": 64, "pattern": CLIENT_ORDER_ID_PATTERN},
    ),
]

_TEXT = Meta(extra_json_schema={"type": "string"})
Side = Annotated[Literal["buy", "sell"], _TEXT]
OrderType = Annotated[Literal["limit", "market"], _TEXT]
TimeInForce = Annotated[Literal["gtc", "gtd", "ioc", "fok"], _TEXT]
SelfTradePrevention = Annotated[
    Literal["cancel_newest", "cancel_oldest", "cancel_both", "decrement"], _TEXT
]
TriggerKindIn = Annotated[Literal["stop", "take_profit", "trailing_stop"], _TEXT]
TriggerOnIn = Annotated[Literal["last", "best"], _TEXT]

# New values may appear in replies, so these are open texts.
ShownSide = Annotated[str, Meta(description="buy or sell.", examples=["buy"])]
ShownType = Annotated[str, Meta(description="limit or market.", examples=["limit"])]
ShownStatus = Annotated[
    str,
    Meta(
        description="open, partially_filled, filled, cancelled, expired, rejected or untriggered.",
        examples=["filled"],
    ),
]
ShownName = Annotated[str, Meta(description="As in the request.")]
PriceSource = Annotated[str, Meta(description="mid or last.", examples=["mid"])]
Role = Annotated[str, Meta(description="taker or maker.", examples=["taker"])]
Price = Annotated[str, Meta(description="4 decimals.", examples=["0.5500"])]
Quantity = Annotated[str, Meta(description="Contracts, 2 decimals.", examples=["10.00"])]
Amount = Annotated[str, Meta(description="Credits, 6 decimals.", examples=["5.500000"])]
Average = Annotated[str, Meta(description="Rounded to 6 decimals.", examples=["0.553333"])]
Id = Annotated[str, Meta(examples=["0197c2f51c8e7d0c9a41b2c3d4e5f607"])]
Time = Annotated[str, Meta(examples=["2026-07-01T12:00:00.000000Z"])]


class RequestBody(Struct, forbid_unknown_fields=True):
    """The body of a request."""
