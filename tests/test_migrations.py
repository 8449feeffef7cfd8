"""Every migration runs forward, backward and forward again, on both databases."""

import json

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from accounts.models import Account, Policy, User
from tests.exchange import COMMAND_SECONDS, program_environment
from tests.forks import run
from tests.trading.world import make_user

OURS = ("trading", "markets", "accounts")


@pytest.fixture
def environment(request, tmp_path, database_kind):
    databases = request.getfixturevalue(f"{database_kind}_databases")
    return program_environment(tmp_path, database_url=databases.make(tmp_path))


@pytest.mark.timeout(2 * COMMAND_SECONDS)
def test_migrations_run_backward_and_forward_again_and_laws_with_them(environment):
    done = run(["-m", "tests.there_and_back"], environment=environment, seconds=COMMAND_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(done.stdout)
    before, between, after = seen["unapplied"]
    assert before == after == []
    assert len(between) >= len(OURS)
    assert seen["deleted"] == [True, False], "the tables stay a while; the laws come and go"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("symbol", "is_now"), [("¤", ("cr", "after_spaced")), ("€", ("€", "before"))]
)
def test_a_currency_symbol_that_was_chosen_stays_where_it_stood(symbol, is_now):
    Policy.objects.update(currency_symbol=symbol, currency_place="after_spaced")
    found = MigrationLoader(connection).disk_migrations
    [key] = [key for key in found if key[1].endswith("_the_currency_has_a_place")]
    found[key].operations[-1].code(apps, connection.schema_editor())
    policy = Policy.objects.get()
    assert (policy.currency_symbol, policy.currency_place) == is_now


@pytest.mark.django_db
def test_a_renamed_model_leaves_no_permission_under_its_old_name():
    kept = Permission.objects.select_related("content_type").get(codename="view_notification")
    old = Permission.objects.create(
        content_type=kept.content_type, codename="view_notice", name="Can view notice"
    )
    found = MigrationLoader(connection).disk_migrations
    [key] = [key for key in found if key[1].endswith("_have_preferences_and_progress")]
    found[key].operations[-1].code(apps, connection.schema_editor())
    assert not Permission.objects.filter(pk=old.pk).exists()
    assert Permission.objects.filter(pk=kept.pk).exists()


@pytest.mark.django_db
def test_accounts_of_users_that_were_suspended_before_know_it():
    users = [make_user(handle) for handle in ("mallory", "alice")]
    User.objects.filter(pk=users[0].pk).update(suspended_at=timezone.now())
    found = MigrationLoader(connection).disk_migrations
    [key] = [key for key in found if key[1].endswith("_whether_its_owner_is_suspended")]
    found[key].operations[-1].code(apps, connection.schema_editor())
    suspended = Account.objects.filter(owner_suspended=True)
    assert set(suspended) == set(users[0].accounts.all()) != set()
