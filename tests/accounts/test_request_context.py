import asyncio
import sqlite3
from contextlib import contextmanager

import psycopg
import pytest
from django.core.asgi import get_asgi_application
from django.db import InterfaceError, InternalError, OperationalError, connection
from django.test import AsyncClient, Client
from psycopg_pool import PoolTimeout

from kernel.errors import ApiError
from predex.order_app import OrderApp
from tests.accounts.api import Api, assert_error
from web import request_context

pytestmark = pytest.mark.one_database


def visit(headers=None, *, method="GET", path="/api/v1/me", peer="203.0.113.5"):
    return request_context.start_request(method, path, headers or {}, peer)


def test_a_harmless_request_id_is_kept_and_a_wild_one_replaced():
    assert visit({"x-request-id": "desk-0001"}).request_id == "desk-0001"
    for wild in ("short", "x" * 65, "new\nline12345", "caf\u00e9-latte", ""):
        assert visit({"x-request-id": wild}).request_id != wild


def test_a_forwarded_address_is_believed_only_from_a_trusted_proxy(settings):
    headers = {"x-forwarded-for": "198.51.100.7"}
    assert visit(headers).address == "203.0.113.5"
    settings.TRUSTED_PROXIES = ["203.0.113.0/24", "10.0.0.0/8"]
    assert visit(headers).address == "198.51.100.7"
    # Anything left of the first untrusted hop was written by the client.
    chain = {"x-forwarded-for": "1.1.1.1, 198.51.100.7, 10.0.0.3"}
    assert visit(chain).address == "198.51.100.7"
    assert visit({"x-forwarded-for": "nonsense, 10.0.0.3"}).address == "10.0.0.3"
    assert visit({"x-forwarded-for": ""}).address == "203.0.113.5"
    assert visit(headers, peer="").address == ""


@pytest.mark.parametrize("host", ["evil.example", "", "localhost:80:80", "local host"])
def test_other_hosts_are_refused(settings, host):
    settings.ALLOWED_HOSTS = ["localhost"]
    with pytest.raises(ApiError) as refusal:
        request_context.check_request({"host": host})
    assert (refusal.value.status, refusal.value.code) == (400, "host_not_allowed")
    request_context.check_request({"host": "localhost:8000"})


def test_a_long_body_is_refused_before_it_is_read(settings):
    settings.BODY_BYTES_MAX = 10
    request_context.check_request({"host": "localhost", "content-length": "10"})
    for length, status in (("11", 413), ("9" * 30, 400), ("-1", 400), ("ten", 400)):
        with pytest.raises(ApiError) as refusal:
            request_context.check_request({"host": "localhost", "content-length": length})
        assert refusal.value.status == status


def test_a_body_that_hides_its_length_is_cut_off(settings):
    settings.BODY_BYTES_MAX = 10

    def receiver(*messages):
        waiting = list(messages)

        async def receive():
            return waiting.pop(0)

        return receive

    def chunk(body, *, more):
        return {"type": "http.request", "body": body, "more_body": more}

    whole = receiver(chunk(b"12345", more=True), chunk(b"67890", more=False))
    assert asyncio.run(request_context.read_body(whole)) == b"1234567890"
    too_long = receiver(chunk(b"12345", more=True), chunk(b"678901", more=True))
    with pytest.raises(ApiError) as refusal:
        asyncio.run(request_context.read_body(too_long))
    assert refusal.value.status == 413
    with pytest.raises(ApiError):
        asyncio.run(request_context.read_body(receiver({"type": "http.disconnect"})))


async def test_django_under_asgi_never_stores_a_body_over_the_limit(settings):
    settings.BODY_BYTES_MAX = 10
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b"123456", "more_body": True}

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/keys",
        "query_string": b"",
        "headers": [
            (b"host", b"localhost"),
            (b"x-request-id", b"trace-1234"),
            (b"transfer-encoding", b"chunked"),
        ],
        "client": ("203.0.113.5", 4000),
    }
    await OrderApp(get_asgi_application())(scope, receive, send)
    assert sent[0]["status"] == 413
    assert (b"x-request-id", b"trace-1234") in sent[0]["headers"]
    assert b'"code":"body_too_large"' in sent[1]["body"]


def test_headers_of_asgi_become_a_mapping_in_lower_case():
    raw = [(b"Host", b"a"), (b"x-forwarded-for", b"1"), (b"X-Forwarded-For", b"2"), (b"n", b"\xe9")]
    assert request_context.read_headers(raw) == {
        "host": "a",
        "x-forwarded-for": "1,2",
        "n": "\u00e9",
    }


def test_other_sites_may_read_the_api_only_when_a_setting_names_them(api, db, settings):
    sent = {"Origin": "https://app.example"}
    assert "Access-Control-Allow-Origin" not in api.get("limits", **sent)
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]
    response = api.get("limits", **sent)
    assert response["Access-Control-Allow-Origin"] == "https://app.example"
    assert "Origin" in response["Vary"]
    assert "Access-Control-Allow-Credentials" not in response
    assert_error(api.get("me", **sent), 401, "not_authenticated")
    assert api.get("me", **sent)["Access-Control-Allow-Origin"] == "https://app.example"
    other = api.get("limits", Origin="https://evil.example")
    assert "Access-Control-Allow-Origin" not in other


def test_a_browsers_preflight_is_answered_for_named_origins(db, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]
    headers = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-api-key",
    }
    response = Client().options("/api/v1/keys", headers=headers)
    assert response.status_code == 204
    allowed = response["Access-Control-Allow-Headers"].split(", ")
    signed = {f"kalshi-access-{name}" for name in ("key", "signature", "timestamp")}
    assert {"x-api-key", *signed} <= set(allowed)
    assert "POST" in response["Access-Control-Allow-Methods"]
    headers["Origin"] = "https://evil.example"
    assert Client().options("/api/v1/keys", headers=headers).status_code == 401


def test_every_answer_has_a_request_id_and_a_log_line(api, db, caplog):
    with caplog.at_level("INFO", logger="predex.request"):
        response = api.get("limits", X_Request_ID="trace-1234")
    assert response["X-Request-ID"] == "trace-1234"
    line = caplog.records[-1].msg
    assert (line.request_id, line.status) == ("trace-1234", 200)
    assert line.path == "/api/v1/limits"


def test_the_log_line_names_the_account_and_the_error(alice, with_key, caplog):
    program = with_key(alice)
    with caplog.at_level("INFO", logger="predex.request"):
        program.post("keys", {})
    lines = [record.msg for record in caplog.records if record.name == "predex.request"]
    assert lines[-1].code == "missing_scope"
    assert lines[-1].account_id == alice.accounts.get().pk
    assert program.bearer not in str(lines)


def test_pages_answer_their_errors_as_pages(client, db):
    response = client.get("/no-such-page")
    assert response.status_code == 404
    assert "html" in response["Content-Type"]


def test_a_forged_forwarded_protocol_is_dropped(client, db, settings):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    response = client.get("/accounts/login/", headers={"X-Forwarded-Proto": "https"})
    assert not response.wsgi_request.is_secure()
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    response = client.get("/accounts/login/", headers={"X-Forwarded-Proto": "https"})
    assert response.wsgi_request.is_secure()


@pytest.mark.django_db(transaction=True)
async def test_the_middleware_is_the_same_under_asgi(settings, close_connections):
    client = AsyncClient()
    response = await client.get("/api/v1/limits", headers={"X-Request-ID": "trace-1234"})
    assert (response.status_code, response["X-Request-ID"]) == (200, "trace-1234")
    response = await client.get("/api/v1/nothing")
    assert response.json()["code"] == "not_found"
    response = await client.get("/api/v1/me", headers={"Host": "evil.example"})
    assert response.json()["code"] == "host_not_allowed"
    settings.ATTEMPT_LIMITS = {"log_in": {"address": (1, 60)}}
    assert (await client.post("/accounts/login/", {"login": "a"})).status_code == 200
    assert (await client.post("/accounts/login/", {"login": "a"})).status_code == 429


def test_a_bug_of_ours_is_one_500_in_the_same_shape(alice, with_key, monkeypatch):
    monkeypatch.setattr("accounts.api.me._show_user", lambda *args: 1 // 0)
    program = Api(Client(raise_request_exception=False), bearer=with_key(alice).bearer)
    assert_error(program.get("me"), 500, "internal_error")


def test_a_database_that_does_not_answer_is_a_503(alice, with_key, monkeypatch):
    def locked(*args):
        raise OperationalError("database is locked")

    monkeypatch.setattr("accounts.api.me._show_user", locked)
    response = with_key(alice).get("me")
    assert_error(response, 503, "unavailable")
    assert response["Retry-After"] == "1"


DRIVER_FAULTS = [
    OperationalError,
    InterfaceError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.AdminShutdown,
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.TransactionTimeout,
    InternalError,
    sqlite3.OperationalError,
    PoolTimeout,
]


@pytest.fixture(params=DRIVER_FAULTS)
def cannot_write(request, monkeypatch):
    """Every statement that writes fails with an error of the driver."""
    fault = request.param("the connection is closed")

    def refuse(*_):
        raise fault

    def execute(run, sql, parameters, many, context):
        is_write = sql.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE"))
        return refuse() if is_write else run(sql, parameters, many, context)

    @contextmanager
    def away():
        with connection.execute_wrapper(execute), monkeypatch.context() as patched:
            patched.setattr("kernel.bulk.open_cursor", refuse)
            yield

    return away


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "cannot_write",
    [psycopg.OperationalError, sqlite3.OperationalError, InterfaceError, InternalError],
    indirect=True,
)
def test_every_write_of_the_api_is_a_503_while_the_database_is_away(
    alice, operator, with_key, log_in, cannot_write
):
    key, session, boss = with_key(alice), log_in(alice), log_in(operator)
    body = {"amount": "1", "note": "n"}
    with cannot_write():
        for caller, path, sent in (
            (session, "withdrawals", body),
            (session, "deposits", body),
            (session, "keys", {"name": "k", "scopes": ["read"]}),
            (boss, "operator/deposits", {"handle": "alice", "amount": "5"}),
            (boss, "operator/users/alice/suspend", {"reason": "r"}),
        ):
            for headers in ({}, {"Idempotency_Key": "k-1"}):
                response = caller.post(path, sent, **headers)
                assert_error(response, 503, "unavailable")
                assert response["Retry-After"] == "1"
        assert_error(session.patch("me", {"display_name": "x"}), 503, "unavailable")
    assert key.get("account").json()["cash"] == "100.000000"
    deposit = {"handle": "alice", "amount": "5"}
    done = boss.post("operator/deposits", deposit, Idempotency_Key="k-1")
    assert done.json()["cash"] == "105.000000"


@pytest.mark.django_db(transaction=True)
def test_a_commit_whose_answer_was_lost_is_found_by_its_key(alice, operator, log_in, monkeypatch):
    boss, commit = log_in(operator), connection.commit

    def lose_the_answer():
        commit()
        raise OperationalError("server closed the connection unexpectedly")

    deposit = {"handle": "alice", "amount": "5"}
    with monkeypatch.context() as patched:
        patched.setattr(connection, "commit", lose_the_answer)
        lost = boss.post("operator/deposits", deposit, Idempotency_Key="k-1")
    assert_error(lost, 503, "unavailable")
    again = boss.post("operator/deposits", deposit, Idempotency_Key="k-1")
    assert (again.status_code, again.json()["cash"]) == (201, "105.000000")
    assert boss.post("operator/deposits", deposit).json()["cash"] == "110.000000"


def test_a_page_is_a_503_while_the_database_is_away(alice, cannot_write):
    browser = Client(raise_request_exception=False)
    browser.force_login(alice)
    form = {"kind": "withdrawal", "amount": "5", "note": "", "key": "a-key"}
    with cannot_write():
        page = browser.post("/portfolio/money/", form)
    assert (page.status_code, page["Retry-After"]) == (503, "1")
    assert "The exchange is not available" in page.content.decode()


def test_what_fails_before_a_view_is_a_503_too(api, monkeypatch):
    def away(*_):
        raise psycopg.OperationalError("the connection is closed")

    monkeypatch.setattr("web.viewer.ViewerLanguage.__call__", away)
    client = Client(raise_request_exception=False)
    assert client.get("/").status_code == 503
    assert_error(Api(client).get("me"), 503, "unavailable")


def test_a_refusal_of_the_moment_is_no_answer_for_ever(alice, log_in, monkeypatch):
    session = log_in(alice)

    def away(*_, **__):
        raise ApiError("engine_away")

    with monkeypatch.context() as patched:
        patched.setattr("accounts.api.money.do_request_deposit", away)
        first = session.post("deposits", {"amount": "1"}, Idempotency_Key="k-1")
    assert_error(first, 503, "engine_away")
    assert session.post("deposits", {"amount": "1"}, Idempotency_Key="k-1").status_code == 201
