"""Every migration runs forward, backward and forward again, on both databases."""

import subprocess
import sys

import pytest

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
