"""Every migration runs forward, backward and forward again, on both databases."""

import subprocess
import sys

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from accounts.models import Policy
from tests.exchange import COMMAND_SECONDS, ROOT, program_environment, run_manage

OURS = ("trading", "markets", "accounts")
# The admin's log and the e-mail addresses refer to users: they go before accounts.
BACKWARD = ("admin", "account", "mfa", *OURS)
# One process for all of it: each would read all apps and their migrations again.
THERE_AND_BACK = f"""
import django
from django.core.management import call_command

django.setup()
for app in {BACKWARD}:
    call_command("migrate", app, "zero", verbosity=0)
call_command("showmigrations", no_color=True)
call_command("migrate", verbosity=0)
call_command("check")
"""


@pytest.fixture
def environment(request, tmp_path, database_kind):
    databases = request.getfixturevalue(f"{database_kind}_databases")
    return program_environment(tmp_path, database_url=databases.make(tmp_path))


def list_unapplied(shown):
    return [line for line in shown.splitlines() if line.strip().startswith("[ ]")]


def test_migrations_run_backward_and_forward_again(environment):
    assert list_unapplied(run_manage("showmigrations", environment=environment)) == []
    done = subprocess.run(
        [sys.executable, "-c", THERE_AND_BACK],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list_unapplied(done.stdout)) >= len(OURS)
    assert list_unapplied(run_manage("showmigrations", environment=environment)) == []


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
