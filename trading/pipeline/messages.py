"""Messages between web processes, engines and feeds: msgpack bytes inside Channels messages.

gateway -> engine: a list of `Task`s, answered on `reply_channel` by a list of `Answer`s once their
effects are committed. engine -> all: one `Publication` per commit (group `FEED_GROUP`) and a
`Heartbeat` several times a second (group `HEARTBEAT_GROUP`). Any message may be lost: publications
carry sequence numbers, and tasks may be sent again with the same key.
"""

from typing import Final

import msgspec

from trading.engine.book import EngineOrder
from trading.engine.commands import AnyCommand
from trading.engine.events import LiquidityChanged, Traded
from trading.engine.types import Config, MarketStatus

FEED_GROUP: Final = "feed"
HEARTBEAT_GROUP: Final = "engines"
HEARTBEAT_SECONDS: Final = 0.25
HEARTBEAT_LOST_SECONDS: Final = 1.5


class Task(msgspec.Struct, array_like=True, gc=False):
    """One command for one market.

    `key` identifies its permanent receipt ("order:<client order id>" or
    "request:<Idempotency-Key>"), `body_hash` must be equal on repeats; `quote` asks for a dry run,
    also of an order of NO_ACCOUNT. `market_id` None: every market of the shard in which
    `command.account_id` has orders (CancelAll only).
    """

    ticket: int
    market_id: int | None
    command: AnyCommand
    key: str | None = None
    body_hash: bytes = b""
    quote: bool = False


class Answer(msgspec.Struct, array_like=True, gc=False):
    """The outcome of a task.

    status: "done" (see `result`), "key_reused" (same key, other body), "market_unknown",
    "exchange_halted", "account_closed", "account_suspended"; and temporarily, with nothing changed,
    "account_busy", "clock_wrong", "retry" (the engine is restarting), "overloaded".
    """

    ticket: int
    status: str
    result: "Result | None" = None


class Fill(msgspec.Struct, array_like=True, gc=False):
    """A trade with its id, and the id that it shares with the other legs of its match."""

    trade_id: str
    trade: Traded
    match_id: str = ""


class Result(msgspec.Struct, array_like=True, gc=False):
    """The effects of a command, after matching. Stored unchanged in the receipt.

    `reason` and `missing_micros` are set if it was rejected; an `order` may still be given.
    `fills` are those of the command's own order. `order_ids` are those ended by a cancel-all.
    `held_change_micros` is the change of the account's hold: in a quote, the order's own hold.
    `liquidity` is the result of a change of the maker's liquidity.
    `maker_prices`: in a quote, the maker's bid and ask of the order's outcome afterwards.
    `legs` are those of the order's bracket, or of the one that the command made.
    """

    market_id: int
    seq: int
    ts_us: int
    order: EngineOrder | None = None
    fills: list[Fill] = []
    reason: str | None = None
    missing_micros: int = 0
    order_ids: list[str] = []
    held_change_micros: int = 0
    repeated: bool = False
    liquidity: LiquidityChanged | None = None
    maker_prices: tuple[int | None, int | None] = (None, None)
    legs: list[EngineOrder] = []


class DepthLevel(msgspec.Struct, array_like=True, gc=False):
    """The new totals at a price that changed; 0 is an empty level."""

    outcome: int
    price_pips: int
    bid_lots: int
    ask_lots: int


Levels = list[tuple[int, int]]
"""[(price_pips, quantity_lots)], best first."""
Sides = tuple[Levels, Levels]
"""(bids, asks) of one book."""


class Top(msgspec.Struct, array_like=True, gc=False):
    """One outcome's best prices and sizes in its book; None and 0 where a side is empty.

    Beside them the prices of the market's automated maker, if it has one.
    """

    outcome: int
    bid_pips: int | None = None
    bid_lots: int = 0
    ask_pips: int | None = None
    ask_lots: int = 0
    maker_bid_pips: int | None = None
    maker_ask_pips: int | None = None

    @property
    def best_bid_pips(self) -> int | None:
        """The better of the book's bid and the maker's."""
        return max(filter(None, (self.bid_pips, self.maker_bid_pips)), default=None)

    @property
    def best_ask_pips(self) -> int | None:
        """The better of the book's ask and the maker's."""
        return min(filter(None, (self.ask_pips, self.maker_ask_pips)), default=None)


class MarketChange(msgspec.Struct, array_like=True, gc=False):
    """A commit's changes to one market; `prev_seq` is the sequence number before it."""

    market_id: int
    prev_seq: int
    seq: int
    ts_us: int
    levels: list[DepthLevel] = []
    tops: list[Top] = []
    fills: list[Fill] = []
    status: MarketStatus | None = None
    config: Config | None = None


class OrderChange(msgspec.Struct, array_like=True, gc=False):
    """An order's new state; `seq` is the number of the command that last changed it."""

    market_id: int
    seq: int
    ts_us: int
    order: EngineOrder


class PositionChange(msgspec.Struct, array_like=True, gc=False):
    """An account's new position in one outcome."""

    market_id: int
    seq: int
    outcome: int
    net_lots: int
    cost_micros: int
    realised_micros: int


class AccountChange(msgspec.Struct, array_like=True, gc=False):
    """A commit's changes to one account. Fills have the market's id with the trade."""

    account_id: int
    cash_micros: int
    held_micros: int
    withdrawing_micros: int
    orders: list[OrderChange] = []
    fills: list[tuple[int, int, int, Fill]] = []
    """(market_id, seq, ts_us, fill)."""
    positions: list[PositionChange] = []


class Publication(msgspec.Struct, array_like=True, gc=False):
    """Everything that one commit of a shard changed."""

    shard: int
    epoch: int
    markets: list[MarketChange]
    accounts: list[AccountChange]


class Heartbeat(msgspec.Struct, array_like=True, gc=False):
    """An engine is alive and reads `channel`; `seqs` are its markets' sequence numbers."""

    shard: int
    epoch: int
    channel: str
    ts_us: int
    queue_depth: int
    seqs: dict[int, int] = {}


encode = msgspec.msgpack.Encoder().encode
decode_tasks = msgspec.msgpack.Decoder(list[Task]).decode
decode_answers = msgspec.msgpack.Decoder(list[Answer]).decode
decode_publication = msgspec.msgpack.Decoder(Publication).decode
decode_heartbeat = msgspec.msgpack.Decoder(Heartbeat).decode
decode_result = msgspec.msgpack.Decoder(Result).decode
