import pytest

from accounts import policy
from accounts.api import limits, principal
from accounts.models import User
from tests.markets.factories import make_user


@pytest.fixture(autouse=True)
def forget_between_tests():
    """What a process remembers of users, policy and limits belongs to a database now gone."""
    principal.forget_all()
    policy.forget()
    limits.reset()


@pytest.fixture
def operator(db) -> User:
    return make_user("olivia", operator=True)


@pytest.fixture
def alice(db) -> User:
    return make_user("alice")


@pytest.fixture
def bob(db) -> User:
    return make_user("bob")
