"""Authentication, rate limits and headers: the same in Django's views and in the order app."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from accounts.actions import do_suspend_user
from accounts.models import ApiKey
from kernel import cache
from predex import order_app
from tests.api.exchange import make_key, order, set_user_rates
from trading.order_entry import handler
from trading.order_entry.operations import OPERATIONS

OPERATIONS_WITH_ACCOUNT = [operation for operation in OPERATIONS if operation.scope is not None]


async def call(caller, operation, **options):
    path = operation.path.format(order_id="0" * 32, slug="none")
    body: dict[str, str] | None = {} if operation.request is not None else None
    return await caller.send(operation.method, path, body, **options)


async def test_trading_needs_a_credential(inside):
    stranger = inside.stranger()
    for operation in OPERATIONS_WITH_ACCOUNT:
        answer = await call(stranger, operation)
        assert answer.status_code == 401, operation.name
        assert answer.json()["code"] == "not_authenticated"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_wrong_credentials_are_refused_on_every_operation(inside):
    stranger = inside.stranger()
    for headers in (
        {"X-API-Key": "px_wrong"},
        {"Authorization": "Bearer a.b.c"},
        {"Authorization": "Basic eDp5"},
        {"Authorization": "Bearer "},
        {"X-API-Key": "caf\u00e9".encode("latin-1")},
    ):
        for operation in OPERATIONS:
            answer = await call(stranger, operation, headers=headers)
            assert answer.status_code == 401, (operation.name, headers)
            assert answer.json()["code"] == "invalid_credentials"


async def test_a_key_without_the_scope_is_refused(inside, credential):
    if credential == "session":
        return  # a session has every scope
    reader = await inside.join(scopes=("read",))
    for operation in OPERATIONS:
        answer = await call(reader, operation)
        if operation.scope == "trade":
            assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
        else:
            assert answer.status_code in (200, 400, 404), operation.name
    trader = await inside.join(scopes=("trade",))
    answer = await call(trader, next(row for row in OPERATIONS if row.name == "preview"))
    assert answer.json()["code"] == "missing_scope"


async def test_a_suspended_user_is_stopped_within_a_second(inside, alice, credential):
    market = await inside.open_market()
    await alice.placed(market, "buy 1 YES @ 0.40")
    owner = await sync_to_async(lambda: alice.account.owner)()
    await sync_to_async(do_suspend_user)(owner, by=None, reason="test")
    cache.forget_all()
    answer = await alice.place(market, "buy 1 YES @ 0.40")
    # A session ends with the suspension, a key gets the reason of its refusal.
    expected = (401, "not_authenticated") if credential == "session" else (403, "account_suspended")
    assert (answer.status_code, answer.json()["code"]) == expected


async def test_a_revoked_key_stops_within_a_second(inside, credential):
    if credential == "session":
        return
    alice = await inside.join()
    assert (await alice.get("tickers")).status_code == 200
    await ApiKey.objects.filter(account=alice.account).aupdate(revoked_at=timezone.now())
    await asyncio.sleep(1.0)
    assert (await alice.get("tickers")).json()["code"] == "invalid_credentials"


async def test_a_session_without_the_csrf_token_changes_nothing(inside, credential):
    if credential == "key":
        return
    alice, market = await inside.join(), await inside.open_market()
    del alice.http.headers["X-CSRFToken"]
    answer = await alice.place(market, "buy 1 YES @ 0.40")
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")
    assert (await alice.get("orders")).status_code == 200


async def test_over_the_limit_is_429_and_says_when_to_come_back(inside, alice):
    market = await inside.open_market()
    await set_user_rates(read=[0.001, 3], write=[0.001, 5])
    answers = [await alice.place(market, "buy 1 YES @ 0.40") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [201] * 5 + [429]
    assert answers[-1].json()["code"] == "too_many_requests"
    assert int(answers[-1].headers["Retry-After"]) >= 1
    reads = [await alice.get("tickers") for _ in range(4)]
    assert [answer.status_code for answer in reads] == [200] * 3 + [429]


async def test_a_batch_costs_a_token_for_each_order(inside, alice):
    market = await inside.open_market()
    await set_user_rates(read=[0.001, 3], write=[0.001, 5])
    body = {"orders": [order(market, "buy 1 YES @ 0.40")] * 4}
    assert (await alice.send("POST", "orders/batch", body)).status_code == 200
    assert (await alice.send("POST", "orders/batch", body)).status_code == 429


async def test_every_answer_has_the_callers_request_id_or_a_new_one(inside, alice):
    answer = await alice.send("DELETE", "orders", headers={"X-Request-ID": "my-request-7"})
    assert answer.headers["X-Request-ID"] == "my-request-7"
    answer = await alice.send("POST", "orders", {}, headers={"X-Request-ID": "no good"})
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"] != "no good"


async def test_other_origins_read_answers_only_when_the_setting_allows_it(inside, alice, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.org"]
    for origin, allowed in (("https://app.example.org", True), ("https://evil.example", False)):
        answer = await alice.get("tickers")
        assert "Access-Control-Allow-Origin" not in answer.headers
        answer = await alice.send("GET", "tickers", headers={"Origin": origin})
        assert ("Access-Control-Allow-Origin" in answer.headers) == allowed
        answer = await alice.send("DELETE", f"orders/{'0' * 32}", headers={"Origin": origin})
        assert ("Access-Control-Allow-Origin" in answer.headers) == allowed


async def test_a_host_that_is_not_ours_is_refused(inside, alice):
    answer = await alice.send("GET", "tickers", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (400, "host_not_allowed")


async def test_a_bug_of_ours_is_one_500_of_the_same_shape(inside, alice, monkeypatch):
    async def fail(call):
        raise RuntimeError("a bug")

    monkeypatch.setitem(handler._HANDLERS, "cancel_all", fail)
    answer = await alice.send("DELETE", "orders")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert "a bug" not in answer.text
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


async def test_the_same_request_is_answered_alike_by_both_entry_points(inside, alice, credential):
    if credential == "key":
        return
    market = await inside.open_market()
    other = await inside.call_as(alice.account, credential="key")
    placed = await alice.placed(market, "buy 1 YES @ 0.40", client_order_id="a")
    again = await other.place(market, "buy 1 YES @ 0.40", client_order_id="a")
    assert again.json() == placed
    for method, path, body in (
        ("GET", f"markets/{market.slug}/book", None),
        ("GET", "tickers", None),
        ("POST", "orders/preview", order(market, "buy 1 YES @ 0.39")),
        ("POST", "orders", order(market, "buy 1 YES @ 0.395")),
        ("GET", f"orders/{placed['id']}", None),
        ("PATCH", f"orders/{placed['id']}", {}),
    ):
        answers = [await caller.send(method, path, body) for caller in (alice, other)]
        bodies = [answer.json() | {"request_id": None} for answer in answers]
        assert bodies[0] == bodies[1], path
        names = [set(answer.headers) - COOKIES_AND_PAGES for answer in answers]
        assert names[0] == names[1], path


# What only answers to browsers carry.
COOKIES_AND_PAGES = {
    "vary",
    "x-frame-options",
    "x-content-type-options",
    "referrer-policy",
    "cross-origin-opener-policy",
    "content-security-policy",
    "allow",
    "set-cookie",
}


@pytest.mark.parametrize(
    ("method", "path", "headers", "operation"),
    [
        ("POST", "/api/v1/orders", [(b"x-api-key", b"k")], "place"),
        ("POST", "/api/v1/orders", [(b"authorization", b"Bearer k")], "place"),
        ("POST", "/api/v1/orders", [(b"cookie", b"sessionid=s")], None),
        ("GET", "/api/v1/orders", [(b"x-api-key", b"k")], None),
        ("PATCH", "/api/v1/orders/" + "0" * 32, [(b"x-api-key", b"k")], "amend"),
        ("PATCH", "/api/v1/orders/batch", [(b"x-api-key", b"k")], None),
        ("DELETE", "/api/v1/orders", [(b"x-api-key", b"k")], "cancel_all"),
        ("DELETE", "/api/v1/orders/a/b", [(b"x-api-key", b"k")], None),
        ("GET", "/api/v1/markets/a-b/book", [(b"x-api-key", b"k")], "book"),
        ("GET", "/api/v1/markets/a-b/book", [], None),
        ("GET", "/api/v1/markets/a-b/trades", [(b"x-api-key", b"k")], None),
        ("GET", "/api/v1/me", [(b"x-api-key", b"k")], None),
        ("GET", "/", [(b"authorization", b"Bearer k")], None),
    ],
)
def test_the_order_app_serves_only_its_operations_and_only_with_a_credential(
    method, path, headers, operation
):
    found = order_app.find_operation({"method": method, "path": path, "headers": headers})
    assert (found and found[0].name) == operation


async def test_a_key_made_for_one_account_never_acts_for_another(inside, alice, bob, credential):
    if credential == "session":
        return
    market = await inside.open_market()
    placed = await alice.placed(market, "buy 1 YES @ 0.40")
    caller = await inside.call_as(bob.account)
    assert (await caller.cancel(placed["id"])).status_code == 404
    assert await make_key(alice.account, ("trade",)) != await make_key(bob.account, ("trade",))
