"""One open socket: reads its client's messages and writes its `Watcher`'s frames.

Two tasks: one reads messages, one writes frames and waits where the transport says that the client
does not read. Whatever is wrong gets one error frame of the API's shape and changes nothing.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import structlog

from accounts.api.principal import Principal, authenticate, find_credential, require_scope
from accounts.api.signatures import SentRequest, authenticate_request, is_signed
from kernel.clock import format_time, now_us
from kernel.errors import ApiError, AuthError, too_many_requests
from kernel.metrics import SOCKETS_CLOSED
from trading.feed import disconnects, frames
from trading.feed.guard import Guard
from trading.feed.hub import Hub, SubscriptionRequest
from trading.feed.missed import StreamPlace, decode_place
from trading.feed.requests import (
    MESSAGE_BYTES_MAX,
    AnyRequest,
    Auth,
    CancelOnDisconnect,
    Ping,
    Subscribe,
    Unsubscribe,
    decode_request,
    find_id,
)
from trading.feed.sessions import Login, find_session_key, read_login
from trading.feed.stream import CHANNELS_OF_ALL
from trading.feed.tasks import in_thread
from trading.feed.watcher import Frame, Watcher
from trading.pipeline import cancel_timers
from trading.pipeline.instruments import Instrument, get_instrument
from web.errors import find_error

log = structlog.get_logger(__name__)

SUBSCRIPTIONS_MAX: Final = 500
MESSAGES_PER_SECOND: Final = 20.0
MESSAGES_BURST: Final = 60
STRIKES_MAX: Final = 50
"""Messages over the rate, or failed log-ins, after which a socket is closed."""
STRIKES_SECONDS: Final = 60.0
"""Strikes are reset after so long without another one."""
CLOSING_SECONDS: Final = 2.0
FRAMES_A_TURN: Final = 64
"""Frames sent to one socket before it yields to others."""
STAMP_SECONDS: Final = 0.001
ME: Final = "me"
ALL: Final = "all"

CLOSE_FAILED: Final = 1011
CLOSE_NOT_AUTHENTICATED: Final = 4401
CLOSE_TOO_SLOW: Final = 4408
CLOSE_TOO_MANY: Final = 4429
CLOSE_REASONS: Final = {
    CLOSE_FAILED: "failed",
    CLOSE_NOT_AUTHENTICATED: "credential_ended",
    CLOSE_TOO_SLOW: "slow_reader",
    CLOSE_TOO_MANY: "too_many_messages",
}
for _reason in CLOSE_REASONS.values():
    SOCKETS_CLOSED.add(_reason, by=0)  # so that the first one is seen as an increase

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Socket:
    """Created before the handshake is answered; `run` serves it until either side ends.

    `says_when_sent`: each frame is an object and gets a `sent_at`.
    """

    says_when_sent = False

    def __init__(
        self,
        hub: Hub,
        guard: Guard,
        address: str,
        request_id: str,
        receive: Receive,
        send: Send,
    ) -> None:
        self.address = address
        self.target = ""
        """The path and query of the handshake, which a signature covers."""
        self.request_id = request_id
        self.principal: Principal | None = None
        self.login: Login | None = None
        self.credential: str | None = None
        """The key or token of `principal`; None for a session, or a key that signs."""
        self.is_signed = False
        self.sending_since: float | None = None
        self.cancel_timer: UUID | None = None
        self.watcher = Watcher()
        self._hub = hub
        self._guard = guard
        self._receive = receive
        self._send = send
        self._market_ids: dict[str, int] = {}
        self._pace = Pace()
        self._strikes = 0
        self._struck_at = 0.0
        self._stamp = ""
        self._stamped_at = float("-inf")
        self._close_code = 1000
        self._close_reason = ""

    async def recognise(self, headers: Mapping[str, str], *, takes_cookies: bool) -> None:
        """Authenticate by a signature, key or token in headers, else by the session cookie."""
        self.credential = find_credential(headers)
        if self.credential is not None or is_signed(headers):
            sent = SentRequest("GET", self.target, headers, b"", self.address)
            self.principal = await authenticate_request(sent)
            self.is_signed = is_signed(headers)
        elif takes_cookies and "cookie" in headers:
            key = find_session_key(headers["cookie"])
            self.login = await in_thread(read_login, key) if key else None
            self.principal = self.login.principal if self.login else None
        if self.principal is not None:
            self.watcher.user_id = self.principal.user_id

    async def run(self) -> None:
        """Read and write until either task ends."""
        await self._join()
        reader = asyncio.create_task(self._read())
        writer = asyncio.create_task(self._write())
        try:
            await asyncio.wait([reader, writer], return_when=asyncio.FIRST_COMPLETED)
            if self.watcher.ended:
                await asyncio.wait([writer], timeout=CLOSING_SECONDS)
        finally:
            reader.cancel()
            writer.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)
            self._leave()
            if self.cancel_timer is not None:
                self._hub.tasks.spawn(self._cancel_orders(self.cancel_timer))
        for task in (reader, writer):
            if not task.cancelled() and (fault := task.exception()) is not None:
                log.error("socket_fault", request_id=self.request_id, exc_info=fault)

    async def _join(self) -> None:
        await self._hub.join(self.watcher)

    def _leave(self) -> None:
        self._hub.leave(self.watcher)

    async def _cancel_orders(self, timer: UUID) -> None:
        await disconnects.cancel_orders(timer)

    def stop(self) -> None:
        fault = AuthError(
            "invalid_credentials", detail="what you logged in with is no longer valid"
        )
        self._end(fault, CLOSE_NOT_AUTHENTICATED)

    def stop_cancelled(self) -> None:
        fault = ApiError("unavailable", detail="the orders were cancelled: connect again")
        self._end(fault, CLOSE_FAILED)

    def abort(self) -> None:
        self._end(None, CLOSE_TOO_SLOW)
        self._cut()

    def _cut(self) -> None:
        # ASGI has no message for it, and a close would wait behind unread data. Where the
        # transport can't be reached, the server's own pings detect the dead connection.
        transport = getattr(getattr(self._send, "__self__", None), "transport", None)
        if transport is not None:
            transport.abort()

    # Writing

    async def _write(self) -> None:
        # OSError: the client is gone. RuntimeError: the server has closed already, by itself.
        with contextlib.suppress(OSError, RuntimeError):
            await self._write_frames()
            async with asyncio.timeout(CLOSING_SECONDS):
                await self._write_last_words()

    async def _write_frames(self) -> None:
        loop = asyncio.get_running_loop()
        watcher, send = self.watcher, self._send
        written = 0
        while not watcher.ended:
            frame = watcher.next()
            if frame is None:
                await watcher.wait()
                continue
            self.sending_since = now = loop.time()
            await send(self._stamp_frame(frame, now))
            self.sending_since = None
            written += 1
            if written % FRAMES_A_TURN == 0:
                await asyncio.sleep(0)

    async def _write_last_words(self) -> None:
        now = asyncio.get_running_loop().time()
        while (frame := self.watcher.next()) is not None:
            await self._send(self._stamp_frame(frame, now))
        close = {"code": self._close_code, "reason": self._close_reason}
        await self._send({"type": "websocket.close", **close})

    def _stamp_frame(self, frame: Frame, now: float) -> dict[str, Any]:
        """Return the message to send; what is sent within a millisecond has one time."""
        if not self.says_when_sent:
            return frame.message
        if now - self._stamped_at > STAMP_SECONDS:
            self._stamp, self._stamped_at = f',"sent_at":"{format_time(now_us())}"}}', now
        return {"type": "websocket.send", "text": frame.message["text"][:-1] + self._stamp}

    def _end(self, fault: ApiError | None, code: int, reason: str = "") -> None:
        """Close the connection after a last message if the client reads it, else drop it."""
        if self.watcher.ended:
            return
        self._close_code, self._close_reason = code, reason or (fault.code if fault else "")
        SOCKETS_CLOSED.add(CLOSE_REASONS.get(code, "other"))
        if fault is not None:
            self._refuse(fault, None)
        self.watcher.end()
        asyncio.get_running_loop().call_later(CLOSING_SECONDS, self._cut)

    # Reading

    async def _read(self) -> None:
        while not self.watcher.ended:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return
            await self._handle_message(message.get("text"))
            await self.watcher.wait_for_room()

    async def _handle_message(self, text: str | None) -> None:
        wait_seconds = self._pace.take_token()
        if wait_seconds > 0:
            self._strike(too_many_requests(wait_seconds), text)
            await asyncio.sleep(wait_seconds)
            return
        try:
            _check_text(text)
            await self._handle_text(text or "")
        except AuthError as exception:
            self._strike(exception, text)
        except Exception as exception:
            self._refuse(self._find_fault(exception), text)

    def _find_fault(self, exception: Exception) -> ApiError:
        """Return the error to answer with; an unexpected one is logged."""
        expected = find_error(exception)
        if expected is None:
            log.error("socket_message_failed", request_id=self.request_id, exc_info=exception)
        return expected or ApiError("internal_error")

    def _refuse(self, fault: ApiError, text: str | None) -> None:
        is_readable = text is not None and len(text) <= MESSAGE_BYTES_MAX
        request_id = find_id(text or "") if is_readable else None
        self.watcher.reply(frames.error(fault, request_id, request_id=self.request_id))

    def _strike(self, fault: ApiError, text: str | None) -> None:
        self._refuse(fault, text)
        self._count_strike(fault)

    def _count_strike(self, fault: ApiError) -> None:
        now = time.monotonic()
        is_late = now - self._struck_at > STRIKES_SECONDS
        self._strikes, self._struck_at = 1 if is_late else self._strikes + 1, now
        if self._strikes >= STRIKES_MAX:
            self._end(None, CLOSE_TOO_MANY, fault.code)

    async def _handle_text(self, text: str) -> None:
        await self._dispatch(decode_request(text))

    async def _dispatch(self, request: AnyRequest) -> None:
        if isinstance(request, Subscribe):
            await self._subscribe(request)
        elif isinstance(request, Unsubscribe):
            self._unsubscribe(request)
        elif isinstance(request, Auth):
            await self._authenticate(request)
        elif isinstance(request, CancelOnDisconnect):
            await self._cancel_on_disconnect(request)
        else:
            self._pong(request)

    def _pong(self, request: Ping) -> None:
        self.watcher.reply(frames.reply("pong", request.id))

    async def _authenticate(self, request: Auth) -> None:
        credential = request.key or request.token
        if credential is None or (request.key and request.token):
            raise ApiError("missing_field", "key", detail="send a key or a token")
        headers = {"authorization": f"Bearer {credential}"}
        principal = await authenticate(headers, self.address)
        require_scope(principal, "read")
        if self.principal is None:
            self._guard.enter_owner(principal.owner_id)
        elif self.principal.account_id != principal.account_id:
            raise ApiError("already_authenticated")
        self.principal, self.login, self.credential = principal, None, credential
        self.is_signed = False
        self.watcher.user_id = principal.user_id
        scopes = sorted(principal.scopes)
        self.watcher.reply(
            frames.reply(
                "authenticated", request.id, credential=principal.credential, scopes=scopes
            )
        )

    async def _cancel_on_disconnect(self, request: CancelOnDisconnect) -> None:
        account_id, timer = self._check_me("trade"), self.cancel_timer
        if request.enabled and timer is None:
            self.cancel_timer = await in_thread(cancel_timers.set_for_socket, account_id)
        elif not request.enabled and timer is not None:
            await in_thread(cancel_timers.end, timer)
            self.cancel_timer = None
        self.watcher.reply(
            frames.reply("cancel_on_disconnect", request.id, enabled=request.enabled)
        )

    async def _subscribe(self, request: Subscribe) -> None:
        channels = list(dict.fromkeys(request.channels))
        market_channels = _check_channels(channels, request.markets)
        _check_since(request)
        account_id = self._check_me() if ME in channels else None
        place = _read_place(request, account_id)
        instruments = await self._find_cards(request.markets) if market_channels else []
        self._check_room(market_channels, instruments, request.markets == ALL)
        is_all = request.markets == ALL
        asked = SubscriptionRequest(
            account_id, market_channels, instruments, is_all, request.since_seq, place
        )
        answer = frames.reply("subscribed", request.id, channels=channels, markets=request.markets)
        try:
            await self._hub.follow(self.watcher, asked, answer)
        except TimeoutError:
            raise ApiError(
                "unavailable", detail="the feed can't be read at the moment: subscribe again"
            ) from None
        self._market_ids |= {instrument.slug: instrument.id for instrument in instruments}

    def _unsubscribe(self, request: Unsubscribe) -> None:
        channels = list(dict.fromkeys(request.channels))
        market_channels = _check_channels(channels, request.markets)
        if ME in channels:
            self._hub.accounts.leave(self.watcher)
        for channel in market_channels:
            if request.markets == ALL:
                self._hub.unfollow_all(self.watcher, channel)
                continue
            for slug in request.markets or ():
                if slug in self._market_ids:
                    self._hub.unfollow(self.watcher, self._market_ids[slug], channel)
        self.watcher.reply(frames.unsubscribed(request.id, channels, request.markets))

    def _check_me(self, scope: str = "read") -> int:
        if self.principal is None:
            raise AuthError("not_authenticated", detail="log in, or send an auth message first")
        require_scope(self.principal, scope)
        return self.principal.account_id

    async def _find_cards(self, slugs: list[str] | str | None) -> list[Instrument]:
        """Return the markets, all of which must be visible to this client."""
        instruments = []
        for index, slug in enumerate(slugs if isinstance(slugs, list) else ()):
            try:
                instruments.append(await get_instrument(slug, self.watcher.user_id))
            except ApiError as fault:
                fault.field = f"markets.{index}"
                raise
        return list({instrument.id: instrument for instrument in instruments}.values())

    def _check_room(self, channels: list[str], instruments: list[Instrument], is_all: bool) -> None:
        named = self.watcher.named
        new = sum(
            channel not in named.get(instrument.id, ())
            for instrument in instruments
            for channel in channels
        )
        if is_all:
            new += sum(channel not in self.watcher.all_channels for channel in channels)
        if self.watcher.subscriptions + new > SUBSCRIPTIONS_MAX:
            raise ApiError("too_many_subscriptions", count=SUBSCRIPTIONS_MAX)


def _check_text(text: str | None) -> None:
    if text is None:
        raise ApiError("bad_json", detail="send JSON in text frames")
    if len(text) > MESSAGE_BYTES_MAX:
        raise ApiError("message_too_large", bytes=MESSAGE_BYTES_MAX)


class Pace:
    """A token bucket for one socket's messages."""

    def __init__(self) -> None:
        self._tokens = float(MESSAGES_BURST)
        self._at = time.monotonic()

    def take_token(self) -> float:
        """Return 0, or the seconds until a message would be accepted."""
        now = time.monotonic()
        earned = (now - self._at) * MESSAGES_PER_SECOND
        self._tokens, self._at = min(MESSAGES_BURST, self._tokens + earned), now
        if self._tokens < 1:
            return (1 - self._tokens) / MESSAGES_PER_SECOND
        self._tokens -= 1
        return 0.0

    def give_back(self) -> None:
        """Return the token of a message that other limits apply to."""
        self._tokens += 1


def _check_channels(channels: Sequence[str], markets: list[str] | str | None) -> list[str]:
    """Return the channels of markets; ApiError if the markets don't match them."""
    market_channels = [channel for channel in channels if channel != ME]
    if market_channels and markets is None:
        raise ApiError("missing_field", "markets", detail="name the markets")
    if markets == ALL and any(channel not in CHANNELS_OF_ALL for channel in market_channels):
        raise ApiError(
            "invalid_choice",
            "markets",
            detail="all markets can be followed by ticker and lifecycle",
        )
    if not market_channels and markets is not None:
        raise ApiError("invalid_value", "markets", detail="me is of no market")
    return market_channels


def _check_since(request: Subscribe) -> None:
    if request.since_seq is None:
        return
    if not isinstance(request.markets, list) or len(request.markets) != 1:
        raise ApiError("invalid_value", "since_seq", detail="a sequence number is of one market")


def _read_place(request: Subscribe, account_id: int | None) -> StreamPlace | None:
    if request.resume is None:
        return None
    if account_id is None:
        raise ApiError("invalid_value", "resume", detail="only me is resumed by it")
    return decode_place(request.resume, account_id)
