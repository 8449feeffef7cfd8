import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test import Client

from accounts import registry
from accounts.actions import (
    do_close_account,
    do_decide_withdrawal,
    do_delete_user,
    do_deposit,
    do_grant,
    do_request_withdrawal,
    do_suspend_user,
    get_house_id,
    get_issuer_id,
)
from accounts.api import principal
from accounts.models import Account, AuditEvent, Policy, Transfer, WithdrawalRequest
from accounts.policy import forget
from accounts.registry import Valuation
from kernel.errors import RefusedError
from kernel.units import MICROS_PER_CREDIT
from tests.accounts.api import Api, assert_error
from tests.accounts.conftest import main_account

CREDIT = MICROS_PER_CREDIT


def test_the_account_shows_every_part_of_the_balance(alice, with_key):
    account = main_account(alice)
    do_request_withdrawal(account, amount_micros=30 * CREDIT, by=alice)
    Account.objects.filter(pk=account.pk).update(held_micros=5 * CREDIT)
    assert with_key(alice).get("account").json() == {
        "account": 1,
        "subaccount": 0,
        "kind": "user",
        "currency": "CREDIT",
        "cash": "100.000000",
        "held": "5.000000",
        "withdrawing": "30.000000",
        "available": "65.000000",
        "locked_collateral": "0.000000",
        "equity": "100.000000",
    }


def test_trading_sends_what_positions_lock_and_are_worth(alice, with_key, monkeypatch):
    monkeypatch.setattr(registry, "_value_positions", lambda account_id: Valuation(CREDIT, -CREDIT))
    answer = with_key(alice).get("account").json()
    assert (answer["locked_collateral"], answer["equity"]) == ("1.000000", "99.000000")
    monkeypatch.setattr(registry, "_value_positions", lambda account_id: Valuation(CREDIT, None))
    assert with_key(alice).get("account").json()["equity"] is None


def test_an_operator_deposits_and_leaves_an_audit_event(alice, operator, log_in):
    body = {"handle": "alice", "amount": "12.5", "reason": "paid at the desk"}
    response = log_in(operator).post("operator/deposits", body, X_Request_ID="desk-0001")
    assert response.status_code == 201
    assert response.json() == {
        "handle": "alice",
        "account": 1,
        "amount": "12.500000",
        "cash": "112.500000",
    }
    event = AuditEvent.objects.get(action="deposit_credits")
    assert (event.actor, event.after) == (operator, {"amount": "12.500000"})
    assert (event.reason, event.request_id) == ("paid at the desk", "desk-0001")
    issuer = Account.objects.get(pk=get_issuer_id())
    assert issuer.cash_micros == -112_500_000


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"amount": 0}, 400, "amount_not_positive", "amount"),
        ({"amount": "-1"}, 400, "amount_not_positive", "amount"),
        ({"amount": "1e3"}, 400, "not_a_number", "amount"),
        ({"amount": "0.0000001"}, 400, "too_many_decimals", "amount"),
        ({"amount": "9" * 30}, 400, "number_too_large", "amount"),
        ({"amount": "9000000000000"}, 422, "too_much_issued", "amount"),
        ({"amount": None}, 400, "wrong_type", "amount"),
        ({"amount": True}, 400, "not_a_number", "amount"),
        ({"amount": ["1"]}, 400, "not_a_number", "amount"),
        ({"account": 2}, 404, "not_found", None),
        ({"handle": "nobody"}, 404, "not_found", None),
        ({"handle": 7}, 400, "wrong_type", "handle"),
        ({"currency": "EUR"}, 400, "unknown_field", "currency"),
    ],
)
def test_bad_deposits_are_refused_and_move_nothing(
    alice, operator, log_in, change, status, code, field
):
    before = Transfer.objects.count()
    body = {"handle": "alice", "amount": "1", **change}
    assert_error(log_in(operator).post("operator/deposits", body), status, code, field)
    assert Transfer.objects.count() == before


def test_only_operators_with_the_right_may_deposit(alice, make_user, log_in, with_key):
    body = {"handle": "alice", "amount": "1"}
    assert_error(log_in(alice).post("operator/deposits", body), 403, "not_an_operator")
    alice.is_staff = True
    alice.save()
    assert_error(log_in(alice).post("operator/deposits", body), 403, "not_an_operator")
    boss = make_user("boss", is_operator=True)
    assert_error(with_key(boss).post("operator/deposits", body), 403, "missing_scope")


def test_the_two_person_rule_keeps_an_operator_from_their_own_account(operator, log_in):
    Policy.objects.update(two_person_rule=True)
    forget()
    body = {"handle": "olivia", "amount": "1"}
    assert_error(log_in(operator).post("operator/deposits", body), 403, "second_person_needed")


def test_a_repeated_deposit_gets_the_first_answer_and_has_one_effect(alice, operator, log_in):
    desk = log_in(operator)
    body = {"handle": "alice", "amount": "10"}
    first = desk.post("operator/deposits", body, Idempotency_Key="slip-1")
    again = desk.post("operator/deposits", body, Idempotency_Key="slip-1")
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert Transfer.objects.filter(kind="deposit").count() == 1
    other = desk.post("operator/deposits", {**body, "amount": "11"}, Idempotency_Key="slip-1")
    assert_error(other, 409, "idempotency_key_reused")
    assert main_account(alice).cash_micros == 110 * CREDIT


def test_the_same_amount_written_differently_is_the_same_request(alice, operator, log_in):
    desk = log_in(operator)
    for amount in ("10", 10, "10.00"):
        body = {"handle": "alice", "amount": amount}
        assert desk.post("operator/deposits", body, Idempotency_Key="k").status_code == 201
    assert main_account(alice).cash_micros == 110 * CREDIT


def test_a_refusal_is_repeated_too(alice, log_in):
    program = log_in(alice)
    first = program.post("withdrawals", {"amount": "101"}, Idempotency_Key="w1")
    assert_error(first, 422, "insufficient_funds", "amount")
    assert first.json()["message"] == "1.000000 more is needed"
    do_grant(main_account(alice), amount_micros=50 * CREDIT, by=None)
    again = program.post("withdrawals", {"amount": "101"}, Idempotency_Key="w1")
    assert_error(again, 422, "insufficient_funds", "amount")
    assert program.post("withdrawals", {"amount": "101"}, Idempotency_Key="w2").status_code == 201


def test_two_accounts_may_use_the_same_idempotency_key(alice, make_user, log_in):
    bob = make_user("bob")
    for user in (alice, bob):
        response = log_in(user).post("withdrawals", {"amount": "1"}, Idempotency_Key="same")
        assert response.status_code == 201
    assert WithdrawalRequest.objects.count() == 2


@pytest.mark.parametrize("key", ["", "x" * 65, "two words", "\u00e9"])
def test_a_malformed_idempotency_key_is_refused(alice, log_in, key):
    response = log_in(alice).post("withdrawals", {"amount": "1"}, Idempotency_Key=key)
    assert_error(response, 400, "bad_idempotency_key")


def test_a_withdrawal_is_set_aside_then_paid_to_the_outside(alice, operator, log_in):
    program, desk = log_in(alice), log_in(operator)
    asked = program.post("withdrawals", {"amount": "40", "note": "to my desk"}).json()
    assert (asked["status"], asked["amount"]) == ("requested", "40.000000")
    assert program.get("account").json()["available"] == "60.000000"
    assert (
        desk.get("operator/withdrawals?status=requested").json()["results"][0]["handle"] == "alice"
    )
    decision = {"decision": "approve", "reason": "ok"}
    decided = desk.post(f"operator/withdrawals/{asked['id']}", decision)
    assert decided.json()["status"] == "approved"
    balance = program.get("account").json()
    assert (balance["cash"], balance["withdrawing"]) == ("60.000000", "0.000000")
    transfer = Transfer.objects.get(kind="withdrawal")
    assert transfer.reference == uuid.UUID(asked["id"])
    assert AuditEvent.objects.filter(action="approve_withdrawal", actor=operator).count() == 1


def test_a_rejected_withdrawal_is_free_again(alice, operator, log_in):
    program, desk = log_in(alice), log_in(operator)
    asked = program.post("withdrawals", {"amount": "100"}).json()
    desk.post(f"operator/withdrawals/{asked['id']}", {"decision": "reject", "reason": "no"})
    assert program.get("account").json()["available"] == "100.000000"
    assert program.get("withdrawals").json()["results"][0]["reason"] == "no"
    again = desk.post(f"operator/withdrawals/{asked['id']}", {"decision": "approve"})
    assert_error(again, 409, "already_decided")
    assert not Transfer.objects.filter(kind="withdrawal").exists()


def test_an_unknown_withdrawal_or_decision_is_refused(alice, operator, log_in):
    desk = log_in(operator)
    path = f"operator/withdrawals/{uuid.uuid4()}"
    assert_error(desk.post(path, {"decision": "approve"}), 404, "not_found")
    assert_error(desk.post(path, {"decision": "maybe"}), 400, "invalid_choice", "decision")
    assert_error(desk.post("operator/withdrawals/5", {}), 404, "not_found")


def test_what_orders_hold_cannot_be_withdrawn(alice, log_in):
    Account.objects.filter(owner=alice).update(held_micros=90 * CREDIT)
    response = log_in(alice).post("withdrawals", {"amount": "10.000001"})
    assert_error(response, 422, "insufficient_funds", "amount")
    assert response.json()["message"] == "0.000001 more is needed"


def test_the_ledger_shows_own_transfers_in_pages_without_gaps(alice, operator, log_in):
    account = main_account(alice)
    for micros in range(1, 8):
        do_deposit(account, amount_micros=micros, by=operator)
    withdrawal = do_request_withdrawal(account, amount_micros=CREDIT, by=alice)
    do_decide_withdrawal(withdrawal, approve=True, by=operator)
    program = log_in(alice)
    seen, cursor = [], ""
    while cursor is not None:
        page = program.get(f"ledger?limit=2&cursor={cursor}").json()
        seen += page["results"]
        cursor = page["next_cursor"]
    amounts = [row["amount"] for row in seen]
    assert amounts[:2] == ["-1.000000", "0.000007"]
    assert amounts[-1] == "100.000000"
    assert len({row["id"] for row in seen}) == 9
    assert {row["counterparty"] for row in seen} == {"issuer"}
    deposits = program.get("ledger?kind=deposit&limit=200").json()["results"]
    assert [row["kind"] for row in deposits] == ["deposit"] * 7


def test_the_ledger_names_markets_by_their_slug(alice, with_key, monkeypatch):
    monkeypatch.setattr(registry, "_name_markets", lambda ids: dict.fromkeys(ids, "rain-tomorrow"))
    Transfer.objects.create(
        debit_account=main_account(alice),
        credit_account_id=get_house_id(),
        amount_micros=1,
        kind="fee",
        market_id=7,
    )
    Account.objects.filter(owner=alice).update(cash_micros=100 * CREDIT - 1)
    Account.objects.filter(kind="house").update(cash_micros=1)
    rows = with_key(alice).get("ledger").json()["results"]
    assert [row["market"] for row in rows] == ["rain-tomorrow", None]


def test_money_is_seen_only_by_its_owner(alice, make_user, with_key):
    bob = make_user("bob", credits=0)
    do_request_withdrawal(main_account(alice), amount_micros=1, by=alice)
    other = with_key(bob)
    assert other.get("ledger").json() == {"results": [], "next_cursor": None}
    assert other.get("withdrawals").json()["results"] == []
    assert_error(other.get("operator/withdrawals"), 403, "missing_scope")


def test_an_account_closes_only_when_nothing_is_pending(alice, operator):
    account = main_account(alice)
    withdrawal = do_request_withdrawal(account, amount_micros=1, by=alice)
    with pytest.raises(RefusedError, match="still pending"):
        do_close_account(account, by=operator)
    do_decide_withdrawal(withdrawal, approve=False, by=operator)
    Account.objects.filter(pk=account.pk).update(held_micros=1)
    with pytest.raises(RefusedError, match="orders"):
        do_close_account(account, by=operator)
    Account.objects.filter(pk=account.pk).update(held_micros=0)
    do_close_account(account, by=operator)
    alice.refresh_from_db()
    assert not alice.is_active
    with pytest.raises(RefusedError, match="already"):
        do_close_account(account, by=operator)


def test_a_closed_account_keeps_its_money_and_can_still_be_paid(alice, operator, with_key):
    program = with_key(alice)
    do_close_account(main_account(alice), by=operator)
    assert_error(program.get("account"), 401, "invalid_credentials")
    do_deposit(main_account(alice), amount_micros=1, by=operator)
    assert main_account(alice).cash_micros == 100 * CREDIT + 1


@pytest.mark.parametrize(
    ("stop", "code"),
    [
        (lambda alice, operator: do_suspend_user(alice, by=operator, reason="x"), "suspended"),
        (lambda alice, operator: do_delete_user(alice), "closed"),
    ],
)
def test_who_is_stopped_in_another_process_can_change_nothing_here(
    alice, operator, log_in, stop, code, monkeypatch
):
    """This process has just cached their credential as valid."""
    monkeypatch.setattr(principal._cache, "_seconds", 60)
    monkeypatch.setattr(registry, "_cancel_orders", None)  # there is no engine here
    person = log_in(alice)
    asked = person.post("deposits", {"amount": "1"}).json()
    stop(alice, operator)
    code = f"account_{code}"
    assert person.get("account").status_code == 200
    assert_error(person.post("withdrawals", {"amount": "1", "note": "mine"}), 403, code)
    assert_error(person.post("deposits", {"amount": "1"}), 403, code)
    assert_error(person.delete(f"deposits/{asked['id']}"), 403, code)
    assert_error(person.patch("me", {"display_name": "Me again"}), 403, code)
    assert_error(person.post("keys", {"name": "a", "scopes": ["trade"]}), 403, code)
    alice.refresh_from_db()
    assert alice.display_name == ""
    assert not main_account(alice).withdrawals.exists()


@pytest.mark.django_db(transaction=True)
def test_many_withdrawals_at_once_never_take_more_than_there_is(alice, log_in):
    program = log_in(alice)

    def ask(number: int) -> int:
        try:
            return (
                Api(Client(), bearer=program.bearer)
                .post("withdrawals", {"amount": "30"}, Idempotency_Key=f"w{number}")
                .status_code
            )
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(ask, range(8)))
    assert sorted(statuses) == [201] * 3 + [422] * 5
    assert main_account(alice).available_micros == 10 * CREDIT


@pytest.mark.django_db(transaction=True)
def test_many_retries_of_one_request_at_once_have_one_effect(alice, operator, log_in):
    desk = log_in(operator)

    def deposit(_: int) -> tuple[int, str]:
        try:
            response = Api(Client(), bearer=desk.bearer).post(
                "operator/deposits", {"handle": "alice", "amount": "1"}, Idempotency_Key="once"
            )
            return response.status_code, response.json()["cash"]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(deposit, range(16)))
    assert set(answers) == {(201, "101.000000")}
    assert Transfer.objects.filter(kind="deposit").count() == 1
