"""The channel layer over a real Redis: messages arrive, and it finds its way back after outages."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from kernel.breaker import REDIS_AWAY
from kernel.channel_layer import PubSubLayer
from tests.patience import PATIENCE_SECONDS
from tests.servers import RedisServer


@pytest.fixture
async def layer(redis_server: RedisServer) -> AsyncIterator[PubSubLayer]:
    layer = PubSubLayer(hosts=[redis_server.url], prefix="layer-test")
    yield layer
    await layer.flush()


async def receive(layer: PubSubLayer, channel: str) -> dict[str, object]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        message: dict[str, object] = await layer.receive(channel)
        return message


async def test_messages_arrive_in_order_at_channels_and_groups(layer: PubSubLayer) -> None:
    one, other = await layer.new_channel("one."), await layer.new_channel("other.")
    for channel in (one, other):
        await layer.group_add("all", channel)
    for number in range(100):
        await layer.send(one, {"type": "count", "number": number, "data": bytes([number])})
    await layer.group_send("all", {"type": "told"})
    found = [await receive(layer, one) for _ in range(101)]
    assert [message.get("number") for message in found] == [*range(100), None]
    assert found[7]["data"] == b"\x07"
    assert await receive(layer, other) == {"type": "told"}
    await layer.group_discard("all", other)
    await layer.group_send("all", {"type": "told"})
    assert await receive(layer, one) == {"type": "told"}
    assert layer.channels[other].empty()


async def test_many_send_at_once_and_nobody_gets_anothers_answer(layer: PubSubLayer) -> None:
    channel = await layer.new_channel("many.")
    await asyncio.gather(*(layer.send(channel, {"type": "n", "n": n}) for n in range(200)))
    assert {(await receive(layer, channel))["n"] for _ in range(200)} == set(range(200))


async def test_who_is_cancelled_while_publishing_leaves_the_others_their_answers(
    layer: PubSubLayer,
) -> None:
    channel = await layer.new_channel("cut.")
    sending = asyncio.create_task(layer.send(channel, {"type": "cut", "data": bytes(1_000_000)}))
    await asyncio.sleep(0)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await layer.send(channel, {"type": "whole"})
    while (await receive(layer, channel))["type"] != "whole":
        pass


async def test_a_redis_that_was_restarted_is_published_to_without_a_fault(
    layer: PubSubLayer, redis_server: RedisServer
) -> None:
    channel = await layer.new_channel("again.")
    await layer.send(channel, {"type": "before"})
    assert await receive(layer, channel) == {"type": "before"}
    redis_server.kill()
    with pytest.raises(REDIS_AWAY):
        await layer.send(channel, {"type": "lost"})
    redis_server.start()
    await layer.send(channel, {"type": "early"})  # nobody is subscribed yet
    async with asyncio.timeout(PATIENCE_SECONDS):
        hearing = asyncio.create_task(layer.receive(channel))
        while not hearing.done():
            await layer.send(channel, {"type": "after"})
            await asyncio.wait([hearing], timeout=0.1)
    assert (await hearing)["type"] in ("early", "after")


async def test_a_restart_between_two_messages_is_no_fault(
    layer: PubSubLayer, redis_server: RedisServer
) -> None:
    await layer.send("nobody", {"type": "before"})
    redis_server.kill()
    redis_server.start()
    await asyncio.sleep(0.05)  # the end of the old connection is read
    await layer.send("nobody", {"type": "after"})
