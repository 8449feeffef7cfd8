"""Requests for deposits, and cancelled requests of either kind."""

import pytest
from django.db import IntegrityError, transaction

from accounts.actions import do_decide_deposit, do_request_deposit, do_request_withdrawal
from accounts.actions.credits import DEPOSITS_OPEN_MAX
from accounts.models import AuditEvent, DepositRequest, Policy, Transfer, WithdrawalRequest
from accounts.policy import forget
from kernel.errors import RefusedError
from kernel.units import MICROS_PER_CREDIT
from tests.accounts.api import assert_error
from tests.accounts.conftest import main_account

CREDIT = MICROS_PER_CREDIT


def test_a_deposit_is_asked_for_and_booked_when_an_operator_says_so(alice, operator, log_in):
    asked = log_in(alice).post("deposits", {"amount": "25.5", "note": "cash"}).json()
    assert (asked["amount"], asked["status"], asked["note"]) == ("25.500000", "requested", "cash")
    assert main_account(alice).cash_micros == 100 * CREDIT
    desk = log_in(operator)
    [waiting] = desk.get("operator/deposit-requests?status=requested").json()["results"]
    assert (waiting["id"], waiting["handle"]) == (asked["id"], "alice")
    answer = desk.post(f"operator/deposit-requests/{asked['id']}", {"decision": "approve"})
    assert answer.json()["status"] == "approved"
    assert main_account(alice).cash_micros == 125_500_000
    assert Transfer.objects.filter(kind="deposit").count() == 1
    actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"request_deposit", "approve_deposit", "deposit_credits"} <= actions
    again = desk.post(f"operator/deposit-requests/{asked['id']}", {"decision": "reject"})
    assert_error(again, 409, "already_decided")


def test_a_declined_deposit_books_nothing_and_says_why(alice, operator, log_in):
    asked = log_in(alice).post("deposits", {"amount": "5"}).json()
    body = {"decision": "reject", "reason": "nothing arrived"}
    log_in(operator).post(f"operator/deposit-requests/{asked['id']}", body)
    [row] = log_in(alice).get("deposits").json()["results"]
    assert (row["status"], row["reason"]) == ("rejected", "nothing arrived")
    assert main_account(alice).cash_micros == 100 * CREDIT


def test_a_repeated_request_gets_the_first_answer(alice, log_in):
    api = log_in(alice)
    first = api.post("deposits", {"amount": "5"}, Idempotency_Key="k-1")
    assert api.post("deposits", {"amount": "5"}, Idempotency_Key="k-1").json() == first.json()
    reused = api.post("withdrawals", {"amount": "5"}, Idempotency_Key="k-1")
    assert_error(reused, 409, "idempotency_key_reused")
    assert DepositRequest.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"amount": "0"}, "amount_not_positive", "amount"),
        ({"amount": "-1"}, "amount_not_positive", "amount"),
        ({"amount": "x"}, "not_a_number", "amount"),
        ({}, "missing_field", "amount"),
        ({"amount": "1", "note": "n" * 201}, "too_long", "note"),
        ({"amount": "1", "to": "me"}, "unknown_field", "to"),
    ],
)
def test_bad_requests_are_refused(alice, log_in, body, code, field):
    assert_error(log_in(alice).post("deposits", body), 400, code, field)
    assert not DepositRequest.objects.exists()


def test_too_many_open_requests_are_refused(alice, log_in):
    account = main_account(alice)
    for _ in range(DEPOSITS_OPEN_MAX):
        do_request_deposit(account, amount_micros=1, by=alice)
    answer = log_in(alice).post("deposits", {"amount": "1"})
    assert_error(answer, 422, "too_many_deposits")


def test_a_withdrawal_that_is_taken_back_sets_its_amount_free(alice, log_in):
    api = log_in(alice)
    asked = api.post("withdrawals", {"amount": "30"}).json()
    assert main_account(alice).available_micros == 70 * CREDIT
    answer = api.delete(f"withdrawals/{asked['id']}")
    assert answer.json()["status"] == "cancelled"
    assert main_account(alice).available_micros == 100 * CREDIT
    assert_error(api.delete(f"withdrawals/{asked['id']}"), 409, "already_decided")
    assert WithdrawalRequest.objects.get().decided_by == alice


def test_a_deposit_request_is_taken_back(alice, log_in):
    api = log_in(alice)
    asked = api.post("deposits", {"amount": "30"}).json()
    assert api.delete(f"deposits/{asked['id']}").json()["status"] == "cancelled"
    assert [row["id"] for row in api.get("deposits?status=cancelled").json()["results"]] == [
        asked["id"]
    ]


def test_others_requests_are_not_found_and_keys_may_not_ask(alice, make_user, log_in, with_key):
    mallory = make_user("mallory")
    mine = do_request_withdrawal(main_account(alice), amount_micros=CREDIT, by=alice)
    other = do_request_deposit(main_account(alice), amount_micros=CREDIT, by=alice)
    assert_error(log_in(mallory).delete(f"withdrawals/{mine.pk.hex}"), 404, "not_found")
    assert_error(log_in(mallory).delete(f"deposits/{other.pk.hex}"), 404, "not_found")
    assert_error(with_key(alice).post("deposits", {"amount": "1"}), 403, "missing_scope")
    decision = {"decision": "approve"}
    answer = log_in(mallory).post(f"operator/deposit-requests/{other.pk.hex}", decision)
    assert_error(answer, 403, "not_an_operator")


def test_the_two_person_rule_holds_for_deposit_requests(operator):
    Policy.objects.update(two_person_rule=True)
    forget()
    request = do_request_deposit(main_account(operator), amount_micros=CREDIT, by=operator)
    with pytest.raises(RefusedError) as refusal:
        do_decide_deposit(request, approve=True, by=operator)
    assert refusal.value.code == "second_person_needed"
    request.refresh_from_db()
    assert request.is_open


def test_the_database_keeps_a_decision_with_who_and_when(alice):
    request = do_request_deposit(main_account(alice), amount_micros=CREDIT, by=alice)
    for values in ({"status": "approved"}, {"amount_micros": 0}):
        with pytest.raises(IntegrityError), transaction.atomic():
            DepositRequest.objects.filter(pk=request.pk).update(**values)
