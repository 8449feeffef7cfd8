"""People for the tests of pages, as accounts' own tests have them."""

from typing import Any

import pytest

from tests.accounts.conftest import (
    alice,
    api,
    authenticator,
    log_in,
    make_user,
    operator,
    with_key,
)

__all__ = ["alice", "api", "authenticator", "log_in", "make_user", "operator", "with_key"]


@pytest.fixture(autouse=True)
def slow_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process keeps for a second it keeps for the test: counts of queries are exact."""
    monkeypatch.setattr("accounts.policy._policies._seconds", 60.0)
    monkeypatch.setattr("markets.context._exchanges._seconds", 60.0)
    monkeypatch.setattr("trading.context._away._seconds", 60.0)


@pytest.fixture(autouse=True)
def no_limits_of_allauth(settings: Any) -> None:
    """Its counts are keyed by user id, which restarts with each test."""
    settings.ACCOUNT_RATE_LIMITS = False
