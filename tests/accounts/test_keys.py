import time
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from accounts.actions import (
    do_close_account,
    do_create_api_key,
    do_revoke_api_key,
    do_suspend_user,
)
from accounts.api import principal
from accounts.models import ApiKey, AuditEvent
from accounts.signing import make_key_pair
from tests.accounts.api import Api, assert_error
from tests.accounts.conftest import PASSWORD, main_account

pytestmark = pytest.mark.one_database

NEW_KEY = {"name": "bot", "scopes": ["read", "trade"]}


def test_a_keys_secret_is_shown_once_and_only_its_hash_is_kept(alice, log_in):
    program = log_in(alice)
    created = program.post("keys", NEW_KEY).json()
    assert created["secret"].startswith(f"pdx_{created['prefix']}_")
    listed = program.get("keys").json()["results"][0]
    assert "secret" not in listed
    assert listed["id"] == created["id"]
    stored = ApiKey.objects.values().get()
    assert created["secret"] not in str(stored)
    random_part = created["secret"].removeprefix(f"pdx_{created['prefix']}_")
    assert random_part not in str(AuditEvent.objects.values_list())


def test_a_key_is_taken_as_header_or_bearer(alice, log_in, api):
    secret = log_in(alice).post("keys", NEW_KEY).json()["secret"]
    assert api.get("me", X_API_Key=secret).json()["credential"] == "key"
    assert api.get("me", Authorization=f"Bearer {secret}").json()["scopes"] == ["read", "trade"]
    assert api.get("me", Authorization=f"bearer {secret}").status_code == 200


def test_a_revoked_key_stops_within_a_second_where_it_was_just_used(alice, log_in, api):
    program = log_in(alice)
    created = program.post("keys", NEW_KEY).json()
    assert api.get("me", X_API_Key=created["secret"]).status_code == 200
    assert program.delete(f"keys/{created['id']}").status_code == 204
    time.sleep(1)
    assert_error(api.get("me", X_API_Key=created["secret"]), 401, "invalid_credentials")
    assert program.delete(f"keys/{created['id']}").status_code == 204
    assert AuditEvent.objects.filter(action="revoke_api_key").count() == 1


def test_a_suspended_users_key_stops_within_a_second_and_comes_back(alice, operator, with_key):
    program = with_key(alice)
    assert program.get("me").status_code == 200
    do_suspend_user(alice, by=operator, reason="test")
    time.sleep(1)
    assert_error(program.get("me"), 403, "account_suspended")


def test_an_expired_key_is_refused(alice, with_key, log_in):
    program = with_key(alice)
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert_error(program.get("me"), 401, "invalid_credentials")


def test_a_key_lives_until_its_expiry_even_when_it_was_just_used(alice, log_in, api):
    program = log_in(alice)
    with time_machine.travel(time.time(), tick=False) as clock:  # it waits for a slow machine
        moment = (timezone.now() + timedelta(milliseconds=400)).isoformat()
        secret = program.post("keys", {**NEW_KEY, "expires_at": moment}).json()["secret"]
        assert api.get("me", X_API_Key=secret).status_code == 200
        time.sleep(0.45)
        clock.shift(0.45)
        assert_error(api.get("me", X_API_Key=secret), 401, "invalid_credentials")


@pytest.mark.parametrize("damage", [lambda s: s[:-1], lambda s: s + "x", lambda s: s.upper()])
def test_a_damaged_key_is_refused(alice, with_key, api, damage):
    secret = with_key(alice).bearer
    assert_error(api.get("me", X_API_Key=damage(secret)), 401, "invalid_credentials")


def test_a_key_with_the_right_prefix_and_another_secret_is_refused(alice, with_key, api):
    secret = with_key(alice).bearer
    forged = secret[:-43] + "A" * 43
    assert_error(api.get("me", X_API_Key=forged), 401, "invalid_credentials")


def test_a_bad_key_is_not_overlooked_in_favour_of_a_session(alice):
    browser = Client()
    browser.force_login(alice)
    response = browser.get("/api/v1/me", headers={"X-API-Key": "pdx_nonsense"})
    assert_error(response, 401, "invalid_credentials")


def test_a_key_may_only_do_what_its_scopes_say(alice, with_key):
    reader = with_key(alice, "read")
    assert reader.get("account").status_code == 200
    trader = with_key(alice, "trade")
    assert_error(trader.get("account"), 403, "missing_scope")
    for path, body in (("keys", NEW_KEY), ("withdrawals", {"amount": "1"})):
        assert_error(with_key(alice).post(path, body), 403, "missing_scope")


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"name": ""}, "blank", "name"),
        ({"name": 5}, "wrong_type", "name"),
        ({"name": "x" * 61}, "too_long", "name"),
        ({"scopes": []}, "blank", "scopes"),
        ({"scopes": "read"}, "wrong_type", "scopes"),
        ({"scopes": ["read", "manage"]}, "invalid_choice", "scopes.1"),
        ({"scopes": [1]}, "wrong_type", "scopes.0"),
        ({"expires_at": "tomorrow"}, "invalid_time", "expires_at"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "already_expired", "expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-23:59"}, "invalid_time", "expires_at"),
        ({"expires_at": "2030-01-01T00:00:00"}, "invalid_time", "expires_at"),
        ({"expires_at": 5}, "invalid_time", "expires_at"),
        ({"account": 2}, "unknown_field", "account"),
        ({"networks": "10.0.0.0/8"}, "wrong_type", "networks"),
        ({"networks": [7]}, "wrong_type", "networks.0"),
        ({"networks": ["10.0.0.1/8"]}, "bad_network", "networks"),
        ({"networks": ["here"]}, "bad_network", "networks"),
        ({"networks": ["10.0.0.0/33"]}, "bad_network", "networks"),
        ({"networks": ["10.0.0.0/8"] * 21}, "too_long", "networks"),
        ({"public_key": "pem"}, "bad_public_key", "public_key"),
    ],
)
def test_a_malformed_key_request_is_refused(alice, log_in, change, code, field):
    assert_error(log_in(alice).post("keys", {**NEW_KEY, **change}), 400, code, field)
    assert not ApiKey.objects.exists()


def test_keys_are_seen_and_revoked_only_by_their_owner(alice, make_user, log_in):
    created = log_in(alice).post("keys", NEW_KEY).json()
    other = log_in(make_user("bob"))
    assert other.get("keys").json()["results"] == []
    assert_error(other.delete(f"keys/{created['id']}"), 404, "not_found")
    assert ApiKey.objects.get().revoked_at is None


def test_an_account_has_a_bounded_number_of_keys(alice, log_in, monkeypatch):
    monkeypatch.setattr("accounts.actions.credentials.KEYS_MAX", 2)
    program = log_in(alice)
    for _ in range(2):
        assert program.post("keys", NEW_KEY).status_code == 201
    assert_error(program.post("keys", NEW_KEY), 422, "too_many_keys")


def test_the_last_use_of_a_key_is_noted(alice, with_key):
    program = with_key(alice)
    assert ApiKey.objects.get().last_used_at is None
    program.get("me")
    assert ApiKey.objects.get().last_used_at is not None


def test_a_known_principal_costs_no_query(alice, with_key, django_assert_num_queries):
    headers = {"x-api-key": with_key(alice).bearer}
    known = principal.authenticate_headers(headers, "")
    with django_assert_num_queries(0):
        assert principal.authenticate_headers(headers, "") is known


def test_no_key_names_the_session_of_a_browser(alice):
    principal.principal_of_user(alice)
    for text in (f"user {alice.pk} False", f"({alice.pk}, False)", str(alice.pk)):
        for headers in ({"x-api-key": text}, {"authorization": f"Bearer {text}"}):
            with pytest.raises(principal.AuthError):
                principal.authenticate_headers(headers, "")


def test_open_sockets_learn_which_credentials_no_longer_stand(
    alice, make_user, operator, log_in, with_key, django_assert_max_num_queries
):
    def found(client: Api) -> principal.Principal:
        return principal.authenticate_headers({"authorization": f"Bearer {client.bearer}"}, "")

    suspended, closed, kept = make_user("sue"), make_user("clo"), make_user("kim")
    key, login = found(with_key(alice)), found(log_in(alice))
    session = principal.principal_of_user(kept)
    others = [found(with_key(suspended)), found(with_key(closed)), found(with_key(kept))]
    assert principal.find_stopped([key, login, session, *others]) == set()
    ApiKey.objects.filter(pk=key.credential_id).update(revoked_at=timezone.now())
    alice.login_sessions.update(revoked_at=timezone.now())
    do_suspend_user(suspended, by=operator, reason="test")
    do_close_account(main_account(closed), by=operator)
    with django_assert_max_num_queries(3):
        stopped = principal.find_stopped([key, login, session, *others])
    assert stopped == {key, login, others[0], others[1]}


@pytest.mark.django_db(transaction=True)
async def test_async_lookups_of_one_credential_are_one_query(close_connections, monkeypatch):
    import asyncio

    from asgiref.sync import sync_to_async

    from accounts.actions import do_create_api_key, do_create_user

    def make() -> str:
        user = do_create_user(email="a@example.org", handle="aaa", password=None, by=None)
        return do_create_api_key(main_account(user), name="k", scopes=["read"], by=None)[1]

    secret = await sync_to_async(make)()
    look_up, lookups = principal._look_up, []

    def count(credential: str) -> principal.Principal:
        lookups.append(credential)
        return look_up(credential)

    monkeypatch.setattr(principal._cache, "_look_up", count)
    found = await asyncio.gather(
        *(principal.authenticate({"x-api-key": secret}, "") for _ in range(20))
    )
    assert len(lookups) == 1
    assert len(set(found)) == 1
    with pytest.raises(principal.AuthError):
        await principal.authenticate({"x-api-key": "pdx_unknown"}, "")


def test_keys_that_fall_due_together_are_one_query(alice, django_assert_num_queries):
    account = main_account(alice)
    pairs = [
        do_create_api_key(account, name=f"k{number}", scopes=["read"], by=None)
        for number in range(3)
    ]
    secrets = [secret for _, secret in pairs]
    known = [principal.authenticate_headers({"x-api-key": secret}, "") for secret in secrets]
    do_revoke_api_key(pairs[1][0], by=None)
    with django_assert_num_queries(1):
        principal._cache.renew(secrets)
    found = [principal._cache.find_fresh(secret) for secret in secrets]
    assert found == [known[0], None, known[2]]
    assert found[0] is not known[0]


@pytest.mark.parametrize(
    ("networks", "address", "is_inside"),
    [
        (["192.0.2.0/24"], "192.0.2.255", True),
        (["192.0.2.0/24"], "192.0.3.0", False),
        (["192.0.2.7"], "::ffff:192.0.2.7", True),
        (["::ffff:192.0.2.0/120"], "192.0.2.9", True),
        (["2001:db8::/32", "10.0.0.0/8"], "2001:DB8:0::1", True),
        (["2001:db8::/32"], "2001:db9::1", False),
        (["0.0.0.0/0"], "2001:db8::1", False),
        (["::/0", "0.0.0.0/0"], "203.0.113.5", True),
    ],
)
def test_a_key_tied_to_networks_is_taken_from_there_alone(
    alice, log_in, settings, networks, address, is_inside
):
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    made = log_in(alice).post("keys", {**NEW_KEY, "networks": networks}).json()
    program = Api(Client(REMOTE_ADDR="127.0.0.1"), bearer=made["secret"])
    answer = program.get("me", X_Forwarded_For=address)
    assert answer.status_code == (200 if is_inside else 403)
    if not is_inside:
        assert_error(answer, 403, "address_not_allowed")
    [shown] = log_in(alice).get("keys").json()["results"]
    assert shown["networks"] == made["networks"]
    assert len(made["networks"]) == len(networks)


def test_a_key_that_signs_is_made_over_the_api_and_has_no_secret(alice, log_in):
    _, public = make_key_pair("ed25519")
    made = log_in(alice).post("keys", {**NEW_KEY, "public_key": public}).json()
    assert (made["secret"], made["signs"]) == (None, True)
    assert ApiKey.objects.get().public_key == public


def test_the_page_ties_a_key_to_networks_and_says_which_are_none(alice):
    browser = Client()
    browser.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    form = {"name": "bot", "scopes": ["read"], "days": "0", "kind": "secret"}
    refused = browser.post("/account/keys/", {**form, "networks": "10.0.0.0/8 10.0.0.1/8"})
    assert refused.status_code == 422
    assert "networks like 192.0.2.0/24" in refused.content.decode()
    typed = "10.0.0.0/8,\r\n2001:DB8::/32"
    made = browser.post("/account/keys/", {**form, "networks": typed})
    assert made.status_code == 201
    assert ApiKey.objects.get().networks == ["10.0.0.0/8", "2001:db8::/32"]
    assert "only from 10.0.0.0/8, 2001:db8::/32" in made.content.decode()
