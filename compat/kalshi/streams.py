"""Subscriptions of sockets, and the streams of books that they follow.

A subscription numbers its messages when they are sent, so that what is withheld from a slow reader
leaves no hole: of a book (or a ticker) it gets the present one. Where a lost message can't be made
good that way, the subscription ends with an error, as the venue's do.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from compat.kalshi import messages
from compat.kalshi.messages import BookFigures, BookName, Message
from compat.kalshi.rows import compute_market_id
from compat.kalshi.tickers import name_market
from trading.feed.relays import ShownBook, compare
from trading.feed.replica import TapeTrade
from trading.feed.watcher import Frame, Watcher
from trading.pipeline.instruments import Instrument
from trading.pipeline.messages import Top

ORDERBOOK: Final = "orderbook_delta"
TICKER: Final = "ticker"
TRADE: Final = "trade"
LIFECYCLE: Final = "market_lifecycle_v2"
FILL: Final = "fill"
POSITIONS: Final = "market_positions"
USER_ORDERS: Final = "user_orders"
GROUPS: Final = "order_group_updates"

OF_BOOKS: Final = (ORDERBOOK, TICKER, TRADE, LIFECYCLE)
OF_ALL: Final = (TICKER, TRADE, LIFECYCLE)
"""Followed for all markets where none is named."""
OF_ACCOUNT: Final = (FILL, POSITIONS, USER_ORDERS, GROUPS)
CHANNELS: Final = (*OF_BOOKS, *OF_ACCOUNT)
NUMBERED: Final = frozenset((ORDERBOOK, TRADE, LIFECYCLE, GROUPS))
"""The channels whose messages have a `seq`."""
BUFFER_OVERFLOW: Final = 25

_encode: Final = msgspec.json.Encoder().encode


class Subscription:
    """One `sid` of a socket. `books` are those named by ticker; None: everything."""

    def __init__(
        self,
        sid: int,
        channel: str,
        watcher: Watcher,
        *,
        as_yes: bool,
        end: "Callable[[Subscription], None]",
    ) -> None:
        self.sid = sid
        self.channel = channel
        self.watcher = watcher
        self.user_id = watcher.user_id
        self.account_id: int | None = None
        self.also_listed: frozenset[int] = frozenset()
        self.as_yes = as_yes
        self.books: dict[str, BookStream] | None = None
        self.is_over = False
        self._end_it = end
        self._seq = 0
        self._followers: dict[str, Follower] = {}

    @property
    def size(self) -> int:
        """What it counts for among a socket's subscriptions."""
        return 1 if self.books is None else len(self.books)

    def wants(self, ticker: str) -> bool:
        return self.books is None or ticker in self.books

    def follow(self, stream: "BookStream") -> "Follower":
        """Return the source of its frames of one book."""
        follower = self._followers.get(stream.name.ticker)
        if follower is None:
            follower = self._followers[stream.name.ticker] = Follower(self, stream)
        return follower

    def leave(self, ticker: str) -> None:
        if (follower := self._followers.pop(ticker, None)) is not None:
            self.watcher.forget(follower)

    def push(self, message: Message) -> None:
        """Send what no snapshot makes good."""
        self.watcher.push(self, self.wrap(message))

    def end(self) -> None:
        """Send nothing any more."""
        self.is_over = True
        self.watcher.forget(self)
        for follower in self._followers.values():
            self.watcher.forget(follower)

    def fail(self, number: int, text: str) -> None:
        """End it with an error."""
        self._end_it(self)
        self.watcher.reply(self.wrap(messages.error(number, text)))

    def snapshot(self) -> Frame | None:
        """Return its end: something was withheld from a slow reader."""
        self._end_it(self)
        return self.wrap(messages.error(BUFFER_OVERFLOW, "the reader is too slow: subscribe again"))

    # Envelopes

    def wrap(self, message: Message) -> Frame:
        return frame(message, self)

    def answer(self, type_: str, command_id: int | None, body: Any = None) -> Frame:
        """Return the answer to a command about it, which repeats the last number."""
        return answer(type_, command_id, body, self)

    def number(self, type_: str) -> str:
        """Return the numbers of a message's envelope, which is sent now."""
        if type_ in UNNUMBERED:
            return f',"sid":{self.sid},"seq":{self._seq}'
        if self.channel not in NUMBERED:
            return f',"sid":{self.sid}'
        self._seq += 1
        return f',"sid":{self.sid},"seq":{self._seq}'


UNNUMBERED: Final = frozenset(("ok", "unsubscribed", "error"))
"""These repeat the number of the message before them."""


def frame(message: Message, subscription: Subscription | None = None, head: str = "") -> Frame:
    parts = {"of": subscription, "message": message, "head": head}
    return Frame(parts, len(message.body))


def answer(
    type_: str, command_id: int | None, body: Any = None, subscription: Subscription | None = None
) -> Frame:
    head = "" if command_id is None else f'"id":{command_id},'
    text = "" if body is None else _encode(body).decode()
    return frame(Message(type_, text), subscription, head)


def seal(parts: dict[str, Any], ms: int) -> str:
    """Return a frame's text, at the time when it is sent."""
    message, subscription = parts["message"], parts["of"]
    numbers = "" if subscription is None else subscription.number(message.type)
    body = f',"msg":{message.body}' if message.body else ""
    return f'{{{parts["head"]}"type":"{message.type}"{numbers}{body},"sending_ts_ms":{ms}}}'


class Follower:
    """A subscription's source of one book's frames, of which the present state is enough."""

    def __init__(self, subscription: Subscription, stream: "BookStream") -> None:
        self.subscription = subscription
        self.stream = stream

    def push(self, message: Message) -> None:
        self.subscription.watcher.push(self, self.subscription.wrap(message))

    def owe(self) -> None:
        self.subscription.watcher.owe(self)

    def snapshot(self) -> Frame | None:
        message = self.stream.show(self.subscription)
        return None if message is None else self.subscription.wrap(message)


class TickerState(NamedTuple):
    """What a ticker shows."""

    top: Top
    last_pips: int | None
    figures: BookFigures
    ts_us: int


class BookStream:
    """One book, that is one market of Kalshi's: what it has shown, and who follows it by name."""

    def __init__(self, instrument: Instrument, index: int, seq: int) -> None:
        self._begun_at = seq
        self.market_id, self.index = instrument.id, index
        text = name_market(instrument.slug, None if instrument.binary else instrument.codes[index])
        self.name = BookName(text, compute_market_id(text))
        self.named: dict[str, set[Subscription]] = {channel: set() for channel in CHANNELS}
        self.book: ShownBook | None = None
        self._figures = BookFigures()
        self._newer: list[TapeTrade] = []
        """Trades that the figures don't have."""
        self._quote: TickerState | None = None
        """As last shown."""

    @property
    def is_followed(self) -> bool:
        return any(self.named.values())

    @property
    def is_ahead(self) -> bool:
        """Whether it was begun, or has traded, after what the figures have."""
        last = self._newer[-1].seq if self._newer else 0
        return self._figures.seq < max(self._begun_at, last)

    def show(self, subscription: Subscription) -> Message | None:
        """Return the present state, as a channel has it."""
        if subscription.channel == TICKER:
            return None if self._quote is None else self._show_quote(self._quote)
        if self.book is None:
            return None
        return messages.orderbook_snapshot(self.name, self.book, as_yes=subscription.as_yes)

    def publish_book(self, book: ShownBook) -> None:
        """Send the levels that have changed; the first time the whole book."""
        before, self.book = self.book, book
        followers = self.named[ORDERBOOK]
        if before is None:
            for subscription in followers:
                subscription.follow(self).owe()
            return
        if not followers:
            return
        for change in compare(before, book):
            shown: dict[bool, Message] = {}
            for subscription in followers:
                as_yes = subscription.as_yes
                if as_yes not in shown:
                    shown[as_yes] = messages.orderbook_delta(
                        self.name, before, book, change, as_yes=as_yes
                    )
                subscription.follow(self).push(shown[as_yes])

    def publish_trades(
        self, trades: Sequence[TapeTrade], subscriptions: Iterable[Subscription]
    ) -> None:
        self._newer += trades
        followers = list(subscriptions)
        for one in trades if followers else ():
            message = messages.trade(self.name, one)
            for subscription in followers:
                subscription.push(message)

    def publish_ticker(
        self, top: Top, last_pips: int | None, ts_us: int, subscriptions: Iterable[Subscription]
    ) -> None:
        newer = self._newer
        figures = self._figures._replace(
            volume_lots=self._figures.volume_lots + sum(one.quantity_lots for one in newer),
            last_lots=newer[-1].quantity_lots if newer else self._figures.last_lots,
        )
        before, self._quote = self._quote, TickerState(top, last_pips, figures, ts_us)
        followers = list(subscriptions)
        if not followers or before is None or before[:3] == self._quote[:3]:
            return
        message = self._show_quote(self._quote)
        for subscription in followers:
            subscription.follow(self).push(message)

    def _show_quote(self, quote: "TickerState") -> Message:
        top, last_pips, figures, ts_us = quote
        return messages.ticker(self.name, top, last_pips, figures, ts_us=ts_us)

    def set_figures(self, figures: BookFigures) -> None:
        self._figures = figures
        self._newer = [one for one in self._newer if one.seq > figures.seq]
