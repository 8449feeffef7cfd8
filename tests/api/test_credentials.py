"""Signed requests and keys that are tied to networks, the same at every entry point."""

import re
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.utils import timezone

from accounts.actions import do_create_api_key
from accounts.models import Account, ApiKey
from accounts.signing import SIGNING_KINDS, make_key_pair
from predex.asgi import application
from tests.accounts.test_signatures import sign
from tests.api.exchange import ExchangeInside, order, run_exchange
from tests.exchange import ROOT

[EXAMPLE] = [
    block
    for block in re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "api.md").read_text(), re.DOTALL
    )
    if "PRIVATE_KEY.sign" in block
]
IMPORTS, _, REST = EXAMPLE.partition("KEY_ID")
SIGN = "def sign" + REST.partition("def sign")[2].partition("api =")[0]
ELSEWHERE = "192.0.2.7"


class PssKey:
    """A private RSA key whose `sign` takes a message alone, as Ed25519's does."""

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self.key = key

    def sign(self, message: bytes) -> bytes:
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
        return self.key.sign(message, pss, hashes.SHA256())


@pytest.fixture
async def inside(transactional_db: None) -> AsyncIterator[ExchangeInside]:
    async with run_exchange("key") as exchange:
        yield exchange


@pytest.fixture
async def account(inside: ExchangeInside) -> Account:
    return (await inside.join()).account


def call_with(**options: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://testserver/", **options)


async def make_signer(
    account: Account, kind: str = "ed25519", **fields: Any
) -> tuple[ApiKey, str, Callable[[httpx.Request], httpx.Request]]:
    """Return a key, its private half, and the example's signer with it."""
    private, public = make_key_pair(kind)
    fields = {"scopes": ["read", "trade"], **fields}
    key, _ = await sync_to_async(do_create_api_key)(
        account, name="signs", by=None, public_key=public, **fields
    )
    loaded = load_pem_private_key(private.encode(), None)
    names: dict[str, Any] = {
        "KEY_ID": str(key.pk),
        "PRIVATE_KEY": PssKey(loaded) if isinstance(loaded, rsa.RSAPrivateKey) else loaded,
    }
    exec(IMPORTS + SIGN, names)  # noqa: S102 - the document's own example
    return key, private, names["sign"]


def test_the_example_has_at_most_15_lines():
    assert sum(bool(line.strip()) for line in EXAMPLE.splitlines()) <= 15


@pytest.mark.parametrize("kind", SIGNING_KINDS)
async def test_signed_requests_trade_and_read_at_both_entry_points(
    inside: ExchangeInside, account: Account, kind: str
):
    market = await inside.open_market()
    key, _, signer = await make_signer(account, kind)
    async with call_with(auth=signer) as program:
        placed = await program.post("api/v1/orders", json=order(market, "buy 2 YES @ 0.40"))
        assert placed.status_code == 201, placed.text
        found = await program.get("api/v1/orders", params={"status": "open", "limit": "5"})
        assert [row["id"] for row in found.json()["results"]] == [placed.json()["id"]]
        me = (await program.get("api/v1/me")).json()
        assert (me["credential"], me["scopes"]) == ("key", ["read", "trade"])
        cancelled = await program.delete(f"api/v1/orders/{placed.json()['id']}")
        assert cancelled.json()["status"] == "cancelled"
    shown = await sync_to_async(ApiKey.objects.get)(pk=key.pk)
    assert shown.last_used_at is not None


def change(**headers: str) -> Callable[[httpx.Request], None]:
    def act(request: httpx.Request) -> None:
        request.headers.update({name.replace("_", "-"): value for name, value in headers.items()})

    return act


def change_body(request: httpx.Request) -> None:
    request.stream = httpx.ByteStream(request.content.replace(b"0.40", b"0.41"))


def change_time(request: httpx.Request) -> None:
    signed = int(request.headers["X-Predex-Timestamp"])
    request.headers["X-Predex-Timestamp"] = str(signed + 1)


def change_query(request: httpx.Request) -> None:
    request.url = request.url.copy_merge_params({"limit": "6"})


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (change_body, "does not match"),
        (change_query, "does not match"),
        (change_time, "does not match"),
        (change(X_Predex_Timestamp="1"), "off our clock"),
        (change(X_Predex_Timestamp="soon"), "milliseconds"),
        (change(X_Predex_Signature="?"), "base64"),
        (change(X_Predex_Signature=""), "does not match"),
        (change(X_Predex_Key="0" * 32), "no key"),
        (change(X_Predex_Key="mine"), "no key"),
        (change(X_API_Key="pdx_1"), "not both"),
    ],
)
@pytest.mark.parametrize("path", ["api/v1/orders", "api/v1/withdrawals"])
async def test_what_is_not_as_it_was_signed_is_refused(
    inside: ExchangeInside, account: Account, spoil: Callable, what: str, path: str
):
    _, _, signer = await make_signer(account)

    async def spoil_signed(request: httpx.Request) -> None:
        spoil(request)

    async with call_with(auth=signer) as program:
        program.event_hooks["request"] = [spoil_signed]
        body = {"market": "none", "price": "0.40", "quantity": "1"}
        refused = await program.post(path, json=body)
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_credentials")
    assert what in refused.json()["message"]


@pytest.mark.parametrize("path", ["/api/v1/tickers", "/api/v1/account"])
async def test_a_signature_is_good_once_and_only_in_its_own_form(account: Account, path: str):
    key, private, signer = await make_signer(account)
    async with call_with() as program:
        request = program.build_request("GET", path)
        signer(request)
        assert (await program.send(request)).status_code == 200
        again = await program.send(request)
        assert "used before" in again.json()["message"]
        request.method = "HEAD"
        assert (await program.send(request)).status_code == 401
        now = request.headers["X-Predex-Timestamp"]
        headers = httpx.Headers(request.headers)
        headers["X-Predex-Signature"] = sign(private, f"{now}GET{path}")
        refused = await program.get(path, headers=headers)
        assert "does not match" in refused.json()["message"]
        kalshi = {
            "KALSHI-ACCESS-KEY": str(key.pk),
            "KALSHI-ACCESS-TIMESTAMP": now,
            "KALSHI-ACCESS-SIGNATURE": request.headers["X-Predex-Signature"],
        }
        refused = await program.get("trade-api/v2/portfolio/balance", headers=kalshi)
        assert "does not match" in refused.json()["message"]


@pytest.mark.parametrize("proxied", [False, True])
async def test_a_key_tied_to_networks_is_refused_from_elsewhere_at_every_entry_point(
    inside: ExchangeInside, account: Account, settings: Any, proxied: bool
):
    market = await inside.open_market()
    here = ["2001:db8::/32", f"{ELSEWHERE}/32" if proxied else "127.0.0.0/8"]
    settings.TRUSTED_PROXIES = ["127.0.0.1"] if proxied else []
    make = sync_to_async(do_create_api_key)
    _, near = await make(account, name="n", scopes=["read", "trade"], by=None, networks=here)
    _, far = await make(
        account, name="f", scopes=["read", "trade"], by=None, networks=["198.51.100.0/24"]
    )
    headers = {"X-Forwarded-For": ELSEWHERE}  # believed of a trusted proxy alone
    async with call_with(headers=headers) as program:
        for secret, expected in ((near, 200), (far, 403)):
            program.headers["X-API-Key"] = secret
            answers = await call_everywhere(program, order(market, "buy 1 YES @ 0.40"))
            assert [answer.status_code for answer in answers] == [expected] * len(answers)
            if expected == 403:
                assert {answer.json()["code"] for answer in answers} == {"address_not_allowed"}
                seen = ELSEWHERE if proxied else "127.0.0.1"
                assert all(seen in answer.json()["message"] for answer in answers)
        del program.headers["X-API-Key"]
        _, _, signer = await make_signer(account, networks=["198.51.100.0/24"])
        refused = await program.get("api/v1/account", auth=signer)
        assert refused.json()["code"] == "address_not_allowed"


async def call_everywhere(program: httpx.AsyncClient, body: dict[str, Any]) -> list[httpx.Response]:
    """Call Django's views, the order app, Kalshi's form, MCP."""
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    accept = {"Accept": "application/json, text/event-stream"}
    return [
        await program.get("api/v1/account"),
        await program.post("api/v1/orders/preview", json=body),
        await program.get("api/v1/tickers"),
        await program.get("trade-api/v2/portfolio/balance"),
        await program.get("trade-api/v2/exchange/status"),
        await program.post("mcp", json=ping, headers=accept),
    ]


async def test_a_key_made_by_a_key_is_of_the_same_networks_and_ends_with_it(account: Account):
    ends = timezone.now() + timedelta(days=9)
    made, private, _ = await make_signer(account, networks=["127.0.0.1"], expires_at=ends)
    path, now = "/trade-api/v2/api_keys/generate", str(time.time_ns() // 1_000_000)
    headers = {
        "KALSHI-ACCESS-KEY": str(made.pk),
        "KALSHI-ACCESS-TIMESTAMP": now,
        "KALSHI-ACCESS-SIGNATURE": sign(private, f"{now}POST{path}"),
    }
    async with call_with(headers=headers) as program:
        answer = await program.post(path, json={"name": "child"})
    assert answer.status_code == 201, answer.text
    child = await ApiKey.objects.aget(pk=answer.json()["api_key_id"])
    assert child.networks == ["127.0.0.1/32"]
    assert child.expires_at is not None
    assert abs(child.expires_at - ends) < timedelta(milliseconds=1)
