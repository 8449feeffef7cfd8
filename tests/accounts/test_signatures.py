import base64
import contextlib
import os
import subprocess
import sys
import time
import uuid

import pytest
from asgiref.sync import async_to_sync
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from django.test import Client

from accounts.actions import do_create_api_key, do_revoke_api_key
from accounts.api import principal
from accounts.api.principal import Principal
from accounts.api.signatures import SignedRequest, authenticate_signature
from accounts.models import ApiKey, AuditEvent
from accounts.signing import SIGNING_KINDS, make_key_pair
from kernel.errors import AuthError, RefusedError
from tests.accounts.conftest import PASSWORD, main_account
from tests.exchange import ROOT

pytestmark = pytest.mark.one_database

PEM = "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----"
PATH = "GET/trade-api/v2/portfolio/balance"


def sign(private_pem: str, message: str) -> str:
    key = serialization.load_pem_private_key(private_pem.encode(), None)
    if isinstance(key, rsa.RSAPrivateKey):
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
        return base64.b64encode(key.sign(message.encode(), pss, hashes.SHA256())).decode()
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    return base64.b64encode(key.sign(message.encode())).decode()


def make_key(user, kind: str) -> tuple[ApiKey, str]:
    private, public = make_key_pair(kind)
    key, secret = do_create_api_key(
        main_account(user), name="bot", scopes=["read", "trade"], by=user, public_key=public
    )
    assert secret == ""
    return key, private


def sent(key: ApiKey, private: str, *, path: str = PATH, late_ms: int = 0) -> SignedRequest:
    timestamp = str(int(time.time() * 1000) - late_ms)
    return SignedRequest(str(key.pk), timestamp, sign(private, timestamp + path))


def authenticate(request: SignedRequest, *, once: bool = True) -> Principal:
    with contextlib.suppress(ValueError):  # read here: a test's transaction is one connection's
        key_id = str(uuid.UUID(request.key_id))
        principal._signers.drop(key_id)  # an older value would be read again in a thread
        principal._signers.get_sync(key_id)
    return async_to_sync(authenticate_signature)(request, [PATH], address="", once=once)


def refused(request: SignedRequest) -> str:
    with pytest.raises(AuthError) as caught:
        authenticate(request)
    assert (caught.value.status, caught.value.code) == (401, "invalid_credentials")
    return caught.value.message


@pytest.mark.parametrize("kind", SIGNING_KINDS)
def test_only_a_right_timely_fresh_and_own_signature_is_taken(alice, make_user, kind):
    key, private = make_key(alice, kind)
    good = sent(key, private)
    who = authenticate(good)
    assert (who.account_id, who.scopes) == (key.account_id, {"read", "trade"})
    assert "used before" in refused(good)
    overheard = sent(key, private)
    assert [authenticate(overheard, once=False).user_id for _ in range(2)] == [alice.pk] * 2
    assert "off our clock" in refused(sent(key, private, late_ms=31_000))
    assert "off our clock" in refused(sent(key, private, late_ms=-32_000))
    assert "does not match" in refused(sent(key, private, path=PATH.replace("GET", "DELETE")))
    foreign, foreign_private = make_key(make_user("bob"), kind)
    assert "does not match" in refused(sent(key, foreign_private))
    assert "does not match" in refused(good._replace(key_id=str(foreign.pk)))
    assert "no key" in refused(good._replace(key_id=str(uuid.uuid4())))
    assert "no key" in refused(good._replace(key_id="1"))
    assert "base64" in refused(good._replace(signature="?"))
    assert "milliseconds" in refused(good._replace(timestamp="now"))
    do_revoke_api_key(key, by=alice)
    time.sleep(1)
    assert "revoked" in refused(sent(key, private))


@pytest.mark.parametrize(
    "pem", ["", "x", "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----"]
)
def test_what_is_no_public_key_makes_no_key(alice, pem):
    small = rsa.generate_private_key(public_exponent=65_537, key_size=1_024).public_key()  # noqa: S505
    weak = small.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()
    with pytest.raises(RefusedError, match="PEM"):
        do_create_api_key(
            main_account(alice), name="bot", scopes=["read"], by=alice, public_key=pem or weak
        )
    assert not ApiKey.objects.exists()


def test_the_page_shows_the_id_and_the_private_key_once(alice):
    browser = Client()
    browser.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    form = {"name": "bot", "scopes": ["read"], "days": "0", "kind": "ed25519"}
    shown = browser.post("/account/keys/", form)
    key = ApiKey.objects.get()
    text = shown.content.decode()
    assert shown.status_code == 201, text
    assert str(key.pk) in text
    private = text.split("-----BEGIN PRIVATE KEY-----")[1].split("-----END")[0].strip()
    assert key.public_key.startswith("-----BEGIN PUBLIC KEY-----")
    assert private not in str(ApiKey.objects.values()) + str(AuditEvent.objects.values_list())
    assert private not in browser.get("/account/keys/").content.decode()


def test_the_page_takes_the_public_half_of_an_own_key_pair(alice):
    browser = Client()
    browser.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    form = {"name": "bot", "scopes": ["read"], "days": "0", "kind": "own"}
    public = make_key_pair("ed25519")[1]
    for wrong, said in (
        ({}, "This field is required."),
        ({"public_key": "ssh-ed25519 AAAA"}, "Enter a public key as PEM"),
        ({"public_key": public, "kind": "secret"}, "Leave this empty, or choose"),
    ):
        refused = browser.post("/account/keys/", {**form, **wrong})
        assert refused.status_code == 422
        assert said in refused.content.decode()
    shown = browser.post("/account/keys/", {**form, "public_key": public.replace("\n", "\r\n")})
    assert shown.status_code == 201
    key = ApiKey.objects.get()
    assert key.public_key == public
    assert f'id="key-id">{key.pk}<' in shown.content.decode()
    assert "it is shown only once" not in shown.content.decode()


def test_a_signature_that_one_process_has_seen_is_refused_by_all(alice, settings, redis_url):
    settings.REDIS_URL, settings.REDIS_PREFIX = redis_url, f"t{uuid.uuid4().hex[:8]}"
    key, private = make_key(alice, "ed25519")
    request = sent(key, private)
    assert authenticate(request).user_id == alice.pk
    code = (
        "import sys, django; django.setup()\n"
        "from django.conf import settings\n"
        "settings.REDIS_URL, settings.REDIS_PREFIX = sys.argv[2:]\n"
        "from asgiref.sync import async_to_sync\n"
        "from web import limits\n"
        "from accounts.api.signatures import _build_use\n"
        "print(async_to_sync(limits.take)(*_build_use(bytes.fromhex(sys.argv[1]))))\n"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    signature = base64.b64decode(request.signature).hex()
    run = [sys.executable, "-c", code, signature, redis_url, settings.REDIS_PREFIX]
    shown = subprocess.run(
        run, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert 50 < float(shown.stdout) <= 61
