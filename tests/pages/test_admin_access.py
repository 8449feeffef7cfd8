"""Access to the admin, and the content security policy of its pages."""

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client

from tests.accounts.conftest import PASSWORD
from tests.markets.factories import make_market, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator():
    return make_user("olivia", operator=True)


@pytest.fixture
def site(operator):
    client = Client()
    client.force_login(operator, backend="accounts.backends.Backend")
    return client


def policy_of(response):
    parts = response["Content-Security-Policy"].split(";")
    return {part.split()[0]: part.split()[1:] for part in parts}


def test_only_the_admin_s_pages_are_relaxed(site):
    market = make_market(status="open")
    for path in ("/admin/", "/admin/markets/market/", f"/admin/markets/market/{market.pk}/change/",
                 f"/admin/markets/market/{market.pk}/do/halt/"):  # fmt: skip
        policy = policy_of(site.get(path))
        assert policy["script-src"] == ["'self'", "'unsafe-eval'"]
        assert policy["style-src"] == ["'self'", "'unsafe-inline'"]
        assert policy["object-src"] == ["'none'"]
    for path in ("/help/", "/admin/nothing/here/", "/accounts/login/"):
        assert "unsafe" not in site.get(path)["Content-Security-Policy"]


def test_an_operator_without_a_second_factor_gets_no_further_than_how_to_get_one(
    site, operator, settings
):
    settings.ADMIN_REQUIRE_MFA = True
    for path in ("/admin/", "/admin/accounts/user/", "/admin/accounts/policy/1/change/"):
        for page in (site.get(path), site.post(path)):
            assert page.status_code == 403
            assert "Set up a second factor" in page.content.decode()
            assert "/accounts/2fa/" in page.content.decode()
            assert "unsafe" not in page["Content-Security-Policy"]


def test_an_operator_who_logged_in_before_they_had_a_second_factor_is_asked_for_it(
    operator, settings, authenticator
):
    settings.ADMIN_REQUIRE_MFA = True
    operator.set_password(PASSWORD)
    operator.save()
    browser = Client()
    browser.post("/accounts/login/", {"login": operator.email, "password": PASSWORD})
    secret = generate_totp_secret()
    TOTP.activate(operator, secret)
    for method in (browser.get, browser.post):
        assert method("/admin/accounts/user/")["Location"] == (
            "/accounts/2fa/reauthenticate/?next=%2Fadmin%2Faccounts%2Fuser%2F"
        )
    browser.post("/accounts/2fa/reauthenticate/", {"code": authenticator(secret)})
    assert browser.get("/admin/accounts/user/").status_code == 200
    Authenticator.objects.all().delete()
    assert browser.get("/admin/accounts/user/").status_code == 403


def test_recovery_codes_alone_are_no_second_factor(site, operator, settings):
    settings.ADMIN_REQUIRE_MFA = True
    Authenticator.objects.create(user=operator, type="recovery_codes", data={})
    assert site.get("/admin/").status_code == 403


def test_others_are_sent_to_the_log_in(client, settings):
    settings.ADMIN_REQUIRE_MFA = True
    assert client.get("/admin/")["Location"].startswith("/admin/login/")
    chain = client.get("/admin/", follow=True).redirect_chain
    assert chain[-1][0].startswith("/accounts/login/")
    client.force_login(make_user("alice"), backend="accounts.backends.Backend")
    assert client.get("/admin/", follow=True).status_code == 403


def test_the_password_is_changed_where_it_is_audited(site):
    assert site.get("/admin/password_change/")["Location"] == "/accounts/password/change/"


def test_titles_are_text_wherever_they_are_shown(site):
    payload = "<script>alert(1)</script>"
    market = make_market(title=payload, status="closed", rules=payload)
    for path in ("/admin/", "/admin/markets/market/", f"/admin/markets/market/{market.pk}/change/",
                 f"/admin/markets/market/{market.pk}/do/resolve/"):  # fmt: skip
        assert payload not in site.get(path).content.decode()
