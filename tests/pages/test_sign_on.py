"""Single sign-on against a real (if small) OpenID Connect provider."""

import time

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.actions import do_suspend_user
from accounts.models import AuditEvent, InviteCode, Policy, User
from accounts.policy import forget
from accounts.sign_on import suggest_handle
from kernel.units import MICROS_PER_CREDIT
from predex.sign_on import configure_sign_on
from tests.accounts.api import Api
from tests.accounts.conftest import PASSWORD, main_account
from tests.pages.oidc import CLIENT_ID, CLIENT_SECRET, Provider

pytestmark = pytest.mark.one_database

DORA = {
    "sub": "d-1",
    "email": "dora@corp.example",
    "email_verified": True,
    "preferred_username": "Dora.Meyer",
    "name": "Dora Meyer",
}


@pytest.fixture
def provider(settings):
    provider = Provider(claims=dict(DORA)).start()
    settings.SOCIALACCOUNT_PROVIDERS = configure_sign_on(
        name="Corp ID", server_url=provider.url, client_id=CLIENT_ID, secret=CLIENT_SECRET
    )
    yield provider
    provider.stop()


def come_back(client, provider, query=""):
    """Follow the button to the provider, agree there, and return the answer on coming back."""
    away = client.get(f"/accounts/oidc/sso/login/{query}")
    assert away["Location"].startswith(f"{provider.url}/authorize?")
    return client.get(provider.log_in(away["Location"]))


def sign_up(client, provider, **form):
    assert come_back(client, provider)["Location"] == reverse("socialaccount_signup")
    return client.post(
        reverse("socialaccount_signup"), {"email": DORA["email"], "username": "dora", **form}
    )


def set_sign_up(value):
    Policy.objects.update(sign_up=value)
    forget()


def test_the_button_is_there_only_when_a_provider_is_set(client, db):
    for path in ("/accounts/login/", "/accounts/signup/"):
        assert b"/accounts/oidc/" not in client.get(path).content


def test_the_button_leads_to_the_provider(client, db, provider):
    for path in ("/accounts/login/", "/accounts/signup/"):
        page = client.get(path).content.decode()
        assert "Continue with Corp ID" in page
        assert 'href="/accounts/oidc/sso/login/' in page


def test_sign_up_chooses_a_handle_and_gets_account_grant_and_audit_event(client, db, provider):
    come_back(client, provider)
    page = client.get(reverse("socialaccount_signup")).content.decode()
    assert 'value="dora_meyer"' in page
    assert 'value="dora@corp.example"' in page
    assert "password" not in page
    form = {"email": DORA["email"], "username": "dora"}
    assert client.post(reverse("socialaccount_signup"), form).status_code == 302
    user = User.objects.get()
    assert (user.handle, user.email, user.display_name) == ("dora", DORA["email"], "Dora Meyer")
    assert not user.has_usable_password()
    assert EmailAddress.objects.get(user=user).verified
    assert main_account(user).cash_micros == 10_000 * MICROS_PER_CREDIT
    assert AuditEvent.objects.filter(action="create_user", subject_id=user.pk).count() == 1
    assert client.get("/api/v1/me").json()["handle"] == "dora"


@pytest.mark.parametrize("said", [False, None, "false", 0])
def test_an_address_that_the_provider_does_not_vouch_for_is_not_verified(
    client, db, provider, said
):
    provider.claims["email_verified"] = said
    sign_up(client, provider)
    assert not EmailAddress.objects.get().verified


def test_another_address_than_the_providers_is_not_verified_either(client, db, provider):
    sign_up(client, provider, email="else@example.org")
    assert User.objects.get().email == DORA["email"]  # the verified one
    assert not EmailAddress.objects.get(email="else@example.org").verified


def test_the_second_time_is_a_log_in(client, db, provider):
    sign_up(client, provider)
    other = Client()
    assert come_back(other, provider)["Location"] == "/"
    assert other.get("/api/v1/me").json()["handle"] == "dora"
    assert User.objects.count() == 1


def test_who_has_only_single_sign_on_shows_by_it_that_it_is_them(client, db, provider, settings):
    sign_up(client, provider)
    form = {"action_add": "", "email": "thief@example.org"}
    key = {"name": "k", "scopes": ["read"]}
    with time_machine.travel(time.time() + 3600):
        asked = client.post(reverse("account_email"), form)
        assert asked["Location"].startswith("/accounts/oidc/sso/login/?next=%2Faccount%2Fsecurity")
        assert not EmailAddress.objects.filter(email=form["email"]).exists()
        passwords = {"password1": PASSWORD, "password2": PASSWORD}
        set_one = client.post(reverse("account_set_password"), passwords)
        assert set_one["Location"] == asked["Location"]
        assert not User.objects.get().has_usable_password()
        assert Api(client).post("keys", key).json()["code"] == "log_in_again"
        away = client.get(asked["Location"])
        assert "prompt=login" in away["Location"]
        back = client.get(provider.log_in(away["Location"]))
        assert back["Location"] == reverse("account_security")
        client.post(reverse("account_email"), form)
        assert EmailAddress.objects.filter(email=form["email"]).exists()
        assert Api(client).post("keys", key).status_code == 201


@pytest.mark.parametrize("handle", ["alice", "admin", "No!"])
def test_a_handle_that_cannot_be_is_said_beside_the_field(client, alice, provider, handle):
    response = sign_up(client, provider, username=handle)
    assert 'id="id_username_error"' in response.content.decode()
    assert User.objects.count() == 1


def test_an_account_is_not_taken_over_by_its_address(client, alice, provider):
    provider.claims["email"] = alice.email
    sign_up(client, provider, email=alice.email)
    assert client.get("/api/v1/me").status_code == 401
    assert User.objects.count() == 1
    assert not SocialAccount.objects.exists()


def test_closed_means_closed(client, db, provider):
    set_sign_up("closed")
    response = come_back(client, provider)
    assert b"Sign-up is closed" in response.content
    assert not User.objects.exists()


def test_an_invitation_is_kept_on_the_way_and_used_up(client, db, provider):
    set_sign_up("invite")
    InviteCode.objects.create(code="welcome")
    assert sign_up(client, provider).status_code == 200
    assert not User.objects.exists()
    client.get("/accounts/signup/?invite=welcome")
    come_back(client, provider)
    assert 'value="welcome"' in client.get(reverse("socialaccount_signup")).content.decode()
    sign_up(client, provider, invite_code="welcome")
    assert User.objects.get().handle == "dora"
    assert InviteCode.objects.get().uses == 1


def test_a_suspended_user_is_refused(client, db, provider, operator):
    sign_up(client, provider)
    do_suspend_user(User.objects.get(handle="dora"), by=operator, reason="test")
    other = Client()
    response = come_back(other, provider)
    assert response.status_code == 403
    assert b"suspended" in response.content
    assert other.get("/api/v1/me").status_code == 401


def test_an_account_is_connected_and_disconnected_by_its_owner(client, alice, provider):
    client.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    assert b"Not connected" in client.get(reverse("account_security")).content
    asked = come_back(client, provider, "?process=connect")["Location"]
    assert asked == reverse("account_reauthenticate")
    assert not SocialAccount.objects.exists()
    client.post(asked, {"password": PASSWORD})
    mine = SocialAccount.objects.get(user=alice)
    assert b"Disconnect" in client.get(reverse("socialaccount_connections")).content
    client.post(reverse("socialaccount_connections"), {"account": mine.pk})
    assert not SocialAccount.objects.exists()
    assert [notice.subject for notice in mail.outbox if notice.to == [alice.email]] == [
        "[predex] Single sign-on was connected to your account",
        "[predex] Single sign-on was disconnected from your account",
    ]


def test_tokens_of_two_people_are_refused(client, db, provider, monkeypatch):
    monkeypatch.setattr(Provider, "get", _somebody_else(Provider.get))
    assert come_back(client, provider).status_code == 403
    assert not User.objects.exists()


def _somebody_else(get):
    def answer(self, path, headers):
        said = get(self, path, headers)
        return {**said, "sub": "somebody-else"} if path == "/userinfo" else said

    return answer


def test_a_provider_that_fails_is_a_page_in_our_style(client, db, provider):
    away = client.get("/accounts/oidc/sso/login/")
    back = provider.log_in(away["Location"])
    provider.codes.clear()
    response = client.get(back, follow=True)
    assert b"You are not logged in" in response.content
    cancelled = client.get(reverse("socialaccount_login_cancelled"))
    assert b"You cancelled the log-in" in cancelled.content


def test_suggested_handles():
    assert suggest_handle("Dora.Meyer") == "dora_meyer"
    assert suggest_handle("dora@corp.example") == "dora"
    assert suggest_handle("x" * 50) == "x" * 30
    assert suggest_handle("日本") == ""
