"""Django's turns: a few at once, address by address; anonymous page views are limited."""

import asyncio

import pytest
from django.test import Client

from accounts.models import Policy
from kernel.errors import ApiError
from predex import turns
from predex.order_app import OrderApp
from predex.turns import Turns


async def begin(takes):
    tasks = [asyncio.ensure_future(take) for take in takes]
    await asyncio.sleep(0)
    return tasks


async def test_an_address_with_many_waiting_delays_another_by_one():
    line, order = Turns(1), []
    give_back = await line.acquire("a")

    async def work(name, address):
        give_back = await line.acquire(address)
        order.append(name)
        give_back()

    tasks = await begin(
        [work("a1", "a"), work("a2", "a"), work("a3", "a"), work("b1", "b"), work("c1", "c")]
    )
    give_back()
    give_back()  # a second time changes nothing
    await asyncio.gather(*tasks)
    assert order == ["a1", "b1", "c1", "a2", "a3"]
    assert callable(await line.acquire("d"))


async def test_a_client_that_leaves_while_waiting_keeps_no_one_else_waiting():
    line = Turns(1)
    give_back = await line.acquire("a")
    [left, stays, late] = await begin([line.acquire("a"), line.acquire("a"), line.acquire("b")])
    left.cancel()
    await asyncio.sleep(0)
    give_back()
    stays.cancel()  # in the moment in which its turn came
    with pytest.raises(asyncio.CancelledError):
        await stays
    assert callable(await late)


async def test_a_client_that_leaves_ends_its_turn_no_sooner_than_the_work_ends(settings):
    settings.DJANGO_AT_ONCE = 1
    began, done = asyncio.Event(), asyncio.Event()

    async def django(scope, receive, send):
        assert (await receive())["body"] == b"{}"
        began.set()
        left = asyncio.ensure_future(receive())
        await done.wait()
        assert not left.done()
        left.cancel()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    messages = [
        {"type": "http.disconnect"},
        {"type": "http.request", "body": b"{}", "more_body": False},
    ]

    async def receive():
        return messages.pop()

    async def send(message):
        sent.append(message)

    sent, app = [], OrderApp(django)
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-length", b"2")]}
    serving = asyncio.ensure_future(app(scope, receive, send))
    await began.wait()
    done.set()
    await serving
    assert sent[0]["status"] == 200


async def test_a_long_wait_and_a_long_queue_are_refused(monkeypatch):
    monkeypatch.setattr(turns, "WAIT_SECONDS_MAX", 0.01)
    monkeypatch.setattr(turns, "WAITING_MAX", 2)
    line = Turns(1)
    give_back = await line.acquire("a")
    waiting = await begin([line.acquire("b"), line.acquire("b"), line.acquire("b")])
    faults = await asyncio.gather(*waiting, return_exceptions=True)
    assert [fault.status for fault in faults] == [503, 503, 503]
    assert all(isinstance(fault, ApiError) for fault in faults)
    give_back()
    assert callable(await line.acquire("b"))


def test_a_stranger_s_pages_are_counted_with_the_reads_of_the_api(db):
    policy = Policy.objects.get(pk=1)
    policy.rate_limits = {
        **policy.rate_limits,
        "anonymous": {"read": [0.001, 3], "write": [0.001, 3]},
    }
    policy.save()
    client = Client()
    assert [client.get("/help/").status_code for _ in range(3)] == [200, 200, 200]
    refused = client.get("/help/")
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) >= 1
    assert b"too" in refused.content.lower()
    assert client.get("/api/v1/markets").status_code == 429
    assert client.get("/health").status_code == 200
    assert Client(REMOTE_ADDR="203.0.113.9").get("/help/").status_code == 200


def test_people_who_are_logged_in_have_no_limit_of_pages(db, django_user_model):
    policy = Policy.objects.get(pk=1)
    policy.rate_limits = {**policy.rate_limits, "anonymous": {"read": [1, 1], "write": [1, 1]}}
    policy.save()
    client = Client()
    client.force_login(django_user_model.objects.create_user("ann", "ann@example.org"))
    assert [client.get("/help/").status_code for _ in range(4)] == [200] * 4
