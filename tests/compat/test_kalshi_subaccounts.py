"""Sub-accounts in Kalshi's form against the running program."""

import uuid

import pytest
from cryptography.hazmat.primitives import serialization

from tests.compat.conftest import Site
from tests.compat.kalshi import Program, Town
from tests.compat.test_kalshi import assert_fields


@pytest.fixture(scope="module")
def town(site: Site) -> Town:
    return Town(site)


def test_sub_accounts_trade_by_themselves_and_are_named_in_each_request(town: Town):
    main = Program(town.site, town.site.world.traders[2].handle)
    assert main.call("POST", "portfolio/subaccounts") == {"subaccount_number": 1}
    moved = {
        "client_transfer_id": str(uuid.uuid4()),
        "from_subaccount": 0,
        "to_subaccount": 1,
        "amount_cents": 12_345,
    }
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
    funds = {
        "client_transfer_id": str(uuid.uuid4()),
        "from_subaccount": 0,
        "to_subaccount": 1,
        "amount_cents": 5_000,
    }
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
