"""Signed requests, and webhooks whose signature is checked, against the running program."""

import sys
import time
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from predex_client import (
    AsyncClient,
    AsyncFeed,
    Client,
    Feed,
    ForgedWebhookError,
    NotAuthenticatedError,
    Signer,
    UnexpectedAnswerError,
    verify_webhook,
)
from tests.clients.conftest import Town, new_name
from tests.patience import PATIENCE_SECONDS
from trading.notifications.webhook_sender import sign


def make_pair(kind: str) -> tuple[str, str]:
    from accounts.signing import make_key_pair

    return make_key_pair(kind)


def make_signer(town: Town, kind: str = "ed25519") -> Signer:
    """Return the signer of a new member's new key."""
    private, public = make_pair(kind)
    made = town.member().create_api_key("signs", public_key=public)
    assert (made.signs, made.secret) == (True, None)
    return Signer(made.id, private)


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_a_key_pair_takes_a_secret_s_place(town: Town, kind: str) -> None:
    with Client(town.url, signer=make_signer(town, kind)) as client:
        assert client.me().credential == "key"
        placed = client.place(town.slugs[0], "buy", 1, "0.10", client_order_id="a/b c")
        assert client.order_by_client_id("a/b c").id == placed.id
        assert [order.id for order in client.orders(market=town.slugs[0])] == [placed.id]
        assert client.cancel(placed.id).reason == "cancelled_by_owner"


async def test_equal_requests_of_one_moment_are_each_signed_anew(town: Town) -> None:
    signer = make_signer(town)
    sent = {signer.sign("GET", "/api/v1/me")["X-Predex-Signature"] for _ in range(50)}
    assert len(sent) == 50
    async with AsyncClient(town.url, signer=signer) as client:
        assert [(await client.me()).credential for _ in range(3)] == ["key"] * 3


def test_a_socket_is_opened_with_a_signature(town: Town) -> None:
    with Feed(town.url, signer=make_signer(town)) as feed:
        feed.subscribe("me")
        next(iter(feed))
        assert feed.account.balance is not None
        feed._connection.close()  # each handshake has a signature of its own
        order = feed.place(town.slugs[0], "buy", 1, "0.10")
        assert feed.cancel(order.id).id == order.id


async def test_an_asynchronous_socket_too(town: Town) -> None:
    async with AsyncFeed(town.url, signer=make_signer(town)) as feed:
        order = await feed.place(town.slugs[0], "buy", 1, "0.10")
        assert (await feed.cancel(order.id)).id == order.id


def test_another_s_private_key_is_refused(town: Town) -> None:
    signer = make_signer(town)
    other = Signer(signer.key_id, make_pair("ed25519")[0])
    with Client(town.url, signer=other) as client, pytest.raises(NotAuthenticatedError):
        client.me()
    with pytest.raises(NotAuthenticatedError), Feed(town.url, signer=other):
        pass


def test_what_cannot_sign_is_said_at_once(monkeypatch) -> None:
    private, _ = make_pair("ed25519")
    with pytest.raises(ValueError, match="a key or a signer, not both"):
        Client("http://x", "pdx_some", signer=Signer("id", private))
    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with pytest.raises(ValueError, match="Ed25519 and RSA keys only"):
        Signer("id", curve)
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)
    with pytest.raises(ImportError, match="needs the package cryptography: pip install"):
        Signer("id", private)


def test_an_environment_s_key_is_not_sent_beside_a_signature(monkeypatch) -> None:
    monkeypatch.setenv("PREDEX_KEY", "pdx_some")
    with Client("http://x", signer=Signer("id", make_pair("ed25519")[0])) as client:
        assert "X-API-Key" not in client._http.headers


def test_a_private_key_may_be_protected_by_a_password() -> None:
    locked = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"open"),
    )
    assert Signer("id", locked, password=b"open").sign("GET", "/")["X-Predex-Key"] == "id"


# --- webhooks --------------------------------------------------------------------------------


@pytest.fixture
def hooked(town: Town) -> Iterator[tuple[Client, str, str]]:
    """A member's client, and the secret and path of their webhook."""
    member, path = town.member(), f"/{new_name()}"
    made = member.create_webhook(f"{town.receiver.url}{path[1:]}", ["order_ended"])
    yield member, made.secret, path
    member.delete_webhook(made.id)


def test_what_a_webhook_receives_is_verified_and_read(town: Town, hooked) -> None:
    member, secret, path = hooked
    order = member.place(town.slugs[0], "buy", 1, "0.10")
    member.cancel(order.id)
    headers, body = town.receiver.wait_for(path, PATIENCE_SECONDS)
    lower = {name.lower(): value for name, value in headers.items()}
    for sent in (headers, lower):
        message = verify_webhook(secret, sent, body)
        assert (message.type, message.data["id"]) == ("order_ended", order.id)
        assert message.id == lower["x-predex-delivery"]
    for wrong in ("whsec_other", ""):
        with pytest.raises(ForgedWebhookError, match="not the exchange's"):
            verify_webhook(wrong, headers, body)
    with pytest.raises(ForgedWebhookError):
        verify_webhook(secret, headers, body + b" ")
    with pytest.raises(ForgedWebhookError):
        verify_webhook(secret, {}, body)
    with pytest.raises(ForgedWebhookError):
        verify_webhook(secret, {**lower, "x-predex-signature": "v1=\xe9"}, body)


def test_an_old_webhook_is_not_taken_again() -> None:
    body = b'{"id": "1", "type": "ping", "created_at": "2026-07-01T12:00:00Z", "data": {}}'
    for seconds, is_taken in ((0, True), (290, True), (310, False), (-310, False)):
        timestamp = str(int(time.time()) - seconds)
        headers = {
            "X-Predex-Timestamp": timestamp,
            "X-Predex-Signature": sign("s", timestamp, body),
        }
        if is_taken:
            assert verify_webhook("s", headers, body).type == "ping"
        else:
            with pytest.raises(ForgedWebhookError, match="too long ago"):
                verify_webhook("s", headers, body)
    timestamp = str(int(time.time()))
    headers = {"X-Predex-Timestamp": timestamp, "X-Predex-Signature": sign("s", timestamp, b"[]")}
    with pytest.raises(UnexpectedAnswerError):
        verify_webhook("s", headers, b"[]")
