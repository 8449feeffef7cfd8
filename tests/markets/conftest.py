import pytest

from accounts.models import User
from tests.markets.factories import make_user


@pytest.fixture
def operator(db) -> User:
    return make_user("olivia", operator=True)


@pytest.fixture
def alice(db) -> User:
    return make_user("alice")


@pytest.fixture
def bob(db) -> User:
    return make_user("bob")
