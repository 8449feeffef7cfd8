"""The socket `/trade-api/ws/v2`: its commands. What they subscribe to is sent by the relay.

Limits, pace and slow readers are the own feed's; credentials come with the handshake. Public
channels need none.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from accounts.api.principal import authenticate, find_credential, require_scope
from accounts.api.signatures import authenticate_signature
from compat.kalshi import messages
from compat.kalshi.relay import find_book, get_relay
from compat.kalshi.requests import read_signature
from compat.kalshi.rows import compute_market_id
from compat.kalshi.streams import (
    CHANNELS,
    OF_ACCOUNT,
    ORDERBOOK,
    TICKER,
    BookStream,
    Subscription,
    answer,
    frame,
    seal,
)
from compat.kalshi.tickers import name_market, read_ticker
from kernel.errors import ApiError, AuthError
from trading.feed import reads
from trading.feed.consumers import serve_socket
from trading.feed.hub import LIVE_SECONDS
from trading.feed.requests import find_id
from trading.feed.socket import MESSAGE_BYTES_MAX, SUBSCRIPTIONS_MAX, Receive, Send, Socket
from trading.feed.tasks import in_thread
from trading.feed.watcher import Frame
from trading.pipeline.instruments import Instrument, get_instrument
from trading.wire.reading import decode

PATH: Final = "/trade-api/ws/v2"
BEAT_SECONDS: Final = 10.0

Names = Annotated[list[Annotated[str, Meta(max_length=200)]], Meta(max_length=SUBSCRIPTIONS_MAX)]
Number = Annotated[int, Meta(ge=0, le=2**53)]


class Params(Struct, kw_only=True):
    """Those of all commands; unknown ones are ignored, as by the venue."""

    channels: Names = []
    market_ticker: str | None = None
    market_tickers: Names | None = None
    market_id: str | None = None
    market_ids: Names | None = None
    send_initial_snapshot: bool = False
    use_yes_price: bool = False
    sid: Number | None = None
    sids: Annotated[list[Number], Meta(max_length=SUBSCRIPTIONS_MAX)] | None = None
    action: str | None = None

    @property
    def all_sids(self) -> list[int]:
        return [*([] if self.sid is None else [self.sid]), *(self.sids or [])]

    @property
    def tickers(self) -> list[str]:
        one = [] if self.market_ticker is None else [self.market_ticker]
        return list(dict.fromkeys([*one, *(self.market_tickers or [])]))

    @property
    def ids(self) -> list[str]:
        return [*([] if self.market_id is None else [self.market_id]), *(self.market_ids or [])]


class Command(Struct, kw_only=True):
    id: Number | None = None
    cmd: str = ""
    params: Params | None = None


_decoder: Final = msgspec.json.Decoder(Command)

UNABLE, PARAMS_REQUIRED, CHANNELS_REQUIRED, SIDS_REQUIRED, UNKNOWN_COMMAND = 1, 2, 3, 4, 5
UNKNOWN_SID, UNKNOWN_CHANNEL, NOT_AUTHENTICATED, INVALID_PARAMETER = 7, 8, 9, 11
ONE_SID, UNSUPPORTED_ACTION, MARKET_REQUIRED, ACTION_REQUIRED = 12, 13, 14, 15
TIMED_OUT, MARKET_LIMIT, TOO_MANY_REQUESTS = 18, 26, 27
NUMBERS: Final = {
    "not_authenticated": NOT_AUTHENTICATED,
    "invalid_credentials": NOT_AUTHENTICATED,
    "missing_scope": NOT_AUTHENTICATED,
    "too_many_requests": TOO_MANY_REQUESTS,
    "too_many_subscriptions": MARKET_LIMIT,
    "unavailable": TIMED_OUT,
    "internal_error": UNABLE,
    "bad_json": UNABLE,
}
"""The venue's numbers of errors, by our codes; all others are about a parameter."""


class CommandError(ApiError):
    """An error that has a number of its own there."""

    def __init__(self, number: int, text: str, ticker: str | None = None) -> None:
        super().__init__("invalid_value", detail=text)
        self.number = number
        self.tickers = [] if ticker is None else [ticker]


async def kalshi_application(scope: Any, receive: Receive, send: Send) -> None:
    """Serve one connection of `/trade-api/ws/v2`."""
    await serve_socket(KalshiSocket, scope, receive, send)


class KalshiSocket(Socket):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._relay = get_relay(self._hub)
        self._subscriptions: dict[int, Subscription] = {}
        self._last_sid = 0
        self._heartbeat: asyncio.Task[None] | None = None

    async def recognise(self, headers: Mapping[str, str], *, takes_cookies: bool) -> None:
        """Authenticate by a signature, or by one of our own keys or tokens; never by a cookie."""
        sent = read_signature(headers)
        if sent is not None:
            signed = [f"GET{PATH}", f"GET{PATH}/"]
            self.principal = await authenticate_signature(sent, signed, address=self.address)
        elif find_credential(headers) is not None:
            self.principal = await authenticate(headers, self.address)
        if self.principal is not None:
            self.watcher.user_id = self.principal.user_id

    async def _join(self) -> None:
        await self._hub.start()
        self._heartbeat = self._hub.tasks.spawn(self._beat())

    def _leave(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        for subscription in list(self._subscriptions.values()):
            self._end_subscription(subscription)

    async def _beat(self) -> None:
        connection = getattr(self._send, "__self__", None)
        ping = getattr(connection, "send_heartbeat", None)  # None under another server
        while ping is not None:
            await asyncio.sleep(BEAT_SECONDS)
            ping()

    # Writing

    def _stamp_frame(self, frame: Frame, now: float) -> dict[str, Any]:
        return {"type": "websocket.send", "text": seal(frame.message, int(time.time() * 1_000))}

    def _refuse(self, fault: ApiError, text: str | None) -> None:
        is_readable = text is not None and len(text) <= MESSAGE_BYTES_MAX
        request_id = find_id(text or "") if is_readable else None
        number = fault.number if isinstance(fault, CommandError) else None
        if number is None:
            number = NUMBERS.get(fault.code, INVALID_PARAMETER)
        tickers = fault.tickers if isinstance(fault, CommandError) else []
        about = f"{fault.field}: {fault.message}" if fault.field else fault.message
        head = f'"id":{request_id},' if isinstance(request_id, int) else ""
        self.watcher.reply(frame(messages.error(number, about, tickers), head=head))

    # Commands

    async def _handle_text(self, text: str) -> None:
        try:
            body = text.encode()
        except UnicodeEncodeError:
            raise ApiError("bad_json") from None
        command: Command = decode(_decoder, body)
        if command.cmd == "list_subscriptions":
            self._list(command)
            return
        run = {
            "subscribe": self._begin_all,
            "unsubscribe": self._end_all,
            "update_subscription": self._update,
        }.get(command.cmd)
        if run is None:
            raise CommandError(UNKNOWN_COMMAND, f"unknown command: {command.cmd[:40]}")
        if command.params is None:
            raise CommandError(PARAMS_REQUIRED, "send params")
        try:
            async with asyncio.timeout(LIVE_SECONDS):
                await run(command, command.params)
        except TimeoutError:
            raise ApiError("unavailable") from None

    def _list(self, command: Command) -> None:
        shown = [{"channel": one.channel, "sid": one.sid} for one in self._subscriptions.values()]
        self.watcher.reply(answer("ok", command.id, shown))

    async def _begin_all(self, command: Command, params: Params) -> None:
        channels = list(dict.fromkeys(params.channels))
        if not channels:
            raise CommandError(CHANNELS_REQUIRED, "send channels")
        for channel in channels:
            self._check_channel(channel, params)
        named = await self._find_markets(params)
        self._check_size(len(channels) * max(1, len(named)))
        for channel in channels:
            await self._begin(channel, command, params, named)

    def _check_channel(self, channel: str, params: Params) -> None:
        if channel not in CHANNELS:
            raise CommandError(UNKNOWN_CHANNEL, f"unknown channel: {channel[:40]}")
        if channel in OF_ACCOUNT:
            if self.principal is None:
                raise AuthError("not_authenticated", detail=f"{channel} needs a signed handshake")
            require_scope(self.principal, "read")
        if params.ids and channel != TICKER:
            raise CommandError(INVALID_PARAMETER, "market_ids are for the ticker alone")
        if channel == ORDERBOOK and not params.tickers:
            raise CommandError(MARKET_REQUIRED, "send market_ticker or market_tickers")

    async def _begin(
        self,
        channel: str,
        command: Command,
        params: Params,
        named: Sequence[tuple[Instrument, str]],
    ) -> None:
        """Subscribe to one channel, and acknowledge at the moment from which nothing is missed."""
        self._last_sid += 1
        subscription = Subscription(
            self._last_sid,
            channel,
            self.watcher,
            as_yes=params.use_yes_price,
            end=self._end_subscription,
        )
        streams = await self._find_streams(named, channel)
        if named:
            subscription.books = {}
        elif channel not in OF_ACCOUNT:
            await self._relay.welcome(subscription, most=SUBSCRIPTIONS_MAX)
        if channel in OF_ACCOUNT and self.principal is not None:
            await self._relay.own.join(subscription, self.principal.account_id)
        # No await from here on: the next change finds the subscription among the followers.
        self._subscriptions[subscription.sid] = subscription
        acknowledged = {"channel": channel, "sid": subscription.sid}
        self.watcher.reply(answer("subscribed", command.id, acknowledged))
        self._relay.attach(subscription, streams)
        if channel == TICKER and params.send_initial_snapshot:
            self._relay.show_now(subscription, streams)

    async def _end_all(self, command: Command, params: Params) -> None:
        sids = params.all_sids
        if not sids:
            raise CommandError(SIDS_REQUIRED, "send sids")
        for subscription in [self._get(sid) for sid in dict.fromkeys(sids)]:
            self._end_subscription(subscription)
            self.watcher.reply(subscription.answer("unsubscribed", command.id))

    async def _update(self, command: Command, params: Params) -> None:
        subscription = self._get_one(params)
        if not params.action:
            raise CommandError(ACTION_REQUIRED, "send an action")
        if params.action not in ("add_markets", "delete_markets", "get_snapshot"):
            raise CommandError(UNSUPPORTED_ACTION, f"unknown action: {params.action[:40]}")
        if params.action == "get_snapshot" and subscription.channel not in (ORDERBOOK, TICKER):
            raise CommandError(UNSUPPORTED_ACTION, "only books and tickers have snapshots")
        if not params.tickers and not params.ids:
            raise CommandError(MARKET_REQUIRED, "send market_tickers")
        if subscription.books is None:
            raise CommandError(INVALID_PARAMETER, "this subscription is of all markets")
        if params.action == "delete_markets":
            self._relay.detach(subscription, params.tickers)
            self._answer_update(subscription, command)
            return
        named = await self._find_markets(params)
        streams = await self._find_streams(named, subscription.channel)
        new = [one for one in streams if one.name.ticker not in subscription.books]
        if params.action == "get_snapshot":
            self._answer_update(subscription, command)
            self._relay.show_now(subscription, [one for one in streams if one not in new])
            return
        self._check_size(len(new))
        if subscription.is_over:
            raise _unknown_sid(subscription.sid)
        self._relay.attach(subscription, new)
        self._answer_update(subscription, command)
        if subscription.channel == TICKER and params.send_initial_snapshot:
            self._relay.show_now(subscription, new)

    def _answer_update(self, subscription: Subscription, command: Command) -> None:
        tickers = list(subscription.books or ())
        body = {"market_tickers": tickers}
        self.watcher.reply(subscription.answer("ok", command.id, body))

    def _get_one(self, params: Params) -> Subscription:
        sids = params.all_sids
        if len(sids) != 1:
            raise CommandError(ONE_SID, "send exactly one sid")
        return self._get(sids[0])

    def _get(self, sid: int) -> Subscription:
        subscription = self._subscriptions.get(sid)
        if subscription is None:
            raise _unknown_sid(sid)
        return subscription

    def _end_subscription(self, subscription: Subscription) -> None:
        self._subscriptions.pop(subscription.sid, None)
        self._relay.end(subscription)

    def _check_size(self, new: int) -> None:
        used = sum(one.size for one in self._subscriptions.values())
        if used + new > SUBSCRIPTIONS_MAX:
            raise ApiError("too_many_subscriptions", count=SUBSCRIPTIONS_MAX)

    # Markets

    async def _find_markets(self, params: Params) -> list[tuple[Instrument, str]]:
        """Return the markets that are named, all of which this client must be allowed to see."""
        tickers = params.tickers
        if params.ids:
            tickers += await in_thread(find_tickers, self.watcher.user_id, params.ids)
        return [(await self._find_market(ticker), ticker) for ticker in tickers]

    async def _find_market(self, ticker: str) -> Instrument:
        try:
            named = read_ticker(ticker)
            instrument = await get_instrument(named.slug, self.watcher.user_id)
            find_book(instrument, named.code)
        except ApiError as fault:
            raise CommandError(INVALID_PARAMETER, fault.message, ticker[:200]) from None
        return instrument

    async def _find_streams(
        self, named: Sequence[tuple[Instrument, str]], channel: str
    ) -> list[BookStream]:
        asked = [(instrument, read_ticker(ticker)) for instrument, ticker in named]
        return await self._relay.find_streams(asked, channel)


def _unknown_sid(sid: int) -> CommandError:
    return CommandError(UNKNOWN_SID, f"unknown sid: {sid}")


def find_tickers(user_id: int | None, ids: Sequence[str]) -> list[str]:
    """Return the tickers of markets by their ids, or raise an error for one that is unknown."""
    left = dict.fromkeys(ids)
    found = {}
    for instrument in reads.read_cards(reads.read_live_listed(user_id)).values():
        codes = [None] if instrument.binary else instrument.codes
        for ticker in (name_market(instrument.slug, code) for code in codes):
            found[compute_market_id(ticker)] = ticker
    unknown = [one for one in left if one not in found]
    if unknown:
        raise CommandError(INVALID_PARAMETER, f"unknown market id: {unknown[0][:40]}")
    return [found[one] for one in left]
