"""A stolen session does not suffice to take over an account, and its owner is notified."""

import re
import time

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.actions import do_create_api_key, do_reset_mfa
from accounts.models import ApiKey
from tests.accounts.api import Api, assert_error
from tests.accounts.conftest import PASSWORD, main_account

pytestmark = pytest.mark.one_database

THIEF = "thief@example.org"
OLD = "alice@example.org"
NEW_PASSWORDS = {"password1": "another-good-password", "password2": "another-good-password"}


@pytest.fixture
def browser(alice):
    """A browser in which alice is logged in."""
    client = Client()
    client.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    mail.outbox.clear()
    return client


@pytest.fixture
def fresh(browser):
    """One in which she has just shown that it is her."""
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return browser


@pytest.fixture
def key(alice):
    return do_create_api_key(main_account(alice), name="bot", scopes=["read"], by=None)[0]


def notices_of(address=OLD):
    """The titles of the notices sent to an address."""
    return [m.subject.partition("] ")[2] for m in mail.outbox if m.to == [address]]


def test_an_old_log_in_changes_nothing_about_who_gets_in(browser, alice, key):
    second = EmailAddress.objects.create(user=alice, email="b@example.org", verified=True)
    tries = [
        ("account_email", {"action_add": "", "email": THIEF}),
        ("account_email", {"action_primary": "", "email": second.email}),
        ("account_email", {"action_remove": "", "email": second.email}),
        ("mfa_activate_totp", {"code": "000000"}),
        ("mfa_add_webauthn", {}),
        ("account_keys", {"name": "k", "scopes": ["trade"], "days": "0"}),
        ("account_revoke_keys", {}),
    ]
    asked = [browser.post(reverse(name), form) for name, form in tries]
    asked.append(browser.post(reverse("account_revoke_key", args=[key.pk])))
    for answer in asked:
        assert answer["Location"].startswith("/accounts/reauthenticate/")
    emails = EmailAddress.objects.filter(user=alice).order_by("pk").values_list("email", "primary")
    assert list(emails) == [(OLD, True), ("b@example.org", False)]
    assert [row.revoked_at for row in ApiKey.objects.all()] == [None]


def test_nor_does_its_call_of_the_api(browser, key):
    api = Api(browser)
    body = {"name": "k", "scopes": ["trade"]}
    assert_error(api.post("keys", body), 403, "log_in_again")
    assert_error(api.delete(f"keys/{key.pk.hex}"), 403, "log_in_again")
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert api.post("keys", body).status_code == 201
    assert api.delete(f"keys/{key.pk.hex}").status_code == 204


def test_a_program_s_old_log_in_makes_no_key_either(alice, api, log_in, settings):
    program = log_in(alice)
    body = {"name": "k", "scopes": ["trade"]}
    assert program.post("keys", body).status_code == 201
    with time_machine.travel(time.time() + settings.JWT_ACCESS_SECONDS + 1):
        again = api.post("auth/refresh", {"refresh": program.refresh}).json()["access"]
        assert_error(Api(Client(), bearer=again).post("keys", body), 403, "log_in_again")


def test_every_change_of_address_is_notified_to_the_old_one(fresh, alice):
    form = {"email": THIEF}
    fresh.post(reverse("account_email"), {"action_add": "", **form})
    EmailAddress.objects.filter(email=THIEF).update(verified=True)
    EmailAddress.objects.filter(email=OLD).update(verified=True)
    fresh.post(reverse("account_email"), {"action_primary": "", **form})
    fresh.post(reverse("account_email"), {"action_remove": "", "email": OLD})
    assert not EmailAddress.objects.filter(email=OLD).exists()
    assert notices_of() == [
        "An e-mail address was added to your account",
        "The e-mail address of your account was changed",
        "An e-mail address was removed from your account",
    ]
    [changed] = [m for m in mail.outbox if "changed" in m.subject and m.to == [OLD]]
    assert f"{OLD} → {THIEF}" in changed.body
    assert "/accounts/password/reset/" in changed.body
    assert re.search(
        r"^Time: [A-Z][a-z]{2} \d{1,2}, \d{4}, \d\d:\d\d UTC$", changed.body, re.MULTILINE
    )


def test_so_is_every_change_of_password_factor_and_key(
    fresh, alice, authenticator, django_capture_on_commit_callbacks
):
    EmailAddress.objects.update(verified=True)
    with django_capture_on_commit_callbacks(execute=True):
        form = {"name": "bot", "scopes": ["read"], "days": "0"}
        fresh.post(reverse("account_keys"), form)
        fresh.post(reverse("account_revoke_key", args=[ApiKey.objects.get().pk]))
        secret = fresh.get(reverse("mfa_activate_totp")).context["form"].secret
        fresh.post(reverse("mfa_activate_totp"), {"code": authenticator(secret)})
        fresh.post(reverse("mfa_generate_recovery_codes"))
        fresh.post(reverse("mfa_deactivate_totp"))
        fresh.post(reverse("account_change_password"), {"oldpassword": PASSWORD, **NEW_PASSWORDS})
    assert sorted(notices_of()) == [
        "An API key of your account was revoked",
        "An API key was created for your account",
        "An authenticator app was added to your account",
        "New recovery codes were created for your account",
        "The authenticator app was removed from your account",
        "Your password was changed",
    ]


def test_changes_by_operators_of_a_users_log_in_are_notified(
    alice, operator, key, django_capture_on_commit_callbacks
):
    TOTP.activate(alice, generate_totp_secret())
    desk = Client()
    desk.force_login(operator)
    path = reverse("admin:auth_user_password_change", args=[alice.pk])
    with django_capture_on_commit_callbacks(execute=True):
        desk.post(path, {**NEW_PASSWORDS, "usable_password": "true"})
        act = reverse("admin:accounts_user_do", args=[alice.pk, "reset-mfa"])
        desk.post(act, {"reason": "lost phone"})
        form = {"email": THIEF, "handle": "alice"}
        desk.post(reverse("admin:accounts_user_change", args=[alice.pk]), form)
    assert sorted(notices_of()) == [
        "The e-mail address of your account was changed",
        "Your password was reset, and your API keys were revoked",
        "Your second factor was removed",
    ]
    assert all("an operator of the site" in m.body for m in mail.outbox)
    key.refresh_from_db()
    assert key.revoked_at is not None


@pytest.mark.parametrize("was_confirmed", [False, True])
def test_an_address_that_an_operator_changes_is_the_one_that_logs_in(
    client, alice, operator, was_confirmed, django_capture_on_commit_callbacks
):
    EmailAddress.objects.filter(user=alice).update(verified=True)
    new = "alice@example.net"
    if was_confirmed:
        EmailAddress.objects.create(user=alice, email=new, verified=True)
    desk = Client()
    desk.force_login(operator)
    with django_capture_on_commit_callbacks(execute=True):
        page = reverse("admin:accounts_user_change", args=[alice.pk])
        assert desk.post(page, {"email": new, "handle": "alice"}).status_code == 302
    rows = EmailAddress.objects.filter(user=alice).values_list("email", "primary", "verified")
    assert list(rows) == [(new, True, was_confirmed)]
    [notice] = [m for m in mail.outbox if m.to == [OLD]]
    assert f"{OLD} → {new}" in notice.body
    mail.outbox.clear()
    for address, expected in ((OLD, 0), (new, 1)):
        client.post("/accounts/password/reset/", {"email": address})
        opening = [m for m in mail.outbox if "/accounts/password/reset/key/" in m.body]
        assert len(opening) == expected


def test_a_notice_is_in_the_language_of_the_page(fresh):
    fresh.cookies["django_language"] = "de"
    fresh.post(reverse("account_email"), {"action_add": "", "email": "b@example.org"})
    [notice] = [m for m in mail.outbox if m.to == [OLD]]
    assert "hinzugefügt" in notice.subject
    assert "Setze sofort" in notice.body


def test_a_mail_that_cannot_be_sent_stops_no_change(fresh, alice, monkeypatch):
    def no_server(self):
        raise ConnectionRefusedError

    monkeypatch.setattr("accounts.notices.EmailMessage.send", no_server)
    fresh.post(reverse("account_change_password"), {"oldpassword": PASSWORD, **NEW_PASSWORDS})
    alice.refresh_from_db()
    assert alice.check_password(NEW_PASSWORDS["password1"])


def test_a_forgotten_password_takes_the_keys_with_it(client, alice, key):
    client.post("/accounts/password/reset/", {"email": alice.email})
    path = re.search(r"(/accounts/password/reset/key/\S+)", mail.outbox[0].body)[1]
    form = client.get(path, follow=True)
    client.post(form.redirect_chain[-1][0], NEW_PASSWORDS)
    key.refresh_from_db()
    assert key.revoked_at is not None
    assert notices_of()[-1] == "Your password was reset, and your API keys were revoked"


def test_a_new_password_leads_to_the_keys_that_still_work(fresh, alice, key):
    form = {"oldpassword": PASSWORD, **NEW_PASSWORDS}
    shown = fresh.post(reverse("account_change_password"), form, follow=True)
    assert shown.redirect_chain[-1][0] == reverse("account_keys")
    assert "1 API key still works" in shown.content.decode()
    fresh.post("/accounts/reauthenticate/", {"password": NEW_PASSWORDS["password1"]})
    fresh.post(reverse("account_revoke_keys"))
    key.refresh_from_db()
    assert key.revoked_at is not None


def test_a_factor_reset_outside_a_request_sends_no_mail(alice, operator):
    TOTP.activate(alice, generate_totp_secret())
    do_reset_mfa(alice, by=operator, reason="from a shell")
    assert not mail.outbox
