"""What Kalshi's programs sign and own: signatures, keys, sub-accounts; and our signed requests."""

import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

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


def test_sub_accounts_trade_by_themselves_and_are_named_in_each_request(town: Town):
    main = Program(town.site, town.site.world.traders[2].handle)
    assert main.call("POST", "portfolio/subaccounts") == {"subaccount_number": 1}
    moved = build_transfer(12_345)
    main.call("POST", "portfolio/subaccounts/transfer", moved, expect=200)
    assert main.send("POST", "portfolio/subaccounts/transfer", moved).status_code == 409
    balances = main.get("portfolio/subaccounts/balances")["subaccount_balances"]
    for row in balances:
        assert_fields("SubaccountBalance", row)
    assert [(row["subaccount_number"], float(row["balance"])) for row in balances][1] == (1, 123.45)
    [transfer] = main.get("portfolio/subaccounts/transfers")["transfers"]
    assert_fields("SubaccountTransfer", transfer)
    assert (transfer["from_subaccount"], transfer["to_subaccount"]) == (0, 1)
    assert transfer["amount_cents"] == 12_345
    assert main.get("portfolio/balance", subaccount=1)["balance"] == 12_345
    resting = main.place(town.nominee + "_CY", "bid 5 @ 0.30", subaccount=1)
    own = main.get("portfolio/orders", subaccount=1, status="resting")["orders"]
    assert [(row["order_id"], row["subaccount_number"]) for row in own] == [
        (resting["order_id"], 1)
    ]
    assert resting["order_id"] not in str(main.get("portfolio/orders"))
    path = f"portfolio/events/orders/{resting['order_id']}"
    assert main.send("DELETE", path).status_code == 404
    assert main.call("DELETE", path, expect=200, subaccount=1)["reduced_by"] == "5.00"
    refused = main.send("GET", "portfolio/balance", subaccount=2)
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    configs = main.get("portfolio/subaccounts/netting")["netting_configs"]
    assert [row["enabled"] for row in configs] == [False, False]
    off = {"subaccount_number": 1, "enabled": False}
    assert main.send("PUT", "portfolio/subaccounts/netting", off).status_code == 200
    on = {"subaccount_number": 1, "enabled": True}
    assert main.send("PUT", "portfolio/subaccounts/netting", on).status_code == 400


def test_a_batch_may_name_several_sub_accounts_and_owners_never_trade_with_themselves(town: Town):
    main = Program(town.site, town.site.world.traders[2].handle, "ed25519")
    if len(main.get("portfolio/subaccounts/balances")["subaccount_balances"]) == 1:
        main.call("POST", "portfolio/subaccounts")
    funds = build_transfer(5_000)
    main.call("POST", "portfolio/subaccounts/transfer", funds, expect=200)
    order = {
        "ticker": town.nominee + "_ANN", "count": "2", "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
    }  # fmt: skip
    orders = [
        {**order, "side": "bid", "price": "0.31", "client_order_id": "b0", "subaccount": 0},
        {**order, "side": "ask", "price": "0.31", "client_order_id": "b1", "subaccount": 1},
        {**order, "side": "bid", "price": "0.30", "client_order_id": "b2", "subaccount": 1},
        {**order, "side": "bid", "price": "0.30", "client_order_id": "b3", "subaccount": 9},
    ]
    answers = main.call("POST", "portfolio/events/orders/batched", {"orders": orders})["orders"]
    assert [row.get("fill_count") for row in answers] == ["0.00", "0.00", "0.00", None]
    assert [row.get("remaining_count") for row in answers[:3]] == ["2.00", "0.00", "2.00"]
    assert answers[3]["error"]["code"] == "not_found"
    named = [
        {"order_id": answers[0]["order_id"]},
        {"order_id": answers[2]["order_id"], "subaccount": 1},
    ]
    batch = {"orders": named}
    ended = main.call("DELETE", "portfolio/events/orders/batched", batch, expect=200)["orders"]
    assert [row["reduced_by"] for row in ended] == ["2.00", "2.00"]


def test_a_key_of_a_sub_account_defaults_to_it_and_is_refused_elsewhere(town: Town):
    main = Program(town.site, town.site.world.traders[2].handle)
    if len(main.get("portfolio/subaccounts/balances")["subaccount_balances"]) == 1:
        main.call("POST", "portfolio/subaccounts")
    made = main.call("POST", "api_keys/generate", {"name": "locked", "subaccount": 1})
    listed = {row["api_key_id"]: row["subaccount"] for row in main.get("api_keys")["api_keys"]}
    assert listed[made["api_key_id"]] == 1
    assert listed[main.key_id] is None
    locked = Program(town.site, town.site.world.traders[2].handle)
    locked.key_id = made["api_key_id"]
    locked.key = serialization.load_pem_private_key(made["private_key"].encode(), None)
    sub = main.get("portfolio/balance", subaccount=1)["balance"]
    assert locked.get("portfolio/balance")["balance"] == sub
    assert locked.get("portfolio/balance", subaccount=1)["balance"] == sub
    for method, path, body in (
        ("GET", "portfolio/balance", None),
        ("POST", "portfolio/subaccounts", {}),
    ):
        query = {"subaccount": 0} if method == "GET" else {}
        refused = locked.send(method, path, body, **query)
        assert (refused.status_code, refused.json()["code"]) == (403, "key_of_subaccount")


def build_transfer(amount_cents: int) -> dict[str, Any]:
    return {
        "client_transfer_id": str(uuid.uuid4()),
        "from_subaccount": 0,
        "to_subaccount": 1,
        "amount_cents": amount_cents,
    }
