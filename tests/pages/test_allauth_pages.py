"""allauth's pages are pages of the site: its frame, one heading, labels, errors beside fields."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.models import InviteCode, Policy, User
from accounts.policy import forget
from tests.accounts.conftest import PASSWORD

pytestmark = pytest.mark.one_database

OPEN_PAGES = [
    "account_login", "account_signup", "account_reset_password", "account_reset_password_done",
    "account_reset_password_from_key_done", "account_inactive", "account_email_verification_sent",
    "socialaccount_login_cancelled", "socialaccount_login_error",
]  # fmt: skip
OWN_PAGES = [
    "account_email", "account_change_password", "account_logout", "account_reauthenticate",
    "mfa_activate_totp", "mfa_add_webauthn", "mfa_list_webauthn", "socialaccount_connections",
]  # fmt: skip


@pytest.fixture
def fresh(alice):
    """A browser in which alice has just shown that it is her."""
    client = Client()
    client.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return client


def assert_is_ours(page):
    assert page.count("<h1") == 1
    assert 'id="main"' in page
    assert "style=" not in page
    assert "onclick" not in page
    for attributes in re.findall(r"<script([^>]*)>", page):
        assert "src=" in attributes or "application/json" in attributes, attributes
    for attributes in re.findall(r"<input([^>]*)>", page):
        kind = re.search(r'type="(\w+)"', attributes)
        name = re.search(r'id="([\w-]+)"', attributes)
        if kind and kind[1] in {"hidden", "search"}:
            continue
        assert name, attributes
        assert f'for="{name[1]}"' in page, attributes


@pytest.mark.parametrize("name", OPEN_PAGES)
def test_public_pages(client, db, name):
    assert_is_ours(client.get(reverse(name)).content.decode())


@pytest.mark.parametrize("name", OWN_PAGES)
def test_pages_of_ones_own(fresh, name):
    response = fresh.get(reverse(name))
    assert response.status_code == 200
    assert_is_ours(response.content.decode())


def test_password_managers_know_the_fields(client, db):
    page = client.get("/accounts/login/").content.decode()
    assert re.search(r'name="login"[^>]*autocomplete="email"', page)
    assert re.search(r'name="password"[^>]*autocomplete="current-password"', page)
    page = client.get("/accounts/signup/").content.decode()
    assert re.search(r'name="username"[^>]*autocomplete="username"', page)
    assert re.search(r'name="password1"[^>]*autocomplete="new-password"', page)


def test_errors_stand_beside_their_fields_and_input_is_kept(client, alice):
    form = {"email": "bob@example.org", "username": "alice", "password1": "x", "password2": "x"}
    page = client.post("/accounts/signup/", form).content.decode()
    for name in ("username", "password1"):
        assert f'id="id_{name}_error"' in page
        assert re.search(rf'name="{name}"[^>]*aria-invalid="true"', page)
    assert 'value="bob@example.org"' in page


def test_a_wrong_password_is_said_once_for_the_whole_form(client, alice):
    response = client.post("/accounts/login/", {"login": alice.email, "password": "wrong"})
    page = response.content.decode()
    assert page.count('role="alert"') == 1
    assert f'value="{alice.email}"' in page


def set_sign_up(value):
    Policy.objects.update(sign_up=value)
    forget()


def test_closed_sign_up_says_so(client, db):
    set_sign_up("closed")
    response = client.get("/accounts/signup/")
    assert b"Sign-up is closed" in response.content
    assert_is_ours(response.content.decode())
    assert b"/accounts/signup/" not in client.get("/accounts/login/").content


def test_an_invitation_link_fills_the_code_in(client, db):
    set_sign_up("invite")
    InviteCode.objects.create(code="welcome")
    page = client.get("/accounts/signup/?invite=welcome").content.decode()
    assert re.search(r'name="invite_code"[^>]*value="welcome"', page)
    assert "by invitation only" in page


def test_a_wrong_invitation_is_said_beside_its_field(client, db):
    set_sign_up("invite")
    form = {"email": "b@example.org", "username": "bob", "password1": PASSWORD}
    response = client.post(
        "/accounts/signup/", {**form, "password2": PASSWORD, "invite_code": "no"}
    )
    page = response.content.decode()
    assert 'id="id_invite_code_error"' in page
    assert not User.objects.exists()


def test_open_sign_up_asks_for_no_code(client, db):
    assert b"invite_code" not in client.get("/accounts/signup/?invite=x").content


def test_mails_name_the_site(client, alice):
    Policy.objects.update(site_name="Forecasts")
    forget()
    client.post("/accounts/password/reset/", {"email": alice.email})
    assert mail.outbox[0].subject == "[Forecasts] Reset your password"
    assert f"your account {alice.handle} at Forecasts:" in mail.outbox[0].body
    assert mail.outbox[0].body.endswith(f"\nForecasts\n{settings.SITE_URL}")


def test_mails_are_the_sites_own_words(client, db):
    """allauth's German says Sie where ours says du, and its English thanks for using host:port."""
    client.post("/accounts/password/reset/", {"email": "nobody@example.org"})
    form = {"username": "robert", "password1": PASSWORD, "password2": PASSWORD}
    client.post("/accounts/signup/", {"email": "r@example.org", **form})
    assert [message.subject.partition("] ")[2] for message in mail.outbox] == [
        "There is no account with this address",
        "Confirm your e-mail address",
    ]
    for message in mail.outbox:
        assert "Hello from" not in message.body
        assert "Thank you for using" not in message.body
        assert message.body.count("http") == 2  # what it is about, and the site


def test_a_second_factor_from_set_up_to_log_in(fresh, alice, authenticator):
    EmailAddress.objects.update(verified=True)
    shown = fresh.get(reverse("mfa_activate_totp"))
    secret = shown.context["form"].secret
    page = shown.content.decode()
    assert secret in page
    assert 'src="data:image/svg+xml' in page
    wrong = fresh.post(reverse("mfa_activate_totp"), {"code": "000000"})
    assert 'id="id_code_error"' in wrong.content.decode()
    code = authenticator(secret)
    codes = fresh.post(reverse("mfa_activate_totp"), {"code": code}, follow=True)
    assert b"10 of 10 are left" in codes.content
    assert_is_ours(codes.content.decode())
    for name in ("mfa_deactivate_totp", "mfa_generate_recovery_codes", "mfa_reauthenticate"):
        assert_is_ours(fresh.get(reverse(name)).content.decode())
    other = Client()
    asked = other.post(
        "/accounts/login/", {"login": alice.email, "password": PASSWORD}, follow=True
    )
    page = asked.content.decode()
    assert_is_ours(page)
    assert re.search(r'name="code"[^>]*autocomplete="one-time-code"', page)


def test_too_many_attempts_are_answered_with_a_page(client, alice, settings):
    settings.ATTEMPT_LIMITS = {**settings.ATTEMPT_LIMITS, "log_in": {"address": (1, 60)}}
    form = {"login": alice.email, "password": "wrong"}
    client.post("/accounts/login/", form)
    response = client.post("/accounts/login/", {**form, "password": PASSWORD})
    page = response.content.decode()
    assert response.status_code == 429
    assert response["Retry-After"] in page
    assert_is_ours(page)
    assert client.get("/api/v1/me").status_code == 401


@pytest.mark.django_db(transaction=True)
async def test_too_many_attempts_are_answered_with_a_page_under_asgi(settings, async_client):
    settings.ATTEMPT_LIMITS = {**settings.ATTEMPT_LIMITS, "log_in": {"address": (1, 60)}}
    await async_client.post("/accounts/login/", {"login": "a"})
    response = await async_client.post("/accounts/login/", {"login": "a"})
    assert response.status_code == 429
    assert b"<h1" in response.content


def test_a_form_without_its_token_is_refused_with_a_page(db):
    client = Client(enforce_csrf_checks=True)
    response = client.post("/accounts/login/", {"login": "a"})
    assert response.status_code == 403
    assert_is_ours(response.content.decode())


def test_a_bug_of_ours_is_a_page_that_needs_no_database(alice, monkeypatch):
    monkeypatch.setattr("accounts.pages.profile.ProfileForm", lambda *args, **kwargs: 1 // 0)
    client = Client(raise_request_exception=False)
    client.force_login(alice)
    response = client.get(reverse("account"))
    assert response.status_code == 500
    page = response.content.decode()
    assert "This did not work" in page
    assert response["X-Request-ID"] in page
    assert 'href="/static/css/site.css"' in page


def test_allauths_own_limits_are_answered_with_a_page_too(fresh, settings):
    settings.ACCOUNT_RATE_LIMITS = {"reauthenticate": "1/m/user"}
    for _ in range(2):
        response = fresh.post("/accounts/reauthenticate/", {"password": "wrong"})
    assert response.status_code == 429
    assert_is_ours(response.content.decode())
