"""Constraints and triggers of the database, and their migrations."""

from importlib import import_module

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import F

from accounts.models import Account, AppendOnlyError, AuditEvent, Policy, Transfer, User
from tests.accounts.conftest import main_account

append_only = import_module("accounts.migrations.0002_transfers_and_audit_events_are_append_only")


def refused(change) -> str:
    with pytest.raises(DatabaseError) as refusal, transaction.atomic():
        change()
    return str(refusal.value)


def test_the_founding_rows_exist_after_migrate(db):
    assert Policy.objects.get().pk == 1
    kinds = Account.objects.filter(kind__in=["issuer", "house"]).values_list("kind", flat=True)
    assert sorted(kinds) == ["house", "issuer"]


@pytest.mark.parametrize("table", append_only.TABLES)
@pytest.mark.parametrize("statement", ["UPDATE {} SET created_at = created_at", "DELETE FROM {}"])
def test_the_database_refuses_to_change_or_delete_written_rows(alice, table, statement):
    def change():
        with connection.cursor() as cursor:
            cursor.execute(statement.format(table))

    assert "append-only" in refused(change)


@pytest.mark.parametrize("model", [Transfer, AuditEvent])
def test_the_models_refuse_it_too(alice, model):
    row = model.objects.first()
    for change in (row.save, row.delete, model.objects.all().delete):
        with pytest.raises(AppendOnlyError):
            change()
    with pytest.raises(AppendOnlyError):
        model.objects.update(created_at=row.created_at)


@pytest.mark.parametrize(
    "change",
    [
        {"held_micros": 100_000_001},
        {"withdrawing_micros": 100_000_001},
        {"held_micros": -1},
        {"withdrawing_micros": -1},
        {"cash_micros": -1},
        {"owner": None},
        {"market_id": 5},
        {"kind": "escrow"},
    ],
)
def test_no_account_breaks_the_laws_of_balances(alice, change):
    refused(lambda: Account.objects.filter(owner=alice).update(**change))


def test_the_issuer_owes_no_more_than_fits(db):
    issuer = Account.objects.filter(kind="issuer")
    refused(lambda: issuer.update(cash_micros=-4 * 10**18 - 1))


def test_founding_and_market_accounts_exist_once(db):
    refused(lambda: Account.objects.create(kind="issuer"))
    refused(lambda: Account.objects.create(kind="house"))
    Account.objects.create(kind="escrow", market_id=5)
    Account.objects.create(kind="fees", market_id=5)
    refused(lambda: Account.objects.create(kind="escrow", market_id=5))


def test_an_owner_has_each_account_number_once(alice):
    refused(lambda: alice.accounts.create(number=1))
    assert alice.accounts.create(number=2).available_micros == 0


def test_a_transfer_moves_something_between_two_accounts(alice):
    account = main_account(alice)
    same = {"debit_account": account, "credit_account": account, "kind": "trade"}
    refused(lambda: Transfer.objects.create(**same, amount_micros=1))
    other = {**same, "credit_account": Account.objects.get(kind="house")}
    refused(lambda: Transfer.objects.create(**other, amount_micros=0))


def test_there_is_one_policy(db):
    refused(lambda: Policy.objects.create(pk=2))


def test_names_are_unique_and_lower_case(alice):
    refused(lambda: User.objects.create(email="alice@example.org", handle="other"))
    refused(lambda: User.objects.create(email="b@example.org", handle="alice"))
    refused(lambda: User.objects.create(email="B@example.org", handle="bob"))
    refused(lambda: User.objects.create(email="b@example.org", handle="Bob"))


def test_a_user_with_money_cannot_be_deleted(alice):
    with pytest.raises(IntegrityError):
        alice.delete()


def test_an_invite_is_not_used_too_often(db):
    from accounts.models import InviteCode

    InviteCode.objects.create(code="x", uses_max=1, uses=1)
    refused(lambda: InviteCode.objects.update(uses=F("uses") + 1))
