"""The tools of agents: the API call behind each, what it takes, and what an agent should know.

Arguments are structs, from which the tools' JSON Schemas are made. The API checks their values.
"""

import re
from typing import Annotated, Any, Final, Literal, NamedTuple
from urllib.parse import urlencode

import msgspec
from msgspec import Meta, Raw, Struct

from kernel.errors import ApiError, not_found
from trading.wire.fields import Id, OutcomeIn, Slug, TimeIn
from trading.wire.reading import decode
from trading.wire.schema import AmendOrder, PlaceOrder

API: Final = "/api/v1/"
DEFINITION: Final = "#/$defs/{name}"
_SEGMENT: Final = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)
_PARAMETER: Final = re.compile(r"{(\w+)}")
_BODY_METHODS: Final = frozenset({"POST", "PATCH"})
_arguments: Final = msgspec.json.Decoder(dict[str, Raw])

Limit = Annotated[int, Meta(ge=1, le=200, description="Rows of a page; 50 if absent.")]
Cursor = Annotated[str, Meta(description="`next_cursor` of the page before; absent: the first.")]
Text = Annotated[str, Meta(max_length=80)]


class SearchMarkets(Struct, kw_only=True):
    q: Annotated[str, Meta(max_length=200, description="Words of the question or outcomes.")] = ""
    status: Annotated[
        str,
        Meta(
            description="One or more of open, halted, closed, resolving, settled, voided, with"
            " commas between them. Only open markets accept orders."
        ),
    ] = ""
    sort: Literal["relevance", "newest", "volume", "trending", "closing"] | None = None
    category: Annotated[Text, Meta(description="A category's slug.")] | None = None
    tag: Annotated[Text, Meta(description="A tag's slug.")] | None = None
    event: Annotated[Text, Meta(description="An event's slug.")] | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class OfMarket(Struct, kw_only=True):
    market: Slug


class GetHistory(Struct, kw_only=True):
    market: Slug
    outcome: OutcomeIn | None = None
    interval: Annotated[Literal["1m", "5m", "1h", "1d"], Meta(description="Width of a candle.")] = (
        "1m"
    )
    start: TimeIn | None = None
    end: TimeIn | None = None
    limit: Annotated[int, Meta(ge=1, le=1_000, description="Candles of a page.")] = 200
    cursor: Cursor | None = None


class AmendOwnOrder(AmendOrder, kw_only=True):
    order_id: Id


class CancelOwnOrder(Struct, kw_only=True):
    order_id: Id


class ListPositions(Struct, kw_only=True):
    market: Slug | None = None
    settled: Annotated[bool, Meta(description="Also markets whose result was paid.")] = False
    limit: Limit = 50
    cursor: Cursor | None = None


class NoArguments(Struct, kw_only=True):
    pass


class ListOrders(Struct, kw_only=True):
    market: Slug | None = None
    status: (
        Annotated[
            str,
            Meta(description="open (all that rest), untriggered, filled, cancelled or expired."),
        ]
        | None
    ) = None
    limit: Limit = 50
    cursor: Cursor | None = None


class Tool(NamedTuple):
    """`scope` of a key that sees it. Names in the path are arguments; the others go into the
    query, or of a method with a body into that.
    """

    name: str
    title: str
    method: str
    path: str
    scope: str
    arguments: type[Struct]
    description: str

    @property
    def is_trading(self) -> bool:
        return self.scope == "trade"


TOOLS: Final = (
    Tool(
        "search_markets", "Search markets", "GET", "markets", "read", SearchMarkets,
        "Find markets by words, status, category or tag. Each result has its `slug`, which the "
        "other tools call `market`, its `status`, `close_at`, `outcomes` with their codes, and "
        "volume. Pages follow one another by `next_cursor`; null is the end.",
    ),
    Tool(
        "get_market", "Show a market", "GET", "markets/{market}", "read", OfMarket,
        "Everything about one market: the question, the rules that decide it, its outcomes and "
        "their codes, when trading ends, tick (prices are multiples of it), lot step (quantities "
        "are multiples of it), fees and, once resolved, what each outcome paid. Read the rules "
        "before you trade.",
    ),
    Tool(
        "get_book", "Show the order book", "GET", "markets/{market}/book", "read", OfMarket,
        "All price levels now, best first, as [price, quantity]. You buy at the asks and sell at "
        "the bids. A binary market shows YES and NO; NO is YES mirrored at 1 - price. "
        "`maker_bids` and `maker_asks` are an automated market maker's, `implied_*` what all "
        "other outcomes together offer: an order trades with the cheapest of them by itself.",
    ),
    Tool(
        "get_history", "Show price history", "GET", "markets/{market}/candles", "read", GetHistory,
        "Candles of one outcome, newest first: open, high, low, close, bid, ask, volume. "
        "Intervals in which nothing changed have none; `carried` marks one without a trade.",
    ),
    Tool(
        "preview_order", "Preview an order", "POST", "orders/preview", "read", PlaceOrder,
        "What an order would do if it came now, without sending it: how much would fill, at which "
        "average price, cost, fees, what would be held, and warnings. Takes what place_order "
        "takes and is refused for the same reasons.",
    ),
    Tool(
        "place_order", "Place an order", "POST", "orders", "trade", PlaceOrder,
        "Send an order; it trades real credits of this account. A contract of `outcome` pays 1 "
        "credit if that happens, else 0, so a price between 0 and 1 is a probability. A limit "
        "order needs price and quantity; a market order quantity or budget. Send numbers as "
        "strings, such as \"0.55\". Always send a `client_order_id` of your own: after a timeout, "
        "the same call again gets the first answer and makes no second order. The answer is the "
        "order after matching, with its trades; `reason` says why it ended. You need no position "
        "to sell: selling what you do not own is backed by credits.",
    ),
    Tool(
        "amend_order", "Amend an order", "PATCH", "orders/{order_id}", "trade", AmendOwnOrder,
        "Change the price or the total quantity (its filled part included) of an own order that "
        "rests. Less quantity alone keeps its place in the queue.",
    ),
    Tool(
        "cancel_order", "Cancel an order", "DELETE", "orders/{order_id}", "trade", CancelOwnOrder,
        "Cancel what is left of an own order. What has traded stays traded.",
    ),
    Tool(
        "my_positions", "Show own positions", "GET", "positions", "read", ListPositions,
        "What this account has in each market: contracts by outcome (below 0: sold), average "
        "price, value, profit, and what is held for open orders.",
    ),
    Tool(
        "my_account", "Show own money", "GET", "portfolio", "read", NoArguments,
        "Cash, what is held for orders, `available` (what new orders may use), the value of "
        "positions and equity, in the exchange's currency.",
    ),
    Tool(
        "my_orders", "Show own orders", "GET", "orders", "read", ListOrders,
        "Own orders, newest first, with status, price, filled and remaining quantity.",
    ),
)  # fmt: skip
BY_NAME: Final = {tool.name: tool for tool in TOOLS}
INSTRUCTIONS: Final = (
    "predex is a prediction-market exchange. A market is a question with outcomes; a contract of "
    "an outcome pays 1 credit if it happens. Find markets with search_markets, read the rules "
    "with get_market and prices with get_book, try an order with preview_order, then place_order. "
    "Prices and amounts are exact decimals: read and send them as strings. A refused call answers "
    "`code` (stable, for you to decide by), `message` and `field`; on too_many_requests wait as "
    "the message says."
)


class ApiCall(NamedTuple):
    method: str
    path: str
    query: str
    body: bytes


def build_schema(arguments: type[Struct]) -> dict[str, Any]:
    """Return the JSON Schema of a tool's arguments: an object that refers to its own parts."""
    _, parts = msgspec.json.schema_components([arguments], ref_template=DEFINITION)
    own = parts.pop(arguments.__name__)
    schema = {name: value for name, value in own.items() if name not in ("title", "description")}
    schema["additionalProperties"] = False
    return {**schema, "$defs": parts} if parts else schema


def build_call(tool: Tool, raw: Raw) -> ApiCall:
    """Return the API call with these arguments; numbers keep the notation in which they came."""
    arguments = decode(_arguments, raw)
    path = _PARAMETER.sub(lambda match: _take_segment(arguments, match[1]), tool.path)
    if tool.method in _BODY_METHODS:
        return ApiCall(tool.method, API + path, "", msgspec.json.encode(arguments))
    values = {name: _read_text(name, value) for name, value in arguments.items()}
    query = urlencode({name: text for name, text in values.items() if text})
    return ApiCall(tool.method, API + path, query, b"")


def _take_segment(arguments: dict[str, Raw], name: str) -> str:
    if name not in arguments:
        raise ApiError("missing_field", name)
    text = _read_text(name, arguments.pop(name))
    if not _SEGMENT.fullmatch(text):
        raise not_found(f"this {name.removesuffix('_id')}")
    return text


def _read_text(name: str, raw: Raw) -> str:
    """Return the value as it is written in a query string; "" for null."""
    value = decode(_values, raw)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise ApiError("wrong_type", name)


_values: Final = msgspec.json.Decoder(str | int | bool | float | list[Raw] | dict[str, Raw] | None)
