"""Sub-accounts: opened, moved credits between, stopped and counted with their owner."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from accounts.actions import (
    do_close_account,
    do_create_api_key,
    do_move_funds,
    do_open_subaccount,
    do_request_withdrawal,
    do_suspend_user,
)
from accounts.api import principal
from accounts.api.admission import find_bucket
from accounts.models import Account, ApiKey, AuditEvent, Transfer
from accounts.own_data import show_profile
from kernel.errors import AuthError, RefusedError
from kernel.units import MICROS_PER_CREDIT
from tests.accounts.api import Api, assert_error
from tests.accounts.conftest import main_account


def open_one(user) -> Account:
    return do_open_subaccount(user, by=user)


def available(account: Account) -> int:
    account.refresh_from_db()
    return account.available_micros // MICROS_PER_CREDIT


def move(source: Account, target: Account, credits: int) -> Transfer:
    return do_move_funds(source, target, amount_micros=credits * MICROS_PER_CREDIT)


def refused(code, act, *arguments, **options):
    with pytest.raises((RefusedError, AuthError)) as refusal:
        act(*arguments, **options)
    assert refusal.value.code == code


def test_an_owner_opens_sub_accounts_numbered_from_one_to_63(alice, monkeypatch):
    first, second = open_one(alice), open_one(alice)
    assert [first.subaccount, second.subaccount] == [1, 2]
    assert (first.owner, first.kind, first.cash_micros) == (alice, "user", 0)
    assert main_account(alice).subaccount == 0
    assert AuditEvent.objects.filter(action="open_subaccount").count() == 2
    monkeypatch.setattr("accounts.actions.subaccounts.SUBACCOUNTS_MAX", 3)
    refused("too_many_subaccounts", open_one, alice)
    do_close_account(second, by=alice)
    refused("too_many_subaccounts", open_one, alice)  # a number is never another account's


def test_credits_move_between_own_accounts_exactly_and_never_below_what_is_free(alice, make_user):
    main, sub = main_account(alice), open_one(alice)
    row = move(main, sub, 40)
    assert (row.kind, row.debit_account, row.credit_account) == ("internal", main, sub)
    assert (available(main), available(sub)) == (60, 40)
    do_request_withdrawal(main, amount_micros=50 * MICROS_PER_CREDIT, by=alice)
    refused("insufficient_funds", move, main, sub, 11)
    move(main, sub, 10)
    assert (available(main), available(sub)) == (0, 50)
    refused("amount_not_positive", move, sub, main, 0)
    refused("amount_not_positive", move, sub, main, -1)
    refused("same_subaccount", move, sub, sub, 1)
    refused("not_own_accounts", move, sub, main_account(make_user("bob")), 1)
    assert Transfer.objects.filter(kind="internal").count() == 2


@pytest.mark.django_db(transaction=True)
def test_concurrent_transfers_never_move_more_than_there_is(make_user):
    alice = make_user("alice")
    main, sub = main_account(alice), open_one(alice)

    def try_to_move(_):
        try:
            move(main, sub, 30)
        except RefusedError as refusal:
            return refusal.code
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(4) as threads:
        answers = sorted(threads.map(try_to_move, range(4)))
    assert answers == ["done"] * 3 + ["insufficient_funds"]
    assert (available(main), available(sub)) == (10, 90)


# --- over the API --------------------------------------------------------------------------------


def test_the_api_opens_lists_transfers_and_shows_the_history(alice, log_in):
    program = log_in(alice)
    opened = program.post("subaccounts").json()
    assert (opened["subaccount"], opened["available"]) == (1, "0.000000")
    body = {"from_subaccount": 0, "to_subaccount": 1, "amount": "12.345678"}
    moved = program.post("subaccounts/transfers", body, Idempotency_Key="k1")
    again = program.post("subaccounts/transfers", body, Idempotency_Key="k1")
    assert (moved.status_code, again.json()) == (201, moved.json())
    other = {**body, "amount": "1"}
    answer = program.post("subaccounts/transfers", other, Idempotency_Key="k1")
    assert_error(answer, 409, "idempotency_key_reused")
    listed = program.get("subaccounts").json()["results"]
    assert [(row["subaccount"], row["available"]) for row in listed] == [
        (0, "87.654322"),
        (1, "12.345678"),
    ]
    [shown] = program.get("subaccounts/transfers").json()["results"]
    assert shown == moved.json()
    assert (shown["from_subaccount"], shown["to_subaccount"]) == (0, 1)
    ledger = program.get("ledger?kind=internal").json()["results"]
    assert [row["amount"] for row in ledger] == ["-12.345678"]
    assert program.get("account").json()["subaccount"] == 0


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"to_subaccount": 0}, 422, "same_subaccount", "to_subaccount"),
        ({"to_subaccount": 2}, 404, "not_found", None),
        ({"to_subaccount": 64}, 400, "too_large", "to_subaccount"),
        ({"from_subaccount": -1}, 400, "too_small", "from_subaccount"),
        ({"amount": "0"}, 400, "amount_not_positive", "amount"),
        ({"amount": "100.000001"}, 422, "insufficient_funds", "amount"),
        ({"amount": "0.0000001"}, 400, "too_many_decimals", "amount"),
    ],
)
def test_a_wrong_transfer_is_refused_and_moves_nothing(alice, log_in, change, status, code, field):
    open_one(alice)
    body = {"from_subaccount": 0, "to_subaccount": 1, "amount": "1", **change}
    assert_error(log_in(alice).post("subaccounts/transfers", body), status, code, field)
    assert not Transfer.objects.filter(kind="internal").exists()


def test_a_key_belongs_to_one_account_and_that_of_a_sub_account_to_it_alone(
    alice, make_user, log_in, api
):
    sub, program = open_one(alice), log_in(alice)
    new = {"name": "bot", "scopes": ["read", "trade"]}
    made = program.post("keys", {**new, "subaccount": 1}).json()
    assert made["subaccount"] == 1
    assert ApiKey.objects.get().account == sub
    own = Api(api.client, bearer=made["secret"])
    assert own.get("account").json()["subaccount"] == 1
    assert [row["subaccount"] for row in own.get("subaccounts").json()["results"]] == [1]
    assert_error(own.post("subaccounts"), 403, "key_of_subaccount")
    body = {"from_subaccount": 1, "to_subaccount": 0, "amount": "1"}
    assert_error(own.post("subaccounts/transfers", body), 403, "key_of_subaccount")
    assert [row["subaccount"] for row in program.get("keys").json()["results"]] == [1]
    assert own.get("keys").json()["results"][0]["id"] == made["id"]
    assert_error(program.post("keys", {**new, "subaccount": 2}), 404, "not_found")
    assert program.delete(f"keys/{made['id']}").status_code == 204
    open_one(make_user("bob"))
    assert len(program.get("subaccounts").json()["results"]) == 2


def test_what_a_person_may_ask_for_per_second_goes_by_the_owner(alice, make_user):
    open_one(alice)
    main = principal.principal_of_user(alice)
    acting, bob = principal.act_for_sync(main, 1), principal.principal_of_user(make_user("bob"))
    assert find_bucket(acting, "write") == find_bucket(main, "write")
    assert find_bucket(acting, "write")[0] != find_bucket(bob, "write")[0]


def test_suspension_and_closing_of_the_owner_cover_all_accounts(alice, operator, api):
    sub = open_one(alice)
    _, secret = do_create_api_key(sub, name="k", scopes=["read"], by=alice)
    program = Api(api.client, bearer=secret)
    assert program.get("account").status_code == 200
    do_suspend_user(alice, by=operator, reason="test")
    time.sleep(1)
    assert_error(program.get("account"), 403, "account_suspended")
    alice.refresh_from_db()
    refused("account_suspended", open_one, alice)
    refused("account_suspended", move, main_account(alice), sub, 1)


def test_closing_the_main_account_closes_all_or_none(alice, operator):
    main, sub = main_account(alice), open_one(alice)
    Account.objects.filter(pk=main.pk).update(held_micros=0)
    move(main, sub, 5)
    Account.objects.filter(pk=sub.pk).update(held_micros=1)
    refused("orders_are_open", do_close_account, main, by=operator)
    assert not Account.objects.filter(closed_at__isnull=False).exists()
    Account.objects.filter(pk=sub.pk).update(held_micros=0)
    do_close_account(main, by=operator)
    assert Account.objects.filter(owner=alice, closed_at=None).count() == 0
    alice.refresh_from_db()
    assert not alice.is_active


def test_closing_a_sub_account_closes_that_alone(alice, operator):
    sub = open_one(alice)
    do_close_account(sub, by=operator)
    refused("account_closed", move, main_account(alice), sub, 1)
    alice.refresh_from_db()
    assert alice.is_active
    assert main_account(alice).closed_at is None


def test_the_export_has_every_account(alice):
    move(main_account(alice), open_one(alice), 7)
    shown = show_profile(alice)["accounts"]
    assert [(row["number"], row["cash"]) for row in shown] == [(1, "93.000000"), (2, "7.000000")]


def test_a_principal_acts_for_own_open_sub_accounts_alone(alice, make_user):
    sub, foreign = open_one(alice), open_one(make_user("bob"))
    main = principal.principal_of_user(alice)
    assert principal.act_for_sync(main, None) is main
    assert principal.act_for_sync(main, 0) is main
    acting = principal.act_for_sync(main, 1)
    assert (acting.account_id, acting.subaccount, acting.owner_id) == (sub.pk, 1, alice.pk)
    assert acting.account_id != foreign.pk
    refused("key_of_subaccount", principal.act_for_sync, acting, 0)
    for number in (2, 64, -1, 10**30):
        with pytest.raises(Exception, match="not found"):
            principal.act_for_sync(main, number)
