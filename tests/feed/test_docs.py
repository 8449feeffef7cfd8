"""docs/feed.md: its examples are messages that are taken, and frames as they are really sent."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.conf import settings
from uvicorn.protocols.websockets import websockets_sansio_impl
from websockets import protocol
from websockets.frames import CloseCode

from accounts.models import Account
from tests.exchange import ROOT
from tests.feed.conftest import Client, Floor, Site
from tests.trading.world import buy, cancel, sell
from trading.engine.types import MarketStatus
from trading.feed import socket
from trading.feed.consumers import SERVER_MESSAGE_BYTES_MAX
from trading.feed.guard import SLOW_SECONDS, SOCKETS_PER_ACCOUNT_MAX
from trading.feed.hub import BEAT_SECONDS
from trading.feed.missed import MISSED_MAX
from trading.feed.reads import OPEN_ORDERS_MAX
from trading.feed.replica import TAPE_SHOWN_MAX
from trading.feed.requests import MESSAGE_BYTES_MAX
from trading.feed.socket import (
    CLOSE_NOT_AUTHENTICATED,
    CLOSE_TOO_MANY,
    CLOSE_TOO_SLOW,
    MESSAGES_BURST,
    MESSAGES_PER_SECOND,
    SUBSCRIPTIONS_MAX,
)
from trading.feed.tasks import in_thread
from trading.order_entry.messages import OPERATION_OF, decode_message
from trading.order_entry.socket import IN_FLIGHT_MAX
from trading.pipeline.cancel_timers import SOCKET_SECONDS

TEXT = (ROOT / "docs" / "feed.md").read_text()
EXAMPLES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)]
FRAMES = {example["type"]: example for example in EXAMPLES if "type" in example}
OTHER_TYPES = {"trades_snapshot", "ticker_snapshot", "lifecycle_snapshot", "unsubscribed"}
"""Described there in words."""
OF_ORDERS = {"answer"}
"""Compared where orders are entered (`test_orders.py`)."""


def test_every_example_message_is_taken() -> None:
    messages = [example for example in EXAMPLES if "type" not in example]
    names = {"subscribe", "unsubscribe", "auth", "ping", "cancel_on_disconnect"}
    operations = {operation.name for operation in OPERATION_OF.values()}
    assert {message["op"] for message in messages} == names | operations - {"preview", "protect"}
    for message in messages:
        decode_message(json.dumps(message))
    assert all(f"`{name}`" in TEXT for name in operations)


def test_the_numbers_in_the_text_are_those_of_the_code() -> None:
    account_max, address_max = SOCKETS_PER_ACCOUNT_MAX, settings.FEED_SOCKETS_PER_ADDRESS_MAX
    for phrase in (
        f"more than {MESSAGES_PER_SECOND:.0f} messages a second ({MESSAGES_BURST} at once)",
        f"more than {SUBSCRIPTIONS_MAX} channels",
        f"of this user ({account_max}) or address ({address_max})",
        f"nothing was read for {SLOW_SECONDS:.0f} seconds",
        f"Every {BEAT_SECONDS:.0f} seconds a heartbeat",
        f"the last {TAPE_SHOWN_MAX} trades",
        f"up to {OPEN_ORDERS_MAX} open orders",
        f"cancelled {SOCKET_SECONDS} seconds",
        f"Up to {IN_FLIGHT_MAX} of these messages",
        f"up to {MISSED_MAX:,} of either",
        *(f"| {code} |" for code in (CLOSE_NOT_AUTHENTICATED, CLOSE_TOO_SLOW, CLOSE_TOO_MANY)),
        f"more than {MESSAGE_BYTES_MAX // 1024} KB",
        f"a message of more than {SERVER_MESSAGE_BYTES_MAX // 1024} KB",
    ):
        assert phrase in TEXT, phrase


def test_every_code_a_connection_may_be_closed_with_is_in_the_text() -> None:
    table = TEXT[TEXT.index("## When a connection ends") :]
    documented = {int(code) for code in re.findall(r"^\| (\d{4}) \|", table, re.MULTILINE)}
    assert documented == find_close_codes()


def find_close_codes() -> set[int]:
    """Return what our code, uvicorn and websockets close connections with."""
    ours = Path(socket.__file__).read_text()
    server = Path(websockets_sansio_impl.__file__).read_text()
    library = Path(protocol.__file__).read_text()
    codes = {int(code) for code in re.findall(r"(?:CLOSE_\w+: Final|_close_code) = (\d{4})", ours)}
    codes |= {int(code) for code in re.findall(r"(?:send_close|fail)\((\d{4})", server)}
    named = {CloseCode[name] for name in re.findall(r"\bCloseCode\.([A-Z_]+)", library)}
    never_sent = {CloseCode.ABNORMAL_CLOSURE, CloseCode.NO_STATUS_RCVD}
    return codes | {int(code) for code in named - never_sent}


@pytest.mark.django_db(transaction=True)
async def test_example_frames_have_the_shape_of_real_ones(
    site: Site, floor: Floor, make_key
) -> None:
    real = await collect_frames(site, floor, make_key)
    assert real.keys() == FRAMES.keys() - OF_ORDERS | OTHER_TYPES
    for type_ in FRAMES.keys() - OF_ORDERS:
        assert find_difference(FRAMES[type_], real[type_], type_) is None


async def collect_frames(site: Site, floor: Floor, make_key) -> dict[str, dict[str, Any]]:
    """Return the fullest real frame of each type."""
    await floor.open()
    await floor.run(buy(floor.market, floor.bob, 30, 100))
    await in_thread(confirm_address, floor.alice)
    _, secret = await make_key(floor.alice)
    client = await site.connect()
    slug = floor.market.slug
    messages: list[dict[str, Any]] = [
        {"op": "auth", "key": secret},
        {"op": "subscribe", "channels": ["lifecycle"], "markets": "all"},
        {"op": "subscribe", "channels": ["book", "trades", "ticker", "lifecycle"],
         "markets": [slug]},
        {"op": "subscribe", "channels": ["me"]},
        {"op": "subscribe", "channels": ["book"], "markets": ["no-such-market"]},
        {"op": "cancel_on_disconnect", "id": "y"},
        {"op": "ping", "id": "x"},
    ]  # fmt: skip
    for message in messages:
        await client.send(**message)
    frames: dict[str, dict[str, Any]] = {}
    named = {"me_snapshot", "trades_snapshot", "pong", "cancel_on_disconnect"}
    await collect(client, frames, until=named)
    [order] = await floor.run(buy(floor.market, floor.alice, 60, 100))
    await floor.run(cancel(floor.market, floor.alice, order.order.order_id))
    await floor.run(sell(floor.market, floor.bob, 60, 200), buy(floor.market, floor.alice, 60, 100))
    await floor.configure(MarketStatus.HALTED)
    await collect(client, frames, until={"trades", "lifecycle", "me", "heartbeat"})
    await client.send("unsubscribe", channels=["trades"], markets=[slug])
    await collect(client, frames, until={"unsubscribed"})
    return frames


def confirm_address(account: Account) -> None:
    """Where addresses have to be confirmed nobody trades before."""
    EmailAddress.objects.update_or_create(
        user=account.owner, email=account.owner.email, defaults={"verified": True}
    )


async def collect(client: Client, frames: dict[str, dict[str, Any]], *, until: set[str]) -> None:
    """Add frames, the longest of each type, until there is one of each of these types."""
    while not frames.keys() >= until:
        frame = await client.receive_whole()
        known = frames.setdefault(frame["type"], frame)
        if len(str(frame)) > len(str(known)):
            frames[frame["type"]] = frame


def find_difference(example: Any, real: Any, path: str) -> str | None:
    """Return where an example's keys or kinds of values differ from the real ones."""
    if isinstance(example, dict) and isinstance(real, dict) and path != "heartbeat.markets":
        if example.keys() != real.keys():
            return f"{path}: {sorted(example.keys() ^ real.keys())}"
        pairs = [(example[key], real[key], f"{path}.{key}") for key in example]
        return next(filter(None, (find_difference(*pair) for pair in pairs)), None)
    if isinstance(example, list) and isinstance(real, list) and example and real:
        return find_difference(example[0], real[0], f"{path}[0]")
    if example is None or real is None or isinstance(example, int | dict | list):
        return None
    return None if type(example) is type(real) else f"{path}: {example!r} and {real!r}"
