"""The account's pages: profile, security, keys, limits."""

import re
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.actions import do_create_api_key, do_log_in
from accounts.keys import compute_digest
from accounts.models import ApiKey, AuditEvent, User
from tests.accounts.conftest import PASSWORD, main_account

pytestmark = pytest.mark.one_database

TABS = ["account", "account_security", "account_keys", "account_limits", "account_privacy"]


@pytest.fixture
def browser(alice):
    """A browser in which alice has logged in, some time ago."""
    client = Client(headers={"User-Agent": "Firefox on a desk"})
    client.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    return client


@pytest.fixture
def fresh(browser):
    """The same, just after she showed once more that it is her."""
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return browser


@pytest.mark.parametrize("name", [*TABS, "account_delete"])
def test_strangers_are_sent_to_log_in(client, db, name):
    path = reverse(name)
    assert client.get(path)["Location"] == f"/accounts/login/?next={path}"


@pytest.mark.parametrize("name", TABS)
def test_every_tab_opens_and_says_where_one_is(browser, name):
    page = browser.get(reverse(name)).content.decode()
    assert page.count('aria-current="page"') == 1
    assert page.count("<h1") == 1
    assert "style=" not in page


def test_a_profile_is_edited_and_nothing_else_of_the_row(browser, alice):
    form = {"display_name": "Al", "bio": "I guess.", "on_leaderboards": "on", "is_staff": "on"}
    assert browser.post(reverse("account"), form).status_code == 302
    alice.refresh_from_db()
    assert (alice.display_name, alice.bio, alice.is_staff) == ("Al", "I guess.", False)
    assert (alice.public_profile, alice.on_leaderboards) == (False, True)


def test_a_bio_that_is_too_long_stays_in_the_form_with_the_reason(browser, alice):
    response = browser.post(reverse("account"), {"bio": "x" * 301, "display_name": "Al"})
    assert response.status_code == 422
    page = response.content.decode()
    assert 'id="id_bio_error"' in page
    assert 'value="Al"' in page
    alice.refresh_from_db()
    assert alice.bio == ""


def test_security_says_which_factors_there_are(browser, alice):
    assert b"no second factor yet" in browser.get(reverse("account_security")).content
    Authenticator.objects.create(user=alice, type="totp", data={"secret": "x"})
    page = browser.get(reverse("account_security")).content
    assert b"no second factor yet" not in page
    assert b"Turn the app off" in page


def test_allauths_lists_of_factors_and_sessions_lead_to_our_page(browser):
    for path in (reverse("mfa_index"), reverse("usersessions_list")):
        assert browser.get(path)["Location"] == reverse("account_security")


def test_one_other_browser_is_logged_out(browser, alice):
    other = Client(headers={"User-Agent": "A phone"})
    other.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    page = browser.get(reverse("account_security")).content.decode()
    assert "A phone" in page
    assert "Firefox on a desk" in page
    phone = UserSession.objects.get(user_agent="A phone")
    browser.post(reverse("account_end_browser", args=[phone.pk]))
    assert other.get(reverse("account")).status_code == 302
    assert browser.get(reverse("account")).status_code == 200
    assert AuditEvent.objects.filter(action="end_session", actor=alice).exists()


def test_everywhere_else_means_programs_too(browser, alice, log_in):
    program = log_in(alice)
    other = Client()
    other.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    browser.post(reverse("account_end_others"))
    assert other.get(reverse("account")).status_code == 302
    assert program.post("auth/refresh", {"refresh": program.refresh}).status_code == 401
    assert browser.get(reverse("account")).status_code == 200


def test_a_programs_log_in_is_shown_and_ended(browser, alice):
    login = do_log_in(alice, address="10.1.1.1", user_agent="bot/1")
    page = browser.get(reverse("account_security")).content.decode()
    assert "bot 1" in page
    assert "10.1.1.1" in page
    browser.post(reverse("account_end_program", args=[login.pk]))
    login.refresh_from_db()
    assert login.revoked_at is not None
    assert "bot 1" not in browser.get(reverse("account_security")).content.decode()


def test_a_log_in_is_ended_only_by_its_owner(browser, make_user):
    bob = make_user("bob")
    login = do_log_in(bob, address="", user_agent="bot")
    Client().post("/accounts/login/", {"login": bob.email, "password": PASSWORD})
    theirs = UserSession.objects.get(user=bob)
    assert browser.post(reverse("account_end_program", args=[login.pk])).status_code == 404
    assert browser.post(reverse("account_end_browser", args=[theirs.pk])).status_code == 404


def test_security_asks_the_database_the_same_whatever_there_is(
    browser, alice, django_assert_max_num_queries
):
    browser.get(reverse("account_security"))
    with django_assert_max_num_queries(20) as few:
        browser.get(reverse("account_security"))
        count = len(few)
    for number in range(3):
        do_log_in(alice, address="", user_agent=f"bot {number}")
        Client().post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    with django_assert_max_num_queries(count + 2):  # what is kept for a second may be read again
        browser.get(reverse("account_security"))


KEY = {"name": "my bot", "scopes": ["read", "trade"], "days": "30"}


def test_a_key_is_made_after_the_password_and_shown_once(browser, alice):
    asked = browser.post(reverse("account_keys"), KEY)
    assert asked["Location"].startswith("/accounts/reauthenticate/")
    assert not ApiKey.objects.exists()
    response = browser.post(asked["Location"], {"password": PASSWORD})
    page = response.content.decode()
    assert response.status_code == 201
    assert response["Cache-Control"] == "no-store"
    [secret] = set(re.findall(r"pdx_[0-9a-f]{12}_[\w-]{43}", page))
    key = ApiKey.objects.get()
    assert key.digest == compute_digest(secret)
    assert key.scopes == ["read", "trade"]
    assert key.expires_at
    assert timedelta(days=29) < key.expires_at - timezone.now() <= timedelta(days=30)
    assert secret not in browser.get(reverse("account_keys")).content.decode()


@pytest.mark.parametrize("change", [{"name": ""}, {"scopes": []}, {"scopes": ["manage"]}])
def test_a_key_that_cannot_be_is_refused_beside_the_field(fresh, change):
    response = fresh.post(reverse("account_keys"), {**KEY, **change})
    assert response.status_code == 422
    assert f'id="id_{next(iter(change))}_error"' in response.content.decode()
    assert not ApiKey.objects.exists()


def test_making_keys_is_limited(fresh, settings):
    settings.ATTEMPT_LIMITS = {**settings.ATTEMPT_LIMITS, "key_creation": {"account": (1, 60)}}
    assert fresh.post(reverse("account_keys"), KEY).status_code == 201
    refused = fresh.post(reverse("account_keys"), KEY)
    assert refused.status_code == 429
    assert b"<h1" in refused.content


def test_a_key_is_revoked_by_its_owner_only(fresh, alice, make_user):
    mine, _ = do_create_api_key(main_account(alice), name="k", scopes=["read"], by=alice)
    bob = make_user("bob")
    theirs, _ = do_create_api_key(main_account(bob), name="k", scopes=["read"], by=bob)
    fresh.post(reverse("account_revoke_key", args=[mine.pk]))
    assert fresh.post(reverse("account_revoke_key", args=[theirs.pk])).status_code == 404
    mine.refresh_from_db()
    theirs.refresh_from_db()
    assert mine.revoked_at is not None
    assert theirs.revoked_at is None


def test_keys_ask_the_database_the_same_whatever_there_is(
    browser, alice, django_assert_max_num_queries
):
    browser.get(reverse("account_keys"))
    with django_assert_max_num_queries(20) as few:
        browser.get(reverse("account_keys"))
        count = len(few)
    for number in range(5):
        do_create_api_key(main_account(alice), name=f"k{number}", scopes=["read"], by=alice)
    with django_assert_max_num_queries(count + 2):  # what is kept for a second may be read again
        browser.get(reverse("account_keys"))


def test_a_script_in_every_text_field_is_only_text(fresh, alice):
    script = "<script>alert(1)</script>"
    User.objects.filter(pk=alice.pk).update(display_name=script, bio=script)
    do_create_api_key(main_account(alice), name=script, scopes=["read"], by=alice)
    do_log_in(alice, address="", user_agent=script)
    for name in TABS:
        assert script not in fresh.get(reverse(name)).content.decode()


def test_a_key_says_all_of_it_on_a_phone_too(fresh):
    fresh.post(reverse("account_keys"), KEY)
    row = fresh.get(reverse("account_keys")).content.decode().partition("<tbody>")[2]
    named = row.partition("</th>")[0]
    for part in ("my bot", "read, trade", "Never", "Ends"):
        assert part in named


def test_what_a_password_must_be_belongs_to_its_field(fresh):
    page = fresh.get(reverse("account_change_password")).content.decode()
    help_id = re.search(r'<div class="field-help" id="([^"]+)"><ul>', page)[1]
    assert re.search(rf'<input[^>]*name="password1"[^>]*aria-describedby="{help_id}"', page)


def test_the_manifest_names_the_site_and_icons_that_are_there(client, db):
    response = client.get(reverse("manifest"))
    assert response["Content-Type"] == "application/manifest+json"
    manifest = response.json()
    assert manifest["name"] == "predex"
    assert {icon.get("purpose", "any") for icon in manifest["icons"]} == {"any", "maskable"}
    for icon in manifest["icons"]:
        assert client.get(icon["src"]).status_code == 200
