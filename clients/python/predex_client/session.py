"""The feed's protocol without a connection: what is sent, and what becomes of each frame.

A chain is one channel of one market (or `me`). Each frame of it names the one before; where one is
missing, the chain is subscribed again, from the last number that is known where the exchange can.
`Feed` and `AsyncFeed` carry the texts.
"""

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from predex_client.errors import (
    UNREADABLE,
    ApiError,
    ConnectionLostError,
    PredexError,
    UnexpectedAnswerError,
    build_error,
)
from predex_client.events import (
    AccountEvent,
    BookEvent,
    Event,
    HeartbeatEvent,
    UnsubscribedEvent,
    read_event,
)
from predex_client.local import LocalAccount, LocalBook, fits, is_old
from predex_client.requests import Request
from predex_client.values import decode, encode

Channel = Literal["book", "trades", "ticker", "lifecycle", "me"]
Chain = tuple[str, str]
"""A channel, and a market's slug, "all", or "" for `me`."""
ME: Chain = ("me", "")
CANCEL: Chain = ("cancel_on_disconnect", "")
"""No chain, but wanted from each connection as chains are."""
ALL = "all"
RESUMABLE = ("book", "trades")
RESUMED_MAX = 20
"""Chains that are resumed one by one, within the pace of messages; more get snapshots."""
MARKETS_A_MESSAGE_MAX = 100
LATER = ("unavailable", "too_many_requests")
SUBSCRIBED_AGAIN = "again"


class Received(NamedTuple):
    """What a frame brought: an event, the answer to a request, messages to send."""

    event: Event | None = None
    answered: tuple[int, Any] | None = None
    messages: Sequence[str] = ()


class Session:
    def __init__(self, resume: str | None = None) -> None:
        self.books: dict[str, LocalBook] = {}
        self.account = LocalAccount(resume)
        self.heartbeat: HeartbeatEvent | None = None
        self.resyncs = 0
        self._wanted: dict[Chain, None] = {}
        self._seqs: dict[Chain, int | None] = {}
        self._broken: set[Chain] = set()
        self._failed: set[Chain] = set()
        self._again: dict[str, list[Chain]] = {}
        self._pending: dict[int, Request[Any]] = {}
        self._numbers = itertools.count(1)

    # Requests

    def begin(self, request: Request[Any]) -> tuple[int, str]:
        """Return a request's number, and its message."""
        number = next(self._numbers)
        self._pending[number] = request
        named = {**request.params, **request.query}
        if request.body is not None:
            named["body"] = request.body
        if request.idempotency_key is not None:
            named["idempotency_key"] = request.idempotency_key
        if request.operation == "subscribe":
            self._expect(request)
            named |= self._place(request)
        return number, _write(request.operation, number, named)

    def give_up(self, number: int) -> None:
        self._pending.pop(number, None)

    def connect(self) -> list[str]:
        """Return the messages with which a new connection begins: what was wanted before."""
        return list(self._subscribe(self._wanted))

    def lose(self) -> list[int]:
        """The connection was lost. Return the requests that will get no answer."""
        self._broken |= self._wanted.keys()
        self._failed.clear()
        self._again.clear()
        for book in self.books.values():
            book.is_current = False
        lost = list(self._pending)
        self._pending.clear()
        return lost

    # Frames

    def receive(self, text: str | bytes) -> Received:
        """Take a frame; raise ApiError where the account may not be followed any more."""
        try:
            return self._receive(json.loads(text))
        except UNREADABLE as fault:
            raise UnexpectedAnswerError(f"{text[:200]!r}: {fault!r}") from fault

    def _receive(self, frame: dict[str, Any]) -> Received:
        name = frame.get("id")
        if isinstance(name, str) and name in self._again:
            return self._finish_again(name, frame)
        if isinstance(name, int) and name in self._pending:
            return Received(answered=(name, self._finish(self._pending.pop(name), frame)))
        event = read_event(frame)
        if isinstance(event, HeartbeatEvent):
            self.heartbeat = event
            return Received(messages=list(self._subscribe_again(self._find_behind(event))))
        if isinstance(event, UnsubscribedEvent):
            for market in event.markets or ("",):
                self._forget((channel, market) for channel in event.channels)
            return Received(event)
        return Received() if event is None else self._follow(_find_chain(frame), event)

    def _follow(self, chain: Chain | None, event: Event) -> Received:
        """Take an event of a chain, in its order."""
        if chain is None or not self._is_wanted(chain):
            return Received(event if chain is None else None)
        if isinstance(event, AccountEvent):
            return self._follow_account(event)
        if not fits(self._seqs.get(chain), event):
            return self._miss(chain, event)
        self._keep(chain, event)
        if isinstance(event, BookEvent):
            self.books.setdefault(chain[1], LocalBook()).apply(event)
        return Received(event)

    def _follow_account(self, event: AccountEvent) -> Received:
        """A snapshot that does not say what was missed follows a lapse: ask for that."""
        if ME in self._broken and self._is_resuming():
            return Received()  # sent before what was asked for
        is_resumed = event.missed is not None or self.account.resume is None
        if event.is_snapshot and not is_resumed:
            return Received(messages=list(self._subscribe_again([ME])))
        if not fits(self._seqs.get(ME), event):
            return self._miss(ME, event)
        self._keep(ME, event)
        if event.missed is not None:
            orders = (*event.missed.orders, *event.orders)
            event = replace(event, orders=orders, fills=event.missed.fills)
        self.account.apply(event)
        return Received(event)

    def _keep(self, chain: Chain, event: Event) -> None:
        self._seqs[chain] = event.seq
        self._broken.discard(chain)

    def _miss(self, chain: Chain, event: Event) -> Received:
        if is_old(self._seqs.get(chain), event):
            return Received()
        return Received(messages=list(self._subscribe_again([chain])))

    def _find_behind(self, event: HeartbeatEvent) -> list[Chain]:
        """Return the chains of which the exchange has sent more than has come."""
        sent: dict[Chain, int | None] = {
            (channel, market): seq
            for market, seqs in event.markets.items()
            for channel, seq in seqs.items()
            if channel != "seq"
        }
        sent[ME] = event.me
        behind = [
            chain
            for chain, seq in sent.items()
            if seq is not None and (known := self._seqs.get(chain)) is not None and seq > known
        ]
        return [*behind, *self._failed]

    # Answers

    def _finish(self, request: Request[Any], frame: Mapping[str, Any]) -> Any:
        """Return what a request is answered with: its value, or the error to raise."""
        if frame["type"] == "error":
            if request.operation == "subscribe":
                self._forget([c for c in _find_chains(request) if self._seqs.get(c) is None])
            return _read_error(frame)
        if request.operation == "unsubscribe":
            self._forget(_find_chains(request))
        elif request.operation == "cancel_on_disconnect":
            self._wanted.pop(CANCEL, None)
            self._wanted |= {CANCEL: None} if frame["enabled"] else {}
        return request.read(frame.get("body"))

    def _finish_again(self, name: str, frame: Mapping[str, Any]) -> Received:
        chains = self._again.pop(name)
        if frame["type"] != "error":
            self._failed.difference_update(chains)
        elif frame["code"] in LATER:
            self._failed.update(chains)  # asked for again at the next heartbeat
        elif str(frame["field"]).startswith("markets."):
            return self._lose_market(chains, frame)
        else:
            self._forget(chains)
            raise _read_error(frame)
        return Received()

    def _lose_market(self, chains: list[Chain], frame: Mapping[str, Any]) -> Received:
        """One of these markets is not to be seen any more: follow the others."""
        channel, market = gone = chains[int(frame["field"].partition(".")[2])]
        self._forget([gone])
        event = decode(UnsubscribedEvent, {**frame, "channels": [channel], "markets": [market]})
        return Received(event, messages=list(self._subscribe(c for c in chains if c != gone)))

    # Subscriptions

    def _expect(self, request: Request[Any]) -> None:
        """Follow chains from now on, also over a connection that comes after this one."""
        for chain in _find_chains(request):
            self._wanted.setdefault(chain)
            if chain[0] == "book" and chain[1] not in self.books:
                self.books[chain[1]] = LocalBook()

    def _place(self, request: Request[Any]) -> dict[str, Any]:
        has_place = ME in _find_chains(request) and self.account.resume is not None
        return {"resume": self.account.resume} if has_place else {}

    def _is_wanted(self, chain: Chain) -> bool:
        return chain in self._wanted or (chain[0], ALL) in self._wanted

    def _is_resuming(self) -> bool:
        return any(ME in chains for chains in self._again.values())

    def _forget(self, chains: Iterable[Chain]) -> None:
        for chain in chains:
            self._wanted.pop(chain, None)
            self._seqs.pop(chain, None)
            self._failed.discard(chain)
            if chain[0] == "book":
                self.books.pop(chain[1], None)

    def _subscribe_again(self, chains: Iterable[Chain]) -> Iterator[str]:
        """Subscribe to chains in which something is missing, unless that is under way."""
        under_way = {chain for chains in self._again.values() for chain in chains}
        asked = {chain if chain in self._wanted else (chain[0], ALL) for chain in chains}
        for chain in asked - under_way:
            self.resyncs += 1
            self._broken.add(chain)
            if chain[0] == "book":
                self.books[chain[1]].is_current = False
            yield from self._subscribe([chain])

    def _subscribe(self, chains: Iterable[Chain]) -> Iterator[str]:
        """Yield the messages that subscribe to chains, resumed where that can be."""
        chains = list(chains)
        known = [c for c in chains if c[0] in RESUMABLE and self._seqs.get(c) is not None]
        resumed = known if len(known) <= RESUMED_MAX else []
        for chain in resumed:
            yield self._write_again([chain], since_seq=self._seqs[chain])
        markets: dict[str, list[str]] = {}
        for channel, market in chains:
            if (channel, market) not in resumed:
                markets.setdefault(channel, []).append(market)
        for channel, slugs in markets.items():
            if channel == CANCEL[0]:
                yield _write(channel, self._name_again([CANCEL]), {})
                continue
            if channel == "me":
                place = {"resume": self.account.resume} if self.account.resume else {}
                yield self._write_again([ME], **place)
                continue
            if ALL in slugs:
                yield self._write_again([(channel, ALL)])
            named = [slug for slug in slugs if slug != ALL]
            for start in range(0, len(named), MARKETS_A_MESSAGE_MAX):
                batch = named[start : start + MARKETS_A_MESSAGE_MAX]
                yield self._write_again([(channel, slug) for slug in batch])

    def _write_again(self, chains: list[Chain], **more: Any) -> str:
        markets: dict[str, Any] = {}
        if chains != [ME]:
            slugs = [market for _, market in chains]
            markets = {"markets": ALL if slugs == [ALL] else slugs}
        named = {"channels": [chains[0][0]], **markets, **more}
        return _write("subscribe", self._name_again(chains), named)

    def _name_again(self, chains: list[Chain]) -> str:
        name = f"{SUBSCRIBED_AGAIN}-{next(self._numbers)}"
        self._again[name] = chains
        return name


def subscribe(
    *channels: Channel, markets: Sequence[str] | Literal["all"] | None = None
) -> Request[None]:
    """Follow channels of these markets, of `"all"`, or `me`, which is of no market."""
    return _feed_request("subscribe", channels=channels, markets=markets)


def unsubscribe(
    *channels: Channel, markets: Sequence[str] | Literal["all"] | None = None
) -> Request[None]:
    """Follow them no more."""
    return _feed_request("unsubscribe", channels=channels, markets=markets)


def cancel_on_disconnect(*, enabled: bool = True) -> Request[None]:
    """Have all own orders cancelled when the connection ends, however it ends."""
    return _feed_request("cancel_on_disconnect", enabled=enabled)


def lost() -> PredexError:
    return ConnectionLostError("the connection was lost before the answer")


def _feed_request(operation: str, **query: Any) -> Request[None]:
    query = {name: value for name, value in query.items() if value is not None}
    return Request(
        method="", path="", operation=operation, query=query, read=lambda _: None,
        is_repeatable=True,
    )  # fmt: skip


def _find_chains(request: Request[Any]) -> Iterator[Chain]:
    markets = request.query.get("markets", ())
    for channel in request.query["channels"]:
        slugs = [""] if channel == "me" else [ALL] if markets == ALL else markets
        yield from ((channel, slug) for slug in slugs)


def _find_chain(frame: Mapping[str, Any]) -> Chain | None:
    """Return the chain of a frame; None for one of no chain."""
    channel = frame["type"].removesuffix("_snapshot")
    if channel == "me":
        return ME
    return None if frame["seq"] is None else (channel, frame["market"])


def _read_error(frame: Mapping[str, Any]) -> ApiError:
    return build_error(frame["status"], frame, frame["retry_after"])


def _write(operation: str, number: int | str, named: Mapping[str, Any]) -> str:
    return json.dumps({"op": operation, "id": number, **encode(named)})
