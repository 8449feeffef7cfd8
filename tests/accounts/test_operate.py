"""Operators' calls need a log-in with the second factor, or a key created by one."""

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client

from accounts.actions import do_create_api_key, do_request_withdrawal
from accounts.models import Transfer
from kernel import cache
from tests.accounts.api import Api, assert_error
from tests.accounts.conftest import PASSWORD, main_account

DEPOSIT = {"handle": "alice", "amount": "5", "reason": "test"}
KEY = {"name": "desk", "scopes": ["operate"]}


@pytest.fixture(autouse=True)
def mfa_is_required(settings):
    settings.ADMIN_REQUIRE_MFA = True


@pytest.fixture
def log_in_with_code(api, authenticator):
    """`log_in_with_code(user)` is a program that logged in with the code of a new authenticator."""

    def make(user):
        secret = generate_totp_secret()
        TOTP.activate(user, secret)
        body = {"email": user.email, "password": PASSWORD, "totp": authenticator(secret)}
        return Api(Client(), bearer=api.post("auth/login", body).json()["access"])

    return make


def try_everything(caller, alice):
    """The answers to each of this app's operators' calls."""
    asked = do_request_withdrawal(main_account(alice), amount_micros=1, by=alice)
    decision = {"decision": "reject", "reason": "no"}
    return [
        caller.get("operator/withdrawals"),
        caller.get("operator/deposit-requests"),
        caller.post("operator/deposits", DEPOSIT),
        caller.post(f"operator/withdrawals/{asked.pk.hex}", decision),
        caller.post("operator/users/alice/suspend", {"reason": "x"}),
        caller.post("operator/users/alice/reinstate", {"reason": "x"}),
    ]


def test_a_password_alone_makes_no_operator(alice, operator, log_in):
    caller = log_in(operator)
    assert caller.get("me").json()["scopes"] == ["manage", "read", "trade"]
    for answer in try_everything(caller, alice):
        assert_error(answer, 403, "missing_scope")
    assert_error(caller.post("keys", KEY), 403, "missing_scope")
    assert not Transfer.objects.filter(kind="deposit").exists()


def test_a_log_in_with_the_second_factor_does(alice, operator, log_in_with_code):
    caller = log_in_with_code(operator)
    assert "operate" in caller.get("me").json()["scopes"]
    statuses = [answer.status_code for answer in try_everything(caller, alice)]
    assert statuses == [200, 200, 201, 200, 200, 200]


def test_a_key_operates_only_with_the_scope_that_such_a_log_in_gives(
    alice, operator, log_in_with_code
):
    caller = log_in_with_code(operator)
    trading = caller.post("keys", {"name": "bot", "scopes": ["read", "trade"]}).json()["secret"]
    for answer in try_everything(Api(Client(), bearer=trading), alice):
        assert_error(answer, 403, "missing_scope")
    operating = Api(Client(), bearer=caller.post("keys", KEY).json()["secret"])
    statuses = [answer.status_code for answer in try_everything(operating, alice)]
    assert statuses == [200, 200, 201, 200, 200, 200]
    assert_error(operating.post("keys", KEY), 403, "missing_scope")
    Authenticator.objects.filter(user=operator).delete()
    cache.forget_all()
    assert_error(operating.post("operator/deposits", DEPOSIT), 403, "missing_scope")


def test_a_key_made_without_the_setting_is_refused_with_it(operator, with_key, settings):
    settings.ADMIN_REQUIRE_MFA = False
    older = with_key(operator, "operate")
    made = do_create_api_key(main_account(operator), name="x", scopes=["operate"], by=operator)
    assert older.post("operator/deposits", DEPOSIT).status_code == 404  # nobody is called alice
    settings.ADMIN_REQUIRE_MFA = True
    cache.forget_all()
    Authenticator.objects.create(user=operator, type=Authenticator.Type.TOTP, data={})
    for caller in (older, Api(Client(), bearer=made[1])):
        answer = caller.post("operator/deposits", DEPOSIT)
        assert_error(answer, 401, "invalid_credentials")
        assert "made without the second factor" in answer.json()["message"]
    _key, text = do_create_api_key(
        main_account(operator), name="y", scopes=["operate"], by=operator
    )
    assert Api(Client(), bearer=text).post("operator/deposits", DEPOSIT).status_code == 404


def test_only_operators_make_a_key_that_operates(alice, log_in_with_code):
    assert_error(log_in_with_code(alice).post("keys", KEY), 403, "not_an_operator")


def test_a_browser_s_log_in_is_asked_how_it_was_made_too(alice, operator, authenticator):
    browser = Client()
    browser.post("/accounts/login/", {"login": operator.email, "password": PASSWORD})
    for answer in try_everything(Api(browser), alice):
        assert_error(answer, 403, "missing_scope")
    secret = generate_totp_secret()
    TOTP.activate(operator, secret)
    browser = Client()
    browser.post("/accounts/login/", {"login": operator.email, "password": PASSWORD})
    browser.post("/accounts/2fa/authenticate/", {"code": authenticator(secret)})
    assert Api(browser).post("operator/deposits", DEPOSIT).status_code == 201


def test_without_the_setting_a_password_is_enough_but_a_trading_key_is_not(
    alice, operator, log_in, with_key, settings
):
    settings.ADMIN_REQUIRE_MFA = False
    assert log_in(operator).post("operator/deposits", DEPOSIT).status_code == 201
    answer = with_key(operator, "read", "trade").post("operator/deposits", DEPOSIT)
    assert_error(answer, 403, "missing_scope")
