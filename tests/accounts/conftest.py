"""Users, accounts and API clients for the tests of accounts."""

import itertools
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from allauth.mfa.totp.internal import auth as totp
from asgiref.sync import sync_to_async
from django.db import connection
from django.db.models import Sum
from django.test import Client

from accounts.actions import do_create_api_key, do_create_user, do_grant
from accounts.models import Account, Transfer, User
from kernel.units import MICROS_PER_CREDIT
from tests.accounts.api import Api

PASSWORD = "correct-horse-battery"

_numbers = itertools.count(1)


@pytest.fixture
def make_user(db) -> Callable[..., User]:
    """`make_user("alice", credits=100, is_operator=False)`; the e-mail address is verified."""

    def make(handle: str = "", *, credits: int = 100, **options) -> User:
        handle = handle or f"user_{next(_numbers)}"
        options = {"is_email_verified": True, **options}
        user = do_create_user(
            email=f"{handle}@example.org", handle=handle, password=PASSWORD, by=None, **options
        )
        if credits:
            do_grant(main_account(user), amount_micros=credits * MICROS_PER_CREDIT, by=None)
        return user

    return make


@pytest.fixture
def alice(make_user) -> User:
    return make_user("alice")


@pytest.fixture
def operator(make_user) -> User:
    return make_user("olivia", credits=0, is_operator=True)


@pytest.fixture
def api() -> Api:
    """A client without credentials."""
    return Api(Client())


@pytest.fixture
def log_in(api) -> Callable[[User], Api]:
    """`log_in(user)` is a client with a fresh access token."""

    def make(user: User) -> Api:
        tokens = api.post("auth/login", {"email": user.email, "password": PASSWORD}).json()
        return Api(Client(), bearer=tokens["access"], refresh=tokens["refresh"])

    return make


@pytest.fixture
def with_key() -> Callable[..., Api]:
    """`with_key(user, "read", "trade")` is a client with a new API key."""

    def make(user: User, *scopes: str) -> Api:
        _, secret = do_create_api_key(
            main_account(user), name="test", scopes=scopes or ("read", "trade"), by=user
        )
        return Api(Client(), bearer=secret)

    return make


def main_account(user: User) -> Account:
    return Account.objects.get(owner=user, number=1)


@pytest.fixture
async def close_connections():
    """Closes the connection of the thread that runs sync code for async tests."""
    yield
    await sync_to_async(lambda: connection.close())()  # of that thread, not of this one


@pytest.fixture(autouse=True)
def check_conservation(request):
    """After every test with a database, each balance is the sum of its transfers, and all are 0."""
    databases = {"db", "transactional_db"} & set(request.fixturenames)
    for name in databases:
        request.getfixturevalue(name)  # first, so that it is still there afterwards
    yield
    if not databases:
        return
    for account in Account.objects.all():
        arrived = Transfer.objects.filter(credit_account=account).aggregate(Sum("amount_micros"))
        left = Transfer.objects.filter(debit_account=account).aggregate(Sum("amount_micros"))
        net = (arrived["amount_micros__sum"] or 0) - (left["amount_micros__sum"] or 0)
        assert account.cash_micros == net
        asked = account.withdrawals.filter(status="requested").aggregate(Sum("amount_micros"))
        assert account.withdrawing_micros == (asked["amount_micros__sum"] or 0)


@pytest.fixture
def authenticator(monkeypatch) -> Callable[[str], str]:
    """The authenticator's code for a secret, which does not change while it is typed."""
    now = time.time()
    monkeypatch.setattr(totp, "time", SimpleNamespace(time=lambda: now))

    def show_code(secret: str) -> str:
        (step,) = totp.yield_hotp_counters_from_time()
        return totp.format_hotp_value(totp.hotp_value(secret, step))

    return show_code
