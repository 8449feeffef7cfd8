"""Who may connect, authentication, and how soon a stopped user is disconnected."""

import asyncio
import hashlib
import time
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.test import Client as Browser
from django.utils import timezone
from websockets.exceptions import InvalidStatus

from accounts.actions import (
    do_create_api_key,
    do_end_login,
    do_log_in,
    do_revoke_api_key,
    do_suspend_user,
)
from accounts.models import ApiKey, User
from accounts.signing import make_key_pair
from accounts.tokens import issue_access_token
from tests.accounts.test_signatures import sign
from tests.feed.conftest import Client, Floor, Site
from tests.trading.world import make_user
from trading.feed.tasks import in_thread

pytestmark = pytest.mark.django_db(transaction=True)

STOP_SECONDS = 1.0


def log_in(user: User) -> str:
    """Return the cookie header of a browser that has logged in."""
    browser = Browser()
    browser.force_login(user, backend=django_settings.AUTHENTICATION_BACKENDS[0])
    return f"other=1; {django_settings.SESSION_COOKIE_NAME}={browser.cookies['sessionid'].value}"


async def connect_with_cookie(site: Site, cookie: str, **headers: str) -> Client:
    return await site.connect(additional_headers={"Cookie": cookie, **headers})


async def assert_stopped_in_time(client: Client, act) -> None:
    """Do what stops the client, and expect the last word and the close within a second."""
    await in_thread(act)
    started = time.monotonic()
    fault = await client.get_error()
    assert fault["code"] == "invalid_credentials"
    assert await client.wait_closed() == (4401, "invalid_credentials")
    assert time.monotonic() - started <= STOP_SECONDS


@pytest.fixture
def listen(site: Site):
    async def authenticate(**credential: str) -> Client:
        client = await site.connect()
        await client.send("auth", **credential)
        await client.get("authenticated")
        await client.subscribe("me")
        await client.get("me_snapshot")
        return client

    return authenticate


# --- who is who ---------------------------------------------------------------------------------


async def test_a_key_opens_me(site: Site, floor: Floor, make_key) -> None:
    _, secret = await make_key(floor.alice, scopes=("read",))
    client = await site.connect()
    await client.send("auth", id=3, key=secret)
    frame = await client.get("authenticated")
    assert (frame["id"], frame["credential"], frame["scopes"]) == (3, "key", ["read"])
    await client.subscribe("me")
    await client.get("me_snapshot")


async def test_an_access_token_opens_me(floor: Floor, listen) -> None:
    login = await in_thread(do_log_in, floor.users["alice"], address="", user_agent="")
    await listen(token=issue_access_token(login))


async def test_a_key_may_come_in_a_header(site: Site, floor: Floor, make_key) -> None:
    _, secret = await make_key(floor.alice)
    for headers in ({"X-API-Key": secret}, {"Authorization": f"Bearer {secret}"}):
        client = await site.connect(additional_headers=headers)
        await client.subscribe("me")
        await client.get("me_snapshot")


async def test_a_browser_s_session_opens_me(site: Site, floor: Floor) -> None:
    cookie = await in_thread(log_in, floor.users["alice"])
    client = await connect_with_cookie(site, cookie, Origin=f"http://127.0.0.1:{site.port}")
    await client.subscribe("me")
    await client.get("me_snapshot")


@pytest.mark.parametrize(
    "cookie", ["sessionid=unknown", "sessionid=", "nonsense", "sessionid=" + "x" * 3_000, "a=b;;;"]
)
async def test_a_cookie_that_is_no_session_is_a_stranger_s(
    site: Site, floor: Floor, cookie: str
) -> None:
    client = await connect_with_cookie(site, cookie)
    await client.send("subscribe", channels=["me"])
    assert (await client.get_error())["code"] == "not_authenticated"


async def test_me_needs_a_log_in(site: Site, floor: Floor) -> None:
    client = await site.connect()
    await client.send("subscribe", id="x", channels=["me"])
    fault = await client.get_error()
    assert (fault["id"], fault["code"]) == ("x", "not_authenticated")
    assert fault.keys() >= {"message", "field", "request_id"}


@pytest.mark.parametrize(
    "credential",
    [
        {"key": "nonsense"},
        {"key": "pdx_000000000000_" + "x" * 43},
        {"token": "a.b.c"},
        {"token": "é"},
        {"key": "two words"},
        {"token": "\x00"},
    ],
)
async def test_a_wrong_credential_is_refused_and_the_socket_stays(
    site: Site, floor: Floor, credential: dict[str, str]
) -> None:
    client = await site.connect()
    await client.send("auth", **credential)
    assert (await client.get_error())["code"] == "invalid_credentials"
    await client.send("ping")
    await client.get("pong")


async def test_a_wrong_key_in_a_header_is_refused_in_the_handshake(
    site: Site, floor: Floor
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await site.connect(additional_headers={"X-API-Key": "nonsense"})
    answer = refused.value.response
    assert answer.status_code == 401
    assert b'"code":"invalid_credentials"' in answer.body
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.headers["x-request-id"]) == 32


async def test_guessing_keys_ends_the_socket(site: Site, floor: Floor, monkeypatch) -> None:
    monkeypatch.setattr("trading.feed.socket.STRIKES_MAX", 5)
    client = await site.connect()
    for _ in range(5):
        await client.send("auth", key="nonsense")
    assert (await client.wait_closed()) == (4429, "invalid_credentials")


async def test_another_account_needs_another_socket(
    site: Site, floor: Floor, listen, make_key
) -> None:
    _, secret = await make_key(floor.alice)
    _, other_secret = await make_key(floor.bob)
    client = await listen(key=secret)
    await client.send("auth", key=other_secret)
    assert (await client.get_error())["code"] == "already_authenticated"
    await client.send("auth", key=secret)
    await client.get("authenticated")


@pytest.mark.parametrize("message", [{}, {"key": "a", "token": "b"}, {"key": None}])
async def test_an_auth_message_has_a_key_or_a_token(
    site: Site, floor: Floor, message: dict[str, str]
) -> None:
    client = await site.connect()
    await client.send("auth", **message)
    fault = await client.get_error()
    assert (fault["code"], fault["field"]) == ("missing_field", "key")


async def test_a_suspended_user_is_refused(site: Site, floor: Floor, make_key) -> None:
    _, secret = await make_key(floor.alice)
    await in_thread(suspend, floor.users["alice"])
    client = await site.connect()
    await client.send("auth", key=secret)
    assert (await client.get_error())["code"] == "account_suspended"


def suspend(user: User) -> None:
    do_suspend_user(user, by=make_user(staff=True), reason="test")


# --- who is stopped -----------------------------------------------------------------------------


@pytest.mark.alone
async def test_a_revoked_key_ends_its_socket_within_a_second(
    floor: Floor, listen, make_key
) -> None:
    key, secret = await make_key(floor.alice)
    _, other_secret = await make_key(floor.bob)
    client, bystander = await listen(key=secret), await listen(key=other_secret)
    await assert_stopped_in_time(client, lambda: do_revoke_api_key(key, by=None))
    await bystander.send("ping")
    await bystander.get("pong")


@pytest.mark.alone
async def test_an_expired_key_ends_its_socket(floor: Floor, listen) -> None:
    soon = timezone.now() + timedelta(seconds=1)
    _, secret = await in_thread(
        do_create_api_key, floor.alice, name="short", scopes=["read"], expires_at=soon, by=None
    )
    client = await listen(key=secret)
    await assert_stopped_in_time(client, lambda: time.sleep(1))


@pytest.mark.alone
async def test_a_suspension_ends_every_socket_of_the_user(
    site: Site, floor: Floor, listen, make_key
) -> None:
    _, secret = await make_key(floor.alice)
    cookie = await in_thread(log_in, floor.users["alice"])
    browser = await connect_with_cookie(site, cookie)
    client = await listen(key=secret)
    await in_thread(suspend, floor.users["alice"])
    for socket in (client, browser):
        async with asyncio.timeout(STOP_SECONDS):
            assert (await socket.wait_closed())[0] == 4401


@pytest.mark.alone
async def test_the_end_of_a_program_s_log_in_ends_its_socket(floor: Floor, listen) -> None:
    login = await in_thread(do_log_in, floor.users["alice"], address="", user_agent="")
    client = await listen(token=issue_access_token(login))
    await assert_stopped_in_time(client, lambda: do_end_login(login, by=None))


@pytest.mark.alone
async def test_a_browser_s_log_out_ends_its_socket(site: Site, floor: Floor) -> None:
    cookie = await in_thread(log_in, floor.users["alice"])
    client = await connect_with_cookie(site, cookie)
    await client.subscribe("me")
    await assert_stopped_in_time(client, Session.objects.all().delete)


@pytest.mark.alone
async def test_a_new_password_ends_the_browser_s_socket(site: Site, floor: Floor) -> None:
    cookie = await in_thread(log_in, floor.users["alice"])
    client = await connect_with_cookie(site, cookie)
    await assert_stopped_in_time(client, lambda: set_password(floor.users["alice"]))


def set_password(user: User) -> None:
    user.set_password("another one, quite long")
    user.save()


@pytest.mark.alone
async def test_a_session_that_is_merely_used_ends_nothing(site: Site, floor: Floor) -> None:
    cookie = await in_thread(log_in, floor.users["alice"])
    client = await connect_with_cookie(site, cookie)
    await in_thread(touch_session)
    await asyncio.sleep(STOP_SECONDS)
    await client.send("ping")
    await client.get("pong")


def touch_session() -> None:
    store = SessionStore(Session.objects.get().session_key)
    store["seen"] = "something"
    store.save()


@pytest.mark.alone
async def test_strangers_are_not_asked_for_credentials_all_the_time(
    site: Site, floor: Floor
) -> None:
    client = await site.connect()
    await asyncio.sleep(STOP_SECONDS)
    await client.send("ping")
    await client.get("pong")
    assert await in_thread(ApiKey.objects.count) == 0


# --- from where ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "https://127.0.0.1.evil.example", "file://", "http://[", "x"],
)
async def test_pages_of_strange_sites_may_not_connect(
    site: Site, floor: Floor, origin: str
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await site.connect(additional_headers={"Origin": origin})
    assert refused.value.response.status_code == 403
    assert b'"code":"origin_not_allowed"' in refused.value.response.body


async def test_own_pages_and_trusted_ones_may_connect(site: Site, floor: Floor, settings) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://predict.example.org"]
    for origin in (f"http://127.0.0.1:{site.port}", "https://predict.example.org"):
        client = await site.connect(additional_headers={"Origin": origin})
        await client.send("ping")
        await client.get("pong")


async def test_pages_that_cors_allows_may_connect_but_not_with_this_site_s_cookie(
    site: Site, floor: Floor, settings, make_key
) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://friend.example"]
    cookie = await in_thread(log_in, floor.users["alice"])
    client = await connect_with_cookie(site, cookie, Origin="https://friend.example")
    await client.send("subscribe", channels=["me"])
    assert (await client.get_error())["code"] == "not_authenticated"
    _, secret = await make_key(floor.alice)
    await client.send("auth", key=secret)
    await client.get("authenticated")


async def test_a_foreign_host_name_is_not_served(site: Site, floor: Floor, settings) -> None:
    settings.ALLOWED_HOSTS = ["predict.example.org"]
    with pytest.raises(InvalidStatus) as refused:
        await site.connect()
    assert refused.value.response.status_code == 400
    assert b"host_not_allowed" in refused.value.response.body


async def test_other_paths_are_not_found(site: Site, floor: Floor) -> None:
    for path in ("/ws/v2", "/ws/v1/x", "/", "/api/v1/ws"):
        with pytest.raises(InvalidStatus) as refused:
            await site.connect(path)
        assert refused.value.response.status_code == 404
    client = await site.connect("/ws/v1/")
    await client.send("ping")
    await client.get("pong")


# --- how many -----------------------------------------------------------------------------------


async def test_an_address_opens_so_many_sockets_and_no_more(
    site: Site, floor: Floor, settings
) -> None:
    settings.FEED_SOCKETS_PER_ADDRESS_MAX = 3
    clients = [await site.connect() for _ in range(3)]
    with pytest.raises(InvalidStatus) as refused:
        await site.connect()
    assert refused.value.response.status_code == 429
    assert b"too_many_connections" in refused.value.response.body
    await clients[0].connection.close()
    await asyncio.sleep(0.1)
    await site.connect()


async def test_addresses_behind_a_trusted_proxy_are_distinguished(
    site: Site, floor: Floor, settings
) -> None:
    settings.FEED_SOCKETS_PER_ADDRESS_MAX = 1
    settings.TRUSTED_PROXIES = ["127.0.0.1/32"]
    for address in ("198.51.100.1", "198.51.100.2"):
        await site.connect(additional_headers={"X-Forwarded-For": address})
    with pytest.raises(InvalidStatus):
        await site.connect(additional_headers={"X-Forwarded-For": "198.51.100.1"})
    await site.connect(additional_headers={"X-Forwarded-For": "2001:db8:1:1::1"})
    with pytest.raises(InvalidStatus):  # the /64 of an IPv6 address is one caller's
        await site.connect(additional_headers={"X-Forwarded-For": "2001:db8:1:1:ffff::2"})


async def test_an_account_opens_so_many_sockets_and_no_more(
    site: Site, floor: Floor, make_key, monkeypatch
) -> None:
    monkeypatch.setattr("trading.feed.guard.SOCKETS_PER_ACCOUNT_MAX", 2)
    _, secret = await make_key(floor.alice)
    headers = {"X-API-Key": secret}
    await site.connect(additional_headers=headers)
    second = await site.connect()
    await second.send("auth", key=secret)
    await second.get("authenticated")
    with pytest.raises(InvalidStatus) as refused:
        await site.connect(additional_headers=headers)
    assert refused.value.response.status_code == 429
    third = await site.connect()
    await third.send("auth", key=secret)
    assert (await third.get_error())["code"] == "too_many_connections"
    await second.connection.close()
    await asyncio.sleep(0.1)
    await third.send("auth", key=secret)
    await third.get("authenticated")


async def test_a_full_server_says_so(site: Site, floor: Floor, monkeypatch) -> None:
    monkeypatch.setattr("trading.feed.guard.SOCKETS_MAX", 1)
    await site.connect()
    with pytest.raises(InvalidStatus) as refused:
        await site.connect()
    assert refused.value.response.status_code == 503


async def test_a_closed_socket_leaves_nothing_behind(site: Site, floor: Floor, make_key) -> None:
    await floor.open()
    _, secret = await make_key(floor.alice)
    client = await site.connect(additional_headers={"X-API-Key": secret})
    await client.subscribe("book", "ticker", markets=[floor.market.slug])
    await client.subscribe("ticker", "lifecycle", markets="all")
    await client.subscribe("me")
    await client.get("me_snapshot")
    client.connection.transport.abort()
    await asyncio.sleep(0.2)
    hub = site.hub
    assert not hub.watchers
    assert not hub.accounts.feeds
    assert not hub.audience.everybody()
    assert not any(feed.is_named for feed in hub.markets.feeds.values())


# --- signed handshakes, and keys that are tied to networks ----------------------------------------


async def test_a_signed_handshake_opens_me_and_its_key_may_trade(site: Site, floor: Floor) -> None:
    private, public = make_key_pair("ed25519")
    key, _ = await in_thread(
        do_create_api_key, floor.alice, name="k", scopes=["read"], by=None, public_key=public
    )

    def sign_handshake(path: str) -> dict[str, str]:
        now = str(time.time_ns() // 1_000_000)
        text = f"{now}\nGET\n{path}\n{hashlib.sha256(b'').hexdigest()}"
        names = ("X-Predex-Key", "X-Predex-Timestamp", "X-Predex-Signature")
        return dict(zip(names, (str(key.pk), now, sign(private, text)), strict=True))

    headers = sign_handshake("/ws/v1")
    client = await site.connect(additional_headers=headers)
    await client.subscribe("me")
    await client.get("me_snapshot")
    await client.send("place", id=1, body={})
    assert (await client.get_error())["code"] == "missing_scope"
    for refused in (headers, sign_handshake("/ws/v2")):
        with pytest.raises(InvalidStatus) as answer:
            await site.connect(additional_headers=refused)
        assert answer.value.response.status_code == 401
    await assert_stopped_in_time(client, lambda: do_revoke_api_key(key, by=None))


async def test_a_key_of_other_networks_opens_nothing(site: Site, floor: Floor) -> None:
    _, secret = await in_thread(
        do_create_api_key,
        floor.alice, name="k", scopes=["read"], by=None, networks=["192.0.2.0/24"],
    )  # fmt: skip
    with pytest.raises(InvalidStatus) as refused:
        await site.connect(additional_headers={"X-API-Key": secret})
    assert refused.value.response.status_code == 403
    assert b"address_not_allowed" in refused.value.response.body
    client = await site.connect()
    await client.send("auth", key=secret)
    assert (await client.get_error())["code"] == "address_not_allowed"
