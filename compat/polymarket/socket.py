"""The socket `/poly/ws/market`: its messages. What they subscribe to is sent by the relay.

Handshake, limits, pace and slow readers are the own feed's. Nobody logs in here, so a socket sees
what everybody may see.
"""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from compat.polymarket import frames
from compat.polymarket.names import OutcomeToken, find_token
from compat.polymarket.relay import get_relay
from kernel.errors import ApiError, not_found
from trading.feed.consumers import serve_socket
from trading.feed.hub import LIVE_SECONDS
from trading.feed.socket import SUBSCRIPTIONS_MAX, Receive, Send, Socket
from trading.feed.tasks import in_thread
from trading.pipeline.instruments import get_visible_instrument
from trading.wire.reading import decode

PING: Final = "PING"
PONG: Final = frames.text("PONG")

TokenIds = Annotated[list[Annotated[str, Meta(max_length=80)]], Meta(max_length=SUBSCRIPTIONS_MAX)]


class MarketMessage(Struct, forbid_unknown_fields=True, kw_only=True):
    """The first message has a type, later ones an operation."""

    type: Literal["market", "MARKET"] | None = None
    operation: Literal["subscribe", "unsubscribe"] | None = None
    assets_ids: TokenIds = []
    custom_feature_enabled: bool | None = None
    initial_dump: bool = True


_decoder: Final = msgspec.json.Decoder(MarketMessage)


async def market_application(scope: Any, receive: Receive, send: Send) -> None:
    """Serve one connection of `/poly/ws/market`."""
    await serve_socket(MarketSocket, scope, receive, send)


class MarketSocket(Socket):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._relay = get_relay(self._hub)

    async def recognise(self, headers: Mapping[str, str], *, takes_cookies: bool) -> None:
        """Everybody is anonymous here."""

    async def _join(self) -> None:
        await self._hub.start()

    def _leave(self) -> None:
        self._relay.leave(self.watcher)

    async def _handle_text(self, text: str) -> None:
        if text.strip() == PING:
            self.watcher.reply(PONG)
            return
        try:
            body = text.encode()
        except UnicodeEncodeError:
            raise ApiError("bad_json") from None
        await self._obey(decode(_decoder, body))

    async def _obey(self, message: MarketMessage) -> None:
        if message.type is None and message.operation is None:
            raise ApiError("missing_field", "type")
        if message.operation == "unsubscribe":
            self._relay.unfollow(self.watcher, set(message.assets_ids))
            return
        tokens = await self._find_tokens(message.assets_ids)
        if self._relay.count(self.watcher) + len(tokens) > SUBSCRIPTIONS_MAX:
            raise ApiError("too_many_subscriptions", count=SUBSCRIPTIONS_MAX)
        if message.custom_feature_enabled is not None:
            change = self._relay.custom.add if message.custom_feature_enabled else None
            (change or self._relay.custom.discard)(self.watcher)
        try:
            async with asyncio.timeout(LIVE_SECONDS):
                await self._relay.follow(self.watcher, tokens, with_books=message.initial_dump)
        except TimeoutError:
            raise ApiError("unavailable") from None

    async def _find_tokens(self, token_ids: list[str]) -> list[OutcomeToken]:
        """Return the tokens of visible markets; the others are named in an error."""
        found, unknown = [], []
        for token_id, token in (await in_thread(_look_up, token_ids)).items():
            try:
                if token is None:
                    raise not_found()
                await get_visible_instrument(token.leg.market_id, None)
                found.append(token)
            except ApiError:
                unknown.append(token_id)
        if unknown:
            fault = not_found("an order book of these tokens")
            self.watcher.reply(frames.error(fault, assets_ids=unknown))
        return found

    def _refuse(self, fault: ApiError, text: str | None) -> None:
        self.watcher.reply(frames.error(fault))


def _look_up(token_ids: list[str]) -> dict[str, OutcomeToken | None]:
    return {token_id: find_token(token_id) for token_id in token_ids}
