"""Every migration runs forward, backward and forward again, on both databases."""

import pytest

from tests.exchange import program_environment, run_manage

OURS = ("trading", "markets", "accounts")


@pytest.fixture
def environment(request, tmp_path, database_kind):
    databases = request.getfixturevalue(f"{database_kind}_databases")
    return program_environment(tmp_path, database_url=databases.make(tmp_path))


def list_unapplied(environment):
    return [
        line
        for line in run_manage("showmigrations", environment=environment).splitlines()
        if line.strip().startswith("[ ]")
    ]


def test_migrations_run_backward_and_forward_again(environment):
    assert list_unapplied(environment) == []
    # The admin's log and the e-mail addresses refer to users: they go before accounts.
    for app in ("admin", "account", "mfa", *OURS):
        run_manage("migrate", app, "zero", "--verbosity", "0", environment=environment)
    assert len(list_unapplied(environment)) >= len(OURS)
    run_manage("migrate", "--verbosity", "0", environment=environment)
    assert list_unapplied(environment) == []
    run_manage("check", environment=environment)
