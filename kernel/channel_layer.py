"""Channels' pub/sub layer on Redis, with a connection of its own to publish on.

The messages between web processes and engines are a good part of an order's cost. The library's
layer borrows a connection from a pool for each message and checks it, and asks ten times a second
whether something has arrived: twice the cost of what it does.
"""

import asyncio
from typing import Any

import structlog
from channels_redis.pubsub import (
    RedisPubSubChannelLayer,
    RedisPubSubLoopLayer,
    RedisSingleShardConnection,
)

from kernel.breaker import REDIS_AWAY

log = structlog.get_logger(__name__)

RETRY_SECONDS = 1.0
IDLE_SECONDS = 0.1


class PubSubLayer(RedisPubSubChannelLayer):
    """The library's layer with `PubSubConnections` to the server."""

    def _get_layer(self) -> RedisPubSubLoopLayer:
        layer = self._layers.get(asyncio.get_running_loop())
        if layer is None:
            layer = super()._get_layer()
            layer._shards = [PubSubConnections(shard.host, layer) for shard in layer._shards]
        return layer


class PubSubConnections(RedisSingleShardConnection):
    """Two connections to a Redis server: one publishes, one listens.

    `publish` raises one of `REDIS_AWAY`, and connects again the next time. Whoever listens is
    subscribed again after an outage, and misses what was published meanwhile.
    """

    def __init__(self, host: dict[str, Any], channel_layer: RedisPubSubLoopLayer) -> None:
        super().__init__(host, channel_layer)
        self._publisher: Any = None
        self._publishing = asyncio.Lock()

    async def publish(self, channel: str, message: bytes) -> None:
        async with self._publishing:
            if self._publisher is None:
                self._ensure_redis()
                self._publisher = self._redis.connection_pool.make_connection()
            publisher = self._publisher
            if publisher.is_connected and publisher._reader.at_eof():
                await publisher.disconnect(nowait=True)  # closed by the server since
            await publisher.send_command("PUBLISH", channel, message)
            await publisher.read_response()

    async def _do_receiving(self) -> None:
        while True:
            try:
                if self._pubsub and self._pubsub.subscribed:
                    self._receive_message(
                        await self._pubsub.get_message(ignore_subscribe_messages=True, timeout=None)
                    )
                else:
                    await asyncio.sleep(IDLE_SECONDS)
            except REDIS_AWAY as fault:
                log.warning("channel_layer_hears_nothing", because=str(fault))
                await asyncio.sleep(RETRY_SECONDS)
            except Exception:  # whoever stops listening would be deaf for good
                log.exception("channel_layer_failed")
                await asyncio.sleep(RETRY_SECONDS)

    async def flush(self) -> None:
        await super().flush()
        if self._publisher is not None:
            await self._publisher.disconnect(nowait=True)
            self._publisher = None
