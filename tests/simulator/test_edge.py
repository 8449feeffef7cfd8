"""Delays and faults at the edge, around applications that know nothing of them."""

import asyncio
import itertools
import time

import msgspec
import pytest

from simulator.bench import Bench
from simulator.conditions import (
    Conditions,
    Delays,
    Faults,
    Fixed,
    KeyConditions,
    LogNormal,
    Sampled,
    Tokens,
)
from simulator.edge import Edge

PREFIX = "0123456789ab"
KEY = f"pdx_{PREFIX}_{'x' * 43}"
OTHER = f"pdx_{'f' * 12}_{'x' * 43}"


class Site:
    """An application that answers 200 with a body, behind an edge; `done` counts what it did."""

    def __init__(self, conditions=None):
        self.bench = Bench()
        self.done = 0
        if conditions is not None:
            self.bench.conditions.set(PREFIX, conditions)
        self.edge = Edge(self.app, self.bench)

    async def app(self, scope, receive, send):
        self.done += 1
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]})
        await send({"type": "http.response.body", "body": b'{"answer": "complete"}'})

    async def ask(self, method="GET", path="/api/v1/orders", key=KEY, header=b"x-api-key"):
        sent = []

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http", "method": method, "path": path, "client": ("127.0.0.1", 1),
            "headers": [(header, key.encode())], "query_string": b"",
        }  # fmt: skip
        await self.edge(scope, None, send)
        body = b"".join(message.get("body", b"") for message in sent[1:])
        [length] = [value for name, value in sent[0]["headers"] if name == b"content-length"] or [0]
        assert not length or int(length) == len(body)
        return sent[0]["status"], body


async def seconds(waiting):
    started = time.monotonic()
    await waiting
    return time.monotonic() - started


async def test_the_delays_of_a_request_are_chosen_by_what_it_does():
    delays = Delays(order_in=Fixed(200), cancel_in=Fixed(120), answer_out=Fixed(40))
    site = Site(Conditions(delays))
    assert await seconds(site.ask("POST")) > 0.23
    assert 0.15 < await seconds(site.ask("DELETE")) < 0.23
    assert 0.15 < await seconds(site.ask("POST", "/api/v1/orders/cancel-after")) < 0.23
    assert 0.03 < await seconds(site.ask()) < 0.12


@pytest.mark.parametrize(("key", "header"), [(OTHER, b"x-api-key"), ("", b"x-api-key")])
async def test_other_keys_are_never_touched(key, header):
    site = Site(Conditions(Delays(order_in=Fixed(5_000)), Faults(fail_after_commit=1, malform=1)))
    assert await site.ask("POST", key=key, header=header) == (200, b'{"answer": "complete"}')


async def test_a_key_is_known_in_every_header_that_carries_one():
    site = Site(Conditions(faults=Faults(fail_after_commit=1)))
    site.bench.conditions.set("01a2-key-id", Conditions(faults=Faults(fail_after_commit=1)))
    for header, text in (
        (b"x-api-key", KEY),
        (b"authorization", f"Bearer {KEY}"),
        (b"kalshi-access-key", "01a2-key-id"),
    ):
        assert (await site.ask("POST", key=text, header=header))[0] == 502
    assert site.done == 3  # each was done before its answer was lost


async def test_a_request_in_so_many_is_refused_and_not_done():
    site = Site(Conditions(faults=Faults(too_many_after=2)))
    statuses = [(await site.ask())[0] for _ in range(6)]
    assert statuses == [200, 200, 429, 200, 200, 429]
    assert site.done == 4


async def test_a_venue_s_tokens_are_spent_and_come_back(monkeypatch):
    now_ms = 1_000_000
    monkeypatch.setattr("simulator.conditions.time.monotonic_ns", lambda: now_ms * 1_000_000)
    site = Site(Conditions(tokens=Tokens()))

    async def ask(times, method):
        return [(await site.ask(method))[0] for _ in range(times)]

    assert await ask(11, "POST") == [200] * 10 + [429]
    assert await ask(21, "GET") == [200] * 20 + [429]  # of a bucket of their own
    now_ms += 50
    assert await ask(3, "DELETE") == [200, 200, 429]
    now_ms += 60
    assert await ask(1, "POST") == [429]
    now_ms += 10_000
    assert await ask(11, "POST") == [200] * 10 + [429]
    assert site.done == 42


async def test_a_request_that_costs_more_than_its_bucket_empties_it():
    site = Site(Conditions(tokens=Tokens(write_per_second=5)))
    assert [(await site.ask("POST"))[0] for _ in range(2)] == [200, 429]


async def test_answers_are_cut_short_or_come_in_pieces():
    site = Site(Conditions(faults=Faults(malform=1)))
    status, body = await site.ask()
    assert status == 200
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(body)
    slow = Site(Conditions(faults=Faults(slow=1, slow_ms=150)))
    started = time.monotonic()
    assert await slow.ask() == (200, b'{"answer": "complete"}')
    assert time.monotonic() - started > 0.14


def test_equal_seeds_draw_equal_delays_and_faults_whatever_else_is_drawn():
    conditions = Conditions(
        Delays(order_in=LogNormal(50, 0.5), answer_out=Sampled([1, 2, 3])), Faults(lose=0.3)
    )
    first, second = KeyConditions(conditions, 7), KeyConditions(conditions, 7)
    drawn = [(first.delay_seconds("order_in"), first.happens("lose")) for _ in range(50)]
    again = []
    for _ in range(50):
        second.delay_seconds("answer_out")
        again.append((second.delay_seconds("order_in"), second.happens("lose")))
    assert drawn == again
    assert 5 < sum(lost for _, lost in drawn) < 25
    other = KeyConditions(conditions, 8)
    assert [(other.delay_seconds("order_in"), other.happens("lose")) for _ in range(50)] != drawn


class Talk:
    """A socket on which an application sends frames; the key comes in an `auth` message."""

    def __init__(self, conditions):
        self.bench = Bench()
        self.bench.conditions.set(PREFIX, conditions)
        self.sent, self.heard = [], []
        self.incoming = asyncio.Queue()

    async def app(self, scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await receive()  # auth
        self.reader = asyncio.create_task(self._hear(receive))
        for number in range(self.frames):
            kind = "me" if number % 10 == 9 else "book"
            await send(
                {"type": "websocket.send", "text": f'{{"v":1,"type":"{kind}","seq":{number}}}'}
            )
        await asyncio.wait([self.reader], timeout=self.seconds)
        self.reader.cancel()

    async def _hear(self, receive):
        while True:
            message = await receive()
            self.heard.append((time.monotonic(), message))
            if message["type"] == "websocket.disconnect":
                return

    async def send(self, message):
        self.sent.append((time.monotonic(), message))

    async def run(self, frames=0, seconds=0.3, texts=(), key=KEY):
        self.frames, self.seconds = frames, seconds
        self.incoming.put_nowait({"type": "websocket.connect"})
        for text in (msgspec.json.encode({"op": "auth", "key": key}).decode(), *texts):
            self.incoming.put_nowait({"type": "websocket.receive", "text": text})
        scope = {"type": "websocket", "path": "/ws/v1", "headers": []}
        self.started = time.monotonic()
        await Edge(self.app, self.bench)(scope, self.incoming.get, self.send)
        return self.numbers()

    def numbers(self):
        texts = [message.get("text") for _, message in self.sent]
        return [msgspec.json.decode(text)["seq"] for text in texts if text]


async def test_frames_are_lost_doubled_reordered_and_cut_as_seeded():
    async def numbers(seed=1, **faults):
        return await Talk(Conditions(faults=Faults(**faults), seed=seed)).run(200)

    assert await numbers() == list(range(200))
    lost = await numbers(lose=0.2)
    assert 130 < len(lost) < 190
    assert lost == sorted(set(lost))
    assert await numbers(lose=0.2) == lost
    assert await numbers(lose=0.2, seed=2) != lost
    doubled = await numbers(double=0.2)
    assert sorted(set(doubled)) == list(range(200)) != doubled
    swapped = await numbers(reorder=0.2)
    assert len(swapped) >= 199
    assert any(first > second for first, second in itertools.pairwise(swapped))
    gaps = await numbers(gap=0.02, gap_frames=5)
    assert any(second - first > 5 for first, second in itertools.pairwise(gaps))
    talk = Talk(Conditions(faults=Faults(disconnect_after=30)))
    assert await talk.run(200) == list(range(30))
    assert talk.sent[-1][1]["type"] == "websocket.close"
    assert talk.heard[-1][1]["type"] == "websocket.disconnect"


async def test_a_stranger_s_socket_is_left_alone():
    talk = Talk(Conditions(faults=Faults(lose=1)))
    assert await talk.run(20, key=OTHER, seconds=0.05) == list(range(20))


async def test_private_and_market_frames_have_delays_of_their_own_and_keep_their_order():
    talk = Talk(Conditions(Delays(private_feed=Fixed(150), market_data=Fixed(20))))
    await talk.run(20, seconds=0.5)
    market = [at for at, message in talk.sent if '"book"' in message.get("text", "")]
    private = [at for at, message in talk.sent if '"me"' in message.get("text", "")]
    assert 0.015 < market[0] - talk.started < 0.14
    assert private[0] - talk.started > 0.14
    assert [n for n in talk.numbers() if n % 10 != 9] == [n for n in range(20) if n % 10 != 9]


async def test_orders_on_a_socket_wait_side_by_side_and_in_order():
    talk = Talk(Conditions(Delays(order_in=Fixed(150), cancel_in=Fixed(10))))
    texts = ['{"op":"place","id":1}', '{"op":"place","id":2}', '{"op":"cancel","id":3}']
    await talk.run(texts=texts, seconds=0.6)
    times = [at - talk.started for at, _ in talk.heard]
    assert [message["text"] for _, message in talk.heard] == texts
    assert 0.14 < times[0] <= times[2] < 0.3  # not one after the other
