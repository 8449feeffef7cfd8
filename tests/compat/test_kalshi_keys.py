"""Signatures and keys of Kalshi's programs, and predex's own signed requests."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from tests.compat.conftest import Site
from tests.compat.kalshi import PATH, Program, Town, assert_fields
from tests.exchange import ROOT


@pytest.fixture(scope="module")
def town(site: Site) -> Town:
    return Town(site)


def test_wrong_late_replayed_and_foreign_signatures_are_refused(town: Town):
    alice, path = town.alice, f"{PATH}/portfolio/balance"

    def code(headers: dict[str, str], method: str = "GET") -> tuple[int, str]:
        answer = alice.http.request(method, path, headers=headers)
        body = answer.json()
        assert body.get("error", {}).get("code") == body.get("code")
        return answer.status_code, body.get("message", "")

    good = alice.sign("GET", path)
    assert code(good)[0] == 200
    assert "used before" in code(good)[1]
    assert "does not match" in code(alice.sign("POST", path))[1]
    assert "off our clock" in code(alice.sign("GET", path, late_ms=60_000))[1]
    foreign = alice.sign("GET", path) | {"KALSHI-ACCESS-KEY": town.bob.key_id}
    assert code(foreign) == (401, code(foreign)[1])
    assert code({})[0] == 401
    public = alice.sign("GET", f"{PATH}/markets")
    for _ in range(2):  # nobody's secret is in a public answer
        assert alice.http.get(f"{PATH}/markets", headers=public).status_code == 200
    bad = public | {"KALSHI-ACCESS-SIGNATURE": "AAAA"}
    assert alice.http.get(f"{PATH}/markets", headers=bad).status_code == 401
    reader = Program(town.site, town.site.world.traders[2].handle, scopes="read")
    assert reader.get("portfolio/orders")["orders"] == []
    order = {"ticker": town.binary, "side": "bid", "count": "1", "price": "0.1"}
    assert reader.send("POST", "portfolio/events/orders", order).status_code == 403
    assert reader.send("DELETE", f"api_keys/{reader.key_id}").status_code == 403


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_a_program_makes_lists_and_ends_its_keys(town: Town, kind: str):
    alice = town.alice
    made = alice.call("POST", "api_keys/generate", {"name": "second", "key_type": kind})
    assert_fields("GenerateApiKeyResponse", made)
    listed = alice.get("api_keys")
    assert_fields("GetApiKeysResponse", listed)
    assert_fields("ApiKey", listed["api_keys"][0])
    assert listed["api_keys"][0]["scopes"] == ["read", "write"]
    key = alice.call("POST", "api_keys", {
        "name": "third", "scopes": ["read"],
        "public_key": alice.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode(),
    })  # fmt: skip
    assert_fields("CreateApiKeyResponse", key)
    for key_id in (made["api_key_id"], key["api_key_id"]):
        alice.call("DELETE", f"api_keys/{key_id}", expect=204)
    assert alice.send("DELETE", f"api_keys/{town.bob.key_id}").status_code == 404
    assert alice.send("POST", "api_keys", {"name": "x", "public_key": "x"}).status_code == 400


def test_the_example_of_signed_requests_runs_as_it_is(town: Town, tmp_path: Path):
    text = (ROOT / "docs" / "api.md").read_text()
    [example] = [
        one for one in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "key.pem" in one
    ]
    program = Program(town.site, town.site.world.traders[2].handle, "ed25519")
    (tmp_path / "key.pem").write_text(program.pem)
    code = example.replace("your key's id", program.key_id)
    code = code.replace("http://127.0.0.1:8000", town.site.exchange.base_url)
    run = [sys.executable, "-c", code]
    shown = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert float(shown) > 0
