import time
from datetime import timedelta

import jwt
import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.actions import (
    do_edit_policy,
    do_open_subaccount,
    do_reinstate_user,
    do_suspend_user,
)
from accounts.api import principal
from accounts.models import AuditEvent, InviteCode, LoginSession, Policy, Transfer, User
from kernel import cache
from tests.accounts.api import Api, assert_error
from tests.accounts.conftest import PASSWORD, main_account

pytestmark = pytest.mark.one_database

NEW_USER = {"email": "Bob@Example.org", "password": PASSWORD, "handle": "bob"}


def edit_policy(**changes):
    policy = Policy.objects.get(pk=1)
    for name, value in changes.items():
        setattr(policy, name, value)
    do_edit_policy(policy, by=None)


def stop_shows():
    """Age the cached credentials beyond their second."""
    cache.forget_all()


def test_sign_up_gives_an_account_with_the_grant_and_asks_to_verify_the_address(
    api, db, django_capture_on_commit_callbacks
):
    response = api.post("auth/register", NEW_USER)
    assert response.status_code == 201
    assert response.json() == {"handle": "bob", "email_verified": False, "key": None}
    user = User.objects.get(handle="bob")
    assert user.email == "bob@example.org"
    assert main_account(user).cash_micros == 10_000_000_000
    assert Transfer.objects.get().kind == "grant"
    assert mail.outbox[0].to == ["bob@example.org"]
    assert AuditEvent.objects.get(action="create_user").subject_id == str(user.pk)


KEY = {"name": "my bot", "scopes": ["read", "trade"]}


def test_a_program_signs_up_and_acts_after_one_call(api, db, settings):
    settings.EMAIL_VERIFICATION_REQUIRED = False
    response = api.post("auth/register", {**NEW_USER, "key": KEY})
    assert response.status_code == 201
    key = response.json()["key"]
    assert (key["name"], key["scopes"]) == ("my bot", ["read", "trade"])
    me = Api(Client(), bearer=key["secret"]).get("me").json()
    assert (me["handle"], me["scopes"]) == ("bob", ["read", "trade"])


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"scopes": ["manage"]}, 400, "invalid_choice", "key.scopes.0"),
        ({"scopes": ["operate"]}, 403, "not_an_operator", None),
        ({"name": ""}, 400, "blank", "key.name"),
        ({"secret": "mine"}, 400, "unknown_field", "key.secret"),
    ],
)
def test_nobody_signs_up_with_a_key_that_may_not_be(api, db, settings, change, status, code, field):
    settings.EMAIL_VERIFICATION_REQUIRED = False
    body = {**NEW_USER, "key": {**KEY, **change}}
    assert_error(api.post("auth/register", body), status, code, field)
    assert not User.objects.exists()


def test_where_addresses_are_verified_there_is_no_key_before(api, db, settings):
    settings.EMAIL_VERIFICATION_REQUIRED = True
    body = {**NEW_USER, "key": KEY}
    assert_error(api.post("auth/register", body), 403, "email_not_verified", "key")
    assert not User.objects.exists()
    assert api.post("auth/register", NEW_USER).status_code == 201


def test_the_grant_is_what_policy_says_and_may_be_nothing(api, db):
    edit_policy(sign_up_grant_micros=0)
    assert api.post("auth/register", NEW_USER).status_code == 201
    assert not Transfer.objects.exists()


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"email": "nobody"}, 400, "invalid_value", "email"),
        ({"email": 5}, 400, "wrong_type", "email"),
        ({"email": "a\x00@example.org"}, 400, "invalid_value", "email"),
        ({"password": "short"}, 400, "password_too_weak", "password"),
        ({"password": "bob@example.org"}, 400, "password_too_weak", "password"),
        ({"password": "x" * 300}, 400, "too_long", "password"),
        ({"handle": "Bob"}, 400, "bad_handle", "handle"),
        ({"handle": "bo"}, 400, "bad_handle", "handle"),
        ({"handle": "b\u00f6b"}, 400, "bad_handle", "handle"),
        ({"handle": "admin"}, 400, "handle_reserved", "handle"),
        ({"handle": "alice"}, 409, "handle_taken", "handle"),
        ({"email": "ALICE@example.org"}, 409, "email_taken", "email"),
        ({"is_staff": True}, 400, "unknown_field", "is_staff"),
        ({"display_name": "\ud800"}, 400, "invalid_value", "display_name"),
    ],
)
def test_sign_up_refuses_what_no_user_may_be(api, alice, change, status, code, field):
    assert_error(api.post("auth/register", {**NEW_USER, **change}), status, code, field)
    assert User.objects.count() == 1


def test_sign_up_can_be_closed(api, db):
    edit_policy(sign_up="closed")
    assert_error(api.post("auth/register", NEW_USER), 403, "sign_up_closed")


def test_an_invite_works_as_often_as_it_says(api, db):
    edit_policy(sign_up="invite")
    InviteCode.objects.create(code="welcome")
    assert_error(api.post("auth/register", NEW_USER), 422, "invite_needed", "invite_code")
    body = {**NEW_USER, "invite_code": "welcome"}
    assert api.post("auth/register", body).status_code == 201
    again = {**body, "handle": "carol", "email": "carol@example.org"}
    assert_error(api.post("auth/register", again), 422, "invite_needed", "invite_code")
    assert User.objects.count() == 1


def test_an_expired_invite_is_refused(api, db):
    edit_policy(sign_up="invite")
    InviteCode.objects.create(code="old", expires_at=timezone.now() - timedelta(days=1))
    body = {**NEW_USER, "invite_code": "old"}
    assert_error(api.post("auth/register", body), 422, "invite_needed", "invite_code")


def test_a_program_logs_in_refreshes_and_logs_out(api, alice, log_in):
    program = log_in(alice)
    assert program.get("me").json()["handle"] == "alice"
    answer = api.post("auth/refresh", {"refresh": program.refresh}).json()
    assert set(answer) == {"access", "refresh", "token_type", "expires_in"}
    assert Api(Client(), bearer=answer["access"]).get("me").status_code == 200
    assert program.post("auth/logout").status_code == 204
    stop_shows()
    assert_error(program.get("me"), 401, "invalid_credentials")
    assert_error(api.post("auth/refresh", {"refresh": program.refresh}), 401, "invalid_credentials")


def test_a_refresh_token_works_once_and_ends_the_log_in_when_it_comes_again(api, alice, log_in):
    program = log_in(alice)
    first = api.post("auth/refresh", {"refresh": program.refresh}).json()
    second = api.post("auth/refresh", {"refresh": first["refresh"]}).json()
    stolen = api.post("auth/refresh", {"refresh": first["refresh"]})
    assert_error(stolen, 401, "invalid_credentials")
    stop_shows()
    assert_error(Api(Client(), bearer=second["access"]).get("me"), 401, "invalid_credentials")
    newest = api.post("auth/refresh", {"refresh": second["refresh"]})
    assert_error(newest, 401, "invalid_credentials")
    assert AuditEvent.objects.filter(action="refresh_token_came_again").exists()


def test_a_log_out_by_refresh_token_needs_no_access_token(api, alice, log_in):
    program = log_in(alice)
    assert api.post("auth/logout", {"refresh": program.refresh}).status_code == 204
    assert LoginSession.objects.get().revoked_at is not None
    assert_error(api.post("auth/logout"), 401, "not_authenticated")


def test_a_stopped_log_in_ends_within_a_second_even_where_it_was_just_used(alice, log_in):
    program = log_in(alice)
    assert program.get("me").status_code == 200
    LoginSession.objects.update(revoked_at=timezone.now())
    time.sleep(1)
    assert_error(program.get("me"), 401, "invalid_credentials")


@pytest.mark.parametrize(
    ("email", "password"),
    [("alice@example.org", "wrong"), ("nobody@example.org", PASSWORD)],
)
def test_wrong_passwords_and_unknown_addresses_are_answered_alike(api, alice, email, password):
    response = api.post("auth/login", {"email": email, "password": password})
    assert_error(response, 401, "invalid_credentials")
    assert response.json()["message"] == "wrong e-mail or password"


def test_a_log_in_needs_the_second_factor_once_it_is_on(api, alice, authenticator):
    secret = generate_totp_secret()
    TOTP.activate(alice, secret)
    body = {"email": alice.email, "password": PASSWORD}
    assert_error(api.post("auth/login", body), 401, "totp_required")
    assert_error(api.post("auth/login", {**body, "totp": "000000"}), 401, "totp_invalid")
    code = authenticator(secret)
    assert api.post("auth/login", {**body, "totp": code}).status_code == 200
    assert_error(api.post("auth/login", {**body, "totp": code}), 401, "totp_invalid")


def test_a_recovery_code_replaces_the_authenticator_once(api, alice):
    TOTP.activate(alice, generate_totp_secret())
    code = RecoveryCodes.activate(alice).get_unused_codes()[0]
    body = {"email": alice.email, "password": PASSWORD, "totp": code}
    assert api.post("auth/login", body).status_code == 200
    assert_error(api.post("auth/login", body), 401, "totp_invalid")


def test_a_passkey_as_second_factor_is_not_walked_around(api, alice):
    Authenticator.objects.create(user=alice, type=Authenticator.Type.WEBAUTHN, data={})
    body = {"email": alice.email, "password": PASSWORD}
    assert_error(api.post("auth/login", body), 401, "totp_required")


def test_a_suspended_user_neither_logs_in_nor_refreshes_nor_acts(api, alice, operator, log_in):
    program = log_in(alice)
    do_suspend_user(alice, by=operator, reason="test")
    stop_shows()
    assert_error(program.get("me"), 403, "account_suspended")
    assert_error(api.post("auth/refresh", {"refresh": program.refresh}), 403, "account_suspended")
    body = {"email": alice.email, "password": PASSWORD}
    assert_error(api.post("auth/login", body), 403, "account_suspended")


def test_all_accounts_of_a_user_are_suspended_and_reinstated_with_them(alice, operator):
    second = do_open_subaccount(alice, by=alice)

    def read():
        return set(alice.accounts.values_list("pk", "owner_suspended"))

    main = alice.accounts.get(number=1)
    do_suspend_user(alice, by=operator, reason="test")
    assert read() == {(main.pk, True), (second.pk, True)}
    do_reinstate_user(alice, by=operator, reason="test")
    assert read() == {(main.pk, False), (second.pk, False)}


def test_a_new_password_ends_every_log_in(api, alice, log_in):
    program = log_in(alice)
    alice.set_password("another-good-password")
    alice.save()
    stop_shows()
    assert_error(program.get("me"), 401, "invalid_credentials")
    assert_error(api.post("auth/refresh", {"refresh": program.refresh}), 401, "invalid_credentials")


def test_an_access_token_expires(alice, log_in, settings):
    program = log_in(alice)
    with time_machine.travel(time.time() + settings.JWT_ACCESS_SECONDS + 1):
        stop_shows()
        assert_error(program.get("me"), 401, "token_expired")


def test_tokens_are_not_exchangeable_and_not_forgeable(api, alice, log_in, settings):
    program = log_in(alice)
    assert_error(Api(Client(), bearer=program.refresh).get("me"), 401, "invalid_credentials")
    assert_error(api.post("auth/refresh", {"refresh": program.bearer}), 401, "invalid_credentials")
    claims = jwt.decode(program.bearer, settings.JWT_SIGNING_KEY, algorithms=["HS256"])
    assert set(claims) == {"iss", "sid", "use", "iat", "exp"}
    forged = [
        jwt.encode(claims, "another key that is long enough to sign", algorithm="HS256"),
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode({**claims, "sid": 5}, settings.JWT_SIGNING_KEY, algorithm="HS256"),
        jwt.encode({"iss": "predex"}, settings.JWT_SIGNING_KEY, algorithm="HS256"),
        program.bearer[:-2],
        "a.b.c",
        "\u00e9",
    ]
    for token in forged:
        assert_error(Api(Client(), bearer=token).get("me"), 401, "invalid_credentials")


def test_a_token_survives_a_restart(alice, log_in):
    program = log_in(alice)
    cache.forget_all()
    assert program.get("me").status_code == 200


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer ", "pdx_1"])
def test_other_authorization_headers_are_refused(api, db, header):
    assert_error(api.get("me", Authorization=header), 401, "invalid_credentials")


def test_without_credentials_the_answer_says_how_to_get_in(api, db):
    response = api.get("me")
    assert_error(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_a_browsers_session_works_and_needs_csrf_for_changes(alice):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    assert browser.get("/api/v1/me").json()["credential"] == "session"
    change = {"path": "/api/v1/me", "data": {"display_name": "Al"}}
    response = browser.patch(**change, content_type="application/json")
    assert_error(response, 403, "csrf_failed")
    browser.cookies["csrftoken"] = "x" * 32
    response = browser.patch(
        **change, content_type="application/json", headers={"X-CSRFToken": "x" * 32}
    )
    assert response.json()["display_name"] == "Al"


def test_a_suspended_users_session_is_nobodys(alice, operator):
    browser = Client()
    browser.force_login(alice)
    do_suspend_user(alice, by=operator, reason="test")
    assert_error(browser.get("/api/v1/me"), 401, "not_authenticated")


def test_an_unverified_address_may_read_but_not_trade_or_withdraw(
    make_user, log_in, settings, with_key
):
    settings.EMAIL_VERIFICATION_REQUIRED = True
    user = make_user("dora", is_email_verified=False)
    program = log_in(user)
    assert program.get("me").json()["email_verified"] is False
    assert_error(program.post("withdrawals", {"amount": "1"}), 403, "email_not_verified")
    headers = {"authorization": f"Bearer {program.bearer}"}
    with pytest.raises(principal.AuthError) as refusal:
        principal.require_scope(principal.authenticate_headers(headers, ""), "trade")
    assert refusal.value.code == "email_not_verified"
    EmailAddress.objects.filter(user=user).update(verified=True)
    stop_shows()
    principal.require_scope(principal.authenticate_headers(headers, ""), "trade")
